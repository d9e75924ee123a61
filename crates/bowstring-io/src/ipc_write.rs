//! How is Arrow IPC written?

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_ipc::{
    CompressionType,
    writer::{DictionaryHandling, FileWriter, IpcWriteOptions as ArrowOptions, StreamWriter},
};

use crate::{Result, encoder::Encoder, ipc_dictionary::Dictionaries, sink::Sink};

/// How Arrow IPC is written.
#[derive(Clone, Debug, Default)]
pub struct IpcWriteOptions {
    /// A file by default.
    pub container: IpcContainer,
    /// How buffers are compressed; not at all by default, so that they can be mapped into memory.
    pub compression: IpcCompression,
}

/// What the messages of Arrow IPC stand in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpcContainer {
    /// A file with a footer, which can be read from anywhere and in parallel.
    #[default]
    File,
    /// A stream, which can be read while it is written.
    Stream,
}

/// How the buffers of Arrow IPC are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IpcCompression {
    /// Not at all.
    #[default]
    None,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// Encodes batches as Arrow IPC.
pub(crate) enum IpcEncoder {
    /// A file, in which a dictionary can grow, but not be replaced.
    File(Box<FileWriter<Sink>>, Dictionaries),
    /// A stream, in which every batch can bring its own dictionaries.
    Stream(Box<StreamWriter<Sink>>),
}

impl IpcEncoder {
    pub(crate) fn new(sink: Sink, schema: &SchemaRef, options: &IpcWriteOptions) -> Result<Self> {
        let compression = match options.compression {
            IpcCompression::None => None,
            IpcCompression::Lz4 => Some(CompressionType::LZ4_FRAME),
            IpcCompression::Zstd => Some(CompressionType::ZSTD),
        };
        let arrow = ArrowOptions::default().try_with_compression(compression)?;
        Ok(match options.container {
            IpcContainer::File => {
                let arrow = arrow.with_dictionary_handling(DictionaryHandling::Delta);
                let writer = FileWriter::try_new_with_options(sink, schema, arrow)?;
                IpcEncoder::File(Box::new(writer), Dictionaries::new(schema)?)
            }
            IpcContainer::Stream => {
                IpcEncoder::Stream(Box::new(StreamWriter::try_new_with_options(sink, schema, arrow)?))
            }
        })
    }
}

impl Encoder for IpcEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            IpcEncoder::File(writer, dictionaries) => writer.write(&dictionaries.unify(batch)?)?,
            IpcEncoder::Stream(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Sink> {
        Ok(match *self {
            IpcEncoder::File(writer, _) => writer.into_inner()?,
            IpcEncoder::Stream(writer) => writer.into_inner()?,
        })
    }
}
