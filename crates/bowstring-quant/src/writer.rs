//! How does a file of packed weights come to be?

use std::{collections::BTreeMap, path::Path, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BinaryArray, Float64Array, ListArray, RecordBatch, StringArray, UInt8Array, UInt32Array,
        UInt64Array,
    },
    buffer::{Buffer, OffsetBuffer},
    datatypes::{DataType, Field, SchemaRef},
};
use bowstring_io::{Format, ParquetCompression, ParquetWriteOptions, WriteOptions, Written};

use crate::{
    Half, Quality, QuantError, Quantized, Result, Stored, Tensor, dtype,
    file::{self, MOST},
    pack::has_length,
};

/// Writes the tensors of a model into one file, which appears as a whole when it is
/// [finished](Self::finish), or not at all. The format is documented in `docs/reference/quantized-models.md`.
#[derive(Debug)]
pub struct ModelWriter {
    writer: bowstring_io::Writer,
    schema: SchemaRef,
}

/// What a row of the file says, beside its bytes.
struct Row<'a> {
    tensor: &'a Tensor<'a>,
    first: usize,
    count: usize,
    stored: Stored,
}

impl ModelWriter {
    /// Begins a file; `metadata` is kept with it as it is.
    ///
    /// # Errors
    /// [`QuantError::Io`] when the folder cannot be written to.
    pub fn create(path: &Path, metadata: BTreeMap<String, String>) -> Result<Self> {
        let schema = file::schema(metadata);
        // Packed codes hardly become smaller, and pages that are not compressed can be mapped.
        let parquet =
            ParquetWriteOptions { compression: ParquetCompression::None, ..ParquetWriteOptions::default() };
        let options = WriteOptions { format: Some(Format::Parquet), parquet, ..WriteOptions::default() };
        let writer = bowstring_io::Writer::create(path, &schema, &options)?;
        Ok(Self { writer, schema })
    }

    /// Writes a tensor as it is.
    ///
    /// # Errors
    /// [`QuantError::Io`] when the system refuses; then no later call succeeds either.
    pub fn keep(&mut self, tensor: &Tensor<'_>) -> Result<()> {
        self.plain(tensor, tensor.bytes, Stored::Kept)
    }

    /// Writes a tensor as the nearest numbers of 16 bits.
    ///
    /// # Errors
    /// [`QuantError::Length`] when there are not as many `numbers` as the tensor has; [`QuantError::Io`] as
    /// [`keep`](Self::keep).
    pub fn halve(&mut self, tensor: &Tensor<'_>, numbers: &[f32], kind: Half) -> Result<Quality> {
        has_length("numbers", numbers.len(), tensor.shape.iter().product())?;
        let (bytes, mut values) = (kind.bytes(numbers), Vec::new());
        dtype::append(kind.dtype(), &bytes, &mut values);
        let quality = Quality::of(numbers, &values)?;
        self.plain(tensor, &bytes, Stored::Half { kind, quality })?;
        Ok(quality)
    }

    /// Writes the bytes of numbers that are not packed.
    fn plain(&mut self, tensor: &Tensor<'_>, bytes: &[u8], stored: Stored) -> Result<()> {
        let count = tensor.shape.iter().product::<usize>();
        // A tensor without numbers has a row too.
        let width = bytes.len().checked_div(count).unwrap_or(1).max(1);
        let most = MOST / width;
        for first in (0..count.max(1)).step_by(most) {
            let count = most.min(count - first);
            let bytes = &bytes[first * width..][..count * width];
            self.row(&Row { tensor, first, count, stored }, [bytes, &[], &[]])?;
        }
        Ok(())
    }

    /// Writes a tensor as what `matrix` has of it, and how far that is off.
    ///
    /// # Errors
    /// [`QuantError::Length`] when the matrix has another number of weights than the tensor, or of bytes than its
    /// scheme says; [`QuantError::Io`] as [`keep`](Self::keep).
    pub fn write(&mut self, tensor: &Tensor<'_>, matrix: &Quantized, quality: Quality) -> Result<()> {
        let Quantized { rows, columns, .. } = *matrix;
        matrix.check()?;
        has_length("weights", rows.saturating_mul(columns), tensor.shape.iter().product())?;
        let stored = Stored::Packed { scheme: matrix.scheme, columns, quality };
        let stride = matrix.codes.len().checked_div(rows).unwrap_or(0);
        let most = (MOST / stride.max(1)).max(1);
        for row in (0..rows.max(1)).step_by(most) {
            let end = (row + most).min(rows);
            let part = |bytes: &'_ [u8]| -> std::ops::Range<usize> {
                let stride = bytes.len().checked_div(rows).unwrap_or(0);
                row * stride..end * stride
            };
            let bytes = [&matrix.codes, &matrix.scales, &matrix.offsets].map(|bytes| &bytes[part(bytes)]);
            let (first, count) = (row * columns, (end - row) * columns);
            self.row(&Row { tensor, first, count, stored }, bytes)?;
        }
        Ok(())
    }

    /// Ends the file and puts it in the target's place.
    ///
    /// # Errors
    /// [`QuantError::Io`] when the system refuses, or had refused before.
    pub fn finish(self) -> Result<Written> {
        Ok(self.writer.finish()?)
    }

    fn row(&mut self, row: &Row<'_>, bytes: [&[u8]; 3]) -> Result<()> {
        let Row { tensor, first, count, stored } = *row;
        let scheme = stored.scheme();
        let columns = match stored {
            Stored::Packed { columns, .. } => Some(columns),
            Stored::Kept | Stored::Half { .. } => None,
        };
        let quality = stored.quality();
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
            Arc::new(UInt32Array::from(vec![scheme.map(|scheme| scheme.group.number())])),
            text(scheme.map(|scheme| scheme.scale_type.name().to_owned())),
            figure(|quality| quality.sqnr),
            figure(|quality| quality.relative_error),
            figure(|quality| quality.cosine),
            figure(|quality| quality.largest_error),
            Arc::new(UInt64Array::from(vec![file::checksum(bytes)])),
            binary(Some(codes)),
            binary(scheme.map(|_| scales)),
            binary(scheme.map(|_| offsets)),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(QuantError::arrow)?;
        Ok(self.writer.write(&batch)?)
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
