//! How are columns of ids read in place, whatever their Arrow type and chunks?

use std::{fmt, ops::Range, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Int64Array, LargeStringArray, StringArray, StringViewArray, UInt64Array,
    },
    compute::{cast, concat},
    datatypes::{ArrowNativeType, DataType},
};
use rayon::prelude::*;

use crate::{
    GraphError, Result,
    columns::{not_null, starts},
};

/// What can be an id.
const EXPECTED: &str = "integers, text or a dictionary of those";

/// Ids that are gathered in one task.
const TASK: usize = 1 << 14;

/// Runs `$body` with `$values` bound to the values of an array of integers, `$none` for any other array.
macro_rules! with_integers {
    ($array:expr, $values:ident => $body:expr, $none:expr) => {
        match $array.data_type() {
            arrow::datatypes::DataType::Int8 => with_integers!(@ $array, Int8Type, $values => $body),
            arrow::datatypes::DataType::Int16 => with_integers!(@ $array, Int16Type, $values => $body),
            arrow::datatypes::DataType::Int32 => with_integers!(@ $array, Int32Type, $values => $body),
            arrow::datatypes::DataType::Int64 => with_integers!(@ $array, Int64Type, $values => $body),
            arrow::datatypes::DataType::UInt8 => with_integers!(@ $array, UInt8Type, $values => $body),
            arrow::datatypes::DataType::UInt16 => with_integers!(@ $array, UInt16Type, $values => $body),
            arrow::datatypes::DataType::UInt32 => with_integers!(@ $array, UInt32Type, $values => $body),
            arrow::datatypes::DataType::UInt64 => with_integers!(@ $array, UInt64Type, $values => $body),
            _ => $none,
        }
    };
    (@ $array:expr, $kind:ident, $values:ident => $body:expr) => {{
        let $values = &$array.as_primitive::<arrow::datatypes::$kind>().values()[..];
        $body
    }};
}
pub(crate) use with_integers;

/// Whether ids are texts or numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
}

/// One id, as a person reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id<'a> {
    Text(&'a str),
    Number(i128),
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Text(text) => f.write_str(text),
            Id::Number(number) => write!(f, "{number}"),
        }
    }
}

/// A column of ids, in chunks. None is null.
#[derive(Clone, Debug)]
pub(crate) struct IdColumn<'a> {
    pub(crate) name: &'static str,
    pub(crate) chunks: &'a [ArrayRef],
    starts: Vec<usize>,
}

impl<'a> IdColumn<'a> {
    pub(crate) fn new(name: &'static str, chunks: &'a [ArrayRef]) -> Result<Self> {
        let starts = starts(chunks);
        for (chunk, start) in chunks.iter().zip(&starts) {
            if kind(chunk.data_type()).is_none() {
                let found = chunk.data_type().to_string();
                return Err(GraphError::ColumnType { column: name.into(), found, expected: EXPECTED });
            }
            not_null(name, chunk, *start)?;
        }
        Ok(Self { name, chunks, starts })
    }

    /// The column in these chunks, which are known to be ids; what a null is does not matter.
    pub(crate) fn nullable(name: &'static str, chunks: &'a [ArrayRef]) -> Self {
        Self { name, chunks, starts: starts(chunks) }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The parts of chunks that make up the rows in `range`: the chunk's number and its rows.
    pub(crate) fn pieces(&self, range: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let first = self.starts.partition_point(|&start| start <= range.start).saturating_sub(1);
        let mut at = range.start;
        (first..self.chunks.len()).map_while(move |chunk| {
            let (begin, end) = (self.starts[chunk], self.starts[chunk + 1].min(range.end));
            let rows = (at < range.end).then(|| at - begin..end.max(at) - begin);
            at = at.max(end);
            rows.map(|rows| (chunk, rows))
        })
    }

    /// The id in a row.
    pub(crate) fn id(&self, row: usize) -> Id<'a> {
        let chunk = self.starts.partition_point(|&start| start <= row).saturating_sub(1);
        id_at(&self.chunks[chunk], row - self.starts[chunk])
    }
}

