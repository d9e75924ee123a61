//! How far are weights from those that they replace?

use bowstring_simd::{Work, run};

use crate::{Result, pack::has_length};

/// Sums are kept in so many lanes, whatever the processor has, so that they come out the same everywhere.
const LANES: usize = 8;

/// Errors of some weights against the original ones. All of them are finite numbers, or infinite where what they
/// are divided by is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// The ratio of signal to quantisation noise, `10 log₁₀(Σw² / Σ(w − ŵ)²)`, in decibels: infinite where
    /// nothing is off, also where there are no weights; −∞ where nothing but zeros became something else.
    pub sqnr: f64,
    /// `‖w − ŵ‖ / ‖w‖`; 0 where nothing is off.
    pub relative_error: f64,
    /// The cosine of the angle between both; 1 where nothing is off.
    pub cosine: f64,
    /// The largest `|w − ŵ|`.
    pub largest_error: f64,
}

impl Quality {
    /// Of `weights` that became `values`; sums are of double precision, those of every eighth weight together.
    ///
    /// # Errors
    /// [`QuantError::Length`](crate::QuantError::Length) when there are not as many of both.
    pub fn of(weights: &[f32], values: &[f32]) -> Result<Self> {
        has_length("weights to compare with", values.len(), weights.len())?;
        Ok(Tally::default().with(weights, values).quality())
    }
}

/// Sums over weights and what they became.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    signal: [f64; LANES],
    noise: [f64; LANES],
    size: [f64; LANES],
    largest_error: [f64; LANES],
}

impl Tally {
    /// Of all, in their order.
    pub(crate) fn all(tallies: Vec<Self>) -> Self {
        tallies.into_iter().fold(Self::default(), Self::and)
    }

    /// Of whole rows, one after the other.
    pub(crate) fn of_rows(weights: &[f32], values: &[f32], columns: usize) -> Self {
        let rows = weights.chunks(columns.max(1)).zip(values.chunks(columns.max(1)));
        rows.fold(Self::default(), |tally, (weights, values)| tally.with(weights, values))
    }

    /// With these weights and what they became.
    pub(crate) fn with(self, weights: &[f32], values: &[f32]) -> Self {
        run(Add { tally: self, weights, values })
    }

    /// With a weight for each lane. One sum after the other, which compilers make vectors of.
    #[inline(always)]
    fn step(&mut self, weights: &[f32; LANES], values: &[f32; LANES]) {
        let (weights, values) = (weights.map(f64::from), values.map(f64::from));
        add(&mut self.signal, each(weights, values, |weight, _| weight * weight));
        add(&mut self.noise, each(weights, values, |weight, value| (weight - value) * (weight - value)));
        add(&mut self.size, each(weights, values, |_, value| value * value));
        let off = each(weights, values, |weight, value| (weight - value).abs());
        for (largest, off) in self.largest_error.iter_mut().zip(off) {
            *largest = if off > *largest { off } else { *largest };
        }
    }

    /// Of both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            self.signal[lane] += other.signal[lane];
            self.noise[lane] += other.noise[lane];
            self.size[lane] += other.size[lane];
            self.largest_error[lane] = self.largest_error[lane].max(other.largest_error[lane]);
        }
        self
    }

    pub(crate) fn quality(self) -> Quality {
        let [signal, noise, size] =
            [self.signal, self.noise, self.size].map(|lanes| lanes.iter().sum::<f64>());
        let largest_error = self.largest_error.into_iter().fold(0.0, f64::max);
        let exact = noise == 0.0;
        Quality {
            sqnr: if exact { f64::INFINITY } else { 10.0 * (signal / noise).log10() },
            relative_error: if exact { 0.0 } else { (noise / signal).sqrt() },
            cosine: match (exact, signal * size == 0.0) {
                (true, _) => 1.0,
                (false, true) => 0.0,
                // Σ(w − ŵ)² = Σw² − 2 Σwŵ + Σŵ².
                (false, false) => 0.5 * (signal + size - noise) / (signal.sqrt() * size.sqrt()),
            },
            largest_error,
        }
    }
}

