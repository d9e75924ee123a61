//! Which rows of a Parquet file of packed weights have which tensors?

use std::{collections::BTreeMap, path::Path, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    datatypes::{ArrowPrimitiveType, Float32Type, Float64Type, UInt8Type, UInt32Type, UInt64Type},
};
use bowstring_core::Cancel;
use bowstring_io::{CompareOp, Dataset, Format, Predicate, ReadOptions, Scan};
use indexmap::IndexMap;

use crate::{
    QuantError, QuantizedTensor, Result,
    described::{Described, Figure},
    file::{self, Column, VERSION, VERSION_KEY},
    quantized_model::{Opened, Piece, Source, wrong},
    shards::{self, Chain, SHARD_KEY},
};

/// Opens a file, or those of a folder; reads what is said of the tensors, and nothing of their bytes.
pub(crate) fn open(path: &Path) -> Result<Opened> {
    let files = shards::files(path)?;
    let options = ReadOptions { format: Some(Format::Parquet), ..ReadOptions::default() };
    let (mut tensors, mut row, mut chain) = (IndexMap::new(), 0, Chain::default());
    let mut first: Option<(BTreeMap<String, String>, String)> = None;
    for file in &files {
        let dataset = Dataset::open(std::slice::from_ref(file), &options)?;
        let (mut metadata, version) = said(file, &dataset)?;
        let shard = metadata.remove(SHARD_KEY);
        shards::check(file, shard.as_deref(), &chain, path.is_dir())?;
        let own = first.get_or_insert_with(|| (metadata.clone(), version.clone()));
        if (&own.0, &own.1) != (&metadata, &version) {
            let reason = "it says of itself what the files before it do not".to_owned();
            return Err(QuantError::Shards { path: file.clone(), reason });
        }
        describe(file, &dataset, &version, &mut tensors, &mut row, &mut chain)?;
    }
    let cut = tensors.iter().find(|(_, tensor)| tensor.count != tensor.shape.iter().product::<usize>());
    if let Some((name, tensor)) = cut {
        let last = tensor.rows.last().copied().unwrap_or_default();
        return Err(wrong(path, Some(last), format!("numbers of `{name}` are missing")));
    }
    let (metadata, version) = first.unwrap_or_default();
    Ok(Opened { metadata, tensors, source: Source::Rows(Dataset::open(&files, &options)?, version) })
}

/// What a file says of itself: its metadata, and of which version it is.
fn said(path: &Path, dataset: &Dataset) -> Result<(BTreeMap<String, String>, String)> {
    let mut metadata: BTreeMap<String, String> =
        dataset.schema().metadata().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let found = metadata.remove(VERSION_KEY);
    let is_read =
        |version: &&str| file::is_read(version) && *dataset.schema().fields() == file::fields(version);
    match found.as_deref().filter(is_read).map(str::to_owned) {
        Some(version) => Ok((metadata, version)),
        None => Err(QuantError::Version { path: path.to_owned(), found, expected: VERSION }),
    }
}

/// Adds what the rows of a file say.
fn describe(
    path: &Path,
    dataset: &Dataset,
    version: &str,
    tensors: &mut IndexMap<String, QuantizedTensor>,
    row: &mut usize,
    chain: &mut Chain,
) -> Result<()> {
    let described = 0..Column::Codes.place(version).unwrap_or_default();
    let scan = Scan { projection: Some(described.collect()), ..Scan::default() };
    for part in dataset.split(&scan)? {
        for batch in dataset.read(&part, &scan, &Cancel::default())? {
            let batch = batch?;
            for index in 0..batch.num_rows() {
                let said = Row { batch: &batch, index, version };
                add(tensors, &said, *row).map_err(|reason| wrong(path, Some(*row), reason))?;
                chain.add(said.number::<UInt64Type>(Column::Checksum).unwrap_or_default());
                *row += 1;
            }
        }
    }
    Ok(())
}

