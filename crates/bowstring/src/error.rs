//! What can go wrong, in whichever system?

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
    /// A workflow document.
    #[error(transparent)]
    Document(#[from] Problems),
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

impl Error {
    fn inner(&self) -> &dyn Diagnostic {
        match self {
            Error::Io(error) => error,
            Error::Query(error) => error,
            Error::Document(error) => error,
            Error::Run(error) => error,
            Error::Output(error) => error,
            Error::Cancelled(error) => error,
        }
    }
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        self.inner().kind()
    }

    fn place(&self) -> Option<String> {
        self.inner().place()
    }

    fn hint(&self) -> Option<String> {
        self.inner().hint()
    }
}
