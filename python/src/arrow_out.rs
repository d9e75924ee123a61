//! How do rows go out to another library? Through the Arrow PyCapsule interface, without a copy.

use std::sync::{
    Arc,
    mpsc::{Receiver, sync_channel},
};

use arrow::{
    array::{ArrayRef, RecordBatch, StructArray},
    datatypes::{Field, SchemaRef},
    error::ArrowError,
};
use bowstring::{Cancel, query::Frame};
use pyo3::{prelude::*, types::PyCapsule};
use pyo3_arrow::ffi::{ArrayIterator, to_schema_pycapsule, to_stream_pycapsule};

use crate::{
    error::Result,
    work::{engine, next},
};

/// The capsule that `__arrow_c_schema__` answers with.
pub(crate) fn schema_capsule<'py>(py: Python<'py>, schema: &SchemaRef) -> PyResult<Bound<'py, PyCapsule>> {
    Ok(to_schema_pycapsule(py, schema.as_ref())?)
}

/// The capsule that `__arrow_c_stream__` answers with. Where the types of `requested` can be had by
/// casting, they are; else the rows come as they are, as the interface asks.
pub(crate) fn stream_capsule<'py, I>(
    py: Python<'py>,
    schema: &SchemaRef,
    batches: I,
    requested: Option<Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyCapsule>>
where
    I: Iterator<Item = Result<RecordBatch, ArrowError>> + Send + 'static,
{
    let field =
        Field::new_struct("", schema.fields().clone(), false).with_metadata(schema.metadata().clone());
    let arrays = batches.map(|batch| Ok(Arc::new(StructArray::from(batch?)) as ArrayRef));
    Ok(to_stream_pycapsule(py, Box::new(ArrayIterator::new(arrays, Arc::new(field))), requested)?)
}

/// The rows of a running query for a reader in another library, which may ask with or without the
/// interpreter. Dropping it stops the query.
pub(crate) struct Running {
    batches: Receiver<Result<RecordBatch, String>>,
    cancel: Cancel,
}

impl Running {
    pub(crate) fn start(frame: &Frame) -> Result<Self> {
        let runtime = engine()?.session().runtime();
        let cancel = Cancel::new();
        let (sender, batches) = sync_channel(2);
        let (frame, token) = (frame.clone(), cancel.clone());
        runtime.spawn_blocking(move || {
            let stream = match frame.stream(&token) {
                Ok(stream) => stream,
                // Here and below: the reader may have gone; then nobody asks.
                Err(error) => return drop(sender.send(Err(said(&error)))),
            };
            for batch in stream {
                if sender.send(batch.map_err(|error| said(&error))).is_err() {
                    return;
                }
            }
        });
        Ok(Self { batches, cancel })
    }
}

/// A message as the C interface can carry it.
fn said(error: &dyn bowstring::Diagnostic) -> String {
    bowstring::render(error).replace('\0', "\u{fffd}")
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Iterator for Running {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        Python::attach(|py| {
            loop {
                if let Some(received) = next(py, &mut self.batches) {
                    return received.map(|batch| batch.map_err(ArrowError::ComputeError));
                }
                if let Err(error) = py.check_signals() {
                    self.cancel.cancel();
                    return Some(Err(ArrowError::ComputeError(error.to_string())));
                }
            }
        })
    }
}
