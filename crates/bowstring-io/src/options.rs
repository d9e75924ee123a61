//! How are files read, when their names and contents do not say it?

use arrow::datatypes::SchemaRef;

use crate::Format;

/// How files are read. Options of a format that is not read have no effect.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The format; from the names' endings when `None`.
    pub format: Option<Format>,
    /// How CSV and TSV are read.
    pub csv: CsvOptions,
    /// How newline-delimited JSON is read.
    pub json: JsonOptions,
}

/// How CSV and TSV are read.
///
/// Types are inferred strictly: int64, float64, bool, date, timestamp (UTC when there is an offset),
/// else text. `007`, `+7` and numbers beyond int64 are text, and so is a column without values. Blank
/// lines are no rows, but nulls where there is one column. An empty name becomes `column_3` or
/// whatever its position is, and two columns of one name are an error.
#[derive(Clone, Debug)]
pub struct CsvOptions {
    /// The byte between two values: `,` by default, a tab for files that end in `.tsv`.
    pub delimiter: Option<u8>,
    /// The byte around a value that holds delimiters, quotes or newlines: `"` by default; nothing is
    /// quoted when `None`.
    pub quote: Option<u8>,
    /// The byte before a quote inside a quoted value; a doubled quote when `None`, as by default.
    pub escape: Option<u8>,
    /// Lines that begin with it are skipped; none by default.
    pub comment: Option<u8>,
    /// Whether the first line holds the names; true by default.
    pub has_header: bool,
    /// The names, in place of those of the header.
    pub names: Option<Vec<String>>,
    /// Lines to skip before the header; 0 by default.
    pub skip_rows: usize,
    /// Values that mean null, the empty one besides; in a column of text only when they are not quoted.
    pub null_values: Vec<String>,
    /// The types of the columns that it names; those of the others are inferred.
    pub schema: Option<SchemaRef>,
    /// Rows from which types are inferred; 10 000 by default.
    pub infer_rows: usize,
    /// The encoding by its WHATWG name; `utf-8` by default.
    pub encoding: String,
    /// What happens to a row that cannot be read.
    pub on_bad_rows: BadRows,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: None,
            quote: Some(b'"'),
            escape: None,
            comment: None,
            has_header: true,
            names: None,
            skip_rows: 0,
            null_values: Vec::new(),
            schema: None,
            infer_rows: 10_000,
            encoding: "utf-8".into(),
            on_bad_rows: BadRows::Error,
        }
    }
}

/// What happens to a row that cannot be read: it has too many or too few values, bytes that are no text,
/// or a value that does not fit its column's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadRows {
    /// Reading ends with an error that names the row.
    #[default]
    Error,
    /// The row is left out, unless it is a quote left open, which could swallow any number of rows; how many
    /// were is logged, and is [`skipped_rows`](crate::Dataset::skipped_rows).
    Skip,
}

/// How newline-delimited JSON is read: one object a line, blank lines left away.
///
/// Whole numbers are int64, or uint64 when one is too large for that, or float64 among fractions, if each is
/// one that a float holds exactly. Text stays text, also when it looks like a date. A missing key is null.
#[derive(Clone, Debug)]
pub struct JsonOptions {
    /// Columns and their types; other columns, and theirs, are inferred. A column of text holds values of
    /// other kinds as they stand in the file.
    pub schema: Option<SchemaRef>,
    /// Rows from which columns are inferred; 10 000 by default. A key that is in none of them, and not in
    /// `schema`, is an error.
    pub infer_rows: usize,
    /// The encoding by its WHATWG name; `utf-8` by default.
    pub encoding: String,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self { schema: None, infer_rows: 10_000, encoding: "utf-8".into() }
    }
}
