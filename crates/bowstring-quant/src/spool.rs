//! How does a safetensors file of packed weights come to be?
//!
//! Its header comes first and says where everything stands, which is known last. So bytes are put aside in a file
//! without a name, and in order behind the header at the end: those of wide types first, so that every number
//! stands where a multiple of its size is, by name within them, as the reference library has it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use bowstring_io::{AtomicFile, IoError, WriteMode, Written};
use safetensors::tensor::TensorInfo;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    HeaderProblem, QuantError, Result, Stored, Tensor,
    described::Described,
    file::{self, VERSION, VERSION_KEY},
    header::{self, METADATA},
    named::{Member, Named, TENSORS_KEY, named},
};

/// Tensors of a safetensors file that is not there yet.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    file: AtomicFile,
    /// The bytes of all tensors in the order in which they came; `None` once a write has failed.
    bytes: Option<File>,
    length: u64,
    tensors: Vec<Spooled>,
    names: HashSet<String>,
    members: Vec<Member>,
    metadata: BTreeMap<String, String>,
}

/// A tensor, and where its bytes begin.
#[derive(Debug)]
struct Spooled {
    named: Named,
    start: u64,
    length: u64,
}

impl Spool {
    pub(crate) fn create(path: &Path, metadata: BTreeMap<String, String>) -> Result<Self> {
        let file = AtomicFile::create(path, WriteMode::Overwrite)?;
        let bytes = Some(file.scratch()?);
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
            length: 0,
            tensors: Vec::new(),
            names: HashSet::from([METADATA.to_owned()]),
            members: Vec::new(),
            metadata,
        })
    }

    /// Puts a tensor aside.
    pub(crate) fn put(&mut self, tensor: &Tensor<'_>, stored: &Stored, bytes: [&[u8]; 3]) -> Result<()> {
        let described = Described::of(tensor, stored);
        let known = described.known().map_err(|reason| self.unwritable(reason))?;
        let tensors = named(tensor.name, &known);
        if let Some(taken) = tensors.iter().find(|named| self.names.contains(&named.name)) {
            return Err(QuantError::Name { tensor: taken.name.clone() });
        }
        let Some(mut spool) = self.bytes.take() else {
            return Err(IoError::WriterFailed { path: self.path.clone() }.into());
        };
        for (named, bytes) in tensors.into_iter().zip(bytes) {
            spool.write_all(bytes).map_err(|error| self.refused(error))?;
            let length = bytes.len() as u64;
            self.names.insert(named.name.clone());
            self.tensors.push(Spooled { named, start: self.length, length });
            self.length += length;
        }
        self.bytes = Some(spool);
        self.members.push(Member { described, checksum: format!("{:016x}", file::checksum(bytes)) });
        Ok(())
    }

    /// Writes the header and the tensors in order, and puts the file in the target's place.
    pub(crate) fn finish(mut self) -> Result<Written> {
        let Some(mut spool) = self.bytes.take() else {
            return Err(IoError::WriterFailed { path: self.path }.into());
        };
        self.tensors.sort_by(|left, right| {
            let key = |spooled: &Spooled| Reverse(spooled.named.dtype);
            key(left).cmp(&key(right)).then_with(|| left.named.name.cmp(&right.named.name))
        });
        let header = self.header()?;
        let mut out = self.file.handle()?;
        let length = header.len() as u64;
        let written =
            out.write_all(&length.to_le_bytes()).and_then(|()| out.write_all(&header)).and_then(|()| {
                self.tensors.iter().try_for_each(|spooled| {
                    spool.seek(SeekFrom::Start(spooled.start))?;
                    let copied = io::copy(&mut (&spool).take(spooled.length), &mut out)?;
                    if copied == spooled.length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
                })
            });
        written.map_err(|error| self.refused(error))?;
        let rows = self.members.len() as u64;
        self.file.commit()?;
        Ok(Written { rows, bytes: size_of::<u64>() as u64 + length + self.length })
    }

    /// The JSON that comes first, filled up with spaces so that the bytes behind it begin at a multiple of eight.
    fn header(&mut self) -> Result<Vec<u8>> {
        let members =
            serde_json::to_string(&self.members).map_err(|error| self.unwritable(error.to_string()))?;
        self.metadata.insert(TENSORS_KEY.to_owned(), members);
        self.metadata.insert(VERSION_KEY.to_owned(), VERSION.to_owned());
        let header = Header { metadata: &self.metadata, tensors: &self.tensors };
        let mut json = serde_json::to_vec(&header).map_err(|error| self.unwritable(error.to_string()))?;
        json.resize(json.len().next_multiple_of(size_of::<u64>()), b' ');
        if json.len() as u64 > header::MOST {
            let problem = HeaderProblem::TooLong(json.len() as u64);
            return Err(QuantError::Header { path: self.path.clone(), problem });
        }
        Ok(json)
    }

    fn refused(&self, error: io::Error) -> QuantError {
        QuantError::system("write", &self.path, error)
    }

    fn unwritable(&self, reason: String) -> QuantError {
        QuantError::Row { path: self.path.clone(), row: None, reason }
    }
}

/// The header's object; its members are in the order of their bytes.
struct Header<'a> {
    metadata: &'a BTreeMap<String, String>,
    tensors: &'a [Spooled],
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1 + self.tensors.len()))?;
        object.serialize_entry(METADATA, self.metadata)?;
        let mut start = 0;
        for Spooled { named: Named { name, dtype, shape }, length, .. } in self.tensors {
            let end = start + *length as usize;
            let info = TensorInfo { dtype: *dtype, shape: shape.clone(), data_offsets: (start, end) };
            object.serialize_entry(name, &info)?;
            start = end;
        }
        object.end()
    }
}
