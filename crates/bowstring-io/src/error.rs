//! What can go wrong with a file?

use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use bowstring_core::{Cancelled, Diagnostic, ErrorKind, quoted_list};
use parquet::errors::ParquetError;

use crate::RowProblem;

/// The result of reading or writing.
pub type Result<T, E = IoError> = std::result::Result<T, E>;

/// What went wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    System {
        /// What was tried: `open`, `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// A path or pattern matches no file.
    #[error("{}", no_match(pattern))]
    NoMatch {
        /// The pattern or folder.
        pattern: String,
    },
    /// A pattern cannot be understood.
    #[error("`{pattern}` is not a valid pattern: {reason}")]
    InvalidPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The name's ending says nothing.
    #[error("cannot tell the format of `{}` from its name", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what its format demands.
    #[error("`{}` is not a valid {format} file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: &'static str,
        /// What is wrong, in the reader's words.
        reason: String,
        /// How to mend it, when there is a way.
        hint: Option<&'static str>,
    },
    /// Two files of a dataset do not go together.
    #[error("`{}` has another schema than the first file: {reason}", path.display())]
    SchemaMismatch {
        /// The file that differs.
        path: PathBuf,
        /// The difference.
        reason: String,
    },
    /// A row of a text file is not what it should be. Rows count from 1, the header, blank lines and
    /// comments not counted; lines count from 1 and are those that an editor shows.
    #[error("{problem}")]
    Row {
        /// The file.
        path: PathBuf,
        /// The row.
        row: u64,
        /// The line on which it begins.
        line: u64,
        /// The column, by its name; dotted when nested.
        column: Option<String>,
        /// What is wrong with it.
        problem: RowProblem,
    },
    /// A header names two columns alike.
    #[error("column `{name}` stands in the header twice, at {first} and at {second}")]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// Its first place; the first column is 1.
        first: usize,
        /// Its second place.
        second: usize,
    },
    /// A text file without a row, or without a header, to take the columns from.
    #[error("`{}` holds no {missing}", path.display())]
    NoColumns {
        /// The file.
        path: PathBuf,
        /// What it lacks: `header` or `rows`.
        missing: &'static str,
    },
    /// Bytes that the named encoding does not know.
    #[error("`{}` is not valid {encoding}", path.display())]
    NotInEncoding {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The encoding.
        encoding: &'static str,
    },
    /// A value that the format cannot hold.
    #[error("{value} cannot be written as {format}")]
    UnsupportedValue {
        /// What kind of value: `NaN`, `an infinity`, `a NUL byte`.
        value: &'static str,
        /// The format.
        format: &'static str,
        /// The column.
        column: String,
        /// The row of what is written, from 1.
        row: u64,
    },
    /// Files of two formats were given as one dataset.
    #[error("`{}` is {found}, but the first file is {expected}", path.display())]
    MixedFormats {
        /// The file that differs.
        path: PathBuf,
        /// Its format.
        found: &'static str,
        /// The first file's format.
        expected: &'static str,
    },
    /// The folders above a file have other keys than those above the first file.
    #[error(
        "`{}` lies in folders with {}, but the first file with {}",
        path.display(), keys(found), keys(expected)
    )]
    PartitionMismatch {
        /// The file that differs.
        path: PathBuf,
        /// The keys of its folders.
        found: Vec<String>,
        /// The keys of the first file's folders.
        expected: Vec<String>,
    },
    /// The names of the folders above a file cannot become columns.
    #[error("the folders of `{}` cannot become columns: {reason}", path.display())]
    InvalidPartition {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        reason: String,
    },
    /// A batch to be written is not what its writer was made for.
    #[error("a batch does not fit `{}`: {reason}", path.display())]
    BatchMismatch {
        /// The file that is written.
        path: PathBuf,
        /// The difference.
        reason: String,
    },
    /// A column that was asked for does not exist.
    #[error("there is no column `{name}`")]
    UnknownColumn {
        /// What was asked for.
        name: String,
        /// The nearest name that exists, when one is near.
        nearest: Option<String>,
        /// The names that exist.
        known: Vec<String>,
    },
    /// An option's value makes no sense, or not for these files.
    #[error("`{option}` {reason}")]
    InvalidOption {
        /// The option.
        option: &'static str,
        /// What is wrong with its value.
        reason: String,
        /// How to mend it, when there is a way.
        hint: Option<&'static str>,
    },
    /// The file changed between two reads.
    #[error("`{}` changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file exists, and must not be overwritten.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A format cannot hold a type.
    #[error("column `{column}` of type {data_type} cannot be written as {format}")]
    Unwritable {
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
        /// The format.
        format: &'static str,
        /// How to mend it, when there is a way.
        hint: Option<&'static str>,
    },
    /// A writer was used after one of its writes had failed.
    #[error("the writing of `{}` had failed before", path.display())]
    WriterFailed {
        /// The file.
        path: PathBuf,
    },
    /// A computation on what was read failed.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl IoError {
    pub(crate) fn system(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        IoError::System { action, path: path.to_owned(), source }
    }

    /// An error of the Parquet reader: the operating system's, where it says so, or a malformed file.
    pub(crate) fn parquet(path: &Path, error: ParquetError) -> Self {
        match error {
            ParquetError::External(source) => match source.downcast::<std::io::Error>() {
                Ok(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
                    Self::system("read", path, *source)
                }
                Ok(source) => Self::malformed(path, "parquet", source),
                Err(source) => Self::malformed(path, "parquet", source),
            },
            ParquetError::General(text) => Self::malformed(path, "parquet", text),
            error => Self::malformed(path, "parquet", error),
        }
    }

    pub(crate) fn malformed(path: &Path, format: &'static str, reason: impl std::fmt::Display) -> Self {
        IoError::Malformed { path: path.to_owned(), format, reason: reason.to_string(), hint: None }
    }

    /// The file that it is about, when there is one.
    pub(crate) fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            IoError::System { path, .. }
            | IoError::UnknownFormat { path }
            | IoError::Malformed { path, .. }
            | IoError::SchemaMismatch { path, .. }
            | IoError::Row { path, .. }
            | IoError::DuplicateColumn { path, .. }
            | IoError::NoColumns { path, .. }
            | IoError::NotInEncoding { path, .. }
            | IoError::Changed { path } => Some(path),
            _ => None,
        }
    }

    pub(crate) fn option(option: &'static str, reason: impl Into<String>) -> Self {
        IoError::InvalidOption { option, reason: reason.into(), hint: None }
    }
}

