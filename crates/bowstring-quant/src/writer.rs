//! How does a file of packed weights come to be?

use std::{collections::BTreeMap, num::NonZero, path::Path, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BinaryArray, Float32Array, Float64Array, ListArray, RecordBatch, StringArray, UInt8Array,
        UInt32Array, UInt64Array,
    },
    buffer::{Buffer, OffsetBuffer},
    datatypes::{DataType, Field, SchemaRef},
};
use bowstring_io::{Format, ParquetCompression, ParquetWriteOptions, WriteOptions, Written};

use crate::{
    Half, Quality, QuantError, Quantized, Result, Stored, Tensor, dtype,
    file::{self, MOST},
    named,
    pack::has_length,
    quality::Tally,
    shards::Shards,
    spool::Spool,
    weights::Weights,
};

/// How many numbers are looked at at once.
const AT_ONCE: usize = 1 << 16;

/// Writes the tensors of a model into one file, or a folder of [several](Self::create_shards), which appears as a whole
/// when it is [finished](Self::finish), or not at all. The format is documented in `docs/reference/quantized-models.md`.
///
/// One whose name ends in `.safetensors` is such a file, any other Parquet.
#[derive(Debug)]
pub struct ModelWriter {
    sink: Sink,
}

/// Where tensors go.
#[derive(Debug)]
enum Sink {
    Rows { writer: bowstring_io::Writer, schema: SchemaRef },
    Named(Box<Spool>),
    Shards(Box<Shards>),
}

/// What a row of the file says, beside its bytes.
pub(crate) struct Row<'a> {
    tensor: &'a Tensor<'a>,
    first: usize,
    count: usize,
    stored: &'a Stored,
}

impl ModelWriter {
    /// Begins a file; `metadata` is kept with it as it is.
    ///
    /// # Errors
    /// [`QuantError::Io`] when the folder cannot be written to.
    pub fn create(path: &Path, metadata: BTreeMap<String, String>) -> Result<Self> {
        if named::is_named(path) {
            return Ok(Self { sink: Sink::Named(Box::new(Spool::create(path, metadata)?)) });
        }
        let schema = file::schema(metadata);
        // Packed codes hardly become smaller, and pages that are not compressed can be mapped.
        let parquet =
            ParquetWriteOptions { compression: ParquetCompression::None, ..ParquetWriteOptions::default() };
        let options = WriteOptions { format: Some(Format::Parquet), parquet, ..WriteOptions::default() };
        let writer = bowstring_io::Writer::create(path, &schema, &options)?;
        Ok(Self { sink: Sink::Rows { writer, schema } })
    }

    /// Begins a folder of Parquet files, each of which has whole tensors of no more than `most` bytes, or one that
    /// takes more by itself. The folder appears with all of them, or not at all.
    ///
    /// # Errors
    /// [`QuantError::Io`] when something is there already, or the folder above cannot be written to;
    /// [`QuantError::Option`] for a name that ends in `.safetensors`.
    pub fn create_shards(
        path: &Path,
        metadata: BTreeMap<String, String>,
        most: NonZero<u64>,
    ) -> Result<Self> {
        if named::is_named(path) {
            let expected = "none beside a `.safetensors` file, which is one, or another name for a folder";
            return Err(QuantError::Option { option: "shard_size", value: most.to_string(), expected });
        }
        Ok(Self { sink: Sink::Shards(Box::new(Shards::create(path, metadata, most)?)) })
    }

    /// Writes a tensor as it is.
    ///
    /// # Errors
    /// [`QuantError::Io`] or [`QuantError::System`] when the system refuses; then no later call succeeds either.
    /// [`QuantError::Name`] when a safetensors file has a tensor, or a part of one, of that name.
    pub fn keep(&mut self, tensor: &Tensor<'_>) -> Result<()> {
        self.put(tensor, &Stored::Kept, [tensor.bytes, &[], &[]])
    }

    /// Writes a tensor as the nearest numbers of 16 bits.
    ///
    /// # Errors
    /// [`QuantError::Length`] when there are not as many `numbers` as the tensor has; those of
    /// [`keep`](Self::keep).
    pub fn halve(&mut self, tensor: &Tensor<'_>, numbers: &[f32], kind: Half) -> Result<Quality> {
        self.halve_weights(tensor, Weights::Numbers(numbers), kind)
    }

    /// The same of numbers that stand as bytes, too.
    pub(crate) fn halve_weights(
        &mut self,
        tensor: &Tensor<'_>,
        numbers: Weights<'_>,
        kind: Half,
    ) -> Result<Quality> {
        has_length("numbers", numbers.count(), tensor.shape.iter().product())?;
        let (mut tally, mut values, mut buffer) = (Tally::default(), Vec::new(), Vec::new());
        let mut bytes = Vec::with_capacity(numbers.count().saturating_mul(kind.dtype().bitsize() / 8));
        for numbers in numbers.chunks(AT_ONCE) {
            let numbers = numbers.numbers(&mut buffer);
            let half = kind.bytes(numbers);
            values.clear();
            dtype::append(kind.dtype(), &half, &mut values);
            tally = tally.with(numbers, &values);
            bytes.extend_from_slice(&half);
        }
        let quality = tally.quality();
        self.put(tensor, &Stored::Half { kind, quality }, [&bytes, &[], &[]])?;
        Ok(quality)
    }

