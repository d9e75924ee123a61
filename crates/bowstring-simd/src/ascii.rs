//! Of which kinds are the next 64 bytes of a text?
//!
//! One bit for each byte, so that whoever cuts text into words works on 64 of them at once. With
//! AVX2 it is done 32 bytes at a time; elsewhere 8 flags are looked up for each byte and turned into 8 sets
//! by transposing bit matrices.

/// How many bytes are looked at.
pub const BLOCK: usize = 64;

/// For each kind the set of bytes that are of it; bit 0 is the first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// ASCII letters.
    pub letter: u64,
    /// Capital ASCII letters.
    pub capital: u64,
    /// ASCII digits.
    pub digit: u64,
    /// White space: the bytes 9 to 13, and 32.
    pub space: u64,
    /// Carriage returns and line feeds.
    pub newline: u64,
    /// The byte 32.
    pub blank: u64,
    /// The apostrophe.
    pub quote: u64,
    /// Bytes that are not ASCII.
    pub high: u64,
}

/// The kinds of 64 bytes.
#[inline]
pub fn kinds(bytes: &[u8; BLOCK]) -> Kinds {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        #[expect(unsafe_code, reason = "what needs a feature of the processor can only be called so")]
        // SAFETY: the processor has AVX2, as the line above found out.
        return unsafe { avx2::kinds(bytes) };
    }
    scalar::kinds(bytes)
}

/// What any machine runs.
pub mod scalar {
    use super::{BLOCK, Kinds};

    /// The kinds of each byte, one bit for each field of [`Kinds`], in order.
    const FLAGS: [u8; 256] = {
        let mut flags = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let b = byte as u8;
            flags[byte] = b.is_ascii_alphabetic() as u8
                | (b.is_ascii_uppercase() as u8) << 1
                | (b.is_ascii_digit() as u8) << 2
                | (matches!(b, 9..=13 | 32) as u8) << 3
                | (matches!(b, b'\r' | b'\n') as u8) << 4
                | ((b == b' ') as u8) << 5
                | ((b == b'\'') as u8) << 6
                | ((b >= 128) as u8) << 7;
            byte += 1;
        }
        flags
    };

    /// [`super::kinds`], 8 bytes at a time.
    pub fn kinds(bytes: &[u8; BLOCK]) -> Kinds {
        let mut sets = [0; 8];
        for (i, eight) in bytes.chunks_exact(8).enumerate() {
            let rows =
                eight.iter().rev().fold(0, |rows, &byte| rows << 8 | u64::from(FLAGS[usize::from(byte)]));
            let columns = transpose(rows);
            for (kind, set) in sets.iter_mut().enumerate() {
                *set |= (columns >> (8 * kind) & 0xFF) << (8 * i);
            }
        }
        let [letter, capital, digit, space, newline, blank, quote, high] = sets;
        Kinds { letter, capital, digit, space, newline, blank, quote, high }
    }

    /// Swaps rows and columns of 8 × 8 bits, rows being bytes: first within squares of 2 × 2, then of 4 × 4,
    /// then of all.
    fn transpose(mut bits: u64) -> u64 {
        for (shift, mask) in
            [(7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0)]
        {
            let swapped = (bits ^ bits >> shift) & mask;
            bits ^= swapped ^ swapped << shift;
        }
        bits
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi8, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8,
        _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    };

    use super::{BLOCK, Kinds};

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn kinds(bytes: &[u8; BLOCK]) -> Kinds {
        let low = half(load(bytes, 0));
        let high = half(load(bytes, 1));
        Kinds {
            letter: both(low.letter, high.letter),
            capital: both(low.capital, high.capital),
            digit: both(low.digit, high.digit),
            space: both(low.space, high.space),
            newline: both(low.newline, high.newline),
            blank: both(low.blank, high.blank),
            quote: both(low.quote, high.quote),
            high: both(low.high, high.high),
        }
    }

    /// One half of 64 bytes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(bytes: &[u8; BLOCK], half: usize) -> __m256i {
        let (halves, _) = bytes.as_chunks::<32>();
        #[expect(unsafe_code, reason = "a load takes a pointer")]
        // SAFETY: 32 bytes are there, wherever they begin.
        unsafe {
            _mm256_loadu_si256(halves[half].as_ptr().cast())
        }
    }

    #[inline(always)]
    fn both(low: u32, high: u32) -> u64 {
        u64::from(low) | u64::from(high) << 32
    }

    /// The kinds of 32 bytes.
    struct Half {
        letter: u32,
        capital: u32,
        digit: u32,
        space: u32,
        newline: u32,
        blank: u32,
        quote: u32,
        high: u32,
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn half(bytes: __m256i) -> Half {
        let lower = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
        let blank = equals(bytes, b' ');
        Half {
            letter: set(within(lower, b'a', 26)),
            capital: set(within(bytes, b'A', 26)),
            digit: set(within(bytes, b'0', 10)),
            space: set(_mm256_or_si256(within(bytes, 9, 5), blank)),
            newline: set(_mm256_or_si256(equals(bytes, b'\r'), equals(bytes, b'\n'))),
            blank: set(blank),
            quote: set(equals(bytes, b'\'')),
            high: set(bytes),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn set(found: __m256i) -> u32 {
        _mm256_movemask_epi8(found).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn equals(bytes: __m256i, byte: u8) -> __m256i {
        _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte.cast_signed()))
    }

    /// Whether each byte is one of the `count` from `first` on.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn within(bytes: __m256i, first: u8, count: i8) -> __m256i {
        let from_zero = _mm256_add_epi8(bytes, _mm256_set1_epi8(first.wrapping_neg().cast_signed()));
        _mm256_cmpeq_epi8(_mm256_min_epu8(from_zero, _mm256_set1_epi8(count - 1)), from_zero)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The kinds, byte by byte.
    fn reference(bytes: &[u8; BLOCK]) -> Kinds {
        let set = |is: fn(u8) -> bool| {
            bytes.iter().enumerate().fold(0, |set, (i, &byte)| set | u64::from(is(byte)) << i)
        };
        Kinds {
            letter: set(|b| b.is_ascii_alphabetic()),
            capital: set(|b| b.is_ascii_uppercase()),
            digit: set(|b| b.is_ascii_digit()),
            space: set(|b| b.is_ascii_whitespace() || b == 11),
            newline: set(|b| b == b'\n' || b == b'\r'),
            blank: set(|b| b == b' '),
            quote: set(|b| b == b'\''),
            high: set(|b| !b.is_ascii()),
        }
    }

    fn check(bytes: &[u8; BLOCK]) {
        assert_eq!(kinds(bytes), reference(bytes));
        assert_eq!(scalar::kinds(bytes), reference(bytes));
    }

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=255 {
            for place in 0..BLOCK {
                let mut bytes = [b'.'; BLOCK];
                bytes[place] = byte;
                check(&bytes);
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::array::uniform32(any::<[u8; 2]>())) {
            let mut block = [0; BLOCK];
            block.copy_from_slice(bytes.as_flattened());
            check(&block);
        }
    }
}
