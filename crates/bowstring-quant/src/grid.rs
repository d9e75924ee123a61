//! Which values can the weights of a group take, and which of them does each take?

use crate::{Offset, Scheme, levels::Levels, scales::Scales};

/// How many numbers are worked on at once; sums are kept in so many lanes, whatever the processor has, so that
/// they come out the same everywhere.
pub(crate) const LANES: usize = 16;

/// Rounds to the nearest integer, to the even one of two: numbers of this size have no fraction.
const ROUND: f32 = 12_582_912.0;

/// The values of a group: what [`Levels`] has for `code − zero`, times `scale`, and `minimum`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    /// As it is stored; never 0, so that weights can be divided by it.
    pub(crate) scale: f32,
    /// A code; in the middle between two where quadratic codes have a minimum.
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

/// How groups are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form<L> {
    pub(crate) scheme: Scheme,
    /// Those of the scheme's codes.
    pub(crate) levels: L,
    /// Those of the matrix.
    pub(crate) scales: Scales,
}

impl<L> Form<L> {
    /// The largest code.
    #[inline(always)]
    pub(crate) fn largest(&self) -> f32 {
        f32::from(self.scheme.bits.largest())
    }
}

impl Grid {
    /// The finest grid that reaches over `range`, as it is stored.
    #[inline(always)]
    pub(crate) fn over<L: Levels>(range: Range, form: &Form<L>) -> Self {
        let Form { scheme, levels, scales } = *form;
        match scheme.offset {
            Offset::Symmetric => {
                let middle = f32::from(scheme.bits.middle());
                let Range { least, greatest, .. } = range.with_zero();
                // The side of the codes below the middle has one more.
                let (above, below) = (levels.value(middle - 1.0), levels.value(middle));
                let upright = (greatest / above).max(-least / below);
                let mirrored = (-least / above).max(greatest / below);
                let scale = if upright <= mirrored { upright } else { -mirrored };
                Self { scale: scales.reaching(scale), zero: middle, minimum: 0.0 }
            }
            Offset::ZeroPoint => levels.with_zero_point(range.with_zero(), form.largest(), scales),
            Offset::Minimum => levels.with_minimum(range, form.largest(), scales),
        }
    }

    /// Where a weight stands between the codes.
    #[inline(always)]
    fn place<L: Levels>(&self, weight: f32, levels: L) -> f32 {
        levels.codes((weight - self.minimum) / self.scale) + self.zero
    }

    /// The code of a weight, as a number.
    #[inline(always)]
    pub(crate) fn code<L: Levels>(&self, weight: f32, form: &Form<L>) -> f32 {
        round(self.place(weight, form.levels), form.largest())
    }

    /// The value of a code.
    #[inline(always)]
    pub(crate) fn value<L: Levels>(&self, code: f32, levels: L) -> f32 {
        levels.value(code - self.zero) * self.scale + self.minimum
    }

    /// Writes the codes of `weights`.
    #[inline(always)]
    pub(crate) fn encode<L: Levels>(&self, weights: &[f32], form: &Form<L>, codes: &mut [u8]) {
        for (code, &weight) in codes.iter_mut().zip(weights) {
            *code = whole(self.place(weight, form.levels), form.largest());
        }
    }

    /// Writes the values of `codes`.
    #[inline(always)]
    pub(crate) fn decode<L: Levels>(&self, codes: &[u8], levels: L, values: &mut [f32]) {
        for (value, &code) in values.iter_mut().zip(codes) {
            *value = self.value(f32::from(code), levels);
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
