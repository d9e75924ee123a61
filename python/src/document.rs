//! What is a workflow document to Python, and how is it checked, planned and run?

use std::time::Duration;

use bowstring::{
    Cancel, Engine, EngineOptions,
    io::IoError,
    workflow::{Document, Finished, Keep, Observer, Params, Problems, RunOptions, Workflow},
};
use pyo3::{
    prelude::*,
    types::{PyInt, PyList},
};
use serde_json::{Value as Json, json};

use crate::{
    arguments::{from_json, json},
    error::{Fault, Result},
    events::observer,
    finished::PyFinished,
    step, typed,
    work::{engine, work, work_async},
};

/// A document that has been read, and not yet checked.
#[pyclass(module = "bowstring._bowstring", name = "Document", frozen)]
pub(crate) struct PyDocument {
    document: Document,
}

/// How a document is run.
struct Running {
    document: Document,
    params: Params,
    memory: Option<u64>,
    max_parallel: usize,
    keep: Keep,
    observers: Vec<Box<dyn Observer>>,
}

impl Running {
    fn go(self, cancel: &Cancel) -> Result<Finished> {
        let engine = engine_with(self.memory)?;
        let workflow = validated(&engine, &self.document, &self.params)?;
        let options = RunOptions {
            max_parallel: self.max_parallel,
            keep: self.keep,
            cancel: cancel.clone(),
            observers: self.observers,
            ..RunOptions::default()
        };
        let finished = engine.run(&workflow, options);
        if self.memory.is_some() && cancel.is_cancelled() {
            // The process may end now, and what was spilled would be left. A thread of the runtime's may
            // not wait for it, one of its own may.
            std::thread::scope(|scope| {
                scope.spawn(|| engine.session().close(STOP));
            });
        }
        Ok(finished?)
    }
}

/// The longest wait for queries that were cancelled: they notice at their next batch.
const STOP: Duration = Duration::from_secs(2);

/// The engine of the process, or one with a memory limit of its own, with the steps that are
/// registered now.
fn engine_with(memory: Option<u64>) -> Result<Engine> {
    let mut engine = match memory {
        None => engine()?.clone(),
        Some(_) => Engine::new(&EngineOptions { memory, ..EngineOptions::default() })?,
    };
    step::register_all(&mut engine);
    Ok(engine)
}

fn validated(engine: &Engine, document: &Document, params: &Params) -> Result<Workflow> {
    Ok(engine.validate(document, params).map_err(bowstring::Error::from)?)
}

fn params_of(given: Option<&Bound<'_, PyAny>>) -> Result<Params> {
    let mut params = Params::new();
    let Some(given) = given else { return Ok(params) };
    let Json::Object(values) = json(given)? else {
        return Err(typed::wrong("params", "a mapping", given));
    };
    for (name, value) in values {
        params = params.value(name, value);
    }
    Ok(params)
}

/// Bytes, or a text such as `512MiB`.
#[pyfunction]
pub(crate) fn byte_size(name: &str, size: &Bound<'_, PyAny>) -> Result<u64> {
    if let Ok(text) = size.extract::<String>() {
        return Ok(text.parse::<bowstring::ByteSize>()?.bytes());
    }
    if size.is_instance_of::<PyInt>() {
        return Ok(typed::one::<usize>(name, size)? as u64);
    }
    Err(typed::wrong(name, "a number of bytes or a str such as `512MiB`", size))
}

fn keep_of(keep: &Bound<'_, PyAny>) -> Result<Keep> {
    if let Ok(word) = keep.extract::<String>() {
        let words = [("leaves", Keep::Leaves), ("all", Keep::All)];
        let known = words.iter().map(|(word, _)| *word).collect();
        let found = words.into_iter().find(|(known, _)| *known == word);
        return found.map(|(_, keep)| keep).ok_or(Fault::UnknownWord { option: "keep", given: word, known });
    }
    Ok(Keep::Steps(typed::many("keep", keep)?))
}

