//! What do tables look like as CSV and NDJSON, and what cannot be written?

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array,
        Int64Array, ListArray, RecordBatch, StringArray, StructArray, Time64MicrosecondArray,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Int32Type, Int64Type},
};
use bowstring_io::{CsvWriteOptions, WriteOptions};
use expect_test::{Expect, expect};

use crate::support::{folder, names, shown, table, write_all};

fn check_with(name: &str, batch: &RecordBatch, options: WriteOptions, expected: Expect) {
    let folder = folder();
    let path = folder.path().join(name);
    let text = match write_all(&path, std::slice::from_ref(batch), &options) {
        Ok(_) => std::fs::read_to_string(&path).unwrap().replace('\r', "\\r"),
        Err(error) => {
            assert_eq!(names(folder.path()).len(), 0, "nothing is left behind");
            format!("{}\n", shown(folder.path(), Err(error)))
        }
    };
    expected.assert_eq(&text);
}

fn check(name: &str, batch: &RecordBatch, expected: Expect) {
    check_with(name, batch, WriteOptions::default(), expected);
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn floats(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

/// A column of each type that both formats hold; the second row is null.
fn every_type() -> RecordBatch {
    let stamps = || TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None, Some(-1)]);
    let prices = Decimal128Array::from(vec![Some(-1050), None, Some(7)]);
    let kinds: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("y,z")].into_iter().collect();
    table(vec![
        ("int", Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(-1)]))),
        ("float", floats(&[Some(0.1), None, Some(1e300)])),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("day", Arc::new(Date32Array::from(vec![Some(0), None, Some(19_999)]))),
        ("time", Arc::new(Time64MicrosecondArray::from(vec![Some(1), None, Some(86_399_000_000)]))),
        ("local", Arc::new(stamps())),
        ("moment", Arc::new(stamps().with_timezone("+02:00"))),
        ("price", Arc::new(prices.with_precision_and_scale(9, 2).unwrap())),
        ("kind", Arc::new(kinds)),
    ])
}

