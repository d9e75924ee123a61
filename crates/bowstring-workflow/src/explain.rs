//! How is an error of a JSON Schema said so that one need not know the schema?

use bowstring_core::quoted_list;
use jsonschema::{
    JsonType, ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value as Json;

use crate::{
    ConfigProblem,
    config::is_misspelled,
    fields::suggestion,
    tree::{MAX_DEPTH, Node, shortened},
};

/// A problem, and whether its place is the key or the value at the end of its path.
pub(crate) struct Finding {
    pub(crate) problem: ConfigProblem,
    pub(crate) at_key: bool,
}

impl From<ConfigProblem> for Finding {
    fn from(problem: ConfigProblem) -> Self {
        Self { problem, at_key: false }
    }
}

/// A config and the schema that it does not fit.
#[derive(Clone, Copy)]
struct Case<'a> {
    config: &'a Json,
    schema: &'a Json,
}

/// What `errors` of a config come to; never empty when `errors` is not.
pub(crate) fn explain(errors: &[ValidationError<'_>], config: &Json, schema: &Json) -> Vec<Finding> {
    let mut problems = Vec::new();
    each(errors, Case { config, schema }, &mut problems);
    problems
}

fn each(errors: &[ValidationError<'_>], case: Case<'_>, problems: &mut Vec<Finding>) {
    for error in errors {
        // Where only some words are taken, that says more than that it must be text.
        let is_told = |other: &ValidationError<'_>| {
            is_choice(other.kind()) && other.instance_path() == error.instance_path()
        };
        let is_type = matches!(error.kind(), ValidationErrorKind::Type { .. });
        if !(is_type && errors.iter().any(is_told)) {
            one(error, errors, case, problems);
        }
    }
}

fn is_choice(kind: &ValidationErrorKind) -> bool {
    matches!(kind, ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. })
}

fn one(
    error: &ValidationError<'_>,
    siblings: &[ValidationError<'_>],
    case: Case<'_>,
    problems: &mut Vec<Finding>,
) {
    let path: Vec<String> = error.instance_path().iter().map(|segment| segment.to_string()).collect();
    let found = describe(error.instance());
    let (message, hint) = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            return unknown_keys(&path, unexpected, known_keys(case.schema, error), problems);
        }
        // A mapping that may have no keys at all: the error is the mapping's and names none of them.
        ValidationErrorKind::FalseSchema
            if error.schema_path().as_str().ends_with("/additionalProperties") =>
        {
            let mapping = case.config.pointer(error.instance_path().as_str()).and_then(Json::as_object);
            let keys: Vec<String> = mapping.into_iter().flat_map(|keys| keys.keys().cloned()).collect();
            return unknown_keys(&path, &keys, known_keys(case.schema, error), problems);
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            if is_misspelled(key, unexpected(error, siblings)) {
                return;
            }
            (format!("the key `{key}` is missing"), None)
        }
        ValidationErrorKind::Type { kind } => type_error(&types_of(kind), error.instance(), &found),
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
            not_among(options.iter(), error.instance(), &found)
        }
        ValidationErrorKind::Constant { expected_value } => {
            not_among(std::iter::once(expected_value.as_ref()), error.instance(), &found)
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            return alternatives(error, context, case, problems);
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => {
            (format!("{found} can be read in more than one way"), None)
        }
        ValidationErrorKind::Minimum { limit } => (format!("expected at least {limit}, found {found}"), None),
        ValidationErrorKind::Maximum { limit } => (format!("expected at most {limit}, found {found}"), None),
        ValidationErrorKind::ExclusiveMinimum { limit } => {
            (format!("expected more than {limit}, found {found}"), None)
        }
        ValidationErrorKind::ExclusiveMaximum { limit } => {
            (format!("expected less than {limit}, found {found}"), None)
        }
        ValidationErrorKind::MinItems { limit } => {
            (format!("the list needs at least {}", count(*limit, "item")), None)
        }
        ValidationErrorKind::MaxItems { limit } => {
            (format!("the list may have at most {}", count(*limit, "item")), None)
        }
        ValidationErrorKind::MinProperties { limit } => {
            (format!("the mapping needs at least {}", count(*limit, "key")), None)
        }
        ValidationErrorKind::MaxProperties { limit } => {
            (format!("the mapping may have at most {}", count(*limit, "key")), None)
        }
        ValidationErrorKind::MinLength { limit } => {
            (format!("the text needs at least {}", count(*limit, "character")), None)
        }
        ValidationErrorKind::MaxLength { limit } => {
            (format!("the text may have at most {}", count(*limit, "character")), None)
        }
        ValidationErrorKind::UniqueItems => ("an item stands twice in this list".to_owned(), None),
        ValidationErrorKind::AdditionalItems { limit } => (
            format!("the list may have at most {}", count(u64::try_from(*limit).unwrap_or(u64::MAX), "item")),
            None,
        ),
        ValidationErrorKind::Pattern { pattern } => {
            (format!("{found} does not have the form `{pattern}`"), None)
        }
        _ => (error.to_string(), None),
    };
    problems.push(ConfigProblem { path, message, hint }.into());
}

