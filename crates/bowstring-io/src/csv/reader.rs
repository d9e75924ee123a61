//! How do the rows of a part become batches?

use std::{
    collections::HashSet,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};
use bowstring_core::Cancel;

use super::{
    layout::SharedLayout,
    rows::{Problem, Rows, first_problem},
};
use crate::{BadRows, Result, RowProblem, Scan, text::column};

/// The batches of a part of a CSV file.
pub(crate) struct Reader {
    layout: SharedLayout,
    rows: Rows,
    scan: Scan,
    cancel: Cancel,
    /// The columns that are read, for the output and for the predicate.
    columns: Vec<usize>,
    /// The columns of the output, as places in `columns`.
    output: Vec<usize>,
    schema: SchemaRef,
    left: usize,
    skipped: Arc<AtomicU64>,
    skipped_here: u64,
    done: bool,
}

impl Reader {
    pub(crate) fn new(
        layout: &SharedLayout,
        range: Range<u64>,
        scan: &Scan,
        cancel: &Cancel,
        skipped: &Arc<AtomicU64>,
    ) -> Result<Self> {
        let width = layout.schema.fields().len();
        let wanted: Vec<usize> = scan.projection.clone().unwrap_or_else(|| (0..width).collect());
        let mut columns = wanted.clone();
        columns.extend(scan.predicate.iter().flat_map(|predicate| predicate.columns()));
        columns.sort_unstable();
        columns.dedup();
        let place = |column| columns.iter().position(|read| read == column);
        Ok(Self {
            rows: Rows::new(&layout.text, range, width)?,
            schema: Arc::new(layout.schema.project(&columns)?),
            output: wanted.iter().filter_map(place).collect(),
            columns,
            layout: Arc::clone(layout),
            scan: scan.clone(),
            cancel: cancel.clone(),
            left: scan.limit.unwrap_or(usize::MAX),
            skipped: Arc::clone(skipped),
            skipped_here: 0,
            done: false,
        })
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        self.cancel.check()?;
        let most = match self.scan.predicate {
            // Rows past a limit are not read, so that a fault in them does no harm.
            None => self.scan.batch_rows.min(self.left),
            Some(_) => self.scan.batch_rows,
        };
        let stop = self.layout.on_bad_rows == BadRows::Error;
        if self.left == 0 || self.rows.read(&self.layout.dialect, most.max(1), stop)? == 0 {
            return Ok(None);
        }
        let mut problems = std::mem::take(&mut self.rows.problems);
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            arrays.push(self.column(*column, &mut problems)?);
        }
        if let Some((row, column, problem)) = first_problem(&problems, stop) {
            return Err(self.layout.problem(self.rows.offset(row), column, problem));
        }
        let rows = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        let mut batch = if problems.is_empty() {
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &rows)?
        } else {
            self.without_bad_rows(arrays, &problems)?
        };
        if let Some(predicate) = &self.scan.predicate {
            batch = predicate.filter(&batch, &self.columns)?;
        }
        let batch = batch.project(&self.output)?;
        let batch = batch.slice(0, batch.num_rows().min(self.left));
        self.left -= batch.num_rows();
        Ok(Some(batch))
    }

    fn column(&self, column: usize, problems: &mut Vec<Problem>) -> Result<ArrayRef> {
        let layout = &self.layout;
        let field = layout.schema.field(column);
        let inferred = layout.inferred.get(column).copied().unwrap_or_default();
        let cells =
            self.rows.column(column, column::is_text(field.data_type()), &layout.nulls, &layout.dialect);
        let known = problems.len();
        let mut misfit = |row, text: &[u8]| {
            problems.push((row, Some(column), RowProblem::value(text, field.data_type(), inferred)));
        };
        let array = column::decode(field.data_type(), inferred, self.rows.len(), cells, &mut misfit)?;
        if !field.is_nullable() && array.null_count() > 0 {
            let told: HashSet<usize> = problems.iter().skip(known).map(|(row, ..)| *row).collect();
            let nulls = (0..array.len()).filter(|row| array.is_null(*row) && !told.contains(row));
            problems.extend(nulls.map(|row| (row, Some(column), RowProblem::Missing)).collect::<Vec<_>>());
        }
        Ok(array)
    }

    fn without_bad_rows(&mut self, arrays: Vec<ArrayRef>, problems: &[Problem]) -> Result<RecordBatch> {
        let bad: HashSet<usize> = problems.iter().map(|(row, ..)| *row).collect();
        self.skipped.fetch_add(bad.len() as u64, Ordering::Relaxed);
        self.skipped_here += bad.len() as u64;
        let good: BooleanArray = (0..self.rows.len()).map(|row| Some(!bad.contains(&row))).collect();
        let arrays = arrays.iter().map(|array| arrow::compute::filter(array, &good));
        let arrays = arrays.collect::<Result<Vec<ArrayRef>, _>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(good.true_count()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &rows)?)
    }
}

impl Iterator for Reader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let batch = self.batch().transpose();
        if !matches!(batch, Some(Ok(_))) {
            self.done = true;
            if self.skipped_here > 0 {
                let path = self.layout.text.path().display();
                tracing::warn!(rows = self.skipped_here, %path, "rows that cannot be read were left out");
            }
        }
        batch
    }
}
