//! Which columns does a file of packed weights have?
//!
//! It is a Parquet file with a row for each tensor, or several for one whose codes are more than
//! [`MOST`] bytes; `docs/reference/quantized-models.md` says what stands in each column.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use twox_hash::XxHash3_64;

/// The version that is written.
pub(crate) const VERSION: &str = "3";
/// Those before, which are read too: in the first all codes are linear, and no scales are of 8 bits.
pub(crate) const FIRST: &str = "1";
const SECOND: &str = "2";
/// What the file says its version under.
pub(crate) const VERSION_KEY: &str = "bowstring.quantized_model";
/// The most bytes of codes in a row, of which the writer holds a few copies; few in tests, so that they meet tensors
/// of several rows.
pub(crate) const MOST: usize = if cfg!(test) { 1 << 12 } else { 1 << 26 };
/// The scheme of a tensor that is as it was.
pub(crate) const KEPT: &str = "kept";

/// Where each column stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    Name,
    Dtype,
    Shape,
    First,
    Count,
    Scheme,
    Bits,
    Columns,
    GroupAxis,
    GroupSize,
    ScaleType,
    ScaleUnit,
    CodeType,
    Sqnr,
    RelativeError,
    Cosine,
    LargestError,
    Checksum,
    Codes,
    Scales,
    Offsets,
}

impl Column {
    const ALL: [Column; 21] = [
        Column::Name,
        Column::Dtype,
        Column::Shape,
        Column::First,
        Column::Count,
        Column::Scheme,
        Column::Bits,
        Column::Columns,
        Column::GroupAxis,
        Column::GroupSize,
        Column::ScaleType,
        Column::ScaleUnit,
        Column::CodeType,
        Column::Sqnr,
        Column::RelativeError,
        Column::Cosine,
        Column::LargestError,
        Column::Checksum,
        Column::Codes,
        Column::Scales,
        Column::Offsets,
    ];

    /// Where it stands in files of a version; `None` where it has no such column.
    pub(crate) fn place(self, version: &str) -> Option<usize> {
        columns(version).position(|column| column as usize == self as usize)
    }

    fn field(self) -> Field {
        let one = |name, data_type| Field::new(name, data_type, false);
        let none = |name, data_type| Field::new(name, data_type, true);
        match self {
            Column::Name => one("name", DataType::Utf8),
            Column::Dtype => one("dtype", DataType::Utf8),
            Column::Shape => {
                one("shape", DataType::List(Arc::new(Field::new_list_field(DataType::UInt64, false))))
            }
            Column::First => one("first", DataType::UInt64),
            Column::Count => one("count", DataType::UInt64),
            Column::Scheme => one("scheme", DataType::Utf8),
            Column::Bits => none("bits", DataType::UInt8),
            Column::Columns => none("columns", DataType::UInt64),
            Column::GroupAxis => none("group_axis", DataType::UInt8),
            Column::GroupSize => none("group_size", DataType::UInt32),
            Column::ScaleType => none("scale_type", DataType::Utf8),
            Column::ScaleUnit => none("scale_unit", DataType::Float32),
            Column::CodeType => none("code_type", DataType::Utf8),
            Column::Sqnr => none("sqnr", DataType::Float64),
            Column::RelativeError => none("relative_error", DataType::Float64),
            Column::Cosine => none("cosine", DataType::Float64),
            Column::LargestError => none("largest_error", DataType::Float64),
            Column::Checksum => one("checksum", DataType::UInt64),
            Column::Codes => one("codes", DataType::Binary),
            Column::Scales => none("scales", DataType::Binary),
            Column::Offsets => none("offsets", DataType::Binary),
        }
    }
}

/// Whether a version is read.
pub(crate) fn is_read(version: &str) -> bool {
    [FIRST, SECOND, VERSION].contains(&version)
}

fn columns(version: &str) -> impl Iterator<Item = Column> {
    let has = move |column: &Column| match column {
        Column::ScaleUnit | Column::CodeType => version != FIRST,
        Column::GroupAxis => ![FIRST, SECOND].contains(&version),
        _ => true,
    };
    Column::ALL.into_iter().filter(has)
}

/// The columns of a version.
pub(crate) fn fields(version: &str) -> Fields {
    columns(version).map(Column::field).collect()
}

/// The columns of a file that is written.
pub(crate) fn schema(metadata: impl IntoIterator<Item = (String, String)>) -> SchemaRef {
    let mut metadata: std::collections::HashMap<String, String> = metadata.into_iter().collect();
    metadata.insert(VERSION_KEY.to_owned(), VERSION.to_owned());
    Arc::new(Schema::new(fields(VERSION)).with_metadata(metadata))
}

/// XXH3 of 64 bits without a seed, of the bytes of a row one after the other.
pub(crate) fn checksum(parts: [&[u8]; 3]) -> u64 {
    let mut hash = XxHash3_64::new();
    parts.iter().for_each(|part| std::hash::Hasher::write(&mut hash, part));
    std::hash::Hasher::finish(&hash)
}
