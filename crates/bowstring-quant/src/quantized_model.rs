//! Which weights does a file of packed ones have?

use std::path::{Path, PathBuf};

use arrow::{
    array::{Array, AsArray, RecordBatch, StringArray},
    datatypes::{Float64Type, UInt8Type, UInt32Type, UInt64Type},
};
use bowstring_core::{Cancel, nearest};
use bowstring_io::{CompareOp, Dataset, Format, Predicate, ReadOptions, Scan};
use indexmap::IndexMap;
use safetensors::Dtype;
use serde::Deserialize;

use crate::{
    Bits, Group, Half, Quality, QuantError, Quantized, Result, Scheme, dtype,
    file::{self, Column, KEPT, VERSION, VERSION_KEY},
};

/// The packed weights of a model, as [`ModelWriter`](crate::ModelWriter) writes them. Opening reads what is said
/// of the tensors; their bytes are read when they are asked for.
#[derive(Debug)]
pub struct QuantizedModel {
    path: PathBuf,
    dataset: Dataset,
    tensors: IndexMap<String, QuantizedTensor>,
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
    count: usize,
    /// The rows of the file that it stands in.
    rows: Vec<usize>,
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

    /// How far the numbers are off; `None` where they are as they were.
    pub fn quality(&self) -> Option<Quality> {
        match *self {
            Self::Kept => None,
            Self::Half { quality, .. } | Self::Packed { quality, .. } => Some(quality),
        }
    }
}

