//! Where do the bits of a code stand?
//!
//! The codes of a row are one stream of bits, the least significant bit of each byte first: code `i` has the
//! bits `i · bits` to `(i + 1) · bits − 1`. Every row begins with a byte of its own; what is left of its last
//! byte is zero. Eight codes are `bits` whole bytes, so that groups, whose sizes are multiples of eight,
//! begin with a byte too, and a row can be read at any group.

use bowstring_simd::{Work, run};

use crate::{Bits, QuantError, Result};

/// Writes codes, each at most [`Bits::largest`], into `packed`, which has [`Bits::bytes`] of them.
///
/// # Errors
/// [`QuantError::Length`] when `packed` has another length; [`QuantError::Code`] for a code too large.
pub fn pack(bits: Bits, codes: &[u8], packed: &mut [u8]) -> Result<()> {
    has_length("packed codes", packed.len(), bits.bytes(codes.len()))?;
    if let Some(place) = codes.iter().position(|&code| code > bits.largest()) {
        return Err(QuantError::Code { place, code: codes[place], bits });
    }
    run(Pack { bits, codes, packed });
    Ok(())
}

/// Reads as many codes as `codes` has room for out of `packed`.
///
/// # Errors
/// [`QuantError::Length`] when `packed` is not as long as so many codes are.
pub fn unpack(bits: Bits, packed: &[u8], codes: &mut [u8]) -> Result<()> {
    has_length("packed codes", packed.len(), bits.bytes(codes.len()))?;
    run(Unpack { bits, packed, codes });
    Ok(())
}

pub(crate) fn has_length(what: &'static str, length: usize, expected: usize) -> Result<()> {
    if length == expected { Ok(()) } else { Err(QuantError::Length { what, length, expected }) }
}

/// [`pack`] of codes that fit, for code that is compiled for this processor already.
pub(crate) struct Pack<'a> {
    pub(crate) bits: Bits,
    pub(crate) codes: &'a [u8],
    pub(crate) packed: &'a mut [u8],
}

impl Work for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.bits {
            Bits::Two => pack_by::<2>(self.codes, self.packed),
            Bits::Three => pack_by::<3>(self.codes, self.packed),
            Bits::Four => pack_pairs(self.codes, self.packed),
            Bits::Eight => self.packed.copy_from_slice(self.codes),
        }
    }
}

/// [`unpack`], likewise.
pub(crate) struct Unpack<'a> {
    pub(crate) bits: Bits,
    pub(crate) packed: &'a [u8],
    pub(crate) codes: &'a mut [u8],
}

impl Work for Unpack<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.bits {
            Bits::Two => unpack_by::<2>(self.packed, self.codes),
            Bits::Three => unpack_by::<3>(self.packed, self.codes),
            Bits::Four => unpack_pairs(self.packed, self.codes),
            Bits::Eight => self.codes.copy_from_slice(self.packed),
        }
    }
}

/// Two codes of four bits to a byte, which compilers make vectors of.
#[inline(always)]
fn pack_pairs(codes: &[u8], packed: &mut [u8]) {
    let (pairs, rest) = codes.as_chunks::<2>();
    for (byte, [low, high]) in packed.iter_mut().zip(pairs) {
        *byte = low | high << 4;
    }
    if let ([low], Some(last)) = (rest, packed.last_mut()) {
        *last = *low;
    }
}

/// The way back.
#[inline(always)]
fn unpack_pairs(packed: &[u8], codes: &mut [u8]) {
    let (pairs, rest) = codes.as_chunks_mut::<2>();
    for (byte, pair) in packed.iter().zip(pairs) {
        *pair = [byte & 15, byte >> 4];
    }
    if let ([low], Some(last)) = (rest, packed.last()) {
        *low = last & 15;
    }
}

