//! What can go wrong on the command line, and with which exit code does that end?

use std::{
    io,
    path::{Path, PathBuf},
};

use bowstring::workflow::{Failure, StepError};
use bowstring::{Diagnostic, Error, ErrorKind, graph::GraphError, io::IoError};

/// The result of a command.
pub(crate) type Result<T, E = CliError> = std::result::Result<T, E>;

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The engine's word.
    #[error(transparent)]
    Engine(Error),
    /// A file that the command itself reads or writes.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: io::Error,
    },
    /// Stdout cannot be written.
    #[error("cannot write to stdout: {0}")]
    Stdout(io::Error),
    /// Something on the command line that its definitions cannot see.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// How to mend it.
        hint: Option<String>,
    },
    /// Rows that cannot be shown as text.
    #[error("cannot show the rows: {0}")]
    Unprintable(String),
    /// A document that is no text.
    #[error("`{}` is not UTF-8", path.display())]
    NotText {
        /// The document.
        path: PathBuf,
    },
    /// A line of a text that is none.
    #[error("the line is not valid UTF-8 after {bytes} bytes")]
    LineNotText {
        /// The text.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// How many bytes of the line are right.
        bytes: usize,
    },
    /// A step that failed, or whose plan is wrong.
    #[error("{}{}", step.as_ref().map(|step| format!("step `{step}`: ")).unwrap_or_default(), error.message)]
    Step {
        /// The step; `None` where it is the whole workflow that cannot be run.
        step: Option<String>,
        /// Why.
        error: Failure,
    },
    /// A run that was stopped.
    #[error("the run was stopped before it was done")]
    Stopped,
    /// What `import` brought about.
    #[error("cannot import `{module}`: {message}")]
    Import {
        /// The module.
        module: String,
        /// What its code raised.
        message: String,
    },
}

/// The result of a write to stdout, by this name in messages of [`bowstring::io`].
pub(crate) const STDOUT: &str = "stdout";

impl<E: Into<Error>> From<E> for CliError {
    fn from(error: E) -> Self {
        match error.into() {
            Error::Io(IoError::System { path, source, .. }) if path == Path::new(STDOUT) => {
                CliError::Stdout(source)
            }
            error => CliError::Engine(error),
        }
    }
}

impl CliError {
    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        CliError::File { action, path: path.to_owned(), source }
    }

    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        CliError::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// An error of planning a workflow.
    pub(crate) fn of_step(error: StepError) -> Self {
        let message = match error.place {
            Some(place) => format!("{}\n  at {place}", error.message),
            None => error.message,
        };
        CliError::Step { step: error.step, error: Failure { kind: error.kind, message, hint: error.hint } }
    }

    /// Whether it only means that the reader of stdout has gone, which is no failure.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, CliError::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The flag that mends an error, which the engine's own hint does not know.
fn flag(error: &Error) -> Option<&'static str> {
    match error {
        Error::At { source, .. } => flag(source),
        Error::Graph(error) => match **error {
            GraphError::NoWeights { .. } => Some("name the column of the weights with `--weight`"),
            GraphError::WrongDirection { expected: "undirected", .. } => {
                Some("`--undirected` forgets the directions")
            }
            GraphError::WrongDirection { .. } => Some("leave out `--undirected`"),
            _ => None,
        },
        Error::Io(IoError::UnknownFormat { path }) if path == Path::new("-") => {
            Some("name the format with `--from`, as `--from csv`")
        }
        _ => None,
    }
}

impl Diagnostic for CliError {
    fn kind(&self) -> ErrorKind {
        match self {
            CliError::Engine(error) => error.kind(),
            CliError::File { source, .. } | CliError::Stdout(source) => ErrorKind::of_io(source),
            CliError::Usage { .. } => ErrorKind::Usage,
            CliError::Unprintable(_) | CliError::LineNotText { .. } => ErrorKind::Data,
            CliError::NotText { .. } => ErrorKind::InvalidWorkflow,
            CliError::Step { error, .. } => error.kind,
            CliError::Stopped => ErrorKind::Cancelled,
            CliError::Import { .. } => ErrorKind::Failed,
        }
    }

    fn place(&self) -> Option<String> {
        match self {
            CliError::Engine(error) => error.place(),
            CliError::LineNotText { path, line, .. } => Some(format!("{}, line {line}", path.display())),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CliError::Engine(error) => flag(error).map(str::to_owned).or_else(|| error.hint()),
            CliError::Usage { hint, .. } => hint.clone(),
            CliError::Step { error, .. } => error.hint.clone(),
            CliError::NotText { .. } => Some("save the document as UTF-8".into()),
            CliError::LineNotText { .. } => Some("save the text as UTF-8".into()),
            _ => None,
        }
    }
}
