//! What does Bowstring promise of bytes that a stranger made? Each target hands its input to one
//! function here, which aborts, and so makes a find, where a promise is broken: no panic, an error of
//! the promised kind that names the file, and rows that agree with one another however they are read.

#[cfg(feature = "files")]
mod document;
#[cfg(feature = "files")]
mod graph;
#[cfg(feature = "files")]
mod models;
#[cfg(feature = "files")]
mod options;
mod panics;
#[cfg(feature = "files")]
mod tables;
#[cfg(feature = "tokenizers")]
mod tokenizer;

pub use crate::panics::{input, install_hook};
#[cfg(feature = "tokenizers")]
pub use crate::tokenizer::{check_encode, check_tokenizer, load_shipped};
#[cfg(feature = "files")]
pub use crate::{
    document::check_document,
    graph::{check_graph, check_matrix_market},
    models::{check_packed, check_safetensors},
    tables::{check_csv, check_ipc, check_ndjson, check_parquet},
};
