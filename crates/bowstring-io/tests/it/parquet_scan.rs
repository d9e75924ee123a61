//! What a Parquet scan skips, and that it skips no row that matches.

use std::{fs::File, path::Path, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
        StringViewArray, TimestampMicrosecondArray, UInt64Array,
    },
    compute::concat_batches,
    util::display::array_value_to_string,
};
use bowstring_core::Cancel;
use bowstring_io::{CompareOp, Dataset, Predicate, ReadOptions, Scan, Statistics};
use expect_test::{Expect, expect};
use parquet::{
    arrow::ArrowWriter,
    file::properties::{EnabledStatistics, WriterProperties, WriterVersion},
};
use proptest::prelude::*;

use crate::support::{folder, scan, table, varied};

fn properties(group_rows: usize, page_rows: usize) -> parquet::file::properties::WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .set_data_page_row_count_limit(page_rows)
        .set_write_batch_size(page_rows)
        .set_statistics_enabled(EnabledStatistics::Page)
}

fn write(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(batch).expect("rows");
    writer.close().expect("a footer");
}

fn open(path: &Path) -> Dataset {
    Dataset::open(&[path.to_owned()], &ReadOptions::default()).expect("a dataset")
}

/// A batch of wide rows has fewer of them, so that what a reader holds stays small.
#[test]
fn wide_rows_come_in_small_batches() {
    let folder = folder();
    let path = folder.path().join("wide.parquet");
    let texts = StringArray::from_iter_values((0..600).map(|row| format!("{row:06}").repeat(10_000)));
    let wide = table(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..600)) as ArrayRef),
        ("text", Arc::new(texts)),
    ]);
    write(&path, &wide, properties(600, 100).set_dictionary_enabled(false).build());
    let dataset = open(&path);
    let rows = |projection: Vec<usize>| -> Vec<usize> {
        let wanted = Scan { projection: Some(projection), ..Scan::default() };
        let parts = dataset.split(&wanted).expect("parts");
        let batches =
            parts.iter().flat_map(|part| dataset.read(part, &wanted, &Cancel::new()).expect("batches"));
        batches.map(|batch| batch.expect("rows").num_rows()).collect()
    };
    // 36 MB in batches of 4 MiB, and 5 KB in one.
    assert_eq!(rows(vec![0, 1]), [69, 69, 69, 69, 69, 69, 69, 69, 48]);
    assert_eq!(rows(vec![0]), [600]);
    assert_eq!(scan(&dataset, &Scan::default()).expect("all rows"), wide);
}

/// Rows of `batch` for which the predicate is true, by the plain evaluation of every row.
fn reference(batch: &RecordBatch, wanted: &Scan) -> RecordBatch {
    let all: Vec<usize> = (0..batch.num_columns()).collect();
    let kept = match &wanted.predicate {
        Some(predicate) => predicate.filter(batch, &all).expect("the rows"),
        None => batch.clone(),
    };
    match &wanted.projection {
        Some(projection) => kept.project(projection).expect("columns"),
        None => kept,
    }
}

/// One row of each type that `varied` has, of row `row`.
fn value(batch: &RecordBatch, column: usize, row: usize) -> ArrayRef {
    batch.column(column).slice(row, 1)
}

fn predicates() -> impl Strategy<Value = (usize, CompareOp, usize, u8)> {
    use CompareOp::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    let op = prop::sample::select(vec![Eq, NotEq, Lt, LtEq, Gt, GtEq]);
    // Columns of `varied` that can be compared, and the row from which the value comes.
    (prop::sample::select(vec![0usize, 1, 2, 3, 4, 5, 6]), op, 0usize..300, 0u8..6)
}

