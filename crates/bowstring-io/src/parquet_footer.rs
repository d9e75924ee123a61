//! Is a Parquet footer safe to decode?
//!
//! The footer is a Thrift structure in the compact protocol, in which a list begins with its length.
//! The decoder asks for memory by that length and recurses by the schema's depth, so that a few changed
//! bytes could end the process. One walk over the footer refuses both first.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::{IoError, Result};

const MAGIC: &[u8; 4] = b"PAR1";
const ENCRYPTED: &[u8; 4] = b"PARE";
/// Structures within structures; the format needs fewer than ten.
const MAX_DEPTH: usize = 32;
/// Groups within groups of the schema.
const MAX_SCHEMA_DEPTH: usize = 128;
/// The format numbers row groups with 16 bits.
const MAX_ROW_GROUPS: u64 = i16::MAX as u64;

/// Reads and decodes the footer of a file of `length` bytes.
pub(crate) fn read(mut file: &File, length: u64, path: &Path) -> Result<ParquetMetaData> {
    let malformed = |reason: String| IoError::malformed(path, "parquet", reason);
    let mut read = |offset: u64, bytes: &mut [u8]| {
        let seek = file.seek(SeekFrom::Start(offset));
        seek.and_then(|_| file.read_exact(bytes)).map_err(|error| IoError::system("read", path, error))
    };
    if length == 0 {
        return Err(malformed("it is empty".into()));
    }
    let mut tail = [0; 8];
    let Some(at) = length.checked_sub(8) else {
        return Err(malformed(format!("it has only {length} bytes")));
    };
    read(at, &mut tail)?;
    let ([a, b, c, d, magic @ ..], mut head) = (tail, [0; 4]);
    read(0, &mut head)?;
    if magic == *ENCRYPTED {
        return Err(malformed("its footer is encrypted".into()));
    }
    if magic != *MAGIC {
        return Err(malformed(match head == *MAGIC {
            true => "it does not end with PAR1: it was not written to its end".into(),
            false => "it does not begin with PAR1".into(),
        }));
    }
    let claimed = u64::from(u32::from_le_bytes([a, b, c, d]));
    let Some(start) = at.checked_sub(claimed).filter(|start| *start >= 4) else {
        return Err(malformed(format!("its footer claims {claimed} bytes, but the file has {length}")));
    };
    let size = usize::try_from(claimed).map_err(|error| malformed(error.to_string()))?;
    let mut footer = vec![0; size];
    read(start, &mut footer)?;
    check(&footer).map_err(|reason| malformed(format!("its footer is corrupt: {reason}")))?;
    let metadata =
        ParquetMetaDataReader::decode_metadata(&footer).map_err(|error| IoError::parquet(path, error))?;
    let negative = metadata.row_groups().iter().any(|group| {
        group.num_rows() < 0
            || group.columns().iter().any(|chunk| chunk.compressed_size() < 0 || chunk.data_page_offset() < 0)
    });
    if negative || metadata.file_metadata().num_rows() < 0 {
        return Err(malformed("its footer is corrupt: a length is negative".into()));
    }
    Ok(metadata)
}

/// That every list of the footer can be as long as it says, and its schema is not too deep.
fn check(footer: &[u8]) -> Result<(), &'static str> {
    let mut walk = Walk { left: footer };
    walk.structure(0, &mut |walk, field, kind| match (field, kind) {
        (2, LIST) => walk.schema().map(|()| true),
        (4, LIST) if walk.peek_length()? > MAX_ROW_GROUPS => Err("it has too many row groups"),
        _ => Ok(false),
    })
}

const BOOLEAN_TRUE: u8 = 1;
const BOOLEAN_FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

type Visit<'v, 'a> = &'v mut dyn FnMut(&mut Walk<'a>, i64, u8) -> Result<bool, &'static str>;

/// A walk over Thrift's compact protocol that keeps nothing.
struct Walk<'a> {
    left: &'a [u8],
}

