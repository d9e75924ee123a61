//! What does `tojson` write? What Python's `json.dumps` does, as long as there is room for it.

use std::io::{self, Read as _};

use minijinja::{Error as TemplateError, ErrorKind, value::Kwargs};
use serde::Serialize;
use serde_json::ser::Formatter;

use super::limits::{LARGEST, Spent};

/// The most spaces by which JSON can be indented.
const WIDEST: usize = 64;

/// What Python's `json.dumps` writes.
pub(super) fn to_json(
    spent: &Spent,
    value: &minijinja::Value,
    options: Kwargs,
) -> Result<String, TemplateError> {
    let invalid = |reason: String| TemplateError::new(ErrorKind::BadSerialization, reason);
    let indent: Option<usize> = options.get("indent")?;
    if indent.is_some_and(|indent| indent > WIDEST) {
        return Err(invalid(format!("`indent` is at most {WIDEST}")));
    }
    let separators: Option<Vec<String>> = options.get("separators")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    let sorted: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    if value.is_undefined() {
        return Err(invalid("what is undefined has no JSON".to_owned()));
    }
    let mut json = serde_json::to_value(value).map_err(|error| invalid(error.to_string()))?;
    if sorted == Some(true) {
        json.sort_all_objects();
    }
    let comma = if indent.is_some() { "," } else { ", " };
    let (item, key) = match separators.as_deref() {
        None => (comma.to_owned(), ": ".to_owned()),
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => return Err(invalid("`separators` are two".to_owned())),
    };
    let python = Python { indent, item, key, ascii: ascii == Some(true), depth: 0, filled: false };
    let mut out = Limited { bytes: Vec::new(), full: false };
    let written = json.serialize(&mut serde_json::Serializer::with_formatter(&mut out, python));
    if out.full {
        return Err(spent.too_large());
    }
    written.map_err(|error| invalid(error.to_string()))?;
    String::from_utf8(out.bytes).map_err(|error| invalid(error.to_string()))
}

/// Bytes that end where a text is at its largest.
struct Limited {
    bytes: Vec<u8>,
    full: bool,
}

impl io::Write for Limited {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > LARGEST {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// JSON as Python writes it.
struct Python {
    indent: Option<usize>,
    item: String,
    key: String,
    ascii: bool,
    depth: usize,
    /// Whether the list or object that ends next has anything in it.
    filled: bool,
}

impl Python {
    fn begin<W: ?Sized + io::Write>(&mut self, writer: &mut W, mark: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        writer.write_all(mark)
    }

    fn next<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(self.item.as_bytes())?;
        }
        self.line(writer)
    }

    fn end<W: ?Sized + io::Write>(&mut self, writer: &mut W, mark: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.filled {
            self.line(writer)?;
        }
        self.filled = true;
        writer.write_all(mark)
    }

    fn line<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        match self.indent {
            Some(indent) => {
                writer.write_all(b"\n")?;
                let spaces = indent.saturating_mul(self.depth) as u64;
                io::copy(&mut io::repeat(b' ').take(spaces), writer).map(drop)
            }
            None => Ok(()),
        }
    }
}

impl Formatter for Python {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // The same digits and limits, but for how the exponent is written.
        let text = format!("{value:?}");
        match text.split_once('e') {
            Some((digits, exponent)) => match exponent.strip_prefix('-') {
                Some(exponent) => write!(writer, "{digits}e-{exponent:0>2}"),
                None => write!(writer, "{digits}e+{exponent:0>2}"),
            },
            None => writer.write_all(text.as_bytes()),
        }
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        for c in text.chars() {
            if c.is_ascii() || !self.ascii {
                writer.write_all(c.encode_utf8(&mut [0; 4]).as_bytes())?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.key.as_bytes())
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_ends_where_a_value_is_at_its_largest() {
        let json = |length: usize| {
            let options = Kwargs::from_iter([("separators", vec!["a".repeat(length), String::new()].into())]);
            to_json(&Spent::default(), &vec![1, 2, 3].into(), options).map(|json| json.len())
        };
        assert_eq!(json(9).ok(), Some(2 * 9 + 5));
        assert!(json(LARGEST / 2).is_err());
    }
}
