//! Do text files that are read as one agree on their columns?

use bowstring_io::{Dataset, ReadOptions, Scan};
use expect_test::{Expect, expect};

use crate::{
    support::{folder, scan, shown},
    texts::types,
};

fn check(files: &[(&str, &str)], expected: Expect) {
    let folder = folder();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let read = Dataset::open(&[folder.path().to_owned()], &ReadOptions::default())
        .and_then(|dataset| scan(&dataset, &Scan::default()));
    let types = read.as_ref().map(|batch| types(batch) + "\n").unwrap_or_default();
    expected.assert_eq(&format!("{types}{}\n", shown(folder.path(), read)));
}

#[test]
fn a_column_of_csv_has_the_type_that_holds_its_values_in_all_files() {
    check(
        &[("a.csv", "n,d,t\n1,2024-02-29,7\n"), ("b.csv", "n,d,t\n,,x\n"), ("c.csv", "n,d,t\n0.5,,\n")],
        expect![[r#"
            Float64, Date32, Utf8
            +-----+------------+---+
            | n   | d          | t |
            +-----+------------+---+
            | 1.0 | 2024-02-29 | 7 |
            |     |            | x |
            | 0.5 |            |   |
            +-----+------------+---+
        "#]],
    );
    check(
        &[("a.csv", "n\n9007199254740993\n"), ("b.csv", "n\n0.5\n")],
        expect![[r#"
        Utf8
        +------------------+
        | n                |
        +------------------+
        | 9007199254740993 |
        | 0.5              |
        +------------------+
    "#]],
    );
    check(
        &[("a.csv", "m\n2024-02-29T00:00:00\n"), ("b.csv", "m\n2024-02-29T00:00:00.123456789\n")],
        expect![[r#"
            Timestamp(ns)
            +-------------------------------+
            | m                             |
            +-------------------------------+
            | 2024-02-29T00:00:00           |
            | 2024-02-29T00:00:00.123456789 |
            +-------------------------------+
        "#]],
    );
    check(
        &[("a.csv", "a,b\n1,2\n"), ("b.csv", "b,a\n3,4\n")],
        expect![[r#"
        Int64, Int64
        +---+---+
        | a | b |
        +---+---+
        | 1 | 2 |
        | 4 | 3 |
        +---+---+
    "#]],
    );
    check(
        &[("a.csv", "a,b\n1,2\n"), ("b.csv", "a\n3\n")],
        expect![[r#"
        data: `DIR/b.csv` has another schema than the first file: column `b` is missing
    "#]],
    );
}

#[test]
fn objects_have_the_keys_of_all_files() {
    check(
        &[
            ("a.ndjson", "{\"n\":1,\"in\":{\"x\":[]}}\n"),
            ("b.ndjson", ""),
            ("c.ndjson", "{\"new\":true,\"n\":0.5,\"in\":{\"x\":[1],\"y\":\"z\"}}\n"),
        ],
        expect![[r#"
            Float64, Struct("x": List(Int64), "y": Utf8), Boolean
            +-----+----------------+------+
            | n   | in             | new  |
            +-----+----------------+------+
            | 1.0 | {x: [], y: }   |      |
            | 0.5 | {x: [1], y: z} | true |
            +-----+----------------+------+
        "#]],
    );
    check(
        &[("a.ndjson", "{\"in\":{\"x\":1}}\n"), ("b.ndjson", "{\"in\":{\"x\":\"1\"}}\n")],
        expect![[r#"
        data: `DIR/b.ndjson` has another schema than the first file: column `in.x` has text where the rows before have numbers
    "#]],
    );
    check(
        &[("a.ndjson", "{\"n\":18446744073709551615}\n"), ("b.ndjson", "{\"n\":-1}\n")],
        expect![[r#"
        data: `DIR/b.ndjson` has another schema than the first file: column `n` has int64 where the rows before have uint64
    "#]],
    );
    check(
        &[("a.ndjson", ""), ("b.ndjson", "\n")],
        expect![[r#"
        data: `DIR/a.ndjson` holds no rows

        hint: give the columns in `schema`
    "#]],
    );
}
