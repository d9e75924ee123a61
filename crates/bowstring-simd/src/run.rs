//! Which instructions may this work be made of?
//!
//! Compilers make code for the oldest processor of a kind unless they are told otherwise. Work that is run
//! here is compiled a second time, for processors with AVX2 and the bit instructions of their time, and the
//! processor decides which is run. What the work calls belongs to it as far as it is inlined.

/// Something to do, of which [`run`](Self::run) should be `#[inline(always)]`.
pub trait Work {
    /// What comes of it.
    type Output;

    /// Does it.
    fn run(self) -> Self::Output;
}

/// The knowledge that the processor has AVX2 and the bit instructions of its time.
#[derive(Clone, Copy, Debug)]
pub struct Recent(());

impl Recent {
    /// Asks the processor.
    #[inline(always)]
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;

            if has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt") {
                return Some(Self(()));
            }
        }
        None
    }
}

/// Does the work with what this processor has.
#[inline(always)]
pub fn run<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if Recent::detect().is_some() {
        #[expect(unsafe_code, reason = "what needs a feature of the processor can only be called so")]
        // SAFETY: the processor has the features, as the line above found out.
        return unsafe { recent(work) };
    }
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn recent<W: Work>(work: W) -> W::Output {
    work.run()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sum<'a>(&'a [u64]);

    impl Work for Sum<'_> {
        type Output = u32;

        #[inline(always)]
        fn run(self) -> u32 {
            self.0.iter().map(|number| number.leading_zeros() + number.count_ones()).sum()
        }
    }

    #[test]
    fn work_comes_to_the_same() {
        let numbers: Vec<u64> = (0..100).map(|i| 1 << (i % 64) | i).collect();
        assert_eq!(run(Sum(&numbers)), Sum(&numbers).run());
    }
}
