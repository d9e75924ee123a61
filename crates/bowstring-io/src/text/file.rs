//! How are the bytes of a text file had, whatever its encoding?

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use encoding_rs::{DecoderResult, Encoding, UTF_8};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use tempfile::NamedTempFile;

use crate::{IoError, Result, identity::Identity};

const BOM: &[u8] = b"\xef\xbb\xbf";
const COPY_BYTES: usize = 1 << 20;
const LEAST_PART_BYTES: u64 = 1 << 20;
const MOST_PART_BYTES: u64 = 32 << 20;
/// Parts for each thread, so that threads that are done early find more to do.
const PARTS_PER_THREAD: u64 = 4;

/// About how large the parts of a file are that is read in parallel. It depends on the number of
/// threads, and nothing that is read depends on it.
pub(crate) fn part_bytes(bytes: u64) -> u64 {
    let parts = PARTS_PER_THREAD * rayon::current_num_threads() as u64;
    (bytes / parts).clamp(LEAST_PART_BYTES, MOST_PART_BYTES)
}

/// A text file as UTF-8 bytes. Another encoding, and a pipe, is copied into a temporary file first.
#[derive(Debug)]
pub(crate) struct TextFile {
    path: PathBuf,
    identity: Identity,
    copy: Option<NamedTempFile>,
    /// The bytes of the text, a byte order mark left away.
    range: Range<u64>,
}

impl TextFile {
    pub(crate) fn open(path: &Path, encoding: &str) -> Result<Self> {
        let system = |error| IoError::system("open", path, error);
        let encoding =
            Encoding::for_label(encoding.trim().as_bytes()).ok_or_else(|| IoError::InvalidOption {
                option: "encoding",
                reason: format!("is `{encoding}`, which is no encoding of the WHATWG list"),
                hint: Some("name one such as `utf-8`, `latin1`, `windows-1252`, `utf-16le` or `shift_jis`"),
            })?;
        let mut file = File::open(path).map_err(system)?;
        let metadata = file.metadata().map_err(system)?;
        if metadata.is_dir() {
            return Err(IoError::system("read", path, std::io::ErrorKind::IsADirectory.into()));
        }
        let identity = Identity::of(&file, path)?;
        let copy = if encoding != UTF_8 {
            Some(transcode(path, &mut file, encoding)?)
        } else if !metadata.is_file() {
            let mut copy = NamedTempFile::new().map_err(|error| IoError::system("write", path, error))?;
            std::io::copy(&mut file, &mut copy).map_err(|error| IoError::system("read", path, error))?;
            Some(copy)
        } else {
            None
        };
        let mut text = Self { path: path.to_owned(), identity, copy, range: 0..0 };
        let mut bytes = text.open_bytes()?;
        let length = bytes.metadata().map_err(system)?.len();
        let mut mark = Vec::new();
        let read = Read::by_ref(&mut bytes).take(BOM.len() as u64).read_to_end(&mut mark);
        read.map_err(|error| IoError::system("read", path, error))?;
        let start = if mark == BOM { BOM.len() as u64 } else { 0 };
        text.range = start..length;
        Ok(text)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the text stands in the bytes of the file.
    pub(crate) fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Some of its bytes.
    pub(crate) fn reader(&self, range: Range<u64>) -> Result<std::io::Take<File>> {
        let mut file = self.open_bytes()?;
        file.seek(SeekFrom::Start(range.start))
            .map_err(|error| IoError::system("read", &self.path, error))?;
        Ok(file.take(range.end.saturating_sub(range.start)))
    }

    /// The place after the first newline at or after `from`; the end when there is none.
    pub(crate) fn after_newline(&self, from: u64) -> Result<u64> {
        let mut reader = self.reader(from..self.range.end)?;
        let (mut block, mut at) = (vec![0; 1 << 14], from);
        loop {
            let count =
                reader.read(&mut block).map_err(|error| IoError::system("read", &self.path, error))?;
            let bytes = block.get(..count).unwrap_or_default();
            match memchr::memchr(b'\n', bytes) {
                Some(newline) => return Ok(at + newline as u64 + 1),
                None if count == 0 => return Ok(self.range.end),
                None => at += count as u64,
            }
        }
    }

    /// The beginnings of lines that cut a range into pieces of about `bytes`; the range's own beginning
    /// and end included.
    pub(crate) fn line_starts(&self, range: Range<u64>, bytes: u64) -> Result<Vec<u64>> {
        let step = usize::try_from(bytes.max(1)).unwrap_or(usize::MAX);
        let nominal: Vec<u64> = range.clone().step_by(step).skip(1).collect();
        let inner: Vec<u64> =
            nominal.par_iter().map(|from| self.after_newline(*from)).collect::<Result<_>>()?;
        let mut starts = vec![range.start];
        starts.extend(inner);
        starts.push(range.end);
        starts.dedup();
        Ok(starts)
    }

    fn open_bytes(&self) -> Result<File> {
        let system = |error| IoError::system("open", &self.path, error);
        if let Some(copy) = &self.copy {
            return copy.reopen().map_err(system);
        }
        let file = File::open(&self.path).map_err(system)?;
        self.identity.check(&file, &self.path)?;
        Ok(file)
    }
}

/// Copies a file into a temporary one in UTF-8; a byte sequence that the encoding does not know is
/// an error, not a replacement character.
fn transcode(path: &Path, file: &mut File, encoding: &'static Encoding) -> Result<NamedTempFile> {
    let storage = |error| IoError::system("write a temporary copy of", path, error);
    let mut copy = NamedTempFile::new().map_err(storage)?;
    let mut decoder = encoding.new_decoder_with_bom_removal();
    let (mut block, mut text) = (vec![0; COPY_BYTES], vec![0; COPY_BYTES]);
    let mut line = 1;
    loop {
        let count = file.read(&mut block).map_err(|error| IoError::system("read", path, error))?;
        let (last, mut bytes) = (count == 0, block.get(..count).unwrap_or_default());
        loop {
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, &mut text, last);
            let decoded = text.get(..written).unwrap_or_default();
            line += memchr::memchr_iter(b'\n', decoded).count();
            copy.write_all(decoded).map_err(storage)?;
            bytes = bytes.get(read..).unwrap_or_default();
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    return Err(IoError::NotInEncoding {
                        path: path.to_owned(),
                        line: line as u64,
                        encoding: encoding.name(),
                    });
                }
            }
        }
        if last {
            copy.flush().map_err(storage)?;
            return Ok(copy);
        }
    }
}
