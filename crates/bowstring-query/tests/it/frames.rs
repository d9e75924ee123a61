//! Does every method of a frame give the rows that it promises?

use bowstring_query::{Frame, JoinKind, QueryError, SampleSize};
use expect_test::{Expect, expect};

use crate::support::{batch, floats, frame, ints, pairs, people, session, shown, strings, text};

fn check(step: impl FnOnce(Frame) -> Result<Frame, QueryError>, expected: Expect) {
    expected.assert_eq(&shown(step(frame(&session(), &people()))));
}

#[test]
fn select_names_expressions_as_written() {
    check(
        |f| f.select(&strings(&["age", "age + 1", "upper(name) as who", "\"score\""]))?.filter("age > 10"),
        expect![[r#"
            +-----+---------+-----+-------+
            | age | age + 1 | who | score |
            +-----+---------+-----+-------+
            | 31  | 32      | ANN | 1.5   |
            | 55  | 56      |     |       |
            +-----+---------+-----+-------+"#]],
    );
    check(
        |f| f.select(&strings(&["*", "age * 2 as double"]))?.limit(1),
        expect![[r#"
        +------+-----+-------+--------+
        | name | age | score | double |
        +------+-----+-------+--------+
        | ann  | 31  | 1.5   | 62     |
        +------+-----+-------+--------+"#]],
    );
}

#[test]
fn new_columns_see_the_old_ones() {
    check(
        |f| f.with_columns(&pairs(&[("age", "age + 1"), ("older", "age + 10")]))?.limit(2),
        expect![[r#"
        +------+-----+-------+-------+
        | name | age | score | older |
        +------+-----+-------+-------+
        | ann  | 32  | 1.5   | 41    |
        | bob  | 8   | -2.0  | 17    |
        +------+-----+-------+-------+"#]],
    );
}

#[test]
fn columns_are_renamed_dropped_and_cast() {
    check(
        |f| f.rename(&pairs(&[("name", "age"), ("age", "name")]))?.limit(1),
        expect![[r#"
        +-----+------+-------+
        | age | name | score |
        +-----+------+-------+
        | ann | 31   | 1.5   |
        +-----+------+-------+"#]],
    );
    check(
        |f| f.drop(&strings(&["age", "name"]))?.limit(1),
        expect![[r#"
        +-------+
        | score |
        +-------+
        | 1.5   |
        +-------+"#]],
    );
    check(
        |f| f.cast(&pairs(&[("age", "string"), ("score", "decimal(5, 2)")]))?.limit(2),
        expect![[r#"
        +------+-----+-------+
        | name | age | score |
        +------+-----+-------+
        | ann  | 31  | 1.50  |
        | bob  | 7   | -2.00 |
        +------+-----+-------+"#]],
    );
}

#[test]
fn a_value_that_cannot_be_cast_is_an_error_and_not_a_null() {
    check(
        |f| f.cast(&pairs(&[("name", "int64")])),
        expect!["error: Cannot cast string 'ann' to value of Int64 type"],
    );
}

#[test]
fn nulls_are_filled_with_values_of_the_columns_type() {
    let fill = |column: &str, value: serde_json::Value| vec![(column.to_owned(), value)];
    check(
        |f| f.fill_null(&fill("age", 0.into()))?.select(&strings(&["age"])),
        expect![[r#"
        +-----+
        | age |
        +-----+
        | 31  |
        | 7   |
        | 0   |
        | 55  |
        +-----+"#]],
    );
    check(
        |f| f.fill_null(&fill("age", 1.5.into())),
        expect!["error: the value 1.5 does not fit column `age`, which is Int64"],
    );
    check(
        |f| f.fill_null(&fill("name", 3.into())),
        expect!["error: the value 3 does not fit column `name`, which is Utf8"],
    );
}

#[test]
fn a_filter_keeps_what_is_true_and_not_what_is_null() {
    check(
        |f| f.filter("age > 10"),
        expect![[r#"
        +------+-----+-------+
        | name | age | score |
        +------+-----+-------+
        | ann  | 31  | 1.5   |
        |      | 55  |       |
        +------+-----+-------+"#]],
    );
    check(
        |f| f.filter("not (age > 10)"),
        expect![[r#"
        +------+-----+-------+
        | name | age | score |
        +------+-----+-------+
        | bob  | 7   | -2.0  |
        +------+-----+-------+"#]],
    );
    check(|f| f.filter("age + 1"), expect!["error: `age + 1` is Int64, but a condition must be boolean"]);
}

#[test]
fn groups_have_their_keys_and_aggregates() {
    let aggs = pairs(&[("n", "count(*)"), ("mean", "sum(age) / count(age)")]);
    check(
        |f| f.aggregate(&strings(&["age is null as missing"]), &aggs)?.sort(&strings(&["missing"])),
        expect![[r#"
            +---------+---+------+
            | missing | n | mean |
            +---------+---+------+
            | false   | 3 | 31   |
            | true    | 1 |      |
            +---------+---+------+"#]],
    );
    check(
        |f| f.aggregate(&[], &pairs(&[("oldest", "max(age)")])),
        expect![[r#"
        +--------+
        | oldest |
        +--------+
        | 55     |
        +--------+"#]],
    );
    check(
        |f| f.aggregate(&strings(&["name"]), &pairs(&[("x", "age + 1")])),
        expect![[r#"
        error: column `age` is neither grouped by nor aggregated

        hint: group by it, or write `first_value(age)` or another aggregate"#]],
    );
}

#[test]
fn sorting_puts_nulls_last_unless_told() {
    check(
        |f| f.sort(&strings(&["age desc"]))?.select(&strings(&["age"])),
        expect![[r#"
        +-----+
        | age |
        +-----+
        | 55  |
        | 31  |
        | 7   |
        |     |
        +-----+"#]],
    );
    check(
        |f| f.sort(&strings(&["age nulls first"]))?.select(&strings(&["age"])),
        expect![[r#"
        +-----+
        | age |
        +-----+
        |     |
        | 7   |
        | 31  |
        | 55  |
        +-----+"#]],
    );
}

fn orders() -> arrow::array::RecordBatch {
    batch(&[
        ("name", text(&[Some("ann"), Some("ann"), Some("dan"), None])),
        ("score", floats(&[Some(10.0), Some(20.0), Some(30.0), Some(40.0)])),
    ])
}

#[test]
fn joins_have_keys_once_and_suffix_the_rest() {
    for (how, expected) in [
        (
            JoinKind::Inner,
            expect![[r#"
            +------+-----+-------+-------------+
            | name | age | score | score_right |
            +------+-----+-------+-------------+
            | ann  | 31  | 1.5   | 10.0        |
            | ann  | 31  | 1.5   | 20.0        |
            +------+-----+-------+-------------+"#]],
        ),
        (
            JoinKind::Left,
            expect![[r#"
            +------+-----+-------+-------------+
            | name | age | score | score_right |
            +------+-----+-------+-------------+
            | ann  | 31  | 1.5   | 10.0        |
            | ann  | 31  | 1.5   | 20.0        |
            | bob  | 7   | -2.0  |             |
            | cy   |     | 0.25  |             |
            |      | 55  |       |             |
            +------+-----+-------+-------------+"#]],
        ),
        (
            JoinKind::Right,
            expect![[r#"
            +------+-----+-------+-------------+
            | name | age | score | score_right |
            +------+-----+-------+-------------+
            | ann  | 31  | 1.5   | 10.0        |
            | ann  | 31  | 1.5   | 20.0        |
            | dan  |     |       | 30.0        |
            |      |     |       | 40.0        |
            +------+-----+-------+-------------+"#]],
        ),
        (
            JoinKind::Full,
            expect![[r#"
            +------+-----+-------+-------------+
            | name | age | score | score_right |
            +------+-----+-------+-------------+
            | ann  | 31  | 1.5   | 10.0        |
            | ann  | 31  | 1.5   | 20.0        |
            | bob  | 7   | -2.0  |             |
            | cy   |     | 0.25  |             |
            | dan  |     |       | 30.0        |
            |      | 55  |       |             |
            |      |     |       | 40.0        |
            +------+-----+-------+-------------+"#]],
        ),
        (
            JoinKind::Semi,
            expect![[r#"
            +------+-----+-------+
            | name | age | score |
            +------+-----+-------+
            | ann  | 31  | 1.5   |
            +------+-----+-------+"#]],
        ),
        (
            JoinKind::Anti,
            expect![[r#"
            +------+-----+-------+
            | name | age | score |
            +------+-----+-------+
            | bob  | 7   | -2.0  |
            | cy   |     | 0.25  |
            |      | 55  |       |
            +------+-----+-------+"#]],
        ),
    ] {
        let session = session();
        let (left, right) = (frame(&session, &people()), frame(&session, &orders()));
        let joined = left.join(&right, &pairs(&[("name", "name")]), how).and_then(|joined| {
            let order: Vec<String> = joined.schema().fields().iter().map(|f| f.name().clone()).collect();
            joined.sort(&order)
        });
        expected.assert_eq(&shown(joined));
    }
}

#[test]
fn a_cross_join_has_no_keys() {
    let session = session();
    let small = frame(&session, &batch(&[("age", ints(&[Some(1), Some(2)]))]));
    let pairs =
        small.join(&small, &[], JoinKind::Cross).and_then(|f| f.sort(&strings(&["age", "age_right"])));
    expect![[r#"
        +-----+-----------+
        | age | age_right |
        +-----+-----------+
        | 1   | 1         |
        | 1   | 2         |
        | 2   | 1         |
        | 2   | 2         |
        +-----+-----------+"#]]
    .assert_eq(&shown(pairs));
    expect!["error: a join needs at least one pair of keys"].assert_eq(&shown(small.join(
        &small,
        &[],
        JoinKind::Inner,
    )));
}

#[test]
fn distinct_keeps_the_row_that_sorts_first() {
    let rows = batch(&[
        ("k", ints(&[Some(1), Some(1), Some(2), None, None])),
        ("v", text(&[Some("b"), Some("a"), None, Some("y"), Some("x")])),
    ]);
    let distinct = |columns: &[&str]| {
        let frame =
            frame(&session(), &rows).distinct(&strings(columns)).and_then(|f| f.sort(&strings(&["k", "v"])));
        shown(frame)
    };
    expect![[r#"
        +---+---+
        | k | v |
        +---+---+
        | 1 | a |
        | 2 |   |
        |   | x |
        +---+---+"#]]
    .assert_eq(&distinct(&["k"]));
    expect![[r#"
        +---+---+
        | k | v |
        +---+---+
        | 1 | a |
        | 1 | b |
        | 2 |   |
        |   | x |
        |   | y |
        +---+---+"#]]
    .assert_eq(&distinct(&[]));
}

#[test]
fn a_union_goes_by_name() {
    let session = session();
    let one = frame(&session, &batch(&[("a", ints(&[Some(1)])), ("b", text(&[Some("x")]))]));
    let two = frame(&session, &batch(&[("b", text(&[Some("y")])), ("a", ints(&[Some(2)]))]));
    expect![[r#"
        +---+---+
        | a | b |
        +---+---+
        | 1 | x |
        | 2 | y |
        +---+---+"#]]
    .assert_eq(&shown(one.union(&two).and_then(|f| f.sort(&strings(&["a"])))));
    let other = frame(&session, &batch(&[("a", text(&[Some("2")])), ("b", text(&[Some("y")]))]));
    expect![[r#"
        error: column `a` is Int64 in the first part of the union and Utf8 in another

        hint: cast `a` in one of them"#]]
    .assert_eq(&shown(one.union(&other)));
    expect!["error: the columns do not agree: only the first has `b`"]
        .assert_eq(&shown(one.union(&one.drop(&strings(&["b"])).expect("a frame"))));
}

#[test]
fn a_sample_is_the_same_for_a_seed_and_different_for_another() {
    let numbers: Vec<Option<i64>> = (0..10_000).map(Some).collect();
    let mut shuffled = numbers.clone();
    shuffled.reverse();
    let sample = |rows: &[Option<i64>], size, seed, threads| {
        let frame = frame(&crate::support::session_with(threads, None), &batch(&[("n", ints(rows))]));
        shown(frame.sample(size, seed).and_then(|f| f.sort(&strings(&["n"]))))
    };
    let ten = SampleSize::Rows(10);
    assert_eq!(sample(&numbers, ten, 7, 1), sample(&shuffled, ten, 7, 4));
    assert_ne!(sample(&numbers, ten, 7, 1), sample(&numbers, ten, 8, 1));
    let tenth = sample(&numbers, SampleSize::Fraction(0.1), 7, 4);
    assert_eq!(tenth, sample(&shuffled, SampleSize::Fraction(0.1), 7, 2));
    let kept = tenth.lines().count() - 4;
    assert!((850..1150).contains(&kept), "{kept} of 10000 are not a tenth");
    assert_eq!(sample(&numbers, SampleSize::Fraction(1.0), 7, 4).lines().count() - 4, 10_000);
    assert_eq!(sample(&numbers, SampleSize::Fraction(0.0), 7, 4), "no rows");
    expect!["error: the fraction 1.5 is not between 0 and 1"].assert_eq(&sample(
        &numbers,
        SampleSize::Fraction(1.5),
        7,
        4,
    ));
}

#[test]
fn rows_keep_their_order() {
    let numbers: Vec<Option<i64>> = (0..100_000).rev().map(Some).collect();
    let frame = frame(&session(), &batch(&[("n", ints(&numbers))]));
    let even = frame.filter("n % 2 = 0").expect("a frame");
    let collected = even.collect(&bowstring_core::Cancel::new()).expect("rows").table;
    let streamed: Vec<_> = even
        .stream(&bowstring_core::Cancel::new())
        .expect("a stream")
        .map(|batch| batch.expect("a batch"))
        .collect();
    let wanted: Vec<i64> = (0..100_000).rev().filter(|n| n % 2 == 0).collect();
    for batches in [collected.batches(), &streamed] {
        let found: Vec<i64> = batches
            .iter()
            .flat_map(|batch| {
                use arrow::array::AsArray;
                batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec()
            })
            .collect();
        assert!(found == wanted, "rows came in another order");
    }
}
