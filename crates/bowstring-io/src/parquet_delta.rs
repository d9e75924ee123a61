//! Can a page hold as many lengths as it says?
//!
//! The delta encodings of byte arrays begin with the lengths of all values, and the decoder asks for
//! memory by their number before it has read one. See "Delta-length byte array" and "Delta Strings" of
//! the format's encodings: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>.

use parquet::{basic::Encoding, column::page::Page, schema::types::ColumnDescriptor};

use crate::thrift::{TOO_SHORT, Walk};

/// That the page has no more lengths than values.
pub(crate) fn check(page: &Page, column: &ColumnDescriptor) -> Result<(), &'static str> {
    let encoding = match page {
        Page::DataPage { encoding, .. } | Page::DataPageV2 { encoding, .. } => *encoding,
        Page::DictionaryPage { .. } => return Ok(()),
    };
    let streams = match encoding {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
        // Lengths of what a value shares with the one before, and lengths of the rest.
        Encoding::DELTA_BYTE_ARRAY => 2,
        _ => return Ok(()),
    };
    let mut walk = after_levels(page, column)?;
    for _ in 0..streams {
        if lengths(&mut walk)? > u64::from(page.num_values()) {
            return Err("it has more lengths than values");
        }
    }
    Ok(())
}

/// The values of a data page, after its levels.
fn after_levels<'p>(page: &'p Page, column: &ColumnDescriptor) -> Result<Walk<'p>, &'static str> {
    let mut walk = Walk { left: page.buffer() };
    match page {
        Page::DataPage { num_values, def_level_encoding, rep_level_encoding, .. } => {
            let levels =
                [(column.max_rep_level(), rep_level_encoding), (column.max_def_level(), def_level_encoding)];
            for (most, encoding) in levels.into_iter().filter(|(most, _)| *most > 0) {
                let bytes = match encoding {
                    Encoding::RLE => {
                        4 + u64::from(u32::from_le_bytes(*walk.left.first_chunk().ok_or(TOO_SHORT)?))
                    }
                    // Packed, as old writers did, in as many bits as the greatest level has.
                    _ => (u64::from(*num_values) * u64::from(16 - most.leading_zeros())).div_ceil(8),
                };
                walk.skip(bytes)?;
            }
        }
        Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
            walk.skip(u64::from(*rep_levels_byte_len) + u64::from(*def_levels_byte_len))?;
        }
        Page::DictionaryPage { .. } => {}
    }
    Ok(walk)
}

/// Walks over numbers in the DELTA_BINARY_PACKED encoding, and says how many there are.
fn lengths(walk: &mut Walk<'_>) -> Result<u64, &'static str> {
    let (block, miniblocks, count) = (walk.unsigned()?, walk.unsigned()?, walk.unsigned()?);
    let _first = walk.unsigned()?;
    let width = block.checked_div(miniblocks).ok_or("its blocks have no parts")?;
    // The first number stands in the header.
    let mut after = count.saturating_sub(1);
    if width == 0 && after > 0 {
        return Err("its blocks are empty");
    }
    while after > 0 {
        let _least = walk.unsigned()?;
        let widths = walk.left;
        walk.skip(miniblocks)?;
        for bits in widths.iter().take(widths.len() - walk.left.len()) {
            // Those after the last number have no bytes.
            if after > 0 {
                walk.skip(width.checked_mul(u64::from(*bits)).ok_or(TOO_SHORT)? / 8)?;
            }
            after = after.saturating_sub(width);
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::{
        basic::Type as PhysicalType,
        schema::types::{ColumnPath, Type},
    };

    use super::*;

    /// A page of ten values whose lengths are `bytes`.
    fn check_bytes(encoding: Encoding, bytes: &[u8]) -> Result<(), &'static str> {
        let page = Page::DataPageV2 {
            buf: [&[7, 7, 7], bytes].concat().into(),
            num_values: 10,
            encoding,
            num_nulls: 0,
            num_rows: 10,
            def_levels_byte_len: 2,
            rep_levels_byte_len: 1,
            is_compressed: false,
            statistics: None,
        };
        let text = Type::primitive_type_builder("text", PhysicalType::BYTE_ARRAY).build().expect("a type");
        check(&page, &ColumnDescriptor::new(Arc::new(text), 1, 1, ColumnPath::from("text")))
    }

    /// Blocks of 128 in four parts, so many numbers, the first of which is 0.
    fn header(count: &[u8]) -> Vec<u8> {
        [&[0x80, 0x01, 4], count, &[0]].concat()
    }

    #[test]
    fn a_page_has_at_most_one_length_for_each_value() {
        let one = |count: &[u8], blocks: &[u8]| {
            check_bytes(Encoding::DELTA_LENGTH_BYTE_ARRAY, &[&header(count)[..], blocks].concat())
        };
        // A block: its least number, and the bits of each of its four parts.
        let block = [0, 1, 0, 0, 0, 9, 9, 9, 9];
        assert_eq!(one(&[10], &block), Ok(()));
        assert_eq!(one(&[10], &block[..8]), Err(TOO_SHORT));
        assert_eq!(one(&[11], &block), Err("it has more lengths than values"));
        assert_eq!(one(&[1], &[]), Ok(()), "the only number stands in the header");
        assert_eq!(one(&[0xff, 0xff, 0xff, 0xff, 0x0f], &block), Err(TOO_SHORT));
        assert_eq!(one(&[0xff; 11], &[]), Err("a number is too long"));
        // As many as fit 64 bits, all of them the same, in one block of no bytes.
        let wide = [&[0xff; 9][..], &[0x01, 1], &[0xff; 9], &[0x01, 0, 0, 0]].concat();
        assert_eq!(
            check_bytes(Encoding::DELTA_LENGTH_BYTE_ARRAY, &wide),
            Err("it has more lengths than values")
        );
        let no_parts = [0x80, 0x01, 0, 10, 0];
        assert_eq!(
            check_bytes(Encoding::DELTA_LENGTH_BYTE_ARRAY, &no_parts),
            Err("its blocks have no parts")
        );
        let empty_parts = [0, 4, 10, 0, 0, 0, 0, 0, 0];
        assert_eq!(check_bytes(Encoding::DELTA_LENGTH_BYTE_ARRAY, &empty_parts), Err("its blocks are empty"));
    }

    #[test]
    fn both_streams_of_delta_strings_are_counted() {
        let two = |counts: [u8; 2]| {
            // The last of the first stream's parts has no bytes, whatever its bits are.
            let first = [&header(&[counts[0]])[..], &[0, 1, 0, 0, 32, 9, 9, 9, 9]].concat();
            check_bytes(Encoding::DELTA_BYTE_ARRAY, &[first, header(&[counts[1]]), vec![0; 5]].concat())
        };
        assert_eq!(two([10, 10]), Ok(()));
        assert_eq!(two([10, 11]), Err("it has more lengths than values"));
        assert_eq!(two([11, 10]), Err("it has more lengths than values"));
    }
}