/// The kind of ids that an array of this type has; `None` when it is no type of ids.
pub(crate) fn kind(data_type: &DataType) -> Option<Kind> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Kind::Text),
        DataType::Dictionary(_, values) if !matches!(**values, DataType::Dictionary(..)) => kind(values),
        found if found.is_integer() => Some(Kind::Number),
        _ => None,
    }
}

/// The one kind of all columns; text when they have no chunks at all.
///
/// # Errors
/// [`GraphError::ColumnType`] when some are texts and some are numbers.
pub(crate) fn one_kind(columns: &[IdColumn<'_>]) -> Result<Kind> {
    let mut one = None;
    for column in columns {
        for chunk in column.chunks {
            let kind = kind(chunk.data_type());
            if *one.get_or_insert(kind) != kind {
                let expected = match one.flatten() {
                    Some(Kind::Number) => "integers like the other ids",
                    _ => "text like the other ids",
                };
                let found = chunk.data_type().to_string();
                return Err(GraphError::ColumnType { column: column.name.into(), found, expected });
            }
        }
    }
    Ok(one.flatten().unwrap_or(Kind::Text))
}

/// The id in a row of an array of ids.
pub(crate) fn id_at(array: &dyn Array, row: usize) -> Id<'_> {
    match array.data_type() {
        DataType::Utf8 => Id::Text(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Id::Text(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Id::Text(array.as_string_view().value(row)),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            id_at(dictionary.values(), code_at(dictionary.keys(), row))
        }
        _ => Id::Number(with_integers!(array, values => values[row].into(), 0)),
    }
}

/// The number in a row of an array of places.
fn code_at(keys: &dyn Array, row: usize) -> usize {
    with_integers!(keys, values => values[row].as_usize(), 0)
}

/// The type of an array of ids, of its values when it is a dictionary.
fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

/// Makes an array of the ids in these rows of columns.
type Gathering<'a> = dyn Fn(&[(usize, usize)]) -> ArrayRef + Sync + 'a;

/// The ids in these rows of columns, as one array of the type of the columns; where that is not one
/// type, or cannot hold so much text, as the one that holds all.
pub(crate) fn gather(columns: &[IdColumn<'_>], rows: &[(usize, usize)]) -> Result<ArrayRef> {
    let mut types =
        columns.iter().flat_map(|column| column.chunks).map(|chunk| value_type(chunk.data_type()));
    let first = types.next().cloned().unwrap_or(DataType::Utf8);
    let all_unsigned = first.is_unsigned_integer() && types.clone().all(DataType::is_unsigned_integer);
    let is_one = types.all(|other| *other == first);
    let id = |&(column, row): &(usize, usize)| columns[column].id(row);
    let text = |place: &(usize, usize)| match id(place) {
        Id::Text(text) => text,
        Id::Number(_) => "",
    };
    let number = |place: &(usize, usize)| match id(place) {
        Id::Number(number) => number,
        Id::Text(_) => 0,
    };
    let blocks = |array: &Gathering<'_>| {
        let arrays: Vec<ArrayRef> = rows.par_chunks(TASK).map(array).collect();
        concat(&arrays.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>())
    };
    let array = if rows.is_empty() {
        Ok(arrow::array::new_empty_array(&first))
    } else if first.is_integer() {
        let target = match (is_one, all_unsigned) {
            (true, _) => first,
            (false, true) => DataType::UInt64,
            (false, false) => DataType::Int64,
        };
        let wide = if all_unsigned {
            blocks(&|rows| Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| number(row) as u64))))
        } else {
            blocks(&|rows| Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| number(row) as i64))))
        };
        wide.and_then(|wide| cast(&wide, &target))
    } else {
        let bytes: usize = rows.par_iter().map(|row| text(row).len()).sum();
        let values = |rows: &'_ [(usize, usize)]| rows.iter().map(text).collect::<Vec<_>>();
        match first {
            DataType::Utf8View if is_one => {
                blocks(&|rows| Arc::new(StringViewArray::from_iter_values(values(rows))))
            }
            DataType::Utf8 if is_one && bytes <= i32::MAX as usize => {
                blocks(&|rows| Arc::new(StringArray::from(values(rows))))
            }
            _ => blocks(&|rows| Arc::new(LargeStringArray::from(values(rows)))),
        }
    };
    array.map_err(|error| GraphError::Ids { reason: error.to_string() })
}
