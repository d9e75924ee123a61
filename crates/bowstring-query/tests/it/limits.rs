//! What happens when memory, time or the depth of a query run out?

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, StringViewArray};
use arrow::datatypes::{Int64Type, SchemaRef};
use bowstring_core::{Cancel, Diagnostic, ErrorKind, render};
use bowstring_query::{Frame, JoinKind, QueryError, Session, SessionOptions};
use expect_test::expect;

use crate::support::{batch, dataset, frame, ints, pairs, parquet, session, session_with, strings};

const ROWS: i64 = 100_000;

const LIMIT: u64 = 8 << 20;

/// About 6 MiB, in several pieces when sorted or joined: numbers in a scrambled order, a word for each, and a group out of 25,000.
fn large() -> RecordBatch {
    let key = |n: i64| (n * 7_919) % ROWS;
    let words: Vec<String> = (0..ROWS).map(|n| format!("word number {:>9}", key(n))).collect();
    let columns: [(&str, ArrayRef); 3] = [
        ("key", Arc::new(Int64Array::from_iter_values((0..ROWS).map(key)))),
        ("word", Arc::new(StringArray::from_iter_values(&words))),
        ("group", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|n| (n * 31) % 25_000)))),
    ];
    batch(&columns)
}

fn rows(frame: &Frame) -> Result<RecordBatch, QueryError> {
    let table = frame.collect(&Cancel::new())?.table;
    let schema: SchemaRef = Arc::clone(table.schema());
    Ok(arrow::compute::concat_batches(&schema, table.batches()).expect("one batch"))
}

/// The step gives the same rows within `limit` bytes, and its operators spilled.
fn check(limit: u64, step: impl Fn(&Frame) -> Result<Frame, QueryError>) {
    let large = large();
    let free = rows(&step(&frame(&session(), &large)).expect("a frame")).expect("rows");
    let spill = tempfile::tempdir().expect("a folder");
    let options = SessionOptions {
        threads: 2,
        memory: Some(limit),
        spill_dir: Some(spill.path().to_owned()),
        ..SessionOptions::default()
    };
    let tight = Session::new(&options).expect("a session");
    let limited = step(&frame(&tight, &large)).expect("a frame");
    let explained = limited.explain(true, &Cancel::new()).expect("a plan");
    let spilled = explained
        .match_indices("spilled_bytes=")
        .any(|(at, name)| explained.get(at + name.len()..).is_some_and(|rest| !rest.starts_with("0.0 B")));
    assert!(spilled, "nothing was spilled:\n{explained}");
    let collected = limited.collect(&Cancel::new()).expect("rows");
    let peak = collected.metrics.peak_memory;
    assert!(peak.is_some_and(|peak| peak <= limit + limit / 8 && peak > limit / 100), "{peak:?}");
    let table = collected.table;
    let found = arrow::compute::concat_batches(table.schema(), table.batches()).expect("one batch");
    assert!(free == found, "{} rows without a limit, {} with", free.num_rows(), found.num_rows());
    let left: Vec<_> = std::fs::read_dir(spill.path()).expect("a folder").collect();
    drop((limited, tight));
    assert!(left.len() <= 1, "{left:?}");
}

#[test]
fn a_sort_spills() {
    check(LIMIT, |frame| frame.sort(&strings(&["word desc"])));
}

#[test]
fn an_aggregation_spills() {
    check(LIMIT, |frame| {
        frame
            .aggregate(&strings(&["word"]), &pairs(&[("n", "count(*)"), ("most", "max(key)")]))?
            .sort(&strings(&["word"]))
    });
}

#[test]
fn a_join_spills() {
    check(LIMIT, |frame| {
        let other = frame.select(&strings(&["key", "group as other"]))?;
        frame.join(&other, &pairs(&[("key", "key")]), JoinKind::Inner)?.sort(&strings(&["key"]))
    });
}

#[test]
fn every_kind_of_join_spills() {
    for (_, how) in JoinKind::NAMES.into_iter().filter(|(_, how)| *how != JoinKind::Cross) {
        check(LIMIT, |frame| {
            let other = frame.filter("key % 3 <> 1")?.select(&strings(&["key", "word as other"]))?;
            let joined = frame.filter("key % 5 <> 2")?.join(&other, &pairs(&[("key", "key")]), how)?;
            joined.sort(&strings(&["key"]))
        });
    }
}

#[test]
fn a_sort_for_many_first_rows_spills() {
    let session = session_with(2, Some(LIMIT));
    let query = "select key from t order by word desc limit 3 offset 99990";
    let found = session.sql(query, &[("t".to_owned(), frame(&session, &large()))]).expect("a frame");
    let found = rows(&found).expect("rows");
    assert_eq!(found.column(0).as_primitive::<Int64Type>().values(), &[9, 8, 7]);
}

/// Rows of a file in which texts share pages of a mebibyte.
fn rows_with_views(folder: &Path) -> PathBuf {
    const ROWS: i64 = 200_000;
    let key = |n: i64| (n * 7_919) % ROWS;
    let words = (0..ROWS).map(|n| format!("a word that is too long to stand in a view: {:>9}", key(n)));
    let rows = batch(&[
        ("key", Arc::new(Int64Array::from_iter_values((0..ROWS).map(key)))),
        ("group", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|n| n % 20_011)))),
        ("word", Arc::new(StringViewArray::from_iter_values(words))),
    ]);
    let path = folder.join("views.parquet");
    parquet(&path, &rows, 50_000);
    path
}

