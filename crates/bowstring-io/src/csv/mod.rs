//! CSV and TSV to Arrow and back.

mod file;
mod infer;
mod layout;
mod reader;
mod record;
mod rows;
mod split;

pub(crate) use file::CsvFile;
