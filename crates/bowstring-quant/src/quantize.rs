//! How does a model become a file of packed weights?

use std::{collections::BTreeMap, path::Path};

use bowstring_core::Cancel;
use bowstring_io::Written;

use crate::{
    Half, Kind, Method, Model, ModelWriter, Policy, QuantError, Quantized, Result, Scheme, Stored, Tensor,
    Treatment, matrix::not_finite,
};

/// The largest number that 16 bits of [`Half::F16`] have.
const LARGEST_F16: f32 = 65_504.0;

/// How a model is quantised.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How a tensor is written that no rule of the policy says anything else of.
    pub scheme: Scheme,
    /// How scales are chosen.
    pub method: Method,
    /// What becomes of which tensor.
    pub policy: Policy,
    /// What becomes of tensors with numbers that are NaN or infinite.
    pub non_finite: NonFinite,
}

/// What becomes of tensors with numbers that are NaN or infinite, which no grid has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NonFinite {
    /// [`QuantError::NotFinite`](crate::QuantError::NotFinite).
    #[default]
    Refuse,
    /// They stay as they are, and the report says so.
    Keep,
}

/// What became of a tensor.
#[derive(Clone, Debug)]
pub struct TensorReport {
    /// Its name.
    pub name: String,
    /// What it is in its model.
    pub kind: Kind,
    /// How it is stored.
    pub stored: Stored,
    /// How many numbers it has.
    pub count: usize,
    /// How many bytes it took.
    pub bytes_before: usize,
    /// How many it takes now: codes, scales and offsets.
    pub bytes_after: usize,
    /// How many of its numbers are NaN or infinite; other than 0 only where it is kept for that.
    pub not_finite: usize,
}

/// Quantises the tensors of a model, one after the other on all threads of the current rayon pool, into a file
/// that appears as a whole or not at all; `on_tensor` hears of each. In memory are the file's pages and 32 bits
/// for each number of one tensor at a time, and what becomes of it.
///
/// # Errors
/// [`Tensor`](crate::QuantError::Tensor) with the name of the tensor that cannot be quantised;
/// [`Io`](crate::QuantError::Io) when the file cannot be written; [`Cancelled`](crate::QuantError::Cancelled).
pub fn quantize(
    model: &Model,
    path: &Path,
    settings: &Settings,
    metadata: BTreeMap<String, String>,
    cancel: &Cancel,
    mut on_tensor: impl FnMut(TensorReport),
) -> Result<Written> {
    let mut writer = ModelWriter::create(path, metadata)?;
    let mut numbers = Vec::new();
    for tensor in model.tensors() {
        cancel.check()?;
        let report =
            one(&mut writer, &tensor, settings, &mut numbers, cancel).map_err(|error| error.of(&tensor))?;
        model.release(tensor.name)?;
        on_tensor(report);
    }
    writer.finish()
}

fn one(
    writer: &mut ModelWriter,
    tensor: &Tensor<'_>,
    settings: &Settings,
    numbers: &mut Vec<f32>,
    cancel: &Cancel,
) -> Result<TensorReport> {
    let mut report = TensorReport {
        name: tensor.name.to_owned(),
        kind: Kind::of(tensor),
        stored: Stored::Kept,
        count: tensor.shape.iter().product(),
        bytes_before: tensor.bytes.len(),
        bytes_after: tensor.bytes.len(),
        not_finite: 0,
    };
    let treatment = settings.policy.treatment(tensor, settings.scheme);
    if treatment == Treatment::Keep || treatment == Treatment::Halve && tensor.bytes.len() <= 2 * report.count
    {
        writer.keep(tensor)?;
        return Ok(report);
    }
    tensor.read(numbers)?;
    match changed(writer, tensor, treatment, settings, numbers, cancel) {
        Ok((stored, bytes)) => (report.stored, report.bytes_after) = (stored, bytes),
        Err(QuantError::NotFinite { nans, infinities, .. }) if settings.non_finite == NonFinite::Keep => {
            report.not_finite = nans + infinities;
            writer.keep(tensor)?;
        }
        Err(error) => return Err(error),
    }
    Ok(report)
}

/// Writes a tensor of `numbers` with fewer bits; says how it is stored, and in how many bytes. Where some are
/// not finite, nothing is written.
fn changed(
    writer: &mut ModelWriter,
    tensor: &Tensor<'_>,
    treatment: Treatment,
    settings: &Settings,
    numbers: &[f32],
    cancel: &Cancel,
) -> Result<(Stored, usize)> {
    if let Treatment::Quantize(scheme) = treatment {
        let columns = tensor.shape.iter().skip(1).product();
        let matrix = Quantized::of(numbers, columns, scheme, &settings.method, cancel)?;
        let quality = matrix.quality(numbers)?;
        writer.write(tensor, &matrix, quality)?;
        return Ok((Stored::Packed { scheme, columns, quality }, matrix.bytes()));
    }
    not_finite(numbers).map_or(Ok(()), Err)?;
    let fits = numbers.iter().all(|number| number.abs() <= LARGEST_F16);
    let kind = if fits { Half::F16 } else { Half::Bf16 };
    Ok((Stored::Half { kind, quality: writer.halve(tensor, numbers, kind)? }, 2 * numbers.len()))
}

#[cfg(test)]
mod tests;
