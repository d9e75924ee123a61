//! `write`: runs the plan that comes in and streams its rows into a file, which appears as a whole or
//! not at all.

use std::{path::PathBuf, sync::Arc};

use bowstring_io::{
    Format, IpcCompression, ParquetCompression, ParquetWriteOptions, WriteMode, WriteOptions, Writer,
};
use bowstring_workflow::{
    ConfigProblem, Fusion, InputSpec, Inputs, Output, Registry, Step, StepContext, StepError, Value,
    ValueType, Work,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{at, problem, relations};
use crate::relation::{FILE, TABLE};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteConfig {
    /// The file; folders above it are made. Relative to the working directory.
    path: PathBuf,
    /// The format, where the name's ending does not tell.
    format: Option<WriteFormat>,
    /// What happens when the file exists: it is replaced (the default), or that is an error.
    #[serde(default)]
    mode: Mode,
    /// Parquet: how pages are compressed; `zstd` when absent. IPC: `zstd` or `lz4`; none when absent.
    compression: Option<Compression>,
    /// Parquet: how hard; the codec's default when absent.
    level: Option<i32>,
    /// Parquet: the most rows of a row group. Default 1048576.
    #[schemars(range(min = 1))]
    row_group_rows: Option<usize>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum WriteFormat {
    Parquet,
    Csv,
    Json,
    Ipc,
    Markdown,
}

impl From<WriteFormat> for Format {
    fn from(format: WriteFormat) -> Self {
        match format {
            WriteFormat::Parquet => Format::Parquet,
            WriteFormat::Csv => Format::Csv,
            WriteFormat::Json => Format::Json,
            WriteFormat::Ipc => Format::Ipc,
            WriteFormat::Markdown => Format::Markdown,
        }
    }
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Overwrite,
    Error,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Compression {
    None,
    Snappy,
    Gzip,
    Lz4,
    Brotli,
    Zstd,
}

struct Write {
    path: PathBuf,
    options: WriteOptions,
}

pub(super) fn register(registry: &mut Registry) {
    let description = "Writes its input to a file, which appears as a whole or not at all.";
    registry.register_typed("write", description, build);
}

fn build(config: WriteConfig) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    let format = match config.format {
        Some(format) => Format::from(format),
        None => Format::of_path(&config.path).map_err(|error| {
            vec![problem(&["path"], error.to_string(), Some("say it with `format`".into()))]
        })?,
    };
    let mut problems = Vec::new();
    let mut options = WriteOptions {
        format: Some(format),
        mode: match config.mode {
            Mode::Overwrite => WriteMode::Overwrite,
            Mode::Error => WriteMode::Error,
        },
        ..WriteOptions::default()
    };
    let parquet = ParquetWriteOptions::default();
    options.parquet.level = config.level;
    options.parquet.row_group_rows = config.row_group_rows.unwrap_or(parquet.row_group_rows);
    if let Some(compression) = config.compression {
        options.parquet.compression = match compression {
            Compression::None => ParquetCompression::None,
            Compression::Snappy => ParquetCompression::Snappy,
            Compression::Gzip => ParquetCompression::Gzip,
            Compression::Lz4 => ParquetCompression::Lz4,
            Compression::Brotli => ParquetCompression::Brotli,
            Compression::Zstd => ParquetCompression::Zstd,
        };
        match (format, compression) {
            (Format::Ipc, Compression::None) => options.ipc.compression = IpcCompression::None,
            (Format::Ipc, Compression::Lz4) => options.ipc.compression = IpcCompression::Lz4,
            (Format::Ipc, Compression::Zstd) => options.ipc.compression = IpcCompression::Zstd,
            (Format::Parquet, _) => {}
            _ => {
                let message = format!("{} files cannot be compressed like this", format.name());
                problems.push(problem(&["compression"], message, Some("leave it out".into())));
            }
        }
    }
    for (key, given) in
        [("level", config.level.is_some()), ("row_group_rows", config.row_group_rows.is_some())]
    {
        if given && format != Format::Parquet {
            problems.push(problem(
                &[key],
                format!("`{key}` is for Parquet alone"),
                Some("leave it out".into()),
            ));
        }
    }
    if problems.is_empty() { Ok(Arc::new(Write { path: config.path, options })) } else { Err(problems) }
}

impl Step for Write {
    fn inputs(&self) -> InputSpec {
        InputSpec::One(vec![TABLE])
    }

    fn output(&self) -> Option<ValueType> {
        Some(FILE)
    }

    fn fusion(&self) -> Fusion {
        Fusion::Sink
    }

    fn writes(&self) -> Option<PathBuf> {
        Some(self.path.clone())
    }

    fn run(self: Arc<Self>, inputs: Inputs, context: StepContext) -> Work {
        Work::blocking(move || {
            let from = relations(&inputs);
            let Some((_, input)) = from.first() else {
                return Err(StepError::new(bowstring_core::ErrorKind::Internal, "an input is missing"));
            };
            let mut stream =
                input.frame.stream(&context.cancel).map_err(|error| at(error, &input.sources))?;
            // The writer comes after the first batch, so that a plan that fails at once leaves no trace.
            let first = stream.next().transpose().map_err(|error| at(error, &input.sources))?;
            let mut writer = Writer::create(&self.path, &stream.schema(), &self.options)?;
            let mut rows = 0;
            for batch in first.into_iter().map(Ok).chain(&mut stream) {
                let batch = batch.map_err(|error| at(error, &input.sources))?;
                context.cancel.check()?;
                writer.write(&batch)?;
                rows += batch.num_rows() as u64;
                context.progress.report(rows, None, "rows");
            }
            context.cancel.check()?;
            let written = writer.finish()?;
            let metrics = stream.metrics().unwrap_or_default();
            Ok(Output {
                value: Some(Value::new(FILE, self.path.clone())),
                rows: Some(written.rows),
                bytes: Some(written.bytes),
                peak_memory: metrics.peak_memory,
                fused: if input.table.is_none() { input.fused_metrics(&metrics) } else { Vec::new() },
            })
        })
    }
}
