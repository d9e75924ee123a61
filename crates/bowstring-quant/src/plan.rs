//! Which scheme does each tensor of a model get, so that all of them fit into a budget of bytes?
//!
//! Each tensor that no rule says anything of is written by each of some schemes, one after the other, and [`Harm`] says
//! what that costs; [`allocate`](crate::allocate()) finds the cheapest choice that fits. What is not packed counts with
//! the bytes that it is stored in, so that the budget is that of all tensors together. O(weights · schemes) times what
//! the method takes; in memory are one tensor, what its codes stand for, and the codes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use bowstring_core::Cancel;
use rayon::prelude::*;

use crate::{
    Calibration, Candidate, MOST_STATES, Method, Model, NonFinite, Policy, QuantError, Quantized, Result,
    ReverseStep, Rounding, Schedule, Scheme, Settings, Tensor, Treatment, allocate, allocate_uniformly,
    divergence_weights,
    matrix::{block, not_finite},
    on_threads, path_importance,
    quantize::halved,
    weights::Weights,
};

/// The bits, or the nearest there are, at which estimates are compared with a measure: few enough that errors show.
pub const PROBED: u32 = 3;

/// With fewer bits for each weight than this, [`Harm::Automatic`] gives the same to all: it is between the two at which
/// samples of two diffusion models were the nearer to the original ones so, 2, and the farther, 3.
pub const FEW: f64 = 2.5;

/// How many bins the histogram of [`Harm::Entropy`] has.
const BINS: usize = 256;

/// What a user's own measure is given: the tensor, what it would become, and the scheme.
pub type Measure<'a> = dyn FnMut(&Tensor<'_>, &[f32], Scheme) -> Result<f64> + Send + 'a;

/// What it costs that a tensor is written by a scheme.
#[non_exhaustive]
pub enum Harm<'a> {
    /// As [`SquaredError`](Self::SquaredError), and as [`Uniform`](Self::Uniform) where there are fewer than [`FEW`] bits
    /// for each weight of the tensors that are chosen for: so few that what one tensor gives up costs more than another
    /// gains, which squared errors do not tell.
    Automatic,
    /// The squared error of the weights; all tensors get the same scheme, the one that fits with the least of it.
    Uniform,
    /// The squared error of the weights.
    SquaredError,
    /// `entropy · weights · 4^(−bits)`, with the entropy of a histogram of the weights of 256 bins, as schemes that
    /// give more bits to what has more information go by it; no error is looked at, and of groups the largest are
    /// taken. Here to be compared with.
    Entropy,
    /// How far the paths of a diffusion model diverge, as it is estimated from what its layers are given. With a
    /// measure, the estimates of a tensor are multiplied by how it compares with the one of [`PROBED`] bits, so that
    /// it is asked once for each tensor, in place of once for each scheme.
    PathKl(PathCosts, Option<&'a mut Measure<'a>>),
    /// What a measure says.
    Measured(&'a mut Measure<'a>),
}

impl Harm<'_> {
    /// Its name in options, where there are more than a [`FEW`] bits.
    fn name(&self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Automatic | Self::SquaredError => "squared_error",
            Self::Entropy => "entropy",
            Self::PathKl(..) => "path_kl",
            Self::Measured(_) => "measured",
        }
    }
}

/// What errors of a diffusion model's weights cost: to first order, in each step of the sampler, the squared error of a
/// layer's outputs times the [weight](divergence_weights) of the step, times how much of it reaches the model's output.
#[derive(Clone, Debug)]
pub struct PathCosts {
    calibration: Arc<Calibration>,
    /// What a squared error counts in each timestep.
    weights: BTreeMap<u32, f64>,
    /// How many samples were seen in each timestep.
    samples: BTreeMap<u32, u64>,
    sensitivities: HashMap<String, f64>,
}

