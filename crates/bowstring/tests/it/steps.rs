//! What does each step kind make of its input?

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, StructArray},
    datatypes::{DataType, Field},
};
use expect_test::{Expect, expect};

use crate::support::{Bench, ints, table, text};

const READ: &str = "  - {name: people, type: read, config: {path: \"${dir}/people.parquet\"}}\n";
const PETS: &str = "  - {name: pets, type: read, config: {path: \"${dir}/pets.parquet\"}}\n";

/// A step `it` over the people, and whatever `steps` has besides.
fn check(steps: &str, expected: &Expect) {
    let steps: String = steps.lines().map(|line| format!("  - {}\n", line.trim())).collect();
    expected.assert_eq(&format!("{}\n", Bench::new().shown(&format!("{READ}{PETS}{steps}"), "it")));
}

#[test]
fn read_takes_columns_a_filter_and_a_limit() {
    check(
        r#"{name: it, type: read, config: {path: "${dir}/people.parquet", columns: [name, age], filter: "age > 10", limit: 1}}"#,
        &expect![[r#"
            +------+-----+
            | name | age |
            +------+-----+
            | ann  | 31  |
            +------+-----+
        "#]],
    );
}

#[test]
fn read_takes_fields_and_row_groups() {
    let age = ints(&[Some(31), Some(7), None, Some(55)]);
    let field = Field::new("age", age.data_type().clone(), true);
    let who: ArrayRef = Arc::new(StructArray::from(vec![
        (
            Arc::new(Field::new("name", DataType::Utf8, true)),
            text(&[Some("ann"), Some("bob"), Some("cy"), None]),
        ),
        (Arc::new(field), age),
    ]));
    let bench = Bench::new();
    bowstring_testing::parquet(
        &bench.path("who.parquet"),
        &table(&[("who", who), ("n", ints(&[Some(1); 4]))]),
        1,
    );
    let check = |config: &str, expected: Expect| {
        let step =
            format!(r#"  - {{name: it, type: read, config: {{path: "${{dir}}/who.parquet", {config}}}}}"#);
        expected.assert_eq(&format!("{}\n", bench.shown(&step, "it")));
    };
    check(
        "columns: [who.age], row_groups: [3, 0]",
        expect![[r#"
            +-----------+
            | who       |
            +-----------+
            | {age: 55} |
            | {age: 31} |
            +-----------+
        "#]],
    );
    check(
        "columns: [who.name], row_groups: [0, 1, 2], filter: \"who.age < 10\"",
        expect![[r#"
            +-------------+
            | who         |
            +-------------+
            | {name: bob} |
            +-------------+
        "#]],
    );
    check(
        "row_groups: [4]",
        expect![[r#"
            exit 2: step `it` (usage): `row_groups` has 4, but there are 4, counted from 0
              at DIR/who.parquet
        "#]],
    );
    check(
        "columns: [who.nmae]",
        expect![[r#"
            exit 2: step `it` (usage): there is no column `who.nmae`
              at DIR/who.parquet
            hint: did you mean `who.name`?
        "#]],
    );
    check(
        "format: csv, row_groups: [0]",
        expect![[r#"
            `row_groups` is for Parquet, and this is csv
              at test.yaml:4:90

            hint: leave it out, or say another `format`
        "#]],
    );
}

#[test]
fn filter_keeps_what_is_true() {
    check(
        "{name: it, type: filter, input: people, config: {query: \"age > 10 OR name = 'bob'\"}}",
        &expect![[r#"
            +------+-----+-------+
            | name | age | score |
            +------+-----+-------+
            | ann  | 31  | 1.5   |
            | bob  | 7   | -2.0  |
            |      | 55  |       |
            +------+-----+-------+
        "#]],
    );
}

#[test]
fn columns_are_chosen_computed_renamed_dropped_cast_and_filled() {
    check(
        r#"{name: a, type: fill_null, input: people, config: {columns: {name: nobody, age: 0}}}
        {name: b, type: with_columns, input: a, config: {columns: {twice: "age * 2", age: "age + 1"}}}
        {name: c, type: rename, input: b, config: {columns: {name: who}}}
        {name: d, type: drop, input: c, config: {columns: [score]}}
        {name: e, type: cast, input: d, config: {columns: {twice: string}}}
        {name: it, type: select, input: e, config: {columns: [who, age, "twice || '!' AS twice"]}}"#,
        &expect![[r#"
            +--------+-----+-------+
            | who    | age | twice |
            +--------+-----+-------+
            | ann    | 32  | 62!   |
            | bob    | 8   | 14!   |
            | cy     | 1   | 0!    |
            | nobody | 56  | 110!  |
            +--------+-----+-------+
        "#]],
    );
}

#[test]
fn join_takes_two_named_inputs() {
    check(
        r"{name: joined, type: join, inputs: {left: people, right: pets}, config: {left_on: [name], right_on: [owner], how: left}}
        {name: it, type: sort, input: joined, config: {by: [name]}}",
        &expect![[r#"
            +------+-----+-------+-----+-------+
            | name | age | score | pet | owner |
            +------+-----+-------+-----+-------+
            | ann  | 31  | 1.5   | tom | ann   |
            | bob  | 7   | -2.0  | rex | bob   |
            | cy   |     | 0.25  |     |       |
            |      | 55  |       |     |       |
            +------+-----+-------+-----+-------+
        "#]],
    );
    check(
        "{name: it, type: join, inputs: {left: people, right: pets}, config: {left_on: [age], right_on: [owner]}}",
        &expect![[r#"
            exit 2: step `it` (usage): cannot compare `left.age`, which is Int64, with `right.owner`, which is Utf8
              at DIR/people.parquet and 1 more
              in the chain `people`, `pets` and `it`
            hint: say which is meant: `cast(right.owner as bigint)` compares numbers, quotes around a value compare text
        "#]],
    );
    check(
        "{name: it, type: join, inputs: {left: people, right: pets}, config: {left_on: [name], how: inner}}",
        &expect![[r#"
            the keys of the join are not clear
              at test.yaml:6:73

            hint: name the keys in `on`, or in `left_on` and `right_on`
        "#]],
    );
}

#[test]
fn aggregate_sums_up_groups() {
    check(
        r#"{name: grouped, type: aggregate, input: people, config: {by: ["age > 10 AS adult"], aggs: {n: "count(*)", best: "max(score)"}}}
        {name: it, type: sort, input: grouped, config: {by: ["adult desc"]}}"#,
        &expect![[r#"
            +-------+---+------+
            | adult | n | best |
            +-------+---+------+
            | true  | 2 | 1.5  |
            | false | 1 | -2.0 |
            |       | 1 | 0.25 |
            +-------+---+------+
        "#]],
    );
}

#[test]
fn sort_and_limit_keep_an_order() {
    check(
        r#"{name: sorted, type: sort, input: people, config: {by: ["age desc"]}}
        {name: it, type: limit, input: sorted, config: {n: 2}}"#,
        &expect![[r#"
            +------+-----+-------+
            | name | age | score |
            +------+-----+-------+
            |      | 55  |       |
            | ann  | 31  | 1.5   |
            +------+-----+-------+
        "#]],
    );
}

#[test]
fn distinct_union_and_sample() {
    check(
        r"{name: twice, type: union, inputs: {a: people, b: people}}
        {name: once, type: distinct, input: twice}
        {name: sampled, type: sample, input: once, config: {n: 3, seed: 7}}
        {name: it, type: aggregate, input: sampled, config: {aggs: {n: count(*)}}}",
        &expect![[r#"
            +---+
            | n |
            +---+
            | 3 |
            +---+
        "#]],
    );
    check(
        "{name: it, type: sample, input: people, config: {n: 1, fraction: 0.5}}",
        &expect![[r#"
        either `n` or `fraction` says how many rows
          at test.yaml:6:53
    "#]],
    );
}

#[test]
fn sql_reads_the_steps_that_it_names() {
    check(
        r#"{name: it, type: sql, config: {query: "SELECT p.name, t.pet FROM people p JOIN pets t ON t.owner = p.name ORDER BY 1"}}"#,
        &expect![[r#"
            +------+-----+
            | name | pet |
            +------+-----+
            | ann  | tom |
            | bob  | rex |
            +------+-----+
        "#]],
    );
}

#[test]
fn validate_hands_on_what_meets_every_expectation() {
    check(
        r#"{name: adults, type: filter, input: people, config: {query: "name IS NOT NULL"}}
        {name: it, type: validate, input: adults, config: {not_null: [name], unique: [[name]], range: {age: [0, 120], score: [null, 2]}, accepted: {name: [ann, bob, cy]}, regex: {name: "^[a-z]+$"}, rows: {min: 3, max: 3}}}"#,
        &expect![[r#"
            +------+-----+-------+
            | name | age | score |
            +------+-----+-------+
            | ann  | 31  | 1.5   |
            | bob  | 7   | -2.0  |
            | cy   |     | 0.25  |
            +------+-----+-------+
        "#]],
    );
}

#[test]
fn validate_fails_with_all_that_is_not_met() {
    check(
        r#"{name: twice, type: union, inputs: {a: people, b: people}}
        {name: it, type: validate, input: twice, config: {not_null: [age], unique: [[name], [age, score]], range: {age: [10, 50]}, accepted: {name: [ann, "o'x"]}, regex: {name: "^a"}, rows: {max: 3}}}"#,
        &expect![[r#"
            exit 1: step `it` (failed): 7 expectations are not met:
              - rows: there are 8, not between any and 3
              - not_null: `age` is null in 2 of 8 rows
              - range: `age` is not within 10 and 50 in 4 of 8 rows
              - accepted: `name` is none of ["ann","o'x"] in 4 of 8 rows
              - regex: `name` does not match "^a" in 4 of 8 rows
              - unique: 4 values occur more than once in `name`
              - unique: 4 values occur more than once in `age` and `score`
              at DIR/people.parquet
        "#]],
    );
    check(
        r#"{name: it, type: validate, input: people, config: {range: {age: [null, null]}, accepted: {name: []}, regex: {name: "("}, rows: {min: 2, max: 1}, unique: [[]]}}"#,
        &expect![[r#"
            the workflow has 5 problems

            test.yaml:6:69: a range is two numbers or texts, of which one may be null

            test.yaml:6:101: accepted values are texts, numbers, true or false, and at least one

            test.yaml:6:120: this is no regular expression: regex parse error:
                (
                ^
            error: unclosed group

            test.yaml:6:132: `min` is above `max`

            test.yaml:6:158: each entry is a list of at least one column
        "#]],
    );
}

#[test]
fn sleep_waits_as_long_as_it_says() {
    let finished = Bench::new().run("  - {name: nap, type: sleep, config: {duration: 30ms}}\n");
    assert!(finished.report.execution_time_ms.as_f64() >= 30.0);
    check(
        "{name: it, type: sleep, config: {duration: long}}",
        &expect![[r#"
        `long` is not a duration: expected number at 0
          at test.yaml:6:48

        hint: write a duration as in `500ms`, `90s` or `1h 30m`
    "#]],
    );
}

#[test]
fn readers_options_reach_the_reader() {
    let bench = Bench::new();
    std::fs::write(bench.path("semi.txt"), "# by hand\nx;y\n1;'a;b'\nNA;c\n").unwrap();
    let read = r##"  - {name: it, type: read, config: {path: "${dir}/semi.txt", format: csv, delimiter: ";", quote: "'", comment: "#", null_values: [NA], schema: {x: int32, y: string}}}"##;
    expect![[r#"
        +---+-----+
        | x | y   |
        +---+-----+
        | 1 | a;b |
        |   | c   |
        +---+-----+"#]]
    .assert_eq(&bench.shown(read, "it"));
    let wrong = r#"  - {name: it, type: read, config: {path: x.csv, delimiter: "ä", schema: {x: whole}}}"#;
    expect![[r#"
        the workflow has 2 problems

        test.yaml:4:61: this must be one ASCII character

        test.yaml:4:78: `whole` is not a type
          hint: types are, for example, `int64`, `float64`, `string`, `date`, `timestamp`, `decimal(12, 2)`"#]].assert_eq(&bench.shown(wrong, "it"));
    let both = "  - {name: it, type: read, config: {path: a.csv, input: b.csv}}";
    expect![[r#"
        `input` and `path` mean the same
          at test.yaml:4:57

        hint: leave one out"#]]
    .assert_eq(&bench.shown(both, "it"));
    expect![[r#"
        `path` is missing
          at test.yaml:4:12"#]]
    .assert_eq(&bench.shown("  - {name: it, type: read}", "it"));
}

#[test]
fn text_in_another_encoding_is_read_whatever_its_format() {
    let bench = Bench::new();
    std::fs::write(bench.path("text.csv"), b"x\ncaf\xe9\n").unwrap();
    std::fs::write(bench.path("text.ndjson"), b"{\"x\":\"caf\xe9\"}\n").unwrap();
    for name in ["text.csv", "text.ndjson"] {
        let read =
            format!("  - {{name: it, type: read, config: {{path: \"${{dir}}/{name}\", encoding: latin1}}}}");
        expect![[r#"
            +------+
            | x    |
            +------+
            | café |
            +------+"#]]
        .assert_eq(&bench.shown(&read, "it"));
    }
    let parquet = r#"  - {name: it, type: read, config: {path: "${dir}/people.parquet", delimiter: ";", infer_rows: 5}}"#;
    expect![[r#"
        the workflow has 2 problems

        test.yaml:4:79: `delimiter` is for CSV, and this is parquet
          hint: leave it out, or say another `format`

        test.yaml:4:96: `infer_rows` is for CSV and JSON, and this is parquet
          hint: leave it out, or say another `format`"#]]
    .assert_eq(&bench.shown(parquet, "it"));
    std::fs::create_dir(bench.path("folder")).unwrap();
    std::fs::copy(bench.path("people.parquet"), bench.path("folder/a.parquet")).unwrap();
    let folder = r#"  - {name: it, type: read, config: {path: "${dir}/folder", skip_rows: 1}}"#;
    expect![[r#"
        exit 2: step `it` (usage): `skip_rows` is for CSV, and this is parquet
          at DIR/folder
        hint: leave it out"#]]
    .assert_eq(&bench.shown(folder, "it"));
}
