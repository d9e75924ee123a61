//! What is behind `bowstring.quant.TimeGroups`, `ActivationRanges` and `TransitionOptimizer`?

use arrow::buffer::Buffer;
use bowstring::quant::{
    ActivationRange, Bits, Calibration, Candidate, Histogram, MOST_STATES, Optimized, OptimizerConfig,
    QuantError, ThermodynamicLoss, TimeGroups, TransitionOptimizer, allocate, jumps, on_threads,
};
use pyo3::{prelude::*, types::PyDict};

use crate::{
    arguments::Options,
    arrays::{floats, width},
    calibration::PyCalibration,
    columns::{array, numpy},
    error::{Fault, Result},
    quant::{failed, threads},
    typed,
    work::work_apart,
};

/// The ends of ranges, layer by layer and in each group by group.
type Ends = (Vec<f32>, Vec<f32>);

/// Sizes of groups of neighbours within which the layers' extremes differ the least.
#[pyfunction]
pub(crate) fn clustered_groups(
    py: Python<'_>,
    seen: &Bound<'_, PyCalibration>,
    layers: Vec<String>,
    timesteps: Vec<u32>,
    groups: &Bound<'_, PyAny>,
) -> Result<Vec<usize>> {
    let groups = typed::one::<usize>("num_time_groups", groups)?;
    let histograms = histograms(&seen.get().lock(), &layers, &timesteps);
    work_apart(py, move |_| {
        let groups = TimeGroups::of_histograms(&histograms, groups).map_err(failed)?;
        Ok(sizes(&groups))
    })
}

/// Sizes of so many groups of about as many steps.
#[pyfunction]
pub(crate) fn uniform_groups(steps: usize, groups: &Bound<'_, PyAny>) -> Result<Vec<usize>> {
    let groups = typed::one::<usize>("num_time_groups", groups)?;
    Ok(sizes(&TimeGroups::uniform(steps, groups).map_err(failed)?))
}

/// A range for each layer and group: of all values, or the one of the least squared error.
#[pyfunction]
pub(crate) fn activation_ranges(
    py: Python<'_>,
    seen: &Bound<'_, PyCalibration>,
    layers: Vec<String>,
    timesteps: Vec<u32>,
    sizes: Vec<usize>,
    options: &Bound<'_, PyDict>,
) -> Result<Ends> {
    let options = Options(options);
    let (bits, threads) = (bits(&options)?, threads(&options)?);
    let search = options.word("method", &[("mse", true), ("minmax", false)])?.unwrap_or(true);
    let groups = TimeGroups::of_sizes(&sizes).map_err(failed)?;
    let histograms = histograms(&seen.get().lock(), &layers, &timesteps);
    work_apart(py, move |_| {
        let ranges = on_threads(threads, || match search {
            true => groups.ranges(&histograms, bits),
            false => groups.full_ranges(&histograms),
        });
        Ok(ends(&ranges.map_err(failed)?))
    })
}

/// Ranges that cost no more than those given, and the loss at the start and after each round.
#[pyfunction]
pub(crate) fn optimize_ranges(
    py: Python<'_>,
    seen: &Bound<'_, PyCalibration>,
    layers: Vec<String>,
    timesteps: Vec<u32>,
    sizes: Vec<usize>,
    start: Ends,
    options: &Bound<'_, PyDict>,
) -> Result<(Ends, Vec<f64>)> {
    let options = Options(options);
    let threads = threads(&options)?;
    let rounds = options.one::<usize>("rounds")?.unwrap_or_default();
    let optimizer = TransitionOptimizer { config: OptimizerConfig { rounds }, loss: loss(&options)? };
    let groups = TimeGroups::of_sizes(&sizes).map_err(failed)?;
    let start = ranges(start, groups.count())?;
    let histograms = histograms(&seen.get().lock(), &layers, &timesteps);
    work_apart(py, move |_| {
        let optimized = on_threads(threads, || optimizer.optimize_params(&histograms, &groups, &start));
        let Optimized { params, history } = optimized.map_err(failed)?;
        Ok((ends(&params), history))
    })
}

