//! Tables written as data, and results printed as text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::util::pretty::pretty_format_batches;
use bowstring_core::{Cancel, render};
use bowstring_io::{Dataset, ReadOptions};
use bowstring_query::{Frame, QueryError, Session, SessionOptions, Table};

pub(crate) fn session() -> Session {
    session_with(4, None)
}

pub(crate) fn session_with(threads: usize, memory: Option<u64>) -> Session {
    Session::new(&SessionOptions { threads, memory, ..SessionOptions::default() }).expect("a session")
}

/// People: text, numbers and nulls.
pub(crate) fn people() -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([
        ("name", text(&[Some("ann"), Some("bob"), Some("cy"), None]), true),
        ("age", ints(&[Some(31), Some(7), None, Some(55)]), true),
        ("score", floats(&[Some(1.5), Some(-2.0), Some(0.25), None]), true),
    ])
    .expect("a batch")
}

pub(crate) fn ints(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

pub(crate) fn floats(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

pub(crate) fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

pub(crate) fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.iter().map(|(name, array)| (*name, Arc::clone(array), true)),
    )
    .expect("a batch")
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

/// Writes a Parquet file with row groups of `group` rows.
pub(crate) fn parquet(path: &Path, batch: &RecordBatch, group: usize) {
    let file = std::fs::File::create(path).expect("a file");
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .build();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(batch).expect("written");
    writer.close().expect("closed");
}

pub(crate) fn dataset(paths: &[PathBuf]) -> Arc<Dataset> {
    Arc::new(Dataset::open(paths, &ReadOptions::default()).expect("a dataset"))
}
