//! Where do the values of a record begin and end? RFC 4180, read as most writers mean it: a quote
//! quotes only at the beginning of a value, and stands for itself elsewhere.

use crate::{
    CsvOptions, IoError, Result,
    text::search::{self, Lanes},
};

const NEWLINE: Lanes = Lanes::of(b'\n');

/// The bytes that structure a file.
#[derive(Clone, Debug)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) escape: Option<u8>,
    pub(crate) comment: Option<u8>,
    /// The delimiter, as it is searched for.
    ends: Lanes,
}

/// A value's bytes, its quotes left away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) quoted: bool,
    /// Whether quotes or escapes inside are to be undone.
    pub(crate) escaped: bool,
}

impl Field {
    /// An unquoted value without bytes.
    pub(crate) const EMPTY: Field = Field { start: 0, end: 0, quoted: false, escaped: false };

    fn new(start: usize, end: usize, quoted: bool, escaped: bool) -> Self {
        // A window holds fewer than 2^31 bytes.
        Self { start: start as u32, end: end as u32, quoted, escaped }
    }
}

/// How reading a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A record, and where the next one begins.
    Record { next: usize },
    /// A record with text after a closing quote.
    AfterQuote { next: usize },
    /// A line without bytes; its one field was given.
    Blank { next: usize },
    /// A comment.
    Comment { next: usize },
    /// More bytes are needed.
    Incomplete,
    /// The bytes end inside quotes.
    OpenQuote,
}

impl Dialect {
    /// The dialect that options describe; `delimiter` stands in when they name none.
    pub(crate) fn new(options: &CsvOptions, delimiter: u8) -> Result<Self> {
        let dialect = Self {
            delimiter: options.delimiter.unwrap_or(delimiter),
            quote: options.quote,
            escape: options.escape.filter(|escape| Some(*escape) != options.quote),
            comment: options.comment,
            ends: Lanes::of(options.delimiter.unwrap_or(delimiter)),
        };
        let named = [
            ("delimiter", Some(dialect.delimiter)),
            ("quote", dialect.quote),
            ("escape", dialect.escape),
            ("comment", dialect.comment),
        ];
        for (index, (option, byte)) in named.iter().enumerate() {
            let Some(byte) = byte else { continue };
            if !byte.is_ascii() || matches!(byte, b'\n' | b'\r' | 0) {
                return Err(IoError::InvalidOption {
                    option,
                    reason: format!("is byte {byte}, which cannot structure a file"),
                    hint: Some("name an ASCII character other than a line ending"),
                });
            }
            if let Some((other, _)) = named.iter().take(index).find(|(_, earlier)| *earlier == Some(*byte)) {
                return Err(IoError::InvalidOption {
                    option,
                    reason: format!(
                        "is `{}`, which is the {other} already",
                        char::from(*byte).escape_default()
                    ),
                    hint: Some("name another character"),
                });
            }
        }
        Ok(dialect)
    }

