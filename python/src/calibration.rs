//! What is behind `bowstring.quant.Calibrator`?

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bowstring::{
    Error,
    quant::{Calibration, Moments, on_threads},
    query::Table,
};
use pyo3::prelude::*;

use crate::{
    arrays::{columns, floats, given_weights},
    columns::array,
    error::{Fault, Result},
    quant::failed,
    table::PyTable,
    work::work_apart,
};

/// What was seen of a model's layers.
#[pyclass(module = "bowstring._bowstring", name = "NativeCalibration", frozen)]
pub(crate) struct PyCalibration {
    seen: Arc<Mutex<Calibration>>,
}

#[pymethods]
impl PyCalibration {
    #[new]
    fn new(full: bool) -> Self {
        Calibration::new(if full { Moments::Full } else { Moments::Diagonal }).into()
    }

    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> Result<Self> {
        Ok(work_apart(py, move |_| Calibration::open(&path).map_err(failed))?.into())
    }

    /// Adds inputs; `shape` is that of numbers which come row by row, what comes through Arrow has its own.
    fn observe(
        &self,
        py: Python<'_>,
        layer: String,
        timestep: Option<u32>,
        inputs: &Bound<'_, PyAny>,
        shape: Option<Vec<usize>>,
        weight: f64,
    ) -> Result<()> {
        let (inputs, shape) = given_weights(array(inputs)?, shape)?;
        let channels = match shape.len() {
            0 | 1 => columns(&shape),
            axes => shape[axes - 1],
        };
        let seen = Arc::clone(&self.seen);
        work_apart(py, move |_| {
            let inputs = floats("inputs", &inputs)?;
            on_threads(None, || lock(&seen).observe(&layer, timestep, inputs.values(), channels, weight))
                .map_err(failed)
        })
    }

    /// The names of the layers, in the order in which they were seen.
    fn layers(&self) -> Vec<String> {
        self.lock().layers().map(|(name, _)| name.to_owned()).collect()
    }

    /// The timesteps of all layers, the least first.
    fn timesteps(&self) -> Vec<u32> {
        let seen = self.lock();
        let steps = seen.layers().flat_map(|(_, layer)| layer.steps());
        let found: BTreeSet<u32> =
            steps.filter(|(_, step)| step.count > 0).filter_map(|(timestep, _)| timestep).collect();
        found.into_iter().collect()
    }

    /// The layers and timesteps, of all of these, of which no inputs were seen.
    fn missing(&self, layers: Vec<String>, timesteps: Vec<u32>) -> Vec<(String, u32)> {
        let seen = self.lock();
        let is_there = |layer: &str, timestep| {
            let step = seen.layer(layer).and_then(|layer| layer.step(Some(timestep)));
            step.is_some_and(|step| step.histogram.count() > 0)
        };
        let all = layers.iter().flat_map(|layer| timesteps.iter().map(move |&timestep| (layer, timestep)));
        let missing = all.filter(|(layer, timestep)| !is_there(layer, *timestep));
        missing.map(|(layer, timestep)| (layer.clone(), timestep)).collect()
    }

    /// A row for each layer and timestep.
    fn table(&self) -> Result<PyTable> {
        let rows = self.lock().table().map_err(failed)?;
        Ok(Table::new(rows.schema(), vec![rows]).map_err(Error::from).map_err(Fault::from)?.into())
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> Result<()> {
        let seen = Arc::clone(&self.seen);
        work_apart(py, move |_| {
            // What is added meanwhile is not waited for.
            let seen = lock(&seen).clone();
            seen.save(&path).map_err(failed)
        })
    }
}

impl PyCalibration {
    /// What was seen so far.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Calibration> {
        lock(&self.seen)
    }
}

impl From<Calibration> for PyCalibration {
    fn from(seen: Calibration) -> Self {
        Self { seen: Arc::new(Mutex::new(seen)) }
    }
}

fn lock(seen: &Mutex<Calibration>) -> MutexGuard<'_, Calibration> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
