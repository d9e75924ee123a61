//! Which values do the codes on both sides of a group's zero stand for?
//!
//! Weights of trained layers are dense near 0, and a grid that is denser there, too, loses less (Lloyd 1982, "Least
//! Squares Quantization in PCM"; Dettmers et al. 2023, "QLoRA", whose NF4 is a table of 16 such values). Ours are those
//! of a parabola: `d` codes from the zero stand for `d · (1 + |d| / 2^(bits − 1))` scales. That is one rule for each
//! width, within .15 dB of the best table that there is for normal weights in groups of 32; it is exact in single
//! precision, and its inverse is a root, so that the nearest of all values is found without a look at the others.

use crate::{
    Bits,
    grid::{Grid, Range, round},
    scales::Scales,
};

/// The values of codes, and what follows from them for grids.
pub(crate) trait Levels: Copy {
    /// The value of the code so many codes above the zero, in scales.
    fn value(self, codes: f32) -> f32;

    /// The way back: how many codes above the zero a value stands. Added to the zero and rounded, that is the code
    /// of the nearest value.
    fn codes(self, value: f32) -> f32;

    /// Where a weight stands between the codes of a grid, whose scale has the given inverse.
    fn place(self, weight: f32, grid: &Grid, inverse: f32) -> f32;

    /// The finest grid with an integer zero point that reaches over `range`, in which 0 is.
    fn with_zero_point(self, range: Range, largest: f32, scales: Scales) -> Grid;

    /// The finest grid with a float offset that reaches over `range`.
    fn with_minimum(self, range: Range, largest: f32, scales: Scales) -> Grid;

    /// A grid over so large a part of the range of one [with a float offset](Self::with_minimum); of what is left
    /// out, so many fifths less are at its lower end, and more at the other.
    fn narrowed(self, full: Grid, part: f32, shift: f32, largest: f32) -> Grid;
}

/// All values are as far from one another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear;

impl Levels for Linear {
    #[inline(always)]
    fn value(self, codes: f32) -> f32 {
        codes
    }

    #[inline(always)]
    fn codes(self, value: f32) -> f32 {
        value
    }

    #[inline(always)]
    fn place(self, weight: f32, grid: &Grid, inverse: f32) -> f32 {
        weight * inverse + (grid.zero - grid.minimum * inverse)
    }

    #[inline(always)]
    fn with_zero_point(self, range: Range, largest: f32, scales: Scales) -> Grid {
        let Range { least, greatest, .. } = range;
        // Each by itself, since their difference may be beyond all numbers.
        let scale = scales.reaching(greatest / largest - least / largest);
        Grid { scale, zero: round(-least / scale, largest), minimum: 0.0 }
    }

    #[inline(always)]
    fn with_minimum(self, range: Range, largest: f32, scales: Scales) -> Grid {
        let minimum = scales.minimum(range.least);
        let scale = range.greatest / largest - minimum / largest;
        Grid { scale: scales.reaching(scale.max(0.0)), zero: 0.0, minimum }
    }

    #[inline(always)]
    fn narrowed(self, full: Grid, part: f32, shift: f32, largest: f32) -> Grid {
        let left_out = (1.0 - part) * full.scale * largest;
        Grid { scale: full.scale * part, minimum: full.minimum + left_out * (0.5 + 0.2 * shift), ..full }
    }
}

/// Those of the parabola. A float offset is the value in the middle of the codes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quadratic {
    /// 2^(bits − 1).
    middle: f32,
}

impl Quadratic {
    pub(crate) fn of(bits: Bits) -> Self {
        Self { middle: f32::from(bits.middle()) }
    }

    /// The scale with which values reach so far above the zero, which has so many codes there, and so far below.
    #[inline(always)]
    fn scale(self, (above, greatest): (f32, f32), (below, least): (f32, f32)) -> f32 {
        let part = |size: f32, codes: f32| if size > 0.0 { size / self.value(codes) } else { 0.0 };
        part(greatest, above).max(part(-least, below))
    }
}

impl Levels for Quadratic {
    #[inline(always)]
    fn value(self, codes: f32) -> f32 {
        codes * (1.0 + codes.abs() / self.middle)
    }

    /// With `m` for the middle, halfway between the values of `d` and `d + 1` is `1 / 4m` beyond that of `d + ½`.
    #[inline(always)]
    fn codes(self, value: f32) -> f32 {
        let beyond = (value.abs() - 0.25 / self.middle).max(0.0);
        let codes = ((1.0 + beyond * (4.0 / self.middle)).sqrt() - 1.0) * (0.5 * self.middle);
        // Never quite 0, so that its sign decides between the two codes that a middle lies between.
        codes.max(1e-4).copysign(value)
    }

    #[inline(always)]
    fn place(self, weight: f32, grid: &Grid, inverse: f32) -> f32 {
        grid.zero + self.codes((weight - grid.minimum) * inverse)
    }

    #[inline(always)]
    fn with_zero_point(self, range: Range, largest: f32, scales: Scales) -> Grid {
        let Range { least, greatest, .. } = range;
        let scale = |zero: f32| self.scale((largest - zero, greatest), (zero, least));
        // The least zero point with which the upper end needs the larger scale, or the one below it.
        let (mut low, mut high) = (0, largest as u32);
        while low < high {
            let zero = (low + high) / 2;
            let (above, below) = (self.value(largest - zero as f32), self.value(zero as f32));
            if f64::from(greatest) * f64::from(below) >= f64::from(-least) * f64::from(above) {
                high = zero;
            } else {
                low = zero + 1;
            }
        }
        let zero = low as f32;
        let before = (zero - 1.0).max(0.0);
        let zero = if scale(before) < scale(zero) { before } else { zero };
        Grid { scale: scales.reaching(scale(zero)), zero, minimum: 0.0 }
    }

    #[inline(always)]
    fn with_minimum(self, range: Range, largest: f32, scales: Scales) -> Grid {
        let (half, minimum) = (0.5 * largest, scales.minimum(0.5 * range.least + 0.5 * range.greatest));
        let reach = self.value(half);
        let part = |end: f32| (end / reach - minimum / reach).abs();
        let scale = scales.reaching(part(range.least).max(part(range.greatest)));
        Grid { scale, zero: half, minimum }
    }

    #[inline(always)]
    fn narrowed(self, full: Grid, part: f32, shift: f32, largest: f32) -> Grid {
        let left_out = (1.0 - part) * full.scale * 2.0 * self.value(0.5 * largest);
        Grid { scale: full.scale * part, minimum: full.minimum + left_out * 0.2 * shift, ..full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_values_are_the_nearest() {
        for bits in Bits::ALL {
            let levels = Quadratic::of(bits);
            let reach = f32::from(bits.largest());
            for half in [0.0, 0.5] {
                let all: Vec<f32> = (-256..=256)
                    .map(|code| code as f32 + half)
                    .filter(|codes| codes.abs() <= reach)
                    .collect();
                for &codes in &all {
                    let exact = f64::from(codes)
                        + f64::from(codes) * f64::from(codes.abs()) / f64::from(bits.middle());
                    assert_eq!(f64::from(levels.value(codes)), exact, "no digit is lost");
                    assert_eq!((levels.codes(levels.value(codes)) + half).round() - half, codes);
                }
                for pair in all.windows(2) {
                    let [lower, upper] = [pair[0], pair[1]].map(|codes| levels.value(codes));
                    for (share, nearest) in [(0.499, pair[0]), (0.501, pair[1])] {
                        let value = lower + (upper - lower) * share;
                        assert_eq!((levels.codes(value) + half).round() - half, nearest, "{bits} {value}");
                    }
                }
            }
        }
    }
}
