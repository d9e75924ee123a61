//! How does a model become a file of packed weights?

use std::{collections::BTreeMap, num::NonZero, path::Path, sync::Arc};

use bowstring_core::Cancel;
use rayon::ThreadPoolBuilder;

use crate::{
    Bits, Calibration, Gates, Gptq, Half, Method, Model, ModelWriter, Moments, Order, Policy, Quality,
    QuantError, Quantized, Result, Scheme, Stored, Tensor, TensorReport, Treatment, dtype,
    matrix::not_finite,
    method::Prepared,
    named::{check_names, is_named},
    outputs::Outputs,
    parts::{Key, Parts},
    weights::{Weights, at_once},
};

/// The largest number that 16 bits of [`Half::F16`] have.
const LARGEST_F16: f32 = 65_504.0;

/// How a model is quantised.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How a tensor is written that no rule of the policy says anything else of.
    pub scheme: Scheme,
    /// How scales are chosen.
    pub rounding: Rounding,
    /// What becomes of which tensor.
    pub policy: Policy,
    /// What becomes of tensors with numbers that are NaN or infinite.
    pub non_finite: NonFinite,
    /// Packed tensors that do not pass get the next width, and the next, until they do or have 8 bits.
    pub promote: Option<Gates>,
    /// How many threads work; as many as there are cores when `None`.
    pub threads: Option<NonZero<usize>>,
    /// Whether each packed tensor is kept in a folder beside the file, `FILE.parts`, until all are done, and those
    /// that an earlier run has left there are used again.
    pub resume: bool,
    /// How many bytes of tensors each of several files may have, in a folder that must not be there yet, as
    /// [`ModelWriter::create_shards`] has it; all are in one file when `None`.
    pub shard_size: Option<NonZero<u64>>,
}

/// How the scales of a model's tensors are chosen.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Rounding {
    /// [`Method::Nearest`].
    Nearest,
    /// [`Method::Search`], all errors counting the same.
    #[default]
    Mse,
    /// [`Method::Search`], errors counting as much as the mean square of the inputs of their channel; all the same in
    /// layers of which nothing was seen.
    Weighted(Arc<Calibration>),
    /// [`Method::Gptq`]; as [`Mse`](Self::Mse) in layers of which nothing was seen.
    Gptq {
        /// What was seen, with [all second moments](crate::Moments::Full).
        calibration: Arc<Calibration>,
        /// As [`Gptq`] has it.
        damping: f64,
        /// As [`Gptq`] has it.
        order: Order,
    },
}

impl Rounding {
    /// Its name in options: `nearest`, `mse`, `weighted` or `gptq`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Mse => "mse",
            Self::Weighted(_) => "weighted",
            Self::Gptq { .. } => "gptq",
        }
    }

    fn calibration(&self) -> Option<&Calibration> {
        match self {
            Self::Nearest | Self::Mse => None,
            Self::Weighted(calibration) | Self::Gptq { calibration, .. } => Some(calibration),
        }
    }

    /// That what was seen is of this model, and enough.
    pub(crate) fn check(&self, model: &Model) -> Result<()> {
        let Some(calibration) = self.calibration() else { return Ok(()) };
        calibration.check(model)?;
        if matches!(self, Self::Gptq { .. }) && calibration.moments() != Moments::Full {
            let expected = "`full` for `gptq`";
            return Err(QuantError::Option { option: "moments", value: "`diagonal`".to_owned(), expected });
        }
        Ok(())
    }

    /// For a tensor of a model.
    pub(crate) fn method(&self, tensor: &str) -> Method {
        let layer = self.calibration().and_then(|calibration| calibration.layer(tensor));
        match (self, layer) {
            (Self::Nearest, _) => Method::Nearest,
            (Self::Weighted(_), Some(layer)) => {
                let importance = layer.mean_squares().into_iter().map(|square| square as f32).collect();
                Method::Search { importance: Some(importance) }
            }
            (Self::Gptq { damping, order, .. }, Some(layer)) => match layer.hessian() {
                Some(hessian) => {
                    Method::Gptq(Gptq { hessian: Arc::clone(hessian), damping: *damping, order: *order })
                }
                None => Method::Search { importance: None },
            },
            (Self::Mse | Self::Weighted(_) | Self::Gptq { .. }, _) => Method::Search { importance: None },
        }
    }
}

