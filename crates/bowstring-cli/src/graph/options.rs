//! How do the options of an algorithm become flags, and flags options again?

use bowstring::graph::Algorithm;
use clap::{Arg, ArgAction, ArgMatches, builder::PossibleValuesParser, value_parser};
use serde_json::{Map, Value as Json};

use super::args::spelled;

/// What a flag takes.
enum Kind {
    Flag,
    Whole { least: u64 },
    Number,
    Words(Vec<String>),
    Node,
    Nodes,
    Weights,
    Text,
}

/// An option as the schema tells it.
struct Entry {
    name: String,
    help: String,
    required: bool,
    kind: Kind,
}

/// The flags of an algorithm.
pub(super) fn arguments(algorithm: &Algorithm) -> Vec<Arg> {
    entries(algorithm).into_iter().map(argument).collect()
}

fn argument(entry: Entry) -> Arg {
    let argument =
        Arg::new(entry.name.clone()).long(spelled(&entry.name)).help(entry.help).required(entry.required);
    match entry.kind {
        Kind::Flag => argument
            .value_name("BOOL")
            .value_parser(value_parser!(bool))
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        Kind::Whole { least } => argument
            .value_name("N")
            .value_parser(move |text: &str| whole(text, least))
            .allow_negative_numbers(true),
        Kind::Number => argument.value_name("X").value_parser(number).allow_negative_numbers(true),
        Kind::Words(words) => argument.value_name("WORD").value_parser(PossibleValuesParser::new(words)),
        Kind::Node => argument.value_name("NODE").allow_negative_numbers(true),
        Kind::Nodes => argument.value_name("NODE").action(ArgAction::Append).allow_negative_numbers(true),
        Kind::Weights => argument.value_name("NODE=WEIGHT").action(ArgAction::Append).value_parser(weight),
        Kind::Text => argument.value_name("TEXT"),
    }
}

/// The options whose flags were given.
pub(super) fn given(algorithm: &Algorithm, matches: &ArgMatches) -> Map<String, Json> {
    let mut options = Map::new();
    for entry in entries(algorithm) {
        let name = entry.name.as_str();
        let value = match entry.kind {
            Kind::Flag => matches.get_one::<bool>(name).copied().map(Json::from),
            Kind::Whole { .. } => matches.get_one::<u64>(name).copied().map(Json::from),
            Kind::Number => matches.get_one::<f64>(name).copied().map(Json::from),
            Kind::Words(_) | Kind::Node | Kind::Text => {
                matches.get_one::<String>(name).map(|text| text.as_str().into())
            }
            Kind::Nodes => matches
                .get_many::<String>(name)
                .map(|nodes| nodes.map(|node| Json::from(node.as_str())).collect::<Vec<_>>().into()),
            Kind::Weights => matches.get_many::<(String, f64)>(name).map(|weights| {
                let weights = weights.map(|(node, weight)| (node.clone(), Json::from(*weight)));
                Json::Object(weights.collect())
            }),
        };
        if let Some(value) = value {
            options.insert(entry.name, value);
        }
    }
    options
}

fn whole(text: &str, least: u64) -> Result<u64, String> {
    let parsed = text.parse().ok().filter(|number| *number >= least);
    parsed.ok_or_else(|| format!("expected a whole number of at least {least}"))
}

fn number(text: &str) -> Result<f64, String> {
    let parsed = text.parse().ok().filter(|number: &f64| number.is_finite());
    parsed.ok_or_else(|| "expected a finite number".into())
}

fn weight(text: &str) -> Result<(String, f64), String> {
    let parsed =
        text.rsplit_once('=').and_then(|(node, weight)| Some((node.to_owned(), number(weight).ok()?)));
    parsed.ok_or_else(|| "expected a node, `=` and a finite number".into())
}

fn entries(algorithm: &Algorithm) -> Vec<Entry> {
    let schema = Json::from(algorithm.schema());
    let required = schema.get("required").and_then(Json::as_array).cloned().unwrap_or_default();
    let properties = schema.get("properties").and_then(Json::as_object).cloned().unwrap_or_default();
    let entry = |(name, value): (String, Json)| {
        let help = value.get("description").and_then(Json::as_str).unwrap_or_default();
        let mut help = help.replace('\n', " ").trim_end_matches('.').to_owned();
        let kind = kind(&value, &schema);
        if matches!(kind, Kind::Nodes | Kind::Weights) {
            help.push_str("; may be given several times");
        }
        let required = required.iter().any(|key| key.as_str() == Some(&name));
        Entry { name, help, required, kind }
    };
    properties.into_iter().map(entry).collect()
}

/// What the schema of an option asks for.
fn kind(value: &Json, root: &Json) -> Kind {
    if let Some(target) = value.get("$ref").and_then(Json::as_str) {
        return match target.rsplit('/').next() {
            Some("NodeIds") => Kind::Nodes,
            Some("NodeId") => Kind::Node,
            _ => root.pointer(target.trim_start_matches('#')).map_or(Kind::Text, |value| kind(value, root)),
        };
    }
    if let Some(Json::Array(words)) = value.get("enum") {
        return Kind::Words(words.iter().filter_map(Json::as_str).map(str::to_owned).collect());
    }
    if let Some(Json::Array(choices)) = value.get("oneOf") {
        let constants = choices.iter().filter_map(|choice| choice.get("const").and_then(Json::as_str));
        return Kind::Words(constants.map(str::to_owned).collect());
    }
    if let Some(Json::Array(choices)) = value.get("anyOf") {
        let some = choices.iter().find(|choice| choice.get("type").and_then(Json::as_str) != Some("null"));
        return some.map_or(Kind::Text, |choice| kind(choice, root));
    }
    let named = match value.get("type") {
        Some(Json::String(kind)) => kind.as_str(),
        Some(Json::Array(kinds)) => {
            kinds.iter().filter_map(Json::as_str).find(|kind| *kind != "null").unwrap_or_default()
        }
        _ => "",
    };
    match named {
        "boolean" => Kind::Flag,
        "integer" => Kind::Whole { least: value.get("minimum").and_then(Json::as_u64).unwrap_or(0) },
        "number" => Kind::Number,
        "object" => Kind::Weights,
        _ => Kind::Text,
    }
}
