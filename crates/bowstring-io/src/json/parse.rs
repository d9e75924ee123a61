//! Where do the values of a line of JSON begin and end? RFC 8259, strictly: no comments, no trailing
//! commas, no `NaN`, no text that is half of a surrogate pair.

use std::borrow::Cow;

use crate::{
    RowProblem,
    text::search::{self, Lanes},
};

/// How deep arrays and objects may lie in one another.
const MOST_DEPTH: usize = 128;
const QUOTE: Lanes = Lanes::of(b'"');
const BACKSLASH: Lanes = Lanes::of(b'\\');

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It ends too early.
    Ends,
    /// Something else stands where this is expected.
    Expected(&'static str),
    /// A control character stands in text.
    Control,
    /// A backslash begins no escape.
    Escape,
    /// Half of a surrogate pair stands alone.
    Surrogate,
    /// Arrays and objects lie too deep in one another.
    Deep,
}

impl From<Wrong> for RowProblem {
    fn from(wrong: Wrong) -> Self {
        let reason = match wrong {
            Wrong::Ends => "it ends too early".into(),
            Wrong::Expected(what) => format!("{what} is expected"),
            Wrong::Control => "text holds a control character that is not escaped".into(),
            Wrong::Escape => "a backslash in text begins no escape".into(),
            Wrong::Surrogate => "text holds half of a surrogate pair".into(),
            Wrong::Deep => format!("values lie more than {MOST_DEPTH} deep in one another"),
        };
        RowProblem::Syntax { reason, truncated: wrong == Wrong::Ends }
    }
}

/// What a value is by its first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

/// The bytes of a scalar, quotes left away; those of an array or an object are its bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether escapes in text are to be undone.
    pub(crate) escaped: bool,
}

/// Reads the tokens of a line.
#[derive(Debug)]
pub(crate) struct Parser<'a> {
    /// Everything up to the line's end.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    /// Reads what `bytes` hold from `at`.
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The bytes between two places.
    pub(crate) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The place up to which everything was read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The text of a value that is text.
    pub(crate) fn text(&self, value: Value) -> Cow<'a, [u8]> {
        plain(self.slice(value.start, value.end), value.escaped)
    }

    /// Reads a scalar as a whole, or the bracket that opens an array or an object.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<Value, Wrong> {
        let first = self.peek().ok_or(Wrong::Ends)?;
        let start = self.at;
        let kind = match first {
            b'"' => return self.quoted(),
            b'-' | b'0'..=b'9' => {
                self.number()?;
                Kind::Number
            }
            b't' => self.word(b"true", Kind::Boolean)?,
            b'f' => self.word(b"false", Kind::Boolean)?,
            b'n' => self.word(b"null", Kind::Null)?,
            b'[' => self.bracket(Kind::Array),
            b'{' => self.bracket(Kind::Object),
            _ => return Err(Wrong::Expected("a value")),
        };
        Ok(Value { kind, start, end: self.at, escaped: false })
    }

    /// Reads the next key and its colon when the key is this one, in its quotes; else reads nothing.
    /// The key's text must need no escape.
    #[inline]
    pub(crate) fn known_key(&mut self, first: bool, quoted: &[u8]) -> bool {
        let from = self.at;
        let goes_on = first || self.peek() == Some(b',');
        self.at += usize::from(!first);
        if goes_on && self.peek() == Some(b'"') && self.rest().starts_with(quoted) {
            self.at += quoted.len();
            if self.peek() == Some(b':') {
                self.at += 1;
                return true;
            }
        }
        self.at = from;
        false
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next key of an object, its colon read; none when the object ends here.
    #[inline]
    pub(crate) fn key(&mut self, first: bool) -> Result<Option<Value>, Wrong> {
        if !self.goes_on(b'}', first, "`,` or `}`")? {
            return Ok(None);
        }
        if self.peek().ok_or(Wrong::Ends)? != b'"' {
            return Err(Wrong::Expected("a key in quotes"));
        }
        let key = self.quoted()?;
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(Wrong::Expected("`:`")),
            None => return Err(Wrong::Ends),
        }
        Ok(Some(key))
    }

    /// Whether an array has a next item.
    #[inline]
    pub(crate) fn item(&mut self, first: bool) -> Result<bool, Wrong> {
        self.goes_on(b']', first, "`,` or `]`")
    }

    /// Reads the rest of an array or object whose bracket was read.
    pub(crate) fn skip(&mut self, kind: Kind) -> Result<(), Wrong> {
        let mut open = Vec::new();
        let mut inner = Some(kind).filter(|kind| matches!(kind, Kind::Array | Kind::Object));
        while let Some(kind) = inner.take().map(|kind| (kind, true)).or_else(|| open.pop()) {
            let (kind, first) = kind;
            let more = match kind {
                Kind::Object => self.key(first)?.is_some(),
                _ => self.item(first)?,
            };
            if more {
                open.push((kind, false));
                let value = self.value()?.kind;
                inner = Some(value).filter(|value| matches!(value, Kind::Array | Kind::Object));
                if inner.is_some() && open.len() >= MOST_DEPTH {
                    return Err(Wrong::Deep);
                }
            }
        }
        Ok(())
    }

    /// That nothing but blanks is left.
    pub(crate) fn end(&mut self) -> Result<(), Wrong> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Wrong::Expected("the end of the line")),
        }
    }

    fn goes_on(&mut self, close: u8, first: bool, expected: &'static str) -> Result<bool, Wrong> {
        match self.peek() {
            None => Err(Wrong::Ends),
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => Err(Wrong::Expected(expected)),
        }
    }

    /// The next byte that is no blank.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn bracket(&mut self, kind: Kind) -> Kind {
        self.at += 1;
        kind
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Result<Kind, Wrong> {
        let rest = self.rest();
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(kind)
        } else if word.starts_with(rest) {
            Err(Wrong::Ends)
        } else {
            Err(Wrong::Expected("a value"))
        }
    }

    fn number(&mut self) -> Result<(), Wrong> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            _ if self.at > start => Ok(()),
            Some(_) => Err(Wrong::Expected("a digit")),
            None => Err(Wrong::Ends),
        }
    }

    /// Text whose opening quote is the next byte.
    #[inline]
    fn quoted(&mut self) -> Result<Value, Wrong> {
        let start = self.at + 1;
        let (mut at, mut escaped) = (start, false);
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            // The end, an escape, or what must not be.
            let stop = search::either_or_control(rest, QUOTE, BACKSLASH).ok_or(Wrong::Ends)?;
            at += stop;
            match rest.get(stop) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Value { kind: Kind::Text, start, end: at, escaped });
                }
                Some(b'\\') => {
                    at += escape(rest.get(stop..).unwrap_or_default())?.1;
                    escaped = true;
                }
                _ => return Err(Wrong::Control),
            }
        }
    }
}

