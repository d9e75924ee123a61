//! How is a file read, at once or lazily?

use std::{path::PathBuf, sync::Arc};

use arrow::datatypes::{Field, Schema, SchemaRef};
use bowstring::{
    Cancel,
    io::{BadRows, Dataset, EagerOptions, Format, ReadOptions},
    query::{Frame, Selection, Session, Table},
};
use pyo3::{intern, prelude::*, types::PyDict};

use crate::{
    arguments::{Options, paths},
    arrow_in,
    error::{Fault, Result},
    frame::PyFrame,
    table::PyTable,
    typed,
    work::{engine, work, work_async},
};

/// What is read.
struct Reading {
    paths: Vec<PathBuf>,
    options: ReadOptions,
    row_groups: Option<Vec<usize>>,
    selection: Selection,
}

impl Reading {
    fn of(format: &str, path: &Bound<'_, PyAny>, options: &Bound<'_, PyDict>) -> Result<Self> {
        let given = Options(options);
        let format = format_named(format)?;
        let mut options = ReadOptions { format: Some(format), ..ReadOptions::default() };
        let csv = &mut options.csv;
        csv.delimiter = given.byte("delimiter")?;
        if given.is_given("quote")? {
            csv.quote = given.byte("quote")?;
        }
        csv.escape = given.byte("escape")?;
        csv.comment = given.byte("comment")?;
        csv.has_header = given.one("has_header")?.unwrap_or(csv.has_header);
        csv.names = given.many("names")?;
        csv.skip_rows = given.one("skip_rows")?.unwrap_or(csv.skip_rows);
        csv.null_values = given.many("null_values")?.unwrap_or_default();
        csv.infer_rows = given.one("infer_rows")?.unwrap_or(csv.infer_rows);
        csv.encoding = given.one("encoding")?.unwrap_or_else(|| csv.encoding.clone());
        let words = [("error", BadRows::Error), ("skip", BadRows::Skip)];
        csv.on_bad_rows = given.word("on_bad_rows", &words)?.unwrap_or_default();
        options.json.infer_rows = csv.infer_rows;
        options.json.encoding.clone_from(&csv.encoding);
        if let Some(schema) = given.any("schema")? {
            let schema = schema_of(&schema, engine()?.session())?;
            csv.schema = Some(SchemaRef::clone(&schema));
            options.json.schema = Some(schema);
        }
        Ok(Self {
            paths: paths(path)?,
            options,
            row_groups: given.many("row_groups")?,
            selection: Selection {
                columns: given.many("columns")?,
                filter: given.one("filter")?,
                limit: given.one("limit")?,
            },
        })
    }

    fn dataset(&self) -> Result<Arc<Dataset>> {
        let dataset = Dataset::open(&self.paths, &self.options)?;
        Ok(Arc::new(match &self.row_groups {
            Some(wanted) => dataset.with_row_groups(wanted)?,
            None => dataset,
        }))
    }

    /// The plan; of the files, no more than the metadata is read.
    fn frame(&self) -> Result<Frame> {
        Ok(engine()?.session().scan_selected(&self.dataset()?, &self.selection)?)
    }

    /// The rows.
    fn table(self, cancel: &Cancel) -> Result<Table> {
        let dataset = self.dataset()?;
        let filter = match &self.selection.filter {
            None => None,
            Some(filter) => {
                let session = engine()?.session();
                let Some(predicate) = session.predicate(Arc::clone(&dataset), filter)? else {
                    return Ok(session.scan_selected(&dataset, &self.selection)?.collect(cancel)?.table);
                };
                Some(predicate)
            }
        };
        let Selection { columns, limit, .. } = self.selection;
        let wanted = EagerOptions { columns, filter, limit, ..EagerOptions::default() };
        let (schema, batches) = dataset.read_all(&wanted, cancel)?;
        Ok(Table::new(schema, batches)?)
    }
}

pub(crate) fn format_named(name: &str) -> Result<Format> {
    let known = [Format::Parquet, Format::Csv, Format::Json, Format::Ipc, Format::Markdown];
    known.into_iter().find(|format| format.name() == name).ok_or_else(|| Fault::UnknownWord {
        option: "format",
        given: name.to_owned(),
        known: known.map(Format::name).into(),
    })
}

/// An Arrow schema, or a mapping of names to names of types.
fn schema_of(object: &Bound<'_, PyAny>, session: &Session) -> Result<SchemaRef> {
    if object.hasattr(intern!(object.py(), "__arrow_c_schema__"))? {
        return Ok(arrow_in::schema(object)?);
    }
    let mut fields = Vec::new();
    for (column, kind) in typed::mapping("schema", "an Arrow schema or a mapping of str to str", object)? {
        match session.data_type(&kind) {
            Ok(kind) => fields.push(Field::new(column, kind, true)),
            Err(source) => return Err(Fault::ColumnType { column, source }),
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// All rows of the files, as `bowstring.read_*` says.
#[pyfunction]
pub(crate) fn read(
    py: Python<'_>,
    format: &str,
    path: &Bound<'_, PyAny>,
    options: &Bound<'_, PyDict>,
) -> Result<PyTable> {
    let reading = Reading::of(format, path, options)?;
    work(py, move |cancel| reading.table(cancel)).map(PyTable::from)
}

/// As [`read`], to be awaited.
#[pyfunction]
pub(crate) fn read_async<'py>(
    py: Python<'py>,
    format: &str,
    path: &Bound<'py, PyAny>,
    options: &Bound<'py, PyDict>,
) -> Result<Bound<'py, PyAny>> {
    let reading = Reading::of(format, path, options)?;
    work_async(py, move |cancel| reading.table(cancel), PyTable::from)
}

/// A plan over the files.
#[pyfunction]
pub(crate) fn scan(
    py: Python<'_>,
    format: &str,
    path: &Bound<'_, PyAny>,
    options: &Bound<'_, PyDict>,
) -> Result<PyFrame> {
    let reading = Reading::of(format, path, options)?;
    work(py, move |_| reading.frame()).map(PyFrame::from)
}
