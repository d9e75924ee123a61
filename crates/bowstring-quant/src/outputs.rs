//! How far off are the outputs of a layer whose weights were replaced?
//!
//! A layer with inputs `x` of which it has the second moments `H`, whose weights `W` became `Ŵ`, has outputs that are off by
//! `E‖(W − Ŵ)x‖² / E‖Wx‖² = tr((W − Ŵ) H (W − Ŵ)ᵀ) / tr(W H Wᵀ)` of their size, both squared.
//! O(channels²) for each output channel, and O(channels) where the moments are those of each channel with itself.

use rayon::prelude::*;

use crate::{
    Hessian, LayerInputs, Result, hessian::matrix, matrix::block, pack::has_length, weights::Weights,
};

/// How many rows a thread takes at once where each meets all second moments.
const ROWS: usize = 64;

/// Sums over what a layer's outputs were, and over what they are off.
#[derive(Clone, Debug)]
pub(crate) struct Outputs<'a> {
    seen: Seen<'a>,
    channels: usize,
    signal: f64,
    noise: f64,
}

/// What is known of the inputs.
#[derive(Clone, Debug)]
enum Seen<'a> {
    /// The mean square of each channel.
    Diagonal(Vec<f64>),
    Full(&'a Hessian),
}

impl LayerInputs {
    /// The mean square of what the layer's outputs are off where `weights`, rows of as many as there are
    /// [channels](Self::channels), became `values`, in relation to the mean square of the outputs: 0 where nothing is off,
    /// infinite where outputs were 0 and no longer are. By all second moments of the inputs where they are kept; else
    /// by those of each channel with itself, as if no channel went with another. `None` when there were no inputs. Runs
    /// on the threads of the current rayon pool, whose number does not change the result.
    ///
    /// # Errors
    /// [`QuantError::Length`](crate::QuantError::Length) when there are not as many of both, or rows are not whole.
    pub fn output_error(&self, weights: &[f32], values: &[f32]) -> Result<Option<f64>> {
        has_length("weights to compare with", values.len(), weights.len())?;
        let rows = weights.len().checked_div(self.channels()).unwrap_or(0);
        has_length("weights of whole rows", weights.len(), rows * self.channels())?;
        Ok(self.outputs().map(|mut outputs| {
            outputs.add(Weights::Numbers(weights), values);
            outputs.error()
        }))
    }

    /// Sums over nothing yet; `None` when there were no inputs.
    pub(crate) fn outputs(&self) -> Option<Outputs<'_>> {
        let (seen, is_seen) = match self.hessian() {
            Some(hessian) => (Seen::Full(hessian), hessian.weight() > 0.0),
            None => (Seen::Diagonal(self.mean_squares()), self.steps().any(|(_, step)| step.count > 0)),
        };
        is_seen.then_some(Outputs { seen, channels: self.channels(), signal: 0.0, noise: 0.0 })
    }
}

impl Outputs<'_> {
    /// Adds whole rows of weights, and what they became, on the threads of the current rayon pool.
    pub(crate) fn add(&mut self, weights: Weights<'_>, values: &[f32]) {
        let rows = match self.seen {
            Seen::Diagonal(_) => block(self.channels),
            Seen::Full(_) => ROWS,
        };
        let step = (rows * self.channels).max(1);
        let sums: Vec<(f64, f64)> = values
            .par_chunks(step)
            .enumerate()
            .map_init(Vec::new, |buffer, (index, values)| {
                let first = index * step;
                self.sums(weights.some(first..first + values.len()).numbers(buffer), values)
            })
            .collect();
        for (signal, noise) in sums {
            self.signal += signal;
            self.noise += noise;
        }
    }

    /// Of the outputs and of what they are off, for some rows.
    fn sums(&self, weights: &[f32], values: &[f32]) -> (f64, f64) {
        let was = || weights.iter().map(|&weight| f64::from(weight));
        let off = || weights.iter().zip(values).map(|(&weight, &value)| f64::from(weight) - f64::from(value));
        match &self.seen {
            Seen::Diagonal(squares) => {
                let sum = |(number, square): (f64, &f64)| number * number * square;
                (
                    was().zip(squares.iter().cycle()).map(sum).sum(),
                    off().zip(squares.iter().cycle()).map(sum).sum(),
                )
            }
            Seen::Full(hessian) => {
                let form = |numbers: Vec<f64>| hessian.form(matrix(&numbers, self.channels));
                (form(was().collect()), form(off().collect()))
            }
        }
    }

    /// The one in relation to the other.
    pub(crate) fn error(&self) -> f64 {
        // Neither is below 0, but for rounding.
        if self.noise <= 0.0 { 0.0 } else { self.noise / self.signal.max(0.0) }
    }
}

#[cfg(test)]
mod tests;
