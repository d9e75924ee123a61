//! Which options do the first bytes of a text stand for? Zeros stand for the defaults.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};
use bowstring_io::{BadRows, CsvOptions, JsonOptions};

/// How many bytes are options.
pub(crate) const BYTES: usize = 8;

pub(crate) fn csv(bytes: [u8; BYTES]) -> CsvOptions {
    let [delimiter, quote, escape, comment, switches, skip, infer, encoding] = bytes;
    let byte = |byte: u8| (byte != 0).then_some(byte);
    let is_on = |switch: u8| switches & (1 << switch) != 0;
    CsvOptions {
        delimiter: byte(delimiter),
        quote: if is_on(0) { byte(quote) } else { Some(b'"') },
        escape: byte(escape),
        comment: byte(comment),
        has_header: !is_on(1),
        names: is_on(2).then(|| ["a", "b", "c"].map(str::to_owned).to_vec()),
        skip_rows: usize::from(skip % 4),
        null_values: if is_on(3) { vec!["NA".to_owned(), "-".to_owned()] } else { Vec::new() },
        schema: schema(skip / 4),
        infer_rows: infer_rows(infer),
        encoding: label(encoding),
        on_bad_rows: if is_on(4) { BadRows::Skip } else { BadRows::Error },
    }
}

pub(crate) fn json(bytes: [u8; BYTES]) -> JsonOptions {
    let [infer, encoding, types, ..] = bytes;
    JsonOptions { schema: schema(types), infer_rows: infer_rows(infer), encoding: label(encoding) }
}

/// No schema, or one that gives column `a`, and sometimes `b`, a type; not every type can be text.
fn schema(which: u8) -> Option<SchemaRef> {
    let which = usize::from(which).checked_sub(1)?;
    let item = |data_type: DataType| Arc::new(Field::new("item", data_type, true));
    let types = [
        DataType::Utf8,
        DataType::Int8,
        DataType::UInt64,
        DataType::Float32,
        DataType::Boolean,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Second, None),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("+01:30".into())),
        DataType::Timestamp(TimeUnit::Millisecond, Some("Europe/Berlin".into())),
        DataType::Time32(TimeUnit::Second),
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Decimal128(38, 0),
        DataType::Decimal128(5, 2),
        DataType::Decimal128(5, -2),
        DataType::Decimal256(76, 10),
        DataType::Utf8View,
        DataType::Binary,
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
        DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Int64)),
        DataType::List(item(DataType::Date32)),
        DataType::FixedSizeList(item(DataType::Int32), 2),
        DataType::Struct(vec![Field::new("x", DataType::Decimal128(9, 3), false)].into()),
        DataType::Map(item(DataType::Struct(Fields::empty())), false),
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Null,
    ];
    let field = |name: &str, at: usize, nullable: bool| {
        types.get(at).map(|data_type| Field::new(name, data_type.clone(), nullable))
    };
    let fields = match which / types.len() {
        0 => vec![field("a", which, true)?],
        1 => vec![field("a", which % types.len(), false)?],
        _ => vec![field("a", which % types.len(), true)?, field("b", (which + 1) % types.len(), true)?],
    };
    Some(Arc::new(Schema::new(fields)))
}

fn infer_rows(byte: u8) -> usize {
    if byte == 0 { 10_000 } else { usize::from(byte) }
}

fn label(byte: u8) -> String {
    let known = ["utf-8", "utf-16le", "utf-16be", "windows-1252", "shift_jis", "gb18030", "iso-2022-jp", "x"];
    known.get(usize::from(byte)).copied().unwrap_or("utf-8").to_owned()
}