#[test]
fn every_type_has_a_text() {
    check(
        "types.csv",
        &every_type(),
        expect![[r#"
        int,float,flag,day,time,local,moment,price,kind
        9223372036854775807,0.1,true,1970-01-01,00:00:00.000001,2023-11-14T22:13:20.123456,2023-11-15T00:13:20.123456+02:00,-10.50,x
        ,,,,,,,,
        -1,1e300,false,2024-10-03,23:59:59,1969-12-31T23:59:59.999999,1970-01-01T01:59:59.999999+02:00,0.07,"y,z"
    "#]],
    );
    check(
        "types.ndjson",
        &every_type(),
        expect![[r#"
        {"int":9223372036854775807,"float":0.1,"flag":true,"day":"1970-01-01","time":"00:00:00.000001","local":"2023-11-14T22:13:20.123456","moment":"2023-11-15T00:13:20.123456+02:00","price":-10.50,"kind":"x"}
        {"int":null,"float":null,"flag":null,"day":null,"time":null,"local":null,"moment":null,"price":null,"kind":null}
        {"int":-1,"float":1.0e300,"flag":false,"day":"2024-10-03","time":"23:59:59","local":"1969-12-31T23:59:59.999999","moment":"1970-01-01T01:59:59.999999+02:00","price":0.07,"kind":"y,z"}
    "#]],
    );
}

#[test]
fn csv_quotes_what_must_be_quoted() {
    let batch = table(vec![
        ("plain", texts(&[Some("a b"), Some(" "), Some("'"), Some("é"), Some("\u{feff}"), None])),
        ("a,\"b\"", texts(&[Some("a,b"), Some("\"q\""), Some("1\n2"), Some("1\r2"), Some(""), Some("z")])),
    ]);
    check(
        "quotes.csv",
        &batch,
        expect![[r#"
            plain,"a,""b"""
            a b,"a,b"
             ,"""q"""
            ',"1
            2"
            é,"1\r2"
            "﻿",""
            ,z
        "#]],
    );
    check(
        "quotes.tsv",
        &batch,
        expect![[r#"
            plain	"a,""b"""
            a b	a,b
             	"""q"""
            '	"1
            2"
            é	"1\r2"
            "﻿"	""
            	z
        "#]],
    );
    let csv = CsvWriteOptions { delimiter: Some(b' '), header: false };
    check_with(
        "quotes.csv",
        &batch,
        WriteOptions { csv, ..WriteOptions::default() },
        expect![[r#"
            "a b" a,b
            " " """q"""
            ' "1
            2"
            é "1\r2"
            "﻿" ""
             z
        "#]],
    );
    let csv = CsvWriteOptions { delimiter: Some(b'"'), header: true };
    check_with(
        "quotes.csv",
        &batch,
        WriteOptions { csv, ..WriteOptions::default() },
        expect![[r#"
        usage: `quote` is `\"`, which is the delimiter already

        hint: name another character
    "#]],
    );
}

#[test]
fn json_keeps_nesting_and_writes_nulls_out() {
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(1), None]),
        None,
        Some(Vec::new()),
    ]);
    let name = Arc::new(Field::new("name", DataType::Utf8, true));
    let point = StructArray::from(vec![(name, texts(&[Some("\"\\\n\u{1}é"), None, Some("")]))]);
    let batch = table(vec![("list", Arc::new(lists)), ("point", Arc::new(point))]);
    check(
        "nested.ndjson",
        &batch,
        expect![[r#"
        {"list":[1,null],"point":{"name":"\"\\\n\u0001é"}}
        {"list":null,"point":{"name":null}}
        {"list":[],"point":{"name":""}}
    "#]],
    );
    check(
        "nested.csv",
        &batch,
        expect![[r#"
        usage: column `list` of type List(Int64) cannot be written as CSV

        hint: select the values inside it, cast it to text, or write another format
    "#]],
    );
}

#[test]
fn what_a_format_cannot_say_is_an_error() {
    let nan = table(vec![("x", floats(&[Some(1.0), None, Some(f64::NAN)]))]);
    check(
        "nan.ndjson",
        &nan,
        expect![[r#"
        data: NaN cannot be written as JSON
          at row 3, column `x`

        hint: replace such values, or write Parquet
    "#]],
    );
    check(
        "nan.csv",
        &nan,
        expect![[r#"
        x
        1.0

        NaN
    "#]],
    );
    let lists = ListArray::from_iter_primitive::<arrow::datatypes::Float64Type, _, _>(vec![
        Some(vec![Some(1.0)]),
        Some(vec![None, Some(f64::NEG_INFINITY)]),
    ]);
    check(
        "nested.ndjson",
        &table(vec![("x", Arc::new(lists))]),
        expect![[r#"
        data: an infinity cannot be written as JSON
          at row 2, column `x`

        hint: replace such values, or write Parquet
    "#]],
    );
    let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"a"]));
    check(
        "bytes.csv",
        &table(vec![("b", Arc::clone(&bytes))]),
        expect![[r#"
        usage: column `b` of type Binary cannot be written as CSV

        hint: select the values inside it, cast it to text, or write another format
    "#]],
    );
    check(
        "bytes.ndjson",
        &table(vec![("b", bytes)]),
        expect![[r#"
        usage: column `b` of type Binary cannot be written as JSON

        hint: cast it to text or to a number, or write another format
    "#]],
    );
    check(
        "nul.csv",
        &table(vec![("t", texts(&[Some("a"), Some("b\0")]))]),
        expect![[r#"
        data: a NUL byte cannot be written as CSV
          at row 2, column `t`

        hint: replace such values, or write Parquet
    "#]],
    );
    let twice = table(vec![("t", texts(&[])), ("t", texts(&[]))]);
    check(
        "twice.csv",
        &twice,
        expect![[r#"
        usage: `columns` are two of the name `t`, which CSV cannot hold

        hint: give one of them another name
    "#]],
    );
    check(
        "twice.ndjson",
        &twice,
        expect![[r#"
        usage: `columns` are two of the name `t`, which JSON cannot hold

        hint: give one of them another name
    "#]],
    );
    check(
        "none.csv",
        &table(vec![("t", texts(&[]))]).project(&[]).unwrap(),
        expect![[r#"
        usage: `columns` are none, and CSV holds no table without any
    "#]],
    );
}

#[test]
fn a_table_without_rows_keeps_its_header() {
    check(
        "empty.csv",
        &table(vec![("a", texts(&[])), ("b", texts(&[]))]),
        expect![[r#"
        a,b
    "#]],
    );
    check("empty.ndjson", &table(vec![("a", texts(&[]))]), expect![[""]]);
}

#[test]
fn a_large_batch_is_written_in_order_and_a_fault_in_it_has_its_row() {
    let count = 10_000;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
    let text: StringArray = (0..count).map(|id| Some(if id == 7_777 { "a\0" } else { "a" })).collect();
    let number = (0..count).map(|id| if id == 7_777 { f64::NAN } else { 0.5 });
    let number: ArrayRef = Arc::new(Float64Array::from_iter_values(number));
    let expected: String = (0..count).map(|id| format!("{id}\n")).collect();
    let folder = folder();
    let path = folder.path().join("ids.csv");
    write_all(&path, &[table(vec![("id", Arc::clone(&ids))])], &WriteOptions::default()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("id\n{expected}"));
    check(
        "nul.csv",
        &table(vec![("id", Arc::clone(&ids)), ("text", Arc::new(text))]),
        expect![[r#"
        data: a NUL byte cannot be written as CSV
          at row 7778, column `text`

        hint: replace such values, or write Parquet
    "#]],
    );
    check(
        "nan.ndjson",
        &table(vec![("id", ids), ("number", number)]),
        expect![[r#"
        data: NaN cannot be written as JSON
          at row 7778, column `number`

        hint: replace such values, or write Parquet
    "#]],
    );
}
