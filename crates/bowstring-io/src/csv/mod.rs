//! CSV and TSV to Arrow and back.

use std::path::Path;

mod file;
mod infer;
mod layout;
mod reader;
mod record;
mod rows;
mod split;
mod types;
mod write;

pub use write::CsvWriteOptions;
pub(crate) use {file::CsvFile, write::CsvEncoder};

/// The delimiter that a file's name stands for: a tab for `.tsv`, else a comma.
fn delimiter(path: &Path) -> u8 {
    let tabs = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"));
    if tabs { b'\t' } else { b',' }
}
