//! Which file format is it?

use std::path::Path;

use crate::{IoError, Result};

/// The formats that are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma- or otherwise separated values.
    Csv,
    /// One JSON object a line.
    Json,
    /// Arrow IPC, file or stream.
    Ipc,
    /// A Markdown table: written, not read.
    Markdown,
}

impl Format {
    /// The format that the ending of a file's name stands for.
    ///
    /// # Errors
    /// [`IoError::UnknownFormat`] when it stands for none.
    pub fn of_path(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Ok(Format::Parquet),
            "csv" | "tsv" => Ok(Format::Csv),
            "json" | "jsonl" | "ndjson" => Ok(Format::Json),
            "arrow" | "ipc" | "arrows" | "feather" => Ok(Format::Ipc),
            "md" | "markdown" => Ok(Format::Markdown),
            _ => Err(IoError::UnknownFormat { path: path.to_owned() }),
        }
    }

    /// The format of a file that begins with `bytes`, if they say it.
    pub(crate) fn of_magic(bytes: &[u8]) -> Option<Self> {
        // A stream of Arrow IPC begins with a continuation marker; its file begins with its name.
        match bytes {
            [b'P', b'A', b'R', b'1', ..] => Some(Format::Parquet),
            [b'A', b'R', b'R', b'O', b'W', b'1', ..] | [0xff, 0xff, 0xff, 0xff, ..] => Some(Format::Ipc),
            _ => None,
        }
    }

    /// The name used in options: `parquet`, `csv`, `json`, `ipc` or `markdown`.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Parquet => "parquet",
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Ipc => "ipc",
            Format::Markdown => "markdown",
        }
    }
}
