//! How do rows reach stdout?

use std::{
    io::{BufWriter, Stdout, Write, stdout},
    path::Path,
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};
use bowstring::io::{Format, IpcContainer, WriteOptions, Writer};

use crate::{
    args::TableFormat,
    error::{CliError, Result, STDOUT},
    grid::{Column, Grid, printable},
};

/// Rows whose width decides that of the columns; those after them are written as they come.
const MEASURED_ROWS: usize = 1_000;

/// Writes batches of one schema to stdout, one after the other, so that any number of rows can pass.
pub(crate) enum RowWriter {
    Table(TableWriter<BufWriter<Stdout>>),
    File(Box<Writer>),
}

impl RowWriter {
    /// Begins the output; formats with a header write it here, so that a table without rows has
    /// its columns too.
    pub(crate) fn new(schema: &SchemaRef, format: TableFormat) -> Result<Self> {
        match format {
            TableFormat::Table => Ok(RowWriter::Table(TableWriter::new(BufWriter::new(stdout()), schema))),
            TableFormat::Json => Self::encoded(schema, Format::Json),
            TableFormat::Csv => Self::encoded(schema, Format::Csv),
            TableFormat::Arrow => Self::encoded(schema, Format::Ipc),
        }
    }

    /// Writes in the format of a file; Arrow IPC is a stream.
    pub(crate) fn encoded(schema: &SchemaRef, format: Format) -> Result<Self> {
        let mut options = WriteOptions { format: Some(format), ..WriteOptions::default() };
        options.ipc.container = IpcContainer::Stream;
        let writer = Writer::to(Box::new(stdout()), Path::new(STDOUT), schema, &options)?;
        Ok(RowWriter::File(Box::new(writer)))
    }

    /// Writes the rows of a batch.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            RowWriter::Table(writer) => writer.write(batch),
            RowWriter::File(writer) => Ok(writer.write(batch)?),
        }
    }

    /// Writes what is still to be written.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            RowWriter::Table(writer) => writer.finish(),
            RowWriter::File(writer) => {
                writer.finish()?;
                Ok(())
            }
        }
    }
}

/// Aligned columns; the first rows are held back until the widths are known.
pub(crate) struct TableWriter<W> {
    out: W,
    grid: Grid,
    held: Vec<Vec<String>>,
    begun: bool,
}

impl<W: Write> TableWriter<W> {
    fn new(out: W, schema: &SchemaRef) -> Self {
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
        let rows = cells(batch).map_err(|error| CliError::Unprintable(error.to_string()))?;
        if self.begun {
            return self.grid.rows(&mut self.out, &rows).map_err(CliError::Stdout);
        }
        self.held.extend(rows);
        if self.held.len() >= MEASURED_ROWS { self.begin() } else { Ok(()) }
    }

    fn begin(&mut self) -> Result<()> {
        self.begun = true;
        self.grid.fit(&self.held);
        let rows = std::mem::take(&mut self.held);
        self.grid
            .header(&mut self.out)
            .and_then(|()| self.grid.rows(&mut self.out, &rows))
            .map_err(CliError::Stdout)
    }

    fn finish(mut self) -> Result<()> {
        if !self.begun {
            self.begin()?;
        }
        self.out.flush().map_err(CliError::Stdout)
    }
}

/// The rows of a batch as text.
fn cells(batch: &RecordBatch) -> Result<Vec<Vec<String>>, ArrowError> {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use expect_test::expect;

    use super::*;

    #[test]
    fn rows_after_the_measured_ones_are_written_as_they_come() {
        let batch = |text: &str, rows: usize| {
            let name: ArrayRef = Arc::new(StringArray::from(vec![Some(text); rows]));
            let count: ArrayRef = Arc::new(Int64Array::from(vec![None; rows]));
            RecordBatch::try_from_iter_with_nullable([("name", name, true), ("n", count, true)]).unwrap()
        };
        let first = batch("a", MEASURED_ROWS);
        let mut out = Vec::new();
        let mut writer = TableWriter::new(&mut out, &first.schema());
        writer.write(&first).unwrap();
        assert!(writer.held.is_empty() && writer.begun);
        writer.write(&batch("longer than the column", 1)).unwrap();
        writer.finish().unwrap();
        let text = String::from_utf8(out).unwrap();
        let ends: Vec<&str> = text.lines().take(3).chain(text.lines().skip(MEASURED_ROWS + 1)).collect();
        expect![[r#"
            name     n
            ────  ────
            a     null
            a     null
            longer than the column  null"#]]
        .assert_eq(&ends.join("\n"));
    }
}
