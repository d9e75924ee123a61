//! How does a model become one whose layers are given channels of more even sizes?
//!
//! [`Equalization`] says by which powers of two the channels between some layers are divided, and their weights
//! multiplied. Sizes of inputs are the square roots of their mean squares in a [`Calibration`], where SmoothQuant (Xiao et
//! al. 2023) has their maxima: one odd input then does not decide. No number may change but by its factor: where a type
//! does not have the product, the factor of the channel is brought nearer to 1 until it has, so that the model computes
//! what it did, bit for bit, as long as no result under- or overflows.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use bowstring_core::Cancel;
use bowstring_io::{IoError, WriteMode, write_file};

use crate::{
    Calibration, Equalization, Model, QuantError, Result, Tensor, dense::header, dtype::Encoder,
    dtype::exactly, matrix::not_finite, pack::has_length, raise_to_columns, weights::Weights,
};

/// What makes some channels, and what reads them, with nothing between that is not linear for each channel by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Couple {
    /// The names of all tensors that the channels come from: a norm's weight and bias, or a layer's weights and bias,
    /// whose first axis are the channels.
    pub writers: Vec<String>,
    /// The names of the weights of all layers that read them, whose second axis are the channels.
    pub readers: Vec<String>,
}

/// By what the channels of a model were divided.
#[derive(Clone, Debug, PartialEq)]
pub struct Equalized {
    /// For each couple, the factor of each channel: a power of two.
    pub factors: Vec<Vec<f32>>,
    /// For each couple, of how many channels the factor is nearer to 1 than it would be, as a number would not have
    /// stayed exact.
    pub limited: Vec<usize>,
    /// How many bytes the file has.
    pub file_bytes: u64,
}

/// Writes a model with more even channels into a safetensors file, which appears as a whole or not at all: the same
/// tensors, in one file, in the order of the reference library. `strength` is as [`Equalization::of`] has it, .5 in the
/// paper. `on_tensor` hears of each name. In memory is one tensor of a couple at a time, 64 bits for each number.
///
/// # Errors
/// [`QuantError::NoTensor`] for a name that the model does not have; [`QuantError::Couple`] for a couple without writers
/// or readers, tensors that are no floats or do not have the channels, or are in two couples in the same part;
/// [`QuantError::Unseen`] when nothing was seen of a reader's inputs; [`QuantError::Tensor`] with
/// [`QuantError::NotFinite`] when one has such numbers; [`QuantError::Option`] for another strength;
/// [`QuantError::Index`] when two files say something else under the same key of their metadata;
/// [`QuantError::Io`] when the file cannot be written; [`QuantError::Cancelled`].
pub fn equalize(
    model: &Model,
    couples: &[Couple],
    calibration: &Calibration,
    strength: f32,
    path: &Path,
    cancel: &Cancel,
    mut on_tensor: impl FnMut(&str),
) -> Result<Equalized> {
    let metadata = metadata(model)?;
    let mut folds: HashMap<&str, Vec<Fold>> = HashMap::new();
    let (mut factors, mut limited) = (Vec::new(), Vec::new());
    let mut known = HashSet::new();
    for (place, couple) in couples.iter().enumerate() {
        cancel.check()?;
        let checked = Checked::of(model, couple, place, &mut known)?;
        let wanted = checked.wanted(calibration, strength)?;
        let found = checked.exact(&wanted, &folds, cancel)?;
        limited.push(wanted.iter().zip(&found).filter(|(wanted, found)| wanted != found).count());
        for (tensors, is_reader) in [(&couple.writers, false), (&couple.readers, true)] {
            for name in tensors {
                folds.entry(name).or_default().push(Fold { factors: found.clone(), is_reader });
            }
        }
        factors.push(found.into_iter().map(|factor| factor as f32).collect());
    }
    let mut tensors: Vec<Tensor<'_>> = model.tensors().collect();
    tensors.sort_by(|left, right| right.dtype.cmp(&left.dtype).then(left.name.cmp(right.name)));
    let shapes: Vec<_> = tensors.iter().map(|tensor| (tensor.name, tensor.dtype, tensor.shape)).collect();
    let source = tensors.first().map_or(path, |tensor| tensor.file);
    let (header, bytes) = header(source, &shapes, metadata)?;
    write_file(path, WriteMode::Overwrite, |out| {
        let mut put = |bytes: &[u8]| {
            let refused = |source| IoError::System { action: "write", path: path.to_owned(), source };
            out.write_all(bytes).map_err(refused)
        };
        put(&(header.len() as u64).to_le_bytes())?;
        put(&header)?;
        for tensor in &tensors {
            cancel.check()?;
            match folds.get(tensor.name) {
                None => put(tensor.bytes)?,
                Some(folds) => put(&folded(tensor, folds)?)?,
            }
            model.release(tensor.name)?;
            on_tensor(tensor.name);
        }
        Ok::<_, QuantError>(cancel.check()?)
    })?;
    let file_bytes = (size_of::<u64>() + header.len() + bytes) as u64;
    Ok(Equalized { factors, limited, file_bytes })
}