    /// Reads a record without quotes whose newline is in `bytes`, as most are; gives the next one's place.
    /// For any other nothing is added to `fields`.
    #[inline]
    pub(crate) fn plain_record(&self, bytes: &[u8], from: usize, fields: &mut Vec<Field>) -> Option<usize> {
        let first = bytes.get(from).copied();
        if matches!(first, Some(b'\n' | b'\r')) || first == self.comment {
            return None;
        }
        let (known, mut start) = (fields.len(), from);
        // Without a quote the delimiter is searched for twice.
        let quote = self.quote.map_or(self.ends, Lanes::of);
        let (words, _) = bytes.get(from..)?.as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            let mut found = search::all(u64::from_le_bytes(*word), [self.ends, NEWLINE, quote]);
            while found != 0 {
                let place = from + index * 8 + found.trailing_zeros() as usize / 8;
                found &= found - 1;
                let byte = bytes.get(place).copied();
                if byte == Some(self.delimiter) {
                    fields.push(Field::new(start, place, false, false));
                    start = place + 1;
                } else if byte == Some(b'\n') {
                    let returns = place > start && bytes.get(place - 1) == Some(&b'\r');
                    fields.push(Field::new(start, place - usize::from(returns), false, false));
                    return Some(place + 1);
                } else {
                    fields.truncate(known);
                    return None;
                }
            }
        }
        fields.truncate(known);
        None
    }

    /// Reads the record that begins at `from`, adding its values to `fields`. `last` says that no bytes
    /// come after `bytes`. When more are needed, `fields` is to be cut back by the caller.
    #[inline]
    pub(crate) fn record(&self, bytes: &[u8], from: usize, last: bool, fields: &mut Vec<Field>) -> Outcome {
        let first = bytes.get(from).copied();
        if first.is_some() && first == self.comment {
            return match memchr::memchr(b'\n', bytes.get(from..).unwrap_or_default()) {
                Some(newline) => Outcome::Comment { next: from + newline + 1 },
                None if last => Outcome::Comment { next: bytes.len() },
                None => Outcome::Incomplete,
            };
        }
        let (mut at, mut after_quote) = (from, false);
        loop {
            let quoted = self.quote.is_some() && bytes.get(at).copied() == self.quote;
            if quoted {
                match self.closing_quote(bytes, at + 1, last) {
                    Closing::At(close, escaped) => {
                        fields.push(Field::new(at + 1, close, true, escaped));
                        at = close + 1;
                    }
                    Closing::Incomplete => return Outcome::Incomplete,
                    Closing::Open => return Outcome::OpenQuote,
                }
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let length = search::either(rest, self.ends, NEWLINE);
            let ending = length.and_then(|length| rest.get(length).copied());
            if ending.is_none() && !last {
                return Outcome::Incomplete;
            }
            let end = at + length.unwrap_or(rest.len());
            let line_ends = ending != Some(self.delimiter);
            let mut text = bytes.get(at..end).unwrap_or_default();
            if line_ends && let Some(before) = text.strip_suffix(b"\r") {
                text = before;
            }
            if quoted {
                after_quote |= !text.is_empty();
            } else {
                fields.push(Field::new(at, at + text.len(), false, false));
            }
            if line_ends {
                let next = if ending.is_some() { end + 1 } else { end };
                let blank = text.is_empty() && at == from && !quoted;
                return match (blank, after_quote) {
                    (true, _) => Outcome::Blank { next },
                    (_, true) => Outcome::AfterQuote { next },
                    _ => Outcome::Record { next },
                };
            }
            at = end + 1;
        }
    }

    /// Where the quote that closes a value stands, and whether something before it is to be undone.
    #[inline]
    pub(crate) fn closing_quote(&self, bytes: &[u8], from: usize, last: bool) -> Closing {
        let Some(quote) = self.quote else { return Closing::Open };
        let (mut at, mut escaped) = (from, false);
        let unclosed = if last { Closing::Open } else { Closing::Incomplete };
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let found = match self.escape {
                Some(escape) => memchr::memchr2(quote, escape, rest),
                None => memchr::memchr(quote, rest),
            };
            let Some(found) = found else { return unclosed };
            let (byte, after) = (rest.get(found).copied(), rest.get(found + 1).copied());
            if byte == Some(quote) && after != Some(quote) {
                let known = after.is_some() || last;
                return if known { Closing::At(at + found, escaped) } else { Closing::Incomplete };
            }
            // A doubled quote, or an escape and what it escapes.
            if after.is_none() {
                return unclosed;
            }
            (escaped, at) = (true, at + found + 2);
        }
    }

    /// The bytes of a value with doubled quotes and escapes undone.
    pub(crate) fn unescape(&self, value: &[u8]) -> Vec<u8> {
        let (mut plain, mut rest) = (Vec::with_capacity(value.len()), value);
        let quote = self.quote.map_or(self.ends, Lanes::of);
        let escape = self.escape.map_or(quote, Lanes::of);
        while let Some((before, special)) =
            search::either(rest, quote, escape).and_then(|at| rest.split_at_checked(at))
        {
            plain.extend_from_slice(before);
            // What it stands before is kept, and so is it where it stands before nothing.
            plain.extend(special.get(1).or_else(|| special.first()));
            rest = special.get(2..).unwrap_or_default();
        }
        plain.extend_from_slice(rest);
        plain
    }
}

