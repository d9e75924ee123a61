//! Which columns does an NDJSON file have, and of which types are they?
//!
//! Whole numbers are int64, or uint64 when one is too large for that; with fractions among them they
//! are float64, if each whole number is one that a float holds exactly. Text stays text, also when it
//! looks like a date. A column that is null in all rows that were looked at is text.

use std::{collections::HashMap, path::Path, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};

use super::{
    layout::{self, Fault, Layout, Lines, is_blank},
    parse::{Kind, Parser, Wrong},
    tree,
};
use crate::{
    IoError, JsonOptions, Result, RowProblem,
    text::{
        file::TextFile,
        problem::{shorten, type_name},
        value,
        window::Window,
    },
};

const MOST_DEPTH: usize = 128;

/// Opens a file: reads as many rows as its columns are inferred from.
pub(crate) fn open(path: &Path, options: &JsonOptions) -> Result<Layout> {
    let asked = options.schema.as_ref().map(|schema| schema.fields().clone()).unwrap_or_default();
    for field in &asked {
        if !tree::supports(field.data_type()) {
            return Err(IoError::InvalidOption {
                option: "schema",
                reason: format!(
                    "asks for column `{}` as {}, which JSON cannot be",
                    field.name(),
                    field.data_type()
                ),
                hint: Some("read the column as another type and cast it"),
            });
        }
    }
    let text = TextFile::open(path, &options.encoding)?;
    let found = sample(&text, options.infer_rows, &asked)?;
    let rows = found.rows;
    let inferred = found.fields();
    let schema = Schema::new(asked.iter().chain(&inferred).cloned().collect::<Vec<FieldRef>>());
    if rows == 0 && options.schema.is_none() {
        return Err(match options.infer_rows {
            0 => IoError::InvalidOption {
                option: "infer_rows",
                reason: "is 0, and no columns are given".into(),
                hint: Some("infer the columns from at least one row, or give them in `schema`"),
            },
            _ => IoError::NoColumns { path: path.to_owned(), missing: "rows" },
        });
    }
    Ok(Layout {
        text,
        inferred: (0..schema.fields().len()).map(|index| index >= asked.len()).collect(),
        schema: Arc::new(schema),
        sampled: options.infer_rows > 0,
    })
}

/// Looks at the first rows for columns that were not asked for.
fn sample(text: &TextFile, most: usize, asked: &Fields) -> Result<Keys> {
    let mut lines = Lines::new(Window::new(text, text.range())?);
    let mut keys = Keys::default();
    while keys.rows < most {
        lines.release_many();
        let line = lines.next()?;
        let offset = lines.offset() + lines.begin() as u64;
        let Some(line) = line else {
            if lines.too_long() {
                return Err(layout::error(text, offset, RowProblem::TooLong.into()));
            }
            break;
        };
        let bytes = lines.bytes().get(line).unwrap_or_default();
        if is_blank(bytes) {
            continue;
        }
        let seen = match std::str::from_utf8(bytes) {
            Ok(_) => row(&mut keys, bytes, asked),
            Err(_) => Err(RowProblem::NotUtf8.into()),
        };
        seen.map_err(|fault| layout::error(text, offset, fault))?;
    }
    Ok(keys)
}

fn row(keys: &mut Keys, bytes: &[u8], asked: &Fields) -> Result<(), Fault> {
    let mut parser = Parser::new(bytes, 0);
    object(&mut parser)?;
    keys.see(&mut parser, asked, 1)?;
    parser.end()?;
    Ok(())
}

/// Reads the bracket of the object that a line must hold.
pub(crate) fn object(parser: &mut Parser<'_>) -> Result<(), Fault> {
    let found = match parser.value()?.kind {
        Kind::Object => return Ok(()),
        Kind::Array => "an array",
        Kind::Text => "text",
        Kind::Number => "a number",
        Kind::Boolean => "true or false",
        Kind::Null => "null",
    };
    Err(RowProblem::NotAnObject { found }.into())
}

/// The keys of objects and what was seen of their values.
#[derive(Debug, Default)]
struct Keys {
    names: Vec<String>,
    seen: Vec<Seen>,
    places: HashMap<String, usize>,
    /// For each key, the object that held it last.
    last: Vec<usize>,
    rows: usize,
}

impl Keys {
    /// Reads an object whose bracket was read.
    fn see(&mut self, parser: &mut Parser<'_>, asked: &Fields, depth: usize) -> Result<(), Fault> {
        self.rows += 1;
        let (mut first, mut expected) = (true, 0);
        while let Some(key) = parser.key(first)? {
            first = false;
            let name = parser.text(key);
            let name = std::str::from_utf8(&name).map_err(|_| RowProblem::NotUtf8)?;
            if asked.find(name).is_some() {
                let value = parser.value()?;
                parser.skip(value.kind)?;
                continue;
            }
            // Most writers keep the order of keys.
            let place = match self.names.get(expected) {
                Some(next) if next == name => expected,
                _ => self.place(name),
            };
            expected = place + 1;
            let (Some(name), Some(seen), Some(last)) =
                (self.names.get(place), self.seen.get_mut(place), self.last.get_mut(place))
            else {
                continue;
            };
            if std::mem::replace(last, self.rows) == self.rows {
                return Err(RowProblem::DuplicateKey { key: name.clone() }.into());
            }
            seen.see(parser, depth).map_err(|fault| fault.within(name))?;
        }
        Ok(())
    }

