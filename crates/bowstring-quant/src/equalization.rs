//! Can the large channels of a layer's inputs be made smaller without changing what the model computes?
//!
//! SmoothQuant (Xiao et al. 2023, "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large
//! Language Models"): channel `j` of the inputs is divided by `s_j = max|x_j|^α / max|w_j|^(1 − α)`, and the weights
//! that it meets are multiplied by it. The division is folded into whatever makes the inputs: a norm's weight and
//! bias, or the output channels of a layer, with nothing between that is not linear for each channel by itself, such
//! as ReLU is for factors above 0 and SiLU and GELU are not. Here factors are powers of two: products keep every
//! bit, so that folding changes no result but those at the ends of the range of numbers.

use crate::{QuantError, Result, pack::has_length};

/// By which factors the channels between two layers are evened out.
#[derive(Clone, Debug, PartialEq)]
pub struct Equalization {
    /// One power of two for each channel.
    factors: Vec<f32>,
}

impl Equalization {
    /// For channels of which the largest inputs are `inputs`, and the largest weights that they meet, in all layers
    /// that read them, `weights`, both without signs. `strength`, α of 0 to 1, says how much of the difficulty goes
    /// from inputs to weights; .5 in the paper. A channel without inputs or weights stays as it is.
    ///
    /// # Errors
    /// [`QuantError::Length`] when there are not as many of both; [`QuantError::Option`] for another strength, and
    /// for numbers that are not finite or below 0.
    pub fn of(inputs: &[f32], weights: &[f32], strength: f32) -> Result<Self> {
        has_length("largest weights of channels", weights.len(), inputs.len())?;
        let refused =
            |option, value: f32, expected| QuantError::Option { option, value: value.to_string(), expected };
        if !(0.0..=1.0).contains(&strength) {
            return Err(refused("strength", strength, "a number of 0 to 1"));
        }
        let is_size = |size: &&f32| !(0.0..f32::INFINITY).contains(*size);
        if let Some(&wrong) = inputs.iter().chain(weights).find(is_size) {
            return Err(refused("largest", wrong, "a finite number of at least 0"));
        }
        let factor = |(&input, &weight): (&f32, &f32)| {
            if input == 0.0 || weight == 0.0 {
                return 1.0;
            }
            let power = strength * input.log2() - (1.0 - strength) * weight.log2();
            // No further than both the factor and its inverse are ordinary numbers.
            power.round().clamp(-120.0, 120.0).exp2()
        };
        Ok(Self { factors: inputs.iter().zip(weights).map(factor).collect() })
    }

    /// The factor of each channel.
    pub fn factors(&self) -> &[f32] {
        &self.factors
    }

    /// Multiplies the weights of a layer that reads the channels: `rows × channels`, or, of a convolution, `rows ×
    /// channels × kernel`.
    ///
    /// # Errors
    /// [`QuantError::Length`] when rows are not whole.
    pub fn fold_into_reader(&self, weights: &mut [f32], columns: usize) -> Result<()> {
        let channels = self.factors.len();
        let kernel = columns.checked_div(channels).unwrap_or(0);
        has_length("weights of a row", columns, kernel * channels)?;
        has_length("weights of whole rows", weights.len() % columns.max(1), 0)?;
        for row in weights.chunks_exact_mut(columns.max(1)) {
            for (weights, factor) in row.chunks_exact_mut(kernel.max(1)).zip(&self.factors) {
                weights.iter_mut().for_each(|weight| *weight *= factor);
            }
        }
        Ok(())
    }

    /// Divides what makes the channels, along its first axis: a norm's weight or bias, a layer's bias, or the rows of
    /// its weights.
    ///
    /// # Errors
    /// [`QuantError::Length`] when it does not have a number or a row for each channel.
    pub fn fold_into_writer(&self, numbers: &mut [f32]) -> Result<()> {
        let channels = self.factors.len();
        let row = numbers.len().checked_div(channels).unwrap_or(0);
        has_length("numbers of channels", numbers.len(), row * channels)?;
        for (row, factor) in numbers.chunks_exact_mut(row.max(1)).zip(&self.factors) {
            row.iter_mut().for_each(|number| *number /= factor);
        }
        Ok(())
    }
}

/// Raises `largest` to the largest weight, without its sign, that each channel meets in a layer: `rows × channels`,
/// or `rows × channels × kernel`.
///
/// # Errors
/// [`QuantError::Length`] when rows are not whole.
pub fn raise_to_columns(largest: &mut [f32], weights: &[f32], columns: usize) -> Result<()> {
    let kernel = columns.checked_div(largest.len()).unwrap_or(0);
    has_length("weights of a row", columns, kernel * largest.len())?;
    has_length("weights of whole rows", weights.len() % columns.max(1), 0)?;
    for row in weights.chunks_exact(columns.max(1)) {
        for (weights, largest) in row.chunks_exact(kernel.max(1)).zip(&mut *largest) {
            *largest = weights.iter().fold(*largest, |largest, weight| largest.max(weight.abs()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