impl PathCosts {
    /// Of a model that was calibrated in each step of a sampler, whose timesteps are those of the calibration.
    /// `eta` is as [`Schedule::reverse`] has it, above 0. `sensitivities` say by how much the squared error of a
    /// layer's output is multiplied on its way to the model's output, by the names of weights; 1 where nothing is
    /// said. The layer with the fewest inputs in a timestep is taken to have one for each sample.
    ///
    /// # Errors
    /// [`QuantError::Unseen`] when a layer was not seen in a timestep in which another one was, or without any;
    /// [`QuantError::Option`] for timesteps that the schedule does not have, another `eta`, and a sensitivity that is
    /// not a finite number of at least 0.
    pub fn of(
        calibration: Arc<Calibration>,
        schedule: &Schedule,
        eta: f64,
        sensitivities: HashMap<String, f64>,
    ) -> Result<Self> {
        if let Some((_, wrong)) = sensitivities.iter().find(|(_, one)| !(0.0..f64::INFINITY).contains(*one)) {
            let expected = "a finite number of at least 0 for each layer";
            return Err(QuantError::Option { option: "sensitivities", value: wrong.to_string(), expected });
        }
        let timesteps: BTreeSet<u32> =
            calibration.layers().flat_map(|(_, layer)| layer.steps().filter_map(|(step, _)| step)).collect();
        for (name, layer) in calibration.layers() {
            let missing =
                timesteps.iter().find(|step| layer.step(Some(**step)).is_none_or(|seen| seen.count == 0));
            if missing.is_some() || timesteps.is_empty() {
                return Err(QuantError::Unseen { tensor: name.to_owned(), timestep: missing.copied() });
            }
        }
        let falling: Vec<usize> = timesteps.iter().rev().map(|&step| step as usize).collect();
        let steps = schedule.reverse(&falling, eta)?;
        let weights = divergence_weights(&steps, 0.0)?;
        let weight = |(step, weight): (&ReverseStep, f64)| (step.timestep as u32, weight);
        let counts = |step: u32| {
            let counts = calibration.layers().filter_map(|(_, layer)| layer.step(Some(step)));
            counts.map(|seen| seen.count).min().unwrap_or(1)
        };
        Ok(Self {
            weights: steps.iter().zip(weights).map(weight).collect(),
            samples: timesteps.iter().map(|&step| (step, counts(step))).collect(),
            sensitivities,
            calibration,
        })
    }

    /// What an error counts in each input channel of a layer.
    fn importance(&self, tensor: &Tensor<'_>) -> Result<Vec<f64>> {
        let unseen = || QuantError::Unseen { tensor: tensor.name.to_owned(), timestep: None };
        let layer = self.calibration.layer(tensor.name).ok_or_else(unseen)?;
        let (mut weights, mut moments) = (Vec::new(), Vec::new());
        for (&step, &samples) in &self.samples {
            let seen = layer.step(Some(step)).ok_or_else(unseen)?;
            weights.push(self.weights[&step] * self.sensitivities.get(tensor.name).copied().unwrap_or(1.0));
            moments.push(seen.squares.iter().map(|square| square / samples as f64).collect());
        }
        path_importance(&weights, &moments)
    }
}

/// Which scheme each tensor gets, and what that comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What the budget was spent by: `uniform`, `squared_error`, `entropy`, `path_kl` or `measured`.
    pub by: &'static str,
    /// The scheme of each tensor that no rule says anything of.
    pub schemes: HashMap<String, Scheme>,
    /// How many bytes all tensors take as they are stored.
    pub bytes: usize,
    /// What the schemes cost together.
    pub cost: f64,
    /// No choice within the budget costs less, but for rounding.
    pub bound: f64,
    /// Whether there is nothing better.
    pub exact: bool,
}

