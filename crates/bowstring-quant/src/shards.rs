//! How are packed weights kept in several files?
//!
//! They are the Parquet files of a folder, `model-00001-of-00003.parquet` and so on, each of which has whole tensors.
//! The names say how many there are; each file says what the checksums of all tensors
//! before it come to, so that one of another model, or of other settings, is found out.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt, fs,
    hash::Hasher,
    num::NonZero,
    path::{Path, PathBuf},
};

use bowstring_io::{AtomicFolder, IoError, Written};
use twox_hash::XxHash3_64;

use crate::{ModelWriter, QuantError, Result, Stored, Tensor, file, writer::rows};

/// What a file says under it: what all before it come to.
pub(crate) const SHARD_KEY: &str = "bowstring.shard";

/// The checksums of tensors, one after the other.
#[derive(Clone, Default)]
pub(crate) struct Chain(XxHash3_64);

impl Chain {
    pub(crate) fn add(&mut self, checksum: u64) {
        self.0.write(&checksum.to_le_bytes());
    }

    /// What they come to so far, as a file says it.
    pub(crate) fn seal(&self) -> String {
        format!("{:016x}", self.0.finish())
    }
}

/// The files of a folder that is not there yet.
pub(crate) struct Shards {
    path: PathBuf,
    folder: AtomicFolder,
    metadata: BTreeMap<String, String>,
    /// How many bytes of tensors each may have.
    most: u64,
    /// The one that is written, and how many bytes of tensors it has.
    open: Option<(ModelWriter, u64)>,
    done: Vec<Written>,
    chain: Chain,
    /// Whether nothing can be written any more.
    failed: bool,
}

impl fmt::Debug for Shards {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Shards")
            .field("folder", &self.folder)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

impl Shards {
    pub(crate) fn create(
        path: &Path,
        metadata: BTreeMap<String, String>,
        most: NonZero<u64>,
    ) -> Result<Self> {
        let folder = AtomicFolder::create(path)?;
        let (most, done, chain) = (most.get(), Vec::new(), Chain::default());
        let path = path.to_owned();
        Ok(Self { path, folder, metadata, most, open: None, done, chain, failed: false })
    }

    /// Writes a tensor into the file that is open, or begins another where it would have too many bytes.
    pub(crate) fn put(&mut self, tensor: &Tensor<'_>, stored: &Stored, bytes: [&[u8]; 3]) -> Result<()> {
        self.has_not_failed()?;
        let done = self.add(tensor, stored, bytes);
        self.failed = done.is_err();
        done.map_err(|error| self.told(error))
    }

    fn has_not_failed(&self) -> Result<()> {
        match self.failed {
            true => Err(IoError::WriterFailed { path: self.path.clone() }.into()),
            false => Ok(()),
        }
    }

    /// An error of one of the files, whose name is hidden still: it is the folder's.
    fn told(&self, error: QuantError) -> QuantError {
        match error {
            QuantError::Io(IoError::System { action, path, source })
                if path.starts_with(self.folder.path()) =>
            {
                IoError::System { action, path: self.path.clone(), source }.into()
            }
            error => error,
        }
    }

    fn add(&mut self, tensor: &Tensor<'_>, stored: &Stored, bytes: [&[u8]; 3]) -> Result<()> {
        let takes: u64 = bytes.iter().map(|part| part.len() as u64).sum();
        let fits = |(_, before): &(ModelWriter, u64)| *before == 0 || before + takes <= self.most;
        let (mut writer, before) = match self.open.take() {
            Some(open) if fits(&open) => open,
            full => {
                self.close(full)?;
                (self.begin()?, 0)
            }
        };
        writer.put(tensor, stored, bytes)?;
        for (_, bytes) in rows(tensor, stored, bytes) {
            self.chain.add(file::checksum(bytes));
        }
        self.open = Some((writer, before + takes));
        Ok(())
    }

    fn begin(&self) -> Result<ModelWriter> {
        let mut metadata = self.metadata.clone();
        metadata.insert(SHARD_KEY.to_owned(), self.chain.seal());
        ModelWriter::create(&self.folder.path().join(unfinished(self.done.len())), metadata)
    }

