//! Files to Arrow and back. Open a [`Dataset`] (one file, a list, a pattern or a folder), say what you
//! want of it in a [`Scan`], and read its [parts](Part) in parallel, each as an iterator of batches;
//! [`read_table`] does so with all of them at once. A dataset can be cut to [some row
//! groups](Dataset::with_row_groups) and [less of its columns](Dataset::narrowed) first.
//! [`parquet_metadata`] tells what the footers of Parquet files say. A [`Writer`] makes a file that
//! appears as a whole or not at all; an [`AtomicFile`] does so for bytes that no writer here knows, an [`AtomicFolder`] for
//! several files.

mod atomic;
mod compact;
mod csv;
mod dataset;
mod discover;
mod eager;
mod encoder;
mod error;
mod format;
mod guard;
mod hive;
mod identity;
mod ipc_dictionary;
mod ipc_read;
mod ipc_write;
mod json;
mod markdown_write;
mod member;
mod nested;
mod options;
mod parquet_delta;
mod parquet_footer;
mod parquet_groups;
mod parquet_late;
mod parquet_metadata;
mod parquet_pages;
mod parquet_read;
mod parquet_stats;
mod parquet_text;
mod parquet_write;
mod predicate;
mod prune;
mod row_groups;
mod scan;
mod sink;
mod source;
mod statistics;
mod stdin;
mod text;
mod thrift;
mod writer;

pub use crate::{
    atomic::{AtomicFile, AtomicFolder, write_file},
    compact::compacted,
    csv::CsvWriteOptions,
    dataset::Dataset,
    eager::{EagerOptions, read_table},
    error::{IoError, Result},
    format::Format,
    ipc_write::{IpcCompression, IpcContainer, IpcWriteOptions},
    options::{BadRows, CsvOptions, JsonOptions, ReadOptions},
    parquet_metadata::{LeafStatistics, ParquetMetadata, RowGroupInfo, parquet_metadata},
    parquet_write::{ParquetCompression, ParquetStatistics, ParquetWriteOptions},
    predicate::{CompareOp, Predicate},
    scan::{Batches, ColumnStatistics, Part, Scan, Statistics},
    text::problem::RowProblem,
    writer::{WriteMode, WriteOptions, Writer, Written},
};
