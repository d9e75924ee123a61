//! How is a table written as newline-delimited JSON? One object a line, nulls written out, times as
//! RFC 3339 has them. What JSON cannot say (`NaN`, infinities, bytes) is an error, not a null.

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{DataType, Float16Type, Float32Type, Float64Type, Schema, SchemaRef},
};
use arrow_json::{WriterBuilder, writer::LineDelimited};

use crate::{
    IoError, Result,
    encoder::Encoder,
    sink::Sink,
    text::{column, encode},
};

/// Writes newline-delimited JSON.
pub(crate) struct JsonEncoder {
    sink: Sink,
    schema: SchemaRef,
    rows: u64,
}

impl JsonEncoder {
    pub(crate) fn new(sink: Sink, schema: &SchemaRef) -> Result<Self> {
        for field in schema.fields() {
            if !is_writable(field.data_type()) {
                return Err(IoError::Unwritable {
                    column: field.name().clone(),
                    data_type: field.data_type().to_string(),
                    format: "JSON",
                    hint: Some("cast it to text or to a number, or write another format"),
                });
            }
        }
        column::check_names(schema, "JSON")?;
        Ok(Self { sink, schema: SchemaRef::clone(schema), rows: 0 })
    }
}

/// Finds a float that is no number, in rows that come after so many others.
fn check(schema: &Schema, batch: &RecordBatch, before: u64) -> Result<()> {
    for (field, array) in schema.fields().iter().zip(batch.columns()) {
        if !has_floats(field.data_type()) {
            continue;
        }
        let found = (0..array.len()).find_map(|row| Some((row, not_a_number(array, row)?)));
        if let Some((row, value)) = found {
            return Err(IoError::UnsupportedValue {
                value,
                format: "JSON",
                column: field.name().clone(),
                row: before + row as u64 + 1,
            });
        }
    }
    Ok(())
}

impl Encoder for JsonEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let (schema, before) = (&self.schema, self.rows);
        encode::write(batch, &mut self.sink, |slice, first| {
            check(schema, slice, before + first as u64)?;
            let builder = WriterBuilder::new().with_explicit_nulls(true);
            let mut writer = builder.build::<_, LineDelimited>(Vec::new());
            writer.write(slice)?;
            writer.finish()?;
            Ok(writer.into_inner())
        })?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Sink> {
        Ok(self.sink)
    }
}

fn is_writable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_writable(values),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_writable(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|field| is_writable(field.data_type())),
        DataType::Null
        | DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..) => true,
        other => other.is_numeric(),
    }
}

fn has_floats(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => has_floats(values),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            has_floats(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().any(|field| has_floats(field.data_type())),
        other => other.is_floating(),
    }
}

/// What kind of non-number a row holds, at any depth.
fn not_a_number(array: &ArrayRef, row: usize) -> Option<&'static str> {
    if array.is_null(row) {
        return None;
    }
    let inside = |values: &ArrayRef| (0..values.len()).find_map(|row| not_a_number(values, row));
    let float = match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
        DataType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float16 => f64::from(array.as_primitive::<Float16Type>().value(row)),
        DataType::List(_) => return inside(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => return inside(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => return inside(&array.as_fixed_size_list().value(row)),
        DataType::Struct(_) => {
            return array.as_struct().columns().iter().find_map(|child| not_a_number(child, row));
        }
        DataType::Dictionary(..) => {
            let one = array.slice(row, 1);
            let dictionary = one.as_any_dictionary();
            let key = dictionary.normalized_keys().first().copied()?;
            return not_a_number(dictionary.values(), key);
        }
        _ => return None,
    };
    if float.is_nan() {
        Some("NaN")
    } else if float.is_infinite() {
        Some("an infinity")
    } else {
        None
    }
}
