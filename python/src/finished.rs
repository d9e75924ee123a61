//! What has a run come to?

use std::path::PathBuf;

use bowstring::{FILE, Relation, workflow::Finished};
use pyo3::{exceptions::PyRuntimeError, intern, prelude::*};

use crate::{
    arguments::from_json,
    error::{Fault, Result},
    table::PyTable,
    typed,
    work::work,
};

/// A run that came to its end: its report, and the outputs that were kept.
#[pyclass(module = "bowstring._bowstring", name = "Finished", frozen)]
pub(crate) struct PyFinished {
    finished: Finished,
}

impl From<Finished> for PyFinished {
    fn from(finished: Finished) -> Self {
        Self { finished }
    }
}

#[pymethods]
impl PyFinished {
    /// The report as a mapping.
    fn report<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let report = serde_json::to_value(&self.finished.report)
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        Ok(from_json(py, &report)?)
    }

    /// The exit code that the run stands for.
    #[getter]
    fn exit_code(&self) -> u8 {
        self.finished.report.exit_code()
    }

    /// The output of a step that was kept.
    fn output<'py>(&self, py: Python<'py>, step: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        let step = typed::one::<String>("step", step)?;
        let value = self.finished.output(&step).map_err(bowstring::Error::from)?;
        if let Some(relation) = value.downcast::<Relation>() {
            let table = match &relation.table {
                Some(table) => table.clone(),
                None => work(py, move |cancel| Ok(relation.frame.collect(cancel)?.table))?,
            };
            return Ok(Bound::new(py, PyTable::from(table))?.into_any());
        }
        if value.kind() == FILE
            && let Some(path) = value.downcast::<PathBuf>()
        {
            return Ok(py.import(intern!(py, "pathlib"))?.call_method1(intern!(py, "Path"), (&*path,))?);
        }
        Err(Fault::Opaque { step, kind: value.kind().0 })
    }
}
