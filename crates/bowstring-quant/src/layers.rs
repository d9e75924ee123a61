//! How are layers quantised that stand in a table, one in each row?

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Float32Array, Float64Array, LargeBinaryArray, LargeBinaryBuilder,
        LargeListArray, LargeListBuilder, PrimitiveArray, RecordBatch, StringArray, UInt8Array, UInt32Array,
        UInt64Builder,
    },
    buffer::{OffsetBuffer, ScalarBuffer},
    compute::{CastOptions, cast_with_options},
    datatypes::{ArrowPrimitiveType, DataType, Field, Float32Type, Schema, UInt32Type, UInt64Type},
};
use bowstring_core::Cancel;

use crate::{
    Bits, Group, Method, Offset, Quality, QuantError, Quantized, Result, Scheme, matrix::not_finite,
    pack::has_length, weights::Weights,
};

const NAME: &str = "layer_name";
const WEIGHTS: &str = "weights";
const SHAPE: &str = "shape";
const BITS: &str = "bits";
const GROUP_SIZE: &str = "group_size";
const SCHEME: &str = "scheme";
const SCALE_TYPE: &str = "scale_type";
const SCALE_UNIT: &str = "scale_unit";
const CODE_TYPE: &str = "code_type";
const CODES: &str = "codes";
const SCALES: &str = "scales";
const OFFSETS: &str = "offsets";
const SQNR: &str = "sqnr";
const RELATIVE_ERROR: &str = "relative_error";
const COSINE: &str = "cosine";
const LARGEST_ERROR: &str = "largest_error";
/// The columns of layers with all their weights.
const GIVEN: [&str; 3] = [NAME, WEIGHTS, SHAPE];
/// Those of packed ones.
const PACKED: [&str; 15] = [
    NAME,
    SHAPE,
    BITS,
    GROUP_SIZE,
    SCHEME,
    SCALE_TYPE,
    SCALE_UNIT,
    CODE_TYPE,
    CODES,
    SCALES,
    OFFSETS,
    SQNR,
    RELATIVE_ERROR,
    COSINE,
    LARGEST_ERROR,
];

const NAMES: &str = "texts, another for each layer";
const FLOATS: &str = "lists of floats";
const AXES: &str = "lists of whole numbers, the lengths of the axes, whose product is the number of weights";

/// Quantises the layers of a table, whose rows come in `batches` of the same columns, on the threads of the current
/// rayon pool: `layer_name`, a text; `weights`, a list of floats; and `shape`, a list of whole numbers, without which
/// each layer is one output channel. Lists are of any kind, floats of 32 bits without nulls are not copied.
///
/// As many batches come back, with a row for each layer: `layer_name`, `shape`; `bits`, `group_size` (0 for a whole
/// channel), `scheme`, `scale_type`, `scale_unit` and `code_type`; `codes`, `scales` and `offsets` (null where the scheme is symmetric), the bytes of
/// [`Quantized`]; `sqnr`, `relative_error`, `cosine` and `largest_error`, as [`Quality`] has them.
///
/// # Errors
/// [`QuantError::Column`] and [`QuantError::UnknownColumn`] when the columns are not those;
/// [`QuantError::Layer`] for a layer with nulls, with the name of another one, with another number of weights than its
/// shape says, and for what [`Quantized::of`] refuses; [`QuantError::Cancelled`].
pub fn quantize_layers(
    batches: &[RecordBatch],
    scheme: Scheme,
    method: &Method,
    cancel: &Cancel,
) -> Result<Vec<RecordBatch>> {
    let mut names = Names::default();
    let quantized = |batch: &RecordBatch| {
        let table = Table::of(batch, &GIVEN)?;
        let layers = names.of(&table)?;
        let weights = table.lists(WEIGHTS, FLOATS, DataType::is_floating)?;
        let shapes = match table.has(SHAPE) {
            true => Some(table.lists(SHAPE, AXES, DataType::is_integer)?),
            false => None,
        };
        let mut packed = Packed::default();
        for (row, layer) in layers.iter().enumerate() {
            cancel.check()?;
            let pack = || {
                let weights = weights.row::<Float32Type>(row)?;
                let shape = match &shapes {
                    Some(shapes) => axes(&shapes.row::<UInt64Type>(row)?)?,
                    None => vec![weights.len()],
                };
                has_length("weights of the shape", weights.len(), product(&shape))?;
                let matrix = Quantized::of(weights.values(), columns(&shape), scheme, method, cancel)?;
                let quality = matrix.quality(weights.values())?;
                Ok((matrix, quality, shape))
            };
            let (matrix, quality, shape) = pack().map_err(|error| layer.wrong(error))?;
            packed.add(&layer.name, &matrix, quality, &shape);
        }
        packed.batch()
    };
    batches.iter().map(quantized).collect()
}

