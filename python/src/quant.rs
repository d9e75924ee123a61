//! What is behind `bowstring.quantize`, `bowstring.QuantizedModel` and `bowstring.quant.validate`?

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZero,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::buffer::Buffer;
use bowstring::{
    Cancel, Error,
    quant::{
        Allocated, Allotment, Calibration, Couple, Dtype, Gates, Group, Measure, Model, Packed, Progress,
        Promotion, QuantError, Quantization, QuantizedModel, Scheme, Tensor, TensorReport, Validated,
        Validation, equalize, on_threads, table,
    },
    query::Table,
};
use pyo3::{
    exceptions::PyTypeError,
    intern,
    prelude::*,
    types::{PyDict, PyMapping, PyMappingMethods},
};

use crate::{
    arguments::Options,
    arrays::{float_kind, half},
    columns::numpy,
    error::{Fault, Result},
    table::PyTable,
    typed::{self, type_name},
    work::{work_apart, work_async},
};

pub(crate) fn failed(error: QuantError) -> Fault {
    Fault::Engine(error.into())
}

/// What became of a model: a dict of what `QuantizationReport` is made of.
#[derive(IntoPyObject)]
pub(crate) struct Report {
    tensors: PyTable,
    bytes_before: usize,
    bytes_after: usize,
    file_bytes: u64,
    allocation: Option<Allocation>,
    /// The bits that tensors were to get, and those that they got.
    promoted: BTreeMap<String, (u32, u32)>,
    unseen: Vec<String>,
    unused: Vec<String>,
}

/// What became of a budget: a dict of what `Allocation` is made of.
#[derive(IntoPyObject)]
struct Allocation {
    by: &'static str,
    budget: usize,
    bytes: usize,
    cost: f64,
    bound: f64,
    exact: bool,
}

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
    let run = Run::of(model, out, options, on_progress)?;
    work_apart(py, move |cancel| run.report(cancel))
}

/// The same, to be awaited.
#[pyfunction]
pub(crate) fn quantize_async<'py>(
    py: Python<'py>,
    model: PathBuf,
    out: PathBuf,
    options: &Bound<'py, PyDict>,
    on_progress: Option<Bound<'py, PyAny>>,
) -> Result<Bound<'py, PyAny>> {
    let run = Run::of(model, out, options, on_progress)?;
    work_async(py, move |cancel| run.report(cancel), |report| report)
}

/// A model that is to be quantised.
struct Run {
    request: Quantization,
    model: PathBuf,
    out: PathBuf,
    callback: Option<Py<PyAny>>,
    measure: Option<Py<PyAny>>,
}

impl Run {
    fn of(
        model: PathBuf,
        out: PathBuf,
        options: &Bound<'_, PyDict>,
        on_progress: Option<Bound<'_, PyAny>>,
    ) -> Result<Self> {
        let options = Options(options);
        let measure = options.any("measure")?.map(|measure| callable("measure", measure)).transpose()?;
        let callback = on_progress.map(|callback| callable("on_progress", callback)).transpose()?;
        let request = request(&options)?;
        request.check_with(measure.is_some()).map_err(failed)?;
        Ok(Self { request, model, out, callback, measure })
    }

    fn report(self, cancel: &Cancel) -> Result<Report> {
        let raised: Mutex<Option<PyErr>> = Mutex::new(None);
        let give_up = |error| {
            *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            cancel.cancel();
        };
        let tell = |told: Progress<'_>| {
            let Some(callback) = &self.callback else { return };
            let Progress { tensor, done, count } = told;
            // There is nobody to tell once the interpreter shuts down.
            let told = Python::try_attach(|py| callback.call1(py, (tensor, done, count)).map(drop));
            if let Some(Err(error)) = told {
                give_up(error);
            }
        };
        let mut measure = |tensor: &Tensor<'_>, values: &[f32], scheme: Scheme| {
            let Some(measure) = &self.measure else { return Ok(0.0) };
            match Python::try_attach(|py| measured(py, measure, tensor, values, scheme)) {
                Some(Ok(cost)) => return Ok(cost),
                Some(Err(error)) => give_up(error),
                None => cancel.cancel(),
            }
            cancel.check()?;
            Ok(0.0)
        };
        let measure: Option<&mut Measure<'_>> =
            if self.measure.is_some() { Some(&mut measure) } else { None };
        let result = self.request.run_measured(&self.model, &self.out, measure, cancel, tell);
        if let Some(error) = raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(Fault::Python(error));
        }
        let Packed { report, allocated } = result.map_err(failed)?;
        let sum = |of: fn(&TensorReport) -> usize| report.tensors.iter().map(of).sum();
        let promoted = report.promoted.into_iter();
        Ok(Report {
            tensors: rows(&report.tensors)?,
            bytes_before: sum(|tensor| tensor.bytes_before),
            bytes_after: sum(|tensor| tensor.bytes_after),
            file_bytes: report.file_bytes,
            allocation: allocated.map(|Allocated { budget, plan }| Allocation {
                by: plan.by,
                budget,
                bytes: plan.bytes,
                cost: plan.cost,
                bound: plan.bound,
                exact: plan.exact,
            }),
            promoted: promoted
                .map(|Promotion { tensor, from, to }| (tensor, (from.count(), to.count())))
                .collect(),
            unseen: report.unseen,
            unused: report.unused,
        })
    }
}