#[pymethods]
impl PyDocument {
    /// Reads a YAML or JSON file.
    #[staticmethod]
    fn read(py: Python<'_>, path: &Bound<'_, PyAny>) -> Result<Self> {
        let path = typed::path(path)?;
        work(py, move |_| {
            let bytes = std::fs::read(&path).map_err(|source| IoError::System {
                action: "read",
                path: path.clone(),
                source,
            })?;
            let text = String::from_utf8(bytes).map_err(|_| Fault::NotText { path: path.clone() })?;
            let document = Document::parse(&path.display().to_string(), &text);
            Ok(Self { document: document.map_err(bowstring::Error::from)? })
        })
    }

    /// Takes a mapping.
    #[staticmethod]
    fn of(fields: &Bound<'_, PyAny>) -> Result<Self> {
        let document = Document::from_value(&json(fields)?);
        Ok(Self { document: document.map_err(bowstring::Error::from)? })
    }

    /// Everything that is wrong, as a list of mappings.
    fn problems<'py>(
        &self,
        py: Python<'py>,
        params: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let (document, params) = (self.document.clone(), params_of(params)?);
        let problems = work(py, move |_| {
            let checked = engine_with(None)?.validate(&document, &params);
            Ok(checked.err().as_ref().map_or_else(|| json!([]), Problems::to_json))
        })?;
        Ok(from_json(py, &problems)?)
    }

    /// What would run, as a list of mappings.
    fn plan<'py>(&self, py: Python<'py>, params: Option<&Bound<'py, PyAny>>) -> Result<Bound<'py, PyAny>> {
        let (document, params) = (self.document.clone(), params_of(params)?);
        let units = work(py, move |cancel| {
            let engine = engine_with(None)?;
            let workflow = validated(&engine, &document, &params)?;
            let options = RunOptions { max_parallel: 0, cancel: cancel.clone(), ..RunOptions::default() };
            let units = engine.plan(&workflow, options).map_err(Fault::Step)?;
            let unit = |unit: &bowstring::PlannedUnit| {
                let step = |step: &bowstring::PlannedStep| json!({"name": step.name, "type": step.type_name, "depends_on": step.depends_on});
                let steps: Vec<Json> = unit.steps.iter().map(step).collect();
                json!({"steps": steps, "physical_plan": unit.physical_plan})
            };
            Ok(Json::Array(units.iter().map(unit).collect()))
        })?;
        Ok(from_json(py, &units)?)
    }

    /// Runs it to its end.
    fn run(
        &self,
        py: Python<'_>,
        params: Option<&Bound<'_, PyAny>>,
        max_parallel: Option<&Bound<'_, PyAny>>,
        memory: Option<&Bound<'_, PyAny>>,
        keep: &Bound<'_, PyAny>,
        observers: &Bound<'_, PyList>,
    ) -> Result<PyFinished> {
        let running = self.running(params, max_parallel, memory, keep, observers)?;
        work(py, move |cancel| running.go(cancel)).map(PyFinished::from)
    }

    /// As `run`, to be awaited.
    fn run_async<'py>(
        &self,
        py: Python<'py>,
        params: Option<&Bound<'py, PyAny>>,
        max_parallel: Option<&Bound<'_, PyAny>>,
        memory: Option<&Bound<'py, PyAny>>,
        keep: &Bound<'py, PyAny>,
        observers: &Bound<'py, PyList>,
    ) -> Result<Bound<'py, PyAny>> {
        let running = self.running(params, max_parallel, memory, keep, observers)?;
        work_async(py, move |cancel| running.go(cancel), PyFinished::from)
    }
}

impl PyDocument {
    fn running(
        &self,
        params: Option<&Bound<'_, PyAny>>,
        max_parallel: Option<&Bound<'_, PyAny>>,
        memory: Option<&Bound<'_, PyAny>>,
        keep: &Bound<'_, PyAny>,
        observers: &Bound<'_, PyList>,
    ) -> Result<Running> {
        let max_parallel = max_parallel.map(|given| typed::one("max_parallel", given)).transpose()?;
        if max_parallel == Some(0) {
            return Err(Fault::NoParallelism);
        }
        Ok(Running {
            document: self.document.clone(),
            params: params_of(params)?,
            memory: memory.map(|memory| byte_size("memory", memory)).transpose()?,
            max_parallel: max_parallel.unwrap_or(0),
            keep: keep_of(keep)?,
            observers: observers.iter().map(observer).collect::<PyResult<_>>()?,
        })
    }
}
