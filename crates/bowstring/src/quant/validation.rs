//! Has a file of packed weights what it says, and is that close enough to the model?

use std::{
    num::NonZero,
    path::{Path, PathBuf},
};

use bowstring_core::Cancel;
use bowstring_quant::{
    Model, Quality, QuantError, QuantizedModel, Result, Stored, Tensor, TensorReport, on_threads,
};

use super::Gates;

/// How a file of packed weights is looked at.
#[derive(Clone, Debug, Default)]
pub struct Validation {
    /// The model that it was made of, which figures are measured against; otherwise they are those of the file.
    pub model: Option<PathBuf>,
    /// How far off tensors may be.
    pub gates: Gates,
    /// How many threads work; all cores when `None`.
    pub threads: Option<NonZero<usize>>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Validated {
    /// Each tensor, in the order of the file.
    pub tensors: Vec<TensorReport>,
    /// Those that do not pass the gates, the worst first.
    pub failing: Vec<String>,
}

impl Validation {
    /// Reads every tensor of a file, whose bytes have to be those that were written.
    ///
    /// # Errors
    /// [`QuantError::Option`] for gates that cannot be; those of [`QuantizedModel::open`],
    /// [`QuantizedModel::read`] and [`Model::open`]; [`QuantError::OtherModel`] when a tensor of the file and the
    /// model's are not the same.
    pub fn run(&self, path: &Path, cancel: &Cancel) -> Result<Validated> {
        self.gates.check()?;
        let packed = QuantizedModel::open(path)?;
        let model = self.model.as_deref().map(Model::open).transpose()?;
        let missing = model
            .iter()
            .flat_map(Model::tensors)
            .find(|tensor| packed.tensor(tensor.name).is_err())
            .map(|tensor| other_model(path, tensor.name, "is not in the file"));
        missing.map_or(Ok(()), Err)?;
        let mut tensors = packed.reports();
        on_threads(self.threads, || {
            let mut buffers = (Vec::new(), Vec::new());
            for report in &mut tensors {
                cancel.check()?;
                let tensor = model.as_ref().map(|model| original(path, model, report)).transpose()?;
                look(&packed, report, tensor.as_ref(), &mut buffers, cancel)?;
                model.as_ref().map(|model| model.release(&report.name)).transpose()?;
            }
            Ok(())
        })?;
        let failing = self.gates.failing(&tensors).into_iter().map(|(name, _)| name.to_owned()).collect();
        Ok(Validated { tensors, failing })
    }
}

/// The tensor of a model that a file has, too.
fn original<'a>(path: &Path, model: &'a Model, report: &TensorReport) -> Result<Tensor<'a>> {
    let other = |reason| other_model(path, &report.name, reason);
    let tensor = model.tensor(&report.name).map_err(|_| other("is not in the model"))?;
    if (tensor.dtype, tensor.shape) == (report.dtype, report.shape.as_slice()) {
        Ok(tensor)
    } else {
        Err(other("has another type or shape"))
    }
}

/// Reads a tensor, and measures how far off it is from what it was, where that is known.
fn look(
    packed: &QuantizedModel,
    report: &mut TensorReport,
    original: Option<&Tensor<'_>>,
    (numbers, weights): &mut (Vec<f32>, Vec<f32>),
    cancel: &Cancel,
) -> Result<()> {
    if let Some(bytes) = packed.kept(&report.name, cancel)? {
        return match original {
            Some(tensor) if tensor.bytes != bytes => {
                Err(other_model(packed.path(), &report.name, "has other numbers"))
            }
            _ => Ok(()),
        };
    }
    packed.read(&report.name, numbers, cancel)?;
    if let Some(tensor) = original
        && let Stored::Half { quality, .. } | Stored::Packed { quality, .. } = &mut report.stored
    {
        tensor.read(weights)?;
        *quality = Quality::of(weights, numbers)?;
    }
    Ok(())
}

fn other_model(path: &Path, tensor: &str, reason: &'static str) -> QuantError {
    QuantError::OtherModel { path: path.to_owned(), tensor: tensor.to_owned(), reason }
}
