//! How is a table written as CSV?

use std::{io::Write, path::Path};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Schema, SchemaRef},
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};

use super::record::Dialect;
use crate::{
    CsvOptions, IoError, Result,
    encoder::Encoder,
    sink::Sink,
    text::{column, encode},
};

/// Quoted, because at the beginning of a file it would be taken for the file's own.
const BOM: char = '\u{feff}';

/// How CSV and TSV are written. Null is an empty value and empty text is `""`; other values are quoted
/// when they have to be. Times are written as RFC 3339 has them, without an offset when they have no zone.
#[derive(Clone, Debug)]
pub struct CsvWriteOptions {
    /// The byte between two values: `,` by default, a tab for files that end in `.tsv`.
    pub delimiter: Option<u8>,
    /// Whether the first line holds the names; true by default.
    pub header: bool,
}

impl Default for CsvWriteOptions {
    fn default() -> Self {
        Self { delimiter: None, header: true }
    }
}

/// Writes CSV.
pub(crate) struct CsvEncoder {
    sink: Sink,
    schema: SchemaRef,
    delimiter: u8,
    rows: u64,
}

impl CsvEncoder {
    pub(crate) fn new(
        mut sink: Sink,
        path: &Path,
        schema: &SchemaRef,
        options: &CsvWriteOptions,
    ) -> Result<Self> {
        for field in schema.fields() {
            if !is_writable(field.data_type()) {
                return Err(IoError::Unwritable {
                    column: field.name().clone(),
                    data_type: field.data_type().to_string(),
                    format: "CSV",
                    hint: Some("select the values inside it, cast it to text, or write another format"),
                });
            }
        }
        if schema.fields().is_empty() {
            return Err(IoError::option("columns", "are none, and CSV holds no table without any"));
        }
        column::check_names(schema, "CSV")?;
        let reading = CsvOptions { delimiter: options.delimiter, ..CsvOptions::default() };
        let delimiter = Dialect::new(&reading, super::delimiter(path))?.delimiter;
        if options.header {
            let header = header(schema, delimiter)?;
            sink.write_all(&header).map_err(ArrowError::from)?;
        }
        Ok(Self { sink, schema: SchemaRef::clone(schema), delimiter, rows: 0 })
    }
}

impl Encoder for CsvEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let (schema, delimiter, before) = (&self.schema, self.delimiter, self.rows);
        encode::write(batch, &mut self.sink, |slice, first| {
            rows(slice, delimiter, |column, row| nul(schema, column, before + (first + row) as u64 + 1))
        })?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Sink> {
        Ok(self.sink)
    }
}

fn nul(schema: &Schema, column: usize, row: u64) -> IoError {
    let column = schema.fields().get(column).map(|field| field.name().clone()).unwrap_or_default();
    IoError::UnsupportedValue { value: "a NUL byte", format: "CSV", column, row }
}

fn header(schema: &Schema, delimiter: u8) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (index, field) in schema.fields().iter().enumerate() {
        let name = field.name();
        if index > 0 {
            bytes.push(delimiter);
        }
        let quoted = name.is_empty() || name.starts_with(BOM);
        if !push(&mut bytes, name.as_bytes(), delimiter, quoted) {
            return Err(nul(schema, index, 0));
        }
    }
    bytes.push(b'\n');
    Ok(bytes)
}

/// The lines of a batch; `nul` makes the error for a column and a row that hold a NUL byte.
fn rows(batch: &RecordBatch, delimiter: u8, nul: impl Fn(usize, usize) -> IoError) -> Result<Vec<u8>> {
    let options = FormatOptions::new().with_display_error(false);
    let columns = batch.columns().iter().map(plain).collect::<Result<Vec<ArrayRef>>>()?;
    let columns = columns.iter().map(|array| Column::new(array, &options)).collect::<Result<Vec<_>>>()?;
    let (mut bytes, mut text) = (Vec::new(), String::new());
    for row in 0..batch.num_rows() {
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                bytes.push(delimiter);
            }
            let fits = match column {
                Column::Text(array) if array.is_null(row) => true,
                Column::Text(array) => {
                    let value = array.value(row);
                    let quoted = value.is_empty() || value.starts_with(BOM);
                    push(&mut bytes, value.as_bytes(), delimiter, quoted)
                }
                Column::Other(array, _) if array.is_null(row) => true,
                Column::Other(_, formatter) => {
                    text.clear();
                    formatter.value(row).write(&mut text)?;
                    push(&mut bytes, text.as_bytes(), delimiter, false)
                }
            };
            if !fits {
                return Err(nul(index, row));
            }
        }
        bytes.push(b'\n');
    }
    Ok(bytes)
}

enum Column<'a> {
    Text(&'a StringArray),
    Other(&'a dyn Array, ArrayFormatter<'a>),
}

impl<'a> Column<'a> {
    fn new(array: &'a ArrayRef, options: &'a FormatOptions<'a>) -> Result<Self> {
        Ok(match array.as_string_opt::<i32>() {
            Some(texts) => Column::Text(texts),
            None => Column::Other(array, ArrayFormatter::try_new(array, options)?),
        })
    }
}

/// The values of a dictionary, and text as plain text.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Dictionary(_, values) => plain(&cast(array, values)?)?,
        DataType::LargeUtf8 | DataType::Utf8View => cast(array, &DataType::Utf8)?,
        _ => ArrayRef::clone(array),
    })
}

fn is_writable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_writable(values),
        DataType::Null
        | DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..) => true,
        other => other.is_numeric(),
    }
}

/// Adds a value, quoted when it must be or `quoted` says so; false when it holds a NUL byte, which
/// readers of CSV refuse.
fn push(bytes: &mut Vec<u8>, value: &[u8], delimiter: u8, quoted: bool) -> bool {
    let special = |byte: &u8| matches!(*byte, b'"' | b'\n' | b'\r' | 0) || *byte == delimiter;
    if !quoted && !value.iter().any(special) {
        bytes.extend_from_slice(value);
        return true;
    }
    bytes.push(b'"');
    for byte in value {
        if *byte == b'"' {
            bytes.push(b'"');
        }
        bytes.push(*byte);
    }
    bytes.push(b'"');
    !value.contains(&0)
}
