//! Which types do columns get?

use std::fmt::Write as _;

use arrow::datatypes::{DataType, TimeUnit};
use bowstring_io::CsvOptions;
use expect_test::expect;

use super::{check, check_with};
use crate::texts::schema;

#[test]
fn each_column_gets_the_narrowest_type_that_holds_its_values() {
    check(
        "int,float,bool,date,local,utc,text\n\
         1,1.5,true,2024-02-29,2024-01-01T10:00:00,2024-01-01T10:00:00+02:00,x\n\
         -2,2,False,1969-12-31,2024-01-01 10:00:00.25,2024-01-01T10:00:00Z,\n\
         ,NaN,,,,,\"\"\n",
        expect![[r#"
            Int64, Float64, Boolean, Date32, Timestamp(µs), Timestamp(µs, "UTC"), Utf8
            +------+-------+-------+------------+-------------------------+----------------------+------+
            | int  | float | bool  | date       | local                   | utc                  | text |
            +------+-------+-------+------------+-------------------------+----------------------+------+
            | 1    | 1.5   | true  | 2024-02-29 | 2024-01-01T10:00:00     | 2024-01-01T08:00:00Z | x    |
            | -2   | 2.0   | false | 1969-12-31 | 2024-01-01T10:00:00.250 | 2024-01-01T10:00:00Z | null |
            | null | NaN   | null  | null       | null                    | null                 |      |
            +------+-------+-------+------------+-------------------------+----------------------+------+
        "#]],
    );
}

#[test]
fn what_only_looks_like_a_number_stays_text() {
    check(
        "zeros,plus,blank,huge,mixed\n007,+5, 5,9223372036854775808,9007199254740993\n1,1,1,1,0.5\n",
        expect![[r#"
            Utf8, Utf8, Utf8, Utf8, Utf8
            +-------+------+-------+---------------------+------------------+
            | zeros | plus | blank | huge                | mixed            |
            +-------+------+-------+---------------------+------------------+
            | 007   | +5   |  5    | 9223372036854775808 | 9007199254740993 |
            | 1     | 1    | 1     | 1                   | 0.5              |
            +-------+------+-------+---------------------+------------------+
        "#]],
    );
}

#[test]
fn times_finer_than_a_microsecond_are_nanoseconds() {
    check(
        "at,never\n2024-01-01T00:00:00.000000001,1600-01-01T00:00:00.000000001\n",
        expect![[r#"
        Timestamp(ns), Utf8
        +-------------------------------+-------------------------------+
        | at                            | never                         |
        +-------------------------------+-------------------------------+
        | 2024-01-01T00:00:00.000000001 | 1600-01-01T00:00:00.000000001 |
        +-------------------------------+-------------------------------+
    "#]],
    );
}

#[test]
fn a_column_without_values_is_text_and_quotes_make_empty_text() {
    check(
        "none,text,number\n,\"\",\"\"\n,,1\n",
        expect![[r#"
        Utf8, Utf8, Int64
        +------+------+--------+
        | none | text | number |
        +------+------+--------+
        | null |      | null   |
        | null | null | 1      |
        +------+------+--------+
    "#]],
    );
}

#[test]
fn a_schema_names_the_types_of_some_columns() {
    let types = schema(&[
        ("id", DataType::Utf8),
        ("price", DataType::Decimal128(10, 2)),
        ("at", DataType::Timestamp(TimeUnit::Millisecond, Some("+01:00".into()))),
    ]);
    check_with(
        "id,price,at,n\n007,1.50,2024-01-01T00:00:00.5Z,1\n",
        CsvOptions { schema: Some(types), ..CsvOptions::default() },
        expect![[r#"
            Utf8, Decimal128(10, 2), Timestamp(ms, "+01:00"), Int64
            +-----+-------+-------------------------------+---+
            | id  | price | at                            | n |
            +-----+-------+-------------------------------+---+
            | 007 | 1.50  | 2024-01-01T01:00:00.500+01:00 | 1 |
            +-----+-------+-------------------------------+---+
        "#]],
    );
    check_with(
        "ident,price\n1,2\n",
        CsvOptions { schema: Some(schema(&[("idnt", DataType::Utf8)])), ..CsvOptions::default() },
        expect![[r#"
            there is no column `idnt`

            hint: did you mean `ident`?
        "#]],
    );
    check_with(
        "a\n1\n",
        CsvOptions {
            schema: Some(schema(&[("a", DataType::new_list(DataType::Int64, true))])),
            ..CsvOptions::default()
        },
        expect![[r#"
            `schema` asks for column `a` as List(Int64), which text cannot be

            hint: read the column as another type and cast it
        "#]],
    );
}

#[test]
fn a_value_past_the_sample_that_does_not_fit_is_an_error() {
    let mut text = String::from("id,value\n");
    for row in 1..=100_000 {
        writeln!(text, "{row},{row}").unwrap();
    }
    text.push_str("100001,3.5\n");
    check(
        &text,
        expect![[r#"
        value `3.5` does not fit int64, the type inferred for its column
          at data.csv, row 100001 (line 100002), column `value`

        hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
    "#]],
    );
    check_with(
        &text,
        CsvOptions { infer_rows: 1, ..CsvOptions::default() },
        expect![[r#"
        value `3.5` does not fit int64, the type inferred for its column
          at data.csv, row 100001 (line 100002), column `value`

        hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
    "#]],
    );
    let late = "value\n1\n2024-01-01\n";
    check_with(
        late,
        CsvOptions { infer_rows: 1, ..CsvOptions::default() },
        expect![[r#"
        value `2024-01-01` does not fit int64, the type inferred for its column
          at data.csv, row 2 (line 3), column `value`

        hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
    "#]],
    );
    check_with(
        "v\n1\n007\n",
        CsvOptions { infer_rows: 1, ..CsvOptions::default() },
        expect![[r#"
        value `007` does not fit int64, the type inferred for its column
          at data.csv, row 2 (line 3), column `v`

        hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
    "#]],
    );
    let asked = Some(schema(&[("v", DataType::Int64)]));
    check_with(
        "v\n007\n1.0\n",
        CsvOptions { schema: asked, ..CsvOptions::default() },
        expect![[r#"
        value `1.0` does not fit int64
          at data.csv, row 2 (line 3), column `v`

        hint: give the column another type in `schema`
    "#]],
    );
}

#[test]
fn without_a_sample_every_column_is_text() {
    check_with(
        "a,b\n1,2\n",
        CsvOptions { infer_rows: 0, ..CsvOptions::default() },
        expect![[r#"
        Utf8, Utf8
        +---+---+
        | a | b |
        +---+---+
        | 1 | 2 |
        +---+---+
    "#]],
    );
}
