//! How does a file appear whole or not at all?
//!
//! It is written under a hidden name in the folder of its target, synced, and renamed; then the folder
//! is synced. When the writing fails or is given up, the hidden file is removed, and so are folders
//! that were made for it. A process that is killed leaves the hidden file, `.NAME.XXXXXX.tmp`, which
//! readers ignore, and the old target.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::{IoError, Result, WriteMode};

/// Writes a file that no writer of this crate knows: what `write` puts out appears as a whole, in the place
/// of what was there, or not at all.
///
/// # Errors
/// When the file cannot be written, or `write` fails.
pub fn write_file<E: From<IoError>>(
    target: &Path,
    mode: WriteMode,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    let file = AtomicFile::create(target, mode)?;
    let mut out = BufWriter::new(file.handle()?);
    write(&mut out)?;
    out.flush().map_err(|error| IoError::system("write", target, error))?;
    drop(out);
    Ok(file.commit()?)
}

/// A file that is not there yet: it appears when it is [committed](Self::commit), in the place of what was there,
/// or not at all.
#[derive(Debug)]
pub struct AtomicFile {
    temporary: Option<NamedTempFile>,
    target: PathBuf,
    mode: WriteMode,
    /// Folders made for the target, outermost first.
    made: Vec<PathBuf>,
}

impl AtomicFile {
    /// Begins a file. Folders above it are made when they are missing, and removed again when it is given up.
    ///
    /// # Errors
    /// When the target is a folder, or exists and must not be replaced, or its folder cannot be written to.
    pub fn create(target: &Path, mode: WriteMode) -> Result<Self> {
        let target = resolve(target)?;
        match (fs::metadata(&target), mode) {
            (Ok(metadata), _) if metadata.is_dir() => {
                let source = std::io::Error::from(std::io::ErrorKind::IsADirectory);
                return Err(IoError::system("write", &target, source));
            }
            (Ok(_), WriteMode::Error) => return Err(IoError::Exists { path: target }),
            _ => {}
        }
        let Some(name) = target.file_name() else {
            let source = std::io::Error::from(std::io::ErrorKind::InvalidFilename);
            return Err(IoError::system("write", &target, source));
        };
        let folder = folder_of(&target);
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let mut this = Self { temporary: None, target: target.clone(), mode, made: Vec::new() };
        this.make_folders(&folder)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".tmp");
        // A file that is overwritten keeps its permissions; a new one gets what the umask leaves.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let new = fs::Permissions::from_mode(0o666);
            builder.permissions(fs::metadata(&target).map_or(new, |metadata| metadata.permissions()));
        }
        let temporary = builder.tempfile_in(&folder);
        // Of the error only its kind: its text has the hidden name.
        let cannot = |error: std::io::Error| IoError::system("write to", &folder, error.kind().into());
        this.temporary = Some(temporary.map_err(cannot)?);
        Ok(this)
    }

    /// A handle to write with.
    ///
    /// # Errors
    /// When the system refuses one.
    pub fn handle(&self) -> Result<File> {
        let cannot = |error| IoError::system("write", &self.target, error);
        match &self.temporary {
            Some(temporary) => temporary.as_file().try_clone().map_err(cannot),
            None => Err(IoError::WriterFailed { path: self.target.clone() }),
        }
    }

    /// A file without a name in the same folder, for bytes whose place in this one is not known yet.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn scratch(&self) -> Result<File> {
        let folder = folder_of(&self.target);
        tempfile::tempfile_in(&folder)
            .map_err(|error| IoError::system("write to", &folder, error.kind().into()))
    }

    /// Puts what was written in the target's place.
    ///
    /// # Errors
    /// When the system refuses, or the target must not be replaced and exists meanwhile.
    pub fn commit(mut self) -> Result<()> {
        let Some(temporary) = self.temporary.take() else {
            return Err(IoError::WriterFailed { path: self.target.clone() });
        };
        let cannot = |error| IoError::system("write", &self.target, error);
        temporary.as_file().sync_all().map_err(cannot)?;
        match self.mode {
            WriteMode::Overwrite => temporary.persist(&self.target),
            WriteMode::Error => temporary.persist_noclobber(&self.target),
        }
        .map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => IoError::Exists { path: self.target.clone() },
            _ => cannot(error.error),
        })?;
        self.made.clear();
        // Without it the rename could be lost with the power; other systems have no such call.
        #[cfg(unix)]
        File::open(folder_of(&self.target)).and_then(|folder| folder.sync_all()).map_err(cannot)?;
        Ok(())
    }

    fn make_folders(&mut self, folder: &Path) -> Result<()> {
        let missing = folder.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists());
        let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        missing.reverse();
        for part in missing {
            match fs::create_dir(&part) {
                Ok(()) => self.made.push(part),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(IoError::system("make folder", &part, error)),
            }
        }
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        self.temporary = None;
        for folder in self.made.iter().rev() {
            // It stays when somebody else has put something there meanwhile.
            let _kept = fs::remove_dir(folder);
        }
    }
}

/// The file that a symbolic link leads to, so that the link stays.
fn resolve(target: &Path) -> Result<PathBuf> {
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_symlink() => {
            fs::canonicalize(target).map_err(|error| IoError::system("write", target, error))
        }
        _ => Ok(target.to_owned()),
    }
}

fn folder_of(target: &Path) -> PathBuf {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
