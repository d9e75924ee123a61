//! Several files as one table.

use std::{path::PathBuf, sync::Arc};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bowstring_core::Cancel;
use bowstring_io::{CompareOp, Dataset, Predicate, ReadOptions, Scan, WriteOptions};
use expect_test::{Expect, expect};

use crate::support::{folder, ints, scan, shown, table, varied, write_all};

fn text(name: &str, values: Vec<&str>) -> (String, ArrayRef) {
    (name.to_owned(), Arc::new(StringArray::from(values)))
}

fn number(name: &str, values: Vec<i64>) -> (String, ArrayRef) {
    (name.to_owned(), Arc::new(Int64Array::from(values)))
}

fn batch(columns: Vec<(String, ArrayRef)>) -> RecordBatch {
    table(columns.iter().map(|(name, array)| (name.as_str(), Arc::clone(array))).collect())
}

/// Files with their tables, what is read of them, and the number of parts.
fn check(files: Vec<(&str, RecordBatch)>, pattern: &str, wanted: &Scan, expected: Expect) {
    let folder = folder();
    for (name, table) in files {
        write_all(&folder.path().join(name), &[table], &WriteOptions::default()).expect(name);
    }
    let paths: Vec<PathBuf> = pattern.split(' ').map(|name| folder.path().join(name)).collect();
    let parts = |dataset: &Dataset| dataset.split(wanted).map_or(0, |parts| parts.len());
    let text = match Dataset::open(&paths, &ReadOptions::default()) {
        Ok(dataset) => {
            format!("{} part(s)\n{}", parts(&dataset), shown(folder.path(), scan(&dataset, wanted)))
        }
        Err(error) => shown(folder.path(), Err(error)),
    };
    expected.assert_eq(&text);
}

fn partitioned() -> Vec<(&'static str, RecordBatch)> {
    vec![
        ("year=2023/lang=fr/x.parquet", ints("n", vec![Some(1), None])),
        ("year=2024/lang=__HIVE_DEFAULT_PARTITION__/x.parquet", ints("n", vec![Some(2)])),
        ("year=2024/lang=d%20e/x.parquet", ints("n", vec![Some(3)])),
    ]
}

fn year_is(op: CompareOp, year: i64) -> Predicate {
    Predicate::Compare(1, op, Arc::new(Int64Array::from(vec![year])))
}

fn lang_is(lang: &str) -> Predicate {
    Predicate::Compare(2, CompareOp::Eq, Arc::new(StringArray::from(vec![lang])))
}