fn built(batch: &RecordBatch, (column, op, row, form): (usize, CompareOp, usize, u8)) -> Predicate {
    let compare = Predicate::Compare(column, op, value(batch, column, row));
    match form {
        0 => Predicate::Not(Box::new(compare)),
        1 => Predicate::IsNull(column),
        2 => Predicate::IsNotNull(column),
        _ => compare,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_scan_gives_what_filtering_every_row_gives(
        parts in prop::collection::vec(predicates(), 1..4),
        any in any::<bool>(),
        projection in prop::option::of(prop::sample::subsequence(vec![0usize, 1, 6, 7, 8, 9], 0..6)),
        (group, page) in (20usize..400, 5usize..60),
        batch_rows in 1usize..200,
        version_two in any::<bool>(),
    ) {
        let batch = varied(0, 300);
        let folder = folder();
        let path = folder.path().join("x.parquet");
        let version =
            if version_two { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        write(&path, &batch, properties(group, page).set_writer_version(version).build());
        let parts: Vec<Predicate> = parts.into_iter().map(|part| built(&batch, part)).collect();
        let predicate = if any { Predicate::Or(parts) } else { Predicate::And(parts) };
        let wanted = Scan { predicate: Some(predicate), projection, batch_rows, ..Scan::default() };
        let found = scan(&open(&path), &wanted).expect("the rows");
        let expected = reference(&batch, &wanted);
        prop_assert_eq!(found.num_rows(), expected.num_rows());
        prop_assert_eq!(found.columns(), expected.columns());
    }
}

/// How many parts and rows a scan without a filter of its own would read: each part's rows by its range.
fn check_skipped(predicate: Predicate, expected_parts: usize, expected_rows: usize) {
    // Row groups of 100 rows, each far above what parts are made of, pages of 10 rows.
    let rows = 1_000;
    let wide: StringArray = (0..rows).map(|row| Some(format!("{row:0>40000}"))).collect();
    let batch = table(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..rows)) as ArrayRef),
        ("half", Arc::new(Int64Array::from_iter((0..rows).map(|row| (row < 500).then_some(7)))) as ArrayRef),
        ("wide", Arc::new(wide) as ArrayRef),
    ]);
    let folder = folder();
    let path = folder.path().join("x.parquet");
    write(&path, &batch, properties(100, 10).set_dictionary_enabled(false).build());
    let dataset = open(&path);
    let wanted = Scan { predicate: Some(predicate), ..Scan::default() };
    let parts = dataset.split(&wanted).expect("parts");
    assert_eq!(parts.len(), expected_parts);
    let read = |part| dataset.read(part, &wanted, &Cancel::new()).expect("batches");
    let batches: Vec<RecordBatch> = parts.iter().flat_map(read).map(|batch| batch.expect("rows")).collect();
    let found = concat_batches(dataset.schema(), &batches).expect("one table");
    assert_eq!(found, reference(&batch, &wanted));
    assert_eq!(found.num_rows(), expected_rows);
}

#[test]
fn row_groups_are_skipped_by_their_statistics() {
    let id = |op, bound| Predicate::Compare(0, op, Arc::new(Int64Array::from(vec![bound])) as ArrayRef);
    check_skipped(id(CompareOp::GtEq, 0), 10, 1000);
    check_skipped(id(CompareOp::Lt, 250), 3, 250);
    check_skipped(id(CompareOp::Eq, 555), 1, 1);
    check_skipped(id(CompareOp::Gt, 999), 0, 0);
    check_skipped(Predicate::IsNull(1), 5, 500);
    check_skipped(Predicate::IsNotNull(1), 5, 500);
    check_skipped(Predicate::Not(Box::new(id(CompareOp::Lt, 900))), 1, 100);
    check_skipped(Predicate::And(vec![id(CompareOp::Lt, 500), Predicate::IsNull(1)]), 0, 0);
}

#[test]
fn pages_that_the_index_rules_out_are_not_read() {
    // A page that is ruled out may hold anything: its bytes are changed, and nobody notices.
    let rows = 400;
    let ids = Int64Array::from_iter_values(0..rows);
    let wide: StringArray = (0..rows).map(|row| Some(format!("mark{row:0>100}"))).collect();
    let batch = table(vec![("id", Arc::new(ids) as ArrayRef), ("wide", Arc::new(wide) as ArrayRef)]);
    let folder = folder();
    let path = folder.path().join("x.parquet");
    write(&path, &batch, properties(400, 20).set_dictionary_enabled(false).build());
    let mut bytes = std::fs::read(&path).expect("bytes");
    // The length of the text in row 200 becomes absurd.
    let text = format!("mark{:0>100}", 200);
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).expect("row 200");
    bytes[at - 1] = 0x7f;
    std::fs::write(&path, &bytes).expect("a changed file");
    let dataset = open(&path);
    let below = |bound| Scan {
        predicate: Some(Predicate::Compare(0, CompareOp::Lt, Arc::new(Int64Array::from(vec![bound])))),
        ..Scan::default()
    };
    assert_eq!(scan(&dataset, &below(200)).expect("rows before the page").num_rows(), 200);
    assert!(scan(&dataset, &below(201)).is_err(), "the page is read when a row of it may match");
}

fn shown(statistics: &Statistics) -> String {
    let bound = |bound: &Option<ArrayRef>| {
        bound.as_ref().map_or("?".into(), |bound| array_value_to_string(bound, 0).expect("text"))
    };
    let count = |count: Option<u64>| count.map_or("?".into(), |count| count.to_string());
    let columns = statistics.columns.iter().map(|known| {
        let exact = if known.exact { "exact" } else { "bounds" };
        format!(
            "{} to {}, {exact}, {} null(s)\n",
            bound(&known.min),
            bound(&known.max),
            count(known.null_count)
        )
    });
    format!("{} row(s)\n{}", count(statistics.num_rows), columns.collect::<String>())
}

fn check_statistics(batch: &RecordBatch, properties: WriterProperties, expected: Expect) {
    let folder = folder();
    let path = folder.path().join("x.parquet");
    write(&path, batch, properties);
    expected.assert_eq(&shown(&open(&path).statistics()));
}

