//! What do Parquet's own statistics say, and how far can they be believed?
//!
//! - Bounds in an order that is not the type's (deprecated ones of text, bytes, decimals in bytes and
//!   unsigned numbers, INT96, unknown orders) are unknown.
//! - Bounds of floats leave NaN out, and zero may have either sign: they are never exact, a lower bound
//!   of 0.0 becomes -0.0 and an upper one of -0.0 becomes 0.0; a bound that is NaN is unknown.
//! - Bounds of text and bytes may be cut short: they are exact only where the file says so.
//! - A missing null count is unknown, not zero.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float16Array, Float32Array, Float64Array, UInt64Array},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Float16Type, Float32Type, Float64Type, Schema},
};
use parquet::{
    arrow::arrow_reader::statistics::StatisticsConverter,
    basic::{ColumnOrder, SortOrder, Type},
    file::metadata::{ParquetMetaData, RowGroupMetaData},
};

use crate::ColumnStatistics;

/// A column that holds values: a column of the table, or one nested in it.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// Its place among the file's leaves.
    pub(crate) index: usize,
    /// The column of the table in which it lies.
    pub(crate) root: usize,
    /// Whether it is that column.
    pub(crate) is_root: bool,
    /// Its path in the Parquet schema, with dots.
    pub(crate) name: String,
    /// Its Arrow type.
    pub(crate) field: FieldRef,
}

/// The leaves of a file.
///
/// # Errors
/// How many its Parquet schema and its Arrow schema have, when they do not go together.
pub(crate) fn leaves(metadata: &ParquetMetaData, schema: &Schema) -> Result<Vec<Leaf>, (usize, usize)> {
    let mut leaves = Vec::new();
    for (root, field) in schema.fields().iter().enumerate() {
        collect(field, root, true, &mut leaves);
    }
    let columns = metadata.file_metadata().schema_descr().columns();
    if leaves.len() != columns.len() {
        return Err((columns.len(), leaves.len()));
    }
    for (leaf, column) in leaves.iter_mut().zip(columns) {
        leaf.name = column.path().string();
    }
    Ok(leaves)
}

fn collect(field: &FieldRef, root: usize, is_root: bool, into: &mut Vec<Leaf>) {
    match field.data_type() {
        DataType::Struct(fields) => fields.iter().for_each(|field| collect(field, root, false, into)),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => collect(field, root, false, into),
        _ => {
            let (index, field) = (into.len(), Arc::clone(field));
            into.push(Leaf { index, root, is_root, name: String::new(), field });
        }
    }
}

/// What is known of a leaf in each of some row groups.
pub(crate) fn of_row_groups(
    metadata: &ParquetMetaData,
    leaf: &Leaf,
    groups: &[&RowGroupMetaData],
) -> Vec<ColumnStatistics> {
    let unknown = || vec![ColumnStatistics::default(); groups.len()];
    let descriptor = metadata.file_metadata().schema_descr();
    let Ok(converter) = StatisticsConverter::from_column_index(leaf.index, &leaf.field, descriptor) else {
        return unknown();
    };
    let converter = converter.with_missing_null_counts_as_zero(false);
    let each = || groups.iter().copied();
    let columns = (
        converter.row_group_mins(each()),
        converter.row_group_maxes(each()),
        converter.row_group_null_counts(each()),
    );
    let (Ok(mins), Ok(maxes), Ok(nulls)) = columns else { return unknown() };
    let of_group = |(at, group): (usize, &&RowGroupMetaData)| {
        let Some(statistics) = group.columns().get(leaf.index).and_then(|chunk| chunk.statistics()) else {
            return ColumnStatistics::default();
        };
        let deprecated = statistics.is_min_max_deprecated();
        let believed = is_ordered(metadata, leaf.index, deprecated);
        let whole = statistics.min_is_exact() && statistics.max_is_exact();
        ColumnStatistics {
            exact: whole || is_never_cut(metadata, leaf.index),
            distinct_count: statistics.distinct_count_opt(),
            ..bounds(&leaf.field, (&mins, &maxes, &nulls), at, believed)
        }
    };
    groups.iter().enumerate().map(of_group).map(|known| honest(&leaf.field, known)).collect()
}

