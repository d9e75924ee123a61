//! How do the rows of a part become batches?

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};

use super::{
    infer::object,
    layout::{Fault, Layout, Lines, error, is_blank},
    parse::Parser,
    tree::Object,
};
use crate::{Result, RowProblem, text::window::Window};

/// Rows end a batch early when they hold more bytes than this.
const BATCH_BYTES: usize = 256 << 20;
/// The most values of a batch, missing ones too: objects that share no keys have far more of those than
/// the file has bytes.
const BATCH_VALUES: usize = 1 << 22;

/// The batches of a part of an NDJSON file: some of its columns, and all rows up to a limit.
pub(crate) struct Reader {
    layout: Arc<Layout>,
    lines: Lines,
    columns: Object,
    schema: SchemaRef,
    batch_rows: usize,
    left: usize,
    /// The places of the rows of this batch.
    rows: Vec<usize>,
    /// What ends the reading after the rows before it were given.
    failure: Option<(u64, Fault)>,
    done: bool,
}

impl Reader {
    /// Reads columns `read`, which are in order, and at most `limit` rows.
    pub(crate) fn new(
        layout: &Arc<Layout>,
        range: Range<u64>,
        read: &[usize],
        limit: usize,
        batch_rows: usize,
    ) -> Result<Self> {
        let wanted = |index: usize| read.contains(&index);
        Ok(Self {
            lines: Lines::new(Window::new(&layout.text, range)?),
            columns: Object::new(layout.schema.fields(), &layout.inferred, layout.sampled, wanted),
            schema: Arc::new(layout.schema.project(read)?),
            batch_rows: batch_rows.min(BATCH_VALUES / layout.schema.flattened_fields().len().max(1)).max(1),
            layout: Arc::clone(layout),
            left: limit,
            rows: Vec::new(),
            failure: None,
            done: false,
        })
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        if self.failure.is_none() {
            self.read()?;
        }
        if self.rows.is_empty() {
            return match self.failure.take() {
                Some((offset, fault)) => Err(error(&self.layout.text, offset, fault)),
                None => Ok(None),
            };
        }
        let mut faults = Vec::new();
        let arrays = self.columns.arrays(self.lines.bytes(), None, &mut faults)?;
        if let Some((row, fault)) = faults.into_iter().min_by_key(|(row, _)| *row) {
            let begin = self.rows.get(row).copied().unwrap_or_default();
            return Err(error(&self.layout.text, self.lines.offset() + begin as u64, fault));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        self.rows.clear();
        Ok(Some(batch))
    }

    /// Reads the rows of a batch up to the first that is wrong.
    fn read(&mut self) -> Result<()> {
        self.lines.release();
        self.columns.truncate(0);
        let most = self.batch_rows.min(self.left);
        while self.rows.len() < most && self.lines.bytes().len() < BATCH_BYTES {
            let line = self.lines.next()?;
            let offset = self.lines.offset() + self.lines.begin() as u64;
            let Some(line) = line else {
                self.failure = self.lines.too_long().then(|| (offset, RowProblem::TooLong.into()));
                break;
            };
            let bytes = self.lines.bytes().get(..line.end).unwrap_or_default();
            if is_blank(bytes.get(line.start..).unwrap_or_default()) {
                continue;
            }
            let mut parser = Parser::new(bytes, line.start);
            let read = object(&mut parser)
                .and_then(|()| self.columns.append(&mut parser))
                .and_then(|()| Ok(parser.end()?));
            if let Err(fault) = read {
                self.failure = Some((offset, fault));
                break;
            }
            self.rows.push(line.start);
        }
        if let Err(wrong) = simdutf8::compat::from_utf8(self.lines.bytes()) {
            let before = self.rows.partition_point(|begin| *begin <= wrong.valid_up_to());
            // Bytes in a row that was read are that row's, and others those of the line that failed.
            let row = before.saturating_sub(1);
            let after_failure = self.failure.is_some() && wrong.valid_up_to() >= self.lines.begin();
            let begin =
                if after_failure { self.lines.begin() } else { self.rows.get(row).copied().unwrap_or(0) };
            self.rows.truncate(if after_failure { before } else { row });
            self.failure = Some((self.lines.offset() + begin as u64, RowProblem::NotUtf8.into()));
        }
        self.columns.truncate(self.rows.len());
        self.left -= self.rows.len();
        Ok(())
    }
}

impl Iterator for Reader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let batch = self.batch().transpose();
        self.done = !matches!(batch, Some(Ok(_)));
        batch
    }
}
