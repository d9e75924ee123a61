//! What is `bowstring.Table`?

use std::sync::Arc;

use arrow::array::ArrayRef;
use bowstring::query::Table;
use pyo3::{intern, prelude::*, types::PyCapsule};
use pyo3_arrow::{
    PyChunkedArray,
    export::{Arro3ChunkedArray, Arro3RecordBatch, Arro3Schema},
};

use crate::{
    arrow_in, arrow_out, display,
    error::{Fault, Result},
    typed,
};

/// Rows in memory, as Arrow record batches of one schema. Immutable; sharing it copies nothing.
#[pyclass(module = "bowstring", name = "Table", frozen)]
pub(crate) struct PyTable {
    pub(crate) table: Table,
}

impl From<Table> for PyTable {
    fn from(table: Table) -> Self {
        Self { table }
    }
}

impl PyTable {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.table.schema().fields().iter().map(|field| field.name().as_str())
    }
}

#[pymethods]
impl PyTable {
    #[new]
    #[pyo3(signature = (data, /))]
    fn new(data: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(arrow_in::table(data)?.into())
    }

    /// The number of rows.
    #[getter]
    fn num_rows(&self) -> usize {
        self.table.num_rows()
    }

    /// The number of columns.
    #[getter]
    fn num_columns(&self) -> usize {
        self.table.schema().fields().len()
    }

    /// The names of the columns, in order.
    #[getter]
    fn column_names(&self) -> Vec<&str> {
        self.names().collect()
    }

    /// Bytes of the rows; of a shared buffer, only the part that belongs to them.
    #[getter]
    fn nbytes(&self) -> usize {
        self.table.num_bytes()
    }

    /// Names, types, nullability and metadata of the columns.
    #[getter]
    fn schema(&self) -> Arro3Schema {
        self.table.schema().clone().into()
    }

    /// The rows in the pieces in which they are held, in order; not copied.
    #[getter]
    fn batches(&self) -> Vec<Arro3RecordBatch> {
        self.table.batches().iter().map(|batch| batch.clone().into()).collect()
    }

    /// One column; not copied.
    #[pyo3(signature = (name, /))]
    fn column(&self, name: &Bound<'_, PyAny>) -> Result<Arro3ChunkedArray> {
        let name = typed::one::<String>("name", name)?;
        let Ok(index) = self.table.schema().index_of(&name) else {
            let known = self.names().map(str::to_owned).collect();
            return Err(Fault::UnknownColumn { name, known });
        };
        let chunks: Vec<ArrayRef> =
            self.table.batches().iter().map(|batch| ArrayRef::clone(batch.column(index))).collect();
        let field = Arc::new(self.table.schema().field(index).clone());
        Ok(PyChunkedArray::try_new(chunks, field)?.into())
    }

    fn __getitem__(&self, name: &Bound<'_, PyAny>) -> Result<Arro3ChunkedArray> {
        self.column(name)
    }

    fn __len__(&self) -> usize {
        self.table.num_rows()
    }

    fn __repr__(&self) -> Result<String> {
        display::text(&self.table)
    }

    fn _repr_html_(&self) -> Result<String> {
        display::html(&self.table)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow_out::schema_capsule(py, self.table.schema())
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let batches = self.table.batches().to_vec().into_iter().map(Ok);
        arrow_out::stream_capsule(py, self.table.schema(), batches, requested_schema)
    }

    /// As a pyarrow table; not copied. Needs pyarrow.
    fn to_pyarrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        py.import(intern!(py, "pyarrow"))?.call_method1(intern!(py, "table"), (slf,))
    }

    /// As a polars frame; polars copies what it holds in another form. Needs polars.
    fn to_polars<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        py.import(intern!(py, "polars"))?.call_method1(intern!(py, "DataFrame"), (slf,))
    }

    /// As a pandas frame, by pyarrow's conversion. Needs pandas and pyarrow.
    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::to_pyarrow(slf)?.call_method0(intern!(slf.py(), "to_pandas"))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>,))> {
        let table = Self::to_pyarrow(slf)?;
        Ok((slf.get_type().into_any(), (table,)))
    }
}
