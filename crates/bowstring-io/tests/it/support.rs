//! Tables, files and their text, for all tests.

use std::{path::Path, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array,
        Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
    },
    compute::concat_batches,
    datatypes::{DataType, Field, Int32Type, SchemaRef},
    util::pretty::pretty_format_batches,
};
use bowstring_core::{Cancel, Diagnostic, render};
use bowstring_io::{Dataset, ReadOptions, Result, Scan, WriteOptions, Writer, Written};
pub(crate) use bowstring_testing::names;

/// A folder that goes when the test is done.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A table of one batch.
pub(crate) fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .expect("columns of one length")
}

/// Column `name` with `values`.
pub(crate) fn ints(name: &str, values: Vec<Option<i64>>) -> RecordBatch {
    table(vec![(name, Arc::new(Int64Array::from(values)))])
}

/// `rows` rows of most types, with nulls, nesting and a dictionary; row `i` has `first + i`.
pub(crate) fn varied(first: i64, rows: usize) -> RecordBatch {
    let ids: Vec<i64> = (first..first + rows as i64).collect();
    let optional = |id: &i64| (id % 5 != 3).then_some(*id);
    let strings: StringArray =
        ids.iter().map(|id| optional(id).map(|id| format!("text {} é\"\n", id % 17))).collect();
    let dictionary: DictionaryArray<Int32Type> =
        strings.iter().map(|text| text.map(|text| &text[..6])).collect();
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(
        ids.iter()
            .map(|id| optional(id).map(|id| (0..id % 3).map(|item| (item != 1).then_some(item as i32)))),
    );
    let inner: ArrayRef =
        Arc::new(Int32Array::from_iter(ids.iter().map(|id| optional(id).map(|id| id as i32))));
    let text: ArrayRef = Arc::new(strings.clone());
    let structs = StructArray::from(vec![
        (Arc::new(Field::new("number", DataType::Int32, true)), inner),
        (Arc::new(Field::new("text", DataType::Utf8, true)), text),
    ]);
    let stamps =
        TimestampMicrosecondArray::from_iter(ids.iter().map(|id| optional(id).map(|id| id * 1_000_001)));
    let decimals = Decimal128Array::from_iter(ids.iter().map(|id| optional(id).map(|id| i128::from(id) * 3)));
    table(vec![
        ("id", Arc::new(Int64Array::from(ids.clone()))),
        (
            "float",
            Arc::new(Float64Array::from_iter(ids.iter().map(|id| optional(id).map(|id| id as f64 / 4.0)))),
        ),
        ("flag", Arc::new(BooleanArray::from_iter(ids.iter().map(|id| optional(id).map(|id| id % 2 == 0))))),
        ("date", Arc::new(Date32Array::from_iter(ids.iter().map(|id| optional(id).map(|id| id as i32))))),
        ("stamp", Arc::new(stamps.with_timezone("UTC"))),
        ("price", Arc::new(decimals.with_precision_and_scale(12, 2).expect("a precision"))),
        ("text", Arc::new(strings)),
        ("kind", Arc::new(dictionary)),
        ("list", Arc::new(lists)),
        ("point", Arc::new(structs)),
    ])
}

/// Writes batches to a file.
pub(crate) fn write_all(path: &Path, batches: &[RecordBatch], options: &WriteOptions) -> Result<Written> {
    let schema = batches.first().expect("a batch").schema();
    let mut writer = Writer::create(path, &schema, options)?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()
}

/// Reads a scan, part by part.
pub(crate) fn scan(dataset: &Dataset, scan: &Scan) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    for part in dataset.split(scan)? {
        for batch in dataset.read(&part, scan, &Cancel::new())? {
            batches.push(batch?);
        }
    }
    let schema: SchemaRef = match &scan.projection {
        Some(projection) => Arc::new(dataset.schema().project(projection)?),
        None => Arc::clone(dataset.schema()),
    };
    Ok(concat_batches(&schema, &batches)?)
}

/// Reads all of what `path` stands for.
pub(crate) fn read_all(path: &Path) -> Result<RecordBatch> {
    scan(&Dataset::open(&[path.to_owned()], &ReadOptions::default())?, &Scan::default())
}

/// The table, or the error and its kind, as a person sees them; `folder` is shown as `DIR`.
pub(crate) fn shown(folder: &Path, result: Result<RecordBatch>) -> String {
    let text = match result {
        Ok(batch) => pretty_format_batches(&[batch]).expect("text").to_string(),
        Err(error) => format!("{}: {}", error.kind(), render(&error)),
    };
    text.replace(&folder.display().to_string(), "DIR")
}

/// The same rows with every dictionary as its values, for comparison.
pub(crate) fn plain(batch: &RecordBatch) -> RecordBatch {
    let columns = batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, array)| {
        let array = match array.data_type() {
            DataType::Dictionary(_, values) => arrow::compute::cast(array, values).expect("its values"),
            _ => Arc::clone(array),
        };
        (field.name().clone(), array, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).expect("the same columns")
}