/// What is known of a leaf's pages in a row group, with the rows that each page has; `None` when the
/// file has no page index for it, or one that does not fit.
pub(crate) fn of_pages(
    metadata: &ParquetMetaData,
    leaf: &Leaf,
    group: usize,
) -> Option<Vec<(Range<usize>, ColumnStatistics)>> {
    let (columns, offsets) = (metadata.column_index()?, metadata.offset_index()?);
    columns.get(group)?.get(leaf.index)?;
    let rows = usize::try_from(metadata.row_groups().get(group)?.num_rows()).ok()?;
    let pages = page_rows(offsets.get(group)?.get(leaf.index)?.page_locations(), rows)?;
    let descriptor = metadata.file_metadata().schema_descr();
    let converter = StatisticsConverter::from_column_index(leaf.index, &leaf.field, descriptor).ok()?;
    let mins = converter.data_page_mins(columns, offsets, [&group]).ok()?;
    let maxes = converter.data_page_maxes(columns, offsets, [&group]).ok()?;
    let nulls = converter.data_page_null_counts(columns, offsets, [&group]).ok()?;
    if [mins.len(), maxes.len(), nulls.len()] != [pages.len(); 3] {
        return None;
    }
    let believed = is_ordered(metadata, leaf.index, false);
    let known =
        |(at, rows)| (rows, honest(&leaf.field, bounds(&leaf.field, (&mins, &maxes, &nulls), at, believed)));
    Some(pages.into_iter().enumerate().map(known).collect())
}

/// The rows of each page; `None` when they are not one after the other.
fn page_rows(
    pages: &[parquet::file::page_index::offset_index::PageLocation],
    rows: usize,
) -> Option<Vec<Range<usize>>> {
    let starts = pages.iter().map(|page| usize::try_from(page.first_row_index).ok());
    let starts: Vec<usize> = starts.collect::<Option<_>>()?;
    let ends = starts.iter().skip(1).copied().chain([rows]);
    let ranges: Vec<Range<usize>> = starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect();
    let fits = ranges.first()?.start == 0 && ranges.iter().all(|range| range.start <= range.end);
    fits.then_some(ranges)
}

fn bounds(
    field: &Field,
    (mins, maxes, nulls): (&ArrayRef, &ArrayRef, &UInt64Array),
    at: usize,
    believed: bool,
) -> ColumnStatistics {
    let bound = |array: &ArrayRef| -> Option<ArrayRef> {
        let one = (believed && at < array.len() && !array.is_null(at)).then(|| array.slice(at, 1))?;
        if one.data_type() == field.data_type() { Some(one) } else { cast(&one, field.data_type()).ok() }
    };
    ColumnStatistics {
        min: bound(mins),
        max: bound(maxes),
        null_count: (at < nulls.len() && !nulls.is_null(at)).then(|| nulls.value(at)),
        ..ColumnStatistics::default()
    }
}

/// Whether the bounds were made in the order in which the type's values are compared.
fn is_ordered(metadata: &ParquetMetaData, leaf: usize, deprecated: bool) -> bool {
    let file = metadata.file_metadata();
    let Some(column) = file.schema_descr().columns().get(leaf) else { return false };
    let defined = file.column_orders().and_then(|orders| orders.get(leaf));
    match (column.physical_type(), column.sort_order(), defined) {
        (Type::INT96, ..) | (_, SortOrder::UNDEFINED, _) | (.., Some(ColumnOrder::UNKNOWN)) => false,
        // Bytes were compared byte by byte, whatever they meant, before orders were defined.
        (Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY, _, Some(ColumnOrder::TYPE_DEFINED_ORDER(_))) => {
            !deprecated
        }
        (Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY, ..) => false,
        // What was written before orders were defined was compared as signed numbers are.
        (_, SortOrder::SIGNED, _) => true,
        (_, SortOrder::UNSIGNED, Some(ColumnOrder::TYPE_DEFINED_ORDER(_))) => !deprecated,
        (_, SortOrder::UNSIGNED, _) => false,
    }
}

/// Whether values are too short to be cut in statistics.
fn is_never_cut(metadata: &ParquetMetaData, leaf: usize) -> bool {
    let column = metadata.file_metadata().schema_descr().columns().get(leaf);
    column.is_some_and(|column| matches!(column.physical_type(), Type::BOOLEAN | Type::INT32 | Type::INT64))
}

