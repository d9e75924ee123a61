//! Which range of a layer's activations gets codes?
//!
//! Activations are quantised like weights with [zero points](crate::Offset::ZeroPoint): evenly over a range with 0
//! in it, what is beyond is clipped. Clipping a little pays, as the steps become smaller (Banner et al. 2019, "Post
//! training 4-bit quantization of convolutional networks for rapid-deployment"). The squared error of a range is
//! computed over a [histogram](Histogram), with each bin's values evenly within it: right but where the edge between two
//! codes is inside of a bin. Ranges are found by coordinate descent, a golden-section search (Kiefer 1953) along one
//! end after the other, which keeps what it finds only where it is better. O(bins) for each of some hundred ranges.

use crate::{
    Bits, CodeType, Group, Histogram, Offset, QuantError, Result, ScaleType, Scheme,
    grid::{Form, Grid, Range},
    levels::Linear,
    scales::Scales,
};

/// From the least to the greatest activation that has a code of its own; 0 is one of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivationRange {
    least: f32,
    greatest: f32,
}

impl ActivationRange {
    /// From one number to another.
    ///
    /// # Errors
    /// [`QuantError::Option`] unless both are finite, the first at most 0 and the second at least 0.
    pub fn new(least: f32, greatest: f32) -> Result<Self> {
        if (f32::MIN..=0.0).contains(&least) && (0.0..=f32::MAX).contains(&greatest) {
            return Ok(Self { least, greatest });
        }
        Err(QuantError::Option {
            option: "range",
            value: format!("{least} to {greatest}"),
            expected: "from a finite number of at most 0 to one of at least 0",
        })
    }

    /// All values of a histogram, and 0; nothing of none.
    pub fn of(histogram: &Histogram) -> Option<Self> {
        let all = Self { least: histogram.least().min(0.0), greatest: histogram.greatest().max(0.0) };
        (histogram.count() > 0).then_some(all)
    }

    /// The one of the least squared error that is found: that over all values, or less; nothing of none.
    pub fn best(histogram: &Histogram, bits: Bits) -> Option<Self> {
        let mixture = Mixture::of(&[(histogram, 1.0)]);
        let all = Self::of(histogram)?;
        let loss = |range: Self| mixture.error(range, bits);
        // The error has several valleys, of which the search below finds the bottom of one.
        let start = (1..=COARSE).rev().fold((all, f64::INFINITY), |best, part| {
            let part = part as f32 / COARSE as f32;
            let range = Self { least: all.least * part, greatest: all.greatest * part };
            let error = loss(range);
            if error < best.1 { (range, error) } else { best }
        });
        Some(descend(loss, start.0, all, ROUNDS).0)
    }

    /// The least activation with a code of its own.
    pub fn least(self) -> f32 {
        self.least
    }

    /// The greatest activation with a code of its own.
    pub fn greatest(self) -> f32 {
        self.greatest
    }

    /// The distance of two codes' values, and the code of 0. Both ends move by at most half of that distance, as
    /// the code of 0 is a whole number.
    pub fn scale_and_zero(self, bits: Bits) -> (f32, u8) {
        let grid = self.grid(bits);
        (grid.scale, grid.zero as u8)
    }

    /// Gives each of `values` the nearest one that has a code.
    pub fn quantize(self, bits: Bits, values: &mut [f32]) {
        let (form, grid) = (form(bits), self.grid(bits));
        for value in values {
            *value = grid.value(grid.code(*value, &form), form.levels);
        }
    }

    /// The mean squared error of a histogram's values; 0 of none.
    pub fn error(self, histogram: &Histogram, bits: Bits) -> f64 {
        Mixture::of(&[(histogram, 1.0)]).error(self, bits)
    }

    fn grid(self, bits: Bits) -> Grid {
        let Self { least, greatest } = self;
        Grid::over(Range { least, greatest, finite: true }, &form(bits))
    }
}

/// How activations are written.
fn form(bits: Bits) -> Form<Linear> {
    let scheme = Scheme {
        bits,
        group: Group::Channel,
        offset: Offset::ZeroPoint,
        scale_type: ScaleType::F32,
        code_type: CodeType::Linear,
    };
    Form { scheme, levels: Linear, scales: Scales::WIDE }
}

/// In how many steps ranges of the same shape are tried.
const COARSE: u8 = 50;

/// How often both ends are searched where nothing else is said.
const ROUNDS: usize = 4;

/// Several histograms as one, each counting by a weight of its own whatever its number of values.
pub(crate) struct Mixture {
    /// The middles of bins, and what they count.
    points: Vec<(f32, f64)>,
    /// What values are off within their bins, `width² / 12`.
    within: f64,
}

