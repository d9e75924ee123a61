//! How are the batches of an Arrow IPC file or stream read?
//!
//! Both hold a list of messages; a file has a footer that says where they are, a stream is walked once
//! when it is opened. Every length in them is checked against the file before memory is asked for.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    buffer::{Buffer, MutableBuffer},
    datatypes::SchemaRef,
    error::ArrowError,
};
use arrow_ipc::{
    Block, CompressionType, Message, MessageHeader, MetadataVersion, convert::fb_to_schema,
    reader::FileDecoder, root_as_footer, root_as_message,
};
use bowstring_core::Cancel;

use crate::{Batches, IoError, Part, Result, Scan, Statistics, identity::Identity, source::Source};

const MAGIC: &[u8; 6] = b"ARROW1";
/// Batches are read together until a part has this many bytes.
const PART_BYTES: u64 = 16 << 20;

/// An Arrow IPC file or stream, of which the places of all messages are known.
#[derive(Debug)]
pub(crate) struct IpcFile {
    path: PathBuf,
    identity: Identity,
    layout: Layout,
    bytes: u64,
}

#[derive(Debug)]
struct Layout {
    schema: SchemaRef,
    version: MetadataVersion,
    /// In a file every dictionary comes before the first batch, wherever it stands.
    dictionaries_first: bool,
    dictionaries: Vec<Entry>,
    batches: Vec<Entry>,
}

/// A message: `metadata` bytes from `offset` on, then `body` bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: u64,
    metadata: u32,
    body: u64,
    rows: u64,
}

impl IpcFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut file = Handle::open(path)?;
        let identity = Identity::of(&file.file, path)?;
        let head = file.read(0, file.length.min(6))?;
        let layout = match head.as_slice() {
            [] => return Err(file.malformed("it is empty")),
            [b'F', b'E', b'A', b'1', ..] => {
                return Err(IoError::Malformed {
                    path: path.to_owned(),
                    format: "ipc",
                    reason: "it is Feather version 1".into(),
                    hint: Some("write it again as Feather version 2, which is Arrow IPC"),
                });
            }
            head if head == MAGIC => file.footer()?,
            _ => file.walk()?,
        };
        Ok(Self { path: path.to_owned(), identity, layout, bytes: file.length })
    }
}

impl Source for IpcFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn schema(&self) -> &SchemaRef {
        &self.layout.schema
    }

    fn statistics(&self) -> Statistics {
        Statistics {
            num_rows: Some(self.layout.batches.iter().map(|batch| batch.rows).sum()),
            total_bytes: self.bytes,
            ..Statistics::default()
        }
    }

    fn parts(&self, file: usize, _scan: &Scan) -> Result<Vec<Part>> {
        let mut parts: Vec<Part> = Vec::new();
        for (index, batch) in (0u64..).zip(&self.layout.batches) {
            let weight = u64::from(batch.metadata) + batch.body;
            match parts.last_mut() {
                Some(Part { range: Some(range), weight: total, .. }) if *total + weight <= PART_BYTES => {
                    range.end = index + 1;
                    *total += weight;
                }
                _ => parts.push(Part { file, range: Some(index..index + 1), rows: None, weight }),
            }
        }
        Ok(parts)
    }

    fn read(&self, part: &Part, scan: &Scan, cancel: &Cancel) -> Result<Batches> {
        let mut file = Handle::open(&self.path)?;
        self.identity.check(&file.file, &self.path)?;
        let needed = scan.needed(self.layout.schema.fields().len());
        let mut decoder = FileDecoder::new(Arc::clone(&self.layout.schema), self.layout.version)
            .with_projection(needed.read.clone());
        let range = part.range.clone().unwrap_or(0..self.layout.batches.len() as u64);
        let batches = self.layout.batches.get(range.start as usize..range.end as usize).unwrap_or_default();
        let batches = batches.to_vec();
        let mut dictionaries = self.layout.dictionaries.clone().into_iter().peekable();
        let first = self.layout.dictionaries_first;
        let most = scan.batch_rows;
        let decoded = batches.into_iter().flat_map(move |entry| {
            let batch = (|| {
                while let Some(dictionary) =
                    dictionaries.next_if(|dictionary| first || dictionary.offset < entry.offset)
                {
                    let (block, bytes) = file.message(dictionary)?;
                    let done = decoder.read_dictionary(&block, &bytes);
                    done.map_err(|error| file.undecodable(error))?;
                }
                let (block, bytes) = file.message(entry)?;
                let batch = decoder.read_record_batch(&block, &bytes);
                batch.map_err(|error| file.undecodable(error))
            })();
            slices(batch, most)
        });
        Ok(needed.finish(decoded, scan, cancel))
    }
}

