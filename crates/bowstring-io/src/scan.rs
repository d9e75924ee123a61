//! What is wanted of a dataset, and in which parts is it read?

use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch};

use crate::{Predicate, Result};

/// What is wanted of a dataset.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Columns of the output, as indices into the dataset's schema, in this order; all when `None`.
    pub projection: Option<Vec<usize>>,
    /// Rows to keep; applied exactly, whether or not the file can skip any.
    pub predicate: Option<Predicate>,
    /// The most rows that each part gives, after the predicate.
    pub limit: Option<usize>,
    /// The most rows of a batch.
    pub batch_rows: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Self { projection: None, predicate: None, limit: None, batch_rows: 8192 }
    }
}

/// A part of a dataset that is read by one thread: a file, or some of its row groups or bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The file, as an index into the dataset's files.
    pub file: usize,
    /// Row groups of a Parquet file, or record batches of an IPC file; bytes of a text file.
    pub range: Option<Range<u64>>,
    /// Bytes to read, for balance; an estimate.
    pub weight: u64,
}

/// The batches of a part, in file order.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// What is known of a dataset without reading its rows.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Exact number of rows.
    pub num_rows: Option<u64>,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// One for each column of the schema.
    pub columns: Vec<ColumnStatistics>,
}

/// What is known of a column without reading its rows.
#[derive(Clone, Debug, Default)]
pub struct ColumnStatistics {
    /// A lower bound of its values: an array of one row and the column's type.
    pub min: Option<ArrayRef>,
    /// An upper bound of its values.
    pub max: Option<ArrayRef>,
    /// Whether `min` and `max` are values that occur.
    pub exact: bool,
    /// Exact number of nulls.
    pub null_count: Option<u64>,
    /// Number of distinct values, when the file says so.
    pub distinct_count: Option<u64>,
}
