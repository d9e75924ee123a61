//! What is the JSON Schema of a workflow document, the config of each step type included?

use serde_json::{Map, Value as Json, json};

use crate::{
    Registry, StepType,
    config::bounded_schema,
    document, entry,
    params::{DECLARATION_KEYS, NAME_PATTERN, PARAM_TYPES},
    workflow::Retry,
};

/// The JSON Schema (2020-12) of documents whose steps are of the types in `registry`, for editors. It
/// refuses nothing that [`Document::validate`](crate::Document::validate) takes: wherever a step has
/// a number, a list or one of some words, `${name}` may stand instead.
pub fn json_schema(registry: &Registry) -> Json {
    let types: Vec<Json> = registry
        .iter()
        .map(|kind| json!({"const": kind.name(), "description": kind.description()}))
        .collect();
    let kind = if types.is_empty() { json!({"type": "string"}) } else { json!({"oneOf": types}) };
    let mut step = step_schema(kind);
    with_parameters(&mut step);
    let mut definitions = Map::new();
    let mut branches = Vec::new();
    for kind in registry.iter() {
        let key = format!("config.{}", kind.name());
        let config = config_schema(kind.as_ref(), &key);
        let required = config.get("required").and_then(Json::as_array);
        let then = if required.is_some_and(|keys| !keys.is_empty()) {
            json!({"required": ["config"], "properties": {"config": {"$ref": reference(&key)}}})
        } else {
            let none = json!({"type": "null"});
            json!({"properties": {"config": {"anyOf": [{"$ref": reference(&key)}, none]}}})
        };
        branches.push(json!({
            "if": {"properties": {"type": {"const": kind.name()}}, "required": ["type"]},
            "then": then,
        }));
        definitions.insert(key, config);
    }
    if let (false, Some(step)) = (branches.is_empty(), step.as_object_mut()) {
        step.insert("allOf".to_owned(), Json::Array(branches));
    }
    definitions.insert("step".to_owned(), step);
    definitions.insert(
        "parameter".to_owned(),
        json!({
            "type": "string",
            "pattern": format!("^\\$\\{{{NAME_PATTERN}\\}}$"),
            "description": "A parameter, which keeps its type.",
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Bowstring workflow",
        "type": "object",
        "required": ["steps"],
        "additionalProperties": false,
        "properties": {
            "version": {"const": document::VERSION, "description": "The version of the format."},
            "name": {"type": "string", "minLength": 1, "description": "The workflow's name; `workflow` when there is none."},
            "description": {"type": "string", "description": "What the workflow is for."},
            "params": params_schema(),
            "steps": {
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/step"},
                "description": "The steps. Their order means nothing: a step starts when its inputs are there.",
            },
        },
        "$defs": definitions,
    })
}

fn params_schema() -> Json {
    let [kind, default, description] = DECLARATION_KEYS;
    json!({
        "type": "object",
        "description": "Parameters, which `${name}` stands for in steps.",
        "propertyNames": {"pattern": format!("^{NAME_PATTERN}$")},
        "additionalProperties": {
            "type": "object",
            "required": [kind],
            "additionalProperties": false,
            "properties": {
                kind: {"enum": PARAM_TYPES, "description": "The type of its value."},
                default: {"description": "The value when none is given; without it, one must be given."},
                description: {"type": "string", "description": "What it is for."},
            },
        },
    })
}

fn step_schema(mut kind: Json) -> Json {
    if let Some(words) = kind.as_object_mut() {
        words.insert("description".to_owned(), json!("What the step does."));
    }
    let defaults = Retry::default();
    let kinds: Vec<&str> = entry::retried_kinds().collect();
    let name = json!({"type": "string", "minLength": 1});
    let amount = json!({"type": "integer", "minimum": 0});
    let duration = |description: &str| json!({"type": "string", "description": description, "examples": ["500ms", "90s", "1h 30m"]});
    json!({
        "type": "object",
        "required": ["name", "type"],
        "additionalProperties": false,
        "not": {"required": ["input", "inputs"]},
        "properties": {
            "name": {"type": "string", "minLength": 1, "description": "The step's name, of which there is only one."},
            "type": kind,
            "config": {"type": ["object", "null"], "description": "What the step type needs to know."},
            "depends_on": {
                "type": "array",
                "items": name,
                "description": "Steps that must have succeeded before. A step with one dependency and no `input` takes its data from that one.",
            },
            "input": {"type": "string", "description": "The step that the data comes from."},
            "inputs": {
                "type": "object",
                "additionalProperties": name,
                "description": "The steps that the data comes from, by input name.",
            },
            "retry": {
                "type": "object",
                "additionalProperties": false,
                "description": "When and how often a failed attempt is repeated.",
                "properties": {
                    "max_attempts": {"type": "integer", "minimum": 1, "maximum": u32::MAX, "default": defaults.max_attempts, "description": "The number of attempts, the first included."},
                    "backoff": duration("The wait before the second attempt, 1s when absent; it doubles with each further one."),
                    "max_backoff": duration("The longest wait, 60s when absent."),
                    "jitter": {"type": "number", "minimum": 0, "maximum": 1, "default": defaults.jitter, "description": "The fraction by which a wait is randomly longer or shorter."},
                    "on": {"type": "array", "items": {"enum": kinds}, "description": "The kinds of failure that are retried; all when absent."},
                },
            },
            "timeout": duration("The limit of each attempt."),
            "resources": {
                "type": "object",
                "properties": {"memory": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}], "description": "Bytes, or a size.", "examples": ["512MiB"]}},
                "additionalProperties": amount,
                "description": "What the step needs while it runs: `cpu`, `memory`, or any resource that the run has.",
            },
            "on_failure": {"enum": entry::ON_FAILURE, "default": "fail", "description": "`fail`: nothing new starts and running steps are cancelled; `continue`: independent branches finish."},
        },
    })
}

