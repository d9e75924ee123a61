//! How are the fields of a mapping read? Each reader tells what is wrong and then gives `None`.

use std::time::Duration;

use bowstring_core::{
    Diagnostic, nearest, quoted_list,
    units::{ByteSize, UnitError, parse_duration},
};

use crate::{
    problem::Sink,
    tree::{Entry, Kind, Node, Spot, shortened},
};

/// The entries of a mapping whose keys are known.
pub(crate) struct Fields<'a> {
    entries: &'a [Entry],
    spot: Spot<'a>,
}

impl<'a> Fields<'a> {
    /// The entries of `node`, each key with its place; none, and a problem, when it is no mapping.
    pub(crate) fn entries(node: &'a Node, spot: &Spot<'a>, sink: &mut Sink) -> Vec<(&'a Entry, Spot<'a>)> {
        match &node.kind {
            Kind::Map(entries) => {
                entries.iter().map(|entry| (entry, spot.key(&entry.key, entry.mark))).collect()
            }
            _ => {
                expected("a mapping", node, spot, sink);
                Vec::new()
            }
        }
    }

    /// Keys, values and the values' places of the mapping `node`; `None`, and a problem, when it is no
    /// mapping.
    pub(crate) fn all(
        node: &'a Node,
        spot: &Spot<'a>,
        sink: &mut Sink,
    ) -> Option<Vec<(&'a str, &'a Node, Spot<'a>)>> {
        let Kind::Map(entries) = &node.kind else {
            expected("a mapping", node, spot, sink);
            return None;
        };
        let value =
            |entry: &'a Entry| (entry.key.as_str(), &entry.value, spot.key(&entry.key, entry.value.mark));
        Some(entries.iter().map(value).collect())
    }

    /// The mapping `node`, whose keys are all among `known`.
    pub(crate) fn read(node: &'a Node, spot: &Spot<'a>, known: &[&str], sink: &mut Sink) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            expected("a mapping", node, spot, sink);
            return None;
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            unknown_key(&entry.key, known.iter().copied(), &spot.key(&entry.key, entry.mark), sink);
        }
        Some(Self { entries, spot: spot.clone() })
    }

    /// The value of `key`, with its place.
    pub(crate) fn get(&self, key: &str) -> Option<(&'a Node, Spot<'a>)> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some((&entry.value, self.spot.key(&entry.key, entry.value.mark)))
    }

    /// The place of `key` itself, or of the mapping when the key is not there.
    pub(crate) fn key_spot(&self, key: &str) -> Spot<'a> {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.map_or_else(|| self.spot.clone(), |entry| self.spot.key(&entry.key, entry.mark))
    }

    /// A text.
    pub(crate) fn text(&self, key: &str, sink: &mut Sink) -> Option<&'a str> {
        let (node, spot) = self.get(key)?;
        text(node, &spot, sink)
    }

    /// One of these words.
    pub(crate) fn one_of(&self, key: &str, words: &[&'static str], sink: &mut Sink) -> Option<&'static str> {
        let (node, spot) = self.get(key)?;
        let word = text(node, &spot, sink)?;
        let found = words.iter().copied().find(|known| *known == word);
        if found.is_none() {
            let hint = suggestion(word, words.iter().copied());
            spot.report(sink, format!("`{}` is not a known {key}", shortened(word)), Some(hint));
        }
        found
    }

    /// A duration, as `90s`.
    pub(crate) fn duration(&self, key: &str, sink: &mut Sink) -> Option<Duration> {
        let (node, spot) = self.get(key)?;
        let Kind::Text(text) = &node.kind else {
            expected("a duration, as `90s`", node, &spot, sink);
            return None;
        };
        unit(parse_duration(text), &spot, sink)
    }

    /// A whole number of at least `least`.
    pub(crate) fn whole(&self, key: &str, least: u64, sink: &mut Sink) -> Option<u64> {
        let (node, spot) = self.get(key)?;
        whole(node, least, &spot, sink)
    }
}

/// Tells of a key that is not known.
pub(crate) fn unknown_key<'k>(
    key: &str,
    known: impl IntoIterator<Item = &'k str> + Clone,
    spot: &Spot<'_>,
    sink: &mut Sink,
) {
    spot.report(sink, format!("unknown key `{}`", shortened(key)), Some(suggestion(key, known)));
}

/// "did you mean …?" when something is near, else what there is.
pub(crate) fn suggestion<'k>(name: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => match quoted_list(known) {
            list if list.is_empty() => "there are none to choose from".to_owned(),
            list => format!("there are {list}"),
        },
    }
}

/// Tells that something else is expected here, unless a parameter already told.
pub(crate) fn expected(what: &str, node: &Node, spot: &Spot<'_>, sink: &mut Sink) {
    if !matches!(node.kind, Kind::Unresolved) {
        spot.report(sink, format!("expected {what}, found {}", node.describe()), None);
    }
}

/// A text.
pub(crate) fn text<'n>(node: &'n Node, spot: &Spot<'_>, sink: &mut Sink) -> Option<&'n str> {
    match &node.kind {
        Kind::Text(text) => Some(text),
        Kind::Number(_) | Kind::Bool(_) | Kind::Null => {
            let message = format!("expected text, found {}", node.describe());
            spot.report(sink, message, Some("quote it if it is meant as text".to_owned()));
            None
        }
        _ => {
            expected("text", node, spot, sink);
            None
        }
    }
}

/// A whole number of at least `least`.
pub(crate) fn whole(node: &Node, least: u64, spot: &Spot<'_>, sink: &mut Sink) -> Option<u64> {
    let value = match &node.kind {
        Kind::Number(number) => number.as_u64().filter(|value| *value >= least),
        _ => None,
    };
    if value.is_none() {
        expected(&format!("a whole number of at least {least}"), node, spot, sink);
    }
    value
}

/// A number of bytes: a size as `512MiB`, or a whole number.
pub(crate) fn size(node: &Node, spot: &Spot<'_>, sink: &mut Sink) -> Option<u64> {
    match &node.kind {
        Kind::Text(text) => unit(text.parse::<ByteSize>(), spot, sink).map(ByteSize::bytes),
        _ => {
            let value = if let Kind::Number(number) = &node.kind { number.as_u64() } else { None };
            if value.is_none() {
                expected("a size, as `512MiB`", node, spot, sink);
            }
            value
        }
    }
}

fn unit<T>(value: Result<T, UnitError>, spot: &Spot<'_>, sink: &mut Sink) -> Option<T> {
    value.map_err(|error| spot.report(sink, error.to_string(), error.hint())).ok()
}
