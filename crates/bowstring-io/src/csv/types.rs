//! Which type holds all values of a column, in one file or in several that are read as one?

use std::collections::HashMap;

use arrow::datatypes::{DataType, TimeUnit};

use super::layout::Layout;
use crate::text::value;

const MICROSECONDS: u32 = 1_000_000;
const NANOSECONDS: u32 = 1_000_000_000;

/// Gives columns of one name one type in all files.
pub(crate) fn unify(layouts: &mut [Layout]) {
    let mut common: HashMap<String, Candidates> = HashMap::new();
    for layout in layouts.iter() {
        for (field, candidates) in layout.schema.fields().iter().zip(&layout.candidates) {
            let known = common.entry(field.name().clone()).or_default();
            *known = known.and(*candidates);
        }
    }
    for layout in layouts {
        let names = layout.schema.fields().iter().map(|field| field.name());
        let own = names.zip(&layout.candidates);
        layout.candidates = own.map(|(name, own)| common.get(name).copied().unwrap_or(*own)).collect();
        layout.decide();
    }
}

/// The types that hold every value seen so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidates {
    seen: bool,
    boolean: bool,
    int64: bool,
    float64: bool,
    date: bool,
    /// Timestamps with a zone, and without.
    moment: [bool; 2],
    /// Whether timestamps can be counted in microseconds, and in nanoseconds.
    microseconds: bool,
    nanoseconds: bool,
}

impl Default for Candidates {
    fn default() -> Self {
        Self {
            seen: false,
            boolean: true,
            int64: true,
            float64: true,
            date: true,
            moment: [true; 2],
            microseconds: true,
            nanoseconds: true,
        }
    }
}

impl Candidates {
    pub(crate) fn see(&mut self, text: &[u8]) {
        self.seen = true;
        self.boolean = self.boolean && value::boolean(text).is_some();
        self.int64 = self.int64 && value::int64(text).is_some();
        self.float64 = self.float64 && value::float64(text).is_some();
        self.date = self.date && value::date32(text).is_some();
        if self.moment.contains(&true) {
            let moment = value::moment(text);
            let [with_zone, without] = &mut self.moment;
            *with_zone = *with_zone && moment.is_some_and(|moment| moment.zoned);
            *without = *without && moment.is_some_and(|moment| !moment.zoned);
            let counts = |per_second| moment.is_some_and(|moment| moment.units(per_second).is_some());
            self.microseconds = self.microseconds && counts(MICROSECONDS);
            self.nanoseconds = self.nanoseconds && counts(NANOSECONDS);
        }
    }

    /// What also holds the values that `other` was seen of.
    pub(crate) fn and(self, other: Self) -> Self {
        let [zoned, local] = self.moment;
        let [other_zoned, other_local] = other.moment;
        Self {
            seen: self.seen || other.seen,
            boolean: self.boolean && other.boolean,
            int64: self.int64 && other.int64,
            float64: self.float64 && other.float64,
            date: self.date && other.date,
            moment: [zoned && other_zoned, local && other_local],
            microseconds: self.microseconds && other.microseconds,
            nanoseconds: self.nanoseconds && other.nanoseconds,
        }
    }

    /// The narrowest type.
    pub(crate) fn decide(&self) -> DataType {
        let unit = match (self.microseconds, self.nanoseconds) {
            (true, _) => Some(TimeUnit::Microsecond),
            (false, true) => Some(TimeUnit::Nanosecond),
            (false, false) => None,
        };
        match (unit, self.moment) {
            _ if !self.seen => DataType::Utf8,
            _ if self.boolean => DataType::Boolean,
            _ if self.int64 => DataType::Int64,
            _ if self.float64 => DataType::Float64,
            _ if self.date => DataType::Date32,
            (Some(unit), [true, _]) => DataType::Timestamp(unit, Some("UTC".into())),
            (Some(unit), [_, true]) => DataType::Timestamp(unit, None),
            _ => DataType::Utf8,
        }
    }
}
