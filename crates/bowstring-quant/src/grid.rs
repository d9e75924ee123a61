//! Which values can the weights of a group take, and which of them does each take?

use crate::{Bits, Offset, ScaleType, Scheme};

/// How many numbers are worked on at once; sums are kept in so many lanes, whatever the processor has, so that
/// they come out the same everywhere.
pub(crate) const LANES: usize = 16;

/// Rounds to the nearest integer, to the even one of two: numbers of this size have no fraction.
const ROUND: f32 = 12_582_912.0;

/// The values of a group: `(code − zero) · scale + minimum`, of which either `zero` or `minimum` is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    /// As it is stored; never 0, so that weights can be divided by it.
    pub(crate) scale: f32,
    /// An integer of 0 to 2^bits − 1.
    pub(crate) zero: f32,
    /// As it is stored.
    pub(crate) minimum: f32,
}

/// The least and the greatest of some weights; 0 and 0 of none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) least: f32,
    pub(crate) greatest: f32,
    /// Whether no weight is NaN or infinite; where some are, the ends mean nothing.
    pub(crate) finite: bool,
}

impl Range {
    #[inline(always)]
    pub(crate) fn of(weights: &[f32]) -> Self {
        let Some(&first) = weights.first() else { return Self { least: 0.0, greatest: 0.0, finite: true } };
        let (mut least, mut greatest, mut magnitude) = ([first; LANES], [first; LANES], [0; LANES]);
        let mut add = |lane: usize, weight: f32| {
            least[lane] = smaller(weight, least[lane]);
            greatest[lane] = greater(weight, greatest[lane]);
            magnitude[lane] = magnitude[lane].max(magnitude_bits(weight));
        };
        let (chunks, rest) = weights.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, &weight) in chunk.iter().enumerate() {
                add(lane, weight);
            }
        }
        for (lane, &weight) in rest.iter().enumerate() {
            add(lane, weight);
        }
        Self {
            least: folded(least, smaller),
            greatest: folded(greatest, greater),
            finite: magnitude.into_iter().fold(0, u32::max) < INFINITE,
        }
    }

    /// The same with 0 in it.
    #[inline(always)]
    pub(crate) fn with_zero(self) -> Self {
        Self { least: self.least.min(0.0), greatest: self.greatest.max(0.0), ..self }
    }
}

impl Grid {
    /// The finest grid that reaches over `range`, as it is stored.
    #[inline(always)]
    pub(crate) fn over(range: Range, scheme: &Scheme) -> Self {
        let largest = f32::from(scheme.bits.largest());
        match scheme.offset {
            Offset::Symmetric => {
                let middle = f32::from(scheme.bits.middle());
                let Range { least, greatest, .. } = range.with_zero();
                // The side of the codes below the middle has one more.
                let upright = (greatest / (middle - 1.0)).max(-least / middle);
                let mirrored = (-least / (middle - 1.0)).max(greatest / middle);
                let scale = if upright <= mirrored { upright } else { -mirrored };
                Self { scale: stored(scale, scheme.scale_type), zero: middle, minimum: 0.0 }
            }
            Offset::ZeroPoint => {
                let Range { least, greatest, .. } = range.with_zero();
                // Each by itself, since their difference may be beyond all numbers.
                let scale = stored(greatest / largest - least / largest, scheme.scale_type);
                let zero = round(-least / scale, largest);
                Self { scale, zero, minimum: 0.0 }
            }
            Offset::Minimum => {
                let minimum = scheme.scale_type.stored(range.least);
                let scale = range.greatest / largest - minimum / largest;
                Self { scale: stored(scale.max(0.0), scheme.scale_type), zero: 0.0, minimum }
            }
        }
    }

    /// Where a weight stands between the codes.
    #[inline(always)]
    fn place(&self, weight: f32) -> f32 {
        (weight - self.minimum) / self.scale + self.zero
    }

    /// The code of a weight, as a number.
    #[inline(always)]
    pub(crate) fn code(&self, weight: f32, largest: f32) -> f32 {
        round(self.place(weight), largest)
    }

    /// The value of a code.
    #[inline(always)]
    pub(crate) fn value(&self, code: f32) -> f32 {
        (code - self.zero) * self.scale + self.minimum
    }

    /// Writes the codes of `weights`.
    #[inline(always)]
    pub(crate) fn encode(&self, weights: &[f32], bits: Bits, codes: &mut [u8]) {
        let largest = f32::from(bits.largest());
        for (code, &weight) in codes.iter_mut().zip(weights) {
            *code = whole(self.place(weight), largest);
        }
    }

    /// Writes the values of `codes`.
    #[inline(always)]
    pub(crate) fn decode(&self, codes: &[u8], values: &mut [f32]) {
        for (value, &code) in values.iter_mut().zip(codes) {
            *value = self.value(f32::from(code));
        }
    }

    /// Whether scale and minimum could be stored.
    #[inline(always)]
    pub(crate) fn is_finite(&self) -> bool {
        self.scale.is_finite() && self.minimum.is_finite()
    }
}

/// What [`magnitude_bits`] gives for an infinity; NaN has more, and all else less.
const INFINITE: u32 = f32::INFINITY.to_bits();

/// The bits of the absolute value, which as integers are in its order.
#[inline(always)]
fn magnitude_bits(weight: f32) -> u32 {
    weight.to_bits() & 0x7FFF_FFFF
}

/// Whether no weight is NaN or infinite.
#[inline(always)]
pub(crate) fn all_finite(weights: &[f32]) -> bool {
    weights.iter().fold(0, |most, &weight| magnitude_bits(weight).max(most)) < INFINITE
}

/// A scale as it is stored. One that is too small for its type becomes the smallest there is, which puts
/// weights no further off than half of it; that of a group of zeros becomes 1.
#[inline(always)]
pub(crate) fn stored(scale: f32, kind: ScaleType) -> f32 {
    let smallest = match kind {
        ScaleType::F32 => f32::MIN_POSITIVE,
        ScaleType::F16 => 5.960_464_5e-8,
        ScaleType::Bf16 => f32::MIN_POSITIVE,
    };
    if scale == 0.0 {
        1.0
    } else if scale.abs() < smallest {
        smallest.copysign(scale)
    } else {
        kind.stored(scale)
    }
}

/// The nearest integer of 0 to `largest`.
#[inline(always)]
pub(crate) fn round(number: f32, largest: f32) -> f32 {
    within(number, largest) + ROUND - ROUND
}

/// The same as a byte; `largest` is at most 255.
#[inline(always)]
fn whole(number: f32, largest: f32) -> u8 {
    ((within(number, largest) + ROUND).to_bits() & 0xFF) as u8
}

#[inline(always)]
fn within(number: f32, largest: f32) -> f32 {
    smaller(greater(number, 0.0), largest)
}

/// As one instruction of every processor has it: the second where neither is smaller.
#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// Likewise.
#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// All lanes as one, the halves together, then their halves.
#[inline(always)]
pub(crate) fn folded(lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let eight: [f32; LANES / 2] = std::array::from_fn(|lane| join(lanes[lane], lanes[lane + 8]));
    let four: [f32; LANES / 4] = std::array::from_fn(|lane| join(eight[lane], eight[lane + 4]));
    join(join(four[0], four[2]), join(four[1], four[3]))
}
