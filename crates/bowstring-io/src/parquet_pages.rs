//! How do the bytes of pages get from the file to the decoder?
//!
//! Column chunks are read in windows of a mebibyte, in which pages are slices; of pages that are skipped
//! no more than the beginning is read, or nothing, when there is a page index. Page headers that claim
//! more than their column chunk can hold are refused before the decoder asks for memory by them; what
//! pages claim once they are decompressed is checked later.

use std::{
    collections::HashSet,
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Buf, Bytes};
use parquet::{
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, ParquetMetaData},
        reader::{ChunkReader, Length},
    },
};

use crate::thrift::{I32, STRUCT, TOO_SHORT, Walk};

const WINDOW: u64 = 1 << 20;
/// What is read of a page for its header; almost all are much smaller.
const HEADER: u64 = 16 << 10;
/// Pages up to this size need not be in keeping with the size of their column chunk, about which some
/// writers erred.
const FREE_SIZE: i64 = 16 << 20;

/// The pages of some column chunks of a file.
pub(crate) struct Pages {
    length: u64,
    /// Whether pages are asked for by the page index, with their headers.
    by_index: bool,
    /// Sorted by their place in the file.
    chunks: Vec<Chunk>,
    state: Mutex<State>,
    /// What the operating system said when reading failed; the decoder passes on no more than its text.
    failure: Failure,
}

/// The operating system's error that a decoder came upon, if any.
pub(crate) type Failure = Arc<Mutex<Option<std::io::Error>>>;

struct Chunk {
    bytes: Range<u64>,
    values: i64,
    uncompressed: i64,
}

struct State {
    file: File,
    /// For each chunk the bytes read last, and their place.
    windows: Vec<(u64, Bytes)>,
    /// Where pages begin after their headers.
    bodies: HashSet<u64>,
}

impl Pages {
    /// The pages of these row groups' leaves.
    pub(crate) fn new(
        file: File,
        length: u64,
        metadata: &ParquetMetaData,
        groups: &[usize],
        leaves: &[usize],
    ) -> Self {
        let groups = groups.iter().filter_map(|group| metadata.row_groups().get(*group));
        let columns = groups.flat_map(|group| leaves.iter().filter_map(|leaf| group.columns().get(*leaf)));
        let mut chunks: Vec<Chunk> = columns.map(|column| Chunk::new(column, length)).collect();
        chunks.sort_by_key(|chunk| (chunk.bytes.start, chunk.bytes.end));
        let windows = chunks.iter().map(|chunk| (chunk.bytes.start, Bytes::new())).collect();
        let state = Mutex::new(State { file, windows, bodies: HashSet::new() });
        Self {
            length,
            by_index: metadata.offset_index().is_some(),
            chunks,
            state,
            failure: Failure::default(),
        }
    }

    /// Where to look for the operating system's error when decoding has failed.
    pub(crate) fn failure(&self) -> Failure {
        Arc::clone(&self.failure)
    }

