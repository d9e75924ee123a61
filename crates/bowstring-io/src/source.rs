//! What does a file format have to offer to be part of a dataset?

use std::{fmt::Debug, fs::File, io::Read, path::Path, sync::Arc};

use arrow::datatypes::SchemaRef;
use bowstring_core::{Cancel, Diagnostic, ErrorKind};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::{
    Batches, Format, IoError, Part, ReadOptions, Result, Scan, Statistics, csv::CsvFile, guard::guarded,
    ipc_read::IpcFile, json::JsonFile, nested::Wanted, parquet_read::ParquetFile, parquet_text,
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

/// Opens files of one format that are read as one, at the same time; those of text agree on the types
/// that are inferred.
pub(crate) fn open(paths: &[&Path], format: Format, options: &ReadOptions) -> Result<Vec<Arc<dyn Source>>> {
    match format {
        Format::Parquet => {
            let open = |path: &Path| ParquetFile::open(path).and_then(parquet_text::check_schema);
            Ok(shared(each(paths, format, &open)?))
        }
        Format::Ipc => Ok(shared(each(paths, format, &IpcFile::open)?)),
        Format::Csv => Ok(shared(CsvFile::open_all(&options.csv, |open| each(paths, format, open))?)),
        Format::Json => Ok(shared(JsonFile::open_all(&options.json, |open| each(paths, format, open))?)),
        Format::Markdown => {
            let path = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
            Err(IoError::option("format", format!("`{path}` is Markdown, which is written, not read")))
        }
    }
}

fn each<T: Send>(
    paths: &[&Path],
    format: Format,
    open: &(dyn Fn(&Path) -> Result<T> + Sync),
) -> Result<Vec<T>> {
    let open = |path: &&Path| {
        guarded(path, format.name(), || open(path)).map_err(|error| of_another_format(path, format, error))
    };
    let opened = paths.par_iter().map(open).collect::<Vec<_>>();
    opened.into_iter().collect()
}

/// The error of a file that cannot be read as `format`, or that it is of another, where its first bytes say
/// so.
fn of_another_format(path: &Path, format: Format, error: IoError) -> IoError {
    if error.kind() != ErrorKind::Data {
        return error;
    }
    let mut magic = Vec::new();
    let read = File::open(path).and_then(|file| file.take(6).read_to_end(&mut magic));
    match read.ok().and_then(|_| Format::of_magic(&magic)) {
        Some(other) if other != format => {
            IoError::malformed(path, format.name(), format!("it is {}", other.name()))
        }
        _ => error,
    }
}

fn shared<S: Source + 'static>(sources: Vec<S>) -> Vec<Arc<dyn Source>> {
    sources.into_iter().map(|source| Arc::new(source) as Arc<dyn Source>).collect()
}
