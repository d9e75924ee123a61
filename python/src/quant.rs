//! What is behind `bowstring.quantize` and `bowstring.QuantizedModel`?

use std::{
    collections::HashMap,
    num::NonZero,
    path::PathBuf,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::array::{ArrayRef, Float32Array};
use bowstring::{
    Cancel, Error,
    quant::{Gates, Group, QuantError, Quantization, QuantizedModel, TensorReport, on_threads, table},
    query::Table,
};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyDict, PyMapping, PyMappingMethods},
};
use pyo3_arrow::{PyArray, export::Arro3Array};

use crate::{
    arguments::Options,
    error::{Fault, Result},
    table::PyTable,
    typed::{self, type_name},
    work::work_apart,
};

pub(crate) fn failed(error: QuantError) -> Fault {
    Fault::Engine(error.into())
}

/// What became of a model: its tensors, how many bytes they took, how many they take, and those of the file.
type Report = (PyTable, usize, usize, u64);

/// Quantises the model at a path into a file. `on_progress` is called with each tensor's name, its number and how
/// many there are; what it raises ends the work.
#[pyfunction]
pub(crate) fn quantize(
    py: Python<'_>,
    model: PathBuf,
    out: PathBuf,
    options: &Bound<'_, PyDict>,
    on_progress: Option<Bound<'_, PyAny>>,
) -> Result<Report> {
    let request = request(&Options(options))?;
    request.settings().map_err(failed)?;
    let callback = on_progress.map(callable).transpose()?;
    work_apart(py, move |cancel| {
        let raised: Mutex<Option<PyErr>> = Mutex::new(None);
        let tell = |report: &TensorReport, done: usize, count: usize| {
            let Some(callback) = &callback else { return };
            // There is nobody to tell once the interpreter shuts down.
            let told = Python::try_attach(|py| callback.call1(py, (&report.name, done, count)).map(drop));
            if let Some(Err(error)) = told {
                *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                cancel.cancel();
            }
        };
        let result = request.run(&model, &out, cancel, tell);
        if let Some(error) = raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(Fault::Python(error));
        }
        let report = result.map_err(failed)?;
        let sum = |of: fn(&TensorReport) -> usize| report.tensors.iter().map(of).sum();
        Ok((
            rows(&report.tensors)?,
            sum(|tensor| tensor.bytes_before),
            sum(|tensor| tensor.bytes_after),
            report.file_bytes,
        ))
    })
}

fn callable(callback: Bound<'_, PyAny>) -> Result<Py<PyAny>> {
    if callback.is_callable() {
        return Ok(callback.unbind());
    }
    let message = format!("on_progress: expected a function, got {}", type_name(&callback));
    Err(Fault::Python(PyTypeError::new_err(message)))
}

fn rows(reports: &[TensorReport]) -> Result<PyTable> {
    let rows = table(reports).map_err(failed)?;
    Ok(Table::new(rows.schema(), vec![rows]).map_err(Error::from)?.into())
}

pub(crate) fn request(options: &Options<'_, '_>) -> Result<Quantization> {
    let flag = |name| Ok::<_, Fault>(options.one::<bool>(name)?.unwrap_or(false));
    let policy = options.any("policy")?.map(|policy| pairs(&policy)).transpose()?;
    Ok(Quantization {
        profile: word(options, "profile")?,
        bits: options.one::<usize>("bits")?.map(|bits| u32::try_from(bits).unwrap_or(u32::MAX)),
        group: options.any("group_size")?.map(|size| group(&size)).transpose()?,
        symmetric: flag("symmetric")?,
        float_minimum: flag("float_minimum")?,
        scale_type: word(options, "scale_type")?,
        method: word(options, "method")?,
        policy: policy.unwrap_or_default(),
        keep_non_finite: flag("keep_non_finite")?,
        gates: Gates::default(),
        threads: threads(options)?,
    })
}

/// What the word of an option stands for.
pub(crate) fn word<T: FromStr<Err = QuantError>>(options: &Options<'_, '_>, name: &str) -> Result<Option<T>> {
    let word = options.one::<String>(name)?;
    word.map(|word| word.parse()).transpose().map_err(failed)
}

fn threads(options: &Options<'_, '_>) -> Result<Option<NonZero<usize>>> {
    let Some(threads) = options.one::<usize>("threads")? else { return Ok(None) };
    let unfit =
        || Fault::Unfit { name: "threads".to_owned(), expected: "at least 1", given: threads.to_string() };
    NonZero::new(threads).map(Some).ok_or_else(unfit)
}

/// A number, or `channel`.
fn group(size: &Bound<'_, PyAny>) -> Result<Group> {
    let text = match size.extract::<u32>() {
        Ok(size) => size.to_string(),
        Err(_) => typed::one::<String>("group_size", size)?,
    };
    text.parse().map_err(failed)
}

/// A mapping of patterns to words or numbers of bits.
fn pairs(policy: &Bound<'_, PyAny>) -> Result<Vec<(String, String)>> {
    let mapping = policy
        .cast::<PyMapping>()
        .map_err(|_| typed::wrong("policy", "a mapping of patterns to `keep`, `half` or bits", policy))?;
    let mut pairs = Vec::new();
    for item in mapping.items()?.try_iter()? {
        let (pattern, what): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
        let pattern = typed::one::<String>("policy", &pattern)?;
        let what = match what.extract::<u32>() {
            Ok(bits) => bits.to_string(),
            Err(_) => typed::one::<String>(&format!("policy[{pattern:?}]"), &what)?,
        };
        pairs.push((pattern, what));
    }
    Ok(pairs)
}

/// The packed weights of a model.
#[pyclass(module = "bowstring._bowstring", name = "NativeQuantizedModel", frozen)]
pub(crate) struct PyQuantizedModel {
    model: Arc<QuantizedModel>,
}

#[pymethods]
impl PyQuantizedModel {
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> Result<Self> {
        let model = work_apart(py, move |_| QuantizedModel::open(path).map_err(failed))?;
        Ok(Self { model: Arc::new(model) })
    }

    /// A row for each tensor.
    fn tensors(&self) -> Result<PyTable> {
        rows(&self.model.reports())
    }

    /// The names of the tensors, in order.
    fn names(&self) -> Vec<&str> {
        self.model.tensors().map(|(name, _)| name).collect()
    }

    fn metadata(&self) -> HashMap<&str, &str> {
        self.model.metadata().collect()
    }

    /// The numbers of a tensor, row by row, and its shape.
    fn read<'py>(&self, py: Python<'py>, name: String) -> Result<(Arro3Array, Vec<usize>)> {
        let model = Arc::clone(&self.model);
        let (numbers, shape) = work_apart(py, move |cancel: &Cancel| {
            let shape = model.tensor(&name).map_err(failed)?.shape.clone();
            let mut numbers = Vec::new();
            on_threads(None, || model.read(&name, &mut numbers, cancel)).map_err(failed)?;
            Ok((numbers, shape))
        })?;
        let numbers: ArrayRef = Arc::new(Float32Array::from(numbers));
        Ok((PyArray::from_array_ref(numbers).into(), shape))
    }
}
