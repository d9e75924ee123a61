//! How is one step's entry in a document read?

use std::{collections::BTreeMap, time::Duration};

use bowstring_core::{ErrorKind, units::ByteSize};

use crate::{
    document::{check_name, missing},
    fields::{Fields, expected, size, suggestion, text, whole},
    problem::Sink,
    tree::{Kind, Node, Spot, shortened},
    validate::Limits,
    workflow::{OnFailure, Retry},
};

/// The keys of a step.
pub(crate) const KEYS: [&str; 10] = [
    "name",
    "type",
    "config",
    "depends_on",
    "input",
    "inputs",
    "retry",
    "timeout",
    "resources",
    "on_failure",
];

/// The keys of `retry`.
pub(crate) const RETRY_KEYS: [&str; 5] = ["max_attempts", "backoff", "max_backoff", "jitter", "on"];

/// The words of `on_failure`.
pub(crate) const ON_FAILURE: [&str; 2] = ["fail", "continue"];

/// The kinds that `retry.on` may name: all but cancellation, after which nothing is tried again.
pub(crate) fn retried_kinds() -> impl Iterator<Item = &'static str> + Clone {
    ErrorKind::ALL.into_iter().filter(|kind| *kind != ErrorKind::Cancelled).map(ErrorKind::name)
}

/// One step as it was written.
pub(crate) struct Draft<'a> {
    pub(crate) spot: Spot<'a>,
    pub(crate) name: Option<&'a str>,
    /// Where the name stands, or the step when it has none.
    pub(crate) name_spot: Spot<'a>,
    pub(crate) kind: Option<(&'a str, Spot<'a>)>,
    /// `None` when there is none, which is the same as an empty one.
    pub(crate) config: Option<(&'a Node, Spot<'a>)>,
    pub(crate) depends_on: Vec<Link<'a>>,
    pub(crate) inputs: Given<'a>,
    /// Whether a connection could not be read; what is missing then is not told again.
    pub(crate) broken: bool,
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) resources: BTreeMap<String, u64>,
    pub(crate) on_failure: Option<OnFailure>,
}

/// The name of a step that is depended on.
pub(crate) struct Link<'a> {
    pub(crate) name: &'a str,
    pub(crate) spot: Spot<'a>,
}

/// What a step says of its inputs.
pub(crate) enum Given<'a> {
    Nothing,
    Input(Link<'a>),
    Inputs(Vec<(&'a str, Link<'a>)>, Spot<'a>),
}

impl<'a> Draft<'a> {
    /// Reads a step; `None`, and a problem, when it is no mapping.
    pub(crate) fn read(node: &'a Node, spot: Spot<'a>, limits: &Limits, sink: &mut Sink) -> Option<Self> {
        let fields = Fields::read(node, &spot, &KEYS, sink)?;
        let name = fields.text("name", sink);
        let name_spot = fields.get("name").map_or_else(|| spot.clone(), |(_, spot)| spot);
        match name {
            Some(name) => check_name(name, "step", &name_spot, sink),
            None if fields.get("name").is_none() => missing("a step", "name", &spot, sink),
            None => {}
        }
        let kind = fields.get("type").and_then(|(node, spot)| Some((text(node, &spot, sink)?, spot)));
        if fields.get("type").is_none() {
            missing("a step", "type", &spot, sink);
        }
        let mut draft = Self {
            name,
            name_spot,
            kind,
            config: fields.get("config").filter(|(node, _)| !matches!(node.kind, Kind::Null)),
            depends_on: Vec::new(),
            inputs: Given::Nothing,
            broken: false,
            retry: fields.get("retry").and_then(|(node, spot)| retry(node, &spot, sink)),
            timeout: timeout(&fields, sink),
            resources: resources(&fields, limits, sink),
            on_failure: fields.one_of("on_failure", &ON_FAILURE, sink).map(|word| match word {
                "continue" => OnFailure::Continue,
                _ => OnFailure::Fail,
            }),
            spot,
        };
        draft.connections(&fields, sink);
        Some(draft)
    }

    fn connections(&mut self, fields: &Fields<'a>, sink: &mut Sink) {
        if let Some((node, spot)) = fields.get("depends_on") {
            match &node.kind {
                Kind::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        match link(item, spot.index(index, item.mark), sink) {
                            Some(link) => self.depends_on.push(link),
                            None => self.broken = true,
                        }
                    }
                }
                Kind::Text(name) => {
                    let message = format!("expected a list of steps, found the text `{}`", shortened(name));
                    spot.report(sink, message, Some(format!("write `[{}]`", shortened(name))));
                    self.broken = true;
                }
                _ => {
                    expected("a list of steps", node, &spot, sink);
                    self.broken = true;
                }
            }
        }
        if let Some((node, spot)) = fields.get("input") {
            match link(node, spot, sink) {
                Some(link) => self.inputs = Given::Input(link),
                None => self.broken = true,
            }
        }
        if let Some((node, spot)) = fields.get("inputs") {
            if fields.get("input").is_some() {
                let at = fields.key_spot("inputs");
                at.report(sink, "a step has `input` or `inputs`, not both", None);
                self.broken = true;
            }
            if !matches!(node.kind, Kind::Map(_)) {
                self.broken = true;
            }
            let mut named = Vec::new();
            if let Some(entries) = Fields::all(node, &spot, sink) {
                for (key, value, spot) in entries {
                    check_name(key, "input", &spot, sink);
                    match link(value, spot, sink) {
                        Some(link) => named.push((key, link)),
                        None => self.broken = true,
                    }
                }
            }
            self.inputs = Given::Inputs(named, spot);
        }
    }
}

