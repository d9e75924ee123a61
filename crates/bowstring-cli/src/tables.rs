//! What is in a file?

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use bowstring::{Cancel, io::Scan};

use crate::{
    args::{HeadArgs, SchemaArgs},
    error::{CliError, Result},
    rows::RowWriter,
    source::open,
};

/// Writes a row for each column of a file.
pub(crate) fn schema(args: &SchemaArgs) -> Result<()> {
    let dataset = open(&args.path, &args.source)?;
    let fields = dataset.schema().fields();
    let names = StringArray::from_iter_values(fields.iter().map(|field| field.name()));
    let types = StringArray::from_iter_values(fields.iter().map(|field| field.data_type().to_string()));
    let nullable: BooleanArray = fields.iter().map(|field| Some(field.is_nullable())).collect();
    let schema = Arc::new(Schema::new(vec![
        Field::new("column", DataType::Utf8, false),
        Field::new("type", DataType::Utf8, false),
        Field::new("nullable", DataType::Boolean, false),
    ]));
    let columns: Vec<ArrayRef> = vec![Arc::new(names), Arc::new(types), Arc::new(nullable)];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
        .map_err(|error| CliError::Unprintable(error.to_string()))?;
    let mut writer = RowWriter::new(&schema, args.format)?;
    writer.write(&batch)?;
    writer.finish()
}

/// Writes the first rows of a file.
pub(crate) fn head(args: &HeadArgs, cancel: &Cancel) -> Result<()> {
    let dataset = open(&args.path, &args.source)?;
    let mut writer = RowWriter::new(dataset.schema(), args.format)?;
    let mut left = args.rows;
    let scan = Scan { limit: Some(left), batch_rows: left.clamp(1, 8192), ..Scan::default() };
    for part in dataset.split(&scan)? {
        if left == 0 {
            break;
        }
        for batch in dataset.read(&part, &scan, cancel)? {
            let batch = batch?;
            let batch = batch.slice(0, batch.num_rows().min(left));
            left -= batch.num_rows();
            writer.write(&batch)?;
            if left == 0 {
                break;
            }
        }
    }
    writer.finish()
}