/// The same bounds, but for what floats make doubtful.
fn honest(field: &Field, known: ColumnStatistics) -> ColumnStatistics {
    let exact = known.exact && known.min.is_some() && known.max.is_some();
    if !field.data_type().is_floating() {
        return ColumnStatistics { exact, ..known };
    }
    let (min, max) = (known.min.as_ref(), known.max.as_ref());
    let (min, max) = (min.and_then(|bound| float(bound, -0.0)), max.and_then(|bound| float(bound, 0.0)));
    ColumnStatistics { exact: false, min, max, ..known }
}

/// A bound that is a number; `zero` when it is zero.
fn float(bound: &ArrayRef, zero: f32) -> Option<ArrayRef> {
    Some(match bound.data_type() {
        DataType::Float16 => {
            let value = bound.as_primitive::<Float16Type>().value(0);
            let wide = f32::from(value);
            let value = if wide == 0.0 { half(zero) } else { value };
            (!wide.is_nan()).then(|| Arc::new(Float16Array::from(vec![value])) as ArrayRef)?
        }
        DataType::Float32 => {
            let value = bound.as_primitive::<Float32Type>().value(0);
            let value = if value == 0.0 { zero } else { value };
            (!value.is_nan()).then(|| Arc::new(Float32Array::from(vec![value])) as ArrayRef)?
        }
        DataType::Float64 => {
            let value = bound.as_primitive::<Float64Type>().value(0);
            let value = if value == 0.0 { f64::from(zero) } else { value };
            (!value.is_nan()).then(|| Arc::new(Float64Array::from(vec![value])) as ArrayRef)?
        }
        _ => return None,
    })
}

fn half(zero: f32) -> <Float16Type as arrow::datatypes::ArrowPrimitiveType>::Native {
    let bits = if zero.is_sign_negative() { 0x8000 } else { 0 };
    <Float16Type as arrow::datatypes::ArrowPrimitiveType>::Native::from_bits(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Int64Array, RecordBatch, StringArray, UInt32Array};
    use parquet::{
        arrow::{ArrowWriter, parquet_to_arrow_schema},
        file::metadata::{FileMetaData, ParquetMetaDataReader},
    };

    /// Whether the columns have bounds when the file says of their orders what `orders` makes of it.
    fn check(orders: impl Fn(Option<&Vec<ColumnOrder>>) -> Option<Vec<ColumnOrder>>, expected: [bool; 4]) {
        let wide = Decimal128Array::from(vec![-1, 300]).with_precision_and_scale(38, 0).expect("a precision");
        let columns: [(&str, ArrayRef); 4] = [
            ("number", Arc::new(Int64Array::from(vec![-1, 300]))),
            ("unsigned", Arc::new(UInt32Array::from(vec![1, u32::MAX]))),
            ("text", Arc::new(StringArray::from(vec!["a", "\u{e9}"]))),
            ("wide", Arc::new(wide)),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("rows");
        let bytes = bytes::Bytes::from(writer.into_inner().expect("a footer"));
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes).expect("metadata");
        let file = metadata.file_metadata();
        let orders = orders(file.column_orders());
        let descriptor = file.schema_descr_ptr();
        let file = FileMetaData::new(2, 2, None, file.key_value_metadata().cloned(), descriptor, orders);
        let metadata = ParquetMetaData::new(file, metadata.row_groups().to_vec());
        let file = metadata.file_metadata();
        let schema =
            parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata()).expect("a schema");
        let groups: Vec<&RowGroupMetaData> = metadata.row_groups().iter().collect();
        let known = leaves(&metadata, &schema).expect("leaves");
        let known = known.iter().map(|leaf| {
            let known = of_row_groups(&metadata, leaf, &groups);
            known.first().is_some_and(|known| known.min.is_some() && known.max.is_some() && known.exact)
        });
        assert_eq!(known.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn bounds_are_believed_where_their_order_is_known() {
        check(|orders| orders.cloned(), [true, true, true, true]);
        check(|_| None, [true, false, false, false]);
        check(
            |orders| orders.map(|orders| vec![ColumnOrder::UNDEFINED; orders.len()]),
            [true, false, false, false],
        );
        check(|orders| orders.map(|orders| vec![ColumnOrder::UNKNOWN; orders.len()]), [false; 4]);
    }
}
