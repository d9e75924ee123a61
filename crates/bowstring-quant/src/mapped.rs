//! Where do the tensors of a safetensors file of packed weights stand?

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    path::Path,
};

use indexmap::IndexMap;
use memmap2::Mmap;

use crate::{
    QuantError, QuantizedTensor, Result, Stored,
    file::{self, VERSION, VERSION_KEY},
    header::{self, Entry, Header},
    model,
    named::{Member, Named, TENSORS_KEY, named},
    quantized_model::{Opened, Piece, Source, wrong},
};

/// A file that is mapped into memory.
#[derive(Debug)]
pub(crate) struct Mapped {
    map: Mmap,
    places: HashMap<String, Place>,
}

/// Where the parts of a tensor stand, and what they come to.
#[derive(Debug)]
struct Place {
    parts: [Range<usize>; 3],
    checksum: u64,
}

impl Mapped {
    /// Opens a file; looks at what it says, and at none of its tensors.
    pub(crate) fn open(path: &Path) -> Result<Opened> {
        let map = model::map(path)?;
        let Header { entries, metadata } =
            header::read(&map).map_err(|problem| QuantError::Header { path: path.to_owned(), problem })?;
        let mut metadata: BTreeMap<String, String> = metadata.into_iter().collect();
        let found = metadata.remove(VERSION_KEY);
        let members = metadata.remove(TENSORS_KEY);
        let version = found.as_deref().filter(|version| file::is_read(version));
        let (Some(version), Some(members)) = (version, members) else {
            return Err(QuantError::Version { path: path.to_owned(), found, expected: VERSION });
        };
        let members: Vec<Member> = serde_json::from_str(&members).map_err(|error| {
            wrong(path, None, format!("what it says of its tensors cannot be read: {error}"))
        })?;
        let mut unclaimed: HashMap<String, Entry> =
            entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        let (mut tensors, mut places) = (IndexMap::new(), HashMap::new());
        for Member { described, checksum } in members {
            let described = described.of_version(version);
            let name = &described.name;
            let wrong = |reason: String| wrong(path, None, reason);
            let known = described.known().map_err(wrong)?;
            let checksum = u64::from_str_radix(&checksum, 16)
                .map_err(|_| wrong(format!("`{name}` has no checksum, but `{checksum}`")))?;
            if let Stored::Packed { columns, .. } = known.stored
                && known.count.checked_rem(columns).unwrap_or(known.count) != 0
            {
                return Err(wrong(format!("`{name}` has {} numbers, no rows of {columns}", known.count)));
            }
            let mut parts = [0..0, 0..0, 0..0];
            for (part, expected) in parts.iter_mut().zip(named(name, &known)) {
                let Some(Entry { dtype, shape, bytes, .. }) = unclaimed.remove(&expected.name) else {
                    return Err(wrong(format!("it has no tensor `{}`", expected.name)));
                };
                let Named { name: part_name, dtype: other, shape: others } = expected;
                if (dtype, &shape) != (other, &others) {
                    let reason = format!(
                        "tensor `{part_name}` is {dtype} of shape {shape:?}, where {other} of shape {others:?} \
                         is expected"
                    );
                    return Err(wrong(reason));
                }
                *part = bytes;
            }
            let (name, tensor) = (described.name, QuantizedTensor::whole(known));
            places.insert(name.clone(), Place { parts, checksum });
            tensors.insert(name, tensor);
        }
        if let Some(name) = unclaimed.into_keys().min() {
            return Err(wrong(path, None, format!("it says nothing of tensor `{name}`")));
        }
        Ok(Opened { metadata, tensors, source: Source::Mapped(Self { map, places }) })
    }

    /// The whole of a tensor.
    pub(crate) fn piece(&self, name: &str, tensor: &QuantizedTensor) -> Option<Piece<'_>> {
        let Place { parts, checksum } = self.places.get(name)?;
        let bytes = parts.each_ref().map(|part| &self.map[part.clone()]);
        Some(Piece { row: None, count: tensor.count, checksum: *checksum, bytes })
    }

    /// Lets the system take back the memory in which it keeps the bytes of a tensor.
    pub(crate) fn release(&self, name: &str) {
        if let Some(Place { parts, .. }) = self.places.get(name) {
            parts.iter().for_each(|part| model::give_back(&self.map, part));
        }
    }
}

#[cfg(test)]
mod tests;