#[test]
fn statistics_are_typed_and_merged_over_row_groups() {
    check_statistics(
        &varied(0, 1000),
        properties(99, 1000).build(),
        expect![[r#"
            1000 row(s)
            0 to 999, exact, 0 null(s)
            -0.0 to 249.75, bounds, 200 null(s)
            false to true, exact, 200 null(s)
            1970-01-01 to 1972-09-26, exact, 200 null(s)
            1970-01-01T00:00:00Z to 1970-01-01T00:16:39.000999Z, exact, 200 null(s)
            0.00 to 29.97, exact, 200 null(s)
            text 0 é"
             to text 9 é"
            , exact, 200 null(s)
            text 0 to text 9, exact, 200 null(s)
            ? to ?, bounds, ? null(s)
            ? to ?, bounds, ? null(s)
        "#]],
    );
}

#[test]
fn statistics_that_could_mislead_are_unknown() {
    let floats = |values: Vec<f64>| table(vec![("x", Arc::new(Float64Array::from(values)) as ArrayRef)]);
    check_statistics(
        &floats(vec![0.0, f64::NAN, -1.5]),
        properties(10, 10).build(),
        expect![[r#"
            3 row(s)
            -1.5 to 0.0, bounds, 0 null(s)
        "#]],
    );
    check_statistics(
        &floats(vec![f64::NAN]),
        properties(10, 10).build(),
        expect![[r#"
            1 row(s)
            ? to ?, bounds, 0 null(s)
        "#]],
    );
    check_statistics(
        &floats(vec![-0.0, 0.0]),
        properties(10, 10).build(),
        expect![[r#"
            2 row(s)
            -0.0 to 0.0, bounds, 0 null(s)
        "#]],
    );
    let long = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text.repeat(40)])) };
    check_statistics(
        &table(vec![("text", long("ab"))]),
        properties(10, 10).set_statistics_truncate_length(Some(4)).build(),
        expect![[r#"
            1 row(s)
            abab to abac, bounds, 0 null(s)
        "#]],
    );
    check_statistics(
        &table(vec![("text", long("ab"))]),
        properties(10, 10).set_statistics_enabled(EnabledStatistics::None).build(),
        expect![[r#"
            1 row(s)
            ? to ?, bounds, ? null(s)
        "#]],
    );
}

#[test]
fn statistics_of_every_type_have_the_columns_type() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("u", Arc::new(UInt64Array::from(vec![1, u64::MAX]))),
        ("d", Arc::new(Date32Array::from(vec![-1, 1]))),
        ("t", Arc::new(TimestampMicrosecondArray::from(vec![-1, 1]))),
        ("p", Arc::new(Decimal128Array::from(vec![-1, i128::MAX / 2]))),
    ];
    let batch = table(columns);
    let folder = folder();
    let path = folder.path().join("x.parquet");
    write(&path, &batch, properties(10, 10).build());
    let known = open(&path).statistics();
    for (column, known) in batch.columns().iter().zip(&known.columns) {
        assert_eq!(known.min.as_ref(), Some(&column.slice(0, 1)));
        assert_eq!(known.max.as_ref(), Some(&column.slice(1, 1)));
        assert_eq!(known.min.as_ref().map(|min| min.data_type()), Some(column.data_type()));
        assert!(known.exact);
    }
}

#[test]
fn what_was_filtered_does_not_hold_the_rest() {
    let rows = 10_000;
    let text = StringViewArray::from_iter_values((0..rows).map(|row| format!("{row:0>100}")));
    let ids = Int64Array::from_iter_values((0..rows).map(|row| row * 7919 % 10_007));
    let short = StringViewArray::from_iter_values((0..rows).map(|row| format!("{row}")));
    let more = Int64Array::from_iter_values(0..rows);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(ids)),
        ("text", Arc::new(text)),
        ("short", Arc::new(short)),
        ("more", Arc::new(more)),
    ];
    let batch = table(columns);
    let folder = folder();
    let path = folder.path().join("x.parquet");
    write(&path, &batch, WriterProperties::builder().build());
    // An equality is decided before the text is decoded, a range after.
    for op in [CompareOp::Eq, CompareOp::Gt] {
        let predicate = Predicate::Compare(0, op, Arc::new(Int64Array::from(vec![10_000])));
        let wanted = Scan { predicate: Some(predicate), ..Scan::default() };
        let dataset = open(&path);
        let parts = dataset.split(&wanted).expect("parts");
        let read = |part| dataset.read(part, &wanted, &Cancel::new()).expect("batches");
        let found: Vec<RecordBatch> = parts.iter().flat_map(read).map(|batch| batch.expect("rows")).collect();
        let held: usize = found.iter().map(RecordBatch::get_array_memory_size).sum();
        assert_eq!(concat_batches(dataset.schema(), &found).expect("rows"), reference(&batch, &wanted));
        assert!(held < 2500, "{op:?}: {held} bytes");
    }
}