/// What a function of the caller's says of a tensor that would become `values`.
fn measured(
    py: Python<'_>,
    measure: &Py<PyAny>,
    tensor: &Tensor<'_>,
    values: &[f32],
    scheme: Scheme,
) -> PyResult<f64> {
    let values = numpy(py, Buffer::from_vec(values.to_vec()), "<f4")?
        .call_method1(intern!(py, "reshape"), (tensor.shape.to_vec(),))?;
    let group = match scheme.group {
        Group::Of(size) => size.get().into_pyobject(py)?.into_any(),
        Group::Channel => "channel".into_pyobject(py)?.into_any(),
    };
    let cost = measure.bind(py).call1((tensor.name, values, scheme.bits.count(), group))?;
    cost.extract().map_err(|_| {
        let message = format!("measure: expected a number for `{}`, got {}", tensor.name, type_name(&cost));
        PyTypeError::new_err(message)
    })
}

/// Reads every tensor of a file of packed weights: all of them, and the names of those that are too far off.
#[pyfunction]
pub(crate) fn validate_quantized(
    py: Python<'_>,
    path: PathBuf,
    model: Option<PathBuf>,
    options: &Bound<'_, PyDict>,
) -> Result<(PyTable, Vec<String>)> {
    let validation = validation(model, options)?;
    work_apart(py, move |cancel| validated(&validation, &path, cancel))
}

/// The same, to be awaited.
#[pyfunction]
pub(crate) fn validate_quantized_async<'py>(
    py: Python<'py>,
    path: PathBuf,
    model: Option<PathBuf>,
    options: &Bound<'py, PyDict>,
) -> Result<Bound<'py, PyAny>> {
    let validation = validation(model, options)?;
    work_async(py, move |cancel| validated(&validation, &path, cancel), |found| found)
}

/// The factors of each couple, and of how many channels they are limited.
type Factors = (Vec<Vec<f32>>, Vec<usize>);

/// Writes a model whose layers are given channels of more even sizes; couples are names of writers and of readers.
#[pyfunction]
pub(crate) fn equalize_model(
    py: Python<'_>,
    model: PathBuf,
    out: PathBuf,
    couples: Vec<(Vec<String>, Vec<String>)>,
    calibration: PathBuf,
    strength: f32,
) -> Result<Factors> {
    work_apart(py, move |cancel| equalized(&model, &out, couples, &calibration, strength, cancel))
}

/// The same, to be awaited.
#[pyfunction]
pub(crate) fn equalize_model_async<'py>(
    py: Python<'py>,
    model: PathBuf,
    out: PathBuf,
    couples: Vec<(Vec<String>, Vec<String>)>,
    calibration: PathBuf,
    strength: f32,
) -> Result<Bound<'py, PyAny>> {
    let work = move |cancel: &Cancel| equalized(&model, &out, couples, &calibration, strength, cancel);
    work_async(py, work, |factors| factors)
}

fn equalized(
    model: &Path,
    out: &Path,
    couples: Vec<(Vec<String>, Vec<String>)>,
    calibration: &Path,
    strength: f32,
    cancel: &Cancel,
) -> Result<Factors> {
    let couples: Vec<_> = couples.into_iter().map(|(writers, readers)| Couple { writers, readers }).collect();
    let calibration = Calibration::open(calibration).map_err(failed)?;
    let model = Model::open(model).map_err(failed)?;
    let found = equalize(&model, &couples, &calibration, strength, out, cancel, |_| ()).map_err(failed)?;
    Ok((found.factors, found.limited))
}

fn validation(model: Option<PathBuf>, options: &Bound<'_, PyDict>) -> Result<Validation> {
    let options = Options(options);
    let validation = Validation {
        model,
        calibration: options.one("calibration")?,
        gates: gates(&options)?,
        threads: threads(&options)?,
    };
    validation.check().map_err(failed)?;
    Ok(validation)
}

fn validated(validation: &Validation, path: &Path, cancel: &Cancel) -> Result<(PyTable, Vec<String>)> {
    let Validated { tensors, failing } = validation.run(path, cancel).map_err(failed)?;
    Ok((rows(&tensors)?, failing.into_iter().map(|(name, _)| name).collect()))
}

