//! How many shortest paths are there? A 64-bit float holds up to 10³⁰⁸ of them, and a grid of 1,000 by
//! 1,000 nodes has 10⁶⁰⁰ between its corners.

/// A number of paths, or one by such a number.
pub(crate) trait PathCount: Copy + Default + PartialEq + Send {
    /// One path.
    const ONE: Self;
    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The product, which is neither a number of paths nor one by it, and so of common size.
    fn times(self, other: Self) -> f64;
    /// `value` by this.
    fn divide(self, value: f64) -> Self;
    /// Whether it is too large for `self` and its inverse to be exact.
    fn is_too_large(self) -> bool;
}

impl PathCount for f64 {
    const ONE: Self = 1.0;

    #[inline]
    fn plus(self, other: Self) -> Self {
        self + other
    }

    #[inline]
    fn times(self, other: Self) -> f64 {
        self * other
    }

    #[inline]
    fn divide(self, value: f64) -> Self {
        value / self
    }

    #[inline]
    fn is_too_large(self) -> bool {
        self > 1e290
    }
}

/// The exponent by which a [`Wide`] goes up and down.
const STEP: i32 = 256;
const UP: f64 = f64::from_bits((1023 + STEP as u64) << 52);
const DOWN: f64 = f64::from_bits((1023 - STEP as u64) << 52);

/// `part` · 2^(256 · `power`), with a part from 2⁻²⁵⁶ to 2²⁵⁶, or 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Wide {
    part: f64,
    power: i32,
}

impl Wide {
    fn new(part: f64, power: i32) -> Self {
        if part >= UP {
            Self { part: part * DOWN, power: power + 1 }
        } else if part < DOWN && part > 0.0 {
            Self { part: part * UP, power: power - 1 }
        } else {
            Self { part, power }
        }
    }
}

impl PathCount for Wide {
    const ONE: Self = Self { part: 1.0, power: 0 };

    fn plus(self, other: Self) -> Self {
        let (high, low) = match (self.part == 0.0, other.part == 0.0) {
            (true, _) => return other,
            (_, true) => return self,
            _ if self.power >= other.power => (self, other),
            _ => (other, self),
        };
        match high.power - low.power {
            0 => Self::new(high.part + low.part, high.power),
            1 => Self::new(high.part + low.part * DOWN, high.power),
            2 => Self::new(high.part + low.part * DOWN * DOWN, high.power),
            _ => high,
        }
    }

    fn times(self, other: Self) -> f64 {
        let product = self.part * other.part;
        match self.power + other.power {
            0 => product,
            1 => product * UP,
            2 => product * UP * UP,
            -1 => product * DOWN,
            -2 => product * DOWN * DOWN,
            // Nothing comes back from the ends of paths.
            power if power > 0 && product > 0.0 => f64::INFINITY,
            _ => 0.0,
        }
    }

    fn divide(self, value: f64) -> Self {
        Self::new(value / self.part, -self.power)
    }

    fn is_too_large(self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(value: f64) -> Wide {
        Wide::ONE.divide(value)
    }

    fn check(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-15 * expected, "{found} is not {expected}");
    }

    #[test]
    fn wide_numbers_are_numbers() {
        let values = [
            0.0, 1.0, 3.0, 1e-20, 7e40, 1e77, 3e77, 5e-78, 1e-77, 5e-90, 1e150, 1e154, 2e-154, 6e200, 1e-250,
        ];
        for a in values {
            for b in values {
                check(wide(a).plus(wide(b)).times(Wide::ONE), a + b);
                if (a * b).is_normal() || a == 0.0 {
                    check(wide(a).times(wide(b)), a * b);
                }
                if a > 0.0 && (b / a).is_normal() {
                    check(wide(a).divide(b).times(Wide::ONE), b / a);
                }
            }
        }
    }

    #[test]
    fn wide_numbers_go_beyond_floats() {
        let mut paths = Wide::ONE;
        for _ in 0..5000 {
            paths = paths.plus(paths);
        }
        check(paths.times(paths.divide(6.0)), 6.0);
    }
}
