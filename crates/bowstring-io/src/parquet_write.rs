//! How is Parquet written?
//!
//! Values get a dictionary until it is 1 MiB large, those that come out at 32 bits in lists only until it
//! has 4096 of them. With more, such lists are the ids of tokens: general compression alone makes them
//! smaller than packed places in a dictionary, which hide from it what repeats.

use std::str::FromStr;

use arrow::{
    array::{ArrayRef, AsArray, GenericListArray, OffsetSizeTrait, RecordBatch},
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
};
use parquet::{
    arrow::{ArrowSchemaConverter, ArrowWriter},
    basic::{BrotliLevel, Compression, ConvertedType, GzipLevel, Type, ZstdLevel},
    errors::ParquetError,
    file::properties::{EnabledStatistics, WriterProperties},
    schema::types::ColumnDescriptor,
};

use crate::{IoError, Result, encoder::Encoder, sink::Sink};

/// How Parquet is written.
///
/// Values are written as places in a dictionary where there are few different ones; ids of tokens, which are
/// many in lists, as they are.
#[derive(Clone, Debug)]
pub struct ParquetWriteOptions {
    /// How pages are compressed; zstd by default.
    pub compression: ParquetCompression,
    /// How hard: 1 to 22 for zstd, 0 to 9 for gzip, 0 to 11 for brotli; the codec's default when
    /// `None`. The others have no levels.
    pub level: Option<i32>,
    /// The most rows of a row group; 1 048 576 by default.
    pub row_group_rows: usize,
    /// About the most bytes of a row group, which is held in memory until it is complete; 64 MiB by
    /// default.
    pub row_group_bytes: usize,
    /// Which minima, maxima and counts are written; those of pages by default.
    pub statistics: ParquetStatistics,
}

impl Default for ParquetWriteOptions {
    fn default() -> Self {
        Self {
            compression: ParquetCompression::Zstd,
            level: None,
            row_group_rows: 1 << 20,
            row_group_bytes: 64 << 20,
            statistics: ParquetStatistics::Page,
        }
    }
}

/// How the pages of a Parquet file are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParquetCompression {
    /// Not at all.
    None,
    /// Snappy.
    Snappy,
    /// Gzip.
    Gzip,
    /// LZ4, in the form that the format calls `LZ4_RAW`.
    Lz4,
    /// Brotli.
    Brotli,
    /// Zstandard.
    #[default]
    Zstd,
}

impl ParquetCompression {
    const NAMES: [(&'static str, ParquetCompression); 6] = [
        ("none", ParquetCompression::None),
        ("snappy", ParquetCompression::Snappy),
        ("gzip", ParquetCompression::Gzip),
        ("lz4", ParquetCompression::Lz4),
        ("brotli", ParquetCompression::Brotli),
        ("zstd", ParquetCompression::Zstd),
    ];
}

impl FromStr for ParquetCompression {
    type Err = IoError;

    /// By its name in options: `none`, `snappy`, `gzip`, `lz4`, `brotli` or `zstd`.
    fn from_str(text: &str) -> Result<Self> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, compression)| *compression).ok_or_else(|| IoError::InvalidOption {
            option: "compression",
            reason: format!("`{text}` is unknown"),
            hint: Some("use `none`, `snappy`, `gzip`, `lz4`, `brotli` or `zstd`"),
        })
    }
}

/// Which minima, maxima and counts are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParquetStatistics {
    /// None.
    None,
    /// Those of row groups.
    RowGroup,
    /// Those of row groups and of pages.
    #[default]
    Page,
}

/// The encoder of `options`.
pub(crate) fn encoder(
    sink: Sink,
    schema: &SchemaRef,
    options: &ParquetWriteOptions,
) -> Result<Box<dyn Encoder>> {
    if options.row_group_rows == 0 {
        return Err(IoError::option("row_group_rows", "must be at least 1"));
    }
    if options.row_group_bytes == 0 {
        return Err(IoError::option("row_group_bytes", "must be at least 1"));
    }
    if let Some(field) = schema.fields().iter().find(|field| holds_union(field.data_type())) {
        return Err(IoError::Unwritable {
            column: field.name().clone(),
            data_type: field.data_type().to_string(),
            format: "Parquet",
            hint: Some("keep one of its types, or write Arrow IPC"),
        });
    }
    let mut properties = WriterProperties::builder()
        .set_compression(compression(options)?)
        .set_max_row_group_row_count(Some(options.row_group_rows))
        .set_max_row_group_bytes(Some(options.row_group_bytes))
        .set_statistics_enabled(match options.statistics {
            ParquetStatistics::None => EnabledStatistics::None,
            ParquetStatistics::RowGroup => EnabledStatistics::Chunk,
            ParquetStatistics::Page => EnabledStatistics::Page,
        });
    // Without compression a dictionary is all that makes ids smaller.
    if options.compression != ParquetCompression::None {
        let leaves = ArrowSchemaConverter::new().convert(schema).map_err(refused)?;
        for leaf in leaves.columns().iter().filter(|leaf| may_be_ids(leaf)) {
            properties =
                properties.set_column_dictionary_page_size_limit(leaf.path().clone(), IDS_DICTIONARY);
        }
    }
    let properties = properties.build();
    let writer = ArrowWriter::try_new(sink, SchemaRef::clone(schema), Some(properties)).map_err(refused)?;
    Ok(Box::new(ParquetEncoder(writer)))
}