impl Mixture {
    pub(crate) fn of(parts: &[(&Histogram, f64)]) -> Self {
        let mut merged = Histogram::default();
        for (histogram, _) in parts {
            merged.merge(histogram);
        }
        let mut points: Vec<_> = merged.bins().map(|(middle, _)| (middle as f32, 0.0)).collect();
        let mut within = 0.0;
        for (histogram, weight) in parts.iter().filter(|(histogram, _)| histogram.count() > 0) {
            let share = weight / histogram.count() as f64;
            for (place, count) in histogram.counts_among(&merged) {
                points[place].1 += share * count as f64;
            }
            within += weight * merged.width() * merged.width() / 12.0;
        }
        points.retain(|(_, weight)| *weight > 0.0);
        Self { points, within }
    }

    /// The squared error, weighted.
    pub(crate) fn error(&self, range: ActivationRange, bits: Bits) -> f64 {
        let (form, grid) = (form(bits), range.grid(bits));
        let squared = self.points.iter().map(|&(value, weight)| {
            let off = f64::from(value - grid.value(grid.code(value, &form), form.levels));
            weight * off * off
        });
        self.within + squared.sum::<f64>()
    }
}

/// Moves one end of a range after the other, within `all`, for so many rounds or until none is better, and gives the
/// loss at the start and after each round.
pub(crate) fn descend(
    loss: impl Fn(ActivationRange) -> f64,
    start: ActivationRange,
    all: ActivationRange,
    rounds: usize,
) -> (ActivationRange, Vec<f64>) {
    let mut best = (start, loss(start));
    let mut history = vec![best.1];
    let mut reach = 1.0;
    for _ in 0..rounds {
        let before = best.1;
        for lower in [true, false] {
            let with = |end: f32| match lower {
                true => ActivationRange { least: -end, ..best.0 },
                false => ActivationRange { greatest: end, ..best.0 },
            };
            let (now, most) =
                if lower { (-best.0.least, -all.least) } else { (best.0.greatest, all.greatest) };
            // From the whole side at first, then from less and less around where the end is.
            let now = now.min(most);
            let (from, to) = ((now - reach * most).max(0.0), (now + reach * most).min(most));
            let found = with(golden_section(|end| loss(with(end)), from, to));
            let error = loss(found);
            if error < best.1 {
                best = (found, error);
            }
        }
        history.push(best.1);
        if best.1 == before && reach < 0.1 {
            break;
        }
        reach *= 0.4;
    }
    (best.0, history)
}

/// How often an interval is cut; each cut leaves 0.618 of it.
const CUTS: u8 = 20;