/// Text with its escapes undone.
pub(crate) fn plain(text: &[u8], escaped: bool) -> Cow<'_, [u8]> {
    if !escaped {
        return Cow::Borrowed(text);
    }
    let (mut plain, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (before, escape_and_rest) = rest.split_at(at);
        plain.extend_from_slice(before);
        // Every escape was checked when the text was found.
        let Ok((character, length)) = escape(escape_and_rest) else { break };
        plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = escape_and_rest.get(length..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// The character that an escape stands for, and the escape's length.
fn escape(bytes: &[u8]) -> Result<(char, usize), Wrong> {
    let short = match bytes.get(1).ok_or(Wrong::Ends)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let first = unit(bytes, 2)?;
            if !matches!(first, 0xD800..=0xDFFF) {
                return Ok((char::from_u32(first).ok_or(Wrong::Escape)?, 6));
            }
            let second = match bytes.get(6..8) {
                Some(b"\\u") => unit(bytes, 8)?,
                _ => return Err(Wrong::Surrogate),
            };
            if !matches!((first, second), (0xD800..=0xDBFF, 0xDC00..=0xDFFF)) {
                return Err(Wrong::Surrogate);
            }
            let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            return Ok((char::from_u32(code).ok_or(Wrong::Surrogate)?, 12));
        }
        _ => return Err(Wrong::Escape),
    };
    Ok((short, 2))
}

/// The four hexadecimal digits at a place.
fn unit(bytes: &[u8], at: usize) -> Result<u32, Wrong> {
    let digits = bytes.get(at..at + 4).ok_or(Wrong::Ends)?;
    digits
        .iter()
        .try_fold(0, |sum, digit| Ok(sum * 16 + char::from(*digit).to_digit(16).ok_or(Wrong::Escape)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(text: &str) -> Result<(), Wrong> {
        let mut parser = Parser::new(text.as_bytes(), 0);
        let value = parser.value()?;
        parser.skip(value.kind)?;
        parser.end()
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("", Wrong::Ends),
            ("{\"a\":1", Wrong::Ends),
            ("[1,", Wrong::Ends),
            ("tru", Wrong::Ends),
            ("-", Wrong::Ends),
            ("\"\\u12", Wrong::Ends),
            ("NaN", Wrong::Expected("a value")),
            ("[1,]", Wrong::Expected("a value")),
            ("{\"a\":1,}", Wrong::Expected("a key in quotes")),
            ("{a:1}", Wrong::Expected("a key in quotes")),
            ("{\"a\" 1}", Wrong::Expected("`:`")),
            ("[1 2]", Wrong::Expected("`,` or `]`")),
            ("{\"a\":1 \"b\":2}", Wrong::Expected("`,` or `}`")),
            ("1.e5", Wrong::Expected("a digit")),
            ("01", Wrong::Expected("the end of the line")),
            ("\"\t\"", Wrong::Control),
            ("\"\\x\"", Wrong::Escape),
            ("\"\\u12g4\"", Wrong::Escape),
            ("\"\\ud800\"", Wrong::Surrogate),
            ("\"\\udc00\\ud800\"", Wrong::Surrogate),
        ] {
            assert_eq!(whole(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(whole(&nested(MOST_DEPTH)), Ok(()));
        assert_eq!(whole(&nested(MOST_DEPTH + 1)), Err(Wrong::Deep));
        assert_eq!(whole(&"[".repeat(1_000_000)), Err(Wrong::Deep));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn a_text_is_json_when_serde_says_so(
            text in r#"[\[\]{}:,"\\ 01.eE+\-tu]{0,12}|(\{"a":)?[\[\]0-9,. "\\nrue-]{0,12}\}?"#,
        ) {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            prop_assert_eq!(whole(&text).is_ok(), theirs.is_ok(), "{:?} {:?}", text, theirs);
        }

        #[test]
        fn text_is_read_back(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            let mut parser = Parser::new(json.as_bytes(), 0);
            let value = parser.value().unwrap();
            let read = parser.text(value);
            prop_assert_eq!(&*read, text.as_bytes());
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let json = format!("\"{escaped}\"");
            let mut parser = Parser::new(json.as_bytes(), 0);
            let value = parser.value().unwrap();
            let read = parser.text(value);
            prop_assert_eq!(&*read, text.as_bytes());
        }
    }
}
