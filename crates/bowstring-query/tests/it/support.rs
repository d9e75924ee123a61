//! Tables written as data, and results printed as text.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use bowstring_core::{Cancel, render};
use bowstring_io::{Dataset, ReadOptions};
use bowstring_query::{Frame, QueryError, Session, SessionOptions, Table};
pub(crate) use bowstring_testing::{floats, ints, parquet, people, table as batch, text};

pub(crate) fn session() -> Session {
    session_with(4, None)
}

pub(crate) fn session_with(threads: usize, memory: Option<u64>) -> Session {
    Session::new(&SessionOptions { threads, memory, ..SessionOptions::default() }).expect("a session")
}

pub(crate) fn frame(session: &Session, batch: &RecordBatch) -> Frame {
    let table = Table::new(batch.schema(), vec![batch.clone()]).expect("a table");
    session.table(&table).expect("a frame")
}

/// The text of a result, or of the error as a person sees it.
pub(crate) fn shown(frame: Result<Frame, QueryError>) -> String {
    match frame.and_then(|frame| frame.collect(&Cancel::new())) {
        Ok(collected) => {
            let batches = collected.table.batches();
            if batches.is_empty() {
                return "no rows".into();
            }
            pretty_format_batches(batches).expect("printable").to_string()
        }
        Err(error) => format!("error: {}", render(&error)),
    }
}

pub(crate) fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

pub(crate) fn pairs(items: &[(&str, &str)]) -> Vec<(String, String)> {
    items.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

pub(crate) fn dataset(paths: &[PathBuf]) -> Arc<Dataset> {
    Arc::new(Dataset::open(paths, &ReadOptions::default()).expect("a dataset"))
}
