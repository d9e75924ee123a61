//! Of which type are the distances while a search runs?
//!
//! 32-bit integers when the weights are integers and no path can be longer, else 64-bit ones; 64-bit
//! floats for floats. Floats are kept as their bits, which are in the same order as long as nothing is
//! below 0, and so can be lowered by several threads at once like integers.

use std::{
    fmt::Debug,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// A distance of at least 0, or [`Length::UNREACHED`], which is greater than all others.
pub(super) trait Length: Copy + Ord + Debug + Send + Sync {
    /// That of a node which no path leads to.
    const UNREACHED: Self;
    /// That of a source.
    const ZERO: Self;
    /// The type that several threads may lower at once.
    type Shared: Send + Sync;

    fn shared(self) -> Self::Shared;
    fn of(shared: Self::Shared) -> Self;
    fn load(shared: &Self::Shared) -> Self;
    /// Stores the least of both, and returns what stood there.
    fn lower(shared: &Self::Shared, to: Self) -> Self;
    /// Stores it where no other thread writes.
    fn store(shared: &Self::Shared, to: Self);
    /// In which of the buckets of this width it lies.
    fn bucket(self, width: &Width) -> u64;
    /// The greatest distance that is at most `cutoff`.
    fn at_most(cutoff: f64) -> Self;
}

/// A length that a weight of at least 0 can be added to.
pub(super) trait Plus<W>: Length {
    /// The sum; never [`Length::UNREACHED`] for integers, and never less than `self`.
    fn plus(self, weight: W) -> Self;
}

/// How wide a bucket is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    /// The power of two, for integers.
    shift: u32,
    /// The number of buckets in 1, for floats.
    per: f64,
}

impl Width {
    /// About `delta`, which is above 0.
    pub(super) fn new(delta: f64) -> Self {
        let shift = if delta < 2.0 { 0 } else { (delta as u64).ilog2().min(31) };
        Self { shift, per: delta.recip().min(f64::MAX) }
    }
}

/// A float of at least 0 by its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Real(u64);

impl Real {
    pub(super) fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

macro_rules! length {
    ($kind:ty, $shared:ty, $value:expr, $make:expr, $most:expr, $zero:expr) => {
        const UNREACHED: Self = $most;
        const ZERO: Self = $zero;
        type Shared = $shared;

        #[inline]
        fn shared(self) -> $shared {
            <$shared>::new($value(self))
        }
        #[inline]
        fn of(shared: $shared) -> Self {
            $make(shared.into_inner())
        }
        #[inline]
        fn load(shared: &$shared) -> Self {
            $make(shared.load(Relaxed))
        }
        #[inline]
        fn lower(shared: &$shared, to: Self) -> Self {
            $make(shared.fetch_min($value(to), Relaxed))
        }
        #[inline]
        fn store(shared: &$shared, to: Self) {
            shared.store($value(to), Relaxed);
        }
    };
}

impl Length for u32 {
    length!(u32, AtomicU32, |value| value, |value| value, u32::MAX, 0);

    #[inline]
    fn bucket(self, width: &Width) -> u64 {
        u64::from(self >> width.shift)
    }
    fn at_most(cutoff: f64) -> Self {
        // The cast rounds down, and what is larger becomes the largest.
        (cutoff as u32).min(u32::MAX - 1)
    }
}

impl Length for u64 {
    length!(u64, AtomicU64, |value| value, |value| value, u64::MAX, 0);

    #[inline]
    fn bucket(self, width: &Width) -> u64 {
        self >> width.shift
    }
    fn at_most(cutoff: f64) -> Self {
        (cutoff as u64).min(u64::MAX - 1)
    }
}

impl Length for Real {
    length!(Real, AtomicU64, |value: Real| value.0, Real, Real(f64::INFINITY.to_bits()), Real(0));

    #[inline]
    fn bucket(self, width: &Width) -> u64 {
        // What is too large for the type becomes its greatest value.
        (self.get() * width.per) as u64
    }
    fn at_most(cutoff: f64) -> Self {
        Real(cutoff.abs().min(f64::MAX).to_bits())
    }
}

macro_rules! plus {
    ($($length:ty, $weight:ty, $sum:expr;)*) => {
        $(impl Plus<$weight> for $length {
            #[inline]
            fn plus(self, weight: $weight) -> Self {
                $sum(self, weight)
            }
        })*
    };
}

// Weights of borrowed memory may be changed while they are read: whatever stands there, a sum is no less
// than what was added to, so that every search ends.
plus! {
    u32, i32, |a: u32, b: i32| a.saturating_add(b.cast_unsigned()).min(u32::MAX - 1);
    u32, i64, |a: u32, b: i64| a.saturating_add(b as u32).min(u32::MAX - 1);
    u64, i32, |a: u64, b: i32| a.saturating_add(u64::from(b.cast_unsigned())).min(u64::MAX - 1);
    u64, i64, |a: u64, b: i64| a.saturating_add(b.cast_unsigned()).min(u64::MAX - 1);
    Real, f32, |a: Real, b: f32| Real((a.get() + f64::from(b)).max(a.get()).to_bits());
    Real, f64, |a: Real, b: f64| Real((a.get() + b).max(a.get()).to_bits());
}