/// Gives the rows of a tensor to `each`, one after the other.
pub(crate) fn pieces(
    (dataset, version): (&Dataset, &str),
    path: &Path,
    name: &str,
    tensor: &QuantizedTensor,
    cancel: &Cancel,
    mut each: impl FnMut(Piece<'_>) -> Result<()>,
) -> Result<()> {
    let value = Arc::new(StringArray::from(vec![name]));
    let place = Column::Name.place(version).unwrap_or_default();
    let predicate = Predicate::Compare(place, CompareOp::Eq, value);
    let scan = Scan { predicate: Some(predicate), batch_rows: 1, ..Scan::default() };
    let mut rows = tensor.rows.iter();
    for part in dataset.split(&scan)? {
        for batch in dataset.read(&part, &scan, cancel)? {
            let (batch, row) = (batch?, rows.next().copied());
            let said = Row { batch: &batch, index: 0, version };
            let bytes = [Column::Codes, Column::Scales, Column::Offsets].map(|column| {
                let column = said.column(column).map(AsArray::as_binary::<i32>);
                column.filter(|column| column.is_valid(0)).map_or(&[][..], |column| column.value(0))
            });
            let number = |column| said.number::<UInt64Type>(column);
            let Some(count) = number(Column::Count).and_then(|count| count.try_into().ok()) else {
                return Err(wrong(path, row, format!("the size of `{name}` is beyond all memory")));
            };
            let checksum = number(Column::Checksum).unwrap_or_default();
            each(Piece { row: Some(row.unwrap_or_default()), count, checksum, bytes })?;
        }
    }
    Ok(())
}

/// A row of a file of some version.
struct Row<'a> {
    batch: &'a RecordBatch,
    index: usize,
    version: &'a str,
}

impl<'a> Row<'a> {
    fn column(&self, column: Column) -> Option<&'a ArrayRef> {
        column.place(self.version).map(|place| self.batch.column(place))
    }

    fn number<T: ArrowPrimitiveType>(&self, column: Column) -> Option<T::Native> {
        let column = self.column(column)?.as_primitive::<T>();
        column.is_valid(self.index).then(|| column.value(self.index))
    }

    fn text(&self, column: Column) -> Option<String> {
        let column = self.column(column)?.as_string::<i32>();
        column.is_valid(self.index).then(|| column.value(self.index).to_owned())
    }

    fn shape(&self) -> Vec<u64> {
        let shape = self.column(Column::Shape).map(|column| column.as_list::<i32>().value(self.index));
        shape.map(|shape| shape.as_primitive::<UInt64Type>().values().to_vec()).unwrap_or_default()
    }
}

/// Adds what a row says; otherwise says why that cannot be.
fn add(
    tensors: &mut IndexMap<String, QuantizedTensor>,
    said: &Row<'_>,
    row: usize,
) -> std::result::Result<(), String> {
    let text = |column| said.text(column);
    let number = |column| said.number::<UInt64Type>(column);
    let figure = |column| said.number::<Float64Type>(column).map(Figure);
    let described = Described {
        name: text(Column::Name).unwrap_or_default(),
        dtype: text(Column::Dtype).unwrap_or_default(),
        shape: said.shape(),
        scheme: text(Column::Scheme).unwrap_or_default(),
        bits: said.number::<UInt8Type>(Column::Bits).map(u32::from),
        columns: number(Column::Columns),
        group_axis: said.number::<UInt8Type>(Column::GroupAxis),
        group_size: said.number::<UInt32Type>(Column::GroupSize),
        scale_type: text(Column::ScaleType),
        scale_unit: said.number::<Float32Type>(Column::ScaleUnit).map(f64::from).map(Figure),
        code_type: text(Column::CodeType),
        sqnr: figure(Column::Sqnr),
        relative_error: figure(Column::RelativeError),
        cosine: figure(Column::Cosine),
        largest_error: figure(Column::LargestError),
    };
    let described = described.of_version(said.version);
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