#[test]
fn folders_become_columns() {
    check(
        partitioned(),
        "",
        &Scan::default(),
        expect![[r#"
        3 part(s)
        +---+------+------+
        | n | year | lang |
        +---+------+------+
        | 1 | 2023 | fr   |
        |   | 2023 | fr   |
        | 2 | 2024 |      |
        | 3 | 2024 | d e  |
        +---+------+------+"#]],
    );
    check(
        partitioned(),
        "year=2024",
        &Scan::default(),
        expect![[r#"
        2 part(s)
        +---+------+
        | n | lang |
        +---+------+
        | 2 |      |
        | 3 | d e  |
        +---+------+"#]],
    );
    check(
        partitioned(),
        "year=*/*/*.parquet",
        &Scan { projection: Some(vec![2, 0]), ..Scan::default() },
        expect![[r#"
            3 part(s)
            +------+---+
            | lang | n |
            +------+---+
            | fr   | 1 |
            | fr   |   |
            |      | 2 |
            | d e  | 3 |
            +------+---+"#]],
    );
}

#[test]
fn partitions_are_ruled_out_before_a_file_is_read() {
    let with = |predicate| Scan { predicate: Some(predicate), ..Scan::default() };
    check(
        partitioned(),
        "",
        &with(year_is(CompareOp::Lt, 2024)),
        expect![[r#"
        1 part(s)
        +---+------+------+
        | n | year | lang |
        +---+------+------+
        | 1 | 2023 | fr   |
        |   | 2023 | fr   |
        +---+------+------+"#]],
    );
    check(
        partitioned(),
        "",
        &with(Predicate::Not(Box::new(lang_is("fr")))),
        expect![[r#"
        1 part(s)
        +---+------+------+
        | n | year | lang |
        +---+------+------+
        | 3 | 2024 | d e  |
        +---+------+------+"#]],
    );
    check(
        partitioned(),
        "",
        &with(Predicate::IsNull(2)),
        expect![[r#"
        1 part(s)
        +---+------+------+
        | n | year | lang |
        +---+------+------+
        | 2 | 2024 |      |
        +---+------+------+"#]],
    );
    let either = Predicate::Or(vec![
        year_is(CompareOp::Eq, 2023),
        Predicate::Compare(0, CompareOp::Eq, Arc::new(Int64Array::from(vec![3]))),
    ]);
    check(
        partitioned(),
        "",
        &with(either),
        expect![[r#"
            2 part(s)
            +---+------+------+
            | n | year | lang |
            +---+------+------+
            | 1 | 2023 | fr   |
            |   | 2023 | fr   |
            | 3 | 2024 | d e  |
            +---+------+------+"#]],
    );
}

#[test]
fn a_projection_of_partitions_alone_keeps_every_row() {
    check(
        partitioned(),
        "",
        &Scan { projection: Some(vec![1]), ..Scan::default() },
        expect![[r#"
        3 part(s)
        +------+
        | year |
        +------+
        | 2023 |
        | 2023 |
        | 2024 |
        | 2024 |
        +------+"#]],
    );
    let folder = folder();
    for (name, table) in partitioned() {
        write_all(&folder.path().join(name), &[table], &WriteOptions::default()).expect(name);
    }
    let dataset = Dataset::open(&[folder.path().to_owned()], &ReadOptions::default()).expect("opened");
    let none = Scan { projection: Some(vec![]), ..Scan::default() };
    let mut rows = 0;
    for part in dataset.split(&none).expect("parts") {
        for batch in dataset.read(&part, &none, &Cancel::new()).expect("batches") {
            rows += batch.expect("a batch").num_rows();
        }
    }
    assert_eq!(rows, 4);
}

#[test]
fn columns_in_another_order_are_put_in_the_first_files_order() {
    let files = vec![
        ("a.parquet", batch(vec![number("n", vec![1]), text("t", vec!["one"])])),
        ("b.parquet", batch(vec![text("t", vec!["two"]), number("n", vec![2])])),
    ];
    check(
        files,
        "",
        &Scan::default(),
        expect![[r#"
        2 part(s)
        +---+-----+
        | n | t   |
        +---+-----+
        | 1 | one |
        | 2 | two |
        +---+-----+"#]],
    );
}

#[test]
fn files_that_do_not_go_together_are_refused() {
    let one = || ("a.parquet", batch(vec![number("n", vec![1]), text("t", vec!["one"])]));
    let two = |columns| vec![one(), ("b.parquet", batch(columns))];
    check(
        two(vec![number("n", vec![2]), number("t", vec![2])]),
        "",
        &Scan::default(),
        expect![
            "data: `DIR/b.parquet` has another schema than the first file: column `t` is Int64, not Utf8"
        ],
    );
    check(
        two(vec![number("n", vec![2])]),
        "",
        &Scan::default(),
        expect!["data: `DIR/b.parquet` has another schema than the first file: column `t` is missing"],
    );
    let more = vec![number("n", vec![2]), text("t", vec!["x"]), text("u", vec!["x"])];
    check(
        two(more),
        "",
        &Scan::default(),
        expect![
            "data: `DIR/b.parquet` has another schema than the first file: column `u` is not in the first file"
        ],
    );
    check(
        vec![one(), ("b.arrow", ints("n", vec![]))],
        "",
        &Scan::default(),
        expect![[r#"
        usage: `DIR/b.arrow` is ipc, but the first file is parquet

        hint: read the files of each format on their own"#]],
    );
    check(
        vec![("n=1/a.parquet", ints("n", vec![]))],
        "",
        &Scan::default(),
        expect![
            "data: the folders of `DIR/n=1/a.parquet` cannot become columns: column `n` is in the file and in the name of its folder"
        ],
    );
    check(
        vec![("n=1/a.parquet", ints("m", vec![])), ("b.parquet", ints("m", vec![]))],
        "",
        &Scan::default(),
        expect![[r#"
            data: `DIR/n=1/a.parquet` lies in folders with the key `n`, but the first file with no `key=value`

            hint: give every file a folder for each key, or read the files as a list"#]],
    );
}

#[test]
fn a_missing_file_is_named() {
    check(
        vec![("a.parquet", ints("n", vec![]))],
        "a.parquet b.parquet",
        &Scan::default(),
        expect!["not_found: cannot open `DIR/b.parquet`: No such file or directory (os error 2)"],
    );
    check(
        vec![("a.parquet", ints("n", vec![]))],
        "*.csv",
        &Scan::default(),
        expect!["not_found: no file matches `DIR/*.csv`"],
    );
}

#[test]
fn a_file_without_rows_keeps_its_schema() {
    check(
        vec![("a.parquet", varied(0, 0).project(&[0, 6, 7]).expect("columns"))],
        "a.parquet",
        &Scan::default(),
        expect![[r#"
            0 part(s)
            +----+------+------+
            | id | text | kind |
            +----+------+------+
            +----+------+------+"#]],
    );
    check(
        vec![("a.arrow", ints("n", vec![]))],
        "a.arrow",
        &Scan::default(),
        expect![[r#"
        1 part(s)
        +---+
        | n |
        +---+
        +---+"#]],
    );
}

#[test]
fn nullability_is_the_widest() {
    let strict = RecordBatch::try_from_iter_with_nullable(
        [number("n", vec![1])].map(|(name, array)| (name, array, false)),
    );
    let files = vec![("a.parquet", strict.expect("a batch")), ("b.parquet", ints("n", vec![None]))];
    check(
        files,
        "",
        &Scan::default(),
        expect![[r#"
        2 part(s)
        +---+
        | n |
        +---+
        | 1 |
        |   |
        +---+"#]],
    );
}

#[test]
fn a_scan_that_does_not_fit_the_schema_is_refused() {
    let one = || vec![("a.parquet", ints("n", vec![Some(1)]))];
    check(
        one(),
        "",
        &Scan { projection: Some(vec![1]), ..Scan::default() },
        expect![[r#"
        0 part(s)
        usage: `columns` has index 1, but there are 1"#]],
    );
    check(
        one(),
        "",
        &Scan { predicate: Some(Predicate::IsNull(7)), ..Scan::default() },
        expect![[r#"
        0 part(s)
        usage: `columns` has index 7, but there are 1"#]],
    );
    check(
        one(),
        "",
        &Scan {
            predicate: Some(Predicate::Compare(0, CompareOp::Eq, Arc::new(StringArray::from(vec!["1"])))),
            ..Scan::default()
        },
        expect![[r#"
            0 part(s)
            usage: `filter` compares column `n` of type Int64 with 1 value(s) of type Utf8"#]],
    );
    check(
        one(),
        "",
        &Scan { batch_rows: 0, ..Scan::default() },
        expect![[r#"
        0 part(s)
        usage: `batch_rows` must be at least 1"#]],
    );
}

#[test]
fn a_file_that_changes_between_opening_and_reading_is_noticed() {
    let folder = folder();
    for name in ["x.parquet", "x.arrow"] {
        let path = folder.path().join(name);
        write_all(&path, &[ints("n", vec![Some(1)])], &WriteOptions::default()).expect(name);
        let dataset = Dataset::open(std::slice::from_ref(&path), &ReadOptions::default()).expect(name);
        write_all(&path, &[ints("n", vec![Some(1), Some(2)])], &WriteOptions::default()).expect(name);
        let error = scan(&dataset, &Scan::default()).expect_err("it changed");
        assert!(bowstring_core::render(&error).contains("changed while it was read"), "{error}");
    }
}
