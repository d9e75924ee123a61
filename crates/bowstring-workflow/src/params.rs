//! What do a workflow's parameters stand for? Declarations, given values, and `${name}`.

use std::collections::{BTreeMap, HashSet};

use bowstring_core::{nearest, quoted_list};
use serde_json::{Number, Value as Json};

use crate::{
    document::Parameter,
    fields::Fields,
    parse::parse,
    problem::{Location, Problem, Problems, Sink},
    tree::{Budget, Entry, Kind, MAX_BYTES, MAX_DEPTH, MAX_NODES, Mark, Node, Spot, shortened},
};

/// The types that a parameter may have.
pub(crate) const PARAM_TYPES: [&str; 6] = ["string", "int", "float", "bool", "path", "list"];

/// Values given to a workflow's parameters from outside. What is given by name goes before a
/// [file](Self::file), and a file before the document's defaults; a later file goes before an earlier
/// one.
#[derive(Clone, Debug, Default)]
pub struct Params {
    files: Vec<(String, Node)>,
    given: Vec<(String, Given)>,
}

#[derive(Clone, Debug)]
enum Given {
    Text(String),
    Value(Json),
}

impl Params {
    /// No values: every parameter has its default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a value as `name=text`. The text is read by the declared type: `true` or `false` for a
    /// bool; for a list `[a, 1]`, or texts with commas between them.
    ///
    /// # Errors
    /// [`Problems`] when there is no `=`.
    pub fn command_line(mut self, argument: &str) -> Result<Self, Problems> {
        let Some((name, text)) = argument.split_once('=') else {
            let location =
                Location { source: GIVEN.to_owned(), path: shortened(argument), ..Location::default() };
            let hint = Some("write `name=value`".to_owned());
            return Err(Problem { location, message: "a parameter needs a value".to_owned(), hint }.into());
        };
        self.given.push((name.trim().to_owned(), Given::Text(text.to_owned())));
        Ok(self)
    }

    /// Gives a value that has a type already.
    #[must_use]
    pub fn value(mut self, name: impl Into<String>, value: Json) -> Self {
        self.given.push((name.into(), Given::Value(value)));
        self
    }

    /// Gives the values of a parameter file: a YAML or JSON mapping of names to values. `source` is
    /// its name in messages.
    ///
    /// # Errors
    /// [`Problems`] when the text is not a mapping.
    pub fn file(mut self, source: &str, text: &str) -> Result<Self, Problems> {
        let mut sink = Sink::default();
        let root = parse(source, text, &mut sink)?;
        if !matches!(root.kind, Kind::Map(_)) {
            let message = format!("a parameter file must be a mapping, not {}", root.describe());
            Spot::root(source, root.mark).report(&mut sink, message, Some("write `name: value`".to_owned()));
        }
        let root = sink.finish(Some(root))?;
        self.files.push((source.to_owned(), root));
        Ok(self)
    }
}

/// The parameters of a document, each with its value.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    /// The value, or `Unresolved` when the parameter's problem is told already.
    values: BTreeMap<String, Node>,
}

/// The source that is named when a value given from outside is wrong.
const GIVEN: &str = "parameter";

