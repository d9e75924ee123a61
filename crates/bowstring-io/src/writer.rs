//! How is a table written?

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

use arrow::{
    array::{Array, RecordBatch},
    datatypes::SchemaRef,
};

use crate::{
    CsvWriteOptions, Format, IoError, IpcWriteOptions, ParquetWriteOptions, Result,
    atomic::AtomicFile,
    encoder::{Encoder, encoder},
    sink::{Progress, Sink},
};

/// How a table is written. Options of a format that is not written have no effect.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// The format; from the name's ending when `None`.
    pub format: Option<Format>,
    /// What happens when the file exists.
    pub mode: WriteMode,
    /// How Parquet is written.
    pub parquet: ParquetWriteOptions,
    /// How Arrow IPC is written.
    pub ipc: IpcWriteOptions,
    /// How CSV and TSV are written.
    pub csv: CsvWriteOptions,
}

/// What happens when the file exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteMode {
    /// It is replaced, at once and as a whole.
    #[default]
    Overwrite,
    /// [`IoError::Exists`].
    Error,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes batches to one file, which appears as a whole when [finished](Writer::finish), or not at all.
///
/// Until then nothing is at the target, or the old file is. Dropping the writer gives the file up and
/// leaves nothing behind. A killed process may leave a hidden `.NAME.XXXXXX.tmp` beside the target,
/// which is ignored when a folder is read.
pub struct Writer {
    /// `None` once a write has failed.
    encoder: Option<Box<dyn Encoder>>,
    progress: Progress,
    /// `None` for a stream, and for a device or pipe, which cannot be replaced.
    file: Option<AtomicFile>,
    path: PathBuf,
    schema: SchemaRef,
    rows: u64,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("path", &self.path).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Writer {
    /// Begins a file. Folders above it are made when they are missing. A symbolic link stays, and what
    /// it leads to is replaced; a device or a named pipe is written to as it is.
    ///
    /// # Errors
    /// When the format is unknown or cannot hold the schema, an option is out of range, the target
    /// exists and must not be replaced, or the folder cannot be written to.
    pub fn create(target: &Path, schema: &SchemaRef, options: &WriteOptions) -> Result<Self> {
        let format = options.format.map_or_else(|| Format::of_path(target), Ok)?;
        let (file, inner): (_, Box<dyn Write + Send>) = if is_special(target) {
            let opened = OpenOptions::new().write(true).open(target);
            (None, Box::new(opened.map_err(|error| IoError::system("open", target, error))?))
        } else {
            let file = AtomicFile::create(target, options.mode)?;
            let handle = file.handle()?;
            (Some(file), Box::new(handle))
        };
        Self::begin(inner, file, target, format, schema, options)
    }

    /// Begins to write to a stream, such as standard output; `name` stands for it in messages. What
    /// was written before a failure stays written.
    ///
    /// # Errors
    /// When no format is given or it cannot hold the schema, or an option is out of range.
    pub fn to(
        stream: Box<dyn Write + Send>,
        name: &Path,
        schema: &SchemaRef,
        options: &WriteOptions,
    ) -> Result<Self> {
        let format = options.format.map_or_else(|| Format::of_path(name), Ok)?;
        Self::begin(stream, None, name, format, schema, options)
    }

    fn begin(
        inner: Box<dyn Write + Send>,
        file: Option<AtomicFile>,
        path: &Path,
        format: Format,
        schema: &SchemaRef,
        options: &WriteOptions,
    ) -> Result<Self> {
        let (sink, progress) = Sink::new(inner);
        let encoder = encoder(format, sink, path, schema, options)
            .map_err(|error| failure(&progress, path).unwrap_or(error))?;
        let (path, schema) = (path.to_owned(), SchemaRef::clone(schema));
        Ok(Self { encoder: Some(encoder), progress, file, path, schema, rows: 0 })
    }

    /// Writes a batch of the writer's schema.
    ///
    /// # Errors
    /// When the batch has another schema, holds what the format cannot, or the system refuses the
    /// bytes. After an error every later call is [`IoError::WriterFailed`], and the file is given up.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.check(batch)?;
        let Some(mut encoder) = self.encoder.take() else {
            return Err(IoError::WriterFailed { path: self.path.clone() });
        };
        match encoder.write(batch) {
            Ok(()) => {
                self.encoder = Some(encoder);
                self.rows += batch.num_rows() as u64;
                Ok(())
            }
            Err(error) => {
                self.file = None;
                Err(failure(&self.progress, &self.path).unwrap_or(error))
            }
        }
    }

    /// Ends the file, waits until it is on the disk, and puts it in the target's place.
    ///
    /// # Errors
    /// When the system refuses, or a write had failed before; then the target is as it was.
    pub fn finish(mut self) -> Result<Written> {
        let Some(encoder) = self.encoder.take() else {
            return Err(IoError::WriterFailed { path: self.path.clone() });
        };
        let done = encoder
            .finish()
            .and_then(|mut sink| sink.flush().map_err(|error| IoError::system("write", &self.path, error)));
        done.map_err(|error| failure(&self.progress, &self.path).unwrap_or(error))?;
        if let Some(file) = self.file.take() {
            file.commit()?;
        }
        Ok(Written { rows: self.rows, bytes: self.progress.bytes() })
    }

    fn check(&self, batch: &RecordBatch) -> Result<()> {
        let mismatch = |reason: String| IoError::BatchMismatch { path: self.path.clone(), reason };
        let (own, theirs) = (self.schema.fields(), batch.schema_ref().fields());
        if own.len() != theirs.len() {
            return Err(mismatch(format!("a batch has {} columns, not {}", theirs.len(), own.len())));
        }
        for ((own, theirs), array) in own.iter().zip(theirs).zip(batch.columns()) {
            if own.name() != theirs.name() || own.data_type() != theirs.data_type() {
                return Err(mismatch(format!(
                    "a batch has column `{}` of type {} in place of `{}` of type {}",
                    theirs.name(),
                    theirs.data_type(),
                    own.name(),
                    own.data_type()
                )));
            }
            if !own.is_nullable() && array.null_count() > 0 {
                return Err(mismatch(format!("column `{}` has nulls, which it must not", own.name())));
            }
        }
        Ok(())
    }
}

fn failure(progress: &Progress, path: &Path) -> Option<IoError> {
    progress.failure().map(|source| IoError::system("write", path, source))
}

/// Whether the path is something that is written to, and not replaced: a device, a pipe, a socket.
fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}
