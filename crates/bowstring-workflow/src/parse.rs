//! How does text become a tree? YAML 1.2, of which JSON is a part, read event by event, so that
//! positions, duplicate keys and the growth through aliases are all seen.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::Number;

use crate::{
    problem::{Problem, Problems, Sink},
    tree::{Budget, Entry, Kind, MAX_BYTES, MAX_DEPTH, MAX_NODES, Mark, Node, Spot, shortened},
};

/// Reads `text`. Problems after which reading can go on, as duplicate keys, are left in `sink`.
///
/// # Errors
/// The problem after which reading cannot go on.
pub(crate) fn parse(source: &str, text: &str, sink: &mut Sink) -> Result<Node, Problems> {
    if text.len() > MAX_BYTES {
        let message = format!("the document has {} bytes, but may have at most {MAX_BYTES}", text.len());
        return Err(fatal(source, Mark::default(), message, None));
    }
    let (text, escapes) = plain_json(text);
    let mut loader = Loader {
        source,
        escapes,
        sink,
        frames: Vec::new(),
        anchors: HashMap::new(),
        budget: Budget::default(),
        root: None,
    };
    for event in Parser::new_from_str(&text) {
        match event {
            Ok((event, span)) => loader.accept(event, span)?,
            Err(error) => return Err(loader.scan_problem(&error, &text)),
        }
    }
    match loader.root {
        Some(Node { kind: Kind::Null, mark }) => Err(fatal(source, mark, "the document is empty", None)),
        Some(root) => Ok(root),
        None => Err(fatal(source, START, "the document is empty", None)),
    }
}

const START: Mark = Mark { order: 1, text: Some((1, 1)) };

fn fatal(source: &str, mark: Mark, message: impl Into<String>, hint: Option<&str>) -> Problems {
    let location = Spot::root(source, mark).location();
    Problem { location, message: message.into(), hint: hint.map(str::to_owned) }.into()
}

/// JSON that YAML would not read as JSON does: tabs between tokens become spaces, and two `\u`
/// escapes that stand for one character become one `\U` escape. The latter is two columns shorter,
/// so the places (line, column, from 0) after which that counts are returned. Other text stays as
/// it is.
fn plain_json(text: &str) -> (Cow<'_, str>, Vec<(usize, usize)>) {
    let is_json = text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if !is_json || !(text.contains('\t') || text.contains("\\u") || text.contains("\\U")) {
        return (Cow::Borrowed(text), Vec::new());
    }
    let (mut plain, mut escapes) = (String::with_capacity(text.len()), Vec::new());
    let (mut line, mut column, mut quoted) = (1, 0, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '\\' if quoted => {
                if let Some(pair) = surrogate_pair(rest) {
                    taken = 12;
                    plain.push_str(&format!("\\U{:08X}", u32::from(pair)));
                    column += 10;
                    escapes.push((line, column));
                } else {
                    taken = rest.char_indices().nth(2).map_or(rest.len(), |(index, _)| index);
                    plain.push_str(rest.get(..taken).unwrap_or_default());
                    column += 2;
                }
            }
            '\n' => {
                plain.push(c);
                (line, column) = (line + 1, 0);
            }
            _ => {
                quoted ^= c == '"';
                plain.push(if c == '\t' { ' ' } else { c });
                column += 1;
            }
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    (Cow::Owned(plain), escapes)
}

/// The character that two `\u` escapes at the start of `text` stand for together.
fn surrogate_pair(text: &str) -> Option<char> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    char::decode_utf16([unit(0)?, unit(6)?]).next()?.ok().filter(|c| u32::from(*c) > 0xFFFF)
}

enum Frame {
    List { mark: Mark, anchor: usize, items: Vec<Node> },
    Map { mark: Mark, anchor: usize, entries: Vec<Entry>, key: Option<(String, Mark)> },
}

struct Loader<'a> {
    source: &'a str,
    escapes: Vec<(usize, usize)>,
    sink: &'a mut Sink,
    frames: Vec<Frame>,
    anchors: HashMap<usize, (Node, usize)>,
    budget: Budget,
    root: Option<Node>,
}

