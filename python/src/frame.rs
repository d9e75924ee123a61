//! What is `bowstring.Frame`?

use bowstring::query::{Frame, JoinKind};
use pyo3::{
    intern,
    prelude::*,
    types::{PyCapsule, PyDict, PyTuple},
};
use pyo3_arrow::export::Arro3Schema;
use serde_json::Value as Json;

use crate::{
    arguments::json,
    arrow_in, arrow_out, display,
    error::{Fault, Result},
    table::PyTable,
    typed,
    work::{engine, work, work_async},
};

/// A query that has not run: where rows come from, and what is to be done with them.
#[pyclass(module = "bowstring", name = "Frame", frozen)]
pub(crate) struct PyFrame {
    pub(crate) frame: Frame,
}

impl From<Frame> for PyFrame {
    fn from(frame: Frame) -> Self {
        Self { frame }
    }
}

/// Text by column, in the order in which it was given.
type ByColumn = Vec<(String, String)>;

/// What `rename` and `cast` take.
const TEXT_BY_COLUMN: &str = "a mapping of str to str";

/// The pairs of keys: a name, a list of names, or a mapping of left names to right names.
fn keys(on: Option<&Bound<'_, PyAny>>) -> Result<ByColumn> {
    let Some(on) = on else { return Ok(Vec::new()) };
    if let Ok(name) = on.extract::<String>() {
        return Ok(vec![(name.clone(), name)]);
    }
    if on.hasattr(intern!(on.py(), "items"))? {
        return typed::mapping("on", TEXT_BY_COLUMN, on);
    }
    Ok(typed::many::<String>("on", on)?.into_iter().map(|name| (name.clone(), name)).collect())
}

#[pymethods]
impl PyFrame {
    #[new]
    #[pyo3(signature = (data, /))]
    fn new(data: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(arrow_in::frame(data)?.into())
    }

    /// Names and types of the columns that the rows will have.
    #[getter]
    fn schema(&self) -> Arro3Schema {
        self.frame.schema().into()
    }

    /// The names of the columns, in order.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.frame.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Keep these expressions, in this order: `select("id", "price * 2 AS double_price")`.
    #[pyo3(signature = (*columns))]
    fn select(&self, columns: &Bound<'_, PyTuple>) -> Result<Self> {
        Ok(self.frame.select(&typed::many::<String>("columns", columns)?)?.into())
    }

    /// Add columns by name, or replace those that exist: `with_columns(total="price * n")`.
    #[pyo3(signature = (**exprs))]
    fn with_columns(&self, exprs: Option<&Bound<'_, PyDict>>) -> Result<Self> {
        Ok(self.frame.with_columns(&given(exprs)?)?.into())
    }

    /// Give columns other names, from old to new.
    #[pyo3(signature = (mapping, /))]
    fn rename(&self, mapping: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(self.frame.rename(&typed::mapping("mapping", TEXT_BY_COLUMN, mapping)?)?.into())
    }

    /// Leave columns out.
    #[pyo3(signature = (*columns))]
    fn drop(&self, columns: &Bound<'_, PyTuple>) -> Result<Self> {
        Ok(self.frame.drop(&typed::many::<String>("columns", columns)?)?.into())
    }

    /// Change types: `cast({"id": "int64", "price": "decimal(12, 2)"})`.
    #[pyo3(signature = (mapping, /))]
    fn cast(&self, mapping: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(self.frame.cast(&typed::mapping("mapping", TEXT_BY_COLUMN, mapping)?)?.into())
    }

    /// Put a value where a column has none.
    #[pyo3(signature = (mapping, /))]
    fn fill_null(&self, mapping: &Bound<'_, PyAny>) -> Result<Self> {
        let values = match json(mapping)? {
            Json::Object(values) => values.into_iter().collect::<Vec<_>>(),
            _ => return Err(typed::wrong("mapping", "a mapping of str to values", mapping)),
        };
        Ok(self.frame.fill_null(&values)?.into())
    }

    /// Keep the rows for which a condition is true; not those for which it is null.
    #[pyo3(signature = (expr, /))]
    fn filter(&self, expr: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(self.frame.filter(&typed::one::<String>("expr", expr)?)?.into())
    }

