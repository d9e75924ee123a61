//! How does a table of another library come in? Through the Arrow PyCapsule interface, without a copy.

use arrow::{array::RecordBatchReader, datatypes::SchemaRef};
use bowstring::query::{Frame, Table};
use pyo3::{exceptions::PyTypeError, intern, prelude::*};
use pyo3_arrow::{PyRecordBatch, PyRecordBatchReader, PySchema, input::AnyRecordBatch};

use crate::{
    error::{Fault, Result},
    frame::PyFrame,
    table::PyTable,
    work::{engine, work, work_apart},
};

/// Rows to be read: a plan of ours, rows that are there, or a stream that can be read once.
pub(crate) enum Source {
    Frame(Frame),
    Table(Table),
    Stream(Box<dyn RecordBatchReader + Send>),
}

impl Source {
    /// Takes any object with `__arrow_c_stream__` or `__arrow_c_array__`.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> Result<Self> {
        if let Ok(frame) = object.cast::<PyFrame>() {
            return Ok(Source::Frame(frame.get().frame.clone()));
        }
        if let Ok(table) = object.cast::<PyTable>() {
            return Ok(Source::Table(table.get().table.clone()));
        }
        Ok(Source::Stream(stream(object)?))
    }

    /// The columns of what will be read.
    pub(crate) fn schema(&self) -> SchemaRef {
        match self {
            Source::Frame(frame) => frame.schema(),
            Source::Table(table) => SchemaRef::clone(table.schema()),
            Source::Stream(reader) => reader.schema(),
        }
    }
}

fn stream(object: &Bound<'_, PyAny>) -> PyResult<Box<dyn RecordBatchReader + Send>> {
    let py = object.py();
    // A stream first: what has both, as a record batch, gives its rows either way.
    let any = if object.hasattr(intern!(py, "__arrow_c_stream__"))? {
        AnyRecordBatch::Stream(object.extract::<PyRecordBatchReader>()?)
    } else if object.hasattr(intern!(py, "__arrow_c_array__"))? {
        AnyRecordBatch::RecordBatch(object.extract::<PyRecordBatch>()?)
    } else {
        return Err(PyTypeError::new_err(format!(
            "expected a table with `__arrow_c_stream__` or `__arrow_c_array__` (as of pyarrow, polars, \
             pandas, duckdb or bowstring), got {}",
            object.get_type().fully_qualified_name()?
        )));
    };
    any.into_reader()
}

/// All rows of an Arrow object; those of a lazy one are computed.
pub(crate) fn table(object: &Bound<'_, PyAny>) -> Result<Table> {
    rows(object.py(), Source::of(object)?)
}

/// As [`table`], where the rows are not to be computed also in a forked child.
pub(crate) fn table_apart(object: &Bound<'_, PyAny>) -> Result<Table> {
    match Source::of(object)? {
        Source::Stream(reader) => work_apart(object.py(), move |_| drain(reader)),
        source => rows(object.py(), source),
    }
}

fn rows(py: Python<'_>, source: Source) -> Result<Table> {
    match source {
        Source::Table(table) => Ok(table),
        Source::Frame(frame) => work(py, move |cancel| Ok(frame.collect(cancel)?.table)),
        Source::Stream(reader) => work(py, move |_| drain(reader)),
    }
}

/// All rows of a stream of another library.
fn drain(reader: Box<dyn RecordBatchReader + Send>) -> Result<Table> {
    let schema = reader.schema();
    let batches = reader
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Fault::ForeignStream { reason: error.to_string() })?;
    Ok(Table::new(schema, batches)?)
}

/// A plan over an Arrow object; the rows of a foreign stream are taken now.
pub(crate) fn frame(object: &Bound<'_, PyAny>) -> Result<Frame> {
    match Source::of(object)? {
        Source::Frame(frame) => Ok(frame),
        source => Ok(engine()?.session().table(&rows(object.py(), source)?)?),
    }
}

/// The columns that an object with `__arrow_c_schema__` describes.
pub(crate) fn schema(object: &Bound<'_, PyAny>) -> PyResult<SchemaRef> {
    Ok(object.extract::<PySchema>()?.into_inner())
}
