//! How are the activations of a layer distributed?
//!
//! Counts in bins of equal width, at most [`MOST_BINS`] of them, from the least to the greatest value. The width is
//! a power of two and bins begin at its multiples, so that bins of a wider range are pairs of those before: the counts
//! depend on the values alone, not on the order or the parts in which they come. O(1) memory, O(values) time.

use crate::{QuantError, Result};

/// No histogram has more bins. It has more than half as many, or bins as narrow as its numbers are precise.
pub const MOST_BINS: usize = 2048;

/// Bins are no narrower than the largest value's power of two divided by 2 to the power of this: less than what
/// single precision tells apart.
const PRECISION: i32 = 30;

/// What the width of bins begins with: less than any number of single precision.
const NARROWEST: i32 = -200;

/// Some values: how many, their extremes, sums, and counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    count: u64,
    least: f32,
    greatest: f32,
    sum: f64,
    squares: f64,
    /// Bins are 2 to the power of this wide.
    exponent: i32,
    /// Where the first bin begins, in widths from 0.
    first: i64,
    counts: Vec<u64>,
}

/// What a file keeps of one.
pub(crate) struct Parts {
    pub(crate) count: u64,
    pub(crate) least: f32,
    pub(crate) greatest: f32,
    pub(crate) sum: f64,
    pub(crate) squares: f64,
    pub(crate) exponent: i32,
    pub(crate) first: i64,
    pub(crate) counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            count: 0,
            least: f32::INFINITY,
            greatest: f32::NEG_INFINITY,
            sum: 0.0,
            squares: 0.0,
            exponent: NARROWEST,
            first: 0,
            counts: Vec::new(),
        }
    }
}

impl Histogram {
    /// Adds values.
    ///
    /// # Errors
    /// [`QuantError::Number`] for NaN and infinities; then nothing is added.
    pub fn add(&mut self, values: &[f32]) -> Result<()> {
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            let value = f64::from(values[place]);
            return Err(QuantError::Number { what: "activation", place, value, expected: "finite" });
        }
        self.reach(
            values.iter().copied().fold(f32::INFINITY, f32::min),
            values.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        );
        self.count += values.len() as u64;
        for &value in values {
            let value = f64::from(value);
            self.sum += value;
            self.squares += value * value;
            self.counts[(index(value, self.exponent) - self.first) as usize] += 1;
        }
        Ok(())
    }

    /// Adds the values of another one.
    pub fn merge(&mut self, other: &Self) {
        self.reach(other.least, other.greatest);
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
        for (place, count) in other.counts_in(self.exponent, self.first) {
            self.counts[place] += count;
        }
    }

    /// Where the values stand among the bins of one that has all of them, and how many do there.
    pub(crate) fn counts_among(&self, bins: &Self) -> impl Iterator<Item = (usize, u64)> {
        self.counts_in(bins.exponent, bins.first)
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The least value; ∞ of none.
    pub fn least(&self) -> f32 {
        self.least
    }

    /// The greatest value; −∞ of none.
    pub fn greatest(&self) -> f32 {
        self.greatest
    }

    /// The sum of the values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The sum of their squares.
    pub fn sum_of_squares(&self) -> f64 {
        self.squares
    }

    /// How wide a bin is.
    pub fn width(&self) -> f64 {
        power_of_two(self.exponent)
    }

    /// The middle of each bin and how many values are in it, the least first.
    pub fn bins(&self) -> impl Iterator<Item = (f64, u64)> {
        let width = self.width();
        let middle = move |place: usize| (self.first as f64 + place as f64 + 0.5) * width;
        self.counts.iter().enumerate().map(move |(place, &count)| (middle(place), count))
    }

    /// All of it.
    pub(crate) fn parts(&self) -> Parts {
        let Self { count, least, greatest, sum, squares, exponent, first, counts } = self.clone();
        Parts { count, least, greatest, sum, squares, exponent, first, counts }
    }

    /// One of these parts; `None` where no values give them.
    pub(crate) fn of_parts(parts: Parts) -> Option<Self> {
        let Parts { count, least, greatest, sum, squares, exponent, first, counts } = parts;
        if count == 0 {
            return (counts.is_empty() && sum == 0.0 && squares == 0.0).then(Self::default);
        }
        let is_one = least.is_finite()
            && greatest.is_finite()
            && least <= greatest
            && sum.is_finite()
            && (0.0..f64::INFINITY).contains(&squares)
            && (exponent, first, counts.len()) == grid(f64::from(least), f64::from(greatest))
            && counts.first().is_some_and(|&count| count > 0)
            && counts.last().is_some_and(|&count| count > 0)
            && counts.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count)) == Some(count);
        is_one.then_some(Self { count, least, greatest, sum, squares, exponent, first, counts })
    }

    /// Makes room for values from one to another.
    fn reach(&mut self, least: f32, greatest: f32) {
        if least > greatest {
            return;
        }
        // There is one zero only.
        self.least = self.least.min(least) + 0.0;
        self.greatest = self.greatest.max(greatest) + 0.0;
        let (exponent, first, bins) = grid(f64::from(self.least), f64::from(self.greatest));
        if (exponent, first, bins) == (self.exponent, self.first, self.counts.len()) {
            return;
        }
        let mut counts = vec![0; bins];
        for (place, count) in self.counts_in(exponent, first) {
            counts[place] += count;
        }
        (self.exponent, self.first, self.counts) = (exponent, first, counts);
    }

    /// Each count, and where it stands among bins that are as wide or wider.
    fn counts_in(&self, exponent: i32, first: i64) -> impl Iterator<Item = (usize, u64)> {
        let wider = (exponent - self.exponent).min(63);
        let counts = self.counts.iter().zip(self.first..);
        counts.map(move |(&count, place)| (((place >> wider) - first) as usize, count))
    }
}

