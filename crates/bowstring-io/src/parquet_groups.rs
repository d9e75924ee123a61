//! How do the rows of row groups get from their pages to record batches?
//!
//! Every page is checked on its way to the decoder, and the rows that come are counted.

use std::sync::Arc;

use arrow::{array::RecordBatch, error::ArrowError};
use parquet::{
    arrow::{
        FieldLevels,
        arrow_reader::{ParquetRecordBatchReader, RowGroups, RowSelection},
    },
    column::page::{Page, PageIterator, PageMetadata, PageReader},
    errors::{ParquetError, Result},
    file::{
        metadata::{ParquetMetaData, RowGroupMetaData},
        serialized_reader::SerializedPageReader,
    },
    schema::types::ColumnDescPtr,
};

use crate::{parquet_delta, parquet_pages::Pages};

/// Row groups that are read together.
#[derive(Clone)]
pub(crate) struct Groups {
    pub(crate) pages: Arc<Pages>,
    pub(crate) metadata: Arc<ParquetMetaData>,
    pub(crate) groups: Vec<usize>,
}

impl Groups {
    /// The rows of a selection, which counts over all row groups; all rows without one.
    pub(crate) fn read(
        &self,
        columns: &FieldLevels,
        batch_rows: usize,
        selection: Option<RowSelection>,
    ) -> Result<impl Iterator<Item = std::result::Result<RecordBatch, ArrowError>> + Send + use<>> {
        let total = self.num_rows();
        let mut left = selection.as_ref().map_or(total, RowSelection::row_count);
        // A decoder makes room for a whole batch.
        let batch_rows = batch_rows.min(total.max(1));
        let mut batches =
            ParquetRecordBatchReader::try_new_with_row_groups(columns, self, batch_rows, selection)?;
        let mut done = false;
        Ok(std::iter::from_fn(move || {
            if done {
                return None;
            }
            let next = match batches.next() {
                Some(Ok(batch)) if batch.num_rows() > left => Some(Err(counted("more"))),
                Some(Ok(batch)) => {
                    left -= batch.num_rows();
                    Some(Ok(batch))
                }
                None if left > 0 => Some(Err(counted("fewer"))),
                other => other,
            };
            done = !matches!(next, Some(Ok(_)));
            next
        }))
    }
}

fn counted(how: &str) -> ArrowError {
    ArrowError::ParquetError(format!("its pages have {how} rows than its footer says"))
}

impl RowGroups for Groups {
    fn num_rows(&self) -> usize {
        self.row_groups().map(|group| usize::try_from(group.num_rows()).unwrap_or_default()).sum()
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        Ok(Box::new(ColumnChunks { of: self.clone(), column, next: 0 }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.groups.iter().filter_map(|group| self.metadata.row_groups().get(*group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The chunks of a column, one for each row group.
struct ColumnChunks {
    of: Groups,
    column: usize,
    next: usize,
}

impl ColumnChunks {
    fn chunk(&self, index: usize) -> Result<Box<dyn PageReader>> {
        let absent = || ParquetError::General("a column chunk is not in the footer".into());
        let metadata = &self.of.metadata;
        let group = metadata.row_groups().get(index).ok_or_else(absent)?;
        let chunk = group.columns().get(self.column).ok_or_else(absent)?;
        let known = metadata.offset_index().and_then(|all| all.get(index)?.get(self.column));
        let locations = known.map(|known| known.page_locations().clone());
        let rows = usize::try_from(group.num_rows()).map_err(|_| absent())?;
        let pages = SerializedPageReader::new(Arc::clone(&self.of.pages), chunk, rows, locations)?;
        Ok(Box::new(CheckedPages { pages, column: chunk.column_descr_ptr() }))
    }
}

impl Iterator for ColumnChunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = *self.of.groups.get(self.next)?;
        self.next += 1;
        Some(self.chunk(index))
    }
}

impl PageIterator for ColumnChunks {}

/// The pages of a column chunk, each checked before the decoder sees it.
struct CheckedPages {
    pages: SerializedPageReader<Pages>,
    column: ColumnDescPtr,
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            parquet_delta::check(page, &self.column)
                .map_err(|reason| ParquetError::General(format!("a page is corrupt: {reason}")))?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
