//! Which texts are encoded? Slices of strings, or Arrow columns of any string type, read in place.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, LargeStringArray, StringArray, StringViewArray},
    datatypes::DataType,
};

use crate::{Result, TokenizerError};

/// Texts in order, some of which may be null. Nothing is copied.
#[derive(Clone, Debug)]
pub struct Texts<'a>(Kind<'a>);

#[derive(Clone, Debug)]
enum Kind<'a> {
    Slices(&'a [&'a str]),
    Options(&'a [Option<&'a str>]),
    Columns { columns: Vec<Column<'a>>, starts: Vec<usize> },
}

#[derive(Clone, Debug)]
enum Column<'a> {
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    /// All rows are null.
    Null(usize),
    /// Keys into the values.
    Dictionary {
        keys: Arc<Vec<Option<usize>>>,
        values: Box<Column<'a>>,
    },
}

impl<'a> Texts<'a> {
    /// The texts of a slice.
    pub fn from_slices(texts: &'a [&'a str]) -> Self {
        Self(Kind::Slices(texts))
    }

    /// The texts of a slice, `None` for null.
    pub fn from_options(texts: &'a [Option<&'a str>]) -> Self {
        Self(Kind::Options(texts))
    }

    /// The rows of a column in chunks: `string`, `large_string`, `string_view`, `null`, and dictionaries
    /// of them.
    ///
    /// # Errors
    /// [`TokenizerError::ColumnType`] for any other type.
    pub fn from_chunks(chunks: &'a [ArrayRef]) -> Result<Self> {
        let columns = chunks.iter().map(|chunk| Column::new(chunk.as_ref())).collect::<Result<Vec<_>>>()?;
        let mut starts = Vec::with_capacity(columns.len() + 1);
        starts.push(0);
        let mut rows = 0;
        for column in &columns {
            rows += column.len();
            starts.push(rows);
        }
        Ok(Self(Kind::Columns { columns, starts }))
    }

    /// How many there are, nulls included.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Slices(texts) => texts.len(),
            Kind::Options(texts) => texts.len(),
            Kind::Columns { starts, .. } => starts.last().copied().unwrap_or(0),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of a row; `None` when it is null or there is no such row.
    pub fn get(&self, row: usize) -> Option<&'a str> {
        match &self.0 {
            Kind::Slices(texts) => texts.get(row).copied(),
            Kind::Options(texts) => texts.get(row).copied().flatten(),
            Kind::Columns { columns, starts } => {
                let chunk =
                    if columns.len() == 1 { 0 } else { starts.partition_point(|start| *start <= row) - 1 };
                columns.get(chunk)?.get(row - starts[chunk])
            }
        }
    }
}

impl<'a> Column<'a> {
    fn new(array: &'a dyn Array) -> Result<Self> {
        let refused = || TokenizerError::ColumnType { column: None, found: array.data_type().to_string() };
        Ok(match array.data_type() {
            DataType::Utf8 => Column::Utf8(array.as_string()),
            DataType::LargeUtf8 => Column::LargeUtf8(array.as_string()),
            DataType::Utf8View => Column::Utf8View(array.as_string_view()),
            DataType::Null => Column::Null(array.len()),
            DataType::Dictionary(_, values) if !matches!(**values, DataType::Dictionary(..)) => {
                let dictionary = array.as_any_dictionary();
                let values = Box::new(Column::new(dictionary.values().as_ref()).map_err(|_| refused())?);
                // Without any value there are no keys but nulls, which have no place.
                let places =
                    if values.len() == 0 { vec![0; array.len()] } else { dictionary.normalized_keys() };
                let keys = (places.into_iter().enumerate())
                    .map(|(row, place)| (!dictionary.keys().is_null(row)).then_some(place))
                    .collect();
                Column::Dictionary { keys: Arc::new(keys), values }
            }
            _ => return Err(refused()),
        })
    }

    fn len(&self) -> usize {
        match self {
            Column::Utf8(array) => array.len(),
            Column::LargeUtf8(array) => array.len(),
            Column::Utf8View(array) => array.len(),
            Column::Null(rows) => *rows,
            Column::Dictionary { keys, .. } => keys.len(),
        }
    }

    fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Column::Utf8(array) => (row < array.len() && array.is_valid(row)).then(|| array.value(row)),
            Column::LargeUtf8(array) => (row < array.len() && array.is_valid(row)).then(|| array.value(row)),
            Column::Utf8View(array) => (row < array.len() && array.is_valid(row)).then(|| array.value(row)),
            Column::Null(_) => None,
            Column::Dictionary { keys, values } => values.get((*keys.get(row)?)?),
        }
    }
}
