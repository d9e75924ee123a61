//! Which tensors does a model have?

use std::{
    collections::HashMap,
    fs::{self, File},
    ops::Range,
    path::{Component, Path, PathBuf},
};

use bowstring_core::nearest;
use indexmap::IndexMap;
use memmap2::{Mmap, UncheckedAdvice};
use safetensors::Dtype;
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    QuantError, Result, config, dtype,
    header::{self, Entry},
};

const INDEX: &str = ".safetensors.index.json";
const PIPELINE: &str = "model_index.json";
const CONFIG: &str = "config.json";
/// The endings of files that PyTorch pickles.
const PICKLES: [&str; 5] = ["bin", "ckpt", "pkl", "pt", "pth"];

/// The weights of a model: one `.safetensors` file, those that an index names, or those of a folder.
///
/// Files are mapped into memory: nothing of a tensor is read until its bytes are. Whoever shortens a file
/// while it is mapped makes the system end this process.
#[derive(Debug)]
pub struct Model {
    files: Vec<Mapped>,
    tensors: Vec<Placed>,
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct Mapped {
    path: PathBuf,
    map: Mmap,
    metadata: HashMap<String, String>,
}

/// A tensor, and which of the files it stands in.
#[derive(Debug)]
struct Placed {
    entry: Entry,
    file: usize,
}

/// A tensor of a [`Model`].
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    /// Its name; of a pipeline's, the component stands in front, as in `unet/conv_in.weight`.
    pub name: &'a str,
    /// Its type.
    pub dtype: Dtype,
    /// The length of each axis; none for a single number.
    pub shape: &'a [usize],
    /// Its numbers, row by row, little-endian.
    pub bytes: &'a [u8],
    /// The file that it stands in.
    pub file: &'a Path,
}

impl Tensor<'_> {
    /// Whether it has numbers that can be written with fewer bits; whole numbers and flags are no weights.
    pub fn is_float(&self) -> bool {
        dtype::is_float(self.dtype)
    }

    /// How many weights an output channel has: the product of its axes but the first. The largest number there is
    /// where that is beyond it, as it may be where there are no channels.
    pub(crate) fn columns(&self) -> usize {
        self.shape.iter().skip(1).fold(1, |all, &size| all.saturating_mul(size))
    }

    /// Its numbers, row by row, in 32 bits each: the nearest ones of 64 bits, infinite where there is none, and
    /// exactly those of fewer. Whoever needs several tensors gives the same `numbers`, which are replaced.
    ///
    /// # Errors
    /// [`QuantError::Dtype`] for whole numbers and flags.
    pub fn read(&self, numbers: &mut Vec<f32>) -> Result<()> {
        numbers.clear();
        if dtype::append(self.dtype, self.bytes, numbers) {
            Ok(())
        } else {
            Err(QuantError::Dtype { tensor: self.name.to_owned(), dtype: self.dtype })
        }
    }
}

/// `*.safetensors.index.json`: which file has which tensor.
#[derive(Deserialize)]
struct Index {
    weight_map: IndexMap<String, String>,
}

