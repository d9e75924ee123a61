//! What is wanted of a dataset, and in which parts is it read?

use std::ops::Range;

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::Schema,
};

use bowstring_core::Cancel;

use crate::{IoError, Predicate, Result, predicate::column_of};

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

impl Scan {
    /// That its columns exist and its predicate's values have their columns' types.
    pub(crate) fn check(&self, schema: &Schema) -> Result<()> {
        for index in self.projection.iter().flatten() {
            column_of(schema, *index)?;
        }
        if self.batch_rows == 0 {
            return Err(IoError::option("batch_rows", "must be at least 1"));
        }
        self.predicate.iter().try_for_each(|predicate| predicate.check(schema))
    }

    /// What a reader without pushdown has to read, and how it becomes what is wanted.
    pub(crate) fn needed(&self, width: usize) -> Needed {
        let wanted: Vec<usize> = self.projection.clone().unwrap_or_else(|| (0..width).collect());
        let mut read = wanted.clone();
        read.extend(self.predicate.iter().flat_map(Predicate::columns));
        read.sort_unstable();
        read.dedup();
        let output = wanted.iter().filter_map(|column| read.binary_search(column).ok()).collect();
        Needed { read, output }
    }
}

/// The columns that a scan needs: those of its output and those of its predicate.
#[derive(Clone, Debug)]
pub(crate) struct Needed {
    /// Indices into the file's schema, sorted, each once.
    pub(crate) read: Vec<usize>,
    /// The output, as indices into `read`.
    pub(crate) output: Vec<usize>,
}

impl Needed {
    /// Filters, projects and limits batches that hold the columns of [`Needed::read`].
    pub(crate) fn finish<I>(self, batches: I, scan: &Scan, cancel: &Cancel) -> Batches
    where
        I: Iterator<Item = Result<RecordBatch>> + Send + 'static,
    {
        let (predicate, cancel) = (scan.predicate.clone(), cancel.clone());
        let mut left = scan.limit.unwrap_or(usize::MAX);
        let mut batches = batches.fuse();
        Box::new(std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let batch = cancel.check().map_err(IoError::from).and_then(|()| batches.next().transpose());
            let finished =
                batch.and_then(|batch| batch.map(|batch| self.one(&batch, &predicate)).transpose());
            let batch = match finished.transpose()? {
                Ok(batch) => batch.slice(0, batch.num_rows().min(left)),
                Err(error) => {
                    left = 0;
                    return Some(Err(error));
                }
            };
            left -= batch.num_rows();
            Some(Ok(batch))
        }))
    }

    fn one(&self, batch: &RecordBatch, predicate: &Option<Predicate>) -> Result<RecordBatch> {
        let batch = match predicate {
            Some(predicate) => predicate.filter(batch, &self.read)?,
            None => batch.clone(),
        };
        Ok(batch.project(&self.output)?)
    }
}

/// A part of a dataset that is read by one thread: a file, or some of its row groups or bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The file, as an index into the dataset's files.
    pub file: usize,
    /// Row groups of a Parquet file, or record batches of an IPC file; bytes of a text file.
    pub range: Option<Range<u64>>,
    /// Rows of the one row group, when it is so large that it is read in several parts.
    pub rows: Option<Range<u64>>,
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
    /// A lower bound of its values: an array of one row and the column's type. Bounds of floats say
    /// nothing of NaN.
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
