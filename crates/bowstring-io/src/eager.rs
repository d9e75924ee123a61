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

use crate::{Dataset, IoError, Part, Predicate, ReadOptions, Result, Scan};

/// The rows of a batch of [`read_table`].
const BATCH_ROWS: usize = 65_536;

/// What [`read_table`] reads, and how.
#[derive(Clone, Debug, Default)]
pub struct EagerOptions {
    /// The columns in the order wanted, by name; all when `None`. `point.x` is the field `x` of the
    /// structure `point`, or of those in the list `point`: it comes as the column `point` with the fields
    /// that were named.
    pub columns: Option<Vec<String>>,
    /// The row groups of Parquet files, in the order wanted; all when `None`. They are counted from 0 over
    /// all files, as [`parquet_metadata`](crate::parquet_metadata) lists them.
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
        let (dataset, projection) = match &options.columns {
            Some(names) => self.narrowed(names)?,
            None => (self.clone(), (0..self.schema().fields().len()).collect()),
        };
        let schema = SchemaRef::new(dataset.schema().project(&projection)?);
        let scan = Scan {
            projection: Some(projection),
            predicate: options.filter.clone(),
            limit: options.limit,
            batch_rows: BATCH_ROWS,
        };
        let parts = dataset.split(&scan)?;
        let parts = match &options.row_groups {
            Some(wanted) => dataset.row_groups(wanted, &parts)?,
            None => parts,
        };
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

    /// The parts that the row groups of these numbers are; those that are in none of `parts`, which the
    /// filter has left, are left away.
    fn row_groups(&self, wanted: &[usize], parts: &[Part]) -> Result<Vec<Part>> {
        let mut groups = Vec::new();
        for (file, member) in self.members().iter().enumerate() {
            let Some(parquet) = member.source.as_parquet() else {
                return Err(IoError::option(
                    "row_groups",
                    format!("are of Parquet files, not of {}", self.format().name()),
                ));
            };
            let numbers = 0..parquet.metadata().num_row_groups() as u64;
            groups.extend(numbers.map(|group| Part {
                file,
                range: Some(group..group + 1),
                rows: None,
                weight: 0,
            }));
        }
        let is_left = |part: &Part| {
            let range = |part: &Part| part.range.clone().unwrap_or_default();
            parts.iter().any(|left| left.file == part.file && range(left).contains(&range(part).start))
        };
        let mut found = Vec::with_capacity(wanted.len());
        for number in wanted {
            let part = groups.get(*number).ok_or_else(|| {
                IoError::option(
                    "row_groups",
                    format!("has {number}, but there are {}, counted from 0", groups.len()),
                )
            })?;
            found.extend(is_left(part).then(|| part.clone()));
        }
        Ok(found)
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
