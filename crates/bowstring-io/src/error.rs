//! What can go wrong with a file?

use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use bowstring_core::{Cancelled, Diagnostic, ErrorKind};
use parquet::errors::ParquetError;

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
    #[error("no file matches `{pattern}`")]
    NoMatch {
        /// The pattern or folder.
        pattern: String,
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

    pub(crate) fn parquet(path: &Path, error: ParquetError) -> Self {
        IoError::Malformed { path: path.to_owned(), format: "parquet", reason: error.to_string(), hint: None }
    }
}

impl Diagnostic for IoError {
    fn kind(&self) -> ErrorKind {
        match self {
            IoError::System { source, .. } => ErrorKind::of_io(source),
            IoError::NoMatch { .. } => ErrorKind::NotFound,
            IoError::UnknownFormat { .. } => ErrorKind::Usage,
            IoError::Malformed { .. } | IoError::SchemaMismatch { .. } => ErrorKind::Data,
            IoError::Arrow(ArrowError::MemoryError(_)) => ErrorKind::Limit,
            IoError::Arrow(_) => ErrorKind::Data,
            IoError::Cancelled(_) => ErrorKind::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            IoError::UnknownFormat { .. } => Some("name the format".into()),
            IoError::Malformed { hint, .. } => hint.map(str::to_owned),
            _ => None,
        }
    }
}
