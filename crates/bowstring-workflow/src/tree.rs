//! What is a document before it is understood? A tree of values which know where they stand.

use std::rc::Rc;

use serde_json::{Number, Value as Json};

use crate::problem::{Location, Problem, Sink};

/// The most levels that lists and mappings may be nested.
pub(crate) const MAX_DEPTH: usize = 64;
/// The most values in a document, aliases and parameters filled in.
pub(crate) const MAX_NODES: usize = 1_000_000;
/// The most bytes of a document, and of its texts once aliases and parameters are filled in.
pub(crate) const MAX_BYTES: usize = 8 << 20;

/// Where a value stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    /// Its rank in the document; 0 is for what stands before any document.
    pub(crate) order: u32,
    /// Line and column from 1, when the document was text.
    pub(crate) text: Option<(usize, usize)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) mark: Mark,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// A parameter stood here whose value is not known. The problem is already told, so whoever
    /// meets this says nothing more.
    Unresolved,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) mark: Mark,
    pub(crate) value: Node,
}

/// Counts what filled-in aliases and parameters amount to, so that a small text cannot grow without
/// bound.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    nodes: usize,
    bytes: usize,
}

impl Budget {
    /// Adds one value with a text of so many bytes; false once the document is too large.
    pub(crate) fn add(&mut self, bytes: usize) -> bool {
        self.nodes += 1;
        self.bytes += bytes;
        self.nodes <= MAX_NODES && self.bytes <= MAX_BYTES
    }

    /// Adds `node` and all within it; false once the document is too large.
    pub(crate) fn take(&mut self, node: &Node) -> bool {
        match &node.kind {
            Kind::Text(text) => self.add(text.len()),
            Kind::List(items) => self.add(0) && items.iter().all(|item| self.take(item)),
            Kind::Map(entries) => {
                self.add(0)
                    && entries.iter().all(|entry| self.add(entry.key.len()) && self.take(&entry.value))
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Unresolved => self.add(0),
        }
    }
}

impl Node {
    /// What it is, for messages: "a list", "the text `x`".
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Bool(value) => format!("`{value}`"),
            Kind::Number(value) => format!("the number `{value}`"),
            Kind::Text(text) => format!("the text `{}`", shortened(text)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
            Kind::Unresolved => "a parameter".to_owned(),
        }
    }

    /// The levels of lists and mappings.
    pub(crate) fn height(&self) -> usize {
        match &self.kind {
            Kind::List(items) => 1 + items.iter().map(Node::height).max().unwrap_or(0),
            Kind::Map(entries) => 1 + entries.iter().map(|entry| entry.value.height()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether a text in it has a dollar, and so may name a parameter.
    pub(crate) fn has_dollar(&self) -> bool {
        match &self.kind {
            Kind::Text(text) => text.contains('$'),
            Kind::List(items) => items.iter().any(Node::has_dollar),
            Kind::Map(entries) => {
                entries.iter().any(|entry| entry.key.contains('$') || entry.value.has_dollar())
            }
            _ => false,
        }
    }

    /// The value without positions; `None` when a parameter in it is not known.
    pub(crate) fn to_json(&self) -> Option<Json> {
        Some(match &self.kind {
            Kind::Null => Json::Null,
            Kind::Bool(value) => Json::Bool(*value),
            Kind::Number(value) => Json::Number(value.clone()),
            Kind::Text(text) => Json::String(text.clone()),
            Kind::List(items) => Json::Array(items.iter().map(Node::to_json).collect::<Option<_>>()?),
            Kind::Map(entries) => {
                let pairs = entries.iter().map(|entry| Some((entry.key.clone(), entry.value.to_json()?)));
                Json::Object(pairs.collect::<Option<_>>()?)
            }
            Kind::Unresolved => return None,
        })
    }

    /// The same value, all of which stands at `mark`: a parameter's value where it is used.
    pub(crate) fn moved_to(&self, mark: Mark) -> Node {
        let kind = match &self.kind {
            Kind::List(items) => Kind::List(items.iter().map(|item| item.moved_to(mark)).collect()),
            Kind::Map(entries) => {
                let moved =
                    |entry: &Entry| Entry { key: entry.key.clone(), mark, value: entry.value.moved_to(mark) };
                Kind::Map(entries.iter().map(moved).collect())
            }
            kind => kind.clone(),
        };
        Node { mark, kind }
    }

    /// A tree from a value; `None` when it is nested too deep. `order` counts the values.
    pub(crate) fn from_json(value: &Json, depth: usize, order: &mut u32) -> Option<Node> {
        let mark = next_mark(order);
        let kind = match value {
            Json::Null => Kind::Null,
            Json::Bool(value) => Kind::Bool(*value),
            Json::Number(value) => Kind::Number(value.clone()),
            Json::String(text) => Kind::Text(text.clone()),
            Json::Array(_) | Json::Object(_) if depth == 0 => return None,
            Json::Array(items) => {
                let nodes = items.iter().map(|item| Node::from_json(item, depth - 1, order));
                Kind::List(nodes.collect::<Option<_>>()?)
            }
            Json::Object(pairs) => {
                let entries = pairs.iter().map(|(key, value)| {
                    let mark = next_mark(order);
                    let value = Node::from_json(value, depth - 1, order)?;
                    Some(Entry { key: key.clone(), mark, value })
                });
                Kind::Map(entries.collect::<Option<_>>()?)
            }
        };
        Some(Node { mark, kind })
    }
}

fn next_mark(order: &mut u32) -> Mark {
    *order = order.saturating_add(1);
    Mark { order: *order, text: None }
}

/// A text cut to what a message can hold.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() { format!("{line}…") } else { line }
}

/// A place on the way down a tree: where problems are reported. Its path is put together only for a
/// problem, of which a good document has none.
#[derive(Clone, Debug)]
pub(crate) struct Spot<'a> {
    source: &'a str,
    mark: Mark,
    way: Option<Rc<Way<'a>>>,
}

#[derive(Debug)]
struct Way<'a> {
    above: Option<Rc<Way<'a>>>,
    last: Segment<'a>,
}

