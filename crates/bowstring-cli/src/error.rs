//! What can go wrong on the command line, and with which exit code does that end?

use std::path::{Path, PathBuf};

use bowstring::{Diagnostic, ErrorKind};

/// The result of a command.
pub(crate) type Result<T, E = CliError> = std::result::Result<T, E>;

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The engine's word.
    #[error(transparent)]
    Engine(#[from] bowstring::Error),
    /// A file that the command itself reads or writes.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// Stdout cannot be written.
    #[error("cannot write to stdout: {0}")]
    Stdout(#[from] std::io::Error),
    /// Something on the command line that clap cannot see.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// How to mend it.
        hint: Option<String>,
    },
    /// Rows cannot be written in the chosen format.
    #[error("cannot write the rows as {format}: {reason}")]
    Format {
        /// The format.
        format: &'static str,
        /// Why.
        reason: String,
    },
    /// The run ended with this failure, which the report already tells.
    #[error("{message}")]
    Run {
        /// The kind of the first failure in time.
        kind: ErrorKind,
        /// What it was.
        message: String,
        /// The step and the place.
        place: Option<String>,
        /// How to mend it.
        hint: Option<String>,
    },
    /// Problems of a document, one after the other.
    #[error("{}", problems.first().map_or("", |problem| problem.as_str()))]
    Problems {
        /// Each rendered.
        problems: Vec<String>,
    },
}

impl CliError {
    pub(crate) fn file(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        CliError::File { action, path: path.to_owned(), source }
    }

    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        CliError::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// Whether it only means that the reader of stdout has gone, which is no failure.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, CliError::Stdout(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl Diagnostic for CliError {
    fn kind(&self) -> ErrorKind {
        match self {
            CliError::Engine(error) => error.kind(),
            CliError::File { source, .. } | CliError::Stdout(source) => ErrorKind::of_io(source),
            CliError::Usage { .. } => ErrorKind::Usage,
            CliError::Format { .. } => ErrorKind::Data,
            CliError::Run { kind, .. } => *kind,
            CliError::Problems { .. } => ErrorKind::InvalidWorkflow,
        }
    }

    fn place(&self) -> Option<String> {
        match self {
            CliError::Engine(error) => error.place(),
            CliError::Run { place, .. } => place.clone(),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CliError::Engine(error) => error.hint(),
            CliError::Usage { hint, .. } | CliError::Run { hint, .. } => hint.clone(),
            _ => None,
        }
    }
}
