//! How are options of readers and writers written in a step's config?

use std::{path::PathBuf, sync::Arc};

use arrow::datatypes::{Field, Schema};
use bowstring_io::{BadRows, Format, ReadOptions};
use bowstring_query::Session;
use bowstring_workflow::ConfigProblem;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem;

/// Values by column, in the order in which they stand in the document.
pub(super) type ByName<T> = IndexMap<String, T>;

/// A file, a pattern or a folder; or a list of them.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Paths {
    One(PathBuf),
    Several(#[schemars(length(min = 1))] Vec<PathBuf>),
}

impl Paths {
    pub(super) fn into_vec(self) -> Vec<PathBuf> {
        match self {
            Paths::One(path) => vec![path],
            Paths::Several(paths) => paths,
        }
    }
}

/// The formats that are read.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum FormatName {
    Parquet,
    Csv,
    Json,
    Ipc,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Parquet => Format::Parquet,
            FormatName::Csv => Format::Csv,
            FormatName::Json => Format::Json,
            FormatName::Ipc => Format::Ipc,
        }
    }
}

/// What happens to a row that has too many or too few values.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnBadRows {
    #[default]
    Error,
    Skip,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadConfig {
    /// A file, a pattern such as `data/*.parquet`, or a folder, whose `key=value` subfolders become
    /// columns; or a list of them. Relative to the working directory.
    pub(super) path: Option<Paths>,
    /// The same as `path`.
    pub(super) input: Option<Paths>,
    /// The format, where the names' endings do not tell.
    pub(super) format: Option<FormatName>,
    /// The columns to read, in this order; all when absent. `point.x` is the field `x` of the structure
    /// `point`, which comes with the fields that are named.
    #[schemars(length(min = 1))]
    pub(super) columns: Option<Vec<String>>,
    /// A condition, as of a `filter` step.
    pub(super) filter: Option<String>,
    /// The most rows to read, after the filter.
    pub(super) limit: Option<u64>,
    /// Parquet: the row groups to read, in this order, counted from 0 over all files; all when absent.
    pub(super) row_groups: Option<Vec<usize>>,
    /// CSV: the character between two values; a comma when absent, a tab for `.tsv`.
    #[schemars(length(min = 1, max = 1))]
    delimiter: Option<String>,
    /// CSV: the character around values that hold delimiters or newlines; empty for none. Default `"`.
    #[schemars(length(max = 1))]
    quote: Option<String>,
    /// CSV: the character before a quote in a quoted value; a doubled quote when absent.
    #[schemars(length(min = 1, max = 1))]
    escape: Option<String>,
    /// CSV: lines that begin with this character are skipped.
    #[schemars(length(min = 1, max = 1))]
    comment: Option<String>,
    /// CSV: whether the first line holds the names. Default true.
    has_header: Option<bool>,
    /// CSV: the names, in place of those of the header.
    #[schemars(length(min = 1))]
    names: Option<Vec<String>>,
    /// CSV: lines to skip before the header. Default 0.
    skip_rows: Option<usize>,
    /// CSV: values that mean null, the empty one besides; in a column of text only when not quoted.
    null_values: Option<Vec<String>>,
    /// CSV and JSON: the types of some columns or of all, as in `cast`; those of the others are inferred.
    #[schemars(extend("minProperties" = 1))]
    schema: Option<ByName<String>>,
    /// CSV and JSON: rows from which types are inferred. Default 10000.
    #[schemars(range(min = 1))]
    infer_rows: Option<usize>,
    /// CSV and JSON: the encoding. Default `utf-8`.
    encoding: Option<String>,
    /// CSV: what happens to a row that cannot be read. Default `error`.
    on_bad_rows: Option<OnBadRows>,
}

/// The options of some formats that a config has, which other formats do not take.
#[derive(Clone, Debug, Default)]
pub(super) struct FormatOptions {
    parquet: Vec<&'static str>,
    csv: Vec<&'static str>,
    csv_or_json: Vec<&'static str>,
}