    /// Bring the columns of another table to the rows whose keys are equal.
    #[pyo3(signature = (other, on=None, how="inner"))]
    fn join(&self, other: &Bound<'_, PyAny>, on: Option<&Bound<'_, PyAny>>, how: &str) -> Result<Self> {
        let known = || JoinKind::NAMES.into_iter();
        let Some((_, how)) = known().find(|(name, _)| *name == how) else {
            let known = known().map(|(name, _)| name).collect();
            return Err(Fault::UnknownWord { option: "how", given: how.to_owned(), known });
        };
        let keys = keys(on)?;
        Ok(self.frame.join(&arrow_in::frame(other)?, &keys, how)?.into())
    }

    /// Make one row of each group: `aggregate(["section"], packages="count(*)")`.
    #[pyo3(signature = (by, /, **exprs))]
    fn aggregate(&self, by: &Bound<'_, PyAny>, exprs: Option<&Bound<'_, PyDict>>) -> Result<Self> {
        let by = typed::many::<String>("by", by)?;
        Ok(self.frame.aggregate(&by, &given(exprs)?)?.into())
    }

    /// Put rows in order: `sort("section", "size desc")`. Nulls come last unless `nulls first` is said.
    #[pyo3(signature = (*by))]
    fn sort(&self, by: &Bound<'_, PyTuple>) -> Result<Self> {
        Ok(self.frame.sort(&typed::many::<String>("by", by)?)?.into())
    }

    /// Keep one of the rows that are equal, in these columns or in all.
    #[pyo3(signature = (*columns))]
    fn distinct(&self, columns: &Bound<'_, PyTuple>) -> Result<Self> {
        Ok(self.frame.distinct(&typed::many::<String>("columns", columns)?)?.into())
    }

    /// Add the rows of another table with the same columns, which are matched by name.
    #[pyo3(signature = (other, /))]
    fn union(&self, other: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(self.frame.union(&arrow_in::frame(other)?)?.into())
    }

    /// Keep the first rows.
    #[pyo3(signature = (n, /))]
    fn limit(&self, n: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(self.frame.limit(typed::one("n", n)?)?.into())
    }

    /// Show the physical plan, one operator a line.
    #[pyo3(signature = (analyze=false))]
    fn explain(&self, py: Python<'_>, analyze: bool) -> Result<String> {
        let frame = self.frame.clone();
        work(py, move |cancel| Ok(frame.explain(analyze, cancel)?))
    }

    /// Run the query.
    fn collect(&self, py: Python<'_>) -> Result<PyTable> {
        let frame = self.frame.clone();
        work(py, move |cancel| Ok(frame.collect(cancel)?.table)).map(PyTable::from)
    }

    /// As [`collect`][bowstring.Frame.collect], to be awaited; cancelling the task stops the query.
    fn collect_async<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let frame = self.frame.clone();
        work_async(py, move |cancel| Ok(frame.collect(cancel)?.table), PyTable::from)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow_out::schema_capsule(py, &self.frame.schema())
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let running = arrow_out::Running::start(&self.frame)?;
        arrow_out::stream_capsule(py, &self.frame.schema(), running, requested_schema)
    }

    /// Run the query, and give the rows to pyarrow.
    fn to_pyarrow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Bound::new(py, self.collect(py)?)?.call_method0(intern!(py, "to_pyarrow"))
    }

    /// Run the query, and give the rows to polars.
    fn to_polars<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Bound::new(py, self.collect(py)?)?.call_method0(intern!(py, "to_polars"))
    }

    /// Run the query, and give the rows to pandas.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Bound::new(py, self.collect(py)?)?.call_method0(intern!(py, "to_pandas"))
    }

    fn __repr__(&self) -> String {
        display::schema_text("Frame", &self.frame.schema())
    }

    fn _repr_html_(&self) -> String {
        display::schema_html("Frame", &self.frame.schema())
    }
}

fn given(exprs: Option<&Bound<'_, PyDict>>) -> Result<ByColumn> {
    let pairs = exprs.into_iter().flat_map(|exprs| exprs.iter());
    let pair = |(name, expr): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let name: String = name.extract()?;
        let expr = expr.extract().map_err(|_| typed::wrong(&name, "SQL as str", &expr))?;
        Ok((name, expr))
    };
    pairs.map(pair).collect()
}

/// A lazy frame of a query over named tables.
#[pyfunction]
#[pyo3(signature = (query, tables))]
pub(crate) fn sql(query: &Bound<'_, PyAny>, tables: &Bound<'_, PyDict>) -> Result<PyFrame> {
    let query = typed::one::<String>("query", query)?;
    let mut frames = Vec::with_capacity(tables.len());
    for (name, table) in tables.iter() {
        frames.push((name.extract()?, arrow_in::frame(&table)?));
    }
    Ok(engine()?.session().sql(&query, &frames)?.into())
}
