//! Which errors of its weights does a layer's output feel?
//!
//! A layer with inputs `x` whose weights are off by `Δ` is off by `Δx` in its output. The squares of that sum up
//! to `tr(Δ H Δᵀ)` over all inputs, with their second moments `H = Σ x xᵀ`, half of the Hessian of the layer's
//! squared error (Hassibi and Stork 1993, "Second order derivatives for network pruning").

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use crate::{QuantError, Result, grid::all_finite, pack::has_length};

/// How many inputs are multiplied in single precision before the sums go on in double precision.
const INPUTS: usize = 256;
/// How many rows of the matrix a thread works on at once.
const PANEL: usize = 64;

/// The second moments of a layer's inputs: sums over as many inputs as one likes, in memory of `8 · channels²`
/// bytes. Sums are in the order of the inputs, whatever the number of threads.
#[derive(Clone, Debug)]
pub struct Hessian {
    channels: usize,
    weight: f64,
    /// Row by row; only the lower triangle counts.
    sums: Vec<f64>,
}

impl Hessian {
    /// The most channels there can be: their second moments take 32 GiB.
    pub const MOST_CHANNELS: usize = 1 << 16;

    /// Of no inputs.
    ///
    /// # Errors
    /// [`QuantError::Option`] for more than [`MOST_CHANNELS`](Self::MOST_CHANNELS).
    pub fn new(channels: usize) -> Result<Self> {
        if channels > Self::MOST_CHANNELS {
            let expected = "at most 65536 where all second moments are kept";
            return Err(QuantError::Option { option: "channels", value: channels.to_string(), expected });
        }
        Ok(Self { channels, weight: 0.0, sums: vec![0.0; channels * channels] })
    }

    /// Of sums that were made before: the matrix `Σ weight · x xᵀ`, row by row, and `Σ weight`.
    ///
    /// # Errors
    /// [`QuantError::Length`] when it is not square; [`QuantError::Option`] when it is not that of any inputs: not
    /// finite, not symmetric, or with a sum of squares below 0.
    pub fn from_sums(channels: usize, weight: f64, sums: Vec<f64>) -> Result<Self> {
        has_length("second moments", sums.len(), channels.saturating_mul(channels))?;
        let at = |row: usize, column: usize| sums[row * channels + column];
        let fits = |row: usize, column: usize| {
            let (one, other) = (at(row, column), at(column, row));
            // No product is larger than those of one channel with itself are on average, but for rounding.
            let most = at(row, row).max(0.0).sqrt() * at(column, column).max(0.0).sqrt() * (1.0 + 1e-4);
            one.is_finite()
                && (one - other).abs() <= 1e-6 * most
                && one.abs() <= most
                && (row != column || one >= 0.0)
        };
        let found = (0..channels).flat_map(|row| (0..=row).map(move |column| (row, column)));
        let wrong = found.into_iter().find(|&(row, column)| !fits(row, column));
        if let Some((row, column)) = wrong {
            return Err(QuantError::Option {
                option: "second_moments",
                value: format!("{} at {row}, {column}", at(row, column)),
                expected: "sums of products of inputs: finite and symmetric",
            });
        }
        is_weight(weight)?;
        Ok(Self { channels, weight, sums })
    }

    /// How many channels an input has.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// How much all inputs weigh together: their number where each weighs 1.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Adds inputs, [`channels`](Self::channels) numbers each, all with the same weight, on the threads of the
    /// current rayon pool.
    ///
    /// # Errors
    /// [`QuantError::Length`] when inputs are not whole; [`QuantError::Number`] when one is NaN or infinite;
    /// [`QuantError::Option`] for a weight below 0. Then nothing is added.
    pub fn add(&mut self, inputs: &[f32], weight: f64) -> Result<()> {
        let channels = self.channels;
        let count = inputs.len().checked_div(channels).unwrap_or(0);
        has_length("numbers of whole inputs", inputs.len(), count * channels)?;
        is_weight(weight)?;
        are_finite(inputs)?;
        self.weight += weight * count as f64;
        for inputs in inputs.chunks((INPUTS * channels).max(1)) {
            let inputs = matrix(inputs, channels);
            self.sums.par_chunks_mut((PANEL * channels).max(1)).enumerate().for_each(|(index, sums)| {
                let (first, rows) = (index * PANEL, sums.len() / channels);
                let products =
                    inputs.slice(s![.., first..first + rows]).t().dot(&inputs.slice(s![.., ..first + rows]));
                for (sums, products) in sums.chunks_exact_mut(channels).zip(products.rows()) {
                    for (sum, &product) in sums.iter_mut().zip(products) {
                        *sum += weight * f64::from(product);
                    }
                }
            });
        }
        Ok(())
    }

