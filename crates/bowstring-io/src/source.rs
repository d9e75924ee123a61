//! What does a file format have to offer to be part of a dataset?

use std::{fmt::Debug, path::Path, sync::Arc};

use arrow::datatypes::SchemaRef;
use bowstring_core::Cancel;

use crate::{
    Batches, Format, IoError, Part, ReadOptions, Result, Scan, Statistics, csv::CsvFile, ipc_read::IpcFile,
    json::JsonFile, nested::Wanted, parquet_read::ParquetFile,
};

/// A file that has been opened: its schema is known, its rows are not read yet. Columns in scans and
/// statistics are indices into the file's own schema.
pub(crate) trait Source: Debug + Send + Sync {
    /// Where it lies.
    fn path(&self) -> &Path;
    /// The columns that its reader gives.
    fn schema(&self) -> &SchemaRef;
    /// What is known without reading rows.
    fn statistics(&self) -> Statistics;
    /// The parts in which it is read, in the order of their rows; `file` is the dataset's number for it.
    fn parts(&self, file: usize, scan: &Scan) -> Result<Vec<Part>>;
    /// The batches of one part.
    fn read(&self, part: &Part, scan: &Scan, cancel: &Cancel) -> Result<Batches>;
    /// How many rows scans have left out because they could not be read, as was asked for.
    fn skipped_rows(&self) -> u64 {
        0
    }
    /// The file with less of each column, if its reader can leave the rest unread; `wanted` has one for
    /// each column.
    fn narrowed(&self, _wanted: &[Wanted]) -> Option<Arc<dyn Source>> {
        None
    }
    /// The file as Parquet, if it is.
    fn as_parquet(&self) -> Option<&ParquetFile> {
        None
    }
}

/// Opens a file as `format` says.
pub(crate) fn open(path: &Path, format: Format, options: &ReadOptions) -> Result<Arc<dyn Source>> {
    match format {
        Format::Parquet => Ok(Arc::new(ParquetFile::open(path)?)),
        Format::Ipc => Ok(Arc::new(IpcFile::open(path)?)),
        Format::Markdown => Err(IoError::option(
            "format",
            format!("`{}` is Markdown, which is written, not read", path.display()),
        )),
        Format::Csv => Ok(Arc::new(CsvFile::open(path, &options.csv)?)),
        Format::Json => Ok(Arc::new(JsonFile::open(path, &options.json)?)),
    }
}
