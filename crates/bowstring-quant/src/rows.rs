//! Which rows of a Parquet file of packed weights have which tensors?

use std::{collections::BTreeMap, path::Path, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch, StringArray},
    datatypes::{ArrowPrimitiveType, Float64Type, UInt8Type, UInt32Type, UInt64Type},
};
use bowstring_core::Cancel;
use bowstring_io::{CompareOp, Dataset, Format, Predicate, ReadOptions, Scan};
use indexmap::IndexMap;

use crate::{
    QuantError, QuantizedTensor, Result,
    described::{Described, Figure},
    file::{self, Column, VERSION, VERSION_KEY},
    quantized_model::{Opened, Piece, Source, wrong},
};

/// Opens a file; reads what is said of the tensors, and nothing of their bytes.
pub(crate) fn open(path: &Path) -> Result<Opened> {
    let options = ReadOptions { format: Some(Format::Parquet), ..ReadOptions::default() };
    let dataset = Dataset::open(&[path.to_owned()], &options)?;
    let expected = file::schema([]);
    let mut metadata: BTreeMap<String, String> =
        dataset.schema().metadata().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let found = metadata.remove(VERSION_KEY);
    if found.as_deref() != Some(VERSION) || dataset.schema().fields() != expected.fields() {
        return Err(QuantError::Version { path: path.to_owned(), found, expected: VERSION });
    }
    let mut tensors = IndexMap::new();
    let scan = Scan { projection: Some(Column::described()), ..Scan::default() };
    let mut row = 0;
    for part in dataset.split(&scan)? {
        for batch in dataset.read(&part, &scan, &Cancel::default())? {
            let batch = batch?;
            for index in 0..batch.num_rows() {
                add(&mut tensors, &batch, index, row).map_err(|reason| wrong(path, Some(row), reason))?;
                row += 1;
            }
        }
    }
    let cut = tensors.iter().find(|(_, tensor)| tensor.count != tensor.shape.iter().product::<usize>());
    if let Some((name, tensor)) = cut {
        let last = tensor.rows.last().copied().unwrap_or_default();
        return Err(wrong(path, Some(last), format!("numbers of `{name}` are missing")));
    }
    Ok(Opened { metadata, tensors, source: Source::Rows(dataset) })
}

/// Gives the rows of a tensor to `each`, one after the other.
pub(crate) fn pieces(
    dataset: &Dataset,
    path: &Path,
    name: &str,
    tensor: &QuantizedTensor,
    cancel: &Cancel,
    mut each: impl FnMut(Piece<'_>) -> Result<()>,
) -> Result<()> {
    let value = Arc::new(StringArray::from(vec![name]));
    let predicate = Predicate::Compare(Column::Name as usize, CompareOp::Eq, value);
    let scan = Scan { predicate: Some(predicate), batch_rows: 1, ..Scan::default() };
    let mut rows = tensor.rows.iter();
    for part in dataset.split(&scan)? {
        for batch in dataset.read(&part, &scan, cancel)? {
            let (batch, row) = (batch?, rows.next().copied());
            let bytes = [Column::Codes, Column::Scales, Column::Offsets].map(|column| -> &[u8] {
                let column = batch.column(column as usize).as_binary::<i32>();
                if column.is_null(0) { &[] } else { column.value(0) }
            });
            let number = |column| value_of::<UInt64Type>(&batch, column, 0);
            let Some(count) = number(Column::Count).and_then(|count| count.try_into().ok()) else {
                return Err(wrong(path, row, format!("the size of `{name}` is beyond all memory")));
            };
            let checksum = number(Column::Checksum).unwrap_or_default();
            each(Piece { row: Some(row.unwrap_or_default()), count, checksum, bytes })?;
        }
    }
    Ok(())
}

/// Adds what a row says; otherwise says why that cannot be.
fn add(
    tensors: &mut IndexMap<String, QuantizedTensor>,
    batch: &RecordBatch,
    index: usize,
    row: usize,
) -> std::result::Result<(), String> {
    let text = |column: Column| -> Option<String> {
        let column = batch.column(column as usize).as_string::<i32>();
        column.is_valid(index).then(|| column.value(index).to_owned())
    };
    let number = |column| value_of::<UInt64Type>(batch, column, index);
    let figure = |column| value_of::<Float64Type>(batch, column, index).map(Figure);
    let shape = batch.column(Column::Shape as usize).as_list::<i32>().value(index);
    let described = Described {
        name: text(Column::Name).unwrap_or_default(),
        dtype: text(Column::Dtype).unwrap_or_default(),
        shape: shape.as_primitive::<UInt64Type>().values().to_vec(),
        scheme: text(Column::Scheme).unwrap_or_default(),
        bits: value_of::<UInt8Type>(batch, Column::Bits, index).map(u32::from),
        columns: number(Column::Columns),
        group_size: value_of::<UInt32Type>(batch, Column::GroupSize, index),
        scale_type: text(Column::ScaleType),
        sqnr: figure(Column::Sqnr),
        relative_error: figure(Column::RelativeError),
        cosine: figure(Column::Cosine),
        largest_error: figure(Column::LargestError),
    };
    let known = described.known()?;
    let (name, total) = (described.name, known.count);
    let size = |column| number(column).and_then(|number| usize::try_from(number).ok());
    let (Some(first), Some(count)) = (size(Column::First), size(Column::Count)) else {
        return Err(format!("the size of `{name}` is beyond all memory"));
    };
    let new = QuantizedTensor { count, rows: vec![row], ..QuantizedTensor::whole(known) };
    let Some(before) = tensors.get_mut(&name) else {
        if first != 0 || count > total {
            return Err(format!("`{name}` has {count} numbers from number {first} on, of {total}"));
        }
        tensors.insert(name, new);
        return Ok(());
    };
    let next = before.count;
    if (before.dtype, &before.shape, &before.stored) != (new.dtype, &new.shape, &new.stored) {
        Err(format!("rows of `{name}` do not agree"))
    } else if first != next || count == 0 || count > total - next {
        Err(format!(
            "`{name}` has {count} numbers from number {first} on, where {next} is the next of {total}"
        ))
    } else {
        before.count += count;
        before.rows.push(row);
        Ok(())
    }
}

fn value_of<T: ArrowPrimitiveType>(batch: &RecordBatch, column: Column, index: usize) -> Option<T::Native> {
    let column = batch.column(column as usize).as_primitive::<T>();
    column.is_valid(index).then(|| column.value(index))
}
