//! Has a file of packed weights what it says, and is that close enough to the model?

use std::{
    num::NonZero,
    path::{Path, PathBuf},
};

use bowstring_core::Cancel;
use bowstring_quant::{
    Calibration, Measured, Model, Quality, QuantError, QuantizedModel, Result, Stored, TensorReport,
    on_threads,
};

use super::Gates;

/// How a file of packed weights is looked at.
#[derive(Clone, Debug, Default)]
pub struct Validation {
    /// The model that it was made of, which figures are measured against; otherwise they are those of the file.
    pub model: Option<PathBuf>,
    /// A file of what was seen of the layers' inputs, by which the model's outputs are compared with those that there
    /// are now.
    pub calibration: Option<PathBuf>,
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
    /// Those that do not pass the gates with how far off they are, the worst first.
    pub failing: Vec<(String, Quality)>,
}

impl Validated {
    /// That all tensors pass.
    ///
    /// # Errors
    /// [`QuantError::TooFar`] with those that do not.
    pub fn verdict(&self) -> Result<()> {
        match self.failing.as_slice() {
            [] => Ok(()),
            failing => Err(QuantError::TooFar { tensors: failing.to_vec() }),
        }
    }
}

impl Validation {
    /// Whether this can be asked for, as far as can be told before a file is opened.
    ///
    /// # Errors
    /// [`QuantError::Option`] for gates that cannot be, and for a calibration without a model.
    pub fn check(&self) -> Result<()> {
        if self.calibration.is_some() && self.model.is_none() {
            return Err(QuantError::Option {
                option: "calibration",
                value: "given without a model".to_owned(),
                expected: "for outputs that are compared with those of a model",
            });
        }
        self.gates.check()
    }

    /// Reads every tensor of a file, whose bytes have to be those that were written, some rows at a time.
    ///
    /// # Errors
    /// Those of [`check`](Self::check), [`QuantizedModel::open`], [`QuantizedModel::check`], [`Model::open`],
    /// [`Calibration::open`] and [`Calibration::check`]; [`QuantError::OtherModel`] when a tensor of the file and the
    /// model's are not the same.
    pub fn run(&self, path: &Path, cancel: &Cancel) -> Result<Validated> {
        self.check()?;
        let packed = QuantizedModel::open(path)?;
        let model = self.model.as_deref().map(Model::open).transpose()?;
        let calibration = self.calibration.as_deref().map(Calibration::open).transpose()?;
        if let (Some(calibration), Some(model)) = (&calibration, &model) {
            calibration.check(model)?;
        }
        let other = |tensor: &str, reason| QuantError::OtherModel {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
            reason,
        };
        let missing = model
            .iter()
            .flat_map(Model::tensors)
            .find(|tensor| packed.tensor(tensor.name).is_err())
            .map(|tensor| other(tensor.name, "is not in the file"));
        missing.map_or(Ok(()), Err)?;
        let mut tensors = packed.reports();
        on_threads(self.threads, || {
            for report in &mut tensors {
                cancel.check()?;
                let Some(model) = &model else {
                    packed.check(&report.name, cancel)?;
                    continue;
                };
                let original =
                    model.tensor(&report.name).map_err(|_| other(&report.name, "is not in the model"))?;
                let inputs = calibration.as_ref().and_then(|calibration| calibration.layer(&report.name));
                let measured = packed.measure(&report.name, &original, inputs, cancel)?;
                if let (Some(Measured { quality: found, output_error }), Some(quality)) =
                    (measured, quality_of(&mut report.stored))
                {
                    *quality = found;
                    report.output_error = output_error;
                }
                model.release(&report.name)?;
            }
            Ok(())
        })?;
        let failing = self.gates.failing(&tensors);
        let failing = failing.into_iter().map(|(name, quality)| (name.to_owned(), quality)).collect();
        Ok(Validated { tensors, failing })
    }
}

/// Where it stands how far off a tensor is.
fn quality_of(stored: &mut Stored) -> Option<&mut Quality> {
    match stored {
        Stored::Kept => None,
        Stored::Half { quality, .. } | Stored::Packed { quality, .. } => Some(quality),
    }
}
