//! Which columns does a file of calibration have?
//!
//! A Parquet file with a row for each layer and timestep; `docs/reference/calibration.md` says what stands in each column.

use std::{collections::HashMap, path::Path, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray,
        PrimitiveArray, RecordBatch, StringArray, UInt32Array, UInt64Array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType, Field, Float32Type, Float64Type, Int32Type, Int64Type, Schema,
        SchemaRef, UInt32Type, UInt64Type,
    },
};
use bowstring_core::Cancel;
use bowstring_io::{Dataset, Format, ReadOptions, Scan, WriteOptions, Writer};

use super::{Calibration, LayerInputs, Moments, StepInputs};
use crate::{Hessian, Histogram, QuantError, Result, histogram::Parts};

const VERSION: &str = "1";
const VERSION_KEY: &str = "bowstring.calibration";
const MOMENTS_KEY: &str = "bowstring.moments";

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, false)))
}

fn schema(moments: Moments) -> SchemaRef {
    let one = |name, data_type| Field::new(name, data_type, false);
    let none = |name, data_type| Field::new(name, data_type, true);
    let fields = vec![
        one("layer", DataType::Utf8),
        none("timestep", DataType::UInt32),
        one("channels", DataType::UInt64),
        one("count", DataType::UInt64),
        one("least", DataType::Float32),
        one("greatest", DataType::Float32),
        one("sum", DataType::Float64),
        one("sum_of_squares", DataType::Float64),
        one("exponent", DataType::Int32),
        one("first_bin", DataType::Int64),
        one("bins", list(DataType::UInt64)),
        one("squares", list(DataType::Float64)),
        none("weight", DataType::Float64),
        none("moments", list(DataType::Float64)),
    ];
    let metadata = [(VERSION_KEY, VERSION), (MOMENTS_KEY, moments.name())];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Arc::new(Schema::new(fields).with_metadata(HashMap::from(metadata)))
}

pub(super) fn write(calibration: &Calibration, path: &Path) -> Result<()> {
    let schema = schema(calibration.moments);
    let options = WriteOptions { format: Some(Format::Parquet), ..WriteOptions::default() };
    let mut writer = Writer::create(path, &schema, &options)?;
    for row in rows(calibration) {
        writer.write(&row?)?;
    }
    writer.finish()?;
    Ok(())
}

/// A row for each layer and timestep.
pub(super) fn rows(calibration: &Calibration) -> impl Iterator<Item = Result<RecordBatch>> {
    let schema = schema(calibration.moments);
    let steps = calibration.layers().flat_map(|(name, layer)| {
        layer.steps().enumerate().map(move |(index, step)| (name, layer, step, index == 0))
    });
    steps.map(move |(name, layer, (timestep, step), is_first)| {
        let hessian = layer.hessian.as_deref().filter(|_| is_first);
        let columns = columns(name, timestep, layer.channels, step, hessian);
        RecordBatch::try_new(Arc::clone(&schema), columns).map_err(QuantError::arrow)
    })
}

fn columns(
    name: &str,
    timestep: Option<u32>,
    channels: usize,
    step: &StepInputs,
    hessian: Option<&Hessian>,
) -> Vec<ArrayRef> {
    let Parts { count: _, least, greatest, sum, squares, exponent, first, counts } = step.histogram.parts();
    vec![
        Arc::new(StringArray::from(vec![name])),
        Arc::new(UInt32Array::from(vec![timestep])),
        Arc::new(UInt64Array::from(vec![channels as u64])),
        Arc::new(UInt64Array::from(vec![step.count])),
        Arc::new(Float32Array::from(vec![least])),
        Arc::new(Float32Array::from(vec![greatest])),
        Arc::new(Float64Array::from(vec![sum])),
        Arc::new(Float64Array::from(vec![squares])),
        Arc::new(Int32Array::from(vec![exponent])),
        Arc::new(Int64Array::from(vec![first])),
        numbers::<UInt64Type>(Some(counts)),
        numbers::<Float64Type>(Some(step.squares.clone())),
        Arc::new(Float64Array::from(vec![hessian.map(Hessian::weight)])),
        numbers::<Float64Type>(hessian.map(Hessian::sums)),
    ]
}

/// A list in a row.
fn numbers<T: ArrowPrimitiveType>(numbers: Option<Vec<T::Native>>) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(T::DATA_TYPE, false));
    let nulls = numbers.is_none().then(|| NullBuffer::new_null(1));
    let numbers = numbers.unwrap_or_default();
    let offsets = OffsetBuffer::from_lengths([numbers.len()]);
    Arc::new(ListArray::new(field, offsets, Arc::new(PrimitiveArray::<T>::from_iter_values(numbers)), nulls))
}

