//! Which codes keep a layer's output the nearest, rather than its weights?
//!
//! GPTQ (Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
//! Transformers"): channels of the input are rounded one after the other, and those that are left make up for the
//! error as the [second moments](Hessian) of the inputs say is best. O(channels³) once for a layer and
//! O(channels²) for each output channel. Products of matrices are rounded as the processor's instructions do, so that
//! another one may choose another of two codes that are about as good.

use std::{str::FromStr, sync::Arc};

use ndarray::{Array2, ArrayViewMut2, linalg::general_mat_mul, s};

use crate::{
    Group, Hessian, QuantError, Result,
    cholesky::inverse_factor,
    grid::{Form, Grid},
    levels::Levels,
    method::{Rounded, search_grid},
    pack::has_length,
};

/// About how many channels are rounded before the later ones hear of it.
const STEP: usize = 128;

/// In which order the channels of the input are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they stand; each group's grid is chosen once the channels before it have been rounded.
    Natural,
    /// Those with the largest inputs first, while the most others are left to make up for them ("act-order");
    /// grids are chosen beforehand, so that weights are stored as they stand.
    #[default]
    Largest,
}

impl Order {
    /// Its name in options: `natural` or `largest`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Natural => "natural",
            Self::Largest => "largest",
        }
    }
}

impl FromStr for Order {
    type Err = QuantError;

    /// `natural` or `largest`.
    fn from_str(text: &str) -> Result<Self> {
        let found = [Self::Natural, Self::Largest].into_iter().find(|order| order.name() == text);
        let expected = "`largest` or `natural`";
        found.ok_or_else(|| QuantError::Option { option: "order", value: format!("`{text}`"), expected })
    }
}

/// What [`Method::Gptq`](crate::Method::Gptq) goes by.
#[derive(Clone, Debug)]
pub struct Gptq {
    /// The second moments of the layer's inputs.
    pub hessian: Arc<Hessian>,
    /// What is added to the diagonal, as a part of its mean: above 0 and at most 1; .01 in the paper.
    pub damping: f64,
    /// In which order channels are rounded.
    pub order: Order,
}

/// A layer's second moments as the rounding needs them.
#[derive(Debug)]
pub(crate) struct Factor {
    order: Order,
    /// Which channel is rounded when.
    channels: Vec<usize>,
    /// The upper triangular `R` of `H⁻¹ = Rᵀ R`, both axes in the order of rounding.
    inverse: Array2<f32>,
    /// How much an error counts in each channel, where they stand.
    importance: Vec<f32>,
}

impl Gptq {
    /// For rows of `columns` weights.
    pub(crate) fn factor(&self, columns: usize) -> Result<Factor> {
        let Self { hessian, damping, order } = self;
        has_length("channels of second moments", hessian.channels(), columns)?;
        if !(*damping > 0.0 && *damping <= 1.0) {
            let expected = "a number above 0 and at most 1";
            return Err(QuantError::Option { option: "damping", value: damping.to_string(), expected });
        }
        let diagonal = hessian.diagonal();
        let mut channels: Vec<usize> = (0..columns).collect();
        if *order == Order::Largest {
            channels.sort_by(|&left, &right| diagonal[right].total_cmp(&diagonal[left]));
        }
        let mean = diagonal.iter().sum::<f64>() / columns.max(1) as f64;
        // Inputs that are all 0 say nothing: then every weight counts the same.
        let added = if mean > 0.0 { damping * mean } else { 1.0 };
        let reversed = Array2::from_shape_fn((columns, columns), |(row, column)| {
            let (row, column) = (channels[columns - 1 - row], channels[columns - 1 - column]);
            hessian.at(row, column) + if row == column { added } else { 0.0 }
        });
        let inverse = inverse_factor(reversed).ok_or_else(|| QuantError::Option {
            option: "damping",
            value: damping.to_string(),
            expected: "larger for these second moments, which have no inverse with it",
        })?;
        let mut importance = vec![0.0; columns];
        for (place, &channel) in channels.iter().enumerate() {
            importance[channel] = inverse[[place, place]].powi(-2);
        }
        Ok(Factor { order: *order, channels, inverse, importance })
    }
}

impl Factor {
    /// The least number of rows that a thread takes at once: each brings all factors into its cache.
    pub(crate) const ROWS: usize = 32;

    /// In which order channels are rounded.
    pub(crate) fn order(&self) -> Order {
        self.order
    }

    /// Rounds whole rows of weights.
    #[inline(always)]
    pub(crate) fn round<L: Levels>(&self, weights: &[f32], form: &Form<L>) -> Rounded {
        let Self { order, channels, inverse, importance } = self;
        let columns = channels.len();
        let rows = weights.len().checked_div(columns).unwrap_or(0);
        let (size, groups) = (form.scheme.group.size(columns), form.scheme.group.count(columns));
        let grid = |weights: &[f32], group: usize| {
            let first = group * size;
            search_grid(weights, &importance[first..][..weights.len()], form)
        };
        let mut grids = Vec::with_capacity(rows * groups);
        match order {
            // Each is chosen on the way.
            Order::Natural => grids.resize(rows * groups, Grid { scale: 1.0, zero: 0.0, minimum: 0.0 }),
            Order::Largest => {
                for row in weights.chunks_exact(columns) {
                    grids.extend(row.chunks(size).enumerate().map(|(group, weights)| grid(weights, group)));
                }
            }
        }
        let mut codes = vec![0; weights.len()];
        let mut left = Vec::with_capacity(weights.len());
        for row in weights.chunks_exact(columns) {
            left.extend(channels.iter().map(|&channel| row[channel]));
        }
        let step = step(form.scheme.group);
        let mut errors = Array2::zeros((rows, step));
        for start in (0..columns).step_by(step) {
            let end = (start + step).min(columns);
            for (row, left) in left.chunks_exact_mut(columns).enumerate() {
                for place in start..end {
                    let channel = channels[place];
                    let group = channel / size;
                    let own = &mut grids[row * groups + group];
                    if *order == Order::Natural && channel.is_multiple_of(size) {
                        *own = grid(&left[channel..columns.min(channel + size)], group);
                    }
                    let code = own.code(left[place], form);
                    codes[row * columns + channel] = code as u8;
                    let factors = &inverse.as_slice().unwrap_or_default()[place * columns..][..columns];
                    let error = (left[place] - own.value(code, form.levels)) / factors[place];
                    errors[[row, place - start]] = error;
                    for (left, factor) in left[place + 1..end].iter_mut().zip(&factors[place + 1..end]) {
                        *left -= error * factor;
                    }
                }
            }
            let errors = errors.slice(s![.., ..end - start]);
            if let Ok(mut left) = ArrayViewMut2::from_shape((rows, columns), &mut left) {
                let mut later = left.slice_mut(s![.., end..]);
                general_mat_mul(-1.0, &errors, &inverse.slice(s![start..end, end..]), 1.0, &mut later);
            }
        }
        Rounded { codes, grids }
    }
}

/// How many channels are rounded at once: whole groups, so that a group's grid is chosen when all channels before
/// it are known.
fn step(group: Group) -> usize {
    match group {
        Group::Of(size) => size.get() as usize * (STEP / size.get() as usize).max(1),
        Group::Channel => STEP,
    }
}

#[cfg(test)]
mod tests;
