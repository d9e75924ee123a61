//! How do columns come in, and numbers go out to numpy? In the same memory.

use arrow::{
    array::{Array, ArrayRef, new_empty_array},
    buffer::Buffer,
};
use pyo3::{intern, prelude::*};
use pyo3_arrow::{buffer::PyArrowBuffer, input::AnyArray};

use crate::error::Result;

/// The chunks of a column, which is any Arrow array or anything with the buffer protocol; not copied.
pub(crate) fn chunks(object: &Bound<'_, PyAny>) -> Result<Vec<ArrayRef>> {
    Ok(object.extract::<AnyArray>()?.into_chunked_array().map_err(PyErr::from)?.chunks().to_vec())
}

/// The values of a column in one piece.
pub(crate) fn array(object: &Bound<'_, PyAny>) -> Result<ArrayRef> {
    let chunked = object.extract::<AnyArray>()?.into_chunked_array().map_err(PyErr::from)?;
    let pieces: Vec<&dyn Array> = chunked.chunks().iter().map(AsRef::as_ref).collect();
    Ok(match pieces.as_slice() {
        [] => new_empty_array(chunked.field().data_type()),
        [_] => ArrayRef::clone(&chunked.chunks()[0]),
        several => {
            let joined = object.py().detach(|| arrow::compute::concat(several));
            joined.map_err(bowstring::Error::table)?
        }
    })
}

/// Numbers as numpy has them, in the same memory, which cannot be written to.
pub(crate) fn numpy<'py>(py: Python<'py>, buffer: Buffer, kind: &str) -> PyResult<Bound<'py, PyAny>> {
    let numpy = py.import(intern!(py, "numpy"))?;
    if buffer.is_empty() {
        return numpy.call_method1(intern!(py, "empty"), (0, kind));
    }
    let memory = Bound::new(py, PyArrowBuffer::new(buffer))?;
    numpy.call_method1(intern!(py, "frombuffer"), (memory, kind))
}