    /// Adds those of other inputs.
    ///
    /// # Errors
    /// [`QuantError::Length`] when they have another number of channels.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        has_length("channels", other.channels, self.channels)?;
        self.weight += other.weight;
        for (sum, other) in self.sums.iter_mut().zip(&other.sums) {
            *sum += other;
        }
        Ok(())
    }

    /// `Σ x xᵀ` at a row and a column.
    pub(crate) fn at(&self, row: usize, column: usize) -> f64 {
        self.sums[row.max(column) * self.channels + row.min(column)]
    }

    /// What counts of a row: up to the diagonal.
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.sums[row * self.channels..][..=row]
    }

    /// `Σ x xᵀ`, row by row.
    pub fn sums(&self) -> Vec<f64> {
        let channels = 0..self.channels;
        channels.clone().flat_map(|row| channels.clone().map(move |column| self.at(row, column))).collect()
    }

    /// `Σ x²` of each channel.
    pub fn diagonal(&self) -> Vec<f64> {
        (0..self.channels).map(|channel| self.at(channel, channel)).collect()
    }

    /// The squared error of the output of a layer whose weights, rows of `channels` each, became `values`: summed
    /// over output channels, on average over the inputs; 0 without inputs.
    ///
    /// # Errors
    /// [`QuantError::Length`] when there are not as many of both, or rows are not whole.
    pub fn output_error(&self, weights: &[f32], values: &[f32]) -> Result<f64> {
        has_length("weights to compare with", values.len(), weights.len())?;
        let channels = self.channels;
        let rows = weights.len().checked_div(channels).unwrap_or(0);
        has_length("weights of whole rows", weights.len(), rows * channels)?;
        if self.weight == 0.0 {
            return Ok(0.0);
        }
        let step = (PANEL * channels).max(1);
        let errors: Vec<f64> = weights
            .par_chunks(step)
            .zip(values.par_chunks(step))
            .map(|(weights, values)| {
                let off: Vec<f64> =
                    weights.iter().zip(values).map(|(&w, &v)| f64::from(w) - f64::from(v)).collect();
                self.form(matrix(&off, channels))
            })
            .collect();
        Ok(errors.iter().sum::<f64>() / self.weight)
    }

    /// `Σ r H rᵀ` over rows `r`, without a matrix of all moments beside the triangle that is there.
    pub(crate) fn form(&self, rows: ArrayView2<'_, f64>) -> f64 {
        let sums = matrix(&self.sums, self.channels);
        let mut form = 0.0;
        for first in (0..self.channels).step_by(PANEL) {
            let end = self.channels.min(first + PANEL);
            let own = rows.slice(s![.., first..end]);
            let corner = Array2::from_shape_fn((end - first, end - first), |(row, column)| {
                self.at(first + row, first + column)
            });
            // What is left of the corner stands above it too.
            let left = rows.slice(s![.., ..first]).dot(&sums.slice(s![first..end, ..first]).t());
            form += ((own.dot(&corner) + 2.0 * left) * own).sum();
        }
        form
    }
}

/// That all numbers of some inputs are.
pub(crate) fn are_finite(inputs: &[f32]) -> Result<()> {
    if all_finite(inputs) {
        return Ok(());
    }
    let place = inputs.iter().position(|input| !input.is_finite()).unwrap_or_default();
    let value = f64::from(inputs.get(place).copied().unwrap_or_default());
    Err(QuantError::Number { what: "number of the inputs", place, value, expected: "finite" })
}

pub(crate) fn is_weight(weight: f64) -> Result<()> {
    if (0.0..f64::INFINITY).contains(&weight) {
        return Ok(());
    }
    Err(QuantError::Option {
        option: "weight",
        value: weight.to_string(),
        expected: "a finite number of at least 0",
    })
}

/// Whole rows as a matrix.
pub(crate) fn matrix<T>(numbers: &[T], columns: usize) -> ArrayView2<'_, T> {
    let rows = numbers.len().checked_div(columns).unwrap_or(0);
    ArrayView2::from_shape((rows, columns), numbers).unwrap_or_else(|_| ArrayView2::from(&[] as &[[T; 0]]))
}

#[cfg(test)]
mod tests;
