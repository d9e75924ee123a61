//! Files to Arrow and back. Open a [`Dataset`] (one file, a list, a glob or a folder), say what you
//! want of it in a [`Scan`], and read its [parts](Part) in parallel, each as an iterator of batches.

mod dataset;
mod error;
mod format;
mod options;
mod parquet_read;
mod predicate;
mod scan;
mod source;

pub use crate::{
    dataset::Dataset,
    error::{IoError, Result},
    format::Format,
    options::{BadRows, CsvOptions, JsonOptions, ReadOptions},
    predicate::{CompareOp, Predicate},
    scan::{Batches, ColumnStatistics, Part, Scan, Statistics},
};
