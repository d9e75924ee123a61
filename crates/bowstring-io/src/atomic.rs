//! How does a file appear whole or not at all?
//!
//! It is written under a hidden name in the folder of its target, synced, and renamed; then the folder
//! is synced. When the writing fails or is given up, the hidden file is removed, and so are folders
//! that were made for it. A process that is killed leaves the hidden file, `.NAME.XXXXXX.tmp`, which
//! readers ignore, and the old target.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::{NamedTempFile, TempDir};

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
    above: Above,
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
        let prefix = hidden(name);
        let above = Above::make(&folder)?;
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
        let temporary = Some(temporary.map_err(cannot)?);
        Ok(Self { temporary, target, mode, above })
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
        self.above.0.clear();
        sync(&folder_of(&self.target)).map_err(cannot)
    }
}

/// A folder that is not there yet: it appears with all of its files when it is [committed](Self::commit), or not at
/// all. Nothing is replaced by it.
#[derive(Debug)]
pub struct AtomicFolder {
    temporary: Option<TempDir>,
    target: PathBuf,
    above: Above,
}

impl AtomicFolder {
    /// Begins a folder. Folders above it are made when they are missing, and removed again when it is given up.
    ///
    /// # Errors
    /// [`IoError::Exists`] when something is there already; when the folder above cannot be written to.
    pub fn create(target: &Path) -> Result<Self> {
        if fs::symlink_metadata(target).is_ok() {
            return Err(IoError::Exists { path: target.to_owned() });
        }
        let Some(name) = target.file_name() else {
            let source = std::io::Error::from(std::io::ErrorKind::InvalidFilename);
            return Err(IoError::system("write", target, source));
        };
        let folder = folder_of(target);
        let above = Above::make(&folder)?;
        let prefix = hidden(name);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".tmp");
        // As any new folder has them.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        let temporary = builder.tempdir_in(&folder);
        let cannot = |error: std::io::Error| IoError::system("write to", &folder, error.kind().into());
        let temporary = Some(temporary.map_err(cannot)?);
        Ok(Self { temporary, target: target.to_owned(), above })
    }

    /// Where its files are written meanwhile.
    pub fn path(&self) -> &Path {
        self.temporary.as_ref().map_or(&self.target, TempDir::path)
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// [`IoError::Exists`] when something is there meanwhile; when the system refuses.
    pub fn commit(mut self) -> Result<()> {
        let cannot = |error| IoError::system("write", &self.target, error);
        let Some(temporary) = self.temporary.take() else {
            return Err(IoError::WriterFailed { path: self.target.clone() });
        };
        if fs::symlink_metadata(&self.target).is_ok() {
            return Err(IoError::Exists { path: self.target.clone() });
        }
        sync(temporary.path()).map_err(cannot)?;
        fs::rename(temporary.path(), &self.target).map_err(cannot)?;
        // Nothing is there any more that it would remove.
        let _gone = temporary.keep();
        self.above.0.clear();
        sync(&folder_of(&self.target)).map_err(cannot)
    }
}

/// Folders that were made above something, outermost first, and are removed again with it.
#[derive(Debug)]
struct Above(Vec<PathBuf>);

impl Above {
    /// Makes a folder, and those above it that are missing.
    fn make(folder: &Path) -> Result<Self> {
        let mut this = Self(Vec::new());
        let missing = folder.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists());
        let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        missing.reverse();
        for part in missing {
            match fs::create_dir(&part) {
                Ok(()) => this.0.push(part),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(IoError::system("make folder", &part, error)),
            }
        }
        Ok(this)
    }
}

impl Drop for Above {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
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

/// What the names begin with of what is not there yet.
fn hidden(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}

/// Without it a name in a folder could be lost with the power; systems but Unix have no such call.
fn sync(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _unused = folder;
    Ok(())
}

fn folder_of(target: &Path) -> PathBuf {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