#[derive(Debug)]
enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Spot<'a> {
    /// The root of a document.
    pub(crate) fn root(source: &'a str, mark: Mark) -> Self {
        Self { source, mark, way: None }
    }

    /// The entry `key` of this mapping, at `mark`.
    pub(crate) fn key(&self, key: &'a str, mark: Mark) -> Self {
        self.below(Segment::Key(key), mark)
    }

    /// The item `index` of this list, at `mark`.
    pub(crate) fn index(&self, index: usize, mark: Mark) -> Self {
        self.below(Segment::Index(index), mark)
    }

    fn below(&self, last: Segment<'a>, mark: Mark) -> Self {
        let way = Rc::new(Way { above: self.way.clone(), last });
        Self { source: self.source, mark, way: Some(way) }
    }

    /// The same place, whose problems come before those of the document.
    pub(crate) fn before_document(&self) -> Self {
        Self { mark: Mark { order: 0, ..self.mark }, ..self.clone() }
    }

    pub(crate) fn location(&self) -> Location {
        Location {
            source: self.source.to_owned(),
            line: self.mark.text.map(|(line, _)| line),
            column: self.mark.text.map(|(_, column)| column),
            path: self.path(),
        }
    }

    /// The location as messages show it.
    pub(crate) fn shown(&self) -> String {
        match self.mark.text {
            Some((line, column)) => format!("{}:{line}:{column}", self.source),
            None => self.location().to_string(),
        }
    }

    fn path(&self) -> String {
        let mut ways = Vec::new();
        let mut way = self.way.as_deref();
        while let Some(here) = way {
            ways.push(&here.last);
            way = here.above.as_deref();
        }
        let mut path = String::new();
        for segment in ways.into_iter().rev() {
            let part = match segment {
                Segment::Index(index) => format!("[{index}]"),
                Segment::Key(key) if !is_plain(key) => format!("[{}]", Json::from(*key)),
                Segment::Key(key) if path.is_empty() => (*key).to_owned(),
                Segment::Key(key) => format!(".{key}"),
            };
            path.push_str(&part);
        }
        path
    }

    /// Reports a problem here.
    pub(crate) fn report(&self, sink: &mut Sink, message: impl Into<String>, hint: Option<String>) {
        let problem = Problem { location: self.location(), message: message.into(), hint };
        sink.add(self.mark.order, problem);
    }
}

/// Whether a key can stand in a path without quotes.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}