/// Chooses one of `schemes` for each tensor that `settings` would quantise and no rule says anything of, so that all
/// tensors of the model take no more than `budget` bytes as they are stored; `on_tensor` hears of each. Costs are
/// those of the settings' own method, but for [`Rounding::Gptq`], for which the weighted search stands in.
///
/// # Errors
/// [`QuantError::Budget`] when even the smallest schemes take more, which names what they take; [`QuantError::Unseen`]
/// for a layer without a calibration by which its cost could be told; [`QuantError::Number`] when a measure says
/// something that is not a finite number of at least 0; otherwise as [`quantize`](crate::quantize()), and those of the
/// measure.
pub fn plan(
    model: &Model,
    settings: &Settings,
    budget: usize,
    schemes: &[Scheme],
    harm: &mut Harm<'_>,
    cancel: &Cancel,
    mut on_tensor: impl FnMut(&str) + Send,
) -> Result<Plan> {
    settings.rounding.check(model)?;
    if let Harm::PathKl(costs, _) = harm {
        costs.calibration.check(model)?;
    }
    on_threads(settings.threads, || {
        let mut ways = Vec::with_capacity(model.tensors().len());
        let mut buffers = Buffers::default();
        for tensor in model.tensors() {
            cancel.check()?;
            let found = ways_of(&tensor, settings, schemes, harm, &mut buffers, cancel);
            ways.push(found.map_err(|error| error.of(&tensor))?);
            model.release(tensor.name)?;
            on_tensor(tensor.name);
        }
        let candidates: Vec<Vec<Candidate>> =
            ways.iter().map(|ways: &Vec<Way>| ways.iter().map(|way| way.candidate).collect()).collect();
        let is_uniform = match harm {
            Harm::Automatic => bits_left(&ways, budget) < FEW,
            _ => matches!(harm, Harm::Uniform),
        };
        let (choices, bound, exact) = if is_uniform {
            let place = allocate_uniformly(&candidates, budget)?;
            let choices = candidates.iter().map(|ways| place.min(ways.len() - 1)).collect();
            (choices, None, true)
        } else {
            let found = allocate(&candidates, budget, MOST_STATES)?;
            (found.choices, Some(found.bound), found.exact)
        };
        let chosen = || ways.iter().zip(&choices).map(|(ways, &choice): (_, &usize)| &ways[choice]);
        let cost = chosen().map(|way| way.candidate.cost).sum();
        let schemes = model.tensors().zip(chosen());
        Ok(Plan {
            by: if is_uniform { Harm::Uniform.name() } else { harm.name() },
            bytes: chosen().map(|way| way.candidate.bytes).sum(),
            schemes: schemes
                .filter_map(|(tensor, way)| Some((tensor.name.to_owned(), way.scheme?)))
                .collect(),
            cost,
            bound: bound.unwrap_or(cost),
            exact,
        })
    })
}

/// How many bits a budget has for each weight of the tensors that are chosen for, its share of scales and zero points
/// included; infinite or not a number where there are none.
fn bits_left(ways: &[Vec<Way>], budget: usize) -> f64 {
    let (mut left, mut weights) = (budget, 0);
    for ways in ways {
        match ways.as_slice() {
            [Way { scheme: None, candidate, .. }] => left = left.saturating_sub(candidate.bytes),
            several => weights += several.first().map_or(0, |way| way.weights),
        }
    }
    8.0 * left as f64 / weights as f64
}

/// One of the ways to store a tensor.
struct Way {
    /// How many weights that are.
    weights: usize,
    candidate: Candidate,
    /// What it is packed by, where that was to be chosen.
    scheme: Option<Scheme>,
}

impl Way {
    /// The only one.
    fn only(bytes: usize) -> Vec<Self> {
        vec![Self { weights: 0, candidate: Candidate { bytes, cost: 0.0 }, scheme: None }]
    }
}

/// Room for the numbers of a tensor, and for what they would become.
#[derive(Default)]
struct Buffers {
    numbers: Vec<f32>,
    values: Vec<f32>,
}

