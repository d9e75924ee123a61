//! What do the footers of Parquet files say?

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Int64Type, TimeUnit},
};
use bowstring::io::{ColumnStatistics, ParquetMetadata, parquet_metadata};
use pyo3::{intern, prelude::*, types::PyDict};
use pyo3_arrow::{
    PyScalar,
    export::{Arro3Scalar, Arro3Schema},
};

use crate::{
    arguments::paths,
    error::Result,
    work::{work, work_async},
};

/// What stands in the footers of the files, as the arguments of `bowstring.ParquetMetadata`.
#[pyfunction]
pub(crate) fn metadata<'py>(py: Python<'py>, path: &Bound<'py, PyAny>) -> Result<Bound<'py, PyDict>> {
    let paths = paths(path)?;
    let metadata = work(py, move |_| Ok(parquet_metadata(&paths)?))?;
    Ok(Footers(metadata).into_pyobject(py)?)
}

/// As [`metadata`], to be awaited.
#[pyfunction]
pub(crate) fn metadata_async<'py>(py: Python<'py>, path: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
    let paths = paths(path)?;
    work_async(py, move |_| Ok(parquet_metadata(&paths)?), Footers)
}

struct Footers(ParquetMetadata);

impl<'py> IntoPyObject<'py> for Footers {
    type Target = PyDict;
    type Output = Bound<'py, PyDict>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let Self(metadata) = self;
        let fields = PyDict::new(py);
        fields.set_item("num_rows", metadata.num_rows)?;
        fields.set_item("num_row_groups", metadata.num_row_groups)?;
        fields.set_item("num_columns", metadata.num_columns)?;
        fields.set_item("size_bytes", metadata.size_bytes)?;
        fields.set_item("created_by", metadata.created_by)?;
        fields.set_item("schema", Arro3Schema::from(metadata.schema))?;
        fields.set_item("key_value_metadata", metadata.key_value_metadata)?;
        let mut row_groups = Vec::with_capacity(metadata.row_groups.len());
        for group in metadata.row_groups {
            let entry = PyDict::new(py);
            entry.set_item("file", group.file)?;
            entry.set_item("num_rows", group.num_rows)?;
            entry.set_item("total_byte_size", group.total_byte_size)?;
            entry.set_item("compressed_size", group.compressed_size)?;
            row_groups.push(entry);
        }
        fields.set_item("row_groups", row_groups)?;
        let statistics = PyDict::new(py);
        for column in metadata.statistics {
            statistics.set_item(column.name, known(py, &column.data_type, column.known)?)?;
        }
        fields.set_item("statistics", statistics)?;
        Ok(fields)
    }
}

fn known<'py>(py: Python<'py>, kind: &DataType, known: ColumnStatistics) -> PyResult<Bound<'py, PyDict>> {
    let entry = PyDict::new(py);
    entry.set_item("type", kind.to_string())?;
    entry.set_item("min", known.min.map(|value| scalar(py, value)).transpose()?)?;
    entry.set_item("max", known.max.map(|value| scalar(py, value)).transpose()?)?;
    entry.set_item("exact", known.exact)?;
    entry.set_item("null_count", known.null_count)?;
    entry.set_item("distinct_count", known.distinct_count)?;
    Ok(entry)
}

/// The one value of an array as Python has it; as an Arrow scalar where Python's type cannot hold it.
fn scalar(py: Python<'_>, array: ArrayRef) -> PyResult<Bound<'_, PyAny>> {
    let fits = microseconds(&array);
    let scalar = Arro3Scalar::from(PyScalar::try_from_array_ref(array)?).into_pyobject(py)?;
    if fits {
        let value = scalar.call_method0(intern!(py, "as_py"))?;
        if !value.is_none() {
            return Ok(value);
        }
    }
    Ok(scalar)
}

/// Whether a time has no part below the microsecond, which is the smallest that Python has.
fn microseconds(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _)
        | DataType::Time64(TimeUnit::Nanosecond)
        | DataType::Duration(TimeUnit::Nanosecond) => cast(array, &DataType::Int64).is_ok_and(|numbers| {
            numbers.as_primitive_opt::<Int64Type>().is_some_and(|numbers| {
                !numbers.is_empty() && numbers.is_valid(0) && numbers.value(0) % 1000 == 0
            })
        }),
        _ => true,
    }
}
