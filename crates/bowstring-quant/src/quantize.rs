//! How does a model become a file of packed weights?

use std::{collections::BTreeMap, num::NonZero, path::Path};

use bowstring_core::Cancel;
use rayon::ThreadPoolBuilder;

use crate::{
    Half, Method, Model, ModelWriter, Policy, QuantError, Quantized, Result, Scheme, Stored, Tensor,
    TensorReport, Treatment, matrix::not_finite,
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
    /// How many threads work; as many as there are cores when `None`.
    pub threads: Option<NonZero<usize>>,
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

/// What became of a model.
#[derive(Clone, Debug)]
pub struct Report {
    /// What became of each tensor, in the order of the model.
    pub tensors: Vec<TensorReport>,
    /// How many bytes the file has.
    pub file_bytes: u64,
}

impl Report {
    /// The packed tensor that lost the most: the one with the least ratio of signal to noise.
    pub fn worst(&self) -> Option<&TensorReport> {
        let packed = self.tensors.iter().filter(|tensor| tensor.stored.scheme().is_some());
        let ratio =
            |tensor: &TensorReport| tensor.stored.quality().map_or(f64::INFINITY, |quality| quality.sqnr);
        packed.min_by(|left, right| ratio(left).total_cmp(&ratio(right)))
    }
}

/// Quantises the tensors of a model, one after the other, into a file that appears as a whole or not at all;
/// `on_tensor` hears of each. In memory are the file's pages and 32 bits for each number of one tensor at a time,
/// and what becomes of it. The file does not depend on the number of threads.
///
/// # Errors
/// [`Tensor`](crate::QuantError::Tensor) with the name of the tensor that cannot be quantised;
/// [`Io`](crate::QuantError::Io) when the file cannot be written; [`Threads`](crate::QuantError::Threads) when the
/// system refuses them; [`Cancelled`](crate::QuantError::Cancelled).
pub fn quantize(
    model: &Model,
    path: &Path,
    settings: &Settings,
    metadata: BTreeMap<String, String>,
    cancel: &Cancel,
    mut on_tensor: impl FnMut(&TensorReport) + Send,
) -> Result<Report> {
    on_threads(settings.threads, || {
        let mut writer = ModelWriter::create(path, metadata)?;
        let mut numbers = Vec::new();
        let mut tensors = Vec::new();
        for tensor in model.tensors() {
            cancel.check()?;
            let report = one(&mut writer, &tensor, settings, &mut numbers, cancel)
                .map_err(|error| error.of(&tensor))?;
            model.release(tensor.name)?;
            on_tensor(&report);
            tensors.push(report);
        }
        cancel.check()?;
        Ok(Report { tensors, file_bytes: writer.finish()?.bytes })
    })
}

/// Does `work` on so many threads, as many as there are cores when `None`. They end with it: a pool that outlives
/// a call is lost in a forked process, whose first use of it would wait for ever.
///
/// # Errors
/// [`QuantError::Threads`] when the system refuses them, and those of `work`.
pub fn on_threads<T: Send>(
    threads: Option<NonZero<usize>>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads.map_or(0, NonZero::get))
        .build()
        .map_err(|error| QuantError::Threads { reason: error.to_string() })?;
    pool.install(work)
}

fn one(
    writer: &mut ModelWriter,
    tensor: &Tensor<'_>,
    settings: &Settings,
    numbers: &mut Vec<f32>,
    cancel: &Cancel,
) -> Result<TensorReport> {
    let mut report = TensorReport::kept(tensor);
    let treatment = settings.policy.treatment(tensor, settings.scheme);
    if treatment == Treatment::Keep
        || treatment == Treatment::Halve && tensor.bytes.len() <= 2 * report.count()
    {
        writer.keep(tensor)?;
        return Ok(report);
    }
    tensor.read(numbers)?;
    match changed(writer, tensor, treatment, settings, numbers, cancel) {
        Ok((stored, bytes)) => {
            report = TensorReport { stored, bytes_after: bytes, not_finite: Some(0), ..report };
        }
        Err(QuantError::NotFinite { nans, infinities, .. }) if settings.non_finite == NonFinite::Keep => {
            report.not_finite = Some(nans + infinities);
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