/// Gives back the layers of a table that [`quantize_layers`] has made: `layer_name`, `weights` of 32 bits and
/// `shape`, in as many batches. Columns of figures may be missing.
///
/// # Errors
/// As [`quantize_layers`]; [`QuantError::Layer`] for codes, scales and offsets of other lengths than the shape and the
/// scheme say, for a scheme that there is not, and for weights that would be NaN or infinite.
pub fn dequantize_layers(batches: &[RecordBatch], cancel: &Cancel) -> Result<Vec<RecordBatch>> {
    let mut names = Names::default();
    let given_back = |batch: &RecordBatch| {
        let table = Table::of(batch, &PACKED)?;
        let layers = names.of(&table)?;
        let shapes = table.lists(SHAPE, AXES, DataType::is_integer)?;
        let parts = Parts::of(&table)?;
        let mut weights = Vec::new();
        let mut ends = vec![0];
        let mut lengths = LargeListBuilder::new(UInt64Builder::new());
        for (row, layer) in layers.iter().enumerate() {
            cancel.check()?;
            let mut read = || {
                let shape = axes(&shapes.row::<UInt64Type>(row)?)?;
                let matrix = parts.matrix(row, &shape)?;
                let first = weights.len();
                weights.resize(first + matrix.rows * matrix.columns, 0.0);
                matrix.dequantize(&mut weights[first..])?;
                not_finite(Weights::Numbers(&weights[first..])).map_or(Ok(shape), Err)
            };
            append(&mut lengths, &read().map_err(|error| layer.wrong(error))?);
            ends.push(weights.len() as i64);
        }
        let floats = LargeListArray::try_new(
            Arc::new(Field::new_list_field(DataType::Float32, false)),
            OffsetBuffer::new(ScalarBuffer::from(ends)),
            Arc::new(Float32Array::from(weights)),
            None,
        );
        let columns: [(&str, ArrayRef); 3] = [
            (NAME, Arc::new(StringArray::from_iter_values(layers.iter().map(|layer| &layer.name)))),
            (WEIGHTS, Arc::new(floats.map_err(QuantError::arrow)?)),
            (SHAPE, Arc::new(lengths.finish())),
        ];
        self::batch(columns)
    };
    batches.iter().map(given_back).collect()
}

/// How many numbers an array of these axes has; the largest number there is where that is beyond it.
fn product(axes: &[usize]) -> usize {
    axes.iter().fold(1, |all: usize, &axis| all.saturating_mul(axis))
}

/// How many inputs an output channel has: the first axis are the channels, and a vector is one.
fn columns(shape: &[usize]) -> usize {
    product(if shape.len() < 2 { shape } else { &shape[1..] })
}

fn axes(shape: &PrimitiveArray<UInt64Type>) -> Result<Vec<usize>> {
    let axis = |&axis: &u64| usize::try_from(axis).map_err(|_| wrong(SHAPE, format!("has {axis}"), AXES));
    shape.values().iter().map(axis).collect()
}

fn wrong(column: &str, reason: impl Into<String>, expected: &'static str) -> QuantError {
    QuantError::Column { column: column.to_owned(), reason: reason.into(), expected }
}