impl FormatOptions {
    /// What is wrong with them for files of this format: each option, and why it has no place.
    pub(super) fn unfit(&self, format: Format) -> Vec<(&'static str, String)> {
        let of = |keys: &[&'static str], formats: &[Format], named: &str| {
            let unfit = if formats.contains(&format) { &[] } else { keys };
            let why = |key| (key, format!("`{key}` is for {named}, and this is {}", format.name()));
            unfit.iter().copied().map(why).collect::<Vec<_>>()
        };
        let mut unfit = of(&self.parquet, &[Format::Parquet], "Parquet");
        unfit.extend(of(&self.csv, &[Format::Csv], "CSV"));
        unfit.extend(of(&self.csv_or_json, &[Format::Csv, Format::Json], "CSV and JSON"));
        unfit
    }
}

impl ReadConfig {
    /// The options of some formats that were given.
    pub(super) fn format_options(&self) -> FormatOptions {
        let given = |keys: &[(&'static str, bool)]| {
            keys.iter().filter(|(_, given)| *given).map(|(key, _)| *key).collect()
        };
        FormatOptions {
            parquet: given(&[("row_groups", self.row_groups.is_some())]),
            csv: given(&[
                ("delimiter", self.delimiter.is_some()),
                ("quote", self.quote.is_some()),
                ("escape", self.escape.is_some()),
                ("comment", self.comment.is_some()),
                ("has_header", self.has_header.is_some()),
                ("names", self.names.is_some()),
                ("skip_rows", self.skip_rows.is_some()),
                ("null_values", self.null_values.is_some()),
                ("on_bad_rows", self.on_bad_rows.is_some()),
            ]),
            csv_or_json: given(&[
                ("schema", self.schema.is_some()),
                ("infer_rows", self.infer_rows.is_some()),
                ("encoding", self.encoding.is_some()),
            ]),
        }
    }

    /// The options of the readers.
    pub(super) fn options(&self, session: &Session) -> Result<ReadOptions, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let mut options = ReadOptions { format: self.format.map(Format::from), ..ReadOptions::default() };
        let mut byte = |key: &str, text: &Option<String>| match text.as_deref().map(str::as_bytes) {
            None | Some([]) => None,
            Some([byte]) if byte.is_ascii() => Some(*byte),
            Some(_) => {
                problems.push(problem(&[key], "this must be one ASCII character", None));
                None
            }
        };
        let csv = &mut options.csv;
        csv.delimiter = byte("delimiter", &self.delimiter);
        if self.quote.is_some() {
            csv.quote = byte("quote", &self.quote);
        }
        csv.escape = byte("escape", &self.escape);
        csv.comment = byte("comment", &self.comment);
        csv.has_header = self.has_header.unwrap_or(csv.has_header);
        csv.names = self.names.clone();
        csv.skip_rows = self.skip_rows.unwrap_or(csv.skip_rows);
        csv.null_values = self.null_values.clone().unwrap_or_default();
        csv.infer_rows = self.infer_rows.unwrap_or(csv.infer_rows);
        options.json.infer_rows = self.infer_rows.unwrap_or(options.json.infer_rows);
        if let Some(encoding) = &self.encoding {
            csv.encoding.clone_from(encoding);
            options.json.encoding.clone_from(encoding);
        }
        csv.on_bad_rows = match self.on_bad_rows.unwrap_or_default() {
            OnBadRows::Error => BadRows::Error,
            OnBadRows::Skip => BadRows::Skip,
        };
        if let Some(columns) = &self.schema {
            let mut fields = Vec::with_capacity(columns.len());
            for (name, kind) in columns {
                match session.data_type(kind) {
                    Ok(kind) => fields.push(Field::new(name, kind, true)),
                    Err(error) => {
                        let hint = bowstring_core::Diagnostic::hint(&error);
                        problems.push(problem(&["schema", name], error.to_string(), hint));
                    }
                }
            }
            let schema = Arc::new(Schema::new(fields));
            csv.schema = Some(Arc::clone(&schema));
            options.json.schema = Some(schema);
        }
        if problems.is_empty() { Ok(options) } else { Err(problems) }
    }
}