    /// The place of a key, which may be new.
    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        self.places.insert(name.to_owned(), self.names.len());
        self.names.push(name.to_owned());
        self.seen.push(Seen::Null);
        self.last.push(0);
        self.names.len() - 1
    }

    fn fields(self) -> Fields {
        let fields = self.names.into_iter().zip(self.seen);
        fields.map(|(name, seen)| Field::new(name, seen.decide(), true)).collect()
    }
}

/// What was seen of a column.
#[derive(Debug)]
enum Seen {
    Null,
    Boolean,
    Number(Number),
    Text,
    List(Box<Seen>),
    Object(Keys),
}

/// The types that hold every number seen so far.
#[derive(Clone, Copy, Debug)]
struct Number {
    int64: bool,
    uint64: bool,
    float64: bool,
}

impl Number {
    fn of(text: &[u8]) -> Self {
        if let Some(number) = value::int64(text) {
            let float64 = number.unsigned_abs() <= value::EXACT_INTEGER;
            return Self { int64: true, uint64: number >= 0, float64 };
        }
        let uint64 = std::str::from_utf8(text).is_ok_and(|text| text.parse::<u64>().is_ok());
        Self { int64: false, uint64, float64: value::float64(text).is_some() }
    }

    fn and(self, other: Self) -> Self {
        Self {
            int64: self.int64 && other.int64,
            uint64: self.uint64 && other.uint64,
            float64: self.float64 && other.float64,
        }
    }

    fn decide(self) -> Option<DataType> {
        match self {
            Self { int64: true, .. } => Some(DataType::Int64),
            Self { uint64: true, .. } => Some(DataType::UInt64),
            Self { float64: true, .. } => Some(DataType::Float64),
            _ => None,
        }
    }
}

impl Seen {
    fn see(&mut self, parser: &mut Parser<'_>, depth: usize) -> Result<(), Fault> {
        let value = parser.value()?;
        if depth >= MOST_DEPTH && matches!(value.kind, Kind::Array | Kind::Object) {
            return Err(Wrong::Deep.into());
        }
        if matches!(self, Seen::Null) {
            *self = match value.kind {
                Kind::Null => Seen::Null,
                Kind::Boolean => Seen::Boolean,
                Kind::Number => Seen::Number(Number { int64: true, uint64: true, float64: true }),
                Kind::Text => Seen::Text,
                Kind::Array => Seen::List(Box::new(Seen::Null)),
                Kind::Object => Seen::Object(Keys::default()),
            };
        }
        match (&mut *self, value.kind) {
            (_, Kind::Null) | (Seen::Boolean, Kind::Boolean) | (Seen::Text, Kind::Text) => Ok(()),
            (Seen::Number(before), Kind::Number) => {
                let text = parser.slice(value.start, value.end);
                let own = Number::of(text);
                let both = before.and(own);
                if both.decide().is_some() {
                    *before = both;
                    return Ok(());
                }
                Err(match (before.decide(), own.decide()) {
                    (Some(before), Some(own)) => {
                        RowProblem::MixedTypes { first: type_name(&before), second: type_name(&own) }
                    }
                    _ => RowProblem::Value {
                        value: shorten(text),
                        expected: "int64, uint64 or float64".into(),
                        inferred: true,
                    },
                }
                .into())
            }
            (Seen::List(item), Kind::Array) => {
                let mut first = true;
                while parser.item(first)? {
                    first = false;
                    item.see(parser, depth + 1)?;
                }
                Ok(())
            }
            (Seen::Object(keys), Kind::Object) => keys.see(parser, &Fields::empty(), depth + 1),
            (before, kind) => {
                parser.skip(kind)?;
                let second = match kind {
                    Kind::Null => "null",
                    Kind::Boolean => "bool",
                    Kind::Number => "a number",
                    Kind::Text => "text",
                    Kind::Array => "a list",
                    Kind::Object => "an object",
                };
                Err(RowProblem::MixedTypes { first: before.name().into(), second: second.into() }.into())
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Seen::Null => "null",
            Seen::Boolean => "bool",
            Seen::Number(_) => "numbers",
            Seen::Text => "text",
            Seen::List(_) => "lists",
            Seen::Object(_) => "objects",
        }
    }

    fn decide(self) -> DataType {
        match self {
            Seen::Null | Seen::Text => DataType::Utf8,
            Seen::Boolean => DataType::Boolean,
            Seen::Number(number) => number.decide().unwrap_or(DataType::Float64),
            Seen::List(item) => DataType::new_list(item.decide(), true),
            Seen::Object(keys) => DataType::Struct(keys.fields()),
        }
    }
}
