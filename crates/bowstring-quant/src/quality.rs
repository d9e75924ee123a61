//! How far are weights from those that they replace?

use crate::{Result, pack::has_length};

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
    /// Of `weights` that became `values`; sums are of double precision, in the order of the weights.
    ///
    /// # Errors
    /// [`QuantError::Length`](crate::QuantError::Length) when there are not as many of both.
    pub fn of(weights: &[f32], values: &[f32]) -> Result<Self> {
        has_length("weights to compare with", values.len(), weights.len())?;
        Ok(Tally::of(weights, values).quality())
    }
}

/// Sums over weights and what they became.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    signal: f64,
    noise: f64,
    size: f64,
    product: f64,
    largest_error: f64,
}

impl Tally {
    pub(crate) fn of(weights: &[f32], values: &[f32]) -> Self {
        let mut tally = Self::default();
        for (&weight, &value) in weights.iter().zip(values) {
            let (weight, value) = (f64::from(weight), f64::from(value));
            let off = weight - value;
            tally.signal += weight * weight;
            tally.noise += off * off;
            tally.size += value * value;
            tally.product += weight * value;
            tally.largest_error = tally.largest_error.max(off.abs());
        }
        tally
    }

    /// Of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            signal: self.signal + other.signal,
            noise: self.noise + other.noise,
            size: self.size + other.size,
            product: self.product + other.product,
            largest_error: self.largest_error.max(other.largest_error),
        }
    }

    pub(crate) fn quality(self) -> Quality {
        let Self { signal, noise, size, product, largest_error } = self;
        let exact = noise == 0.0;
        Quality {
            sqnr: if exact { f64::INFINITY } else { 10.0 * (signal / noise).log10() },
            relative_error: if exact { 0.0 } else { (noise / signal).sqrt() },
            cosine: match (exact, signal * size == 0.0) {
                (true, _) => 1.0,
                (false, true) => 0.0,
                (false, false) => product / (signal.sqrt() * size.sqrt()),
            },
            largest_error,
        }
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
}