/// Where a function of one valley is the least.
fn golden_section(loss: impl Fn(f32) -> f64, mut from: f32, mut to: f32) -> f32 {
    const SHARE: f32 = 0.618_034;
    let (mut left, mut right) = (to - SHARE * (to - from), from + SHARE * (to - from));
    let (mut left_loss, mut right_loss) = (loss(left), loss(right));
    for _ in 0..CUTS {
        if left_loss <= right_loss {
            (to, right, right_loss) = (right, left, left_loss);
            left = to - SHARE * (to - from);
            left_loss = loss(left);
        } else {
            (from, left, left_loss) = (left, right, right_loss);
            right = from + SHARE * (to - from);
            right_loss = loss(right);
        }
    }
    if left_loss <= right_loss { left } else { right }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::histogram::tests::of;

    fn squared_error(values: &[f32], range: ActivationRange, bits: Bits) -> f64 {
        let mut quantized = values.to_vec();
        range.quantize(bits, &mut quantized);
        let squared = values.iter().zip(&quantized).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
        squared.sum::<f64>() / values.len() as f64
    }

    /// Sums of four even numbers, spread a little like a Gaussian.
    fn bell(count: u32) -> Vec<f32> {
        let even = |index: u32| (index.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 - 0.5;
        (0..count).map(|index| (0..4).map(|part| even(4 * index + part)).sum()).collect()
    }

    #[test]
    fn codes_are_those_of_the_range() {
        let range = ActivationRange::new(-1.0, 2.0).unwrap();
        assert_eq!(range.scale_and_zero(Bits::Two), (1.0, 1));
        let mut values = [-5.0, -0.6, -0.4, 0.0, 1.4, 9.0];
        range.quantize(Bits::Two, &mut values);
        assert_eq!(values, [-1.0, -1.0, 0.0, 0.0, 1.0, 2.0]);
        for (least, greatest) in [(0.5, 1.0), (-1.0, -0.5), (f32::NAN, 1.0), (-1.0, f32::INFINITY)] {
            assert!(ActivationRange::new(least, greatest).is_err(), "{least} {greatest}");
        }
    }

    #[test]
    fn without_values_there_is_no_range() {
        assert_eq!(ActivationRange::of(&Histogram::default()), None);
        assert_eq!(ActivationRange::best(&Histogram::default(), Bits::Eight), None);
    }

    #[test]
    fn values_that_a_code_has_are_not_off() {
        for value in [0.0, 3.0, -0.25] {
            let best = ActivationRange::best(&of(&[value; 9]), Bits::Four).unwrap();
            let mut values = [value];
            best.quantize(Bits::Four, &mut values);
            assert!((values[0] - value).abs() <= 1e-6 * value.abs(), "{value} {values:?}");
        }
    }

    /// The least error of all pairs of ends in steps of a fiftieth.
    fn by_force(histogram: &Histogram, bits: Bits) -> f64 {
        let all = ActivationRange::of(histogram).unwrap();
        let part = |part: u8, end: f32| f32::from(part) / 50.0 * end;
        let range =
            |low, high| ActivationRange { least: part(low, all.least), greatest: part(high, all.greatest) };
        let ranges = (0..=50).flat_map(|low| (0..=50).map(move |high| range(low, high)));
        ranges.map(|range| range.error(histogram, bits)).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn the_range_found_is_the_best_or_nearly() {
        let bell = bell(20_000);
        let outliers: Vec<_> = bell.iter().copied().chain([4.0, -3.0, 5.0]).collect();
        let hill =
            |(index, value): (usize, &f32)| if index % 2 == 0 { value + 3.0 } else { value * 0.1 - 1.0 };
        let two_hills: Vec<_> = bell.iter().enumerate().map(hill).collect();
        for (values, bits, expected) in [
            (&outliers, Bits::Four, 0.5),
            (&outliers, Bits::Eight, 1.0),
            (&two_hills, Bits::Two, 0.7),
            (&two_hills, Bits::Four, 1.0),
        ] {
            let histogram = of(values);
            let error = ActivationRange::best(&histogram, bits).unwrap().error(&histogram, bits);
            let least = by_force(&histogram, bits);
            assert!(error <= 1.01 * least, "{bits}: {error} {least}");
            let all = ActivationRange::of(&histogram).unwrap().error(&histogram, bits);
            assert!(error <= expected * all, "{bits}: {error} {all}");
        }
    }

    #[test]
    fn the_error_of_a_histogram_is_that_of_its_values() {
        let values = bell(20_000);
        let histogram = of(&values);
        for bits in Bits::ALL {
            for (least, greatest) in [(-2.0, 2.0), (-0.7, 1.0), (-1.5, 0.2)] {
                let range = ActivationRange::new(least, greatest).unwrap();
                let (known, estimated) = (squared_error(&values, range, bits), range.error(&histogram, bits));
                assert!((estimated / known - 1.0).abs() < 0.02, "{bits} {least}: {estimated} {known}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_range_found_is_never_worse_than_all(
            values in prop::collection::vec(prop_oneof![9 => -1.0_f32..1.0, 1 => -50.0_f32..50.0], 1..200),
            bits in prop::sample::select(Bits::ALL.to_vec()),
        ) {
            let histogram = of(&values);
            let (all, best) = (ActivationRange::of(&histogram), ActivationRange::best(&histogram, bits));
            let (all, best) = (all.unwrap(), best.unwrap());
            prop_assert!(best.error(&histogram, bits) <= all.error(&histogram, bits));
            prop_assert!(all.least <= best.least && best.greatest <= all.greatest);
        }

        #[test]
        fn the_ends_move_by_half_a_step(
            ends in (0.0_f32..9.0, 0.0_f32..9.0),
            bits in prop::sample::select(Bits::ALL.to_vec()),
        ) {
            let range = ActivationRange::new(-ends.0, ends.1).unwrap();
            let (scale, zero) = range.scale_and_zero(bits);
            let least = -f32::from(zero) * scale;
            let greatest = f32::from(bits.largest() - zero) * scale;
            prop_assert!((least - range.least).abs() <= 0.501 * scale, "{least}");
            prop_assert!((greatest - range.greatest).abs() <= 0.501 * scale, "{greatest}");
            let mut ends = [-100.0, 0.0, 100.0];
            range.quantize(bits, &mut ends);
            prop_assert_eq!(ends, [least, 0.0, greatest]);
        }

        #[test]
        fn a_search_never_loses(start in 0.0_f32..1.0, valleys in 1.0_f32..30.0, rounds in 0_usize..6) {
            let all = ActivationRange::new(-1.0, 1.0).unwrap();
            let start = ActivationRange::new(-start, start * start).unwrap();
            let loss = |range: ActivationRange| {
                f64::from((range.least * valleys).sin() + (range.greatest * valleys * 1.3).cos())
            };
            let (found, history) = descend(loss, start, all, rounds);
            prop_assert!(history[0] == loss(start) && history.last() == Some(&loss(found)));
            prop_assert!(history.is_sorted_by(|one, other| one >= other));
        }
    }
}