/// The narrowest bins that are few enough: their exponent, where the first begins, and how many there are.
fn grid(least: f64, greatest: f64) -> (i32, i64, usize) {
    let mut exponent = (magnitude(least.abs().max(greatest.abs())) - PRECISION).max(NARROWEST);
    loop {
        let (first, last) = (index(least, exponent), index(greatest, exponent));
        if last - first < MOST_BINS as i64 {
            return (exponent, first, (last - first) as usize + 1);
        }
        exponent += 1;
    }
}

/// In which bin a value is, counted from 0.
fn index(value: f64, exponent: i32) -> i64 {
    (value * power_of_two(-exponent)).floor() as i64
}

/// The exponent of the greatest power of two that is not more than a number.
fn magnitude(number: f64) -> i32 {
    (number.to_bits() >> 52) as i32 - 1023
}

/// For exponents of ±1,000 and less.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn of(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::default();
        histogram.add(values).unwrap();
        histogram
    }

    #[test]
    fn figures_are_those_of_the_values() {
        let histogram = of(&[1.0, -2.0, 0.5, 1.0]);
        assert_eq!((histogram.count(), histogram.least(), histogram.greatest()), (4, -2.0, 1.0));
        assert_eq!((histogram.sum(), histogram.sum_of_squares()), (0.5, 6.25));
        let bins: Vec<_> = histogram.bins().filter(|(_, count)| *count > 0).collect();
        let half = histogram.width() / 2.0;
        assert_eq!(bins, [(-2.0 + half, 1), (0.5 + half, 1), (1.0 + half, 2)]);
        assert_eq!(histogram.width(), 3.0 / 1536.0);
        assert!(Histogram::default().bins().next().is_none());
    }

    #[test]
    fn a_value_that_is_no_number_adds_nothing() {
        let mut histogram = of(&[1.0]);
        for wrong in [f32::NAN, f32::INFINITY] {
            let error = histogram.add(&[5.0, wrong]).unwrap_err();
            assert!(matches!(error, QuantError::Number { place: 1, .. }));
        }
        assert_eq!(histogram, of(&[1.0]));
    }

    #[test]
    fn extremes_are_held() {
        for values in [&[0.0, -0.0][..], &[f32::MIN, f32::MAX], &[1e-45, 0.0], &[f32::MAX, 1e-45], &[7.0]] {
            let histogram = of(values);
            assert!(histogram.bins().count() <= MOST_BINS, "{values:?}");
            assert_eq!(histogram.bins().map(|(_, count)| count).sum::<u64>(), values.len() as u64);
        }
    }

    /// Values of any size, small and great ones beside one another.
    fn values() -> impl Strategy<Value = Vec<f32>> {
        let value = (-1.0_f32..1.0, -40_i32..40).prop_map(|(value, exponent)| value * 2.0_f32.powi(exponent));
        let near = -1.0_f32..3.0;
        prop::collection::vec(prop_oneof![1 => value, 3 => near, 1 => Just(0.0)], 0..60)
    }

    proptest! {
        #[test]
        fn counts_do_not_depend_on_order_or_parts(values in values(), cut in 0_usize..60, seed in any::<u64>()) {
            let whole = of(&values);
            let mut mixed = values.clone();
            mixed.sort_by_key(|value| (u64::from(value.to_bits()) ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let (one, other) = mixed.split_at(cut.min(mixed.len()));
            let (mut added, mut merged, mut swapped) = (of(one), of(one), of(other));
            added.add(other).unwrap();
            merged.merge(&of(other));
            swapped.merge(&of(one));
            for parts in [added, merged, swapped] {
                prop_assert!((parts.sum - whole.sum).abs() <= 1e-12 * whole.squares.sqrt() * 60.0);
                prop_assert!((parts.squares - whole.squares).abs() <= 1e-12 * whole.squares);
                prop_assert_eq!(Histogram { sum: whole.sum, squares: whole.squares, ..parts }, whole.clone());
            }
        }

        #[test]
        fn each_value_is_in_its_bin(values in values()) {
            let histogram = of(&values);
            let half = histogram.width() / 2.0;
            for (middle, count) in histogram.bins() {
                let inside = |value: &&f32| {
                    (middle - half..middle + half).contains(&f64::from(**value))
                };
                prop_assert_eq!(values.iter().filter(inside).count() as u64, count);
            }
            let bins = histogram.bins().count();
            let largest = values.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
            let narrowest = f64::from(largest) / f64::from(1_u32 << PRECISION);
            prop_assert!(bins <= MOST_BINS);
            let fine = largest == 0.0 || bins > MOST_BINS / 2 || histogram.width() <= narrowest;
            prop_assert!(fine, "{bins} {}", histogram.width());
        }
    }
}