    /// Bytes of a chunk, `least` of them at least, but not more than it has; `ahead` are read when they
    /// are not there.
    fn window(&self, start: u64, least: u64, ahead: u64) -> Result<(&Chunk, Bytes), ParquetError> {
        let next = self.chunks.partition_point(|chunk| chunk.bytes.start <= start);
        let index = next.checked_sub(1).ok_or_else(outside)?;
        let chunk = self.chunks.get(index).filter(|chunk| start <= chunk.bytes.end).ok_or_else(outside)?;
        let least = least.min(chunk.bytes.end - start);
        let mut state = self.state();
        let State { file, windows, .. } = &mut *state;
        let (place, window) = windows.get_mut(index).ok_or_else(outside)?;
        let covered = *place <= start && start + least <= *place + window.len() as u64;
        if !covered {
            let ahead = ahead.max(least).min(chunk.bytes.end - start);
            *window = read(file, start, ahead).map_err(|error| self.failed(error))?;
            *place = start;
        }
        let skipped = usize::try_from(start - *place).map_err(|_| outside())?;
        Ok((chunk, window.slice(skipped..)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: std::io::Error) -> ParquetError {
        let text = error.to_string();
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        ParquetError::General(text)
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Pages {
    type T = bytes::buf::Reader<Bytes>;

    /// A page's header. The decoder also comes with the place after a header that it has read before.
    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let (mut chunk, mut bytes) = self.window(start, HEADER, HEADER)?;
        if !self.state().bodies.contains(&start) {
            let mut checked = chunk.check(&bytes);
            if checked == Err(TOO_SHORT) {
                (chunk, bytes) = self.window(start, u64::MAX, 0)?;
                checked = chunk.check(&bytes);
            }
            let length = checked.map_err(corrupt)?;
            self.state().bodies.insert(start + length as u64);
        }
        Ok(bytes.reader())
    }

    /// A page, after its header; with it, when there is a page index.
    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let ahead = if self.by_index { 0 } else { WINDOW };
        let (chunk, bytes) = self.window(start, length as u64, ahead)?;
        let page = if length <= bytes.len() { bytes.slice(..length) } else { return Err(outside()) };
        if self.by_index {
            chunk.check(&page).map_err(corrupt)?;
        }
        Ok(page)
    }
}

fn read(file: &mut File, start: u64, length: u64) -> std::io::Result<Bytes> {
    // No more than the file has.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.seek(SeekFrom::Start(start))?;
    file.take(length).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < length {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes.into())
}

fn outside() -> ParquetError {
    ParquetError::General("a page is not where the footer says".into())
}

fn corrupt(reason: &'static str) -> ParquetError {
    ParquetError::General(format!("the header of a page is corrupt: {reason}"))
}

impl Chunk {
    fn new(column: &ColumnChunkMetaData, file: u64) -> Self {
        let (start, length) = column.byte_range();
        Self {
            bytes: start..start.saturating_add(length).min(file).max(start),
            values: column.num_values(),
            uncompressed: column.uncompressed_size(),
        }
    }

    /// The length of the header with which `bytes` begin, if it can be that of one of its pages.
    fn check(&self, bytes: &[u8]) -> Result<usize, &'static str> {
        let (mut size, mut values, mut entries) = (0, 0, 0);
        let mut walk = Walk { left: bytes };
        walk.structure(0, &mut |walk, field, kind| match (field, kind) {
            (2, I32) => walk.signed().map(|number| size = number).map(|()| true),
            (5 | 8, STRUCT) => first(walk, &mut values),
            (7, STRUCT) => first(walk, &mut entries),
            _ => Ok(false),
        })?;
        if size > self.uncompressed.max(FREE_SIZE) {
            return Err("it claims more bytes than its column has");
        }
        if values > self.values {
            return Err("it claims more values than its column has");
        }
        // Every value of a dictionary takes a byte at least.
        if entries > size {
            return Err("it claims more values than bytes");
        }
        Ok(bytes.len() - walk.left.len())
    }
}

/// Walks over a structure, and keeps its first field.
fn first(walk: &mut Walk<'_>, number: &mut i64) -> Result<bool, &'static str> {
    walk.structure(1, &mut |walk, field, kind| match (field, kind) {
        (1, I32) => walk.signed().map(|first| *number = first).map(|()| true),
        _ => Ok(false),
    })?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header in Thrift's compact protocol: fields 1 to 3, then a structure whose first field is a count.
    fn check(size: u8, structure: u8, count: u8) -> Result<usize, &'static str> {
        let chunk = Chunk { bytes: 0..100, values: 10, uncompressed: FREE_SIZE };
        // Field numbers are steps from the last; numbers are zigzag, so that twice the number is written.
        let header = [0x15, 0, 0x15, 2 * size, 0x15, 0, structure, 0x15, 2 * count, 0, 0];
        chunk.check(&header)
    }

    #[test]
    fn a_page_cannot_have_more_values_than_its_column() {
        let (version_one, dictionary, version_two) = (0x2c, 0x4c, 0x5c);
        assert_eq!(check(60, version_one, 10), Ok(11));
        assert_eq!(check(60, version_one, 11), Err("it claims more values than its column has"));
        assert_eq!(check(60, version_two, 10), Ok(11));
        assert_eq!(check(60, version_two, 11), Err("it claims more values than its column has"));
        assert_eq!(check(60, dictionary, 60), Ok(11));
        assert_eq!(check(60, dictionary, 61), Err("it claims more values than bytes"));
    }

    #[test]
    fn a_page_cannot_be_larger_than_its_column() {
        let chunk = |uncompressed| Chunk { bytes: 0..100, values: 10, uncompressed };
        // 2^30 as an unsigned number in groups of seven bits, twice that being 2^31.
        let header = [0x25, 0x80, 0x80, 0x80, 0x80, 0x08, 0];
        assert_eq!(chunk(FREE_SIZE).check(&header), Err("it claims more bytes than its column has"));
        assert_eq!(chunk(1 << 30).check(&header), Ok(header.len()));
        assert_eq!(chunk(1 << 30).check(&header[..4]), Err(TOO_SHORT));
    }
}
