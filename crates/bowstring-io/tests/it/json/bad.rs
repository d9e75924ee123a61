//! What does malformed input get?

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use bowstring_io::JsonOptions;
use expect_test::expect;

use super::{check, check_with};

fn infer(infer_rows: usize) -> JsonOptions {
    JsonOptions { infer_rows, ..JsonOptions::default() }
}

#[test]
fn lines_that_are_no_json() {
    check(
        "{\"a\":1}\n\n{\"a\":2\n",
        expect![[r#"
        a line is not valid JSON: it ends too early
          at data.ndjson, row 2 (line 3)

        hint: write one whole object a line; the file may be cut short
    "#]],
    );
    check(
        "{\"a\":1}\n{\"a\":nul\n{\"a\":3}\n",
        expect![[r#"
        a line is not valid JSON: it ends too early
          at data.ndjson, row 2 (line 2), column `a`

        hint: write one whole object a line; the file may be cut short
    "#]],
    );
    check(
        "{\"a\":1}\n{\"a\":tr",
        expect![[r#"
        a line is not valid JSON: it ends too early
          at data.ndjson, row 2 (line 2), column `a`

        hint: write one whole object a line; the file may be cut short
    "#]],
    );
    check(
        "{\"a\":NaN}\n",
        expect![[r#"
        a line is not valid JSON: a value is expected
          at data.ndjson, row 1 (line 1), column `a`
    "#]],
    );
    check(
        "{\"a\":1} {\"a\":2}\n",
        expect![[r#"
        a line is not valid JSON: the end of the line is expected
          at data.ndjson, row 1 (line 1)
    "#]],
    );
    check(
        "{\"a\":\"\\ud800\"}\n",
        expect![[r#"
        a line is not valid JSON: text holds half of a surrogate pair
          at data.ndjson, row 1 (line 1), column `a`
    "#]],
    );
    check(
        "{\"a\":1}\n{\"a\":'x'}\n",
        expect![[r#"
        a line is not valid JSON: a value is expected
          at data.ndjson, row 2 (line 2), column `a`
    "#]],
    );
    check(
        "{\n  \"a\": 1\n}\n",
        expect![[r#"
        a line is not valid JSON: it ends too early
          at data.ndjson, row 1 (line 1)

        hint: write one whole object a line; the file may be cut short
    "#]],
    );
    check(
        format!("{{\"a\":{}{}}}\n", "[".repeat(1000), "]".repeat(1000)),
        expect![[r#"
        a line is not valid JSON: values lie more than 128 deep in one another
          at data.ndjson, row 1 (line 1), column `a`
    "#]],
    );
}

#[test]
fn lines_that_hold_no_object() {
    check(
        "[{\"a\":1},\n{\"a\":2}]\n",
        expect![[r#"
        a line holds an array, not an object
          at data.ndjson, row 1 (line 1)

        hint: write one object a line; an array of objects is not NDJSON
    "#]],
    );
    check(
        "{\"a\":1}\nnull\n",
        expect![[r#"
        a line holds null, not an object
          at data.ndjson, row 2 (line 2)

        hint: write one object a line
    "#]],
    );
    check(
        "a,b\n1,2\n",
        expect![[r#"
        a line is not valid JSON: a value is expected
          at data.ndjson, row 1 (line 1)
    "#]],
    );
}

#[test]
fn bytes_that_are_no_text() {
    check(
        b"{\"a\":\"x\"}\n{\"a\":\"\xff\"}\n",
        expect![[r#"
        a value is not valid UTF-8
          at data.ndjson, row 2 (line 2)

        hint: name the text's `encoding`, such as `latin1`
    "#]],
    );
    check_with(
        b"{\"a\":\"x\"}\n{\"a\":\"y\"}\n{\"a\":\"\xff\"}\n{\n",
        infer(1),
        expect![[r#"
        a value is not valid UTF-8
          at data.ndjson, row 3 (line 3)

        hint: name the text's `encoding`, such as `latin1`
    "#]],
    );
    check_with(
        b"{\"a\":\"x\"}\n{\"a\":\"y\"}\n{\xff\n",
        infer(1),
        expect![[r#"
        a value is not valid UTF-8
          at data.ndjson, row 3 (line 3)

        hint: name the text's `encoding`, such as `latin1`
    "#]],
    );
    check(
        b"\xff\xfe{\0",
        expect![[r#"
        a value is not valid UTF-8
          at data.ndjson, row 1 (line 1)

        hint: name the text's `encoding`, such as `latin1`
    "#]],
    );
}

#[test]
fn types_that_do_not_go_together() {
    check(
        "{\"a\":1}\n{\"a\":\"x\"}\n",
        expect![[r#"
        text where the rows before have numbers
          at data.ndjson, row 2 (line 2), column `a`

        hint: give the column's type in `schema`; as text it holds any value as it stands
    "#]],
    );
    check(
        "{\"a\":{\"b\":[1]}}\n{\"a\":{\"b\":[2,{}]}}\n",
        expect![[r#"
        an object where the rows before have numbers
          at data.ndjson, row 2 (line 2), column `a.b`

        hint: give the column's type in `schema`; as text it holds any value as it stands
    "#]],
    );
    check(
        "{\"a\":18446744073709551615}\n{\"a\":-1}\n",
        expect![[r#"
        int64 where the rows before have uint64
          at data.ndjson, row 2 (line 2), column `a`

        hint: give the column's type in `schema`; as text it holds any value as it stands
    "#]],
    );
    check(
        "{\"a\":123456789012345678901234567890}\n",
        expect![[r#"
        value `123456789012345678901234567890` does not fit int64, uint64 or float64, the type inferred for its column
          at data.ndjson, row 1 (line 1), column `a`

        hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
    "#]],
    );
    check(
        "{\"a\":9007199254740993}\n{\"a\":0.5}\n",
        expect![[r#"
        float64 where the rows before have int64
          at data.ndjson, row 2 (line 2), column `a`

        hint: give the column's type in `schema`; as text it holds any value as it stands
    "#]],
    );
}

#[test]
fn rows_that_differ_from_those_that_were_looked_at() {
    let mut text = "{\"n\":1,\"in\":{\"x\":[1]}}\n".repeat(100_000);
    text += "{\"n\":3.5}\n";
    check(
        &text,
        expect![[r#"
        value `3.5` does not fit int64, the type inferred for its column
          at data.ndjson, row 100001 (line 100001), column `n`

        hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
    "#]],
    );
    check_with(
        "{\"a\":1}\n{\"a\":2,\"b\":3}\n",
        infer(1),
        expect![[r#"
        key `b` is not in the schema inferred from the rows before
          at data.ndjson, row 2 (line 2)

        hint: infer the columns from more rows with `infer_rows`, or add the key to `schema`
    "#]],
    );
    check_with(
        "{\"a\":{\"b\":1}}\n{\"a\":{\"c\":3}}\n",
        infer(1),
        expect![[r#"
        key `c` is not in the schema inferred from the rows before
          at data.ndjson, row 2 (line 2), column `a`

        hint: infer the columns from more rows with `infer_rows`, or add the key to `schema`
    "#]],
    );
    check_with(
        "{\"a\":[1]}\n{\"a\":[2,3]}\n{\"a\":[4,5,6.5]}\n",
        infer(1),
        expect![[r#"
        value `6.5` does not fit int64, the type inferred for its column
          at data.ndjson, row 3 (line 3), column `a`

        hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
    "#]],
    );
    check_with(
        "{\"a\":1}\n{\"a\":\"1\"}\n",
        infer(1),
        expect![[r#"
            value `"1"` does not fit int64, the type inferred for its column
              at data.ndjson, row 2 (line 2), column `a`

            hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
        "#]],
    );
    check_with(
        "{\"a\":\"x\"}\n{\"a\":1}\n",
        infer(1),
        expect![[r#"
        value `1` does not fit utf8, the type inferred for its column
          at data.ndjson, row 2 (line 2), column `a`

        hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
    "#]],
    );
    check_with(
        "{\"a\":[1]}\n{\"a\":{\"b\":  2}}\n",
        infer(1),
        expect![[r#"
            value `{"b":  2}` does not fit list, the type inferred for its column
              at data.ndjson, row 2 (line 2), column `a`

            hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
        "#]],
    );
    check_with(
        "{\"a\":{}}\n{\"a\":5}\n",
        infer(1),
        expect![[r#"
        value `5` does not fit struct, the type inferred for its column
          at data.ndjson, row 2 (line 2), column `a`

        hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
    "#]],
    );
    check_with(
        "{\"a\":true}\n{\"a\":0}\n",
        infer(1),
        expect![[r#"
        value `0` does not fit bool, the type inferred for its column
          at data.ndjson, row 2 (line 2), column `a`

        hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
    "#]],
    );
}

#[test]
fn keys_that_come_twice() {
    check(
        "{\"a\":1}\n{\"a\":2,\"a\":2}\n",
        expect![[r#"
        key `a` comes twice in one object
          at data.ndjson, row 2 (line 2)
    "#]],
    );
    check_with(
        "{\"a\":1}\n{\"a\":2,\"\\u0061\":2}\n",
        infer(1),
        expect![[r#"
        key `a` comes twice in one object
          at data.ndjson, row 2 (line 2)
    "#]],
    );
    check(
        "{\"a\":{\"b\":1,\"b\":2}}\n",
        expect![[r#"
        key `b` comes twice in one object
          at data.ndjson, row 1 (line 1), column `a`
    "#]],
    );
}

#[test]
fn a_schema_that_the_rows_do_not_have() {
    let with = |fields: Vec<Field>, infer_rows| JsonOptions {
        schema: Some(Arc::new(Schema::new(fields))),
        infer_rows,
        ..JsonOptions::default()
    };
    let number = |nullable| Field::new("a", DataType::Int64, nullable);
    check_with(
        "{\"a\":1}\n{\"b\":2}\n",
        with(vec![number(true)], 0),
        expect![[r#"
        key `b` is not in the schema
          at data.ndjson, row 2 (line 2)

        hint: add the key to `schema`
    "#]],
    );
    check_with(
        "{\"a\":1}\n{}\n",
        with(vec![number(false)], 0),
        expect![[r#"
        a value is missing in a column that is not nullable
          at data.ndjson, row 2 (line 2), column `a`

        hint: make the column nullable in `schema`
    "#]],
    );
    check_with(
        "{\"a\":1}\n{\"a\":\"x\"}\n",
        with(vec![number(true)], 0),
        expect![[r#"
        value `x` does not fit int64
          at data.ndjson, row 2 (line 2), column `a`

        hint: give the column another type in `schema`
    "#]],
    );
    let items = Field::new("items", DataType::new_list(DataType::Int64, false), true);
    check_with(
        "{\"items\":[1]}\n{\"items\":[2,null]}\n",
        with(vec![items], 0),
        expect![[r#"
        a value is missing in a column that is not nullable
          at data.ndjson, row 2 (line 2), column `items`

        hint: make the column nullable in `schema`
    "#]],
    );
    let inner = Field::new("in", DataType::Struct(vec![number(false)].into()), true);
    check_with(
        "{\"in\":null}\n{\"in\":{}}\n",
        with(vec![inner], 0),
        expect![[r#"
        a value is missing in a column that is not nullable
          at data.ndjson, row 2 (line 2), column `in.a`

        hint: make the column nullable in `schema`
    "#]],
    );
    let bytes = Field::new("b", DataType::Binary, true);
    check_with(
        "{}\n",
        with(vec![bytes], 0),
        expect![[r#"
        `schema` asks for column `b` as Binary, which JSON cannot be

        hint: read the column as another type and cast it
    "#]],
    );
}

#[test]
fn files_without_rows() {
    check(
        "",
        expect![[r#"
        `data.ndjson` holds no rows

        hint: give the columns in `schema`
    "#]],
    );
    check(
        "\n \n\r\n",
        expect![[r#"
        `data.ndjson` holds no rows

        hint: give the columns in `schema`
    "#]],
    );
    check_with(
        "{\"a\":1}\n",
        infer(0),
        expect![[r#"
        `infer_rows` is 0, and no columns are given

        hint: infer the columns from at least one row, or give them in `schema`
    "#]],
    );
}
