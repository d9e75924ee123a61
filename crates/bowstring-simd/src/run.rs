//! Which instructions may this work be made of?
//!
//! Compilers make code for the oldest processor of a kind unless they are told otherwise. Work that is run
//! here is compiled a second time, for processors with AVX2 and the instructions for bits and halves of their time,
//! and the processor decides which is run. What the work calls belongs to it as far as it is inlined.

/// Something to do, of which [`run`](Self::run) should be `#[inline(always)]`.
pub trait Work {
    /// What comes of it.
    type Output;

    /// Does it.
    fn run(self) -> Self::Output;
}

/// The knowledge that the processor has AVX2 and the instructions for bits and halves of its time.
#[derive(Clone, Copy, Debug)]
pub struct Recent(());

impl Recent {
    /// Asks the processor.
    #[inline(always)]
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;

            if has!("avx2") && has!("bmi1") && has!("bmi2") && has!("f16c") && has!("lzcnt") && has!("popcnt")
            {
                return Some(Self(()));
            }
        }
        None
    }
}

/// Does the work with what this processor has.
#[inline(always)]
pub fn run<W: Work>(work: W) -> W::Output {
    run_with(Recent::detect(), work)
}

/// The same where it is known already what the processor has; with `None`, what every processor of the kind has.
#[inline(always)]
pub fn run_with<W: Work>(recent: Option<Recent>, work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if recent.is_some() {
        #[expect(unsafe_code, reason = "what needs a feature of the processor can only be called so")]
        // SAFETY: the processor has the features: only asking it makes a `Recent`.
        return unsafe { with_features(work) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = recent;
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,f16c,lzcnt,popcnt")]
fn with_features<W: Work>(work: W) -> W::Output {
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
        assert_eq!(run(Sum(&numbers)), run_with(None, Sum(&numbers)));
    }
}