/// What becomes of a tensor.
struct Fold {
    factors: Vec<f64>,
    is_reader: bool,
}

impl Fold {
    /// What a number is multiplied by, of a tensor of this shape.
    fn factor(&self, shape: &[usize], place: usize) -> f64 {
        let inner = |axis: usize| shape.iter().skip(axis).product::<usize>().max(1);
        match self.is_reader {
            true => self.factors[place / inner(2) % self.factors.len().max(1)],
            false => 1.0 / self.factors[place / inner(1)],
        }
    }
}

/// A number after all couples so far.
fn multiplied(number: f64, folds: &[Fold], shape: &[usize], place: usize) -> f64 {
    folds.iter().fold(number, |number, fold| number * fold.factor(shape, place))
}

/// The bytes of a tensor whose channels are multiplied: every product is one that its type has.
fn folded(tensor: &Tensor<'_>, folds: &[Fold]) -> Result<Vec<u8>> {
    let (encoder, mut bytes) = (Encoder::of(tensor.dtype), Vec::with_capacity(tensor.bytes.len()));
    for (place, number) in numbers(tensor)?.into_iter().enumerate() {
        let product = multiplied(number, folds, tensor.shape, place);
        if !encoder.put(product, &mut bytes) {
            let expected = "one that its type has, as all factors were chosen";
            return Err(QuantError::Number { what: "product", place, value: product, expected });
        }
    }
    Ok(bytes)
}

fn numbers(tensor: &Tensor<'_>) -> Result<Vec<f64>> {
    exactly(tensor.dtype, tensor.bytes)
        .ok_or_else(|| QuantError::Dtype { tensor: tensor.name.to_owned(), dtype: tensor.dtype })
}

/// A couple whose tensors are there and fit.
struct Checked<'a> {
    channels: usize,
    writers: Vec<Tensor<'a>>,
    readers: Vec<Tensor<'a>>,
}

impl<'a> Checked<'a> {
    fn of(
        model: &'a Model,
        couple: &Couple,
        place: usize,
        known: &mut HashSet<(bool, String)>,
    ) -> Result<Self> {
        let refused = |tensor: &str, reason: String| QuantError::Couple {
            couple: place,
            tensor: tensor.to_owned(),
            reason,
        };
        let mut of = |names: &[String], is_reader: bool| {
            let axis = usize::from(is_reader);
            let mut tensors = Vec::with_capacity(names.len());
            for name in names {
                let tensor = model.tensor(name)?;
                if !tensor.is_float() {
                    return Err(refused(name, format!("is of type {}", tensor.dtype)));
                }
                if tensor.shape.len() <= axis {
                    return Err(refused(name, format!("has no axis {axis} of channels")));
                }
                if !known.insert((is_reader, name.clone())) {
                    let part = if is_reader { "reads" } else { "writes" };
                    return Err(refused(name, format!("{part} channels of two couples, or twice")));
                }
                tensors.push(tensor);
            }
            Ok(tensors)
        };
        let (writers, readers) = (of(&couple.writers, false)?, of(&couple.readers, true)?);
        let (Some(writer), false) = (writers.first(), readers.is_empty()) else {
            let missing = if writers.is_empty() { "writers" } else { "readers" };
            return Err(refused("", format!("has no {missing}")));
        };
        let channels = writer.shape[0];
        let lengths = writers.iter().map(|one| (one, 0)).chain(readers.iter().map(|one| (one, 1)));
        for (tensor, axis) in lengths {
            if tensor.shape[axis] != channels {
                let found = tensor.shape[axis];
                let reason = format!("has {found} channels where `{}` has {channels}", writer.name);
                return Err(refused(tensor.name, reason));
            }
            let weights = Weights::of(tensor)?;
            not_finite(weights).map_or(Ok(()), Err).map_err(|error: QuantError| error.of(tensor))?;
        }
        Ok(Self { channels, writers, readers })
    }

