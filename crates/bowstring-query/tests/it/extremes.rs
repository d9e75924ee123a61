//! Is a wrong or absurd question answered with an error, never with a wrong value or a crash?

use bowstring_core::{Cancel, Diagnostic, ErrorKind};
use bowstring_query::{Frame, JoinKind, QueryError};
use expect_test::{Expect, expect};

use crate::support::{batch, frame, ints, pairs, people, session, shown, strings};

/// One line for each expression: its value, or the first line of the error.
fn check(expressions: &[&str], expected: Expect) {
    let most = frame(&session(), &batch(&[("most", ints(&[Some(i64::MAX)])), ("zero", ints(&[Some(0)]))]));
    let lines = expressions.iter().map(|expression| {
        let answer = shown(most.select(&strings(&[&format!("{expression} as x")])));
        let answer = if answer.starts_with("error") { answer.lines().next() } else { answer.lines().nth(3) };
        format!("{expression}: {}\n", answer.unwrap_or_default().trim_matches(['|', ' ']))
    });
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn whole_numbers_never_wrap() {
    check(
        &[
            "most + 1",
            "zero - most - 2",
            "most * 2",
            "-(zero - most - 1)",
            "abs(zero - most - 1)",
            "(zero - most - 1) / -1",
            "9223372036854775807 + 1",
            "cast(127 as tinyint) + cast(1 as tinyint)",
            "cast(most as int)",
            "cast(-1 as int unsigned)",
            "factorial(30)",
            "lcm(most, most - 1)",
            "sum(most) over (rows between 1 preceding and current row) + most",
            "most - 1 + 1",
            "-most",
        ],
        expect![[r#"
            most + 1: error: 9223372036854775807 + 1 does not fit its type
            zero - most - 2: error: -9223372036854775807 - 2 does not fit its type
            most * 2: error: 9223372036854775807 * 2 does not fit its type
            -(zero - most - 1): error: 0 - -9223372036854775808 does not fit its type
            abs(zero - most - 1): error: Int64Array overflow on abs(-9223372036854775808)
            (zero - most - 1) / -1: error: Overflow happened on: -9223372036854775808 / -1
            9223372036854775807 + 1: error: 9223372036854775807 + 1 does not fit its type
            cast(127 as tinyint) + cast(1 as tinyint): error: 127 + 1 does not fit its type
            cast(most as int): error: Can't cast value 9223372036854775807 to type Int32
            cast(-1 as int unsigned): error: Can't cast value -1 to type UInt32
            factorial(30): error: Overflow happened on FACTORIAL(30)
            lcm(most, most - 1): error: Signed integer overflow in LCM(9223372036854775807, 9223372036854775806)
            sum(most) over (rows between 1 preceding and current row) + most: error: 9223372036854775807 + 9223372036854775807 does not fit its type
            most - 1 + 1: 9223372036854775807
            -most: -9223372036854775807
        "#]],
    );
}

#[test]
fn sums_are_right_or_an_error() {
    let totals =
        |values: &[Option<i64>]| {
            let frame = frame(&session(), &batch(&[("n", ints(values))]));
            shown(frame.aggregate(
                &[],
                &pairs(&[("sum", "sum(n)"), ("half", "sum(n) / 2"), ("d", "sum(distinct n)")]),
            ))
        };
    expect![[r#"
        +---------------------+---------------------+---------------------+
        | sum                 | half                | d                   |
        +---------------------+---------------------+---------------------+
        | 9223372036854775804 | 4611686018427387902 | 9223372036854775806 |
        +---------------------+---------------------+---------------------+"#]]
    .assert_eq(&totals(&[Some(i64::MAX), Some(1), Some(-2), None, Some(-2)]));
    expect!["error: value of 9223372036854775808 is out of range Int64"]
        .assert_eq(&totals(&[Some(i64::MAX), Some(1)]));
    expect![[r#"
        +-----+------+---+
        | sum | half | d |
        +-----+------+---+
        |     |      |   |
        +-----+------+---+"#]]
    .assert_eq(&totals(&[]));
    let session = session();
    let query = "select i, sum(n) over (order by i) as s from (values (1, 9223372036854775807), (2, -5), (3, 5)) v(i, n)";
    expect![[r#"
        +---+---------------------+
        | i | s                   |
        +---+---------------------+
        | 1 | 9223372036854775807 |
        | 2 | 9223372036854775802 |
        | 3 | 9223372036854775807 |
        +---+---------------------+"#]]
    .assert_eq(&shown(session.sql(query, &[])));
    let query = "select sum(n) as s from (values (9223372036854775807), (7)) v(n) having sum(n) > 0";
    expect!["error: value of 9223372036854775814 is out of range Int64"]
        .assert_eq(&shown(session.sql(query, &[])));
}

#[test]
fn decimals_have_no_more_digits_than_their_type() {
    let nines = "9".repeat(38);
    let values =
        format!("(values (cast('{nines}' as decimal(38, 0))), (cast('{nines}' as decimal(38, 0)))) v(x)");
    let session = session();
    for query in ["sum(x)", "sum(x) over ()", "x + x", "x - (0 - x)", "x * 2", "avg(x)"] {
        let frame = session.sql(&format!("select {query} as y from {values}"), &[]).expect("a frame");
        let frame = frame.filter("y is not null").expect("a frame");
        let error = frame.collect(&Cancel::new()).expect_err(query);
        assert_eq!(error.kind(), ErrorKind::Data, "{query}: {error}");
    }
    let fits = session.sql(&format!("select sum(x - x + 1) as y, max(x - 1 + 1) as z from {values}"), &[]);
    let expected = format!("| 2 | {nines} |");
    assert!(shown(fits).contains(&expected));
}

#[test]
fn dividing_by_zero_is_an_error_for_exact_numbers() {
    check(
        &["most / zero", "most % zero", "1.0 / zero", "cast(most as double) / zero", "gcd(most, zero)"],
        expect![[r#"
            most / zero: error: division by zero
            most % zero: error: division by zero
            1.0 / zero: error: division by zero
            cast(most as double) / zero: inf
            gcd(most, zero): 9223372036854775807
        "#]],
    );
}

#[test]
fn decimals_that_do_not_fit_are_an_error() {
    check(
        &[
            "cast(most as decimal(5, 2))",
            "cast(most as decimal(38, 18)) * most",
            "cast(most as decimal(38, 0)) * most",
            "0.1 + 0.2 = 0.3",
            "1e300 * 10",
            "cast(1e300 as bigint)",
        ],
        expect![[r#"
            cast(most as decimal(5, 2)): error: 9223372036854775807.00 is too large to store in a Decimal128 of precision 5. Max is 999.99
            cast(most as decimal(38, 18)) * most: error: Overflow happened on: 9223372036854775807000000000000000000 * 9223372036854775807
            cast(most as decimal(38, 0)) * most: 85070591730234615847396907784232501249
            0.1 + 0.2 = 0.3: true
            1e300 * 10: 1e301
            cast(1e300 as bigint): error: Can't cast value 1e300 to type Int64
        "#]],
    );
}

#[test]
fn dates_that_there_are_not_are_an_error() {
    check(
        &[
            "date '2020-01-01' + interval '9999999999' day",
            "date '2020-02-30'",
            "make_date(most, 1, 1)",
            "to_timestamp(most)",
            "date_trunc('fortnight', to_timestamp(zero))",
            "date_bin(interval '0' day, to_timestamp(zero))",
        ],
        expect![[r#"
            date '2020-01-01' + interval '9999999999' day: error: Unable to represent 9999999999 days in a signed 32-bit integer
            date '2020-02-30': error: Cannot cast string '2020-02-30' to value of Date32 type
            make_date(most, 1, 1): error: Can't cast value 9223372036854775807 to type Int32
            to_timestamp(most): error: Cannot cast Timestamp(s) value 9223372036854775807 to Timestamp(ns): converted value exceeds the representable i64 range
            date_trunc('fortnight', to_timestamp(zero)): error: Unsupported date_trunc granularity: 'fortnight'. Supported values are: microsecond, millisecond, second, minute, hour, day, week, month, quarter, year
            date_bin(interval '0' day, to_timestamp(zero)): error: DATE_BIN stride must be non-zero
        "#]],
    );
}

#[test]
fn sizes_out_of_all_proportion_are_an_error() {
    check(
        &[
            "lpad('a', most, 'b')",
            "rpad('a', most)",
            "repeat('a', most)",
            "array_repeat(1, 2000000000)",
            "array_resize([1], most)",
            "range(zero, most, 1)",
            "lpad('a', 3, 'b')",
            "length(repeat('ab', zero + 5))",
            "chr(most)",
            "substr('abc', most, most)",
            "regexp_like('a', '(a{1000}){1000}')",
            "regexp_replace('a', '(', 'b')",
        ],
        expect![[r#"
            lpad('a', most, 'b'): error: a text or list of 9223372036854775807 is longer than the 16777216 that one function may make
            rpad('a', most): error: a text or list of 9223372036854775807 is longer than the 16777216 that one function may make
            repeat('a', most): error: a text or list of 9223372036854775807 is longer than the 16777216 that one function may make
            array_repeat(1, 2000000000): error: a text or list of 2000000000 is longer than the 16777216 that one function may make
            array_resize([1], most): error: a text or list of 9223372036854775807 is longer than the 16777216 that one function may make
            range(zero, most, 1): error: Range too large to materialize: failed to allocate 9223372036854775807 elements: memory allocation failed because the computed capacity exceeded the collection's maximum
            lpad('a', 3, 'b'): bba
            length(repeat('ab', zero + 5)): 10
            chr(most): error: invalid Unicode scalar value: 9223372036854775807
            substr('abc', most, most): 
            regexp_like('a', '(a{1000}){1000}'): error: Regular expression did not compile: CompiledTooBig(10485760)
            regexp_replace('a', '(', 'b'): error: regex parse error: ( ^ error: unclosed group
        "#]],
    );
}

fn refused(text: &str) -> QueryError {
    let error = frame(&session(), &people()).filter(text).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Usage);
    error
}

#[test]
fn deep_and_long_expressions_end_in_an_answer_or_a_refusal() {
    let deep = format!("{}age{} > 1", "(".repeat(10_000), ")".repeat(10_000));
    assert!(refused(&deep).to_string().ends_with("it is nested too deeply"));
    for long in [
        vec!["age > 1"; 10_000].join(" and "),
        format!("{} = 1", vec!["age"; 10_000].join(" + ")),
        format!("{} age > 1", "not ".repeat(10_000)),
        format!("age{} > 1", "::bigint".repeat(10_000)),
        format!("{}1{} = 1", "(1 + ".repeat(10_000), ")".repeat(10_000)),
        format!("({}) = 1", vec!["(age)"; 10_000].join(" - ")),
    ] {
        let error = refused(&long);
        assert!(
            error.to_string().contains("too many operators") || error.to_string().contains("nested"),
            "{error}"
        );
    }
    for fits in [
        vec!["age > 1"; 490].join(" and "),
        (0..490).map(|n| format!("age = {n}")).collect::<Vec<_>>().join(" or "),
        format!("{} > 1", vec!["age"; 240].join(" + ")),
        format!("age in ({})", (0..10_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ")),
        format!("case {} end = 2", "when age = 7 then 2 ".repeat(900)),
    ] {
        let kept = frame(&session(), &people()).filter(&fits).expect("a frame");
        assert!(kept.collect(&Cancel::new()).expect("rows").table.num_rows() >= 1, "{fits:.60}");
    }
}

#[test]
fn queries_that_grow_without_bound_are_refused() {
    let session = session();
    let people = frame(&session, &people());
    let mut again = people.select(&strings(&["age"])).expect("a frame");
    let error = loop {
        match again.join(&again, &pairs(&[("age", "age")]), JoinKind::Inner) {
            Ok(larger) => again = larger,
            Err(error) => break error,
        }
    };
    expect!["the query has more than 5000 steps"].assert_eq(&error.to_string());
    let doubled = (1..40).map(|n| format!("t{n} as (select a.age from t{} a, t{} b)", n - 1, n - 1));
    let query = format!(
        "with t0 as (select age from people), {} select * from t39",
        doubled.collect::<Vec<_>>().join(", ")
    );
    let error = session.sql(&query, &[("people".to_owned(), people.clone())]).expect_err("refused");
    expect!["the query reads more than 1000 tables, each WITH counted where it is used"]
        .assert_eq(&error.to_string());
    let mut chain: Result<Frame, QueryError> = Ok(people);
    for n in 0..200 {
        chain = chain.and_then(|frame| frame.filter(&format!("age <> {n}")));
    }
    assert_eq!(chain.expect("a frame").collect(&Cancel::new()).expect("rows").table.num_rows(), 0);
}
