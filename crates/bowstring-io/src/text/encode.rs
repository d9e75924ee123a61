//! How are the rows of a batch encoded at the same time, and written in their order?

use std::io::Write;

use arrow::{array::RecordBatch, error::ArrowError};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::{Result, sink::Sink};

/// Rows that are worth a thread's while.
const SLICE_ROWS: usize = 1024;

/// Writes a batch as `one` encodes its slices, of which it is told how many rows come before.
pub(crate) fn write(
    batch: &RecordBatch,
    sink: &mut Sink,
    one: impl Fn(&RecordBatch, usize) -> Result<Vec<u8>> + Sync,
) -> Result<()> {
    let rows = batch.num_rows();
    let encoded = if rows <= SLICE_ROWS {
        vec![one(batch, 0)]
    } else {
        let slices = (0..rows.div_ceil(SLICE_ROWS)).into_par_iter().map(|slice| {
            let first = slice * SLICE_ROWS;
            one(&batch.slice(first, SLICE_ROWS.min(rows - first)), first)
        });
        slices.collect()
    };
    for bytes in encoded {
        sink.write_all(&bytes?).map_err(ArrowError::from)?;
    }
    Ok(())
}