/// One number of each lane's two.
#[inline(always)]
fn each(left: [f64; LANES], right: [f64; LANES], of: impl Fn(f64, f64) -> f64) -> [f64; LANES] {
    std::array::from_fn(|lane| of(left[lane], right[lane]))
}

#[inline(always)]
fn add(sums: &mut [f64; LANES], terms: [f64; LANES]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += term;
    }
}

/// Adds weights and what they became to sums.
pub(crate) struct Add<'a> {
    pub(crate) tally: Tally,
    pub(crate) weights: &'a [f32],
    pub(crate) values: &'a [f32],
}

impl Work for Add<'_> {
    type Output = Tally;

    #[inline(always)]
    fn run(self) -> Tally {
        let Self { mut tally, weights, values } = self;
        let (weights, last_weights) = weights.as_chunks::<LANES>();
        let (values, last_values) = values.as_chunks::<LANES>();
        for (weights, values) in weights.iter().zip(values) {
            tally.step(weights, values);
        }
        if !last_weights.is_empty() {
            let padded =
                |rest: &[f32]| std::array::from_fn(|lane| rest.get(lane).copied().unwrap_or_default());
            tally.step(&padded(last_weights), &padded(last_values));
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_their_definitions() {
        let quality = Quality::of(&[3.0, -4.0], &[3.0, -3.5]).unwrap();
        assert_eq!(quality.sqnr, 20.0);
        assert_eq!(quality.relative_error, 0.1);
        assert!((quality.cosine - 23.0 / (5.0 * 21.25_f64.sqrt())).abs() < 1e-15);
        assert_eq!(quality.largest_error, 0.5);
    }

    #[test]
    fn figures_without_a_divisor_are_still_figures() {
        let same = Quality { sqnr: f64::INFINITY, relative_error: 0.0, cosine: 1.0, largest_error: 0.0 };
        for weights in [&[][..], &[0.0, 0.0], &[1e-30, 2.0]] {
            assert_eq!(Quality::of(weights, weights).unwrap(), same);
        }
        let from_nothing = Quality::of(&[0.0], &[2.0]).unwrap();
        assert_eq!((from_nothing.sqnr, from_nothing.relative_error), (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(Quality::of(&[2.0], &[0.0]).unwrap().cosine, 0.0);
        assert!(Quality::of(&[1.0], &[]).is_err());
    }

    /// Each figure by its definition, weight by weight.
    fn slowly(weights: &[f32], values: &[f32]) -> Quality {
        let pairs =
            || weights.iter().zip(values).map(|(&weight, &value)| (f64::from(weight), f64::from(value)));
        let sum = |of: fn((f64, f64)) -> f64| pairs().map(of).sum::<f64>();
        let (signal, noise) =
            (sum(|(weight, _)| weight * weight), sum(|(weight, value)| (weight - value).powi(2)));
        Quality {
            sqnr: 10.0 * (signal / noise).log10(),
            relative_error: (noise / signal).sqrt(),
            cosine: sum(|(weight, value)| weight * value) / (signal * sum(|(_, value)| value * value)).sqrt(),
            largest_error: pairs().map(|(weight, value)| (weight - value).abs()).fold(0.0, f64::max),
        }
    }

    #[test]
    fn every_weight_counts_in_every_length() {
        for length in 1..100 {
            let weights: Vec<f32> = (0..length).map(|index| (index as f32 * 0.7).sin() + 0.1).collect();
            for off in 0..length {
                let mut values = weights.clone();
                values[off] += 0.5;
                let (quality, slow) = (Quality::of(&weights, &values).unwrap(), slowly(&weights, &values));
                let close = |a: f64, b: f64| (a - b).abs() <= 1e-13 * b.abs().max(1.0);
                assert!(close(quality.sqnr, slow.sqnr), "{quality:?}, not {slow:?}");
                assert!(close(quality.relative_error, slow.relative_error), "{quality:?}, not {slow:?}");
                assert!(close(quality.cosine, slow.cosine), "{quality:?}, not {slow:?}");
                assert_eq!(quality.largest_error, slow.largest_error);
                let plainly = Add { tally: Tally::default(), weights: &weights, values: &values }.run();
                assert_eq!(plainly.quality(), quality, "another processor");
            }
        }
    }
}
