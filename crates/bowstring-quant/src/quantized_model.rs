//! Which weights does a file of packed ones have?

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
};

use bowstring_core::{Cancel, nearest};
use bowstring_io::Dataset;
use indexmap::IndexMap;
use rayon::prelude::*;
use safetensors::Dtype;

use crate::{
    Half, LayerInputs, Quality, QuantError, Quantized, Result, ScaleType, Scheme, Tensor,
    described::Known,
    dtype,
    file::{self, KEPT},
    mapped::Mapped,
    matrix::{block, have_bytes},
    named::is_named,
    pack::has_length,
    quality::Tally,
    rows, shards,
    weights::{Weights, at_once},
};

/// The packed weights of a model, as [`ModelWriter`](crate::ModelWriter) writes them. Opening reads what is said
/// of the tensors; their bytes are read when they are asked for. A safetensors file is mapped into memory: whoever
/// shortens it meanwhile makes the system end this process.
#[derive(Debug)]
pub struct QuantizedModel {
    path: PathBuf,
    opened: Opened,
}

/// What a file says, and where its bytes are.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tensors: IndexMap<String, QuantizedTensor>,
    pub(crate) source: Source,
}

/// Where the bytes of a file are.
#[derive(Debug)]
pub(crate) enum Source {
    /// In rows of Parquet, in a file of this version.
    Rows(Dataset, String),
    /// In tensors of safetensors.
    Mapped(Mapped),
}

/// Bytes of a tensor that stand together: its codes or numbers, its scales, its offsets.
pub(crate) struct Piece<'a> {
    /// Which row of the file, where it has such.
    pub(crate) row: Option<usize>,
    /// How many numbers they are.
    pub(crate) count: usize,
    /// What they come to, by the file's account.
    pub(crate) checksum: u64,
    pub(crate) bytes: [&'a [u8]; 3],
}

/// What a file says of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedTensor {
    /// The type that it had.
    pub dtype: Dtype,
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// How it is stored.
    pub stored: Stored,
    /// How many numbers its rows have.
    pub(crate) count: usize,
    /// The rows of the file that it stands in, if it has such.
    pub(crate) rows: Vec<usize>,
}

impl QuantizedTensor {
    /// One that stands in no rows.
    pub(crate) fn whole(known: Known) -> Self {
        let Known { dtype, shape, count, stored } = known;
        Self { dtype, shape, stored, count, rows: Vec::new() }
    }

    /// How many weights an output channel has.
    pub(crate) fn columns(&self) -> usize {
        let axes = || self.shape.iter().skip(1).fold(1, |all: usize, &size| all.saturating_mul(size));
        self.stored.columns().unwrap_or_else(axes)
    }
}

/// How a tensor is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stored {
    /// As it was.
    Kept,
    /// As the nearest numbers of 16 bits.
    Half {
        /// Which.
        kind: Half,
        /// How far the numbers are off.
        quality: Quality,
    },
    /// As packed codes.
    Packed {
        /// The scheme.
        scheme: Scheme,
        /// How many weights an output channel has: the tensor is a matrix of rows of so many.
        columns: usize,
        /// What its scales count in: [`Quantized::scale_unit`].
        scale_unit: f32,
        /// How far the weights are off.
        quality: Quality,
    },
}

impl Stored {
    /// The name of what a tensor is stored as: `kept`, `f16`, `bf16`, or the offset of its scheme.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kept => KEPT,
            Self::Half { kind, .. } => kind.name(),
            Self::Packed { scheme, .. } => scheme.offset.name(),
        }
    }

    /// How it is packed, if it is.
    pub fn scheme(&self) -> Option<Scheme> {
        match *self {
            Self::Packed { scheme, .. } => Some(scheme),
            Self::Kept | Self::Half { .. } => None,
        }
    }

    /// How many weights an output channel has, if it is packed.
    pub(crate) fn columns(&self) -> Option<usize> {
        match *self {
            Self::Packed { columns, .. } => Some(columns),
            Self::Kept | Self::Half { .. } => None,
        }
    }

    /// The axis of a tensor of this shape that groups run along, which is that of the input channels, with those
    /// after it as one; `None` where it is not packed, or rows end within an axis.
    pub(crate) fn group_axis(&self, shape: &[usize]) -> Option<u8> {
        let columns = self.columns()?;
        let axis = [1, 0].into_iter().chain(2..shape.len()).find(|&axis| is_row(shape, axis, columns))?;
        u8::try_from(axis).ok()
    }

    /// What its scales count in, if they are of 8 bits.
    pub(crate) fn scale_unit(&self) -> Option<f32> {
        match *self {
            Self::Packed { scheme, scale_unit, .. } => {
                (scheme.scale_type == ScaleType::F8).then_some(scale_unit)
            }
            Self::Kept | Self::Half { .. } => None,
        }
    }

    /// How far the numbers are off; `None` where they are as they were.
    pub fn quality(&self) -> Option<Quality> {
        match *self {
            Self::Kept => None,
            Self::Half { quality, .. } | Self::Packed { quality, .. } => Some(quality),
        }
    }
}

