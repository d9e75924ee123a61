//! Is a Parquet footer safe to decode?
//!
//! A list in it that is longer than the footer, more row groups than there can be, and a schema that is
//! too deep are refused before it is decoded.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::{
    IoError, Result,
    thrift::{I32, LIST, STRUCT, Walk},
};

const MAGIC: &[u8; 4] = b"PAR1";
const ENCRYPTED: &[u8; 4] = b"PARE";
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
    // Every row has one value of a column, if only a null, and at least one where values are repeated.
    let differs = metadata.row_groups().iter().any(|group| {
        group.columns().iter().any(|chunk| match chunk.column_descr().max_rep_level() {
            0 => chunk.num_values() != group.num_rows(),
            _ => chunk.num_values() < group.num_rows(),
        })
    });
    if differs {
        return Err(malformed("its footer is corrupt: a row group has other rows than values".into()));
    }
    Ok(metadata)
}

/// That every list of the footer can be as long as it says, and its schema is not too deep.
fn check(footer: &[u8]) -> Result<(), &'static str> {
    let mut walk = Walk { left: footer };
    walk.structure(0, &mut |walk, field, kind| match (field, kind) {
        (2, LIST) => schema(walk).map(|()| true),
        (4, LIST) if walk.peek_length()? > MAX_ROW_GROUPS => Err("it has too many row groups"),
        _ => Ok(false),
    })
}

/// Walks over the list of schema elements, which is a tree in depth-first order.
fn schema(walk: &mut Walk<'_>) -> Result<(), &'static str> {
    let (length, kind) = walk.list()?;
    if kind != STRUCT {
        return Err("its schema is no list of structures");
    }
    // How many children are still to come, for each group that is open.
    let mut open: Vec<i64> = Vec::new();
    for _ in 0..length {
        let mut children = 0;
        walk.structure(1, &mut |walk, field, kind| match (field, kind) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_group_list_of_absurd_length_is_refused() {
        // Field 4, a list of structures with 2^31 - 1 elements.
        let footer = [0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0];
        assert_eq!(check(&footer), Err("a list is longer than what is left"));
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