    /// Writes a tensor as what `matrix` has of it, and how far that is off.
    ///
    /// # Errors
    /// [`QuantError::Length`] when the matrix has another number of weights than the tensor, or of bytes than its
    /// scheme says; those of [`keep`](Self::keep).
    pub fn write(&mut self, tensor: &Tensor<'_>, matrix: &Quantized, quality: Quality) -> Result<()> {
        let Quantized { rows, columns, .. } = *matrix;
        matrix.check()?;
        has_length("weights", rows.saturating_mul(columns), tensor.shape.iter().product())?;
        let (scheme, scale_unit) = (matrix.scheme, matrix.scale_unit);
        let stored = Stored::Packed { scheme, columns, scale_unit, quality };
        self.put(tensor, &stored, [&matrix.codes, &matrix.scales, &matrix.offsets])
    }

    /// Ends the file and puts it in the target's place.
    ///
    /// # Errors
    /// [`QuantError::Io`] when the system refuses, or had refused before.
    pub fn finish(self) -> Result<Written> {
        match self.sink {
            Sink::Rows { writer, .. } => Ok(writer.finish()?),
            Sink::Named(spool) => spool.finish(),
            Sink::Shards(shards) => shards.finish(),
        }
    }

    /// Writes a tensor that is stored so.
    pub(crate) fn put(&mut self, tensor: &Tensor<'_>, stored: &Stored, bytes: [&[u8]; 3]) -> Result<()> {
        match &mut self.sink {
            Sink::Shards(shards) => shards.put(tensor, stored, bytes),
            Sink::Named(spool) => spool.put(tensor, stored, bytes),
            Sink::Rows { writer, schema } => rows(tensor, stored, bytes)
                .try_for_each(|(row, bytes)| Ok(writer.write(&row.batch(bytes, schema)?)?)),
        }
    }
}

/// The rows that a tensor takes: a tensor without numbers has one too, and rows of a matrix are not cut.
pub(crate) fn rows<'a>(
    tensor: &'a Tensor<'a>,
    stored: &'a Stored,
    bytes: [&'a [u8]; 3],
) -> impl Iterator<Item = (Row<'a>, [&'a [u8]; 3])> {
    let columns = stored.columns().unwrap_or(1);
    let rows = tensor.shape.iter().product::<usize>().checked_div(columns).unwrap_or(0);
    let stride = move |bytes: &[u8]| bytes.len().checked_div(rows).unwrap_or(0);
    let most = (MOST / stride(bytes[0]).max(1)).max(1);
    (0..rows.max(1)).step_by(most).map(move |row| {
        let end = row.saturating_add(most).min(rows);
        let part = bytes.map(|bytes| &bytes[row * stride(bytes)..end * stride(bytes)]);
        (Row { tensor, first: row * columns, count: (end - row) * columns, stored }, part)
    })
}

impl Row<'_> {
    fn batch(&self, bytes: [&[u8]; 3], schema: &SchemaRef) -> Result<RecordBatch> {
        let Row { tensor, first, count, stored } = *self;
        let (scheme, columns, quality) = (stored.scheme(), stored.columns(), stored.quality());
        let text = |text: Option<String>| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
        let number = |number: Option<usize>| -> ArrayRef {
            Arc::new(UInt64Array::from(vec![number.map(|number| number as u64)]))
        };
        let figure = |of: fn(&Quality) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from(vec![quality.as_ref().map(of)]))
        };
        let [codes, scales, offsets] = bytes;
        let columns: Vec<ArrayRef> = vec![
            text(Some(tensor.name.to_owned())),
            text(Some(tensor.dtype.to_string())),
            shape(tensor.shape),
            number(Some(first)),
            number(Some(count)),
            text(Some(stored.name().to_owned())),
            Arc::new(UInt8Array::from(vec![scheme.map(|scheme| scheme.bits.count() as u8)])),
            number(columns),
            Arc::new(UInt8Array::from(vec![stored.group_axis(tensor.shape)])),
            Arc::new(UInt32Array::from(vec![scheme.map(|scheme| scheme.group.number())])),
            text(scheme.map(|scheme| scheme.scale_type.name().to_owned())),
            Arc::new(Float32Array::from(vec![stored.scale_unit()])),
            text(scheme.map(|scheme| scheme.code_type.name().to_owned())),
            figure(|quality| quality.sqnr),
            figure(|quality| quality.relative_error),
            figure(|quality| quality.cosine),
            figure(|quality| quality.largest_error),
            Arc::new(UInt64Array::from(vec![file::checksum(bytes)])),
            binary(Some(codes)),
            binary(scheme.map(|_| scales)),
            binary(scheme.map(|_| offsets)),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns).map_err(QuantError::arrow)
    }
}

fn shape(shape: &[usize]) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(DataType::UInt64, false));
    let sizes = UInt64Array::from_iter_values(shape.iter().map(|&size| size as u64));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([shape.len()]), Arc::new(sizes), None))
}

fn binary(bytes: Option<&[u8]>) -> ArrayRef {
    match bytes {
        Some(bytes) => {
            let offsets = OffsetBuffer::from_lengths([bytes.len()]);
            Arc::new(BinaryArray::new(offsets, Buffer::from(bytes), None))
        }
        None => Arc::new(BinaryArray::new_null(1)),
    }
}