impl Bound {
    /// Reads the declarations under `params` and gives each parameter its value.
    pub(crate) fn read(declarations: Option<(&Node, Spot<'_>)>, values: &Params, sink: &mut Sink) -> Bound {
        let mut kinds: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut result = Bound::default();
        let mut required: BTreeMap<&str, Spot<'_>> = BTreeMap::new();
        if let Some((node, spot)) = &declarations {
            for (entry, spot) in Fields::entries(node, spot, sink) {
                if !is_name(&entry.key) {
                    let message = format!("`{}` cannot be the name of a parameter", shortened(&entry.key));
                    let hint = "a name has letters, digits, `_` and `-`, and begins with a letter or `_`";
                    spot.report(sink, message, Some(hint.to_owned()));
                }
                let (kind, default) = declaration(&entry.value, &spot, sink);
                kinds.insert(&entry.key, kind);
                let unresolved = Node { mark: entry.mark, kind: Kind::Unresolved };
                match (kind, default) {
                    (Some(_), Some(default)) => {
                        result.values.insert(entry.key.clone(), default);
                    }
                    (kind, _) => {
                        result.values.insert(entry.key.clone(), unresolved);
                        if kind.is_some() {
                            required.insert(&entry.key, spot);
                        }
                    }
                }
            }
        }

        for (source, root) in &values.files {
            let spot = Spot::root(source, root.mark);
            for (entry, at) in Fields::entries(root, &spot, sink) {
                let Some(kind) = known(&kinds, &entry.key, &at.before_document(), sink) else { continue };
                required.remove(entry.key.as_str());
                if let Some(kind) = kind {
                    let at = spot.key(&entry.key, entry.value.mark).before_document();
                    let value = typed(kind, &entry.value, &at, sink);
                    result.values.insert(entry.key.clone(), value);
                }
            }
        }
        let mut seen = HashSet::new();
        for (name, given) in &values.given {
            let spot = Spot::root(GIVEN, Mark::default()).key(name, Mark::default());
            let Some(kind) = known(&kinds, name, &spot, sink) else { continue };
            required.remove(name.as_str());
            if !seen.insert(name) {
                spot.report(sink, format!("the parameter `{name}` is given twice"), None);
            }
            let Some(kind) = kind else { continue };
            let node = match given {
                Given::Text(text) => from_text(kind, text, &spot, sink),
                Given::Value(value) => Node::from_json(value, MAX_DEPTH, &mut 0).unwrap_or_else(|| {
                    spot.report(sink, format!("nested more than {MAX_DEPTH} levels deep"), None);
                    Node { mark: Mark::default(), kind: Kind::Unresolved }
                }),
            };
            let value = typed(kind, &node, &spot, sink);
            result.values.insert(name.clone(), value);
        }
        for (name, spot) in required {
            let message = format!("the parameter `{name}` has no default and is not given");
            spot.report(
                sink,
                message,
                Some("give it a value for this run, or declare a `default`".to_owned()),
            );
        }
        result
    }

    /// The tree below `spot` with every `${name}` replaced.
    pub(crate) fn fill(&self, node: &Node, spot: &Spot<'_>, budget: &mut Budget, sink: &mut Sink) -> Node {
        let kind = match &node.kind {
            Kind::Text(text) => return self.fill_text(text, node.mark, spot, budget, sink),
            Kind::List(items) => {
                let fill = |(index, item): (usize, &Node)| {
                    self.fill(item, &spot.index(index, item.mark), budget, sink)
                };
                Kind::List(items.iter().enumerate().map(fill).collect())
            }
            Kind::Map(entries) => {
                let mut keys = HashSet::new();
                let mut filled = Vec::with_capacity(entries.len());
                for entry in entries {
                    let at = spot.key(&entry.key, entry.mark);
                    let value_at = spot.key(&entry.key, entry.value.mark);
                    let value = self.fill(&entry.value, &value_at, budget, sink);
                    let key = match self.fill_text(&entry.key, entry.mark, &at, budget, sink).kind {
                        Kind::Text(key) => key,
                        Kind::Unresolved => continue,
                        _ => {
                            at.report(sink, "a key must be text, and this parameter is not", None);
                            continue;
                        }
                    };
                    if key != entry.key && (keys.contains(&key) || entries.iter().any(|e| e.key == key)) {
                        at.report(
                            sink,
                            format!("with parameters filled in, the key `{key}` stands twice"),
                            None,
                        );
                    }
                    keys.insert(key.clone());
                    filled.push(Entry { key, mark: entry.mark, value });
                }
                Kind::Map(filled)
            }
            kind => kind.clone(),
        };
        Node { mark: node.mark, kind }
    }

    fn fill_text(
        &self,
        text: &str,
        mark: Mark,
        spot: &Spot<'_>,
        budget: &mut Budget,
        sink: &mut Sink,
    ) -> Node {
        let unresolved = Node { mark, kind: Kind::Unresolved };
        let Some(pieces) = pieces(text, spot, sink) else { return unresolved };
        if let [Piece::Param(name)] = pieces.as_slice() {
            let Some(value) = self.value(name, spot, sink) else { return unresolved };
            if !budget.take(value) {
                return too_large(mark, spot, sink);
            }
            return value.moved_to(mark);
        }
        let mut filled = String::with_capacity(text.len());
        for piece in pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Param(name) => match self.value(name, spot, sink).map(|value| &value.kind) {
                    Some(Kind::Text(text)) => filled.push_str(text),
                    Some(Kind::Number(number)) => filled.push_str(&number.to_string()),
                    Some(Kind::Bool(value)) => filled.push_str(if *value { "true" } else { "false" }),
                    Some(Kind::Unresolved) | None => return unresolved,
                    Some(Kind::List(_) | Kind::Map(_) | Kind::Null) => {
                        let message =
                            format!("the parameter `{name}` is a list, which cannot stand inside text");
                        let hint = format!("let `${{{name}}}` be the whole value");
                        spot.report(sink, message, Some(hint));
                        return unresolved;
                    }
                },
            }
            if filled.len() > MAX_BYTES {
                return too_large(mark, spot, sink);
            }
        }
        if !budget.add(filled.len()) {
            return too_large(mark, spot, sink);
        }
        Node { mark, kind: Kind::Text(filled) }
    }

    fn value(&self, name: &str, spot: &Spot<'_>, sink: &mut Sink) -> Option<&Node> {
        let value = self.values.get(name);
        if value.is_none() {
            let hint = nearest(name, self.values.keys().map(String::as_str)).map_or_else(
                || format!("declare it under `params`, or write `$${{{name}}}` for the text itself"),
                |near| format!("did you mean `${{{near}}}`?"),
            );
            spot.report(sink, format!("there is no parameter `{}`", shortened(name)), Some(hint));
        }
        value
    }
}

