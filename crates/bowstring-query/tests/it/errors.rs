//! Does every mistake get a message that says what, where and how to mend it?

use bowstring_core::{Cancel, Diagnostic, ErrorKind};
use expect_test::{Expect, expect};

use crate::support::{batch, frame, ints, pairs, people, session, session_with, shown, strings};

fn check(predicate: &str, expected: Expect) {
    expected.assert_eq(&shown(frame(&session(), &people()).filter(predicate)));
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    check(
        "agee > 1",
        expect![[r#"
        error: there is no column `agee`

        hint: did you mean `age`?"#]],
    );
    check(
        "zzz > 1",
        expect![[r#"
        error: there is no column `zzz`

        hint: the columns are `name`, `age` and `score`"#]],
    );
    check(
        "uper(name) = 'A'",
        expect![[r#"
        error: Invalid function 'uper'

        hint: did you mean `upper`?"#]],
    );
}

#[test]
fn what_cannot_be_computed_of_any_row_is_a_mistake_of_the_query() {
    let refused = frame(&session(), &people()).filter("age.x > 1").expect_err("no structure");
    assert_eq!(refused.kind(), ErrorKind::Usage);
    check(
        "age.x > 1",
        expect!["error: Cannot access field at argument 1: type Int64 is not Struct, Map, or Null"],
    );
}

#[test]
fn what_is_not_sql_is_refused_with_its_position() {
    check("age >", expect!["error: cannot parse `age >`: Expected: an expression, found: EOF"]);
    check(
        "age > 1 1",
        expect![[r#"
        error: cannot parse `age > 1 1`: Expected: end of the expression, found: 1
          at line 1, column 9"#]],
    );
    check("", expect!["error: cannot parse ``: Expected: an expression, found: EOF"]);
    check(
        "name = 'open",
        expect![[r#"
        error: cannot parse `name = 'open`: Unterminated string literal
          at line 1, column 8"#]],
    );
}

#[test]
fn what_is_too_long_is_refused_where_it_becomes_so() {
    let long = vec!["age > 1"; 600].join("\nand ");
    check(
        &long,
        expect![[r#"
        error: `age > 1 and age > 1 and age > 1 and age > 1 and age > 1 and age > 1 and age > 1 …` has too many operators in a row
          at line 501, column 9

        hint: write long lists with `in (…)`, or join with a table of the values"#]],
    );
}

#[test]
fn a_session_that_is_closed_runs_nothing() {
    let session = session();
    let frame = frame(&session, &people());
    session.close(std::time::Duration::from_secs(1));
    let error = frame.collect(&Cancel::new()).expect_err("nothing runs");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn text_is_never_compared_with_numbers() {
    check(
        "name > 100",
        expect![[r#"
        error: cannot compare `name`, which is Utf8, with `100`, which is Int64

        hint: say which is meant: `cast(name as bigint)` compares numbers, quotes around a value compare text"#]],
    );
    check(
        "age = '31'",
        expect![[r#"
        error: cannot compare `age`, which is Int64, with `31`, which is Utf8

        hint: say which is meant: `cast(31 as bigint)` compares numbers, quotes around a value compare text"#]],
    );
    check(
        "age in (1, '2')",
        expect![[r#"
        error: cannot compare `age`, which is Int64, with `2`, which is Utf8

        hint: say which is meant: `cast(2 as bigint)` compares numbers, quotes around a value compare text"#]],
    );
    check(
        "age between '1' and 5",
        expect![[r#"
        error: cannot compare `age`, which is Int64, with `1`, which is Utf8

        hint: say which is meant: `cast(1 as bigint)` compares numbers, quotes around a value compare text"#]],
    );
    check(
        "case age when 'x' then true else false end",
        expect![[r#"
        error: cannot compare `age`, which is Int64, with `x`, which is Utf8

        hint: say which is meant: `cast(x as bigint)` compares numbers, quotes around a value compare text"#]],
    );
    check(
        "upper(name) <> score",
        expect![[r#"
        error: cannot compare `upper(name)`, which is Utf8, with `score`, which is Float64

        hint: say which is meant: `cast(upper(name) as double)` compares numbers, quotes around a value compare text"#]],
    );
    let session = session();
    let (people, numbers) =
        (frame(&session, &people()), frame(&session, &batch(&[("name", ints(&[Some(1)]))])));
    let joined = people.join(&numbers, &pairs(&[("name", "name")]), bowstring_query::JoinKind::Inner);
    expect![[r#"
        error: cannot compare `left.name`, which is Utf8, with `right.name`, which is Int64

        hint: say which is meant: `cast(left.name as bigint)` compares numbers, quotes around a value compare text"#]].assert_eq(&shown(joined));
}

#[test]
fn aggregates_belong_into_aggregate() {
    check(
        "sum(age) > 1",
        expect![[r#"
        error: `sum(age)` is an aggregate, which stands for many rows

        hint: use `aggregate`, or add `over ()`"#]],
    );
    expect![[r#"
        error: `sum(age)` is an aggregate, which stands for many rows

        hint: use `aggregate`, or add `over ()`"#]]
    .assert_eq(&shown(frame(&session(), &people()).select(&strings(&["sum(age) as s"]))));
}

#[test]
fn two_columns_never_have_one_name() {
    expect![[r#"error: Projections require unique expression names but the expression "age" at position 0 and "score AS age" at position 1 have the same name. Consider aliasing ("AS") one of them"#]].assert_eq(&shown(frame(&session(), &people()).select(&strings(&["age", "score as age"]))));
}

#[test]
fn types_that_do_not_exist_are_refused() {
    expect![[r#"
        error: `integerish` is not a type

        hint: types are, for example, `int64`, `float64`, `string`, `date`, `timestamp`, `decimal(12, 2)`"#]]
    .assert_eq(&shown(frame(&session(), &people()).cast(&pairs(&[("age", "integerish")]))));
}

#[test]
fn wrong_data_is_a_data_error() {
    for expression in ["1 / (age - 31)", "arrow_cast(name, 'Int64')", "cast(name as date)"] {
        let frame = frame(&session(), &people()).select(&strings(&[expression])).expect("a frame");
        let error = frame.collect(&Cancel::new()).expect_err(expression);
        assert_eq!(error.kind(), ErrorKind::Data, "{expression}: {error}");
    }
}

#[test]
fn a_cancelled_query_does_not_run() {
    let cancel = Cancel::new();
    cancel.cancel();
    let error = frame(&session(), &people()).collect(&cancel).expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn blocking_on_the_sessions_own_thread_is_refused() {
    let session = session();
    let people = frame(&session, &people());
    let (worker, blocking) = std::thread::scope(|_| {
        let (for_worker, for_blocking) = (people.clone(), people);
        let worker = session
            .runtime()
            .spawn(async move { for_worker.collect(&Cancel::new()).map(|c| c.table.num_rows()) });
        let blocking = session
            .runtime()
            .spawn_blocking(move || for_blocking.collect(&Cancel::new()).map(|c| c.table.num_rows()));
        session.runtime().block_on(async { (worker.await, blocking.await) })
    });
    assert_eq!(worker.expect("no panic").expect_err("refused").kind(), ErrorKind::Internal);
    assert_eq!(blocking.expect("no panic").expect("rows"), 4);
}

#[test]
fn every_worker_of_every_session_is_known() {
    // Sessions start while others use all cores, so that their threads come in any order.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..60 {
                    let session = session_with(3, None);
                    let people = frame(&session, &people());
                    let refused = (0..12).map(|_| {
                        let people = people.clone();
                        session.runtime().spawn(async move { people.collect(&Cancel::new()).is_err() })
                    });
                    let refused: Vec<_> = refused.collect();
                    for task in refused {
                        assert!(session.runtime().block_on(task).expect("no panic"));
                    }
                    let collected = people.collect(&Cancel::new()).expect("rows");
                    assert_eq!(collected.table.num_rows(), 4);
                }
            });
        }
    });
}
