//! `meta`: what the footers of Parquet files say.

use std::{io::Write, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, RecordBatch, StringArray, UInt64Array},
    datatypes::{DataType, Field, Schema},
    util::display::{ArrayFormatter, FormatOptions},
};
use bowstring::{
    ByteSize,
    io::{LeafStatistics, ParquetMetadata, parquet_metadata},
};
use serde_json::{Value as Json, json};

use crate::{
    args::{MetaArgs, TableFormat},
    error::{CliError, Result},
    grid::printable,
    rows::RowWriter,
    to_stdout,
};

/// Writes what is known of Parquet files, and of each of their columns.
pub(crate) fn meta(args: &MetaArgs) -> Result<()> {
    let metadata = parquet_metadata(std::slice::from_ref(&args.path))?;
    match args.format {
        TableFormat::Json => to_stdout(|out| writeln!(out, "{}", to_json(&metadata))),
        format => {
            if format == TableFormat::Table {
                to_stdout(|out| summary(&metadata, out))?;
            }
            let batch = columns(&metadata).map_err(|error| CliError::Unprintable(error.to_string()))?;
            let mut writer = RowWriter::new(&batch.schema(), format)?;
            writer.write(&batch)?;
            writer.finish()
        }
    }
}

fn summary(metadata: &ParquetMetadata, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "rows        {}", metadata.num_rows)?;
    writeln!(out, "row groups  {}", metadata.num_row_groups)?;
    writeln!(out, "size        {}", ByteSize(metadata.size_bytes))?;
    if let Some(writer) = &metadata.created_by {
        writeln!(out, "created by  {}", printable(writer))?;
    }
    for (key, value) in &metadata.key_value_metadata {
        writeln!(out, "{}  {}", printable(key), shortened(&printable(value.as_deref().unwrap_or("null"))))?;
    }
    writeln!(out)
}

/// Text as long as a line: what writers keep under a key can be a whole document.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
        None => text.to_owned(),
    }
}

/// A row for each column that holds values; bounds are text, and null where they are not known.
fn columns(metadata: &ParquetMetadata) -> Result<RecordBatch, arrow::error::ArrowError> {
    let leaves = &metadata.statistics;
    let counts = |count: fn(&LeafStatistics) -> Option<u64>| -> ArrayRef {
        Arc::new(leaves.iter().map(count).collect::<UInt64Array>())
    };
    let texts = |text: &dyn Fn(&LeafStatistics) -> Option<String>| -> ArrayRef {
        Arc::new(leaves.iter().map(text).collect::<StringArray>())
    };
    let fields = [
        ("column", DataType::Utf8),
        ("type", DataType::Utf8),
        ("nulls", DataType::UInt64),
        ("distinct", DataType::UInt64),
        ("min", DataType::Utf8),
        ("max", DataType::Utf8),
    ];
    let fields: Vec<Field> = fields.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect();
    RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        vec![
            texts(&|leaf| Some(leaf.name.clone())),
            texts(&|leaf| Some(leaf.data_type.to_string())),
            counts(|leaf| leaf.known.null_count),
            counts(|leaf| leaf.known.distinct_count),
            texts(&|leaf| bound(leaf.known.min.as_ref())),
            texts(&|leaf| bound(leaf.known.max.as_ref())),
        ],
    )
}

fn bound(value: Option<&ArrayRef>) -> Option<String> {
    let value = value.filter(|value| value.len() == 1 && value.is_valid(0))?;
    let options = FormatOptions::new().with_display_error(false);
    let formatter = ArrayFormatter::try_new(value.as_ref(), &options).ok()?;
    formatter.value(0).try_to_string().ok()
}

fn to_json(metadata: &ParquetMetadata) -> Json {
    let columns: Vec<Json> = metadata
        .statistics
        .iter()
        .map(|leaf| {
            let value = |value: Option<&ArrayRef>| bound(value).map(|text| typed(text, &leaf.data_type));
            json!({
                "column": leaf.name,
                "type": leaf.data_type.to_string(),
                "null_count": leaf.known.null_count,
                "distinct_count": leaf.known.distinct_count,
                "min": value(leaf.known.min.as_ref()),
                "max": value(leaf.known.max.as_ref()),
                "exact": leaf.known.exact,
            })
        })
        .collect();
    let groups: Vec<Json> = metadata
        .row_groups
        .iter()
        .map(|group| {
            json!({
                "file": group.file.display().to_string(),
                "num_rows": group.num_rows,
                "total_byte_size": group.total_byte_size,
                "compressed_size": group.compressed_size,
            })
        })
        .collect();
    let pairs: Vec<Json> =
        metadata.key_value_metadata.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({
        "num_rows": metadata.num_rows,
        "num_row_groups": metadata.num_row_groups,
        "num_columns": metadata.num_columns,
        "size_bytes": metadata.size_bytes,
        "created_by": metadata.created_by,
        "key_value_metadata": pairs,
        "row_groups": groups,
        "columns": columns,
    })
}

/// A number or a bool where JSON has it, else text.
fn typed(text: String, kind: &DataType) -> Json {
    let in_json = kind.is_integer() || kind.is_floating() || *kind == DataType::Boolean;
    let value = in_json.then(|| serde_json::from_str(&text).ok()).flatten();
    value.unwrap_or(Json::String(text))
}
