//! Which keys do objects have, and which types hold their values, in one file or in several that are
//! read as one?
//!
//! Whole numbers are int64, or uint64 when one is too large for that; with fractions among them they
//! are float64, if each whole number is one that a float holds exactly. Text stays text, also when it
//! looks like a date. A column that is null in all rows that were looked at is text.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Fields};

use super::{
    layout::Fault,
    parse::{Kind, Parser, Wrong},
};
use crate::{
    RowProblem,
    text::{
        problem::{shorten, type_name},
        value,
    },
};

const MOST_DEPTH: usize = 128;

/// The keys of objects and what was seen of their values.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    names: Vec<String>,
    seen: Vec<Seen>,
    places: HashMap<String, usize>,
    /// For each key, the object that held it last.
    last: Vec<usize>,
    pub(crate) rows: usize,
}

impl Keys {
    /// Reads an object whose bracket was read.
    pub(crate) fn see(&mut self, parser: &mut Parser<'_>, asked: &Fields, depth: usize) -> Result<(), Fault> {
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

    /// Adds what was seen in another file.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), Fault> {
        self.rows += other.rows;
        for (name, seen) in other.names.into_iter().zip(other.seen) {
            let place = self.place(&name);
            if let Some(own) = self.seen.get_mut(place) {
                own.merge(seen).map_err(|fault| fault.within(&name))?;
            }
        }
        Ok(())
    }

    pub(crate) fn fields(self) -> Fields {
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

    /// Adds numbers that one type holds, which must also hold those seen so far.
    fn merge(&mut self, other: Self) -> Result<(), Fault> {
        let both = self.and(other);
        if let (None, Some(first), Some(second)) = (both.decide(), self.decide(), other.decide()) {
            let (first, second) = (type_name(&first), type_name(&second));
            return Err(RowProblem::MixedTypes { first, second }.into());
        }
        *self = both;
        Ok(())
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
                match own.decide() {
                    Some(_) => before.merge(own),
                    None => Err(RowProblem::Value {
                        value: shorten(text),
                        expected: "int64, uint64 or float64".into(),
                        inferred: true,
                    }
                    .into()),
                }
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

    fn merge(&mut self, other: Self) -> Result<(), Fault> {
        match (self, other) {
            (_, Seen::Null) | (Seen::Boolean, Seen::Boolean) | (Seen::Text, Seen::Text) => Ok(()),
            (own @ Seen::Null, other) => {
                *own = other;
                Ok(())
            }
            (Seen::Number(own), Seen::Number(other)) => own.merge(other),
            (Seen::List(own), Seen::List(other)) => own.merge(*other),
            (Seen::Object(own), Seen::Object(other)) => own.merge(other),
            (own, other) => {
                let (first, second) = (own.name().into(), other.name().into());
                Err(RowProblem::MixedTypes { first, second }.into())
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