impl Model {
    /// Opens a `.safetensors` file, an index of several, or a folder: of a model, with one of them in it, or of
    /// a diffusers pipeline, with a `model_index.json` and a folder for each component.
    ///
    /// Headers are checked in whole, and the `config.json` of a folder against the shapes; tensors are not looked at.
    ///
    /// # Errors
    /// [`QuantError::System`] for files that cannot be opened; [`QuantError::Header`] and
    /// [`QuantError::Index`] for those that are not what they should be; [`QuantError::Config`] for a folder whose
    /// configuration is of another model; [`QuantError::Pickle`] for PyTorch's own; [`QuantError::Folder`] for a folder without a model, or with several; [`QuantError::Dtype`] for a
    /// tensor of complex numbers or of another type that is not read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut model = Self { files: Vec::new(), tensors: Vec::new(), places: HashMap::new() };
        let system = |error| QuantError::system("open", path, error);
        if !fs::metadata(path).map_err(system)?.is_dir() {
            model.add(path, "")?;
        } else if path.join(PIPELINE).is_file() {
            model.add_pipeline(path)?;
        } else {
            model.add_folder(path, "")?;
        }
        Ok(model)
    }

    /// The tensors, in the order of files and of the bytes in them.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = Tensor<'_>> {
        self.tensors.iter().map(|placed| self.tensor_at(placed))
    }

    /// The tensor of a name.
    ///
    /// # Errors
    /// [`QuantError::NoTensor`] when there is none.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>> {
        self.placed(name).map(|placed| self.tensor_at(placed))
    }

    /// Whether there is a tensor of a name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// What the files say of themselves beside their tensors.
    pub fn metadata(&self) -> impl Iterator<Item = (&Path, &HashMap<String, String>)> {
        self.files.iter().map(|file| (file.path.as_path(), &file.metadata))
    }

    /// Lets the system take back the memory in which it keeps the bytes of a tensor, until somebody looks at
    /// them again.
    ///
    /// # Errors
    /// [`QuantError::NoTensor`] when there is none of this name.
    pub fn release(&self, name: &str) -> Result<()> {
        let Placed { entry, file } = self.placed(name)?;
        give_back(&self.files[*file].map, &entry.bytes);
        Ok(())
    }

    fn placed(&self, name: &str) -> Result<&Placed> {
        self.places.get(name).map(|&place| &self.tensors[place]).ok_or_else(|| QuantError::NoTensor {
            tensor: name.to_owned(),
            nearest: nearest(name, self.places.keys().map(String::as_str)).map(str::to_owned),
        })
    }

    fn tensor_at<'a>(&'a self, Placed { entry, file }: &'a Placed) -> Tensor<'a> {
        let file = &self.files[*file];
        let Entry { name, dtype, shape, bytes } = entry;
        Tensor { name, dtype: *dtype, shape, bytes: &file.map[bytes.clone()], file: &file.path }
    }

    /// Adds the components of a pipeline that have weights; `model_index.json` names them all.
    fn add_pipeline(&mut self, folder: &Path) -> Result<()> {
        let path = folder.join(PIPELINE);
        let components: IndexMap<String, IgnoredAny> = read_json(&path)?;
        for (component, _) in components.iter().filter(|(name, _)| !name.starts_with('_')) {
            plain_name(&path, component)?;
            let folder = folder.join(component);
            // Tokenizers and schedulers have no weights, an absent component no folder.
            if folder.is_dir() && has_weights(&folder)? {
                self.add_folder(&folder, &format!("{component}/"))?;
            }
        }
        if self.files.is_empty() {
            return Err(QuantError::Folder { path: folder.to_owned(), found: Vec::new() });
        }
        Ok(())
    }

    /// Adds the weights of a folder, which its configuration has to fit where it has one.
    fn add_folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let before = self.tensors.len();
        self.add(&weights_of(folder)?, prefix)?;
        let path = folder.join(CONFIG);
        if !path.is_file() {
            return Ok(());
        }
        let text = fs::read(&path).map_err(|error| QuantError::system("read", &path, error))?;
        let entries = self.tensors[before..].iter().map(|placed| &placed.entry);
        let tensors: Vec<_> =
            entries.map(|entry| (&entry.name[prefix.len()..], entry.shape.as_slice())).collect();
        config::check(&path, &text, &tensors)
    }

    /// Adds a file, or those of an index, with `prefix` before the names of their tensors.
    fn add(&mut self, path: &Path, prefix: &str) -> Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(INDEX) {
            return self.add_index(path, prefix);
        }
        if is_pickle(path) {
            return Err(QuantError::Pickle { path: path.to_owned() });
        }
        self.add_file(path, prefix)
    }

    fn add_index(&mut self, path: &Path, prefix: &str) -> Result<()> {
        let Index { weight_map } = read_json(path)?;
        let wrong = |reason: String| QuantError::Index { path: path.to_owned(), reason };
        let folder = path.parent().unwrap_or(Path::new(""));
        let before = self.tensors.len();
        let mut numbers: IndexMap<&str, usize> = IndexMap::new();
        for file in weight_map.values() {
            plain_name(path, file)?;
            if !numbers.contains_key(file.as_str()) {
                numbers.insert(file, self.files.len());
                self.add_file(&folder.join(file), prefix)?;
            }
        }
        for (tensor, file) in &weight_map {
            let placed = self.places.get(&format!("{prefix}{tensor}")).map(|&place| self.tensors[place].file);
            if placed != numbers.get(file.as_str()).copied() {
                return Err(wrong(format!("`{file}` has no tensor `{tensor}`")));
            }
        }
        if let Some(placed) = self.tensors[before..]
            .iter()
            .find(|placed| !weight_map.contains_key(&placed.entry.name[prefix.len()..]))
        {
            let file = self.files[placed.file].path.display();
            return Err(wrong(format!("it does not name tensor `{}` of `{file}`", placed.entry.name)));
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path, prefix: &str) -> Result<()> {
        let map = map(path)?;
        let header =
            header::read(&map).map_err(|problem| QuantError::Header { path: path.to_owned(), problem })?;
        let number = self.files.len();
        self.files.push(Mapped { path: path.to_owned(), map, metadata: header.metadata });
        for mut entry in header.entries {
            entry.name.insert_str(0, prefix);
            if !dtype::is_known(entry.dtype) {
                return Err(QuantError::Dtype { tensor: entry.name, dtype: entry.dtype });
            }
            if self.places.insert(entry.name.clone(), self.tensors.len()).is_some() {
                let reason = format!("tensor `{}` stands in two files", entry.name);
                return Err(QuantError::Index { path: path.to_owned(), reason });
            }
            self.tensors.push(Placed { entry, file: number });
        }
        Ok(())
    }
}