/// A batch as slices of at most `most` rows, one after the other: rows without bytes, as those of a
/// column of nulls, can be more than there is memory to list their slices in.
fn slices(batch: Result<Option<RecordBatch>>, most: usize) -> impl Iterator<Item = Result<RecordBatch>> {
    let (batch, error) = match batch {
        Ok(batch) => (batch, None),
        Err(error) => (None, Some(Err(error))),
    };
    let slices = batch.into_iter().flat_map(move |batch| {
        let rows = batch.num_rows();
        (0..rows.max(1)).step_by(most).map(move |at| Ok(batch.slice(at, most.min(rows - at))))
    });
    slices.chain(error)
}

/// An open file of known length.
struct Handle {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Handle {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| IoError::system("open", path, error))?;
        let length = file.metadata().map_err(|error| IoError::system("read", path, error))?.len();
        Ok(Self { file, path: path.to_owned(), length })
    }

    fn malformed(&self, reason: impl std::fmt::Display) -> IoError {
        IoError::malformed(&self.path, "ipc", reason)
    }

    /// What a decoder complains of is the file's, as it is given bytes and reads none itself.
    fn undecodable(&self, error: ArrowError) -> IoError {
        match error {
            ArrowError::IoError(reason, _) => self.malformed(reason),
            error => self.malformed(error),
        }
    }

    fn read(&mut self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.within(offset, length)?];
        self.read_into(offset, &mut bytes)?;
        Ok(bytes)
    }

    fn read_into(&mut self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        let seek = self.file.seek(SeekFrom::Start(offset));
        seek.and_then(|_| self.file.read_exact(bytes)).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.malformed("it ends too early"),
            _ => IoError::system("read", &self.path, error),
        })
    }

    /// `length` as a size in memory, when the file has as many bytes from `offset` on.
    fn within(&self, offset: u64, length: u64) -> Result<usize> {
        match offset.checked_add(length).filter(|end| *end <= self.length) {
            Some(_) => usize::try_from(length).map_err(|_| self.malformed("a message is too long")),
            None => Err(self.malformed(format_args!(
                "it claims {length} bytes from byte {offset} on, but has {} in all",
                self.length
            ))),
        }
    }

    /// A message's bytes, and where its body begins in them.
    fn message(&mut self, entry: Entry) -> Result<(Block, Buffer)> {
        let length = self.within(entry.offset, u64::from(entry.metadata) + entry.body)?;
        let mut bytes = MutableBuffer::from_len_zeroed(length);
        self.read_into(entry.offset, &mut bytes)?;
        let bytes = Buffer::from(bytes);
        let (head, body) = bytes.split_at_checked(entry.metadata as usize).unwrap_or_default();
        let message = root_as_message(unframed(head)).map_err(|error| self.malformed(error))?;
        self.check_compressed(message, body)?;
        let block = Block::new(entry.offset as i64, entry.metadata as i32, entry.body as i64);
        Ok((block, bytes))
    }

    /// Each compressed buffer begins with its length when decompressed, for which the decoder will ask
    /// memory: it must be one that the bytes can have, and be there, or the process would be ended.
    fn check_compressed(&self, message: Message<'_>, body: &[u8]) -> Result<()> {
        /// What a byte becomes at most: lengths grow by 255 a byte in LZ4, and four bytes are a block of
        /// 128 KiB in Zstandard.
        const MOST_BY_LZ4: usize = 255;
        const MOST_BY_ZSTD: usize = 32 << 10;
        let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
        let Some(batch) = message.header_as_record_batch().or(dictionary) else { return Ok(()) };
        let Some(compression) = batch.compression() else { return Ok(()) };
        let most = if compression.codec() == CompressionType::LZ4_FRAME { MOST_BY_LZ4 } else { MOST_BY_ZSTD };
        for buffer in batch.buffers().into_iter().flatten() {
            let place = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()));
            let (Ok(at), Ok(length)) = place else { continue };
            // What lies elsewhere is refused by the decoder.
            let bytes = at.checked_add(length).and_then(|end| body.get(at..end)).unwrap_or_default();
            let Some((prefix, packed)) = bytes.split_first_chunk::<8>() else { continue };
            let length = i64::from_le_bytes(*prefix);
            let fits = usize::try_from(length).is_ok_and(|length| {
                length <= packed.len().saturating_mul(most)
                    && Vec::<u8>::new().try_reserve_exact(length).is_ok()
            });
            if length != -1 && !fits {
                return Err(self.malformed(format_args!("a buffer claims {length} bytes when decompressed")));
            }
        }
        Ok(())
    }

    /// The layout from a file's footer.
    fn footer(&mut self) -> Result<Layout> {
        let Some(tail) = self.length.checked_sub(10).filter(|at| *at >= 8) else {
            return Err(self.malformed("it is too short to have a footer"));
        };
        let ending = self.read(tail, 10)?;
        let (length, magic) = ending.split_first_chunk::<4>().ok_or_else(|| self.malformed("no footer"))?;
        if magic != MAGIC {
            return Err(self.malformed("it does not end with ARROW1: it was not written to its end"));
        }
        let length = u64::from(u32::from_le_bytes(*length));
        let Some(start) = tail.checked_sub(length) else {
            return Err(self.malformed(format_args!("its footer claims {length} bytes")));
        };
        let bytes = self.read(start, length)?;
        let footer = root_as_footer(&bytes).map_err(|error| self.malformed(error))?;
        let Some(schema) = footer.schema() else { return Err(self.malformed("its footer has no schema")) };
        self.check_schema(schema)?;
        Ok(Layout {
            schema: Arc::new(fb_to_schema(schema)),
            version: footer.version(),
            dictionaries_first: true,
            dictionaries: self.entries(footer.dictionaries().into_iter().flatten())?,
            batches: self.entries(footer.recordBatches().into_iter().flatten())?,
        })
    }

    fn entries<'a>(&mut self, blocks: impl Iterator<Item = &'a Block>) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for block in blocks {
            let numbers =
                (block.offset().try_into(), block.metaDataLength().try_into(), block.bodyLength().try_into());
            let (Ok(offset), Ok(metadata), Ok(body)) = numbers else {
                return Err(self.malformed("a block of its footer has a negative length"));
            };
            let mut entry = Entry { offset, metadata, body, rows: 0 };
            self.within(offset, body)?;
            let head = self.read(offset, u64::from(metadata))?;
            let message = root_as_message(unframed(&head)).map_err(|error| self.malformed(error))?;
            entry.rows = rows(message);
            entries.push(entry);
        }
        Ok(entries)
    }

    /// The layout of a stream, from its messages one after the other.
    fn walk(&mut self) -> Result<Layout> {
        let mut layout: Option<Layout> = None;
        let mut offset = 0;
        while let Some((prefix, length)) = self.message_length(offset)? {
            let head = self.read(offset + prefix, length)?;
            let message = root_as_message(&head).map_err(|error| self.malformed(error))?;
            let Ok(body) = u64::try_from(message.bodyLength()) else {
                return Err(self.malformed("a message has a negative length"));
            };
            let metadata = u32::try_from(prefix + length).map_err(|error| self.malformed(error))?;
            let entry = Entry { offset, metadata, body, rows: rows(message) };
            offset += u64::from(metadata);
            self.within(offset, body)?;
            offset += body;
            match (message.header_type(), &mut layout) {
                (MessageHeader::Schema, layout @ None) => {
                    let Some(schema) = message.header_as_schema() else { break };
                    self.check_schema(schema)?;
                    *layout = Some(Layout {
                        schema: Arc::new(fb_to_schema(schema)),
                        version: message.version(),
                        dictionaries_first: false,
                        dictionaries: Vec::new(),
                        batches: Vec::new(),
                    });
                }
                (MessageHeader::DictionaryBatch, Some(layout)) => layout.dictionaries.push(entry),
                (MessageHeader::RecordBatch, Some(layout)) => layout.batches.push(entry),
                (kind, _) => return Err(self.malformed(format_args!("a {kind:?} message is out of place"))),
            }
        }
        layout.ok_or_else(|| self.malformed("it has no schema"))
    }

    /// How many bytes stand before a message's metadata, and how many it has; `None` at the end.
    fn message_length(&mut self, offset: u64) -> Result<Option<(u64, u64)>> {
        if offset == self.length {
            return Ok(None);
        }
        let word = |handle: &mut Self, at| -> Result<u32> {
            let bytes = handle.read(at, 4)?;
            Ok(bytes.first_chunk::<4>().map(|word| u32::from_le_bytes(*word)).unwrap_or_default())
        };
        // Before Arrow 0.15 there was no continuation marker before the length.
        let (prefix, length) = match word(self, offset)? {
            u32::MAX => (8, word(self, offset + 4)?),
            length => (4, length),
        };
        Ok((length > 0).then_some((prefix, u64::from(length))))
    }

    fn check_schema(&self, schema: arrow_ipc::Schema<'_>) -> Result<()> {
        if schema.endianness().equals_to_target_endianness() {
            return Ok(());
        }
        Err(self.malformed("its numbers have the other byte order"))
    }
}

/// A message's metadata without the length before it.
fn unframed(bytes: &[u8]) -> &[u8] {
    match bytes {
        [0xff, 0xff, 0xff, 0xff, _, _, _, _, rest @ ..] => rest,
        [_, _, _, _, rest @ ..] => rest,
        short => short,
    }
}

fn rows(message: Message<'_>) -> u64 {
    message.header_as_record_batch().and_then(|batch| batch.length().try_into().ok()).unwrap_or_default()
}
