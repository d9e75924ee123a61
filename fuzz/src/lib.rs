//! What does Bowstring promise of bytes that a stranger made? Each target hands its input to one
//! function here, which aborts, and so makes a find, where a promise is broken: no panic, an error of
//! the promised kind that names the file, and rows that agree with one another however they are read.

mod document;
mod graph;
mod options;
mod panics;
mod tables;
mod tokenizer;

pub use crate::{
    document::check_document,
    graph::{check_graph, check_matrix_market},
    panics::{input, install_hook},
    tables::{check_csv, check_ipc, check_ndjson, check_parquet},
    tokenizer::{check_encode, check_tokenizer},
};