/// Whether an axis of a tensor, with those after it, is a row of so many weights.
pub(crate) fn is_row(shape: &[usize], axis: usize, columns: usize) -> bool {
    let row = shape.get(axis..).filter(|row| !row.is_empty());
    row.and_then(|row| row.iter().try_fold(1, |all: usize, &size| all.checked_mul(size))) == Some(columns)
}

/// How far off a tensor is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Its numbers.
    pub quality: Quality,
    /// The outputs of the layer whose weights it has, as [`LayerInputs::output_error`] has it, where inputs were seen.
    pub output_error: Option<f64>,
}

impl QuantizedModel {
    /// Opens a file, Parquet or safetensors, or the folder of several that [`ModelWriter`](crate::ModelWriter) writes.
    ///
    /// # Errors
    /// [`QuantError::Io`] and [`QuantError::System`] when it cannot be read; [`QuantError::Io`] and
    /// [`QuantError::Header`] when it is neither; [`QuantError::Version`] for another version, or none;
    /// [`QuantError::Row`] when it says what cannot be.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let opened = if is_safetensors(path) { Mapped::open(path)? } else { rows::open(path)? };
        Ok(Self { path: path.to_owned(), opened })
    }

    /// Whether a folder has a file as those of several are called.
    pub fn is_folder(path: &Path) -> bool {
        shards::is_folder(path)
    }

    /// The file, or the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors by their names, in the order of the file.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = (&str, &QuantizedTensor)> {
        self.opened.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// What was given to the file beside its tensors.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.opened.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What is said of a tensor.
    ///
    /// # Errors
    /// [`QuantError::NoTensor`] when there is none of this name.
    pub fn tensor(&self, name: &str) -> Result<&QuantizedTensor> {
        self.opened.tensors.get(name).ok_or_else(|| QuantError::NoTensor {
            tensor: name.to_owned(),
            nearest: nearest(name, self.opened.tensors.keys().map(String::as_str)).map(str::to_owned),
        })
    }

    /// The numbers of a tensor, row by row, in place of what `numbers` has: what the codes stand for, or those
    /// that it had.
    ///
    /// # Errors
    /// [`QuantError::NoTensor`]; [`QuantError::Dtype`] for one of whole numbers or flags; [`QuantError::Io`];
    /// [`QuantError::Row`] for bytes that are not those that were written.
    pub fn read(&self, name: &str, numbers: &mut Vec<f32>, cancel: &Cancel) -> Result<()> {
        numbers.clear();
        let tensor = self.floats(name)?;
        self.pieces(name, tensor, cancel, |piece| append(tensor, piece, 0..piece.count, numbers))
    }

    /// The same as the bits of numbers of 16 bits, the nearest ones, which may be infinite. In memory are some rows of
    /// single precision beside them.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_to_half(&self, name: &str, kind: Half, halves: &mut Vec<u16>, cancel: &Cancel) -> Result<()> {
        halves.clear();
        let tensor = self.floats(name)?;
        self.chunks(name, tensor, tensor.columns(), cancel, |first, numbers| {
            halves.resize(first + numbers.len(), 0);
            kind.write(numbers, &mut halves[first..]);
            Ok(())
        })
    }

    /// What is said of a tensor of floats.
    fn floats(&self, name: &str) -> Result<&QuantizedTensor> {
        let tensor = self.tensor(name)?;
        if tensor.stored == Stored::Kept && !dtype::is_float(tensor.dtype) {
            return Err(QuantError::Dtype { tensor: name.to_owned(), dtype: tensor.dtype });
        }
        Ok(tensor)
    }

    /// The little-endian bytes of a tensor that is as it was, whole numbers and flags too; `None` of any other.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for the type.
    pub fn kept(&self, name: &str, cancel: &Cancel) -> Result<Option<Vec<u8>>> {
        let tensor = self.tensor(name)?;
        if tensor.stored != Stored::Kept {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.pieces(name, tensor, cancel, |piece| {
            bytes.extend_from_slice(piece.bytes[0]);
            Ok(())
        })?;
        Ok(Some(bytes))
    }

    /// Reads the bytes of a tensor, which have to be those that were written, and as many as it takes.
    ///
    /// # Errors
    /// As [`kept`](Self::kept).
    pub fn check(&self, name: &str, cancel: &Cancel) -> Result<()> {
        let tensor = self.tensor(name)?;
        self.pieces(name, tensor, cancel, |_| Ok(()))
    }

    /// How far a tensor is off from the `original` one, without room for either; `None` where it is as it was. With
    /// what was seen of the `inputs` of the layer whose weights it has, its outputs are compared too. Runs on the
    /// threads of the current rayon pool.
    ///
    /// # Errors
    /// As [`check`](Self::check); [`QuantError::OtherModel`] when type or shape are other ones, or numbers where they
    /// should be as they were; [`QuantError::Length`] for another number of channels.
    pub fn measure(
        &self,
        name: &str,
        original: &Tensor<'_>,
        inputs: Option<&LayerInputs>,
        cancel: &Cancel,
    ) -> Result<Option<Measured>> {
        let other =
            |reason| Err(QuantError::OtherModel { path: self.path.clone(), tensor: name.to_owned(), reason });
        let tensor = self.tensor(name)?;
        if (tensor.dtype, tensor.shape.as_slice()) != (original.dtype, original.shape) {
            return other("has another type or shape");
        }
        if tensor.stored == Stored::Kept {
            let (mut first, mut is_same) = (0, true);
            self.pieces(name, tensor, cancel, |piece| {
                let bytes = piece.bytes[0];
                is_same &= original.bytes.get(first..first + bytes.len()) == Some(bytes);
                first += bytes.len();
                Ok(())
            })?;
            return if is_same && first == original.bytes.len() {
                Ok(None)
            } else {
                other("has other numbers")
            };
        }
        let columns = tensor.columns();
        if let Some(inputs) = inputs {
            has_length("channels of inputs", inputs.channels(), columns)
                .map_err(|error| error.of(original))?;
        }
        let weights = Weights::of(original)?;
        let (mut tally, mut outputs) = (Tally::default(), inputs.and_then(LayerInputs::outputs));
        self.chunks(name, tensor, columns, cancel, |first, values| {
            let some = weights.some(first..first + values.len());
            let step = (block(columns) * columns).max(1);
            let tallies: Vec<Tally> = values
                .par_chunks(step)
                .enumerate()
                .map_init(Vec::new, |buffer, (index, values)| {
                    let first = index * step;
                    let weights = some.some(first..first + values.len()).numbers(buffer);
                    Tally::of_rows(weights, values, columns)
                })
                .collect();
            tally = tallies.into_iter().fold(tally, Tally::and);
            if let Some(outputs) = &mut outputs {
                outputs.add(some, values);
            }
            Ok(())
        })?;
        Ok(Some(Measured { quality: tally.quality(), output_error: outputs.map(|outputs| outputs.error()) }))
    }

    /// Gives the numbers of a tensor of floats to `each`, [whole rows](at_once) of `columns` at a time, with the number
    /// of the first.
    pub(crate) fn chunks(
        &self,
        name: &str,
        tensor: &QuantizedTensor,
        columns: usize,
        cancel: &Cancel,
        mut each: impl FnMut(usize, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let (mut chunk, mut before) = (Vec::new(), 0);
        self.pieces(name, tensor, cancel, |piece| {
            let mut done = 0;
            while done < piece.count {
                cancel.check()?;
                let end = piece.count.min(done + at_once(columns) - chunk.len());
                append(tensor, piece, done..end, &mut chunk)?;
                done = end;
                if chunk.len() == at_once(columns) {
                    each(before, &chunk)?;
                    before += chunk.len();
                    chunk.clear();
                }
            }
            Ok(())
        })?;
        if chunk.is_empty() { Ok(()) } else { each(before, &chunk) }
    }

    /// The packed matrix of a tensor; `None` of one that is not packed.
    ///
    /// # Errors
    /// [`QuantError::NoTensor`]; [`QuantError::Io`]; [`QuantError::Row`] for bytes that are not those that were
    /// written.
    pub fn matrix(&self, name: &str, cancel: &Cancel) -> Result<Option<Quantized>> {
        let tensor = self.tensor(name)?;
        let Stored::Packed { scheme, columns, scale_unit, .. } = tensor.stored else { return Ok(None) };
        let rows = tensor.count.checked_div(columns).unwrap_or(0);
        let (codes, scales, offsets) = (Vec::new(), Vec::new(), Vec::new());
        let mut matrix = Quantized { scheme, rows, columns, scale_unit, codes, scales, offsets };
        self.pieces(name, tensor, cancel, |piece| {
            let [codes, scales, offsets] = piece.bytes;
            matrix.codes.extend_from_slice(codes);
            matrix.scales.extend_from_slice(scales);
            matrix.offsets.extend_from_slice(offsets);
            Ok(())
        })?;
        let row = tensor.rows.first().copied();
        matrix.check().map_err(|error| self.wrong(row, format!("`{name}`: {error}")))?;
        Ok(Some(matrix))
    }

    /// Gives the bytes of a tensor to `each`, once they are found to be those that were written, and as many as the
    /// numbers take.
    pub(crate) fn pieces(
        &self,
        name: &str,
        tensor: &QuantizedTensor,
        cancel: &Cancel,
        mut each: impl FnMut(&Piece<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut count = 0;
        let checked = |piece: Piece<'_>| {
            if file::checksum(piece.bytes) != piece.checksum {
                let reason = format!("`{name}` has other bytes than those that were written");
                return Err(self.wrong(piece.row, reason));
            }
            self.has_its_bytes(name, tensor, &piece)?;
            count += piece.count;
            each(&piece)
        };
        match &self.opened.source {
            Source::Rows(dataset, version) => {
                rows::pieces((dataset, version), &self.path, name, tensor, cancel, checked)?;
            }
            Source::Mapped(mapped) => {
                let result = mapped.piece(name, tensor).map_or(Ok(()), checked);
                mapped.release(name);
                result?;
            }
        }
        // Rows are found by what the file says of its pages, which may be damaged too.
        if count == tensor.count {
            return Ok(());
        }
        Err(self.wrong(tensor.rows.first().copied(), format!("numbers of `{name}` are missing")))
    }

    /// That a piece has as many bytes as its numbers take; before room is made for them, so that a lie about the size
    /// takes no memory.
    fn has_its_bytes(&self, name: &str, tensor: &QuantizedTensor, piece: &Piece<'_>) -> Result<()> {
        let Piece { row, count, bytes, .. } = *piece;
        let takes = |dtype: Dtype| count.checked_mul(dtype.bitsize() / 8) == Some(bytes[0].len());
        let fits = match tensor.stored {
            Stored::Kept => takes(tensor.dtype),
            Stored::Half { kind, .. } => takes(kind.dtype()),
            Stored::Packed { scheme, columns, .. } => {
                let rows = count.checked_div(columns).unwrap_or(0);
                have_bytes(scheme, rows, columns, bytes)
                    .map_err(|error| self.wrong(row, format!("`{name}`: {error}")))?;
                rows * columns == count
            }
        };
        match fits {
            true => Ok(()),
            false => Err(self.wrong(row, format!("`{name}` has too few bytes, or too many"))),
        }
    }

    fn wrong(&self, row: Option<usize>, reason: String) -> QuantError {
        wrong(&self.path, row, reason)
    }
}

/// Appends the numbers of a piece that stand in a range of it, whole rows of one that is packed.
fn append(
    tensor: &QuantizedTensor,
    piece: &Piece<'_>,
    range: Range<usize>,
    numbers: &mut Vec<f32>,
) -> Result<()> {
    let Range { start, end } = range;
    let [codes, scales, offsets] = piece.bytes;
    let mut plain = |dtype: Dtype| {
        let size = dtype.bitsize() / 8;
        dtype::append(dtype, &codes[start * size..end * size], numbers);
    };
    match tensor.stored {
        Stored::Kept => plain(tensor.dtype),
        Stored::Half { kind, .. } => plain(kind.dtype()),
        Stored::Packed { scheme, columns, scale_unit, .. } => {
            let strides = scheme.strides(columns);
            let (first, rows) = (start / columns.max(1), (end - start) / columns.max(1));
            let part = |stride: usize| first * stride..(first + rows) * stride;
            let matrix = Quantized {
                scheme,
                rows,
                columns,
                scale_unit,
                codes: &codes[part(strides.codes)],
                scales: &scales[part(strides.scales)],
                offsets: &offsets[part(strides.offsets)],
            };
            let before = numbers.len();
            numbers.resize(before + rows * columns, 0.0);
            matrix.dequantize(&mut numbers[before..])?;
        }
    }
    Ok(())
}

/// Of a file that says what cannot be.
pub(crate) fn wrong(path: &Path, row: Option<usize>, reason: String) -> QuantError {
    QuantError::Row { path: path.to_owned(), row, reason }
}

/// Whether a file is to be read as safetensors: by its first bytes, or by its name where they say nothing.
fn is_safetensors(path: &Path) -> bool {
    let mut first = [0; 9];
    match File::open(path).and_then(|mut file| file.read_exact(&mut first)) {
        Ok(()) if first.starts_with(b"PAR1") => false,
        Ok(()) if first.ends_with(b"{") => true,
        _ => !path.is_dir() && is_named(path),
    }
}

#[cfg(test)]
mod tests;