/// The bytes of a dictionary of values of 32 bits in lists.
const IDS_DICTIONARY: usize = 4096 * size_of::<u32>();

/// Whole numbers of 32 bits in lists.
fn may_be_ids(leaf: &ColumnDescriptor) -> bool {
    let whole = [ConvertedType::NONE, ConvertedType::INT_32, ConvertedType::UINT_32];
    leaf.max_rep_level() > 0 && leaf.physical_type() == Type::INT32 && whole.contains(&leaf.converted_type())
}

/// Unions, on which the encoder would panic.
fn holds_union(data_type: &DataType) -> bool {
    match data_type {
        DataType::Union(..) => true,
        DataType::Struct(fields) => fields.iter().any(|field| holds_union(field.data_type())),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _)
        | DataType::RunEndEncoded(_, field) => holds_union(field.data_type()),
        DataType::Dictionary(_, values) => holds_union(values),
        _ => false,
    }
}

fn compression(options: &ParquetWriteOptions) -> Result<Compression> {
    let out_of_range = |error: ParquetError| {
        let reason = error.to_string();
        let reason = reason.strip_prefix("Parquet error: ").unwrap_or(&reason).trim_end_matches('.');
        IoError::option("level", format!("is out of range: {reason}"))
    };
    let unsigned = |level: i32| {
        u32::try_from(level).map_err(|_| IoError::option("level", "is out of range: it is negative"))
    };
    Ok(match (options.compression, options.level) {
        (ParquetCompression::Gzip, None) => Compression::GZIP(GzipLevel::default()),
        (ParquetCompression::Gzip, Some(level)) => {
            Compression::GZIP(GzipLevel::try_new(unsigned(level)?).map_err(out_of_range)?)
        }
        (ParquetCompression::Brotli, None) => Compression::BROTLI(BrotliLevel::default()),
        (ParquetCompression::Brotli, Some(level)) => {
            Compression::BROTLI(BrotliLevel::try_new(unsigned(level)?).map_err(out_of_range)?)
        }
        (ParquetCompression::Zstd, None) => Compression::ZSTD(ZstdLevel::default()),
        (ParquetCompression::Zstd, Some(level)) => {
            Compression::ZSTD(ZstdLevel::try_new(level).map_err(out_of_range)?)
        }
        (ParquetCompression::None, None) => Compression::UNCOMPRESSED,
        (ParquetCompression::Snappy, None) => Compression::SNAPPY,
        (ParquetCompression::Lz4, None) => Compression::LZ4_RAW,
        (_, Some(_)) => {
            return Err(IoError::InvalidOption {
                option: "level",
                reason: "was given for a compression that has no levels".into(),
                hint: Some("leave it out, or use `zstd`, `gzip` or `brotli`"),
            });
        }
    })
}

/// Where each value of a list belongs is noted in three times the memory of the value: for about so many of
/// them at a time, which stay in the cache until they are encoded.
const VALUES_AT_ONCE: usize = 1 << 16;

/// How many values the lists of a column have.
fn listed(column: &ArrayRef) -> usize {
    fn between<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> usize {
        let offsets = lists.value_offsets();
        let ends = offsets.first().zip(offsets.last());
        ends.map_or(0, |(first, last)| last.as_usize() - first.as_usize())
    }
    let small = column.as_list_opt::<i32>().map(between);
    small.or_else(|| column.as_list_opt::<i64>().map(between)).unwrap_or_default()
}

struct ParquetEncoder(ArrowWriter<Sink>);

impl Encoder for ParquetEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let values = batch.columns().iter().map(listed).max().unwrap_or_default();
        let rows = batch.num_rows();
        let at_once = (rows / values.div_ceil(VALUES_AT_ONCE).max(1)).max(1);
        (0..rows)
            .step_by(at_once)
            .try_for_each(|from| self.0.write(&batch.slice(from, at_once.min(rows - from))).map_err(refused))
    }

    fn finish(self: Box<Self>) -> Result<Sink> {
        self.0.into_inner().map_err(refused)
    }
}

fn refused(error: ParquetError) -> IoError {
    IoError::Arrow(ArrowError::from(error))
}