fn unknown_keys(path: &[String], keys: &[String], known: Vec<String>, problems: &mut Vec<Finding>) {
    for key in keys {
        let hint = match known.is_empty() {
            true => "leave it out".to_owned(),
            false => suggestion(key, known.iter().map(String::as_str)),
        };
        let path = path.iter().chain([key]).cloned().collect();
        let message = format!("unknown key `{}`", shortened(key));
        let problem = ConfigProblem { path, message, hint: Some(hint) };
        problems.push(Finding { problem, at_key: true });
    }
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn describe(value: &Json) -> String {
    Node::from_json(value, MAX_DEPTH, &mut 0).map_or_else(|| "a value".to_owned(), |node| node.describe())
}

fn types_of(kind: &TypeKind) -> Vec<JsonType> {
    match kind {
        TypeKind::Single(one) => vec![*one],
        TypeKind::Multiple(set) => set.iter().collect(),
    }
}

fn type_error(types: &[JsonType], value: &Json, found: &str) -> (String, Option<String>) {
    let quote = types.contains(&JsonType::String) && matches!(value, Json::Number(_) | Json::Bool(_));
    let hint = quote.then(|| "quote it if it is meant as text".to_owned());
    let unquote = !quote && matches!(value, Json::String(text) if fits_unquoted(text, types));
    let hint = hint.or_else(|| unquote.then(|| "write it without quotes".to_owned()));
    (format!("expected {}, found {found}", any_of(types)), hint)
}

/// Whether a text would be of one of these types, had it no quotes.
fn fits_unquoted(text: &str, types: &[JsonType]) -> bool {
    types.iter().any(|kind| match kind {
        JsonType::Integer => text.parse::<i64>().is_ok(),
        JsonType::Number => text.parse::<f64>().is_ok(),
        JsonType::Boolean => text.parse::<bool>().is_ok(),
        _ => false,
    })
}

fn any_of(types: &[JsonType]) -> String {
    let word = |kind: &JsonType| match kind {
        JsonType::Null => "nothing",
        JsonType::Boolean => "`true` or `false`",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "text",
        JsonType::Array => "a list",
        JsonType::Object => "a mapping",
    };
    let mut words: Vec<&str> = types.iter().filter(|kind| **kind != JsonType::Null).map(word).collect();
    if words.is_empty() {
        words.push(word(&JsonType::Null));
    }
    words.join(" or ")
}

fn not_among<'j>(
    options: impl Iterator<Item = &'j Json>,
    value: &Json,
    found: &str,
) -> (String, Option<String>) {
    let words: Vec<String> =
        options.map(|option| option.as_str().map_or_else(|| option.to_string(), str::to_owned)).collect();
    let words = || words.iter().map(String::as_str);
    match value {
        Json::String(text) => {
            (format!("`{}` is not known here", shortened(text)), Some(suggestion(text, words())))
        }
        _ => (format!("expected {}, found {found}", quoted_list(words()).replace(" and ", " or ")), None),
    }
}

