//! How far off may the tensors of a model be?

use crate::{Quality, QuantError, Result, TensorReport};

/// How far off tensors may be that have fewer bits than they had.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gates {
    /// The least ratio of signal to noise, in decibels.
    pub min_sqnr: Option<f64>,
    /// The largest `‖w − ŵ‖ / ‖w‖`.
    pub max_rel_error: Option<f64>,
}

impl Gates {
    /// Whether they can be asked for.
    ///
    /// # Errors
    /// [`QuantError::Option`] for a ratio that is no number, and for an error that is none or below 0.
    pub fn check(&self) -> Result<()> {
        if let Some(wrong) = self.min_sqnr.filter(|ratio| ratio.is_nan()) {
            let expected = "a number of decibels";
            return Err(QuantError::Option { option: "min_sqnr", value: wrong.to_string(), expected });
        }
        match self.max_rel_error.filter(|error| !(0.0..).contains(error)) {
            None => Ok(()),
            Some(wrong) => Err(QuantError::Option {
                option: "max_rel_error",
                value: wrong.to_string(),
                expected: "a number of at least 0",
            }),
        }
    }

    /// Whether a tensor that is so far off passes. A figure that is none passes nothing.
    pub fn pass(&self, quality: &Quality) -> bool {
        self.min_sqnr.is_none_or(|least| quality.sqnr >= least)
            && self.max_rel_error.is_none_or(|most| quality.relative_error <= most)
    }

    /// Those that do not pass, with how far off they are, the one with the least ratio first.
    pub fn failing<'a>(&self, reports: &'a [TensorReport]) -> Vec<(&'a str, Quality)> {
        let quality = |report: &'a TensorReport| Some((report.name.as_str(), report.stored.quality()?));
        let mut failing: Vec<_> =
            reports.iter().filter_map(quality).filter(|(_, quality)| !self.pass(quality)).collect();
        failing.sort_by(|(_, left), (_, right)| left.sqnr.total_cmp(&right.sqnr));
        failing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_figures_count() {
        let quality = Quality { sqnr: 20.0, relative_error: 0.1, cosine: 0.99, largest_error: 1.0 };
        let pass = |min_sqnr, max_rel_error| Gates { min_sqnr, max_rel_error }.pass(&quality);
        assert!(pass(None, None));
        assert!(pass(Some(20.0), Some(0.1)));
        assert!(!pass(Some(20.1), None));
        assert!(!pass(None, Some(0.09)));
        assert!(!pass(Some(20.1), Some(0.2)));
        assert!(!pass(Some(10.0), Some(0.09)));
        let none = Quality { sqnr: f64::NAN, relative_error: f64::NAN, ..quality };
        let gates = |min_sqnr, max_rel_error| Gates { min_sqnr, max_rel_error };
        assert!(!gates(Some(f64::NEG_INFINITY), None).pass(&none));
        assert!(!gates(None, Some(f64::INFINITY)).pass(&none));
    }
}
