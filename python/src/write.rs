//! How is a table written?

use std::path::PathBuf;

use arrow::array::RecordBatch;
use bowstring::{
    Cancel,
    io::{IpcCompression, IpcContainer, ParquetStatistics, WriteMode, WriteOptions, Writer},
};
use pyo3::{prelude::*, types::PyDict};

use crate::{
    arguments::Options,
    arrow_in::Source,
    error::{Fault, Result},
    read::format_named,
    typed,
    work::{work, work_async},
};

/// What is written, where and how.
struct Writing {
    source: Source,
    path: PathBuf,
    options: WriteOptions,
}

impl Writing {
    fn of(
        format: &str,
        table: &Bound<'_, PyAny>,
        path: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
    ) -> Result<Self> {
        let given = Options(options);
        let mut options = WriteOptions { format: Some(format_named(format)?), ..WriteOptions::default() };
        let modes = [("overwrite", WriteMode::Overwrite), ("error", WriteMode::Error)];
        options.mode = given.word("mode", &modes)?.unwrap_or_default();
        match format {
            "parquet" => {
                let parquet = &mut options.parquet;
                if let Some(compression) = given.one::<String>("compression")? {
                    parquet.compression = compression.parse()?;
                }
                parquet.level = given.one("level")?;
                parquet.row_group_rows = given.one("row_group_rows")?.unwrap_or(parquet.row_group_rows);
                let statistics = [
                    ("none", ParquetStatistics::None),
                    ("row_group", ParquetStatistics::RowGroup),
                    ("page", ParquetStatistics::Page),
                ];
                parquet.statistics = given.word("statistics", &statistics)?.unwrap_or(parquet.statistics);
            }
            "ipc" => {
                let containers = [("file", IpcContainer::File), ("stream", IpcContainer::Stream)];
                options.ipc.container = given.word("container", &containers)?.unwrap_or_default();
                let compressions = [
                    ("none", IpcCompression::None),
                    ("lz4", IpcCompression::Lz4),
                    ("zstd", IpcCompression::Zstd),
                ];
                options.ipc.compression = given.word("compression", &compressions)?.unwrap_or_default();
            }
            _ => {}
        }
        Ok(Self { source: Source::of(table)?, path: typed::path(path)?, options })
    }

    fn write(self, cancel: &Cancel) -> Result<()> {
        let mut writer = Writer::create(&self.path, &self.source.schema(), &self.options)?;
        let mut batch = |batch: &RecordBatch| -> Result<()> {
            cancel.check().map_err(bowstring::Error::from)?;
            Ok(writer.write(batch)?)
        };
        match self.source {
            Source::Table(table) => table.batches().iter().try_for_each(&mut batch)?,
            Source::Frame(frame) => frame.stream(cancel)?.try_for_each(|next| batch(&next?))?,
            Source::Stream(mut reader) => reader.try_for_each(|next| {
                batch(&next.map_err(|error| Fault::ForeignStream { reason: error.to_string() })?)
            })?,
        }
        writer.finish()?;
        Ok(())
    }
}

/// Writes the rows to a file, as `bowstring.write_*` says.
#[pyfunction]
pub(crate) fn write(
    py: Python<'_>,
    format: &str,
    table: &Bound<'_, PyAny>,
    path: &Bound<'_, PyAny>,
    options: &Bound<'_, PyDict>,
) -> Result<()> {
    let writing = Writing::of(format, table, path, options)?;
    work(py, move |cancel| writing.write(cancel))
}

/// As [`write`], to be awaited.
#[pyfunction]
pub(crate) fn write_async<'py>(
    py: Python<'py>,
    format: &str,
    table: &Bound<'py, PyAny>,
    path: &Bound<'py, PyAny>,
    options: &Bound<'py, PyDict>,
) -> Result<Bound<'py, PyAny>> {
    let writing = Writing::of(format, table, path, options)?;
    work_async(py, move |cancel| writing.write(cancel), |()| ())
}
