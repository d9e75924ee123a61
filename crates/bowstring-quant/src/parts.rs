//! Which tensors has an earlier run packed already?
//!
//! Each packed tensor is a file of its own in a folder beside the output, called by a hash of all that its bytes
//! depend on: whoever looks for one finds exactly that, or makes it anew. So settings may change between two
//! runs, and names of tensors need not be names of files. The folder's own file is locked while a run works there.
//! Parts are synced before they get their name: neither a killed process nor a loss of power leaves half a one.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use bowstring_core::Cancel;
use twox_hash::XxHash3_128;

use crate::{
    Gptq, Method, ModelWriter, Quality, QuantError, Quantized, QuantizedModel, Result, Scheme, Stored,
    Tensor, file::VERSION, named::ENDING,
};

/// What the folder is called by, after the output.
const FOLDER_ENDING: &str = ".parts";
/// The file that is locked.
const LOCK: &str = "bowstring.lock";
/// What a part says its own hash under.
const SEAL: &str = "bowstring.part";

/// The parts beside an output.
#[derive(Debug)]
pub(crate) struct Parts {
    folder: PathBuf,
    /// Locked as long as it is open.
    lock: File,
}

/// A hash of all that the bytes of a packed tensor depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u128);

impl Key {
    /// Of a tensor that is packed by this version of the crate. That it has no numbers that are not finite, and so
    /// what becomes of those, follows from its bytes.
    pub(crate) fn of(tensor: &Tensor<'_>, scheme: Scheme, method: &Method) -> Self {
        Self::by([env!("CARGO_PKG_VERSION"), VERSION], tensor, scheme, method)
    }

    /// The same, by other versions of the crate and the format.
    fn by(versions: [&str; 2], tensor: &Tensor<'_>, scheme: Scheme, method: &Method) -> Self {
        let Tensor { name, dtype, shape, bytes, file: _ } = *tensor;
        let Scheme { bits, group, offset, scale_type, code_type } = scheme;
        let mut hash = Hash::default();
        versions.iter().for_each(|version| hash.text(version));
        hash.text(name);
        hash.text(&dtype.to_string());
        hash.text(&format!("{shape:?}"));
        hash.bytes(bytes);
        hash.text(&bits.to_string());
        hash.text(&group.to_string());
        hash.text(offset.name());
        hash.text(scale_type.name());
        hash.text(code_type.name());
        hash.text(method.name());
        match method {
            Method::Nearest | Method::Search { importance: None } => {}
            Method::Search { importance: Some(importance) } => {
                let importance: Vec<u8> = importance.iter().flat_map(|one| one.to_le_bytes()).collect();
                hash.bytes(&importance);
            }
            Method::Gptq(Gptq { hessian, damping, order }) => {
                hash.text(order.name());
                hash.bytes(&damping.to_le_bytes());
                hash.bytes(&hessian.weight().to_le_bytes());
                for row in 0..hessian.channels() {
                    let row: Vec<u8> = hessian.row(row).iter().flat_map(|sum| sum.to_le_bytes()).collect();
                    hash.bytes(&row);
                }
            }
        }
        Self(hash.finish())
    }

    fn file_name(self) -> String {
        format!("{:032x}.{ENDING}", self.0)
    }

    /// Of the part: its bytes have a checksum of their own, the unit of its scales and its figures have not.
    fn seal(self, scale_unit: f32, quality: Quality) -> String {
        let Quality { sqnr, relative_error, cosine, largest_error } = quality;
        let mut hash = Hash::default();
        hash.bytes(&self.0.to_le_bytes());
        hash.bytes(&scale_unit.to_le_bytes());
        for figure in [sqnr, relative_error, cosine, largest_error] {
            hash.bytes(&figure.to_le_bytes());
        }
        format!("{:032x}", hash.finish())
    }
}

/// Things one after the other, each with its length, so that none runs into the next.
#[derive(Default)]
struct Hash(XxHash3_128);

