//! Does SQL read what it may, and only that?

use bowstring_query::referenced_tables;
use expect_test::{Expect, expect};

use crate::support::{frame, people, session, shown};

fn check(query: &str, expected: Expect) {
    let session = session();
    let people = frame(&session, &people());
    expected.assert_eq(&shown(session.sql(query, &[("people".to_owned(), people)])));
}

#[test]
fn queries_run_over_named_frames() {
    check(
        "select name, age + 1, count(*) over () from people where age > 10 order by age",
        expect![[r#"
        +------+---------+------------------+
        | name | age + 1 | count(*) OVER () |
        +------+---------+------------------+
        | ann  | 32      | 2                |
        |      | 56      | 2                |
        +------+---------+------------------+"#]],
    );
    check(
        "with old as (select * from people where age > 30) select count(*), SUM(age) from old",
        expect![[r#"
            +----------+----------+
            | count(*) | SUM(age) |
            +----------+----------+
            | 2        | 86       |
            +----------+----------+"#]],
    );
    check(
        "select sum(value), (select count(*) from people) as people from generate_series(1, 4)",
        expect![[r#"
            +------------+--------+
            | sum(value) | people |
            +------------+--------+
            | 10         | 4      |
            +------------+--------+"#]],
    );
    check(
        "values (1, 'a'), (2, 'b')",
        expect![[r#"
        +---------+---------+
        | column1 | column2 |
        +---------+---------+
        | 1       | a       |
        | 2       | b       |
        +---------+---------+"#]],
    );
    check(
        "select p.name from people p join people q on p.age = q.age order by 1",
        expect![[r#"
        +------+
        | name |
        +------+
        | ann  |
        | bob  |
        |      |
        +------+"#]],
    );
}

#[test]
fn now_is_one_moment_of_the_query() {
    check(
        "select count(distinct now()) as moments, min(now()) > '2020-01-01' as later, \
         min(current_date()) > '2020-01-01' as today from people",
        expect![[r#"
        +---------+-------+-------+
        | moments | later | today |
        +---------+-------+-------+
        | 1       | true  | true  |
        +---------+-------+-------+"#]],
    );
}

#[test]
fn anything_but_a_query_is_refused() {
    for statement in [
        "create table t as select 1",
        "insert into people values (1)",
        "drop table people",
        "set datafusion.execution.batch_size = 1",
        "copy people to 'x.parquet'",
        "explain select 1",
        "delete from people",
        "with x as (select 1) insert into people select * from x",
        "select * into t from people",
    ] {
        let session = session();
        let people = frame(&session, &people());
        let error = session.sql(statement, &[("people".to_owned(), people)]).expect_err(statement);
        assert!(matches!(error, bowstring_query::QueryError::NotAQuery { .. }), "{statement}: {error:?}");
    }
}

#[test]
fn mistakes_are_named() {
    check(
        "select * from peeple",
        expect![[r#"
        error: there is no table `peeple`

        hint: did you mean `people`?"#]],
    );
    check(
        "select nam from people",
        expect![[r#"
        error: there is no column `nam`

        hint: did you mean `name`?"#]],
    );
    check(
        "select p.nam from people p",
        expect![[r#"
        error: there is no column `p.nam`

        hint: did you mean `name`?"#]],
    );
    check(
        "selec 1",
        expect![[r#"
        error: cannot parse `selec 1`: Expected: an SQL statement, found: selec
          at line 1, column 1"#]],
    );
    check("select 1; select 2", expect!["error: 2 statements instead of one"]);
    check("", expect!["error: the query is empty"]);
    check(
        "select name from people p, people q",
        expect![[r#"
        error: `name` could be a column of more than one table

        hint: write the table's name and a dot before it"#]],
    );
    check(
        "select * from people where name in (select age from people)",
        expect![[r#"
        error: cannot compare `people.name`, which is Utf8, with `people.age`, which is Int64

        hint: say which is meant: `cast(people.name as bigint)` compares numbers, quotes around a value compare text"#]],
    );
    check(
        "select name from people union all select age from people",
        expect![[r#"
        error: column `name` is Utf8 in the first part of the union and Int64 in another

        hint: cast `name` in one of them"#]],
    );
    check(
        "select age, age from people",
        expect![[
            r#"error: Projections require unique expression names but the expression "people.age" at position 0 and "people.age" at position 1 have the same name. Consider aliasing ("AS") one of them"#
        ]],
    );
}

#[test]
fn tables_of_a_query_are_found() {
    let tables = |query| referenced_tables(query).map_err(|error| error.to_string());
    assert_eq!(
        tables("with x as (select * from \"B c\") select * from x, a where a.i in (select i from d)"),
        Ok(vec!["B c".into(), "a".into(), "d".into()])
    );
    assert_eq!(tables("select 1"), Ok(vec![]));
    assert_eq!(tables("select * from a join a as b on true"), Ok(vec!["a".into()]));
    assert!(tables("drop table a").is_err());
}

#[test]
fn the_types_of_a_frame_are_those_of_its_rows() {
    let session = session();
    let people = frame(&session, &people());
    for query in [
        "select round(100.0 * age / 7, 1) from people",
        "select round(score, 1), coalesce(age, 0.5), case when age > 10 then 1 else 2.5 end from people",
        "select sum(age * 1.10), avg(age), max(substr(name, 1, 2)), date '2024-01-31' + interval '1' month from people",
    ] {
        let frame = session.sql(query, &[("people".to_owned(), people.clone())]).expect(query);
        let rows = frame.collect(&bowstring_core::Cancel::new()).expect(query).table;
        let types = |schema: &arrow::datatypes::Schema| -> Vec<_> {
            schema.fields().iter().map(|field| field.data_type().clone()).collect()
        };
        assert_eq!(types(&frame.schema()), types(rows.schema()), "{query}");
    }
}