    /// The factors that even the channels out.
    fn wanted(&self, calibration: &Calibration, strength: f32) -> Result<Vec<f64>> {
        let (mut inputs, mut weights) = (vec![0.0_f32; self.channels], vec![0.0_f32; self.channels]);
        let mut room = Vec::new();
        for reader in &self.readers {
            let unseen = || QuantError::Unseen { tensor: reader.name.to_owned(), timestep: None };
            let layer = calibration.layer(reader.name).ok_or_else(unseen)?;
            has_length("channels of inputs", layer.channels(), reader.columns())
                .map_err(|error| error.of(reader))?;
            let squares = layer.mean_squares();
            let kernel = reader.columns().checked_div(self.channels).unwrap_or(0).max(1);
            for (input, squares) in inputs.iter_mut().zip(squares.chunks(kernel)) {
                let size = (squares.iter().sum::<f64>() / kernel as f64).sqrt();
                *input = input.max(size as f32);
            }
            reader.read(&mut room)?;
            raise_to_columns(&mut weights, &room, reader.columns())?;
        }
        let found = Equalization::of(&inputs, &weights, strength)?;
        Ok(found.factors().iter().map(|&factor| f64::from(factor)).collect())
    }

    /// The same, each as far from 1 as leaves every number exact that other couples have multiplied already.
    fn exact(&self, wanted: &[f64], others: &HashMap<&str, Vec<Fold>>, cancel: &Cancel) -> Result<Vec<f64>> {
        let mut factors = wanted.to_vec();
        let parts = [(&self.writers, false), (&self.readers, true)];
        loop {
            let fold_of = |is_reader| Fold { factors: factors.clone(), is_reader };
            let mut inexact = HashSet::new();
            for (tensors, is_reader) in parts {
                let fold = fold_of(is_reader);
                for tensor in tensors {
                    cancel.check()?;
                    let (encoder, mut room) = (Encoder::of(tensor.dtype), Vec::new());
                    let others = others.get(tensor.name).map_or(&[][..], Vec::as_slice);
                    let inner = |axis: usize| tensor.shape.iter().skip(axis).product::<usize>().max(1);
                    for (place, number) in numbers(tensor)?.into_iter().enumerate() {
                        room.clear();
                        let factor = fold.factor(tensor.shape, place);
                        let number = multiplied(number, others, tensor.shape, place);
                        let product = number * factor;
                        if product / factor != number || !encoder.put(product, &mut room) {
                            let channel = match is_reader {
                                true => place / inner(2) % self.channels,
                                false => place / inner(1),
                            };
                            inexact.insert(channel);
                        }
                    }
                }
            }
            if inexact.is_empty() {
                return Ok(factors);
            }
            // Half of the power, towards 1, at which every number is what it was.
            for channel in inexact {
                factors[channel] = (factors[channel].log2() / 2.0).trunc().exp2();
            }
        }
    }
}

/// What the files of a model say of themselves, together.
fn metadata(model: &Model) -> Result<HashMap<String, String>> {
    let mut all: HashMap<String, String> = HashMap::new();
    for (path, own) in model.metadata() {
        for (key, value) in own {
            if let Some(other) = all.insert(key.clone(), value.clone()).filter(|other| other != value) {
                let reason = format!("its metadata says `{key}` is `{value}`, another file `{other}`");
                return Err(QuantError::Index { path: path.to_owned(), reason });
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
