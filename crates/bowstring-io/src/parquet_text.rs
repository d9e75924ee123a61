//! Which text has the decoder not looked at?
//!
//! It checks that values are UTF-8 in columns that the file's own schema calls text. JSON, and bytes that
//! are text only in the Arrow schema within the file, it hands on as they are, and dictionaries of them
//! sometimes with values of another type than they claim.

use std::path::Path;

use arrow::{
    array::{Array, RecordBatch},
    datatypes::DataType,
};
use parquet::{basic::ConvertedType, schema::types::ColumnDescPtr};

use crate::{IoError, Result, parquet_read::ParquetFile, parquet_stats::Leaf, source::Source};

/// That no column is a dictionary of such text: whether its values are given with the type that they claim
/// would depend on the rows that are read together.
pub(crate) fn check_schema(file: ParquetFile) -> Result<ParquetFile> {
    let dictionary = unchecked(&file).find(|leaf| matches!(leaf.field.data_type(), DataType::Dictionary(..)));
    if let Some(leaf) = dictionary {
        let reason = format!(
            "column `{}` is a dictionary of text in its Arrow schema, but no text in its own",
            leaf.name
        );
        return Err(IoError::malformed(file.path(), "parquet", reason));
    }
    Ok(file)
}

/// Whether a column of the file is such text.
pub(crate) fn is_unchecked(file: &ParquetFile) -> bool {
    unchecked(file).next().is_some()
}

fn unchecked(file: &ParquetFile) -> impl Iterator<Item = &Leaf> {
    let columns = file.metadata().file_metadata().schema_descr().columns();
    let leaves = file.leaves().iter().zip(columns);
    let is_unchecked = |(leaf, column): (&'_ Leaf, &ColumnDescPtr)| {
        column.converted_type() != ConvertedType::UTF8 && is_text(leaf.field.data_type())
    };
    leaves.filter(move |pair| is_unchecked(*pair)).map(|(leaf, _)| leaf)
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// That the columns of a batch hold what their types say.
pub(crate) fn check(path: &Path, batch: &RecordBatch) -> Result<()> {
    let mut columns = batch.columns().iter();
    let checked = columns.try_for_each(|column| column.to_data().validate_full());
    checked.map_err(|error| IoError::malformed(path, "parquet", error))
}