    fn close(&mut self, open: Option<(ModelWriter, u64)>) -> Result<()> {
        if let Some((writer, _)) = open {
            self.done.push(writer.finish()?);
        }
        Ok(())
    }

    /// Gives files and folder their names.
    pub(crate) fn finish(mut self) -> Result<Written> {
        self.has_not_failed()?;
        // A model without tensors has a file, too.
        let open = match self.open.take() {
            None if self.done.is_empty() => Some((self.begin().map_err(|error| self.told(error))?, 0)),
            open => open,
        };
        self.close(open).map_err(|error| self.told(error))?;
        let folder = self.folder.path();
        for place in 0..self.done.len() {
            let (from, to) = (unfinished(place), name(place, self.done.len()));
            fs::rename(folder.join(from), folder.join(&to))
                .map_err(|error| QuantError::system("write", &self.path, error))?;
        }
        let sum = |of: fn(&Written) -> u64| self.done.iter().map(of).sum();
        let written = Written { rows: sum(|file| file.rows), bytes: sum(|file| file.bytes) };
        self.folder.commit()?;
        Ok(written)
    }
}

/// What a file is called before it is known how many there are.
fn unfinished(place: usize) -> String {
    format!("{:05}.parquet", place + 1)
}

fn name(place: usize, count: usize) -> String {
    format!("model-{:05}-of-{count:05}.parquet", place + 1)
}

/// The files of the packed weights at a path, in their order: itself, or all that a folder should have.
///
/// # Errors
/// [`QuantError::Shards`] when a folder has no such files, others beside them, or not all.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let system = |error| QuantError::system("read", path, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(system)? {
        found.push(entry.map_err(system)?.file_name());
    }
    found.retain(|name| Path::new(name).extension() == Some(OsStr::new("parquet")));
    found.sort();
    let total = found.first().and_then(|first| {
        let (_, total) = first.to_str()?.strip_suffix(".parquet")?.rsplit_once("-of-")?;
        total.parse().ok().filter(|total| *total > 0)
    });
    let Some(total) = total else {
        return Err(wrong(path, format!("the folder has no file `{}`", name(0, 1))));
    };
    for place in 0..total {
        let expected = name(place, total);
        if found.get(place).is_none_or(|name| *name != *expected) {
            let is_there = found.iter().any(|name| *name == *expected);
            let reason = match found.get(place) {
                Some(other) if is_there => format!("file `{}` is none of its {total}", other.display()),
                _ => format!("file `{expected}` is missing"),
            };
            return Err(wrong(path, reason));
        }
    }
    match found.get(total) {
        Some(other) => Err(wrong(path, format!("file `{}` is none of its {total}", other.display()))),
        None => Ok(found.iter().map(|name| path.join(name)).collect()),
    }
}

/// Whether a folder has a file that is called as those of several are.
pub(crate) fn is_folder(path: &Path) -> bool {
    let is_shard = |name: &OsStr| {
        let name = name.to_str().and_then(|name| name.strip_prefix("model-")?.strip_suffix(".parquet"));
        name.is_some_and(|name| name.contains("-of-"))
    };
    fs::read_dir(path).is_ok_and(|names| names.flatten().any(|name| is_shard(&name.file_name())))
}

fn wrong(path: &Path, reason: String) -> QuantError {
    QuantError::Shards { path: path.to_owned(), reason }
}

/// Refuses a file that is not the next one after those that come to `chain`, of a folder or by itself.
pub(crate) fn check(file: &Path, said: Option<&str>, chain: &Chain, in_folder: bool) -> Result<()> {
    let reason = match said {
        Some(_) if !in_folder => "it is one of several files",
        Some(said) if said != chain.seal() => "the files before it are of other weights",
        None if in_folder => "it is no file of several",
        _ => return Ok(()),
    };
    Err(wrong(file, reason.to_owned()))
}

#[cfg(test)]
mod tests;
