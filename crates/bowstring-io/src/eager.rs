//! How are files read into memory at once?

use std::{
    num::NonZero,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use bowstring_core::Cancel;

use crate::{Dataset, Part, Predicate, ReadOptions, Result, Scan};

/// The rows of a batch of [`read_table`].
const BATCH_ROWS: usize = 65_536;

/// What [`read_table`] reads, and how.
#[derive(Clone, Debug, Default)]
pub struct EagerOptions {
    /// The columns in the order wanted, by name; all when `None`. `point.x` is the field `x` of the
    /// structure `point`, or of those in the list `point`: it comes as the column `point` with the fields
    /// that were named.
    pub columns: Option<Vec<String>>,
    /// The row groups of Parquet files, as [`Dataset::with_row_groups`] takes them; all when `None`.
    pub row_groups: Option<Vec<usize>>,
    /// Rows to keep; its columns are indices into the dataset's schema, and need not be among `columns`.
    pub filter: Option<Predicate>,
    /// The most rows to read, after the filter.
    pub limit: Option<usize>,
    /// The most threads; as many as there are processors when `None`.
    pub threads: Option<NonZero<usize>>,
}

/// Reads what `paths` stand for, as [`Dataset::open`] says, in parallel. The rows come in the order of
/// the files; the schema is that of the columns wanted.
///
/// # Errors
/// Those of [`Dataset::open`], [`Dataset::split`] and [`Dataset::read`]; of several parts that fail, the
/// first in the order of the rows decides. Also when a column is unknown, a row group does not exist,
/// or row groups are wanted of another format.
pub fn read_table(
    paths: &[PathBuf],
    read: &ReadOptions,
    options: &EagerOptions,
    cancel: &Cancel,
) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let dataset = Dataset::open(paths, read)?;
    dataset.read_all(options, cancel)
}

impl Dataset {
    /// Reads its rows, as [`read_table`] does.
    ///
    /// # Errors
    /// As [`read_table`].
    pub fn read_all(&self, options: &EagerOptions, cancel: &Cancel) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let dataset = match &options.row_groups {
            Some(wanted) => self.with_row_groups(wanted)?,
            None => self.clone(),
        };
        let (dataset, projection) = match &options.columns {
            Some(names) => dataset.narrowed(names)?,
            None => (dataset, (0..self.schema().fields().len()).collect()),
        };
        let schema = SchemaRef::new(dataset.schema().project(&projection)?);
        let scan = Scan {
            projection: Some(projection),
            predicate: options.filter.clone(),
            limit: options.limit,
            batch_rows: BATCH_ROWS,
        };
        let parts = dataset.split(&scan)?;
        let threads = options.threads.or_else(|| thread::available_parallelism().ok());
        let threads = threads.map_or(1, NonZero::get).min(parts.len());
        let reading =
            Reading { dataset, scan, parts, cancel: cancel.clone(), next: 0.into(), done: Mutex::default() };
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| reading.work());
            }
            reading.work();
        });
        Ok((schema, reading.finish(options.limit)?))
    }
}

/// What a part gave.
type Rows = Result<Vec<RecordBatch>>;

/// A reading that several threads work at.
struct Reading {
    dataset: Dataset,
    scan: Scan,
    parts: Vec<Part>,
    cancel: Cancel,
    next: AtomicUsize,
    done: Mutex<Vec<Option<Rows>>>,
}

impl Reading {
    /// Reads one part after the other until none is left. Parts are begun in order, so that every part
    /// before a failed one is read to its end, and the first failure is always the same.
    fn work(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = self.parts.get(index) else { return };
            let result = self.read(part);
            if self.keep(index, result) {
                self.next.store(self.parts.len(), Ordering::Relaxed);
            }
        }
    }

    fn read(&self, part: &Part) -> Rows {
        self.dataset.read(part, &self.scan, &self.cancel)?.collect()
    }

    /// Keeps what a part gave; whether that is enough.
    fn keep(&self, index: usize, result: Rows) -> bool {
        let failed = result.is_err();
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done.len() <= index {
            done.resize_with(index + 1, || None);
        }
        if let Some(place) = done.get_mut(index) {
            *place = Some(result);
        }
        let rows = |part: &Option<Rows>| match part {
            Some(Ok(batches)) => Some(batches.iter().map(RecordBatch::num_rows).sum::<usize>()),
            _ => None,
        };
        failed || self.scan.limit.is_some_and(|limit| done.iter().map_while(rows).sum::<usize>() >= limit)
    }

    /// The batches of all parts.
    fn finish(self, limit: Option<usize>) -> Result<Vec<RecordBatch>> {
        let done = self.done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (mut batches, mut left) = (Vec::new(), limit.unwrap_or(usize::MAX));
        for part in done.into_iter().flatten() {
            for batch in part? {
                let rows = batch.num_rows().min(left);
                if rows > 0 {
                    batches.push(batch.slice(0, rows));
                }
                left -= rows;
            }
            if left == 0 {
                break;
            }
        }
        Ok(batches)
    }
}
