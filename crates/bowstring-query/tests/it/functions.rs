//! Do functions of other crates work in SQL as its own do?

use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use bowstring_core::{Cancel, Diagnostic, ErrorKind};
use bowstring_query::{Argument, Call, Frame, Function, QueryError, Session, SessionOptions};
use expect_test::{Expect, expect};

use crate::support::{batch, dataset, frame, pairs, parquet, people, shown, strings, text};

/// `repeat_twice(text, between)`, in which `between` must be a literal and texts have no `!`.
#[derive(Debug)]
struct Twice;

#[derive(Debug, thiserror::Error)]
#[error("row {row} shouts")]
struct Shouts {
    row: usize,
}

impl Diagnostic for Shouts {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Data
    }

    fn hint(&self) -> Option<String> {
        Some("speak softly".into())
    }
}

impl Function for Twice {
    fn name(&self) -> &str {
        "twice"
    }

    fn bind(&self, arguments: &[Argument]) -> Result<Call, QueryError> {
        let [Argument { data_type: DataType::Utf8, .. }, Argument { literal: Some(between), .. }] = arguments
        else {
            return Err(QueryError::Plan { reason: "twice takes a text and a literal".into(), hint: None });
        };
        let between = between.as_string::<i32>().value(0).to_owned();
        let compute = move |arguments: &[ArrayRef]| {
            let texts = arguments[0].as_string::<i32>();
            if let Some(row) = texts.iter().position(|text| text.is_some_and(|text| text.contains('!'))) {
                return Err(QueryError::Function(Arc::new(Shouts { row })));
            }
            let twice = |text: Option<&str>| text.map(|text| format!("{text}{between}{text}"));
            Ok(Arc::new(texts.iter().map(twice).collect::<StringArray>()) as ArrayRef)
        };
        Ok(Call { data_type: DataType::Utf8, compute: Box::new(compute) })
    }
}

fn session() -> Session {
    let options =
        SessionOptions { threads: 2, functions: vec![Arc::new(Twice)], ..SessionOptions::default() };
    Session::new(&options).unwrap()
}

fn check(query: &str, expected: &Expect) {
    let session = session();
    let people = frame(&session, &people());
    expected.assert_eq(&shown(session.sql(query, &[("people".to_owned(), people)])));
}

#[test]
fn a_function_is_called_by_its_name_in_any_case() {
    check(
        "select twice(name, '-') as t from people where TWICE(name, '') <> 'bobbob' order by t",
        &expect![[r#"
            +---------+
            | t       |
            +---------+
            | ann-ann |
            | cy-cy   |
            +---------+"#]],
    );
    check(
        "select twice('a', '+') as t, count(*) as n from people where twice(name, '') is null group by t",
        &expect![[r#"
            +-----+---+
            | t   | n |
            +-----+---+
            | a+a | 1 |
            +-----+---+"#]],
    );
}

#[test]
fn wrong_arguments_are_errors_of_planning() {
    for query in ["select twice(name) from people", "select twice(name, name) from people"] {
        let planned = session().sql(query, &[("people".to_owned(), frame(&session(), &people()))]);
        let error = planned.map(drop).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Usage, "twice takes a text and a literal".into())
        );
    }
}

#[test]
fn what_a_function_says_of_the_data_comes_out_with_its_kind_and_hint() {
    let session = session();
    let loud = frame(&session, &batch(&[("t", text(&[Some("a"), Some("b!")]))]));
    let failed = loud.with_columns(&pairs(&[("u", "twice(t, '')")])).unwrap().collect(&Cancel::new());
    let error = failed.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string(), error.hint()),
        (ErrorKind::Data, "row 1 shouts".into(), Some("speak softly".into()))
    );
}

#[test]
fn sql_keeps_its_own_functions() {
    #[derive(Debug)]
    struct Upper;
    impl Function for Upper {
        fn name(&self) -> &str {
            "upper"
        }
        fn bind(&self, _: &[Argument]) -> Result<Call, QueryError> {
            Err(QueryError::BlockingOnRuntime)
        }
    }
    let options = SessionOptions { functions: vec![Arc::new(Upper)], ..SessionOptions::default() };
    let error = Session::new(&options).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "SQL has a function `upper` already");
}

/// Rows of several row groups, in order, with the scan reading ahead of the function.
#[test]
fn rows_keep_their_order_and_are_read_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.parquet");
    let words: Vec<String> = (0..20_000).map(|n| format!("w{n}")).collect();
    let words = Arc::new(StringArray::from_iter_values(words)) as ArrayRef;
    parquet(&path, &batch(&[("t", words)]), 3_000);
    let session = session();
    let doubled = |frame: &Frame| frame.select(&strings(&["twice(t, '') as t"])).unwrap();
    let frame = doubled(&session.scan(dataset(&[path])).unwrap());
    let plan = frame.explain(false, &Cancel::new()).unwrap();
    assert!(plan.contains("BufferExec"), "{plan}");
    let mut next = 0;
    for batch in frame.stream(&Cancel::new()).unwrap() {
        for word in batch.unwrap().column(0).as_string::<i32>() {
            assert_eq!(word, Some(format!("w{next}w{next}").as_str()));
            next += 1;
        }
    }
    assert_eq!(next, 20_000);
}

/// `seen(text)`, which notes the first text of every call.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Function for Seen {
    fn name(&self) -> &str {
        "seen"
    }

    fn bind(&self, _: &[Argument]) -> Result<Call, QueryError> {
        let seen = self.clone();
        let compute = move |arguments: &[ArrayRef]| {
            let texts = arguments[0].as_string::<i32>();
            seen.0.lock().unwrap().extend(texts.iter().flatten().next().map(|text| text[..6].to_owned()));
            Ok(Arc::clone(&arguments[0]))
        };
        Ok(Call { data_type: DataType::Utf8, compute: Box::new(compute) })
    }
}

/// Who takes batches one by one waits for no rows but the next ones, so no others are computed ahead.
#[test]
fn what_is_streamed_in_order_is_computed_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.parquet");
    let words = (0..20_000).map(|n| format!("{n:06}{}", "x".repeat(800)));
    let words = Arc::new(StringArray::from_iter_values(words)) as ArrayRef;
    parquet(&path, &batch(&[("t", words)]), 1_000);
    let seen = Seen::default();
    let functions: Vec<Arc<dyn Function>> = vec![Arc::new(seen.clone())];
    let session =
        Session::new(&SessionOptions { threads: 4, functions, ..SessionOptions::default() }).unwrap();
    let frame = session.scan(dataset(&[path])).unwrap().select(&strings(&["seen(t) as t"])).unwrap();
    let plan = frame.explain(false, &Cancel::new()).unwrap();
    assert!(plan.contains("partitions=4"), "{plan}");
    let stream = frame.stream(&Cancel::new()).unwrap();
    assert_eq!(stream.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 20_000);
    let seen = seen.0.lock().unwrap();
    assert!(seen.len() > 4 && seen.is_sorted(), "{seen:?}");
}