/// None of several forms fits: the one that was most likely meant says why.
fn alternatives(
    error: &ValidationError<'_>,
    forms: &[Vec<ValidationError<'static>>],
    case: Case<'_>,
    problems: &mut Vec<Finding>,
) {
    let here = error.instance_path().as_str();
    let at = || error.instance_path().iter().map(|segment| segment.to_string()).collect();
    let found = describe(error.instance());
    let (mut options, mut types) = (Vec::new(), Vec::new());
    let mut others: Vec<&[ValidationError<'static>]> = Vec::new();
    for form in forms {
        let is_here = |error: &ValidationError<'_>| error.instance_path().as_str() == here;
        let is_plain = |error: &ValidationError<'_>| {
            is_here(error)
                && (is_choice(error.kind()) || matches!(error.kind(), ValidationErrorKind::Type { .. }))
        };
        if !form.iter().all(is_plain) {
            others.push(form);
            continue;
        }
        let takes_words = form.iter().any(|error| is_choice(error.kind()));
        for error in form {
            match error.kind() {
                ValidationErrorKind::Constant { expected_value } => options.push(expected_value.as_ref()),
                ValidationErrorKind::Enum { options: some } => {
                    options.extend(some.as_array().map(Vec::as_slice).unwrap_or_default());
                }
                ValidationErrorKind::Type { kind } if !takes_words => types.extend(types_of(kind)),
                _ => {}
            }
        }
    }
    // A form of the wrong type was not meant; of the others the one with the least to mend was.
    let has_type_error = |form: &[ValidationError<'static>]| {
        form.iter().any(|error| {
            error.instance_path().as_str() == here && matches!(error.kind(), ValidationErrorKind::Type { .. })
        })
    };
    let meant = others.iter().min_by_key(|form| (has_type_error(form), form.len()));
    match meant {
        Some(form) => each(form, case, problems),
        None if !options.is_empty() => {
            let (message, hint) = not_among(options.into_iter(), error.instance(), &found);
            problems.push(ConfigProblem { path: at(), message, hint }.into());
        }
        None => {
            let (message, hint) = type_error(&types, error.instance(), &found);
            problems.push(ConfigProblem { path: at(), message, hint }.into());
        }
    }
}

/// The unknown keys that were found in the mapping in which `error` misses one.
fn unexpected<'e>(
    error: &'e ValidationError<'_>,
    siblings: &'e [ValidationError<'_>],
) -> impl Iterator<Item = &'e str> {
    let of_same = |other: &&ValidationError<'_>| other.instance_path() == error.instance_path();
    siblings.iter().filter(of_same).flat_map(|other| match other.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(String::as_str).collect()
        }
        _ => Vec::new(),
    })
}

/// The keys that the mapping could have where `error` found an unknown one.
fn known_keys(schema: &Json, error: &ValidationError<'_>) -> Vec<String> {
    let pointer = error.schema_path().as_str();
    let owner = pointer.rsplit_once('/').and_then(|(owner, _)| schema.pointer(owner)).unwrap_or(schema);
    let mut keys = Vec::new();
    collect_keys(owner, schema, MAX_DEPTH, &mut keys);
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn collect_keys(part: &Json, schema: &Json, depth: usize, keys: &mut Vec<String>) {
    if depth == 0 {
        return;
    }
    if let Some(properties) = part.get("properties").and_then(Json::as_object) {
        keys.extend(properties.keys().cloned());
    }
    for word in ["allOf", "anyOf", "oneOf"] {
        for part in part.get(word).and_then(Json::as_array).into_iter().flatten() {
            collect_keys(part, schema, depth - 1, keys);
        }
    }
    let target = part.get("$ref").and_then(Json::as_str).and_then(|target| target.strip_prefix('#'));
    if let Some(part) = target.and_then(|target| schema.pointer(target)) {
        collect_keys(part, schema, depth - 1, keys);
    }
}