fn append(lists: &mut LargeListBuilder<UInt64Builder>, shape: &[usize]) {
    lists.append_value(shape.iter().map(|&axis| Some(axis as u64)));
}

/// A batch of columns, of which only offsets can be null.
fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<RecordBatch> {
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), *name == OFFSETS);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).map_err(QuantError::arrow)
}

/// Some rows of a table.
struct Table<'a> {
    batch: &'a RecordBatch,
}

impl<'a> Table<'a> {
    /// One that has no other columns than these.
    fn of(batch: &'a RecordBatch, known: &[&'static str]) -> Result<Self> {
        let known = || known.iter().copied();
        let schema = batch.schema();
        for (index, field) in schema.fields().iter().enumerate() {
            let name = field.name();
            if !known().any(|known| known == name) {
                return Err(QuantError::UnknownColumn { column: name.clone(), known: known().collect() });
            }
            if schema.fields()[..index].iter().any(|other| other.name() == name) {
                return Err(wrong(name, "is in the table twice", "one place in it"));
            }
        }
        Ok(Self { batch })
    }

    fn has(&self, column: &str) -> bool {
        self.batch.column_by_name(column).is_some()
    }

    fn column(&self, column: &str, expected: &'static str) -> Result<&'a ArrayRef> {
        self.batch.column_by_name(column).ok_or_else(|| wrong(column, "is not in the table", expected))
    }

    /// A column as another type, which holds each of its values.
    fn cast(
        &self,
        column: &'static str,
        to: &DataType,
        expected: &'static str,
        fits: impl Fn(&DataType) -> bool,
    ) -> Result<ArrayRef> {
        let array = self.column(column, expected)?;
        let values = match array.data_type() {
            DataType::Dictionary(_, values) => values,
            other => other,
        };
        if !fits(values) {
            return Err(wrong(column, format!("is of type {}", array.data_type()), expected));
        }
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(array, to, &strict)
            .map_err(|error| wrong(column, format!("has other values: {error}"), expected))
    }

    fn texts(&self, column: &'static str, expected: &'static str) -> Result<StringArray> {
        let texts = self.cast(column, &DataType::Utf8, expected, DataType::is_string)?;
        Ok(texts.as_string::<i32>().clone())
    }

    fn numbers(&self, column: &'static str, expected: &'static str) -> Result<UInt32Array> {
        let numbers = self.cast(column, &DataType::UInt32, expected, DataType::is_integer)?;
        Ok(numbers.as_primitive::<UInt32Type>().clone())
    }

    fn floats(&self, column: &'static str, expected: &'static str) -> Result<Float32Array> {
        let floats = self.cast(column, &DataType::Float32, expected, DataType::is_floating)?;
        Ok(floats.as_primitive::<Float32Type>().clone())
    }

    fn bytes(&self, column: &'static str) -> Result<LargeBinaryArray> {
        let bytes = self.cast(column, &DataType::LargeBinary, "bytes", DataType::is_binary)?;
        Ok(bytes.as_binary::<i64>().clone())
    }

    /// A column of lists, of any kind and of items that fit.
    fn lists(
        &self,
        column: &'static str,
        expected: &'static str,
        fits: impl Fn(&DataType) -> bool,
    ) -> Result<Lists<'a>> {
        use DataType::{FixedSizeList, LargeList, LargeListView, List, ListView};
        let array = self.column(column, expected)?;
        match array.data_type() {
            List(item) | LargeList(item) | FixedSizeList(item, _) | ListView(item) | LargeListView(item)
                if fits(item.data_type()) =>
            {
                Ok(Lists { column, expected, array })
            }
            other => Err(wrong(column, format!("is of type {other}"), expected)),
        }
    }
}

/// A column of lists.
struct Lists<'a> {
    column: &'static str,
    expected: &'static str,
    array: &'a ArrayRef,
}