impl Loader<'_> {
    fn accept(&mut self, event: Event<'_>, span: Span) -> Result<(), Problems> {
        let mark = self.mark(span.start.index(), span.start.line(), span.start.col());
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(self.fatal(mark, "the text holds more than one document", "keep one workflow in a file"))
            }
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, tag.as_deref(), anchor, mark),
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), &["seq"], mark);
                self.open(Frame::List { mark, anchor, items: Vec::new() }, mark)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), &["map"], mark);
                self.open(Frame::Map { mark, anchor, entries: Vec::new(), key: None }, mark)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.frames.pop() {
                Some(Frame::List { mark, anchor, items }) => {
                    self.place(Node { mark, kind: Kind::List(items) }, anchor)
                }
                Some(Frame::Map { mark, anchor, entries, .. }) => {
                    self.check_keys(&entries);
                    self.place(Node { mark, kind: Kind::Map(entries) }, anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => self.alias(anchor, mark),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn mark(&self, index: usize, line: usize, column: usize) -> Mark {
        let before = self.escapes.partition_point(|place| *place <= (line, column));
        let of_earlier_lines = self.escapes.partition_point(|place| *place < (line, 0));
        let order = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
        Mark { order, text: Some((line, column + 1 + 2 * (before - of_earlier_lines))) }
    }

    fn fatal(&self, mark: Mark, message: impl Into<String>, hint: &str) -> Problems {
        fatal(self.source, mark, message, Some(hint))
    }

    fn report(&mut self, mark: Mark, message: impl Into<String>, hint: Option<&str>) {
        Spot::root(self.source, mark).report(self.sink, message, hint.map(str::to_owned));
    }

    /// Tells of keys that stand twice in a mapping.
    fn check_keys(&mut self, entries: &[Entry]) {
        /// Up to so many keys, comparing each with each is the faster way.
        const FEW: usize = 16;
        let mut seen = HashSet::new();
        for (index, entry) in entries.iter().enumerate() {
            let earlier = entries.iter().take(index);
            let is_new = match entries.len() <= FEW {
                true => earlier.into_iter().all(|earlier| earlier.key != entry.key),
                false => seen.insert(&entry.key),
            };
            if !is_new {
                let message = format!("the key `{}` stands twice in this mapping", shortened(&entry.key));
                self.report(entry.mark, message, Some("remove one of the two"));
            }
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame::Map { key: None, .. }))
    }

    fn open(&mut self, frame: Frame, mark: Mark) -> Result<(), Problems> {
        if self.expects_key() {
            return Err(self.fatal(mark, "a key must be text, not a list or a mapping", "quote the key"));
        }
        if self.frames.len() >= MAX_DEPTH {
            return Err(self.too_deep(mark));
        }
        self.count(0, mark)?;
        self.frames.push(frame);
        Ok(())
    }

    fn count(&mut self, bytes: usize, mark: Mark) -> Result<(), Problems> {
        if self.budget.add(bytes) { Ok(()) } else { Err(self.too_large(mark)) }
    }

    fn too_deep(&self, mark: Mark) -> Problems {
        let message = format!("lists and mappings are nested more than {MAX_DEPTH} levels deep");
        fatal(self.source, mark, message, None)
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        anchor: usize,
        mark: Mark,
    ) -> Result<(), Problems> {
        self.check_tag(tag, &["str", "int", "float", "bool", "null"], mark);
        self.count(text.len(), mark)?;
        let plain = style == ScalarStyle::Plain;
        if plain && text == "<<" && self.expects_key() {
            let hint = "repeat the entries, or use an alias for a whole value";
            return Err(self.fatal(mark, "merge keys (`<<`) are not part of YAML 1.2", hint));
        }
        let kind = match scalar(text, plain, tag) {
            Ok(kind) => kind,
            Err(message) => {
                self.report(mark, message, Some("quote it if it is meant as text"));
                Kind::Unresolved
            }
        };
        self.place(Node { mark, kind }, anchor)
    }

    fn check_tag(&mut self, tag: Option<&Tag>, known: &[&str], mark: Mark) {
        if let Some(tag) = tag
            && !(tag.is_yaml_core_schema() && known.contains(&tag.suffix.as_str()))
        {
            let written =
                if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { tag.to_string() };
            let message = format!("the tag `{}` is not known here", shortened(&written));
            self.report(mark, message, Some("leave the tag out"));
        }
    }

    fn alias(&mut self, anchor: usize, mark: Mark) -> Result<(), Problems> {
        let Some((node, height)) = self.anchors.get(&anchor) else {
            return Err(self.fatal(mark, "an alias stands inside the value that it names", "write it out"));
        };
        if self.frames.len() + height > MAX_DEPTH {
            return Err(self.too_deep(mark));
        }
        // Counted before the copy is made, so that what is too large is never built.
        if !self.budget.take(node) {
            return Err(self.too_large(mark));
        }
        let node = node.clone();
        self.place(node, 0)
    }

    fn too_large(&self, mark: Mark) -> Problems {
        let message = format!(
            "with its aliases filled in, the document has more than {MAX_NODES} values or {MAX_BYTES} bytes"
        );
        fatal(self.source, mark, message, None)
    }

    /// Puts a finished node where it belongs: into the list or mapping being read, or at the root.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Problems> {
        if anchor > 0 {
            if !self.budget.take(&node) {
                return Err(self.too_large(node.mark));
            }
            self.anchors.insert(anchor, (node.clone(), node.height()));
        }
        match self.frames.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { entries, key, .. }) if key.is_some() => {
                if let Some((key, mark)) = key.take() {
                    entries.push(Entry { key, mark, value: node });
                }
            }
            Some(Frame::Map { key, .. }) => {
                let Kind::Text(text) = node.kind else {
                    let what = node.describe();
                    let message = format!("a key must be text, not {what}");
                    return Err(self.fatal(node.mark, message, "quote the key"));
                };
                *key = Some((text, node.mark));
            }
        }
        Ok(())
    }

    fn scan_problem(&self, error: &ScanError, text: &str) -> Problems {
        let marker = error.marker();
        let mark = self.mark(marker.index(), marker.line(), marker.col());
        if error.info().contains("recursion limit") {
            return self.too_deep(mark);
        }
        if let Some(mark) = tab_indentation(text, marker.line()) {
            return self.fatal(mark, "a tab stands where indentation is meant", "indent with spaces");
        }
        fatal(self.source, mark, format!("this is not YAML: {}", error.info()), None)
    }
}