/// As which numbers of 16 bits finite ones are stored that take so many bytes; `None` where they stay as they are,
/// because they take no more already, or one of them would be infinite.
pub(crate) fn halved(numbers: Weights<'_>, bytes: usize) -> Option<Half> {
    if bytes <= 2 * numbers.count() {
        return None;
    }
    let mut buffer = Vec::new();
    let mut all = |fits: fn(&f32) -> bool| {
        numbers.chunks(at_once(1)).all(|some| some.numbers(&mut buffer).iter().all(fits))
    };
    if all(|number| number.abs() <= LARGEST_F16) {
        Some(Half::F16)
    } else {
        all(|&number| half::bf16::from_f32(number).is_finite()).then_some(Half::Bf16)
    }
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
    /// How many bytes the file has, or all files of the folder.
    pub file_bytes: u64,
    /// How many tensors an earlier run had packed.
    pub resumed: usize,
    /// The packed tensors of which a calibration that [`Rounding`] goes by has seen nothing, and which are done as by
    /// [`Rounding::Mse`].
    pub unseen: Vec<String>,
    /// The tensors that got more bits, as [`Settings::promote`] says.
    pub promoted: Vec<Promotion>,
    /// The patterns of the [policy](Settings::policy)'s rules that fit no tensor.
    pub unused: Vec<String>,
}

