//! `--events`: what happens in a run, one JSON object a line.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use bowstring::workflow::{Event, EventKind, Observer};

use crate::error::{CliError, Result};

/// A file of events. The first failure is kept: a run does not end because nobody can follow it.
pub(crate) struct EventFile {
    path: PathBuf,
    out: BufWriter<File>,
    failure: Option<io::Error>,
}

impl EventFile {
    /// Begins the file; an old one is replaced.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| CliError::file("write", path, error))?;
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file), failure: None })
    }

    /// Tells whether every event was written.
    pub(crate) fn finish(mut self) -> Result<()> {
        let flushed = self.out.flush();
        match self.failure.take().or(flushed.err()) {
            None => Ok(()),
            Some(error) => Err(CliError::file("write", &self.path, error)),
        }
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, event)?;
        self.out.write_all(b"\n")?;
        match event.kind {
            // Who follows the file sees what happens as it happens; progress alone can wait.
            EventKind::StepProgress { .. } => Ok(()),
            _ => self.out.flush(),
        }
    }
}

impl Observer for &mut EventFile {
    fn observe(&mut self, event: &Event) {
        if self.failure.is_none() {
            self.failure = self.write(event).err();
        }
    }
}
