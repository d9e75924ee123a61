//! Which memory will be needed soon?
//!
//! A hint to the processor, which changes nothing but how long a later read waits; elsewhere it is left out.

/// Begins to fetch `slice[index]`, if there is one.
#[inline(always)]
pub fn prefetch<T>(slice: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let place = slice.as_ptr().wrapping_add(index);
        #[expect(unsafe_code, reason = "intrinsics that take pointers can only be called so")]
        // SAFETY: a hint reads nothing, whatever the address; every x86-64 processor knows it.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(place.cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, index);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_outside_do_no_harm() {
        for index in [0, 2, 3, usize::MAX] {
            prefetch(&[1u64, 2, 3], index);
            prefetch::<u64>(&[], index);
        }
    }
}
