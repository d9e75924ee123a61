//! What does malformed input get?

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use bowstring_core::{Cancel, render};
use bowstring_io::{BadRows, CsvOptions, Dataset, ReadOptions, Scan};
use expect_test::expect;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{check, check_with};

#[test]
fn ragged_rows() {
    check(
        "a,b\n1,2\n\n3\n",
        expect![[r#"
        a row has 1 value where 2 are expected
          at data.csv, row 2 (line 4)

        hint: mend the row, check `delimiter` and `quote`, or leave such rows out with `on_bad_rows`
    "#]],
    );
    check(
        "a,b\n1,\"2\n3\"\n4,5,6\n",
        expect![[r#"
        a row has 3 values where 2 are expected
          at data.csv, row 2 (line 4)

        hint: mend the row, check `delimiter` and `quote`, or leave such rows out with `on_bad_rows`
    "#]],
    );
    check_with(
        "1\n1,2\n",
        CsvOptions { has_header: false, ..CsvOptions::default() },
        expect![[r#"
        a row has 2 values where 1 is expected
          at data.csv, row 2 (line 2)

        hint: mend the row, check `delimiter` and `quote`, or leave such rows out with `on_bad_rows`
    "#]],
    );
}

#[test]
fn quotes() {
    check(
        "a,b\n1,2\n3,\"4\n5,6\n",
        expect![[r#"
        a quoted value is never closed
          at data.csv, row 2 (line 3)

        hint: close the quote, or say with `quote` what quotes a value
    "#]],
    );
    check(
        "a,b\n1,\"2\"3\n",
        expect![[r#"
        text follows a closing quote
          at data.csv, row 1 (line 2)

        hint: double the quotes inside a quoted value, or say with `quote` and `escape` how they are written
    "#]],
    );
    check(
        "a,\"b\n1,2\n",
        expect![[r#"
        a quoted value is never closed
          at data.csv, row 0 (line 1)

        hint: close the quote, or say with `quote` what quotes a value
    "#]],
    );
}

#[test]
fn bytes_that_are_no_text() {
    check(
        b"a,b\n1,2\n3,x\0y\n",
        expect![[r#"
        a row holds a NUL byte
          at data.csv, row 2 (line 3), column `b`

        hint: take the NUL bytes out, or name the text's `encoding`
    "#]],
    );
    check(
        b"a,b\n1,2\n3,\"x\n\xff\"\n",
        expect![[r#"
        a value is not valid UTF-8
          at data.csv, row 2 (line 3), column `b`

        hint: name the text's `encoding`, such as `latin1`
    "#]],
    );
    check(
        b"a\xff,b\n1,2\n",
        expect![[r#"
        a value is not valid UTF-8
          at data.csv, row 0 (line 1)

        hint: name the text's `encoding`, such as `latin1`
    "#]],
    );
    check(
        b"\xff\xfea\0\n\0",
        expect![[r#"
        a row holds a NUL byte
          at data.csv, row 0 (line 1)

        hint: take the NUL bytes out, or name the text's `encoding`
    "#]],
    );
}

#[test]
fn a_carriage_return_that_ends_no_line() {
    check(
        "a,b\n1,2\r3,4\n",
        expect![[r#"
        a row has 3 values where 2 are expected
          at data.csv, row 1 (line 2)

        hint: mend the row, check `delimiter` and `quote`, or leave such rows out with `on_bad_rows`
    "#]],
    );
    check(
        "a,b\r1,2\r",
        expect![[r#"
        a carriage return stands alone outside quotes
          at data.csv, row 0 (line 1)

        hint: end lines with a line feed, or quote the value
    "#]],
    );
    check(
        "a,b\n1,\"2\r3\"\n",
        expect![[r#"
        Int64, Utf8
        +---+-----+
        | a | b   |
        +---+-----+
        | 1 | 2\r3 |
        +---+-----+
    "#]],
    );
}

#[test]
fn headers() {
    check(
        "a,b,a\n1,2,3\n",
        expect![[r#"
        column `a` stands in the header twice, at 1 and at 3
          at data.csv

        hint: give the columns names of their own with `names`
    "#]],
    );
    check(
        "column_2,\n1,2\n",
        expect![[r#"
        column `column_2` stands in the header twice, at 1 and at 2
          at data.csv

        hint: give the columns names of their own with `names`
    "#]],
    );
}

#[test]
fn files_without_rows() {
    check(
        "",
        expect![[r#"
        `data.csv` holds no header

        hint: write a header, or give the columns' names in `names`
    "#]],
    );
    check(
        "\n\n",
        expect![[r#"
        `data.csv` holds no header

        hint: write a header, or give the columns' names in `names`
    "#]],
    );
    check(
        "a,b\n",
        expect![[r#"
        Utf8, Utf8
        +---+---+
        | a | b |
        +---+---+
        +---+---+
    "#]],
    );
    check(
        "a,b",
        expect![[r#"
        Utf8, Utf8
        +---+---+
        | a | b |
        +---+---+
        +---+---+
    "#]],
    );
    check_with(
        "",
        CsvOptions { has_header: false, ..CsvOptions::default() },
        expect![[r#"
        `data.csv` holds no rows

        hint: give the columns in `schema`
    "#]],
    );
}

#[test]
fn a_null_where_the_schema_has_none() {
    let schema = Schema::new(vec![Field::new("a", DataType::Int64, false)]);
    let options = CsvOptions { schema: Some(Arc::new(schema)), ..CsvOptions::default() };
    check_with(
        "a,b\n1,2\n,3\n",
        options,
        expect![[r#"
        a value is missing in a column that is not nullable
          at data.csv, row 2 (line 3), column `a`

        hint: make the column nullable in `schema`
    "#]],
    );
}

#[test]
fn a_file_that_changes_while_it_is_read() {
    let (folder, path) = crate::texts::Folder::with("data.csv", b"a,b\n1,2\n3,4\n");
    let dataset = Dataset::open(std::slice::from_ref(&path), &ReadOptions::default()).unwrap();
    let scan = Scan::default();
    let parts = dataset.split(&scan).unwrap();
    std::fs::write(&path, b"a,b\n1,2\n").unwrap();
    let error = dataset.read(&parts[0], &scan, &Cancel::new()).err().unwrap();
    expect![[r#"
        `data.csv` changed while it was read

        hint: read it again when its writer is done"#]]
    .assert_eq(&folder.hide(&render(&error)));
}

proptest! {
    #[test]
    fn any_bytes_are_a_table_or_an_error_that_names_the_file(
        bytes in vec(select(b"a1,\"\n\r\\#-:TZ.e+ {}[]tn\0\xff\xc3\xa9\xef\xbb\xbf".as_slice()), 0..60),
        header: bool,
        skip: bool,
        json: bool,
    ) {
        let options = CsvOptions {
            has_header: header,
            comment: Some(b'#'),
            escape: Some(b'\\'),
            infer_rows: 2,
            on_bad_rows: if skip { BadRows::Skip } else { BadRows::Error },
            ..CsvOptions::default()
        };
        let options = ReadOptions { csv: options, ..ReadOptions::default() };
        let (folder, path) = crate::texts::Folder::with(if json { "data.json" } else { "data.csv" }, &bytes);
        let read = Dataset::open(&[path], &options).and_then(|dataset| crate::support::scan(&dataset, &scan_all()));
        if let Err(error) = read {
            let text = folder.hide(&render(&error));
            prop_assert!(text.contains("data.") && !text.contains("gave up"), "{}", text);
        }
    }
}

fn scan_all() -> Scan {
    Scan { batch_rows: 3, ..Scan::default() }
}
