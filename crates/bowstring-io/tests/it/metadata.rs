//! What Parquet's footers say of a file and of many.

use std::{fs::File, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, ListArray, RecordBatch},
    datatypes::Int64Type,
    util::display::array_value_to_string,
};
use bowstring_core::{Diagnostic, render};
use bowstring_io::{ParquetMetadata, WriteOptions, parquet_metadata};
use expect_test::{Expect, expect};
use parquet::{
    arrow::ArrowWriter,
    file::{metadata::KeyValue, properties::WriterProperties},
};

use crate::support::{folder, ints, table, varied, write_all};

fn shown(folder: &Path, metadata: &ParquetMetadata) -> String {
    let bound = |bound: &Option<ArrayRef>| {
        bound.as_ref().map_or("?".into(), |bound| array_value_to_string(bound, 0).expect("text"))
    };
    let count = |count: Option<u64>| count.map_or("?".into(), |count| count.to_string());
    let mut text = format!(
        "{} row(s), {} group(s), {} column(s), by {:?}\n",
        metadata.num_rows, metadata.num_row_groups, metadata.num_columns, metadata.created_by
    );
    for (key, value) in metadata.key_value_metadata.iter().filter(|(key, _)| key != "ARROW:schema") {
        text += &format!("{key} = {value:?}\n");
    }
    for group in &metadata.row_groups {
        let file = group.file.strip_prefix(folder).expect("a file of the folder");
        text += &format!("{}: {} row(s)\n", file.display(), group.num_rows);
    }
    for column in &metadata.statistics {
        let known = &column.known;
        let exact = if known.exact { "exact" } else { "bounds" };
        let (min, max, nulls) = (bound(&known.min), bound(&known.max), count(known.null_count));
        text += &format!("{} {}: {min} to {max}, {exact}, {nulls} null(s)\n", column.name, column.data_type);
    }
    text
}

/// A file's name, its rows, and what its writer added.
type Written<'a> = (&'a str, RecordBatch, Vec<(&'a str, &'a str)>);

fn check(files: Vec<Written<'_>>, path: &str, expected: Expect) {
    let folder = folder();
    for (name, batch, pairs) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let pairs = pairs.into_iter().map(|(key, value)| KeyValue::new(key.into(), value.to_owned()));
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(3))
            .set_created_by("a test".into())
            .set_key_value_metadata(Some(pairs.collect()))
            .build();
        let file = File::create(path).expect("a file");
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
        writer.write(&batch).expect("rows");
        writer.close().expect("a footer");
    }
    let text = match parquet_metadata(&[folder.path().join(path)]) {
        Ok(metadata) => shown(folder.path(), &metadata),
        Err(error) => format!("{}: {}", error.kind(), render(&error)),
    };
    expected.assert_eq(&text.replace(&folder.path().display().to_string(), "DIR"));
}

#[test]
fn nested_columns_have_dotted_names() {
    check(
        vec![("x.parquet", varied(0, 5).project(&[0, 8, 9]).expect("columns"), vec![])],
        "x.parquet",
        expect![[r#"
            5 row(s), 2 group(s), 4 column(s), by Some("a test")
            x.parquet: 3 row(s)
            x.parquet: 2 row(s)
            id Int64: 0 to 4, exact, 0 null(s)
            list.list.item Int32: 0 to 0, exact, 3 null(s)
            point.number Int32: 0 to 4, exact, 1 null(s)
            point.text Utf8: text 0 é"
             to text 4 é"
            , exact, 1 null(s)
        "#]],
    );
}

#[test]
fn row_groups_and_files_and_folders_are_taken_together() {
    let files = vec![
        (
            "year=2023/a.parquet",
            ints("n", vec![Some(4), None, Some(9), None]),
            vec![("k", "1"), ("both", "x")],
        ),
        ("year=2024/b.parquet", ints("n", vec![Some(-7)]), vec![("k", "2"), ("both", "x")]),
        ("year=2025/c.parquet", ints("n", vec![]), vec![]),
    ];
    check(
        files,
        "",
        expect![[r#"
        5 row(s), 3 group(s), 2 column(s), by Some("a test")
        k = Some("1")
        both = Some("x")
        k = Some("2")
        year=2023/a.parquet: 3 row(s)
        year=2023/a.parquet: 1 row(s)
        year=2024/b.parquet: 1 row(s)
        n Int64: -7 to 9, exact, 2 null(s)
        year Int64: 2023 to 2024, exact, 0 null(s)
    "#]],
    );
}

#[test]
fn columns_in_another_order_are_told_apart() {
    let number = |value| -> ArrayRef { Arc::new(Int64Array::from(vec![value])) };
    let files = vec![
        ("a.parquet", table(vec![("x", number(1)), ("y", number(10))]), vec![]),
        ("b.parquet", table(vec![("y", number(20)), ("x", number(2))]), vec![]),
    ];
    check(
        files,
        "",
        expect![[r#"
        2 row(s), 2 group(s), 2 column(s), by Some("a test")
        a.parquet: 1 row(s)
        b.parquet: 1 row(s)
        x Int64: 1 to 2, exact, 0 null(s)
        y Int64: 10 to 20, exact, 0 null(s)
    "#]],
    );
}

#[test]
fn as_many_nulls_in_lists_as_there_are_rows_do_not_hide_the_values() {
    let lists = vec![Some(vec![Some(5), None, None]), Some(vec![Some(6)])];
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(lists);
    check(
        vec![("x.parquet", table(vec![("l", Arc::new(lists))]), vec![])],
        "",
        expect![[r#"
        2 row(s), 1 group(s), 1 column(s), by Some("a test")
        x.parquet: 2 row(s)
        l.list.item Int64: 5 to 6, exact, 2 null(s)
    "#]],
    );
}

#[test]
fn sizes_are_those_of_the_files() {
    let folder = folder();
    let written = ["a.parquet", "b.parquet"].map(|name| {
        write_all(&folder.path().join(name), &[varied(0, 1000)], &WriteOptions::default()).expect(name).bytes
    });
    let metadata = parquet_metadata(&[folder.path().to_owned()]).expect("metadata");
    assert_eq!(metadata.size_bytes, written.iter().sum::<u64>());
    assert_eq!(metadata.schema.fields(), varied(0, 0).schema().fields());
    for (group, bytes) in metadata.row_groups.iter().zip(written) {
        assert!(group.compressed_size > 0 && group.compressed_size < bytes, "{group:?}");
        assert!(group.total_byte_size > group.compressed_size, "{group:?}");
    }
}

#[test]
fn what_is_not_parquet_is_refused() {
    check(
        vec![],
        "y.parquet",
        expect!["not_found: cannot open `DIR/y.parquet`: No such file or directory (os error 2)"],
    );
    let folder = folder();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, "a,b\n1,2,3\n").expect("a file");
    let error = parquet_metadata(&[path]).expect_err("it is CSV").to_string();
    assert!(error.ends_with("x.csv` is not a valid parquet file: it does not begin with PAR1"), "{error}");
}