fn no_match(pattern: &str) -> String {
    if pattern.is_empty() { "no path was given".into() } else { format!("no file matches `{pattern}`") }
}

fn keys(keys: &[String]) -> String {
    match keys {
        [] => "no `key=value`".into(),
        [key] => format!("the key `{key}`"),
        keys => format!("the keys {}", quoted_list(keys.iter().map(String::as_str))),
    }
}

impl Diagnostic for IoError {
    fn kind(&self) -> ErrorKind {
        match self {
            IoError::System { source, .. } => ErrorKind::of_io(source),
            IoError::NoMatch { .. } => ErrorKind::NotFound,
            IoError::InvalidPattern { .. }
            | IoError::UnknownFormat { .. }
            | IoError::MixedFormats { .. }
            | IoError::UnknownColumn { .. }
            | IoError::InvalidOption { .. }
            | IoError::Unwritable { .. } => ErrorKind::Usage,
            IoError::Row { problem: RowProblem::TooLong, .. } => ErrorKind::Limit,
            IoError::Malformed { .. }
            | IoError::Row { .. }
            | IoError::DuplicateColumn { .. }
            | IoError::NoColumns { .. }
            | IoError::NotInEncoding { .. }
            | IoError::UnsupportedValue { .. }
            | IoError::SchemaMismatch { .. }
            | IoError::PartitionMismatch { .. }
            | IoError::InvalidPartition { .. }
            | IoError::BatchMismatch { .. } => ErrorKind::Data,
            IoError::Changed { .. } | IoError::Exists { .. } | IoError::WriterFailed { .. } => {
                ErrorKind::Storage
            }
            IoError::Arrow(ArrowError::MemoryError(_)) => ErrorKind::Limit,
            IoError::Arrow(_) => ErrorKind::Data,
            IoError::Cancelled(_) => ErrorKind::Cancelled,
        }
    }

    fn place(&self) -> Option<String> {
        match self {
            IoError::Row { path, row, line, column, .. } => {
                let place = format!("{}, row {row} (line {line})", path.display());
                Some(match column {
                    Some(column) => format!("{place}, column `{column}`"),
                    None => place,
                })
            }
            IoError::DuplicateColumn { path, .. } => Some(path.display().to_string()),
            IoError::NotInEncoding { path, line, .. } => Some(format!("{}, line {line}", path.display())),
            IoError::UnsupportedValue { column, row, .. } => Some(format!("row {row}, column `{column}`")),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            IoError::Row { problem, .. } => problem.hint(),
            IoError::DuplicateColumn { .. } => {
                Some("give the columns names of their own with `names`".into())
            }
            IoError::NoColumns { missing: "header", .. } => {
                Some("write a header, or give the columns' names in `names`".into())
            }
            IoError::NoColumns { .. } => Some("give the columns in `schema`".into()),
            IoError::NotInEncoding { .. } => Some("name the text's own `encoding`".into()),
            IoError::UnsupportedValue { .. } => Some("replace such values, or write Parquet".into()),
            IoError::UnknownFormat { .. } => Some("name the format".into()),
            IoError::MixedFormats { .. } => Some("read the files of each format on their own".into()),
            IoError::PartitionMismatch { .. } => {
                Some("give every file a folder for each key, or read the files as a list".into())
            }
            IoError::UnknownColumn { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?"))
            }
            IoError::UnknownColumn { known, .. } => {
                Some(format!("there are {}", quoted_list(known.iter().map(String::as_str))))
            }
            IoError::Exists { .. } => Some("remove it, or allow overwriting".into()),
            IoError::Changed { .. } => Some("read it again when its writer is done".into()),
            IoError::Malformed { hint, .. }
            | IoError::InvalidOption { hint, .. }
            | IoError::Unwritable { hint, .. } => hint.map(str::to_owned),
            _ => None,
        }
    }
}