pub(super) fn read(path: &Path) -> Result<Calibration> {
    let wrong = |row, reason| QuantError::Calibration { path: path.to_owned(), row, reason };
    let options = ReadOptions { format: Some(Format::Parquet), ..ReadOptions::default() };
    let dataset = Dataset::open(&[path.to_owned()], &options)?;
    let found = dataset.schema();
    let expected = [Moments::Diagonal, Moments::Full].into_iter().find(|moments| {
        schema(*moments).metadata() == found.metadata() && schema(*moments).fields() == found.fields()
    });
    let Some(moments) = expected else {
        let reason = match found.metadata().get(VERSION_KEY) {
            Some(version) if version != VERSION => {
                format!("it is of version {version}, where {VERSION} is read")
            }
            _ => "it has other columns".to_owned(),
        };
        return Err(wrong(None, reason));
    };
    let mut calibration = Calibration::new(moments);
    let scan = Scan { batch_rows: 1, ..Scan::default() };
    let mut row = 0;
    for part in dataset.split(&scan)? {
        for batch in dataset.read(&part, &scan, &Cancel::default())? {
            let batch = batch?;
            for index in 0..batch.num_rows() {
                add(&mut calibration, &batch, index).map_err(|reason| wrong(Some(row), reason))?;
                row += 1;
            }
        }
    }
    Ok(calibration)
}

/// Adds what a row says; otherwise says why that cannot be.
fn add(calibration: &mut Calibration, batch: &RecordBatch, index: usize) -> std::result::Result<(), String> {
    fn one<T: ArrowPrimitiveType>(batch: &RecordBatch, column: usize, index: usize) -> T::Native {
        batch.column(column).as_primitive::<T>().value(index)
    }
    fn many<T: ArrowPrimitiveType>(batch: &RecordBatch, column: usize, index: usize) -> Vec<T::Native> {
        batch.column(column).as_list::<i32>().value(index).as_primitive::<T>().values().to_vec()
    }
    let name = batch.column(0).as_string::<i32>().value(index);
    let timestep = batch.column(1).is_valid(index).then(|| one::<UInt32Type>(batch, 1, index));
    let channels = usize::try_from(one::<UInt64Type>(batch, 2, index)).ok().filter(|&channels| channels > 0);
    let channels = channels.ok_or("it has no channels, or too many")?;
    let count = one::<UInt64Type>(batch, 3, index);
    let histogram = Histogram::of_parts(Parts {
        count: count.checked_mul(channels as u64).ok_or("it has too many inputs")?,
        least: one::<Float32Type>(batch, 4, index),
        greatest: one::<Float32Type>(batch, 5, index),
        sum: one::<Float64Type>(batch, 6, index),
        squares: one::<Float64Type>(batch, 7, index),
        exponent: one::<Int32Type>(batch, 8, index),
        first: one::<Int64Type>(batch, 9, index),
        counts: many::<UInt64Type>(batch, 10, index),
    })
    .ok_or("its histogram cannot be")?;
    let squares = many::<Float64Type>(batch, 11, index);
    if squares.len() != channels || squares.iter().any(|square| !(0.0..f64::INFINITY).contains(square)) {
        return Err(format!("its squares are not those of {channels} channels"));
    }
    let is_first = calibration.layer(name).is_none();
    let has_moments = is_first && calibration.moments == Moments::Full;
    if [12, 13].into_iter().any(|column| batch.column(column).is_valid(index) != has_moments) {
        return Err("second moments stand in the first row of each layer, where they are kept".to_owned());
    }
    if is_first {
        let hessian = match has_moments {
            true => {
                let (weight, moments) =
                    (one::<Float64Type>(batch, 12, index), many::<Float64Type>(batch, 13, index));
                let hessian =
                    Hessian::from_sums(channels, weight, moments).map_err(|error| error.to_string())?;
                Some(Arc::new(hessian))
            }
            false => None,
        };
        let layer = LayerInputs { channels, steps: Default::default(), hessian };
        calibration.layers.insert(name.to_owned(), layer);
    }
    let Some(layer) = calibration.layers.get_mut(name) else { return Ok(()) };
    if layer.channels != channels {
        return Err(format!("it has {channels} channels, where `{name}` had {}", layer.channels));
    }
    match layer.steps.insert(timestep, StepInputs { count, histogram, squares }) {
        None => Ok(()),
        Some(_) => Err(format!("`{name}` has the same timestep twice")),
    }
}