impl QuantizedModel {
    /// Opens a file.
    ///
    /// # Errors
    /// [`QuantError::Io`] when it cannot be read or is no Parquet; [`QuantError::Version`] for another version,
    /// or none; [`QuantError::Row`] when a row says what cannot be.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let options = ReadOptions { format: Some(Format::Parquet), ..ReadOptions::default() };
        let dataset = Dataset::open(&[path.to_owned()], &options)?;
        let expected = file::schema([]);
        let found = dataset.schema().metadata().get(VERSION_KEY);
        if found.map(String::as_str) != Some(VERSION) || dataset.schema().fields() != expected.fields() {
            return Err(QuantError::Version {
                path: path.to_owned(),
                found: found.cloned(),
                expected: VERSION,
            });
        }
        let mut model = Self { path: path.to_owned(), dataset, tensors: IndexMap::new() };
        let scan = Scan { projection: Some(Column::described()), ..Scan::default() };
        let mut row = 0;
        for part in model.dataset.split(&scan)? {
            for batch in model.dataset.read(&part, &scan, &Cancel::default())? {
                let batch = batch?;
                for index in 0..batch.num_rows() {
                    model.add(&batch, index, row).map_err(|reason| model.wrong(row, reason))?;
                    row += 1;
                }
            }
        }
        let cut =
            model.tensors.iter().find(|(_, tensor)| tensor.count != tensor.shape.iter().product::<usize>());
        if let Some((name, tensor)) = cut {
            let last = tensor.rows.last().copied().unwrap_or_default();
            return Err(model.wrong(last, format!("numbers of `{name}` are missing")));
        }
        Ok(model)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors by their names, in the order of the file.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = (&str, &QuantizedTensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// What was given to the file beside its tensors.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.dataset.schema().metadata().iter();
        all.filter(|(key, _)| *key != VERSION_KEY).map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What is said of a tensor.
    ///
    /// # Errors
    /// [`QuantError::NoTensor`] when there is none of this name.
    pub fn tensor(&self, name: &str) -> Result<&QuantizedTensor> {
        self.tensors.get(name).ok_or_else(|| QuantError::NoTensor {
            tensor: name.to_owned(),
            nearest: nearest(name, self.tensors.keys().map(String::as_str)).map(str::to_owned),
        })
    }

    /// The numbers of a tensor, row by row, in place of what `numbers` has: what the codes stand for, or those
    /// that it had.
    ///
    /// # Errors
    /// [`QuantError::NoTensor`]; [`QuantError::Dtype`] for one of whole numbers or flags; [`QuantError::Io`];
    /// [`QuantError::Row`] for bytes that are not those that were written.
    pub fn read(&self, name: &str, numbers: &mut Vec<f32>, cancel: &Cancel) -> Result<()> {
        let tensor = self.tensor(name)?;
        numbers.clear();
        let value = std::sync::Arc::new(StringArray::from(vec![name]));
        let predicate = Predicate::Compare(Column::Name as usize, CompareOp::Eq, value);
        let scan = Scan { predicate: Some(predicate), batch_rows: 1, ..Scan::default() };
        let mut rows = tensor.rows.iter();
        for part in self.dataset.split(&scan)? {
            for batch in self.dataset.read(&part, &scan, cancel)? {
                let row = rows.next().copied().unwrap_or_default();
                self.append(name, tensor, &batch?, numbers, row)?;
            }
        }
        // Rows are found by what the file says of its pages, which may be damaged too.
        if numbers.len() != tensor.count {
            let row = tensor.rows.first().copied().unwrap_or_default();
            return Err(self.wrong(row, format!("numbers of `{name}` are missing")));
        }
        Ok(())
    }

    fn append(
        &self,
        name: &str,
        tensor: &QuantizedTensor,
        batch: &RecordBatch,
        numbers: &mut Vec<f32>,
        row: usize,
    ) -> Result<()> {
        let wrong = |reason: &str| self.wrong(row, format!("`{name}` {reason}"));
        let bytes = |column: Column| -> &[u8] {
            let column = batch.column(column as usize).as_binary::<i32>();
            if column.is_null(0) { &[] } else { column.value(0) }
        };
        let [codes, scales, offsets] = [Column::Codes, Column::Scales, Column::Offsets].map(bytes);
        let checksum = batch.column(Column::Checksum as usize).as_primitive::<UInt64Type>().value(0);
        if file::checksum([codes, scales, offsets]) != checksum {
            return Err(wrong("has other bytes than those that were written"));
        }
        let Some(count) = usize_of(batch, Column::Count, 0) else {
            return Err(wrong("has a size beyond all memory"));
        };
        let before = numbers.len();
        match tensor.stored {
            Stored::Kept if !dtype::is_float(tensor.dtype) => {
                return Err(QuantError::Dtype { tensor: name.to_owned(), dtype: tensor.dtype });
            }
            Stored::Kept => {
                dtype::append(tensor.dtype, codes, numbers);
            }
            Stored::Half { kind, .. } => {
                dtype::append(kind.dtype(), codes, numbers);
            }
            Stored::Packed { scheme, columns, .. } => {
                let matrix = Quantized {
                    scheme,
                    rows: count.checked_div(columns).unwrap_or(0),
                    columns,
                    codes: codes.to_vec(),
                    scales: scales.to_vec(),
                    offsets: offsets.to_vec(),
                };
                // Before room is made, so that a lie about the size takes no memory.
                matrix.check().map_err(|error| self.wrong(row, format!("`{name}`: {error}")))?;
                numbers.resize(before + matrix.rows * columns, 0.0);
                matrix.dequantize(&mut numbers[before..])?;
            }
        }
        if numbers.len() - before == count { Ok(()) } else { Err(wrong("has too few bytes, or too many")) }
    }

    /// Adds what a row says; otherwise says why that cannot be.
    fn add(&mut self, batch: &RecordBatch, index: usize, row: usize) -> std::result::Result<(), String> {
        let text = |column: Column| -> Option<&str> {
            let column = batch.column(column as usize).as_string::<i32>();
            column.is_valid(index).then(|| column.value(index))
        };
        let number = |column| usize_of(batch, column, index);
        let name = text(Column::Name).unwrap_or_default();
        let dtype = text(Column::Dtype).unwrap_or_default();
        let read = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(dtype);
        let dtype = Dtype::deserialize(read).map_err(|error| format!("the type of `{name}`: {error}"))?;
        let shape = batch.column(Column::Shape as usize).as_list::<i32>().value(index);
        let shape: Option<Vec<usize>> =
            shape.as_primitive::<UInt64Type>().values().iter().map(|&size| size.try_into().ok()).collect();
        let total = shape
            .as_ref()
            .and_then(|shape| shape.iter().try_fold(1, |all: usize, &size| all.checked_mul(size)));
        let (Some(shape), Some(total)) = (shape, total) else {
            return Err(format!("the size of `{name}` is beyond all memory"));
        };
        let figure = |column: Column| -> Option<f64> {
            let column = batch.column(column as usize).as_primitive::<Float64Type>();
            column.is_valid(index).then(|| column.value(index))
        };
        let quality = || {
            let figures =
                [Column::Sqnr, Column::RelativeError, Column::Cosine, Column::LargestError].map(figure);
            let [Some(sqnr), Some(relative_error), Some(cosine), Some(largest_error)] = figures else {
                return Err(format!("`{name}` has no figures"));
            };
            Ok(Quality { sqnr, relative_error, cosine, largest_error })
        };
        let stored = match text(Column::Scheme).unwrap_or_default() {
            KEPT => Stored::Kept,
            scheme => match Half::of_name(scheme) {
                Some(kind) => Stored::Half { kind, quality: quality()? },
                None => {
                    let scheme = self::scheme(batch, index, scheme, text(Column::ScaleType));
                    let scheme = scheme.map_err(|error| format!("`{name}`: {error}"))?;
                    let columns =
                        number(Column::Columns).ok_or_else(|| format!("`{name}` has no columns"))?;
                    Stored::Packed { scheme, columns, quality: quality()? }
                }
            },
        };
        let (Some(first), Some(count)) = (number(Column::First), number(Column::Count)) else {
            return Err(format!("the size of `{name}` is beyond all memory"));
        };
        let new = QuantizedTensor { dtype, shape, stored, count, rows: vec![row] };
        let Some(known) = self.tensors.get_mut(name) else {
            if first != 0 || count > total {
                return Err(format!("`{name}` has {count} numbers from number {first} on, of {total}"));
            }
            self.tensors.insert(name.to_owned(), new);
            return Ok(());
        };
        let next = known.count;
        if (known.dtype, &known.shape, &known.stored) != (dtype, &new.shape, &new.stored) {
            Err(format!("rows of `{name}` do not agree"))
        } else if first != next || count == 0 || count > total - next {
            Err(format!(
                "`{name}` has {count} numbers from number {first} on, where {next} is the next of {total}"
            ))
        } else {
            known.count += count;
            known.rows.push(row);
            Ok(())
        }
    }

    fn wrong(&self, row: usize, reason: String) -> QuantError {
        QuantError::Row { path: self.path.clone(), row, reason }
    }
}

fn usize_of(batch: &RecordBatch, column: Column, index: usize) -> Option<usize> {
    let column = batch.column(column as usize).as_primitive::<UInt64Type>();
    column.is_valid(index).then(|| column.value(index).try_into().ok())?
}

fn scheme(batch: &RecordBatch, index: usize, offset: &str, scale_type: Option<&str>) -> Result<Scheme> {
    let bits = batch.column(Column::Bits as usize).as_primitive::<UInt8Type>();
    let bits = if bits.is_valid(index) { bits.value(index) } else { 0 };
    let size = batch.column(Column::GroupSize as usize).as_primitive::<UInt32Type>();
    let size = size.is_valid(index).then(|| size.value(index));
    Ok(Scheme {
        bits: Bits::try_from(u32::from(bits))?,
        group: match size {
            Some(0) => Group::Channel,
            size => Group::of(size.unwrap_or(0))?,
        },
        offset: offset.parse()?,
        scale_type: scale_type.unwrap_or_default().parse()?,
    })
}

#[cfg(test)]
mod tests;