fn link<'a>(node: &'a Node, spot: Spot<'a>, sink: &mut Sink) -> Option<Link<'a>> {
    let name = text(node, &spot, sink)?;
    Some(Link { name, spot })
}

fn timeout(fields: &Fields<'_>, sink: &mut Sink) -> Option<Duration> {
    let timeout = fields.duration("timeout", sink)?;
    if timeout.is_zero()
        && let Some((_, spot)) = fields.get("timeout")
    {
        spot.report(sink, "a timeout must be longer than nothing", Some("leave it out for none".to_owned()));
    }
    Some(timeout)
}

fn retry(node: &Node, spot: &Spot<'_>, sink: &mut Sink) -> Option<Retry> {
    let fields = Fields::read(node, spot, &RETRY_KEYS, sink)?;
    let mut retry = Retry::default();
    if let Some(attempts) = fields.whole("max_attempts", 1, sink) {
        match u32::try_from(attempts) {
            Ok(attempts) => retry.max_attempts = attempts,
            Err(_) => {
                let message = format!("`max_attempts` may be at most {}", u32::MAX);
                fields.key_spot("max_attempts").report(sink, message, None);
            }
        }
    }
    if let Some(backoff) = fields.duration("backoff", sink) {
        retry.backoff = backoff;
    }
    if let Some(longest) = fields.duration("max_backoff", sink) {
        retry.max_backoff = longest;
    }
    if let Some((node, spot)) = fields.get("jitter") {
        let jitter = if let Kind::Number(number) = &node.kind { number.as_f64() } else { None };
        match jitter.filter(|jitter| (0.0..=1.0).contains(jitter)) {
            Some(jitter) => retry.jitter = jitter,
            None => expected("a number from 0 to 1", node, &spot, sink),
        }
    }
    if let Some((node, spot)) = fields.get("on") {
        let Kind::List(items) = &node.kind else {
            expected("a list of kinds of failure", node, &spot, sink);
            return Some(retry);
        };
        for (index, item) in items.iter().enumerate() {
            let spot = spot.index(index, item.mark);
            let Some(name) = text(item, &spot, sink) else { continue };
            match ErrorKind::from_name(name).filter(|kind| *kind != ErrorKind::Cancelled) {
                Some(kind) => retry.on.push(kind),
                None => {
                    let message = format!("`{}` is not a kind of failure to retry", shortened(name));
                    spot.report(sink, message, Some(suggestion(name, retried_kinds())));
                }
            }
        }
    }
    Some(retry)
}

fn resources(fields: &Fields<'_>, limits: &Limits, sink: &mut Sink) -> BTreeMap<String, u64> {
    let mut needs = BTreeMap::new();
    let Some((node, spot)) = fields.get("resources") else { return needs };
    for (name, value, spot) in Fields::all(node, &spot, sink).unwrap_or_default() {
        let amount = if name == "memory" { size(value, &spot, sink) } else { whole(value, 0, &spot, sink) };
        let Some(amount) = amount else { continue };
        match limits.resources.get(name) {
            None => {
                let message = format!("there is no resource `{}`", shortened(name));
                spot.report(
                    sink,
                    message,
                    Some(suggestion(name, limits.resources.keys().map(String::as_str))),
                );
            }
            Some(total) if amount > *total => {
                let shown = |amount: u64| match name {
                    "memory" => ByteSize(amount).to_string(),
                    _ => amount.to_string(),
                };
                let (amount, total) = (shown(amount), shown(*total));
                let message = format!("the step asks for {amount} of `{name}`, but the run has {total}");
                spot.report(sink, message, Some("ask for less, or give the run more".to_owned()));
            }
            Some(_) => {}
        }
        needs.insert(name.to_owned(), amount);
    }
    needs
}
