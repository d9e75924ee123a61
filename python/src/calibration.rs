//! What is behind `bowstring.quant.Calibrator`?

use std::{
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

    /// A row for each layer and timestep.
    fn table(&self) -> Result<PyTable> {
        let rows = lock(&self.seen).table().map_err(failed)?;
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

impl From<Calibration> for PyCalibration {
    fn from(seen: Calibration) -> Self {
        Self { seen: Arc::new(Mutex::new(seen)) }
    }
}

fn lock(seen: &Mutex<Calibration>) -> MutexGuard<'_, Calibration> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