/// The schema of a step type's config, to stand at `key` of the document's definitions.
fn config_schema(kind: &dyn StepType, key: &str) -> Json {
    let mut schema = bounded_schema(kind);
    if let Some(words) = schema.as_object_mut() {
        for word in ["$schema", "$id", "title"] {
            words.remove(word);
        }
    }
    move_references(&mut schema, &reference(key));
    with_parameters(&mut schema);
    schema
}

/// The reference to the definition `key`: a JSON pointer in a URI's fragment.
fn reference(key: &str) -> String {
    let mut reference = "#/$defs/".to_owned();
    for byte in key.replace('~', "~0").replace('/', "~1").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                reference.push(char::from(byte));
            }
            _ => reference.push_str(&format!("%{byte:02X}")),
        }
    }
    reference
}

/// Lets references to the schema's own root point at `base` instead.
fn move_references(schema: &mut Json, base: &str) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(|item| move_references(item, base)),
        Json::Object(words) => {
            for (word, value) in words {
                match value {
                    Json::String(target) if word == "$ref" && target.starts_with('#') => {
                        target.replace_range(..1, base);
                    }
                    value => move_references(value, base),
                }
            }
        }
        _ => {}
    }
}

/// Lets a parameter stand for every value below the root that is not any text already.
fn with_parameters(schema: &mut Json) {
    let Some(words) = schema.as_object_mut() else { return };
    for word in ["properties", "$defs"] {
        for value in words.get_mut(word).and_then(Json::as_object_mut).into_iter().flat_map(Map::values_mut) {
            with_parameters(value);
            if word == "properties" {
                or_parameter(value);
            }
        }
    }
    for word in ["items", "additionalProperties"] {
        if let Some(value) = words.get_mut(word) {
            with_parameters(value);
            or_parameter(value);
        }
    }
    for word in ["prefixItems", "anyOf", "oneOf", "allOf"] {
        for value in words.get_mut(word).and_then(Json::as_array_mut).into_iter().flatten() {
            with_parameters(value);
            if word == "prefixItems" {
                or_parameter(value);
            }
        }
    }
}

fn or_parameter(schema: &mut Json) {
    let Some(words) = schema.as_object_mut() else { return };
    let notes = ["description", "title", "default", "examples"];
    let is_constrained = words.keys().any(|word| word != "type" && !notes.contains(&word.as_str()));
    if words.is_empty() || (words.get("type") == Some(&json!("string")) && !is_constrained) {
        return;
    }
    let kept = notes.into_iter().filter_map(|note| Some((note.to_owned(), words.remove(note)?)));
    let mut outer: Map<String, Json> = kept.collect();
    let inner = std::mem::take(words);
    outer.insert("anyOf".to_owned(), json!([inner, {"$ref": "#/$defs/parameter"}]));
    *words = outer;
}
