//! Which is the least of a few numbers, and where does one stand among eight?
//!
//! With AVX2 eight at a time; elsewhere one after the other.

use crate::Recent;

/// The least of `numbers`; the largest number there is if there are none.
#[inline(always)]
pub fn least(recent: Option<Recent>, numbers: &[[u32; 8]]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if recent.is_some() {
        #[expect(unsafe_code, reason = "what needs a feature of the processor can only be called so")]
        // SAFETY: the processor has AVX2: only asking it makes a `Recent`.
        return unsafe { avx2::least(numbers) };
    }
    scalar::least(numbers)
}

/// The first place of `number` among eight; 8 if it is none of them.
#[inline(always)]
pub fn place_of(recent: Option<Recent>, numbers: &[u32; 8], number: u32) -> usize {
    #[cfg(target_arch = "x86_64")]
    if recent.is_some() {
        #[expect(unsafe_code, reason = "what needs a feature of the processor can only be called so")]
        // SAFETY: the processor has AVX2: only asking it makes a `Recent`.
        return unsafe { avx2::place_of(numbers, number) };
    }
    scalar::place_of(numbers, number)
}

/// What any machine runs.
mod scalar {
    /// [`super::least`], one number after the other.
    pub(super) fn least(numbers: &[[u32; 8]]) -> u32 {
        numbers.as_flattened().iter().fold(u32::MAX, |least, &number| least.min(number))
    }

    /// [`super::place_of`], one number after the other.
    pub(super) fn place_of(numbers: &[u32; 8], number: u32) -> usize {
        numbers.iter().position(|&other| other == number).unwrap_or(8)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_cvtsi128_si32, _mm_min_epu32, _mm_shuffle_epi32, _mm256_castsi256_ps,
        _mm256_castsi256_si128, _mm256_cmpeq_epi32, _mm256_extracti128_si256, _mm256_loadu_si256,
        _mm256_min_epu32, _mm256_movemask_ps, _mm256_set1_epi32,
    };

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn least(numbers: &[[u32; 8]]) -> u32 {
        let mut least = _mm256_set1_epi32(-1);
        for eight in numbers {
            least = _mm256_min_epu32(least, load(eight));
        }
        let four = _mm_min_epu32(_mm256_castsi256_si128(least), _mm256_extracti128_si256::<1>(least));
        let two = _mm_min_epu32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
        let one = _mm_min_epu32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two));
        _mm_cvtsi128_si32(one).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn place_of(numbers: &[u32; 8], number: u32) -> usize {
        let same = _mm256_cmpeq_epi32(load(numbers), _mm256_set1_epi32(number.cast_signed()));
        let bits = _mm256_movemask_ps(_mm256_castsi256_ps(same));
        (bits | 1 << 8).trailing_zeros() as usize
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(eight: &[u32; 8]) -> __m256i {
        #[expect(unsafe_code, reason = "a load takes a pointer")]
        // SAFETY: eight numbers of four bytes are there, wherever they begin.
        unsafe {
            _mm256_loadu_si256(eight.as_ptr().cast())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(numbers: &[[u32; 8]]) {
        let expected = numbers.as_flattened().iter().copied().min().unwrap_or(u32::MAX);
        assert_eq!(least(Recent::detect(), numbers), expected);
        assert_eq!(least(None, numbers), expected);
    }

    #[test]
    fn the_least_may_stand_anywhere() {
        check(&[]);
        for count in 1..5 {
            for place in 0..count * 8 {
                let mut numbers = vec![[u32::MAX; 8]; count];
                numbers[place / 8][place % 8] = 1 << 31;
                check(&numbers);
                numbers[place / 8][place % 8] = 7;
                check(&numbers);
            }
        }
    }

    proptest! {
        #[test]
        fn any_place(numbers in prop::array::uniform8(0u32..12), number in 0u32..12) {
            let expected = (0..8).find(|&i| numbers[i] == number).unwrap_or(8);
            prop_assert_eq!(place_of(Recent::detect(), &numbers, number), expected);
            prop_assert_eq!(place_of(None, &numbers, number), expected);
        }

        #[test]
        fn any_numbers(numbers in prop::collection::vec(prop::array::uniform8(any::<u32>()), 0..20)) {
            check(&numbers);
        }
    }
}
