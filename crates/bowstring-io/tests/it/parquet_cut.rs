//! A row group that is read in several parts.

use std::{fs::File, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, UInt32Array},
    compute::concat_batches,
    datatypes::Int64Type,
};
use bowstring_core::Cancel;
use bowstring_io::{CompareOp, Dataset, EagerOptions, Predicate, ReadOptions, Scan, read_table};
use parquet::{
    arrow::ArrowWriter,
    file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion},
};

use crate::support::{folder, table};

const ROWS: i64 = 750_000;

/// Numbers that no encoding makes smaller, so that a row group is as large as it looks.
fn numbers(factor: i64) -> ArrayRef {
    let mixed = |row: i64| row.wrapping_mul(factor).rotate_left(29).wrapping_mul(factor | 1);
    Arc::new(Int64Array::from_iter_values((0..ROWS).map(mixed)))
}

fn flat() -> RecordBatch {
    let text =
        StringArray::from_iter((0..ROWS).map(|row| (row % 5 != 3).then(|| format!("text {}", row % 9000))));
    table(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS))),
        ("a", numbers(0x5851_f42d_4c95_7f2d)),
        ("b", numbers(0x1405_7b7e_f767_814f)),
        ("text", Arc::new(text)),
        ("c", numbers(0x2545_f491_4f6c_dd1d)),
    ])
}

fn write(path: &Path, batch: &RecordBatch, properties: WriterPropertiesBuilder) {
    let properties = properties.set_max_row_group_row_count(None).build();
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(batch).expect("rows");
    writer.close().expect("a footer");
}

fn open(path: &Path) -> Dataset {
    Dataset::open(&[path.to_owned()], &ReadOptions::default()).expect("a dataset")
}

fn read(dataset: &Dataset, wanted: &Scan) -> (usize, RecordBatch) {
    let parts = dataset.split(wanted).expect("parts");
    let read = |part| dataset.read(part, wanted, &Cancel::new()).expect("batches");
    let batches: Vec<RecordBatch> = parts.iter().flat_map(read).map(|batch| batch.expect("rows")).collect();
    let schema = match &wanted.projection {
        Some(projection) => Arc::new(dataset.schema().project(projection).expect("columns")),
        None => Arc::clone(dataset.schema()),
    };
    (parts.len(), concat_batches(&schema, &batches).expect("one table"))
}

fn id(op: CompareOp, bound: i64) -> Predicate {
    Predicate::Compare(0, op, Arc::new(Int64Array::from(vec![bound])))
}

/// With a page index and without, pages of both versions.
fn files() -> [WriterPropertiesBuilder; 3] {
    let plain = || WriterProperties::builder().set_data_page_row_count_limit(7001);
    [
        plain(),
        plain().set_offset_index_disabled(true).set_statistics_enabled(EnabledStatistics::Chunk),
        plain()
            .set_offset_index_disabled(true)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_writer_version(WriterVersion::PARQUET_2_0),
    ]
}

#[test]
fn the_parts_together_are_the_row_group() {
    let (folder, batch) = (folder(), flat());
    let path = folder.path().join("x.parquet");
    for properties in files() {
        write(&path, &batch, properties);
        let dataset = open(&path);
        let (parts, found) = read(&dataset, &Scan::default());
        assert!(parts > 1, "{parts} part(s)");
        assert!(found == batch, "the rows differ");
        // Two columns are half as large.
        let (fewer, found) = read(&dataset, &Scan { projection: Some(vec![2, 3]), ..Scan::default() });
        assert!(fewer < parts, "{fewer} and {parts} part(s)");
        assert!(found == batch.project(&[2, 3]).expect("columns"), "the rows differ");
    }
}

#[test]
fn a_predicate_finds_its_rows_in_every_part() {
    let (folder, batch) = (folder(), flat());
    let path = folder.path().join("x.parquet");
    let all: Vec<usize> = (0..batch.num_columns()).collect();
    for properties in files() {
        write(&path, &batch, properties);
        let dataset = open(&path);
        for predicate in [
            id(CompareOp::Eq, ROWS / 2 + 1),
            id(CompareOp::GtEq, ROWS - 10),
            Predicate::And(vec![id(CompareOp::Gt, 100_000), Predicate::IsNull(3)]),
            Predicate::Compare(1, CompareOp::Lt, Arc::new(Int64Array::from(vec![i64::MIN / 2]))),
        ] {
            let expected = predicate.filter(&batch, &all).expect("rows");
            let (_, found) = read(&dataset, &Scan { predicate: Some(predicate), ..Scan::default() });
            assert!(found == expected, "{} of {} rows", found.num_rows(), expected.num_rows());
        }
    }
}

#[test]
fn limits_and_row_groups_are_those_of_the_file() {
    let (folder, batch) = (folder(), flat());
    let path = folder.path().join("x.parquet");
    write(&path, &batch, WriterProperties::builder());
    let eager = |options: &EagerOptions| {
        let read = read_table(std::slice::from_ref(&path), &ReadOptions::default(), options, &Cancel::new());
        let (schema, batches) = read.expect("rows");
        concat_batches(&schema, &batches).expect("one table")
    };
    let limit = EagerOptions { limit: Some(400_000), ..EagerOptions::default() };
    assert!(eager(&limit) == batch.slice(0, 400_000), "the first rows");
    let group = EagerOptions {
        row_groups: Some(vec![0]),
        filter: Some(id(CompareOp::Lt, 300_000)),
        ..EagerOptions::default()
    };
    assert!(eager(&group) == batch.slice(0, 300_000), "the row group");
}

#[test]
fn nested_columns_are_cut_only_with_a_page_index() {
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>((0..ROWS).map(|row| {
        let item = |item: i64| Some(row.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ item);
        (row % 7 != 0).then(|| (0..row % 9).map(item).collect::<Vec<_>>())
    }));
    let batch = table(vec![
        ("row", Arc::new(UInt32Array::from_iter_values(0..ROWS as u32)) as ArrayRef),
        ("list", Arc::new(lists) as ArrayRef),
    ]);
    let folder = folder();
    let path = folder.path().join("x.parquet");
    let [indexed, plain, _] = files();
    for (properties, cut) in [(indexed, true), (plain, false)] {
        write(&path, &batch, properties);
        let (parts, found) = read(&open(&path), &Scan::default());
        assert_eq!(parts > 1, cut, "{parts} part(s)");
        assert!(found == batch, "the rows differ");
    }
}
