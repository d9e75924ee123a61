//! Of which type are the distances while a search runs?
//!
//! 32-bit integers when the weights are integers and no path can be longer, else 64-bit ones; 64-bit
//! floats for floats. Floats are kept as their bits, which are in the same order as long as nothing is
//! below 0, and so can be lowered by several threads at once like integers.

use std::fmt::Debug;

use super::key::{Bits, Key, Traced};

/// A distance of at least 0, or [`Length::UNREACHED`], which is greater than all others.
pub(super) trait Length: Copy + Ord + Debug + Send + Sync {
    /// That of a node which no path leads to.
    const UNREACHED: Self;
    /// That of a source.
    const ZERO: Self;
    /// A number in the same order.
    type Bits: Bits;
    /// What is kept for a node when parents are wanted: they too, where there is room for them.
    type Traced: Key<Length = Self>;

    fn into_bits(self) -> Self::Bits;
    fn from_bits(bits: Self::Bits) -> Self;
    /// The least distance that is greater; [`Length::UNREACHED`] when there is none.
    fn after(self) -> Self;
    /// In which of the buckets of this width it lies.
    fn bucket(self, width: &Width) -> u64;
    /// The least distance that lies in this bucket or a later one.
    fn start(bucket: u64, width: &Width) -> Self;
    /// The greatest distance that is at most `cutoff`.
    fn at_most(cutoff: f64) -> Self;
}

/// A length that a weight of at least 0 can be added to.
pub(super) trait Plus<W>: Length {
    /// The sum, never less than `self`. [`Length::UNREACHED`] only in types that are not taken when a path
    /// can be that long, and in floats.
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
        let shift = delta.log2().round().clamp(0.0, 31.0) as u32;
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

impl Length for u32 {
    const UNREACHED: Self = u32::MAX;
    const ZERO: Self = 0;
    type Bits = u32;
    type Traced = Traced;

    #[inline]
    fn into_bits(self) -> u32 {
        self
    }
    #[inline]
    fn from_bits(bits: u32) -> Self {
        bits
    }
    fn after(self) -> Self {
        self.saturating_add(1)
    }
    #[inline]
    fn bucket(self, width: &Width) -> u64 {
        u64::from(self >> width.shift)
    }
    fn start(bucket: u64, width: &Width) -> Self {
        bucket.checked_shl(width.shift).map_or(u32::MAX, |start| start.min(u64::from(u32::MAX)) as u32)
    }
    fn at_most(cutoff: f64) -> Self {
        // The cast rounds down, and what is larger becomes the largest.
        (cutoff as u32).min(u32::MAX - 1)
    }
}

impl Length for u64 {
    const UNREACHED: Self = u64::MAX;
    const ZERO: Self = 0;
    type Bits = u64;
    type Traced = Self;

    #[inline]
    fn into_bits(self) -> u64 {
        self
    }
    #[inline]
    fn from_bits(bits: u64) -> Self {
        bits
    }
    fn after(self) -> Self {
        self.saturating_add(1)
    }
    #[inline]
    fn bucket(self, width: &Width) -> u64 {
        self >> width.shift
    }
    fn start(bucket: u64, width: &Width) -> Self {
        bucket.saturating_mul(1 << width.shift)
    }
    fn at_most(cutoff: f64) -> Self {
        (cutoff as u64).min(u64::MAX - 1)
    }
}

impl Length for Real {
    const UNREACHED: Self = Real(f64::INFINITY.to_bits());
    const ZERO: Self = Real(0);
    type Bits = u64;
    type Traced = Self;

    #[inline]
    fn into_bits(self) -> u64 {
        self.0
    }
    #[inline]
    fn from_bits(bits: u64) -> Self {
        Real(bits)
    }
    fn after(self) -> Self {
        Real(self.0 + 1).min(Self::UNREACHED)
    }
    #[inline]
    fn bucket(self, width: &Width) -> u64 {
        // What is too large for the type becomes its greatest value.
        (self.get() * width.per) as u64
    }
    fn start(bucket: u64, width: &Width) -> Self {
        // The bits of the least such float: buckets do not fall as floats grow.
        let (mut low, mut high) = (0, Self::UNREACHED.0);
        while low < high {
            let middle = (low + high) / 2;
            if Real(middle).bucket(width) < bucket { low = middle + 1 } else { high = middle }
        }
        Real(low)
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
    u32, i32, |a: u32, b: i32| a.saturating_add(b.cast_unsigned());
    u32, i64, |a: u32, b: i64| a.saturating_add(b as u32);
    u64, i32, |a: u64, b: i32| a.saturating_add(u64::from(b.cast_unsigned())).min(u64::MAX - 1);
    u64, i64, |a: u64, b: i64| a.saturating_add(b.cast_unsigned()).min(u64::MAX - 1);
    Real, f32, |a: Real, b: f32| Real((a.get() + f64::from(b)).max(a.get()).to_bits());
    Real, f64, |a: Real, b: f64| Real((a.get() + b).max(a.get()).to_bits());
}