/// Where a quoted value ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// The place of the closing quote, and whether something before it is to be undone.
    At(usize, bool),
    /// More bytes are needed.
    Incomplete,
    /// The bytes end before it.
    Open,
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn dialect(escape: Option<u8>, comment: Option<u8>) -> Dialect {
        Dialect::new(&CsvOptions { escape, comment, ..CsvOptions::default() }, b',').unwrap()
    }

    fn shown(dialect: &Dialect, text: &str) -> String {
        let (mut at, mut shown) = (0, String::new());
        while at < text.len() {
            let mut fields = Vec::new();
            let outcome = dialect.record(text.as_bytes(), at, true, &mut fields);
            let values: Vec<String> = fields
                .iter()
                .map(|field| {
                    let bytes = &text.as_bytes()[field.start as usize..field.end as usize];
                    let value = if field.escaped { dialect.unescape(bytes) } else { bytes.to_vec() };
                    format!("{}{:?}", if field.quoted { "q" } else { "" }, String::from_utf8(value).unwrap())
                })
                .collect();
            let (name, next) = match outcome {
                Outcome::Record { next } => ("record", next),
                Outcome::AfterQuote { next } => ("after quote", next),
                Outcome::Blank { next } => ("blank", next),
                Outcome::Comment { next } => ("comment", next),
                Outcome::Incomplete => ("incomplete", text.len()),
                Outcome::OpenQuote => ("open quote", text.len()),
            };
            shown += &format!("{name}: {}\n", values.join(" "));
            at = next;
        }
        shown
    }

    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&shown(&dialect(Some(b'\\'), Some(b'#')), text));
    }

    #[test]
    fn records_are_told_apart() {
        check(
            "a,\"b\"\r\n\n,\"\"\n\"x\n,\"\"y\"\"\",2\" disk\n#a,\"\n\"a\\\"b\",c\\d\nlast,\r",
            expect![[r#"
                record: "a" q"b"
                blank: ""
                record: "" q""
                record: q"x\n,\"y\"" "2\" disk"
                comment: 
                record: q"a\"b" "c\\d"
                record: "last" ""
            "#]],
        );
    }

    proptest! {
        #[test]
        fn a_plain_record_is_a_record(text in "[ab,\r\n#\"]{0,40}", comment: bool) {
            let dialect = dialect(None, comment.then_some(b'#'));
            let (mut plain, mut slow) = (Vec::new(), Vec::new());
            let next = dialect.plain_record(text.as_bytes(), 0, &mut plain);
            let outcome = dialect.record(text.as_bytes(), 0, true, &mut slow);
            match next {
                Some(next) => prop_assert_eq!((Outcome::Record { next }, &plain), (outcome, &slow)),
                None => prop_assert!(plain.is_empty()),
            }
            let line = text.lines().next().unwrap_or_default();
            let is_plain = text.len() > line.len() + 8 && !line.is_empty() && !line.contains('"')
                && !line.starts_with(['#', '\r']);
            prop_assert!(next.is_some() || !is_plain, "{:?}", text);
        }
    }

    #[test]
    fn what_breaks_the_rules_is_told() {
        check(
            "\"a\"b,c\nd,\"e\n",
            expect![[r#"
            after quote: q"a" "c"
            open quote: "d"
        "#]],
        );
    }

    #[test]
    fn cut_short_anywhere_a_record_is_incomplete() {
        let (dialect, text) = (dialect(None, None), b"a,\"b\"\"c\"\r\n");
        for length in 0..text.len() {
            assert_eq!(dialect.record(&text[..length], 0, false, &mut Vec::new()), Outcome::Incomplete);
        }
        assert_eq!(dialect.record(text, 0, false, &mut Vec::new()), Outcome::Record { next: text.len() });
    }
}
