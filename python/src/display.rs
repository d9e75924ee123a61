//! How does a table show itself in a terminal and in a notebook?

use std::fmt::Write as _;

use arrow::{
    datatypes::SchemaRef,
    util::display::{ArrayFormatter, FormatOptions},
};
use bowstring::query::Table;

use crate::error::{Fault, Result};

/// Rows that are shown of a larger table.
const ROWS: usize = 10;
/// Columns that are shown of a wider table.
const COLUMNS: usize = 20;
/// Characters that are shown of a longer value.
const WIDTH: usize = 32;

/// The first rows as text: a header of names, one of types, and a line for each row.
struct Shown {
    names: Vec<String>,
    types: Vec<String>,
    rows: Vec<Vec<String>>,
    hidden_columns: usize,
    hidden_rows: usize,
}

impl Shown {
    fn of(table: &Table) -> Result<Self> {
        let options = FormatOptions::new().with_null("null").with_display_error(true);
        let (names, types) = header(table.schema());
        let mut rows = Vec::new();
        for batch in table.batches() {
            let formatters = batch
                .columns()
                .iter()
                .take(COLUMNS)
                .map(|column| ArrayFormatter::try_new(column, &options))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Fault::Unshown { reason: error.to_string() })?;
            for row in 0..batch.num_rows().min(ROWS - rows.len()) {
                let cells = formatters.iter().map(|formatter| short(&formatter.value(row).to_string()));
                rows.push(cells.collect());
            }
        }
        Ok(Self {
            hidden_columns: table.schema().fields().len() - names.len(),
            hidden_rows: table.num_rows() - rows.len(),
            names,
            types,
            rows,
        })
    }
}

fn header(schema: &SchemaRef) -> (Vec<String>, Vec<String>) {
    let shown = schema.fields().iter().take(COLUMNS);
    shown.map(|field| (short(field.name()), short(&field.data_type().to_string()))).unzip()
}

/// One line, and not too much of it.
fn short(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { '␣' } else { c }).take(WIDTH).collect();
    if text.chars().nth(WIDTH).is_some() { format!("{line}…") } else { line }
}

fn size(class: &str, rows: usize, columns: usize) -> String {
    let plural = |count| if count == 1 { "" } else { "s" };
    format!("{class}: {rows} row{} × {columns} column{}", plural(rows), plural(columns))
}

fn rest(shown: &Shown) -> Option<String> {
    let part = |count: usize, what: &str| {
        (count > 0).then(|| format!("{count} more {what}{}", if count == 1 { "" } else { "s" }))
    };
    let parts: Vec<String> = [part(shown.hidden_rows, "row"), part(shown.hidden_columns, "column")]
        .into_iter()
        .flatten()
        .collect();
    (!parts.is_empty()).then(|| format!("… {}", parts.join(", ")))
}

/// For a terminal.
pub(crate) fn text(table: &Table) -> Result<String> {
    let shown = Shown::of(table)?;
    let mut text = size("Table", table.num_rows(), table.schema().fields().len());
    if shown.names.is_empty() {
        return Ok(text);
    }
    let lines: Vec<&Vec<String>> = [&shown.names, &shown.types].into_iter().chain(&shown.rows).collect();
    let widths: Vec<usize> = (0..shown.names.len())
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for line in lines {
        text.push('\n');
        let mut gap = "";
        for (cell, width) in line.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _infallible = write!(text, "{gap}{cell:width$}");
            gap = "  ";
        }
        text.truncate(text.trim_end_matches(' ').len());
    }
    text.extend(rest(&shown).map(|rest| format!("\n{rest}")));
    Ok(text)
}

/// For a notebook.
pub(crate) fn html(table: &Table) -> Result<String> {
    let shown = Shown::of(table)?;
    let row = |tag: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect();
        format!("<tr>{cells}</tr>")
    };
    let body: String = shown.rows.iter().map(|cells| row("td", cells)).collect();
    let caption = size("Table", table.num_rows(), table.schema().fields().len());
    let rest = rest(&shown).map(|rest| format!("<p>{rest}</p>")).unwrap_or_default();
    Ok(format!(
        "<table><caption>{caption}</caption><thead>{}{}</thead><tbody>{body}</tbody></table>{rest}",
        row("th", &shown.names),
        row("th", &shown.types),
    ))
}

/// Text that a browser takes for nothing else.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The columns of a plan, a line for each.
pub(crate) fn schema_text(class: &str, schema: &SchemaRef) -> String {
    let mut text = format!(
        "{class}: {} column{}",
        schema.fields().len(),
        if schema.fields().len() == 1 { "" } else { "s" }
    );
    for field in schema.fields() {
        let _infallible = write!(text, "\n{}: {}", short(field.name()), field.data_type());
    }
    text
}

/// The columns of a plan as a table of names and types.
pub(crate) fn schema_html(class: &str, schema: &SchemaRef) -> String {
    let rows: String = schema
        .fields()
        .iter()
        .map(|field| {
            let (name, kind) = (escaped(&short(field.name())), escaped(&field.data_type().to_string()));
            format!("<tr><td>{name}</td><td>{kind}</td></tr>")
        })
        .collect();
    format!("<table><caption>{class}</caption><tbody>{rows}</tbody></table>")
}
