//! How does a Python function become a step type?

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatchReader;
use bowstring::{
    Cancel, Engine, ErrorKind, Relation, TABLE,
    query::{Session, Table},
    workflow::{
        ConfigProblem, InputSpec, Inputs, Output, Step, StepContext, StepError, StepResult, StepType,
        ValueType, Work,
    },
};
use pyo3::{
    exceptions::PyTypeError,
    intern,
    prelude::*,
    types::{PyDict, PyTuple},
};
use schemars::Schema;
use serde_json::Value as Json;

use crate::{
    arguments::{from_json, json},
    arrow_in::Source,
    error::{Fault, Result},
    table::PyTable,
    typed::type_name,
};

/// A function that was registered.
struct Definition {
    name: String,
    description: String,
    /// The JSON Schema of its config.
    schema: Schema,
    /// Whether it takes its one input by position. Several arrive by name.
    positional: bool,
    function: Py<PyAny>,
}

/// The step types of the process, in the order of registration.
static STEPS: Mutex<Vec<Arc<Definition>>> = Mutex::new(Vec::new());

/// Registers a function for the process; one of the same name is replaced.
///
/// # Errors
/// When Bowstring itself has a step type of this name.
#[pyfunction]
pub(crate) fn register_step(
    name: String,
    description: String,
    schema: &Bound<'_, PyAny>,
    positional: bool,
    function: Py<PyAny>,
) -> Result<()> {
    let engine = crate::work::engine()?;
    if engine.registry().get(&name).is_some() {
        return Err(Fault::BuiltInStep { name });
    }
    let schema = Schema::try_from(json(schema)?).map_err(|error| PyTypeError::new_err(error.to_string()))?;
    let definition = Arc::new(Definition { name, description, schema, positional, function });
    let mut steps = STEPS.lock().unwrap_or_else(PoisonError::into_inner);
    let before = steps.iter().position(|step| step.name == definition.name).map(|at| steps.remove(at));
    steps.push(definition);
    drop(steps);
    // A function that is replaced is freed after the lock is.
    drop(before);
    Ok(())
}

/// Adds the registered step types to an engine.
pub(crate) fn register_all(engine: &mut Engine) {
    let steps = STEPS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for definition in steps {
        let session = engine.session().clone();
        engine.register(Arc::new(PythonType { definition, session }));
    }
}

/// The type in one engine.
struct PythonType {
    definition: Arc<Definition>,
    session: Session,
}

impl StepType for PythonType {
    fn name(&self) -> &str {
        &self.definition.name
    }

    fn description(&self) -> &str {
        &self.definition.description
    }

    fn config_schema(&self) -> Schema {
        self.definition.schema.clone()
    }

    fn build(&self, config: Json) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
        Ok(Arc::new(PythonStep {
            definition: Arc::clone(&self.definition),
            session: self.session.clone(),
            config,
        }))
    }
}

struct PythonStep {
    definition: Arc<Definition>,
    session: Session,
    config: Json,
}

impl Step for PythonStep {
    fn inputs(&self) -> InputSpec {
        InputSpec::Many { least: usize::from(self.definition.positional), types: vec![TABLE] }
    }

    fn output(&self) -> Option<ValueType> {
        Some(TABLE)
    }

    fn run(self: Arc<Self>, inputs: Inputs, context: StepContext) -> Work {
        Work::blocking(move || self.call(&inputs, &context.cancel))
    }
}

impl PythonStep {
    fn call(&self, inputs: &Inputs, cancel: &Cancel) -> StepResult {
        let mut tables = Vec::with_capacity(inputs.0.len());
        for (name, value) in &inputs.0 {
            let Some(relation) = value.downcast::<Relation>() else {
                return Err(StepError::new(ErrorKind::Internal, format!("input `{name}` is no table")));
            };
            let table = match &relation.table {
                Some(table) => table.clone(),
                None => relation.frame.collect(cancel)?.table,
            };
            tables.push((name.as_str(), table));
        }
        cancel.check()?;
        let returned = Python::try_attach(|py| self.returned(py, tables).map_err(|error| raised(py, &error)));
        let source = returned.unwrap_or_else(|| Err(bowstring::Cancelled.into()))?;
        let table = rows(source, cancel)?;
        let (rows, bytes) = (table.num_rows() as u64, table.num_bytes() as u64);
        Ok(Output {
            value: Some(Relation::of_table(&self.session, table)?.into_value()),
            rows: Some(rows),
            bytes: Some(bytes),
            ..Output::default()
        })
    }

    fn returned(&self, py: Python<'_>, tables: Vec<(&str, Table)>) -> PyResult<Source> {
        let keywords = from_json(py, &self.config)?.cast_into::<PyDict>()?;
        let mut arguments = Vec::new();
        let alone = tables.len() == 1 && self.definition.positional;
        for (name, table) in tables {
            let table = Bound::new(py, PyTable::from(table))?;
            if alone {
                arguments.push(table);
            } else if keywords.contains(name)? {
                return Err(PyTypeError::new_err(format!(
                    "`{name}` is the name of an input and of a config value"
                )));
            } else {
                keywords.set_item(name, table)?;
            }
        }
        let function = self.definition.function.bind(py);
        let result = function.call(PyTuple::new(py, arguments)?, Some(&keywords))?;
        if !(result.hasattr(intern!(py, "__arrow_c_stream__"))?
            || result.hasattr(intern!(py, "__arrow_c_array__"))?)
        {
            return Err(PyTypeError::new_err(format!(
                "step type `{}` must return a table with `__arrow_c_stream__` or `__arrow_c_array__`, \
                 not {}",
                self.definition.name,
                type_name(&result)
            )));
        }
        Source::of(&result).map_err(PyErr::from)
    }
}

/// The rows that a function gave, taken without the interpreter.
fn rows(source: Source, cancel: &Cancel) -> Result<Table, StepError> {
    match source {
        Source::Table(table) => Ok(table),
        Source::Frame(frame) => Ok(frame.collect(cancel)?.table),
        Source::Stream(reader) => {
            let schema = reader.schema();
            let mut batches = Vec::new();
            for batch in reader {
                cancel.check()?;
                batches.push(batch.map_err(|error| Fault::ForeignStream { reason: error.to_string() })?);
            }
            Ok(Table::new(schema, batches)?)
        }
    }
}

/// What a function raised, with its traceback.
fn raised(py: Python<'_>, error: &PyErr) -> StepError {
    let lines = py
        .import("traceback")
        .and_then(|traceback| {
            traceback.call_method1("format_exception", (error.clone_ref(py).into_value(py),))
        })
        .and_then(|lines| lines.extract::<Vec<String>>());
    let message = match lines {
        Ok(lines) => format!("{error}\n\n{}", lines.concat().trim_end()),
        Err(_) => error.to_string(),
    };
    StepError::new(ErrorKind::Failed, message)
}
