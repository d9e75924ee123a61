//! How do rows reach stdout?

use std::io::Write;

use arrow::{
    array::RecordBatch,
    csv,
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
    ipc::writer::StreamWriter,
    json::{LineDelimitedWriter, WriterBuilder as JsonBuilder},
    util::display::{ArrayFormatter, FormatOptions},
};

use crate::{
    args::TableFormat,
    error::{CliError, Result},
    grid::{Column, Grid, printable},
};

/// Rows whose width decides that of the columns; those after them are written as they come.
const MEASURED_ROWS: usize = 1_000;

/// Writes batches of one schema, one after the other, so that any number of rows can pass.
pub(crate) enum RowWriter<'a> {
    Table(TableWriter<'a>),
    Json(LineDelimitedWriter<&'a mut dyn Write>),
    Csv(csv::Writer<&'a mut dyn Write>),
    Arrow(StreamWriter<&'a mut dyn Write>),
}

impl<'a> RowWriter<'a> {
    /// Begins the output; formats with a header write it here, so that a table without rows has
    /// its columns too.
    pub(crate) fn new(out: &'a mut dyn Write, schema: &SchemaRef, format: TableFormat) -> Result<Self> {
        Ok(match format {
            TableFormat::Table => RowWriter::Table(TableWriter::new(out, schema)),
            TableFormat::Json => RowWriter::Json(JsonBuilder::new().with_explicit_nulls(true).build(out)),
            TableFormat::Csv => {
                let mut writer = csv::WriterBuilder::new().with_header(true).build(out);
                writer
                    .write(&RecordBatch::new_empty(schema.clone()))
                    .map_err(|error| failed("csv", error))?;
                RowWriter::Csv(writer)
            }
            TableFormat::Arrow => {
                RowWriter::Arrow(StreamWriter::try_new(out, schema).map_err(|error| failed("arrow", error))?)
            }
        })
    }

    /// Writes the rows of a batch.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            RowWriter::Table(writer) => writer.write(batch),
            RowWriter::Json(writer) => writer.write(batch).map_err(|error| failed("json", error)),
            RowWriter::Csv(writer) => writer.write(batch).map_err(|error| failed("csv", error)),
            RowWriter::Arrow(writer) => writer.write(batch).map_err(|error| failed("arrow", error)),
        }
    }

    /// Writes what is still to be written.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            RowWriter::Table(writer) => writer.finish(),
            RowWriter::Json(mut writer) => writer.finish().map_err(|error| failed("json", error)),
            RowWriter::Csv(writer) => Ok(writer.into_inner().flush()?),
            RowWriter::Arrow(mut writer) => writer.finish().map_err(|error| failed("arrow", error)),
        }
    }
}

/// Aligned columns; the first rows are held back until the widths are known.
pub(crate) struct TableWriter<'a> {
    out: &'a mut dyn Write,
    grid: Grid,
    held: Vec<Vec<String>>,
    begun: bool,
}

impl<'a> TableWriter<'a> {
    fn new(out: &'a mut dyn Write, schema: &SchemaRef) -> Self {
        let columns = schema
            .fields()
            .iter()
            .map(|field| match is_number(field.data_type()) {
                true => Column::right(field.name()),
                false => Column::left(field.name()),
            })
            .collect();
        Self { out, grid: Grid::new(columns), held: Vec::new(), begun: false }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = cells(batch).map_err(|error| failed("table", error))?;
        if self.begun {
            return Ok(self.grid.rows(self.out, &rows)?);
        }
        self.held.extend(rows);
        if self.held.len() >= MEASURED_ROWS { self.begin() } else { Ok(()) }
    }

    fn begin(&mut self) -> Result<()> {
        self.begun = true;
        self.grid.fit(&self.held);
        self.grid.header(self.out)?;
        self.grid.rows(self.out, &self.held)?;
        self.held = Vec::new();
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        if self.begun { Ok(()) } else { self.begin() }
    }
}

/// The rows of a batch as text.
pub(crate) fn cells(batch: &RecordBatch) -> Result<Vec<Vec<String>>, ArrowError> {
    let options = FormatOptions::new().with_null("null").with_display_error(false);
    let columns = batch
        .columns()
        .iter()
        .map(|array| ArrayFormatter::try_new(array.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| Ok(printable(&column.value(row).try_to_string()?))).collect())
        .collect()
}

fn is_number(kind: &DataType) -> bool {
    kind.is_numeric() || matches!(kind, DataType::Dictionary(_, value) if value.is_numeric())
}

/// Tells a reader of stdout who left from rows that cannot be written.
fn failed(format: &'static str, error: ArrowError) -> CliError {
    match error {
        ArrowError::IoError(_, source) => CliError::Stdout(source),
        ArrowError::CsvError(reason) if reason.contains("Broken pipe") => {
            CliError::Stdout(std::io::ErrorKind::BrokenPipe.into())
        }
        other => CliError::Format { format, reason: other.to_string() },
    }
}