/// What ranges cost.
#[pyfunction]
pub(crate) fn ranges_loss(
    py: Python<'_>,
    seen: &Bound<'_, PyCalibration>,
    layers: Vec<String>,
    timesteps: Vec<u32>,
    sizes: Vec<usize>,
    params: Ends,
    options: &Bound<'_, PyDict>,
) -> Result<f64> {
    let loss = loss(&Options(options))?;
    let groups = TimeGroups::of_sizes(&sizes).map_err(failed)?;
    let params = ranges(params, groups.count())?;
    let histograms = histograms(&seen.get().lock(), &layers, &timesteps);
    work_apart(py, move |_| loss.of(&histograms, &groups, &params).map_err(failed))
}

/// Which candidate each tensor takes, of pairs of bytes and costs: their places, what they take and cost together, what
/// nothing within the budget costs less than, and whether that is reached.
#[pyfunction]
pub(crate) fn allocate_candidates(
    py: Python<'_>,
    tensors: Vec<Vec<(usize, f64)>>,
    budget: usize,
) -> Result<(Vec<usize>, usize, f64, f64, bool)> {
    let candidate = |(bytes, cost)| Candidate { bytes, cost };
    let tensors: Vec<Vec<_>> =
        tensors.into_iter().map(|tensor| tensor.into_iter().map(candidate).collect()).collect();
    work_apart(py, move |_| {
        let found = allocate(&tensors, budget, MOST_STATES).map_err(failed)?;
        Ok((found.choices, found.bytes, found.cost, found.bound, found.exact))
    })
}

/// How far ranges jump from each group to the next.
#[pyfunction]
pub(crate) fn range_jumps(params: Ends, groups: usize) -> Result<Vec<f64>> {
    jumps(&ranges(params, groups)?).map_err(failed)
}

/// Each number as the nearest one that has a code in a range.
#[pyfunction]
pub(crate) fn round_activations<'py>(
    py: Python<'py>,
    inputs: &Bound<'py, PyAny>,
    range: (f32, f32),
    bits: &Bound<'py, PyAny>,
) -> Result<Bound<'py, PyAny>> {
    let (inputs, bits) = (array(inputs)?, width(bits)?);
    let range = ActivationRange::new(range.0, range.1).map_err(failed)?;
    let rounded = work_apart(py, move |_| {
        let mut values = floats("inputs", &inputs)?.values().to_vec();
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            let (what, value) = ("number of the inputs", f64::from(values[place]));
            return Err(failed(QuantError::Number { what, place, value, expected: "finite" }));
        }
        range.quantize(bits, &mut values);
        Ok(values)
    })?;
    Ok(numpy(py, Buffer::from_vec(rounded), "<f4")?)
}

/// Of each layer, one for each timestep; empty where nothing was seen.
fn histograms(seen: &Calibration, layers: &[String], timesteps: &[u32]) -> Vec<Vec<Histogram>> {
    let of = |layer: &String, timestep: u32| {
        let step = seen.layer(layer).and_then(|layer| layer.step(Some(timestep)));
        step.map(|step| step.histogram.clone()).unwrap_or_default()
    };
    layers.iter().map(|layer| timesteps.iter().map(|&timestep| of(layer, timestep)).collect()).collect()
}

fn bits(options: &Options<'_, '_>) -> Result<Bits> {
    options.any("bits")?.map_or(Ok(Bits::Eight), |bits| width(&bits))
}

fn loss(options: &Options<'_, '_>) -> Result<ThermodynamicLoss> {
    let numbers = |name| Ok::<_, Fault>(options.many::<f64>(name)?.unwrap_or_default());
    Ok(ThermodynamicLoss {
        bits: bits(options)?,
        weights: numbers("weights")?,
        sensitivities: numbers("sensitivities")?,
    })
}

fn sizes(groups: &TimeGroups) -> Vec<usize> {
    groups.iter().map(|group| group.len()).collect()
}

fn ranges((least, greatest): Ends, groups: usize) -> Result<Vec<Vec<ActivationRange>>> {
    let ranges: bowstring::quant::Result<Vec<_>> = least
        .into_iter()
        .zip(greatest)
        .map(|(least, greatest)| ActivationRange::new(least, greatest))
        .collect();
    Ok(ranges.map_err(failed)?.chunks(groups.max(1)).map(<[_]>::to_vec).collect())
}

fn ends(ranges: &[Vec<ActivationRange>]) -> Ends {
    let of = |end: fn(ActivationRange) -> f32| ranges.iter().flatten().map(|&range| end(range)).collect();
    (of(ActivationRange::least), of(ActivationRange::greatest))
}
