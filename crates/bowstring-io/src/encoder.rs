//! What does a format have to offer to be written?

use std::path::Path;

use arrow::{array::RecordBatch, datatypes::SchemaRef};

use crate::{
    Format, Result, WriteOptions, csv::CsvEncoder, ipc_write::IpcEncoder, json::JsonEncoder,
    markdown_write::MarkdownEncoder, parquet_write, sink::Sink,
};

/// Turns batches into a file's bytes. The batches have the schema that it was made for. An error of
/// the sink may be given in any form: the [`Writer`](crate::Writer) asks the sink.
pub(crate) trait Encoder: Send {
    /// Encodes a batch.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;
    /// Encodes what ends the file, and gives the sink back.
    fn finish(self: Box<Self>) -> Result<Sink>;
}

/// The encoder of a format for what is written to `path`.
pub(crate) fn encoder(
    format: Format,
    sink: Sink,
    path: &Path,
    schema: &SchemaRef,
    options: &WriteOptions,
) -> Result<Box<dyn Encoder>> {
    match format {
        Format::Parquet => parquet_write::encoder(sink, schema, &options.parquet),
        Format::Ipc => Ok(Box::new(IpcEncoder::new(sink, schema, &options.ipc)?)),
        Format::Markdown => Ok(Box::new(MarkdownEncoder::new(sink, schema)?)),
        Format::Csv => Ok(Box::new(CsvEncoder::new(sink, path, schema, &options.csv)?)),
        Format::Json => Ok(Box::new(JsonEncoder::new(sink, schema)?)),
    }
}
