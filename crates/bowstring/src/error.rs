//! What can go wrong, in whichever system?

use std::path::{Path, PathBuf};

use bowstring_core::{Cancelled, Diagnostic, ErrorKind};
use bowstring_io::IoError;
use bowstring_query::QueryError;
use bowstring_workflow::{OutputError, Problems, RunError};

/// The result of what the façade does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in whichever system.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing files.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A frame or a query.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A graph.
    #[cfg(feature = "graph")]
    #[error(transparent)]
    Graph(Box<bowstring_graph::GraphError>),
    /// A tokenizer.
    #[cfg(feature = "tokenizer")]
    #[error(transparent)]
    Tokenizer(Box<bowstring_tokenizer::TokenizerError>),
    /// The weights of a model.
    #[cfg(feature = "quant")]
    #[error(transparent)]
    Quant(Box<bowstring_quant::QuantError>),
    /// A workflow document.
    #[error(transparent)]
    Document(#[from] Problems),
    /// Columns that make no table, or cannot be converted.
    #[error("the columns make no table: {reason}")]
    Table {
        /// Why not.
        reason: String,
    },
    /// What went wrong with a file, which the error itself does not name.
    #[error("{source}")]
    At {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: Box<Error>,
    },
    /// A workflow that cannot be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An output that cannot be had.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

#[cfg(feature = "graph")]
impl From<bowstring_graph::GraphError> for Error {
    fn from(error: bowstring_graph::GraphError) -> Self {
        Error::Graph(Box::new(error))
    }
}

#[cfg(feature = "tokenizer")]
impl From<bowstring_tokenizer::TokenizerError> for Error {
    fn from(error: bowstring_tokenizer::TokenizerError) -> Self {
        Error::Tokenizer(Box::new(error))
    }
}

#[cfg(feature = "quant")]
impl From<bowstring_quant::QuantError> for Error {
    fn from(error: bowstring_quant::QuantError) -> Self {
        match error {
            bowstring_quant::QuantError::Io(error) => Error::Io(error),
            bowstring_quant::QuantError::Cancelled(cancelled) => Error::Cancelled(cancelled),
            error => Error::Quant(Box::new(error)),
        }
    }
}

impl Error {
    /// An error of putting columns together.
    pub fn table(error: arrow::error::ArrowError) -> Self {
        Error::Table { reason: error.to_string() }
    }

    /// The same, and that it is about this file, unless it says where already.
    #[must_use]
    pub fn at(self, path: &Path) -> Self {
        match &self {
            Error::Io(_) | Error::Cancelled(_) => self,
            _ => Error::At { path: path.to_owned(), source: Box::new(self) },
        }
    }

    fn inner(&self) -> Option<&dyn Diagnostic> {
        Some(match self {
            Error::Table { .. } => return None,
            Error::At { source, .. } => return source.inner(),
            Error::Io(error) => error,
            Error::Query(error) => error,
            #[cfg(feature = "graph")]
            Error::Graph(error) => error.as_ref(),
            #[cfg(feature = "tokenizer")]
            Error::Tokenizer(error) => error.as_ref(),
            #[cfg(feature = "quant")]
            Error::Quant(error) => error.as_ref(),
            Error::Document(error) => error,
            Error::Run(error) => error,
            Error::Output(error) => error,
            Error::Cancelled(error) => error,
        })
    }
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        self.inner().map_or(ErrorKind::Data, Diagnostic::kind)
    }

    fn place(&self) -> Option<String> {
        let place = self.inner().and_then(Diagnostic::place);
        match (self, place) {
            (Error::At { path, .. }, Some(place)) => Some(format!("{}, {place}", path.display())),
            (Error::At { path, .. }, None) => Some(path.display().to_string()),
            (_, place) => place,
        }
    }

    fn hint(&self) -> Option<String> {
        self.inner().and_then(Diagnostic::hint)
    }
}
