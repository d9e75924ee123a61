//! Reading and writing files, as a user of the crate sees it.

mod csv;
mod dataset;
mod eager;
mod ipc;
mod json;
mod markdown;
mod metadata;
mod parquet_corrupt;
mod parquet_cut;
mod parquet_scan;
mod row_groups;
mod storage;
mod support;
mod text_files;
mod text_round_trip;
mod text_write;
mod texts;
mod write;
