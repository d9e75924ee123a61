//! How is a table written for people? As a table of GitHub Flavored Markdown (section 4.10 of its
//! specification), numbers at the right.

use std::io::Write;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
    util::display::{ArrayFormatter, FormatOptions},
};

use crate::{IoError, Result, encoder::Encoder, sink::Sink};

/// Writes a header and a line for each row. A null is an empty cell.
pub(crate) struct MarkdownEncoder(Sink);

impl MarkdownEncoder {
    pub(crate) fn new(mut sink: Sink, schema: &SchemaRef) -> Result<Self> {
        let names = schema.fields().iter().map(|field| cell(field.name()));
        line(&mut sink, names)?;
        let rules = schema.fields().iter().map(|field| match field.data_type() {
            DataType::Dictionary(_, values) if values.is_numeric() => "---:".to_owned(),
            kind if kind.is_numeric() => "---:".to_owned(),
            _ => "---".to_owned(),
        });
        line(&mut sink, rules)?;
        Ok(Self(sink))
    }
}

impl Encoder for MarkdownEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let options = FormatOptions::new().with_display_error(false);
        let formatters =
            batch.columns().iter().map(|array| ArrayFormatter::try_new(array.as_ref(), &options));
        let formatters: Vec<ArrayFormatter<'_>> = formatters.collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = formatters.iter().map(|column| column.value(row).try_to_string());
            let cells: Vec<String> = cells.collect::<Result<_, _>>()?;
            line(&mut self.0, cells.iter().map(|text| cell(text)))?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Sink> {
        Ok(self.0)
    }
}

fn line(sink: &mut Sink, cells: impl Iterator<Item = String>) -> Result<()> {
    let mut text = String::from("|");
    for cell in cells {
        text.push(' ');
        text.push_str(&cell);
        text.push_str(" |");
    }
    text.push('\n');
    // What the system says of it is kept by the sink.
    sink.write_all(text.as_bytes()).map_err(|error| IoError::Arrow(error.into()))
}

/// Text that cannot break its row: a pipe would end the cell, a line break the row.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' => safe.push_str("\\|"),
            '\\' => safe.push_str("\\\\"),
            '\n' => safe.push_str("<br>"),
            '<' => safe.push_str("&lt;"),
            '\r' => {}
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_cannot_break_its_row() {
        assert_eq!(cell("a|b\\\r\n<b>"), "a\\|b\\\\<br>&lt;b>");
    }
}
