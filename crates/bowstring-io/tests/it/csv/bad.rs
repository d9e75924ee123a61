//! What does malformed input get?

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use bowstring_io::CsvOptions;
use expect_test::expect;

use super::{check, check_with};

#[test]
fn ragged_rows() {
    check(
        "a,b\n1,2\n\n3\n",
        expect![[r#"
        a row has 1 values where 2 are expected
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
        a row has 2 values where 1 are expected
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
