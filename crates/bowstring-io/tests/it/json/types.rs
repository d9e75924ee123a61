//! Which types do values have?

use expect_test::expect;

use super::check;

#[test]
fn scalars() {
    check(
        "{\"int\":1,\"float\":1.5,\"mixed\":1,\"flag\":true,\"text\":\"x\",\"none\":null,\"big\":1}\n\
         {\"int\":-9223372036854775808,\"float\":-0,\"mixed\":2.5e-3,\"flag\":false,\"text\":\"\",\"big\":18446744073709551615}\n",
        expect![[r#"
            Int64, Float64, Float64, Boolean, Utf8, Utf8, UInt64
            +----------------------+-------+--------+-------+------+------+----------------------+
            | int                  | float | mixed  | flag  | text | none | big                  |
            +----------------------+-------+--------+-------+------+------+----------------------+
            | 1                    | 1.5   | 1.0    | true  | x    | null | 1                    |
            | -9223372036854775808 | -0.0  | 0.0025 | false |      | null | 18446744073709551615 |
            +----------------------+-------+--------+-------+------+------+----------------------+
        "#]],
    );
}

#[test]
fn text_is_text_also_when_it_looks_like_something_else() {
    check(
        "{\"day\":\"2024-02-29\",\"number\":\"7\",\"null\":\"null\"}\n",
        expect![[r#"
        Utf8, Utf8, Utf8
        +------------+--------+------+
        | day        | number | null |
        +------------+--------+------+
        | 2024-02-29 | 7      | null |
        +------------+--------+------+
    "#]],
    );
}

#[test]
fn escapes_are_undone_in_values_and_keys() {
    check(
        "{\"\\u0061\\n\":\"\\\"\\\\\\/\\b\\f\\t\\u00e9\\ud83d\\ude00\"}\n{\"a\\n\":\"é😀\"}\n",
        expect![[r#"
            Utf8
            +-----------+
            | a         |
            |           |
            +-----------+
            | "\/	é😀 |
            | é😀       |
            +-----------+
        "#]],
    );
}

#[test]
fn lists_and_objects() {
    check(
        "{\"list\":[1,null,3],\"in\":{\"x\":1,\"y\":{\"z\":[]}}}\n\
         {\"list\":null,\"in\":{\"y\":{}}}\n\
         {\"list\":[],\"in\":null}\n\
         {\"in\":{\"y\":{\"z\":[null]},\"x\":2}}\n",
        expect![[r#"
            List(Int64), Struct("x": Int64, "y": Struct("z": List(Utf8)))
            +--------------+-------------------------+
            | list         | in                      |
            +--------------+-------------------------+
            | [1, null, 3] | {x: 1, y: {z: []}}      |
            | null         | {x: null, y: {z: null}} |
            | []           | null                    |
            | null         | {x: 2, y: {z: [null]}}  |
            +--------------+-------------------------+
        "#]],
    );
    check(
        "{\"points\":[{\"x\":1},{\"y\":\"a\"}]}\n{\"points\":[[]]}\n",
        expect![[r#"
        a list where the rows before have objects
          at data.ndjson, row 2 (line 2), column `points`

        hint: give the column's type in `schema`; as text it holds any value as it stands
    "#]],
    );
    check(
        "{\"rows\":[[1,2],[3]],\"none\":[],\"empty\":{}}\n",
        expect![[r#"
        List(List(Int64)), List(Utf8), Struct()
        +---------------+------+-------+
        | rows          | none | empty |
        +---------------+------+-------+
        | [[1, 2], [3]] | []   | {}    |
        +---------------+------+-------+
    "#]],
    );
}

#[test]
fn blanks_and_blank_lines_are_nothing() {
    check(
        "\u{feff}\n  {\t\"a\" : 1 , \"b\":[ ] }  \r\n\r\n{ }\r\n{\"b\":[ 1 , 2 ]}",
        expect![[r#"
        Int64, List(Int64)
        +------+--------+
        | a    | b      |
        +------+--------+
        | 1    | []     |
        | null | null   |
        | null | [1, 2] |
        +------+--------+
    "#]],
    );
    check(
        "{}\n{}\n",
        expect![[r#"

        ++
        ++
        ++
    "#]],
    );
}