/// Eight codes to `BITS` bytes at a time.
#[inline(always)]
fn pack_by<const BITS: usize>(codes: &[u8], packed: &mut [u8]) {
    let (eights, rest) = codes.as_chunks::<8>();
    let (wholes, last) = packed.split_at_mut(eights.len() * BITS);
    for (eight, bytes) in eights.iter().zip(wholes.as_chunks_mut::<BITS>().0) {
        bytes.copy_from_slice(&word::<BITS>(eight).to_le_bytes()[..BITS]);
    }
    let mut eight = [0; 8];
    eight[..rest.len()].copy_from_slice(rest);
    last.copy_from_slice(&word::<BITS>(&eight).to_le_bytes()[..last.len()]);
}

/// Eight codes beside each other, by halves: pairs, fours, all.
#[inline(always)]
fn word<const BITS: usize>(eight: &[u8; 8]) -> u64 {
    let spread = u64::from_le_bytes(*eight);
    let pairs = (spread & 0x00FF_00FF_00FF_00FF) | (spread & 0xFF00_FF00_FF00_FF00) >> (8 - BITS);
    let fours = (pairs & 0x0000_FFFF_0000_FFFF) | (pairs & 0xFFFF_0000_FFFF_0000) >> (16 - 2 * BITS);
    (fours & 0x0000_0000_FFFF_FFFF) | (fours >> 32) << (4 * BITS)
}

/// `BITS` bytes to eight codes at a time.
#[inline(always)]
fn unpack_by<const BITS: usize>(packed: &[u8], codes: &mut [u8]) {
    let (eights, rest) = codes.as_chunks_mut::<8>();
    let (wholes, last) = packed.split_at(eights.len() * BITS);
    for (eight, bytes) in eights.iter_mut().zip(wholes.as_chunks::<BITS>().0) {
        *eight = eight_of::<BITS>(bytes);
    }
    rest.copy_from_slice(&eight_of::<BITS>(last)[..rest.len()]);
}

/// The eight codes of up to `BITS` bytes.
#[inline(always)]
fn eight_of<const BITS: usize>(bytes: &[u8]) -> [u8; 8] {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    let all = u64::from_le_bytes(word);
    let fours = (all & ((1 << (4 * BITS)) - 1)) | (all >> (4 * BITS)) << 32;
    let low = 0x0000_0001_0000_0001 * ((1 << (2 * BITS)) - 1);
    let pairs = (fours & low) | ((fours >> (2 * BITS)) & low) << 16;
    let low = 0x0001_0001_0001_0001 * ((1 << BITS) - 1);
    ((pairs & low) | ((pairs >> BITS) & low) << 8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The layout, bit by bit.
    fn slowly(bits: Bits, codes: &[u8]) -> Vec<u8> {
        let width = bits.count() as usize;
        let mut packed = vec![0; bits.bytes(codes.len())];
        for bit in 0..codes.len() * width {
            packed[bit / 8] |= (codes[bit / width] >> (bit % width) & 1) << (bit % 8);
        }
        packed
    }

    proptest! {
        #[test]
        fn codes_stand_where_the_layout_says(seed in prop::collection::vec(any::<u8>(), 1000)) {
            for bits in Bits::ALL {
                let all: Vec<u8> = seed.iter().map(|byte| byte & bits.largest()).collect();
                for length in 0..=1000 {
                    let codes = &all[..length];
                    let mut packed = vec![0xAA; bits.bytes(length)];
                    pack(bits, codes, &mut packed).unwrap();
                    prop_assert_eq!(&packed, &slowly(bits, codes), "{} codes of {} bits", length, bits);
                    let mut back = vec![0xAA; length];
                    unpack(bits, &packed, &mut back).unwrap();
                    prop_assert_eq!(&back[..], codes, "{} codes of {} bits", length, bits);
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(matches!(
            pack(Bits::Three, &[7, 8, 9], &mut [0; 2]),
            Err(QuantError::Code { place: 1, code: 8, bits: Bits::Three })
        ));
        assert!(matches!(
            pack(Bits::Two, &[0; 5], &mut [0; 1]),
            Err(QuantError::Length { length: 1, expected: 2, .. })
        ));
        assert!(unpack(Bits::Eight, &[0; 3], &mut [0; 4]).is_err());
    }
}