/// The same rows within `limit` bytes as without a limit, and soon.
fn check_file(limit: u64, query: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = rows_with_views(folder.path());
    let run = |session: Session| {
        let tables = [("t".to_owned(), session.scan(dataset(std::slice::from_ref(&path))).expect("a frame"))];
        let frame = session.sql(query, &tables).expect("a frame");
        let cancel = Cancel::new();
        let late = cancel.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(100));
            late.cancel();
        });
        let table = frame.collect(&cancel).unwrap_or_else(|error| panic!("{}", render(&error))).table;
        arrow::compute::concat_batches(table.schema(), table.batches()).expect("one batch")
    };
    let free = run(session_with(4, None));
    for _ in 0..3 {
        assert!(free == run(session_with(4, Some(limit))), "{query}");
    }
}

#[test]
fn texts_that_share_pages_do_not_fill_the_memory() {
    check_file(16 << 20, "select word, key from t order by word desc");
}

#[test]
fn sorts_and_joins_upon_one_another_leave_memory_for_one_another() {
    check_file(
        24 << 20,
        "select a.word, b.word as other, c.key from t a join t b on a.key = b.key join t c on b.\"group\" = c.key \
         where a.word <> c.word order by a.word, c.key",
    );
    check_file(
        24 << 20,
        "select key, r, row_number() over (order by key, word) as q from \
         (select key, word, row_number() over (order by word, key) as r from t) order by q",
    );
}

#[test]
fn exchanges_that_spill_do_not_wait_for_one_another() {
    check_file(
        32 << 20,
        "select \"group\", count(*) as n, max(k) as k from \
         (select \"group\", word, max(key) as k from t group by \"group\", word) \
         group by \"group\" order by \"group\"",
    );
}

#[test]
fn what_cannot_spill_ends_with_the_limit() {
    let tight = session_with(1, Some(8 << 10));
    let sorted = frame(&tight, &large()).sort(&strings(&["word"])).expect("a frame");
    let error = sorted.collect(&Cancel::new()).expect_err("too much");
    assert_eq!(error.kind(), ErrorKind::Limit);
    expect![[r#"
        the query needs more than its memory limit of 8.0 KiB
          at ExternalSorter, which asked for 20.5 KB more

        hint: raise the limit (`--memory`), or read fewer columns or rows"#]]
    .assert_eq(&render(&error));
}

/// Billions of pairs of rows, of which the filter keeps none.
fn endless(session: &Session) -> Frame {
    let numbers: Vec<Option<i64>> = (0..200_000).map(Some).collect();
    let numbers = frame(session, &batch(&[("n", ints(&numbers))]));
    numbers.join(&numbers, &[], JoinKind::Cross).and_then(|f| f.filter("n + n_right < 0")).expect("a frame")
}

#[test]
fn a_running_query_stops_when_it_is_cancelled() {
    let session = session();
    let sorted = endless(&session).sort(&strings(&["n"])).expect("a frame");
    let grouped = endless(&session).aggregate(&[], &pairs(&[("rows", "count(*)")])).expect("a frame");
    for frame in [sorted, grouped, endless(&session)] {
        // On a busy machine a thread may have to wait for its turn; the best of three does not.
        let soonest = (0..3).map(|_| time_to_stop(&frame)).min().expect("a time");
        assert!(soonest < Duration::from_millis(100), "stopped after {soonest:?}");
    }
}

fn time_to_stop(frame: &Frame) -> Duration {
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let asked = scope.spawn({
            let cancel = cancel.clone();
            move || {
                std::thread::sleep(Duration::from_millis(100));
                cancel.cancel();
                Instant::now()
            }
        });
        let error = frame.collect(&cancel).expect_err("cancelled");
        let ended = Instant::now();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        ended.saturating_duration_since(asked.join().expect("no panic"))
    })
}

/// After a cancel the workers are free again: the next query runs.
#[test]
fn a_cancelled_query_frees_its_threads() {
    let session = session_with(1, None);
    time_to_stop(&endless(&session));
    let next = frame(&session, &batch(&[("n", ints(&[Some(1)]))])).collect(&Cancel::new()).expect("rows");
    assert_eq!(next.table.num_rows(), 1);
}

#[test]
fn a_stream_that_is_dropped_stops_its_query() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large.parquet");
    parquet(&path, &large(), 1_000);
    let session = session();
    let scan = session.scan(dataset(&[path])).expect("a frame");
    let mut stream = scan.stream(&Cancel::new()).expect("a stream");
    let first = stream.next().expect("a batch").expect("rows");
    assert_eq!(first.column(0).as_primitive::<Int64Type>().value(1), 7_919);
    drop(stream);
    let cancel = Cancel::new();
    let mut stream = endless(&session).stream(&cancel).expect("a stream");
    std::thread::sleep(Duration::from_millis(50));
    cancel.cancel();
    let error = stream.next().expect("an end").expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(stream.next().is_none());
}