fn too_large(mark: Mark, spot: &Spot<'_>, sink: &mut Sink) -> Node {
    let message = format!(
        "with its parameters filled in, the document has more than {MAX_NODES} values or {MAX_BYTES} bytes"
    );
    spot.report(sink, message, None);
    Node { mark, kind: Kind::Unresolved }
}

enum Piece<'a> {
    Text(&'a str),
    Param(&'a str),
}

/// Cuts a text at its parameters. `$$` is a dollar, and so is a `$` before anything but `{`.
fn pieces<'a>(text: &'a str, spot: &Spot<'_>, sink: &mut Sink) -> Option<Vec<Piece<'a>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        if let Some(after) = after.strip_prefix('$') {
            pieces.push(Piece::Text("$"));
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let Some((name, after)) = after.split_once('}').filter(|(name, _)| is_name(name)) else {
                let message = "`${` begins no parameter here";
                let hint = "write `${name}` for a parameter, `$${` for the text itself";
                spot.report(sink, message, Some(hint.to_owned()));
                return None;
            };
            pieces.push(Piece::Param(name));
            rest = after;
        } else {
            pieces.push(Piece::Text("$"));
            rest = after;
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Some(pieces)
}

/// What [`is_name`] takes, as a pattern.
pub(crate) const NAME_PATTERN: &str = "[A-Za-z_][A-Za-z0-9_-]*";

/// Whether `name` can stand in `${…}`.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// The declarations under `params` that are right.
pub(crate) fn declared(node: &Node) -> Vec<Parameter> {
    let Kind::Map(entries) = &node.kind else { return Vec::new() };
    let parameter = |entry: &Entry| {
        let (mut sink, spot) = (Sink::default(), Spot::root("", entry.mark));
        let (kind, default) = declaration(&entry.value, &spot, &mut sink);
        let fields = Fields::read(&entry.value, &spot, &DECLARATION_KEYS, &mut sink)?;
        let description = fields.text("description", &mut sink).map(str::to_owned);
        let default = default.as_ref().and_then(Node::to_json);
        let kind = kind.filter(|_| sink.len() == 0)?;
        Some(Parameter { name: entry.key.clone(), kind, default, description })
    };
    entries.iter().filter_map(parameter).collect()
}

/// The keys of a declaration.
pub(crate) const DECLARATION_KEYS: [&str; 3] = ["type", "default", "description"];

/// Type and default of one declaration.
fn declaration(node: &Node, spot: &Spot<'_>, sink: &mut Sink) -> (Option<&'static str>, Option<Node>) {
    let Some(fields) = Fields::read(node, spot, &DECLARATION_KEYS, sink) else {
        return (None, None);
    };
    fields.text("description", sink);
    let kind = match fields.get("type") {
        None => {
            let hint = format!("add a `type`; there are {}", quoted_list(PARAM_TYPES));
            spot.report(sink, "a parameter needs a type", Some(hint));
            None
        }
        Some(_) => fields.one_of("type", &PARAM_TYPES, sink),
    };
    let default = match (kind, fields.get("default")) {
        (Some(kind), Some((default, spot))) => Some(typed(kind, default, &spot, sink)),
        _ => None,
    };
    (kind, default)
}

/// The declared type of `name` (`None` inside when its declaration is wrong); tells when there is no
/// such parameter.
fn known<'a>(
    kinds: &BTreeMap<&str, Option<&'a str>>,
    name: &str,
    spot: &Spot<'_>,
    sink: &mut Sink,
) -> Option<Option<&'a str>> {
    let kind = kinds.get(name).copied();
    if kind.is_none() {
        let hint = match nearest(name, kinds.keys().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if kinds.is_empty() => "the workflow has no parameters".to_owned(),
            None => format!("the workflow has {}", quoted_list(kinds.keys().copied())),
        };
        spot.report(sink, format!("there is no parameter `{}`", shortened(name)), Some(hint));
    }
    kind
}