fn ways_of(
    tensor: &Tensor<'_>,
    settings: &Settings,
    schemes: &[Scheme],
    harm: &mut Harm<'_>,
    Buffers { numbers, values }: &mut Buffers,
    cancel: &Cancel,
) -> Result<Vec<Way>> {
    let as_it_is = tensor.bytes.len();
    let treatment = settings.policy.treatment(tensor, settings.scheme);
    if treatment == Treatment::Keep {
        return Ok(Way::only(as_it_is));
    }
    tensor.read(numbers)?;
    match (not_finite(Weights::Numbers(numbers)), settings.non_finite) {
        (None, _) => {}
        (Some(_), NonFinite::Keep) => return Ok(Way::only(as_it_is)),
        (Some(error), NonFinite::Refuse) => return Err(error),
    }
    let columns = tensor.columns();
    let rows = numbers.len().checked_div(columns).unwrap_or(0);
    match treatment {
        Treatment::Quantize(scheme) if settings.policy.rules(tensor) => {
            return Ok(Way::only(scheme.bytes(rows, columns)));
        }
        Treatment::Quantize(_) => {}
        Treatment::Keep | Treatment::Halve => {
            return Ok(Way::only(
                halved(Weights::Numbers(numbers), as_it_is).map_or(as_it_is, |_| 2 * numbers.len()),
            ));
        }
    }
    let method = match settings.rounding.method(tensor.name) {
        Method::Gptq(_) => settings.rounding.weighted(tensor.name),
        other => other,
    };
    let importance = match harm {
        Harm::PathKl(costs, _) => Some(costs.importance(tensor)?),
        _ => None,
    };
    let entropy = if matches!(harm, Harm::Entropy) { entropy(numbers) } else { 0.0 };
    let probed = (0..schemes.len()).min_by_key(|&place| schemes[place].bits.count().abs_diff(PROBED));
    let mut factor = 1.0;
    let mut ways = Vec::with_capacity(schemes.len());
    for (place, &scheme) in schemes.iter().enumerate() {
        cancel.check()?;
        let cost = if let Harm::Entropy = harm {
            entropy * numbers.len() as f64 * 0.25_f64.powi(scheme.bits.count() as i32)
        } else {
            let matrix = Quantized::of(numbers, columns, scheme, &method, cancel)?;
            values.resize(numbers.len(), 0.0);
            matrix.dequantize(values)?;
            match harm {
                Harm::Measured(measure) => measured(measure(tensor, values, scheme)?, place)?,
                Harm::PathKl(_, Some(measure)) if Some(place) == probed => {
                    let estimated = squared_error(numbers, values, columns, importance.as_deref());
                    let found = measured(measure(tensor, values, scheme)?, place)?;
                    // Where nothing is estimated, as in a layer that is given nothing but zeros, nothing is off.
                    factor = if estimated > 0.0 { found / estimated } else { 0.0 };
                    estimated
                }
                _ => squared_error(numbers, values, columns, importance.as_deref()),
            }
        };
        let candidate = Candidate { bytes: scheme.bytes(rows, columns), cost };
        ways.push(Way { weights: numbers.len(), candidate, scheme: Some(scheme) });
    }
    ways.iter_mut().for_each(|way| way.candidate.cost *= factor);
    Ok(ways)
}

/// What a measure may say.
fn measured(cost: f64, place: usize) -> Result<f64> {
    if (0.0..f64::INFINITY).contains(&cost) {
        return Ok(cost);
    }
    let expected = "a finite number of at least 0";
    Err(QuantError::Number { what: "what was measured of scheme", place, value: cost, expected })
}

/// The squared error, each channel counting as much as its importance; sums are in the order of rows.
fn squared_error(weights: &[f32], values: &[f32], columns: usize, importance: Option<&[f64]>) -> f64 {
    let rows = (block(columns) * columns).max(1);
    let sums: Vec<f64> = weights
        .par_chunks(rows)
        .zip(values.par_chunks(rows))
        .map(|(weights, values)| {
            let mut sum = 0.0;
            for (weights, values) in weights.chunks(columns.max(1)).zip(values.chunks(columns.max(1))) {
                for (channel, (weight, value)) in weights.iter().zip(values).enumerate() {
                    let off = f64::from(*weight) - f64::from(*value);
                    sum += importance.map_or(1.0, |importance| importance[channel]) * off * off;
                }
            }
            sum
        })
        .collect();
    sums.into_iter().sum()
}

/// That of a histogram of finite numbers from the least to the greatest, in bits.
fn entropy(numbers: &[f32]) -> f64 {
    let (least, greatest) =
        numbers.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, greatest), &number| {
            (least.min(number), greatest.max(number))
        });
    let width = (f64::from(greatest) - f64::from(least)) / BINS as f64;
    if numbers.is_empty() || width == 0.0 {
        return 0.0;
    }
    let mut counts = [0_u64; BINS];
    for &number in numbers {
        let bin = ((f64::from(number) - f64::from(least)) / width) as usize;
        counts[bin.min(BINS - 1)] += 1;
    }
    let share = |&count: &u64| count as f64 / numbers.len() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| -share(count) * share(count).log2()).sum()
}

impl Policy {
    /// The same with a scheme for each of some tensors of which no rule says anything.
    pub fn with_plan(self, plan: &Plan) -> Self {
        self.with_schemes(plan.schemes.clone())
    }
}

impl Rounding {
    /// [`Method::Search`] by what was seen of a layer's inputs.
    fn weighted(&self, tensor: &str) -> Method {
        match self {
            Self::Gptq { calibration, .. } => Self::Weighted(Arc::clone(calibration)).method(tensor),
            other => other.method(tensor),
        }
    }
}

#[cfg(test)]
mod tests;