impl Lists<'_> {
    /// The numbers of a row, of another type where theirs is not the one.
    fn row<T: ArrowPrimitiveType>(&self, row: usize) -> Result<PrimitiveArray<T>> {
        let wrong = |reason: String| wrong(self.column, reason, self.expected);
        if self.array.is_null(row) {
            return Err(wrong("is null".to_owned()));
        }
        let items = match self.array.data_type() {
            DataType::LargeList(_) => self.array.as_list::<i64>().value(row),
            DataType::FixedSizeList(..) => self.array.as_fixed_size_list().value(row),
            DataType::ListView(_) => self.array.as_list_view::<i32>().value(row),
            DataType::LargeListView(_) => self.array.as_list_view::<i64>().value(row),
            _ => self.array.as_list::<i32>().value(row),
        };
        if items.null_count() > 0 {
            return Err(wrong("has nulls in its list".to_owned()));
        }
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let cast = cast_with_options(&items, &T::DATA_TYPE, &strict);
        Ok(cast.map_err(|error| wrong(format!("has other values: {error}")))?.as_primitive::<T>().clone())
    }
}

/// A layer: which row of all it stands in, and its name.
struct Layer {
    row: usize,
    name: String,
}

impl Layer {
    /// What is wrong, of this layer.
    fn wrong(&self, error: QuantError) -> QuantError {
        match error {
            QuantError::Cancelled(_) => error,
            _ => QuantError::Layer { row: self.row, layer: Some(self.name.clone()), source: Box::new(error) },
        }
    }
}

/// The names of the layers so far, and the rows that they stand in.
#[derive(Default)]
struct Names(HashMap<String, usize>);

impl Names {
    /// The layers of the next rows.
    fn of(&mut self, table: &Table<'_>) -> Result<Vec<Layer>> {
        let names = table.texts(NAME, NAMES)?;
        let layer = |name: Option<&str>| {
            let row = self.0.len();
            let Some(name) = name else {
                let source = Box::new(wrong(NAME, "is null", NAMES));
                return Err(QuantError::Layer { row, layer: None, source });
            };
            let layer = Layer { row, name: name.to_owned() };
            match self.0.insert(name.to_owned(), row) {
                None => Ok(layer),
                Some(first) => Err(layer.wrong(wrong(NAME, format!("is that of row {first}, too"), NAMES))),
            }
        };
        names.iter().map(layer).collect()
    }
}

/// Layers as they are packed.
#[derive(Default)]
struct Packed {
    names: Vec<String>,
    schemes: Vec<Scheme>,
    units: Vec<f32>,
    qualities: Vec<Quality>,
    shapes: LargeListBuilder<UInt64Builder>,
    codes: LargeBinaryBuilder,
    scales: LargeBinaryBuilder,
    offsets: LargeBinaryBuilder,
}

impl Packed {
    fn add(&mut self, name: &str, matrix: &Quantized, quality: Quality, shape: &[usize]) {
        self.names.push(name.to_owned());
        self.schemes.push(matrix.scheme);
        self.units.push(matrix.scale_unit);
        self.qualities.push(quality);
        append(&mut self.shapes, shape);
        self.codes.append_value(&matrix.codes);
        self.scales.append_value(&matrix.scales);
        let has_offsets = matrix.scheme.offset != Offset::Symmetric;
        self.offsets.append_option(has_offsets.then_some(&matrix.offsets));
    }

    fn batch(self) -> Result<RecordBatch> {
        let Self { names, schemes, units, qualities, mut shapes, mut codes, mut scales, mut offsets } = self;
        let words = |word: fn(&Scheme) -> &'static str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(schemes.iter().map(word)))
        };
        let figures = |figure: fn(&Quality) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(qualities.iter().map(figure)))
        };
        let bits = UInt8Array::from_iter_values(schemes.iter().map(|scheme| scheme.bits as u8));
        let sizes = UInt32Array::from_iter_values(schemes.iter().map(|scheme| scheme.group.number()));
        let columns: [(&str, ArrayRef); 15] = [
            (NAME, Arc::new(StringArray::from_iter_values(&names))),
            (SHAPE, Arc::new(shapes.finish())),
            (BITS, Arc::new(bits)),
            (GROUP_SIZE, Arc::new(sizes)),
            (SCHEME, words(|scheme| scheme.offset.name())),
            (SCALE_TYPE, words(|scheme| scheme.scale_type.name())),
            (SCALE_UNIT, Arc::new(Float32Array::from(units))),
            (CODE_TYPE, words(|scheme| scheme.code_type.name())),
            (CODES, Arc::new(codes.finish())),
            (SCALES, Arc::new(scales.finish())),
            (OFFSETS, Arc::new(offsets.finish())),
            (SQNR, figures(|quality| quality.sqnr)),
            (RELATIVE_ERROR, figures(|quality| quality.relative_error)),
            (COSINE, figures(|quality| quality.cosine)),
            (LARGEST_ERROR, figures(|quality| quality.largest_error)),
        ];
        batch(columns)
    }
}

