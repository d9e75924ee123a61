//! What is behind `bowstring.quant.Schedule`, `path_kl` and `categorical_kl`?

use std::path::PathBuf;

use arrow::buffer::Buffer;
use bowstring::quant::{self, Prediction, QuantError, ReverseStep, Schedule};
use pyo3::prelude::*;

use crate::{
    arrays::floats,
    columns::{array, numpy},
    error::Result,
    quant::failed,
    work::work_apart,
};

/// How much noise there is at each timestep.
#[pyclass(module = "bowstring._bowstring", name = "NativeSchedule", frozen)]
pub(crate) struct PySchedule {
    schedule: Schedule,
}

#[pymethods]
impl PySchedule {
    #[staticmethod]
    fn linear(timesteps: usize, start: f64, end: f64, prediction: &str) -> Result<Self> {
        Self::of(Schedule::linear(timesteps, start, end), prediction)
    }

    #[staticmethod]
    fn scaled_linear(timesteps: usize, start: f64, end: f64, prediction: &str) -> Result<Self> {
        Self::of(Schedule::scaled_linear(timesteps, start, end), prediction)
    }

    #[staticmethod]
    fn cosine(timesteps: usize, prediction: &str) -> Result<Self> {
        Self::of(Schedule::cosine(timesteps), prediction)
    }

    #[staticmethod]
    fn of_betas(betas: Vec<f64>, prediction: &str) -> Result<Self> {
        Self::of(Schedule::of_betas(&betas), prediction)
    }

    /// That of a `scheduler_config.json`, of the folder that has it, or of the folder of a pipeline.
    #[staticmethod]
    fn from_config(path: PathBuf) -> Result<Self> {
        const NAME: &str = "scheduler_config.json";
        let file = match path.is_dir() {
            true if path.join(NAME).exists() => path.join(NAME),
            true => path.join("scheduler").join(NAME),
            false => path,
        };
        let text = std::fs::read_to_string(&file)
            .map_err(|source| failed(QuantError::System { action: "read", path: file, source }))?;
        Ok(Self { schedule: Schedule::from_json(&text).map_err(failed)? })
    }

    /// How much of a sample's variance is left at each timestep.
    fn alpha_bars<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        numpy(py, Buffer::from_vec(self.schedule.alpha_bars().to_vec()), "<f8")
    }

    fn prediction(&self) -> &'static str {
        self.schedule.prediction().name()
    }

    /// For steps from each of `timesteps`: the factors of the sample and of the output, and the variances.
    fn reverse(&self, timesteps: Vec<usize>, eta: f64) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
        let steps = self.schedule.reverse(&timesteps, eta).map_err(failed)?;
        let of = |number: fn(&ReverseStep) -> f64| steps.iter().map(number).collect();
        Ok((of(|step| step.sample), of(|step| step.output), of(|step| step.variance)))
    }
}

impl PySchedule {
    fn of(schedule: quant::Result<Schedule>, prediction: &str) -> Result<Self> {
        let prediction = Prediction::parse(prediction).map_err(failed)?;
        Ok(Self { schedule: schedule.map_err(failed)?.with_prediction(prediction) })
    }
}

/// What a squared distance of outputs counts in steps with these factors of the output and variances.
#[pyfunction]
pub(crate) fn divergence_weights(
    outputs: Vec<f64>,
    variances: Vec<f64>,
    least_variance: f64,
) -> Result<Vec<f64>> {
    let step = |(output, variance)| ReverseStep { timestep: 0, sample: 0.0, output, variance };
    let steps: Vec<_> = outputs.into_iter().zip(variances).map(step).collect();
    quant::divergence_weights(&steps, least_variance).map_err(failed)
}

/// The divergence of each step, and their sum; numbers come step by step, and in each path by path.
#[pyfunction]
pub(crate) fn path_kl(
    py: Python<'_>,
    weights: Vec<f64>,
    original: &Bound<'_, PyAny>,
    other: &Bound<'_, PyAny>,
    paths: usize,
) -> Result<(Vec<f64>, f64)> {
    let (original, other) = (array(original)?, array(other)?);
    work_apart(py, move |_| {
        let (original, other) = (floats("original", &original)?, floats("other", &other)?);
        let (length, expected) = (other.len(), original.len());
        if length != expected {
            return Err(failed(QuantError::Length { what: "numbers of the other", length, expected }));
        }
        let step = original.len().checked_div(weights.len()).unwrap_or(0).max(1);
        let steps = |numbers| <[f32]>::chunks(numbers, step).collect::<Vec<_>>();
        let kl = quant::path_kl(&weights, &steps(original.values()), &steps(other.values()), paths);
        kl.map(|kl| (kl.steps, kl.total)).map_err(failed)
    })
}

/// The divergence of each choice among so many classes, by their logits.
#[pyfunction]
pub(crate) fn categorical_kl<'py>(
    py: Python<'py>,
    original: &Bound<'py, PyAny>,
    other: &Bound<'py, PyAny>,
    classes: usize,
) -> Result<Bound<'py, PyAny>> {
    let (original, other) = (array(original)?, array(other)?);
    let divergences = work_apart(py, move |_| {
        let (original, other) = (floats("original", &original)?, floats("other", &other)?);
        quant::categorical_kl(original.values(), other.values(), classes).map_err(failed)
    })?;
    Ok(numpy(py, Buffer::from_vec(divergences), "<f8")?)
}