/// Maps a file into memory.
pub(crate) fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(|error| QuantError::system("open", path, error))?;
    #[expect(unsafe_code, reason = "the only way to map a file")]
    // SAFETY: the map is only read, and any bytes are numbers; that the file must not become shorter is said to
    // whoever opens a model.
    unsafe { Mmap::map(&file) }.map_err(|error| QuantError::system("map", path, error))
}

/// Lets the system take back the memory in which it keeps a part of a file that was [mapped](map), until somebody looks
/// at it again.
pub(crate) fn give_back(map: &Mmap, part: &Range<usize>) {
    if map.get(part.clone()).is_none() {
        return;
    }
    #[expect(unsafe_code, reason = "the only way to give back pages")]
    // SAFETY: the range is within the map, which is shared with its file and only read, so that what is given back is
    // read again from there.
    let advised = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, part.start, part.len()) };
    // Advice may be refused: then the memory stays in use a little longer.
    drop(advised);
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(|error| QuantError::system("read", path, error))?;
    serde_json::from_slice(&text)
        .map_err(|error| QuantError::Index { path: path.to_owned(), reason: error.to_string() })
}

/// Refuses names that lead out of the folder.
fn plain_name(path: &Path, name: &str) -> Result<()> {
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(_)), None) => Ok(()),
        _ => Err(QuantError::Index {
            path: path.to_owned(),
            reason: format!("`{name}` is not a name in the same folder"),
        }),
    }
}

fn is_pickle(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default();
    PICKLES.iter().any(|pickle| ending.eq_ignore_ascii_case(pickle))
}

/// The names of a folder's files, sorted.
fn names(folder: &Path) -> Result<Vec<String>> {
    let system = |error| QuantError::system("read", folder, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(system)? {
        let entry = entry.map_err(system)?;
        if !entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn has_weights(folder: &Path) -> Result<bool> {
    let is_weights = |name: &String| name.ends_with(".safetensors") || is_pickle(Path::new(name));
    Ok(names(folder)?.iter().any(is_weights))
}

/// The weights of a folder: its one index, or else its one file.
fn weights_of(folder: &Path) -> Result<PathBuf> {
    let names = names(folder)?;
    let mut found: Vec<&String> = names.iter().filter(|name| name.ends_with(INDEX)).collect();
    if found.is_empty() {
        found = names.iter().filter(|name| name.ends_with(".safetensors")).collect();
    }
    match (found.as_slice(), names.iter().find(|name| is_pickle(Path::new(name)))) {
        ([name], _) => Ok(folder.join(name)),
        ([], Some(pickle)) => Err(QuantError::Pickle { path: folder.join(pickle) }),
        _ => {
            let found = found.into_iter().cloned().collect();
            Err(QuantError::Folder { path: folder.to_owned(), found })
        }
    }
}

#[cfg(test)]
mod tests;