/// The tab in the indentation of this line, or of a neighbour: the scanner sometimes stops only
/// after it, and sometimes at the end of the line before.
fn tab_indentation(text: &str, line: usize) -> Option<Mark> {
    [line, line.saturating_sub(1), line + 1].into_iter().filter(|line| *line > 0).find_map(|line| {
        let indentation = text.lines().nth(line - 1)?.chars().take_while(|c| c.is_whitespace());
        let column = indentation.enumerate().find(|(_, c)| *c == '\t')?.0;
        Some(Mark { order: 1, text: Some((line, column + 1)) })
    })
}

/// The value of a scalar by the core schema of YAML 1.2.
fn scalar(text: Cow<'_, str>, plain: bool, tag: Option<&Tag>) -> Result<Kind, String> {
    let tag = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    if !plain || tag == Some("str") {
        return Ok(Kind::Text(text.into_owned()));
    }
    let number = number(&text)?;
    match (&*text, number, tag) {
        ("" | "~" | "null" | "Null" | "NULL", _, None | Some("null")) => Ok(Kind::Null),
        ("true" | "True" | "TRUE", _, None | Some("bool")) => Ok(Kind::Bool(true)),
        ("false" | "False" | "FALSE", _, None | Some("bool")) => Ok(Kind::Bool(false)),
        (_, Some(number), None) => Ok(Kind::Number(number)),
        (_, Some(number), Some("int")) if !number.is_f64() => Ok(Kind::Number(number)),
        (_, Some(number), Some("float")) => {
            Ok(Kind::Number(number.as_f64().and_then(Number::from_f64).unwrap_or(number)))
        }
        (_, _, Some(tag @ ("int" | "float" | "bool" | "null"))) => {
            Err(format!("`{}` is not a !!{tag}", shortened(&text)))
        }
        _ => Ok(Kind::Text(text.into_owned())),
    }
}

/// The number that `text` is; `None` when it is none.
fn number(text: &str) -> Result<Option<Number>, String> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Ok(None);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let radix = match text.get(..2) {
        Some("0x") => Some(16),
        Some("0o") => Some(8),
        _ => None,
    };
    if let (Some(radix), Some(rest)) = (radix, text.get(2..))
        && !rest.is_empty()
        && rest.chars().all(|c| c.is_digit(radix))
    {
        let value = u64::from_str_radix(rest, radix);
        return value.map(|value| Some(value.into())).map_err(|_| too_long(text));
    }
    if digits(unsigned) {
        if let Ok(value) = text.parse::<i64>() {
            return Ok(Some(value.into()));
        }
        return text.parse::<u64>().map(|value| Some(value.into())).map_err(|_| too_long(text));
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(format!("`{text}` is not a finite number"));
    }
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or_default();
    let float_like = mantissa.bytes().any(|b| b.is_ascii_digit())
        && mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match text.parse::<f64>() {
        Ok(value) if float_like => Number::from_f64(value)
            .map(Some)
            .ok_or_else(|| format!("`{}` is not a finite number", shortened(text))),
        _ => Ok(None),
    }
}

fn too_long(text: &str) -> String {
    format!("the integer `{}` does not fit into 64 bits", shortened(text))
}
