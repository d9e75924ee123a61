//! What does a finished result look like in memory?

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;

use crate::{QueryError, Result};

/// Record batches of one schema. Cloning shares the memory.
#[derive(Clone, Debug)]
pub struct Table {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Table {
    /// A table of `batches`, in this order; none is copied.
    ///
    /// # Errors
    /// [`QueryError::BatchSchema`] when a batch has other columns or types than `schema`, or a null
    /// in a column that `schema` says has none.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Self> {
        for (index, batch) in batches.iter().enumerate() {
            if let Some(reason) = difference(&schema, batch) {
                return Err(QueryError::BatchSchema { index, reason });
            }
        }
        Ok(Self { schema, batches })
    }

    /// The columns: names, types, nullability and metadata.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows, in order.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// The number of rows.
    pub fn num_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Bytes of the rows themselves; of a shared buffer, only the part that belongs to them.
    pub fn num_bytes(&self) -> usize {
        self.batches.iter().map(batch_bytes).sum()
    }
}

/// Bytes of the rows themselves; of a shared buffer, only the part that belongs to them.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> usize {
    let bytes = |column: &ArrayRef| {
        let data = column.to_data();
        data.get_slice_memory_size().unwrap_or_else(|_| data.get_buffer_memory_size())
    };
    batch.columns().iter().map(bytes).sum()
}

fn difference(schema: &SchemaRef, batch: &RecordBatch) -> Option<String> {
    let (wanted, found) = (schema.fields(), batch.schema_ref().fields());
    if wanted.len() != found.len() {
        return Some(format!("{} columns instead of {}", found.len(), wanted.len()));
    }
    wanted.iter().zip(found).zip(batch.columns()).find_map(|((wanted, found), column)| {
        if wanted.name() != found.name() {
            Some(format!("a column `{}` instead of `{}`", found.name(), wanted.name()))
        } else if !wanted.data_type().equals_datatype(found.data_type()) {
            Some(format!(
                "column `{}` is {} instead of {}",
                wanted.name(),
                found.data_type(),
                wanted.data_type()
            ))
        } else if !wanted.is_nullable() && column.null_count() > 0 {
            Some(format!("column `{}` has nulls", wanted.name()))
        } else {
            None
        }
    })
}
