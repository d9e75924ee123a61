//! Newline-delimited JSON to Arrow and back.

mod file;
mod infer;
mod layout;
mod parse;
mod reader;
mod tree;
mod types;
mod write;

pub(crate) use {file::JsonFile, write::JsonEncoder};
