//! How is what was filtered kept from holding on to what was filtered out?
//!
//! Arrays of views share the buffers of the array that they were filtered from, whole pages of a file for
//! a few rows, as slices do; and a decoder makes room for a full batch before it knows how many rows come.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, GenericByteViewArray, MutableArrayData, RecordBatch, make_array,
        types::ByteViewType,
    },
    datatypes::{BinaryViewType, DataType, StringViewType},
    error::ArrowError,
};

/// The batch, copied out of the buffers that it shares with others where those are much larger: its
/// arrays hold little more than twice the bytes that they show.
///
/// # Errors
/// None for a batch whose columns fit its schema.
pub fn compacted(batch: RecordBatch) -> crate::Result<RecordBatch> {
    if batch.num_columns() == 0 {
        return Ok(batch);
    }
    let (schema, columns, _) = batch.into_parts();
    let columns = columns.into_iter().map(array).collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn array(mut array: ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match array.data_type() {
        DataType::Utf8View => views::<StringViewType>(array),
        DataType::BinaryView => views::<BinaryViewType>(array),
        _ => {
            let Ok(shown) = array.to_data().get_slice_memory_size() else { return Ok(array) };
            let is_wide = |array: &ArrayRef| array.get_buffer_memory_size() > 2 * shown;
            if is_wide(&array) {
                array.shrink_to_fit();
            }
            // What is shared does not shrink.
            if is_wide(&array) { copied(&array)? } else { array }
        }
    })
}

fn copied(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let data = array.to_data();
    let mut copy = MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())?;
    Ok(make_array(copy.freeze()))
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
