//! What do the options change?

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use bowstring_core::Cancel;
use bowstring_io::{Dataset, JsonOptions, ReadOptions, Scan};
use expect_test::expect;

use super::check_with;
use crate::texts::{Folder, schema};

#[test]
fn a_schema_says_what_text_and_numbers_mean() {
    let columns = [
        ("day", DataType::Date32),
        ("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ("price", DataType::Decimal128(9, 2)),
        ("small", DataType::Int8),
        ("id", DataType::Int64),
        ("raw", DataType::Utf8),
        ("missing", DataType::Float32),
    ];
    let options = JsonOptions { schema: Some(schema(&columns)), ..JsonOptions::default() };
    check_with(
        "{\"day\":\"2024-02-29\",\"at\":\"2024-02-29T12:00:00.5+02:00\",\"price\":-10.5,\"small\":-128,\"id\":\"7\",\"raw\":{\"a\": [1, \"\\n\"]},\"other\":1}\n\
         {\"price\":\"10.50\",\"raw\":\"text\"}\n{\"raw\":1.50}\n{\"raw\":true}\n{\"raw\":null}\n",
        options,
        expect![[r#"
            Date32, Timestamp(µs, "UTC"), Decimal128(9, 2), Int8, Int64, Utf8, Float32, Int64
            +------------+--------------------------+--------+-------+------+------------------+---------+-------+
            | day        | at                       | price  | small | id   | raw              | missing | other |
            +------------+--------------------------+--------+-------+------+------------------+---------+-------+
            | 2024-02-29 | 2024-02-29T10:00:00.500Z | -10.50 | -128  | 7    | {"a": [1, "\n"]} | null    | 1     |
            | null       | null                     | 10.50  | null  | null | text             | null    | null  |
            | null       | null                     | null   | null  | null | 1.50             | null    | null  |
            | null       | null                     | null   | null  | null | true             | null    | null  |
            | null       | null                     | null   | null  | null | null             | null    | null  |
            +------------+--------------------------+--------+-------+------+------------------+---------+-------+
        "#]],
    );
}

#[test]
fn nested_types_can_be_given() {
    let point = Field::new("x", DataType::Float32, true);
    let columns = [
        ("point", DataType::Struct(vec![point].into())),
        ("days", DataType::LargeList(Arc::new(Field::new("day", DataType::Date32, true)))),
    ];
    let options = JsonOptions { schema: Some(schema(&columns)), ..JsonOptions::default() };
    check_with(
        "{\"point\":{\"x\":1},\"days\":[\"2024-02-29\",null]}\n{\"point\":{},\"days\":[]}\n",
        options,
        expect![[r#"
            Struct("x": Float32), LargeList(Date32, field: 'day')
            +-----------+--------------------+
            | point     | days               |
            +-----------+--------------------+
            | {x: 1.0}  | [2024-02-29, null] |
            | {x: null} | []                 |
            +-----------+--------------------+
        "#]],
    );
}

#[test]
fn columns_that_are_not_asked_for_are_not_decoded_and_rows_past_a_limit_not_read() {
    let text = "{\"a\":1,\"b\":{\"c\":[1]},\"d\":\"x\"}\n{\"a\":2,\"b\":null}\n{\"a\":3}\n{\n";
    let (_folder, path) = Folder::with("data.ndjson", text.as_bytes());
    let json = JsonOptions { infer_rows: 2, ..JsonOptions::default() };
    let dataset = Dataset::open(&[path], &ReadOptions { json, ..ReadOptions::default() }).unwrap();
    let scan = Scan { projection: Some(vec![2, 0]), limit: Some(3), ..Scan::default() };
    let parts = dataset.split(&scan).unwrap();
    let batches = dataset.read(&parts[0], &scan, &Cancel::new()).unwrap();
    let batches = batches.collect::<Result<Vec<_>, _>>().unwrap();
    expect![[r#"
        +---+---+
        | d | a |
        +---+---+
        | x | 1 |
        |   | 2 |
        |   | 3 |
        +---+---+
    "#]]
    .assert_eq(&format!("{}\n", arrow::util::pretty::pretty_format_batches(&batches).unwrap()));
}

#[test]
fn an_encoding_can_be_named() {
    let utf16: Vec<u8> = "{\"a\":\"é\"}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let options = JsonOptions { encoding: "utf-16le".into(), ..JsonOptions::default() };
    check_with(
        utf16,
        options,
        expect![[r#"
        Utf8
        +---+
        | a |
        +---+
        | é |
        +---+
    "#]],
    );
}