/// What the rows of a table of packed layers say of their codes.
struct Parts {
    bits: UInt32Array,
    sizes: UInt32Array,
    schemes: StringArray,
    scale_types: StringArray,
    units: Float32Array,
    code_types: StringArray,
    codes: LargeBinaryArray,
    scales: LargeBinaryArray,
    offsets: LargeBinaryArray,
}

impl Parts {
    fn of(table: &Table<'_>) -> Result<Self> {
        Ok(Self {
            bits: table.numbers(BITS, "2, 3, 4 or 8")?,
            sizes: table.numbers(GROUP_SIZE, "how many weights share a scale, 0 for a whole channel")?,
            schemes: table.texts(SCHEME, "`symmetric`, `zero_point` or `minimum`")?,
            scale_types: table.texts(SCALE_TYPE, "`f32`, `f16`, `bf16` or `f8`")?,
            units: table.floats(SCALE_UNIT, "what scales of `f8` count in, 1 for others")?,
            code_types: table.texts(CODE_TYPE, "`linear` or `quadratic`")?,
            codes: table.bytes(CODES)?,
            scales: table.bytes(SCALES)?,
            offsets: table.bytes(OFFSETS)?,
        })
    }

    /// The matrix of a row, whose parts are as long as they have to be.
    fn matrix<'a>(&'a self, row: usize, shape: &[usize]) -> Result<Quantized<&'a [u8]>> {
        let null = |column: &str| wrong(column, "is null", "a value for each layer");
        let number = |column: &str, numbers: &UInt32Array| {
            numbers.is_valid(row).then(|| numbers.value(row)).ok_or_else(|| null(column))
        };
        let word = |column: &str, words: &StringArray| {
            words.is_valid(row).then(|| words.value(row).to_owned()).ok_or_else(|| null(column))
        };
        let bytes = |column: &str, bytes: &'a LargeBinaryArray| {
            bytes.is_valid(row).then(|| bytes.value(row)).ok_or_else(|| null(column))
        };
        let scheme = Scheme {
            bits: Bits::try_from(number(BITS, &self.bits)?)?,
            group: match number(GROUP_SIZE, &self.sizes)? {
                0 => Group::Channel,
                size => Group::of(size)?,
            },
            offset: word(SCHEME, &self.schemes)?.parse()?,
            scale_type: word(SCALE_TYPE, &self.scale_types)?.parse()?,
            code_type: word(CODE_TYPE, &self.code_types)?.parse()?,
        };
        let columns = columns(shape);
        let matrix = Quantized {
            scheme,
            rows: product(shape).checked_div(columns).unwrap_or(0),
            columns,
            scale_unit: self
                .units
                .is_valid(row)
                .then(|| self.units.value(row))
                .ok_or_else(|| null(SCALE_UNIT))?,
            codes: bytes(CODES, &self.codes)?,
            scales: bytes(SCALES, &self.scales)?,
            offsets: match scheme.offset {
                // Nothing, whichever way that is said.
                Offset::Symmetric if self.offsets.is_null(row) => &[],
                _ => bytes(OFFSETS, &self.offsets)?,
            },
        };
        matrix.check()?;
        Ok(matrix)
    }
}

#[cfg(test)]
mod tests;
