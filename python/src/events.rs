//! How does a Python function hear of what happens in a run?

use bowstring::workflow::{Event, Observer};
use pyo3::{
    exceptions::{PyRuntimeError, PyTypeError},
    prelude::*,
};

use crate::{arguments::from_json, typed::type_name};

/// Calls `callback` with a mapping for each event, from a thread of its own. What it raises is given
/// to `sys.unraisablehook`, which prints it, and the run goes on.
pub(crate) fn observer(callback: Bound<'_, PyAny>) -> PyResult<Box<dyn Observer>> {
    if !callback.is_callable() {
        let message = format!("on_event: expected a function, got {}", type_name(&callback));
        return Err(PyTypeError::new_err(message));
    }
    let callback = callback.unbind();
    Ok(Box::new(move |event: &Event| {
        // There is nobody to tell once the interpreter shuts down.
        let _told = Python::try_attach(|py| {
            if let Err(error) = tell(py, &callback, event) {
                error.write_unraisable(py, Some(callback.bind(py)));
            }
        });
    }))
}

fn tell(py: Python<'_>, callback: &Py<PyAny>, event: &Event) -> PyResult<()> {
    let event = serde_json::to_value(event).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    callback.call1(py, (from_json(py, &event)?,))?;
    Ok(())
}