fn gates(options: &Options<'_, '_>) -> Result<Gates> {
    Ok(Gates { min_sqnr: options.one("min_sqnr")?, max_rel_error: options.one("max_rel_error")? })
}

fn callable(name: &str, function: Bound<'_, PyAny>) -> Result<Py<PyAny>> {
    if function.is_callable() {
        return Ok(function.unbind());
    }
    let message = format!("{name}: expected a function, got {}", type_name(&function));
    Err(Fault::Python(PyTypeError::new_err(message)))
}

pub(crate) fn rows(reports: &[TensorReport]) -> Result<PyTable> {
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
        allotment: allotment(options)?,
        symmetric: flag("symmetric")?,
        float_minimum: flag("float_minimum")?,
        scale_type: word(options, "scale_type")?,
        code_type: word(options, "code_type")?,
        method: word(options, "method")?.unwrap_or_default(),
        calibration: options.one("calibration")?,
        damping: options.one("damping")?,
        order: word(options, "order")?,
        policy: policy.unwrap_or_default(),
        keep_non_finite: flag("keep_non_finite")?,
        gates: gates(options)?,
        promote: flag("promote")?,
        resume: flag("resume")?,
        shard_size: bytes(options, "shard_size")?,
        threads: threads(options)?,
    })
}

/// An option that is a number of bytes, or a text of one.
fn bytes<T: FromStr<Err = QuantError>>(options: &Options<'_, '_>, name: &str) -> Result<Option<T>> {
    let Some(given) = options.any(name)? else { return Ok(None) };
    let text = match given.extract::<u64>() {
        Ok(bytes) => bytes.to_string(),
        Err(_) => typed::one::<String>(name, &given)?,
    };
    text.parse().map(Some).map_err(failed)
}

fn allotment(options: &Options<'_, '_>) -> Result<Allotment> {
    let widths = options.many::<usize>("widths")?.unwrap_or_default();
    let sensitivities = match options.any("sensitivities")? {
        Some(given) => given.extract().map_err(|_| {
            typed::wrong("sensitivities", "a dict of numbers by the names of tensors", &given)
        })?,
        None => HashMap::new(),
    };
    Ok(Allotment {
        budget: bytes(options, "budget")?,
        method: word(options, "allocation")?,
        widths: widths.into_iter().map(|bits| u32::try_from(bits).unwrap_or(u32::MAX)).collect(),
        schedule: options.one("schedule")?,
        sensitivities,
    })
}

/// What the word of an option stands for.
pub(crate) fn word<T: FromStr<Err = QuantError>>(options: &Options<'_, '_>, name: &str) -> Result<Option<T>> {
    let word = options.one::<String>(name)?;
    word.map(|word| word.parse()).transpose().map_err(failed)
}

pub(crate) fn threads(options: &Options<'_, '_>) -> Result<Option<NonZero<usize>>> {
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

    /// The numbers of a tensor, of its shape: floats of a `dtype`, others of their own type.
    fn read<'py>(
        &self,
        py: Python<'py>,
        name: String,
        options: &Bound<'py, PyDict>,
    ) -> Result<Bound<'py, PyAny>> {
        let half = half(&Options(options))?;
        let model = Arc::clone(&self.model);
        let (numbers, kind, shape) = work_apart(py, move |cancel: &Cancel| {
            let tensor = model.tensor(&name).map_err(failed)?;
            let shape = tensor.shape.clone();
            if let Some(kind) = whole(tensor.dtype)
                && let Some(mut bytes) = model.kept(&name, cancel).map_err(failed)?
            {
                if kind == "bool" {
                    bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
                }
                return Ok((Buffer::from_vec(bytes), kind, shape));
            }
            let numbers = on_threads(None, || match half {
                None => {
                    let mut numbers = Vec::new();
                    model.read(&name, &mut numbers, cancel).map(|()| Buffer::from_vec(numbers))
                }
                Some(kind) => {
                    let mut halves = Vec::new();
                    model.read_to_half(&name, kind, &mut halves, cancel).map(|()| Buffer::from_vec(halves))
                }
            });
            Ok((numbers.map_err(failed)?, float_kind(half), shape))
        })?;
        Ok(numpy(py, numbers, kind)?.call_method1(intern!(py, "reshape"), (shape,))?)
    }
}

/// What numpy calls a type of whole numbers or flags.
pub(crate) fn whole(dtype: Dtype) -> Option<&'static str> {
    Some(match dtype {
        Dtype::BOOL => "bool",
        Dtype::U8 => "u1",
        Dtype::I8 => "i1",
        Dtype::U16 => "<u2",
        Dtype::I16 => "<i2",
        Dtype::U32 => "<u4",
        Dtype::I32 => "<i4",
        Dtype::U64 => "<u8",
        Dtype::I64 => "<i8",
        _ => return None,
    })
}
