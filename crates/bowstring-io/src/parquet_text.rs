//! Which text has the decoder not looked at?
//!
//! It checks that values are UTF-8 in columns that the file's own schema calls text. JSON, and bytes that
//! are text only in the Arrow schema within the file, it hands on as they are, and dictionaries of them
//! with values of another type than they claim.

use std::path::Path;

use arrow::{
    array::{Array, RecordBatch},
    datatypes::DataType,
};
use parquet::basic::ConvertedType;

use crate::{IoError, Result, parquet_read::ParquetFile};

/// Whether a column of the file is such text.
pub(crate) fn is_unchecked(file: &ParquetFile) -> bool {
    let columns = file.metadata().file_metadata().schema_descr().columns();
    let mut leaves = file.leaves().iter().zip(columns);
    leaves.any(|(leaf, column)| {
        column.converted_type() != ConvertedType::UTF8 && is_text(leaf.field.data_type())
    })
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
