//! Is it still the same file?
//!
//! A file is opened once for its metadata and again for each part. When another process replaces it in
//! between, old metadata would be applied to new bytes.

use std::{fs::File, path::Path, time::SystemTime};

use crate::{IoError, Result};

/// What a file looked like when it was opened first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    length: u64,
    modified: Option<SystemTime>,
}

impl Identity {
    pub(crate) fn of(file: &File, path: &Path) -> Result<Self> {
        let metadata = file.metadata().map_err(|error| IoError::system("read", path, error))?;
        Ok(Self { length: metadata.len(), modified: metadata.modified().ok() })
    }

    pub(crate) fn length(self) -> u64 {
        self.length
    }

    /// [`IoError::Changed`] when `file`, opened later, is not the same.
    pub(crate) fn check(self, file: &File, path: &Path) -> Result<()> {
        if Self::of(file, path)? == self { Ok(()) } else { Err(IoError::Changed { path: path.to_owned() }) }
    }
}