impl Hash {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.write(&(bytes.len() as u64).to_le_bytes());
        self.0.write(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn finish(self) -> u128 {
        self.0.finish_128()
    }
}

impl Parts {
    /// Opens the folder beside an output, which is made when there is none.
    ///
    /// # Errors
    /// [`QuantError::Parts`] when another run works there, or something that is none of ours is in its place or
    /// in it; [`QuantError::System`].
    pub(crate) fn open(output: &Path) -> Result<Self> {
        let mut folder = OsString::from(output);
        folder.push(FOLDER_ENDING);
        let folder = PathBuf::from(folder);
        let refused = |reason: String| QuantError::Parts { path: folder.clone(), reason };
        match fs::create_dir_all(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(refused("it is no folder".to_owned()));
            }
            made => made.map_err(|error| QuantError::system("make folder", &folder, error))?,
        }
        if let Some(other) = names(&folder)?.into_iter().find(|name| !is_ours(name)) {
            return Err(refused(format!("it has `{other}`, which no run has put there")));
        }
        let path = folder.join(LOCK);
        let lock = File::options().create(true).append(true).open(&path);
        let lock = lock.map_err(|error| QuantError::system("open", &path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder, lock }),
            Err(TryLockError::WouldBlock) => Err(refused("another run works there".to_owned())),
            Err(TryLockError::Error(error)) => Err(QuantError::system("lock", &path, error)),
        }
    }

    /// The part of a key; `None` when there is none, or none that is whole.
    pub(crate) fn load(
        &self,
        key: Key,
        tensor: &Tensor<'_>,
        scheme: Scheme,
        cancel: &Cancel,
    ) -> Result<Option<(Quantized, Quality)>> {
        let whole = QuantizedModel::open(self.folder.join(key.file_name())).ok().and_then(|part| {
            let stored = part.tensor(tensor.name).ok()?.stored;
            let quality = stored.quality()?;
            let seal = part.metadata().find(|(name, _)| *name == SEAL)?.1;
            let matrix = part.matrix(tensor.name, cancel).ok()??;
            let (columns, scale_unit) = (tensor.columns(), matrix.scale_unit);
            let expected = Stored::Packed { scheme, columns, scale_unit, quality };
            let is_it = stored == expected && seal == key.seal(scale_unit, quality);
            is_it.then_some((matrix, quality))
        });
        cancel.check()?;
        Ok(whole)
    }

    /// Keeps a part for later runs.
    ///
    /// # Errors
    /// Those of [`ModelWriter`].
    pub(crate) fn save(
        &self,
        key: Key,
        tensor: &Tensor<'_>,
        matrix: &Quantized,
        quality: Quality,
    ) -> Result<()> {
        let seal = BTreeMap::from([(SEAL.to_owned(), key.seal(matrix.scale_unit, quality))]);
        let mut writer = ModelWriter::create(&self.folder.join(key.file_name()), seal)?;
        writer.write(tensor, matrix, quality)?;
        writer.finish().map(drop)
    }

    /// Removes the folder and all parts, those that were not used too.
    ///
    /// # Errors
    /// [`QuantError::System`].
    pub(crate) fn remove(self) -> Result<()> {
        let system = |path: &Path, error| Err(QuantError::system("remove", path, error));
        let mut parts = names(&self.folder)?;
        parts.retain(|name| name != LOCK && is_ours(name));
        // The lock last: until then nobody else begins here.
        for name in parts.iter().map(String::as_str).chain([LOCK]) {
            let path = self.folder.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return system(&path, error),
                _ => {}
            }
        }
        drop(self.lock);
        match fs::remove_dir(&self.folder) {
            // From here on it is another run's.
            Err(error) if ![ErrorKind::NotFound, ErrorKind::DirectoryNotEmpty].contains(&error.kind()) => {
                system(&self.folder, error)
            }
            _ => Ok(()),
        }
    }
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>> {
    let system = |error| QuantError::system("read", folder, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(system)? {
        names.push(entry.map_err(system)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Whether a run has made the file: the lock, a part, or one that a killed run has not finished.
fn is_ours(name: &str) -> bool {
    let is_part = |name: &str| {
        name.split_once('.').is_some_and(|(key, ending)| {
            ending == ENDING && key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    let unfinished = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    name == LOCK
        || is_part(name)
        || unfinished.and_then(|name| name.rsplit_once('.')).is_some_and(|(name, _)| is_part(name))
}

#[cfg(test)]
mod tests;