/// `node` as a value of the type `kind`; `Unresolved`, and a problem, when it is not one.
fn typed(kind: &str, node: &Node, spot: &Spot<'_>, sink: &mut Sink) -> Node {
    let value = match (kind, &node.kind) {
        (_, Kind::Unresolved)
        | ("string" | "path", Kind::Text(_))
        | ("bool", Kind::Bool(_))
        | ("list", Kind::List(_)) => Some(node.kind.clone()),
        ("int", Kind::Number(number)) if !number.is_f64() => Some(node.kind.clone()),
        ("float", Kind::Number(number)) => exact_float(number).map(Kind::Number),
        _ => None,
    };
    let kind = value.unwrap_or_else(|| {
        let (message, hint) = mismatch(kind, &node.describe());
        spot.report(sink, message, hint);
        Kind::Unresolved
    });
    Node { mark: node.mark, kind }
}

fn mismatch(kind: &str, what: &str) -> (String, Option<String>) {
    let (article, example) = match kind {
        "int" => ("an", "a whole number, as in `100`"),
        "float" => ("a", "a number, as in `0.5`"),
        "bool" => ("a", "`true` or `false`"),
        "list" => ("a", "a list, as in `[a, b]`"),
        _ => ("a", "text, in quotes when it looks like something else"),
    };
    (format!("{what} is not {article} {kind}"), Some(format!("write {example}")))
}

/// The number as a float, when that loses nothing.
fn exact_float(number: &Number) -> Option<Number> {
    const EXACT: u64 = 1 << 53;
    let exact = number.is_f64()
        || number.as_i64().is_some_and(|value| value.unsigned_abs() <= EXACT)
        || number.as_u64().is_some_and(|value| value <= EXACT);
    if exact { Number::from_f64(number.as_f64()?) } else { None }
}

/// A text as it is given on a command line, read by the declared type.
fn from_text(kind: &str, text: &str, spot: &Spot<'_>, sink: &mut Sink) -> Node {
    let whole =
        |text: &str| text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
    let trimmed = text.trim();
    let value = match kind {
        "int" => whole(trimmed).ok().map(Kind::Number),
        "float" => trimmed.parse().ok().and_then(Number::from_f64).map(Kind::Number),
        "bool" => trimmed.parse().ok().map(Kind::Bool),
        "list" if trimmed.starts_with('[') => {
            let mut inner = Sink::default();
            let root = parse(GIVEN, trimmed, &mut inner);
            match root.and_then(|root| inner.finish(Some(root))) {
                Ok(root) => Some(root.kind),
                Err(problems) => {
                    let message = problems.iter().next().map(|problem: &Problem| problem.message.clone());
                    spot.report(sink, message.unwrap_or_default(), None);
                    Some(Kind::Unresolved)
                }
            }
        }
        "list" if trimmed.is_empty() => Some(Kind::List(Vec::new())),
        "list" => {
            let item = |item: &str| Node { mark: Mark::default(), kind: Kind::Text(item.trim().to_owned()) };
            Some(Kind::List(trimmed.split(',').map(item).collect()))
        }
        _ => Some(Kind::Text(text.to_owned())),
    };
    // What cannot be read stays text, which `typed` then refuses.
    Node { mark: Mark::default(), kind: value.unwrap_or_else(|| Kind::Text(text.to_owned())) }
}