impl<'a> Walk<'a> {
    /// Walks over the fields of a structure; `visit` is told each one's number and type, and says
    /// whether it has walked over it.
    fn structure(&mut self, depth: usize, visit: Visit<'_, 'a>) -> Result<(), &'static str> {
        if depth > MAX_DEPTH {
            return Err("its structures are too deep");
        }
        let mut number = 0i64;
        loop {
            let header = self.byte()?;
            if header == 0 {
                return Ok(());
            }
            number = match header >> 4 {
                0 => self.signed()?,
                step => number + i64::from(step),
            };
            let kind = header & 0x0f;
            if !visit(self, number, kind)? {
                self.value(kind, depth, false)?;
            }
        }
    }

    fn value(&mut self, kind: u8, depth: usize, in_list: bool) -> Result<(), &'static str> {
        match kind {
            BOOLEAN_TRUE | BOOLEAN_FALSE if in_list => self.skip(1),
            BOOLEAN_TRUE | BOOLEAN_FALSE => Ok(()),
            BYTE => self.skip(1),
            I16 | I32 | I64 => self.unsigned().map(|_| ()),
            DOUBLE => self.skip(8),
            BINARY => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            LIST | SET => {
                let (length, kind) = self.list()?;
                (0..length).try_for_each(|_| self.value(kind, depth + 1, true))
            }
            MAP => {
                let length = self.unsigned()?;
                self.room_for(length)?;
                let kinds = if length > 0 { self.byte()? } else { 0 };
                (0..length).try_for_each(|_| {
                    self.value(kinds >> 4, depth + 1, true)?;
                    self.value(kinds & 0x0f, depth + 1, true)
                })
            }
            STRUCT => self.structure(depth + 1, &mut |_, _, _| Ok(false)),
            _ => Err("it has a value of unknown type"),
        }
    }

    /// Walks over the list of schema elements, which is a tree in depth-first order.
    fn schema(&mut self) -> Result<(), &'static str> {
        let (length, kind) = self.list()?;
        if kind != STRUCT {
            return Err("its schema is no list of structures");
        }
        // How many children are still to come, for each group that is open.
        let mut open: Vec<i64> = Vec::new();
        for _ in 0..length {
            let mut children = 0;
            self.structure(1, &mut |walk, field, kind| match (field, kind) {
                (5, I32) => {
                    children = walk.signed()?;
                    Ok(true)
                }
                _ => Ok(false),
            })?;
            if let Some(siblings) = open.last_mut() {
                *siblings -= 1;
            }
            if children > 0 {
                open.push(children);
            }
            while open.last().is_some_and(|siblings| *siblings == 0) {
                open.pop();
            }
            if open.len() > MAX_SCHEMA_DEPTH {
                return Err("its schema is too deep");
            }
        }
        Ok(())
    }

    fn list(&mut self) -> Result<(u64, u8), &'static str> {
        let header = self.byte()?;
        let length = match header >> 4 {
            15 => self.unsigned()?,
            short => u64::from(short),
        };
        self.room_for(length)?;
        Ok((length, header & 0x0f))
    }

    fn peek_length(&self) -> Result<u64, &'static str> {
        Walk { left: self.left }.list().map(|(length, _)| length)
    }

    /// Every element takes a byte at least.
    fn room_for(&self, length: u64) -> Result<(), &'static str> {
        if length > self.left.len() as u64 { Err("a list is longer than the footer") } else { Ok(()) }
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        let (first, rest) = self.left.split_first().ok_or("it ends too early")?;
        self.left = rest;
        Ok(*first)
    }

    fn skip(&mut self, count: u64) -> Result<(), &'static str> {
        let count = usize::try_from(count).map_err(|_| "a value is too long")?;
        self.left = self.left.get(count..).ok_or("it ends too early")?;
        Ok(())
    }

    fn unsigned(&mut self) -> Result<u64, &'static str> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number is too long")
    }

    fn signed(&mut self) -> Result<i64, &'static str> {
        let zigzag = self.unsigned()?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_group_list_of_absurd_length_is_refused() {
        // Field 4, a list of structures with 2^31 - 1 elements.
        let footer = [0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0];
        assert_eq!(check(&footer), Err("a list is longer than the footer"));
        let many: Vec<u8> = [0x49, 0xfc, 0x80, 0x80, 0x02].into_iter().chain([0; 40_000]).collect();
        assert_eq!(check(&many), Err("it has too many row groups"));
    }

    #[test]
    fn a_schema_of_a_million_levels_is_refused() {
        // Field 2, a list of a million groups with one child each.
        let mut footer = vec![0x29, 0xfc, 0xc0, 0x84, 0x3d];
        footer.extend([0x55, 2, 0].repeat(1_000_000));
        assert_eq!(check(&footer), Err("its schema is too deep"));
    }

    #[test]
    fn structures_within_structures_end_somewhere() {
        let footer = vec![0x1c; 1_000_000];
        assert_eq!(check(&footer), Err("its structures are too deep"));
    }
}
