//! Are the first rows those of the file or table, however many threads look for them?

use bowstring_core::Cancel;
use bowstring_query::{Frame, QueryError, Session};
use tempfile::tempdir;

use crate::support::{batch, dataset, frame, ints, parquet, session};

const ROWS: i64 = 100_000;

fn numbers() -> arrow::array::RecordBatch {
    batch(&[("n", ints(&(0..ROWS).map(Some).collect::<Vec<_>>()))])
}

fn of_a_table(session: &Session) -> Frame {
    frame(session, &numbers())
}

/// The numbers that a frame gives, in order.
fn given(frame: &Frame) -> Vec<i64> {
    let table = frame.collect(&Cancel::new()).expect("rows").table;
    let columns = table.batches().iter().map(|batch| {
        let column = batch.column(0).as_any().downcast_ref::<arrow::array::Int64Array>();
        column.expect("numbers").values().to_vec()
    });
    columns.flatten().collect()
}

/// Threads race, so once is not enough.
fn check(frame: Result<Frame, QueryError>, expected: impl Iterator<Item = i64>) {
    let frame = frame.expect("a frame");
    let expected: Vec<i64> = expected.collect();
    for _ in 0..20 {
        assert_eq!(given(&frame), expected);
    }
}

#[test]
fn of_a_table_in_memory() {
    let session = session();
    let table = of_a_table(&session);
    check(table.limit(5), 0..5);
    check(table.limit(60_000), 0..60_000);
    check(table.filter("n % 7 = 3").and_then(|f| f.limit(5_000)), (3..ROWS).step_by(7).take(5_000));
    check(table.filter("n >= 99990").and_then(|f| f.limit(3)), 99_990..99_993);
}

#[test]
fn of_a_query() {
    let session = session();
    let query = |text| session.sql(text, &[("t".to_owned(), of_a_table(&session))]);
    check(query("SELECT n FROM t LIMIT 4 OFFSET 30000"), 30_000..30_004);
    check(query("SELECT n FROM t OFFSET 99995"), 99_995..ROWS);
    check(query("SELECT n FROM (SELECT n FROM t LIMIT 50000) WHERE n % 2 = 1"), (1..50_000).step_by(2));
    check(query("SELECT -n FROM t WHERE n > 70000 LIMIT 2"), [-70_001, -70_002].into_iter());
}

#[test]
fn of_two_tables_one_after_the_other() {
    let session = session();
    let both = of_a_table(&session).union(&of_a_table(&session)).expect("a union");
    let twice = (0..ROWS).chain(0..ROWS);
    check(both.filter("n % 2 = 1").and_then(|f| f.limit(70_000)), twice.filter(|n| n % 2 == 1).take(70_000));
}

#[test]
fn of_files_whose_reader_cannot_check_the_condition() {
    let folder = tempdir().expect("a folder");
    let paths: Vec<_> = (0..4).map(|file| folder.path().join(format!("{file}.parquet"))).collect();
    for path in &paths {
        parquet(path, &numbers(), 10_000);
    }
    let session = session();
    let scan = session.scan(dataset(&paths)).expect("a frame");
    let four_times = (0..4 * ROWS).map(|n| n % ROWS);
    check(
        scan.filter("n % 2 = 1").and_then(|f| f.limit(70_000)),
        four_times.filter(|n| n % 2 == 1).take(70_000),
    );
}
