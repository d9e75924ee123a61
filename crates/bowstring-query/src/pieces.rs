//! How does a large batch in memory fit a query that may hold little?
//!
//! A slice keeps the whole of its batch alive, and operators count it so: one that should spill
//! would gain nothing by it. Under a limit of memory, large batches are therefore read as copies of
//! their pieces, each made when it is needed.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;

/// A table whose partitions give copies of at most `rows` rows.
pub(crate) fn provider(
    schema: &SchemaRef,
    partitions: Vec<Vec<RecordBatch>>,
    rows: usize,
) -> Result<Arc<dyn TableProvider>> {
    let partitions = partitions.into_iter().map(|batches| {
        Arc::new(Pieces { schema: Arc::clone(schema), batches, rows }) as Arc<dyn PartitionStream>
    });
    Ok(Arc::new(StreamingTable::try_new(Arc::clone(schema), partitions.collect())?))
}

#[derive(Debug)]
struct Pieces {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
}

impl PartitionStream for Pieces {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows;
        let pieces = self.batches.clone().into_iter().flat_map(move |batch| {
            (0..batch.num_rows()).step_by(rows).map(move |from| {
                let to = batch.num_rows().min(from.saturating_add(rows));
                let indices = UInt64Array::from_iter_values((from..to).map(|row| row as u64));
                Ok(take_record_batch(&batch, &indices)?)
            })
        });
        let pieces = futures::stream::iter(pieces);
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), pieces))
    }
}