/// A tensor that got more bits than was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// Its name.
    pub tensor: String,
    /// What was asked for.
    pub from: Bits,
    /// What it got.
    pub to: Bits,
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
/// `on_tensor` hears of each. A name that ends in `.safetensors` is given such a file, any other Parquet, and where it
/// is to have shards, a folder of such files. In memory
/// are the pages of one tensor at a time and what becomes of it. The file depends
/// neither on the number of threads nor on what was done by an earlier run.
///
/// Parts of an earlier run are used where they were made by this version of the crate from the same tensor by the
/// same scheme and method, and are whole; the folder is removed when the file is there, and stays when the work
/// fails, is cancelled or killed.
///
/// # Errors
/// [`Tensor`](crate::QuantError::Tensor) with the name of the tensor that cannot be quantised, or of which another
/// number of channels was seen; [`NoTensor`](crate::QuantError::NoTensor) for what was seen of another model;
/// [`Name`](crate::QuantError::Name) when parts of a tensor would be called as another one in a safetensors file;
/// [`Parts`](crate::QuantError::Parts) when another run keeps its parts in the same folder, or it is somebody
/// else's; [`Io`](crate::QuantError::Io) and [`System`](crate::QuantError::System) when the file cannot be written;
/// [`Threads`](crate::QuantError::Threads) when the system refuses them;
/// [`Cancelled`](crate::QuantError::Cancelled).
pub fn quantize(
    model: &Model,
    path: &Path,
    settings: &Settings,
    metadata: BTreeMap<String, String>,
    cancel: &Cancel,
    mut on_tensor: impl FnMut(&TensorReport) + Send,
) -> Result<Report> {
    settings.rounding.check(model)?;
    on_threads(settings.threads, || {
        if is_named(path) {
            check_names(model, |tensor| {
                matches!(settings.policy.treatment(tensor, settings.scheme), Treatment::Quantize(_))
            })?;
        }
        let writer = match settings.shard_size {
            None => ModelWriter::create(path, metadata)?,
            Some(most) => ModelWriter::create_shards(path, metadata, most)?,
        };
        let parts = settings.resume.then(|| Parts::open(path)).transpose()?;
        let (unseen, promoted) = (Vec::new(), Vec::new());
        let mut work = Work { model, settings, cancel, writer, parts, resumed: 0, unseen, promoted };
        let mut tensors = Vec::new();
        for tensor in model.tensors() {
            cancel.check()?;
            let report = work.tensor(&tensor).map_err(|error| error.of(&tensor))?;
            model.release(tensor.name)?;
            on_tensor(&report);
            tensors.push(report);
        }
        cancel.check()?;
        let Work { writer, parts, resumed, unseen, promoted, .. } = work;
        let file_bytes = writer.finish()?.bytes;
        parts.map_or(Ok(()), Parts::remove)?;
        let unused = settings.policy.unused(model);
        Ok(Report { tensors, file_bytes, resumed, unseen, promoted, unused })
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

/// What is needed for each tensor.
struct Work<'a> {
    model: &'a Model,
    settings: &'a Settings,
    cancel: &'a Cancel,
    writer: ModelWriter,
    parts: Option<Parts>,
    resumed: usize,
    unseen: Vec<String>,
    promoted: Vec<Promotion>,
}

/// A tensor that is packed.
struct Packed {
    matrix: Quantized,
    quality: Quality,
    is_resumed: bool,
}

impl<'a> Work<'a> {
    /// Writes a tensor as the settings say.
    fn tensor(&mut self, tensor: &Tensor<'_>) -> Result<TensorReport> {
        let kept = TensorReport::kept(tensor);
        let changed = match self.settings.policy.treatment(tensor, self.settings.scheme) {
            Treatment::Quantize(scheme) => self.pack(tensor, scheme),
            Treatment::Halve if tensor.bytes.len() > 2 * kept.count() => self.halve(tensor),
            Treatment::Halve | Treatment::Keep => {
                self.writer.keep(tensor)?;
                return Ok(kept);
            }
        };
        match changed {
            Ok(Changed { stored, bytes_after, output_error }) => {
                Ok(TensorReport { stored, bytes_after, output_error, not_finite: Some(0), ..kept })
            }
            Err(QuantError::NotFinite { nans, infinities, .. })
                if self.settings.non_finite == NonFinite::Keep =>
            {
                self.writer.keep(tensor)?;
                Ok(TensorReport { not_finite: Some(nans + infinities), ..kept })
            }
            Err(error) => Err(error),
        }
    }

    /// What is known of the inputs of a layer, to tell how far off its outputs are.
    fn outputs(&self, tensor: &Tensor<'_>) -> Option<Outputs<'a>> {
        self.settings.rounding.calibration()?.layer(tensor.name)?.outputs()
    }

    /// Writes a tensor as packed codes. Where some numbers are not finite, nothing is written.
    fn pack(&mut self, tensor: &Tensor<'_>, asked: Scheme) -> Result<Changed> {
        let method = self.settings.rounding.method(tensor.name);
        let is_near = |quality: &Quality| self.settings.promote.is_none_or(|gates| gates.pass(quality));
        let (mut scheme, mut prepared) = (asked, None);
        // A width that does not do is given back before the next is made.
        let Packed { matrix, quality, is_resumed } = loop {
            let made = self.packed(tensor, scheme, &method, &mut prepared)?;
            match scheme.bits.wider() {
                Some(bits) if !is_near(&made.quality) => scheme.bits = bits,
                _ => break made,
            }
        };
        self.resumed += usize::from(is_resumed);
        if scheme.bits != asked.bits {
            let tensor = tensor.name.to_owned();
            self.promoted.push(Promotion { tensor, from: asked.bits, to: scheme.bits });
        }
        if self.settings.rounding.calibration().is_some_and(|seen| seen.layer(tensor.name).is_none()) {
            self.unseen.push(tensor.name.to_owned());
        }
        let mut outputs = self.outputs(tensor);
        if let Some(outputs) = &mut outputs {
            let weights = Weights::of(tensor)?;
            matrix.chunks(self.cancel, |first, values| {
                outputs.add(weights.some(first..first + values.len()), values);
            })?;
        }
        self.model.release(tensor.name)?;
        self.writer.write(tensor, &matrix, quality)?;
        Ok(Changed {
            stored: Stored::Packed {
                scheme,
                columns: matrix.columns,
                scale_unit: matrix.scale_unit,
                quality,
            },
            bytes_after: matrix.bytes(),
            output_error: outputs.map(|outputs| outputs.error()),
        })
    }

    /// What becomes of a tensor that is packed so, which a run before may have found; otherwise `method` is prepared,
    /// unless it is already.
    fn packed<'m>(
        &self,
        tensor: &Tensor<'_>,
        scheme: Scheme,
        method: &'m Method,
        prepared: &mut Option<Prepared<'m>>,
    ) -> Result<Packed> {
        let key = self.parts.as_ref().map(|parts| (parts, Key::of(tensor, scheme, method)));
        if let Some((parts, key)) = &key
            && let Some((matrix, quality)) = parts.load(*key, tensor, scheme, self.cancel)?
        {
            return Ok(Packed { matrix, quality, is_resumed: true });
        }
        let (weights, columns) = (Weights::of(tensor)?, tensor.columns());
        let prepared = match prepared {
            Some(prepared) => prepared,
            None => prepared.insert(method.prepared(columns)?),
        };
        let (matrix, quality) = Quantized::measured_of(weights, columns, scheme, prepared, self.cancel)?;
        if let Some((parts, key)) = key {
            parts.save(key, tensor, &matrix, quality)?;
        }
        Ok(Packed { matrix, quality, is_resumed: false })
    }

    /// Writes a tensor as numbers of 16 bits, or as it is where they would be infinite; likewise.
    fn halve(&mut self, tensor: &Tensor<'_>) -> Result<Changed> {
        let weights = Weights::of(tensor)?;
        not_finite(weights).map_or(Ok(()), Err)?;
        let Some(kind) = halved(weights, tensor.bytes.len()) else {
            self.writer.keep(tensor)?;
            return Ok(Changed { stored: Stored::Kept, bytes_after: tensor.bytes.len(), output_error: None });
        };
        let quality = self.writer.halve_weights(tensor, weights, kind)?;
        let mut outputs = self.outputs(tensor);
        if let Some(outputs) = &mut outputs {
            let (mut numbers, mut values) = (Vec::new(), Vec::new());
            for some in weights.chunks(at_once(tensor.columns())) {
                self.cancel.check()?;
                values.clear();
                dtype::append(kind.dtype(), &kind.bytes(some.numbers(&mut numbers)), &mut values);
                outputs.add(some, &values);
            }
        }
        Ok(Changed {
            stored: Stored::Half { kind, quality },
            bytes_after: 2 * weights.count(),
            output_error: outputs.map(|outputs| outputs.error()),
        })
    }
}

/// What became of a tensor that is not kept as it was.
struct Changed {
    stored: Stored,
    bytes_after: usize,
    output_error: Option<f64>,
}

#[cfg(test)]
mod tests;
