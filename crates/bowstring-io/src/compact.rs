//! How is what was filtered kept from holding on to what was filtered out?
//!
//! Arrays of views share the buffers of the array that they were filtered from, whole pages of a file for
//! a few rows; and a decoder makes room for a full batch before it knows how many rows come.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, GenericByteViewArray, RecordBatch, types::ByteViewType},
    datatypes::{BinaryViewType, DataType, StringViewType},
};

/// The batch, whose arrays hold little more than twice the bytes that they show.
pub(crate) fn compacted(batch: RecordBatch) -> crate::Result<RecordBatch> {
    if batch.num_columns() == 0 {
        return Ok(batch);
    }
    let (schema, columns, _) = batch.into_parts();
    Ok(RecordBatch::try_new(schema, columns.into_iter().map(array).collect())?)
}

fn array(mut array: ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8View => views::<StringViewType>(array),
        DataType::BinaryView => views::<BinaryViewType>(array),
        _ => {
            let shown = array.to_data().get_slice_memory_size();
            if shown.is_ok_and(|shown| array.get_buffer_memory_size() > 2 * shown) {
                array.shrink_to_fit();
            }
            array
        }
    }
}

fn views<T: ByteViewType>(array: ArrayRef) -> ArrayRef {
    let views: &GenericByteViewArray<T> = array.as_byte_view();
    let held: usize = views.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
    let wide = views.views().inner().capacity() > 2 * size_of_val::<[u128]>(views.views());
    let mut array = if held > 2 * views.total_buffer_bytes_used() {
        let compact: ArrayRef = Arc::new(views.gc());
        // The two may share their views, and what is shared does not shrink.
        drop(array);
        compact
    } else {
        array
    };
    if wide {
        array.shrink_to_fit();
    }
    array
}
