//! Text files to read, and what they give as text.

use std::path::PathBuf;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
    util::pretty::pretty_format_batches,
};
use bowstring_core::render;
use bowstring_io::{Dataset, ReadOptions, Scan};

use crate::support::scan;

/// A folder with one file.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn with(name: &str, content: &[u8]) -> (Self, PathBuf) {
        let folder = Self(tempfile::tempdir().unwrap());
        let path = folder.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    /// A message without the folder's own path.
    pub(crate) fn hide(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// What reading a file gives: the types and the rows, or the message.
pub(crate) fn shown(name: &str, content: &[u8], options: &ReadOptions) -> String {
    let (folder, path) = Folder::with(name, content);
    match Dataset::open(&[path], options).and_then(|dataset| scan(&dataset, &Scan::default())) {
        Ok(batch) => {
            let types = types(&batch);
            let null = arrow::util::display::FormatOptions::new().with_null("null");
            let table = arrow::util::pretty::pretty_format_batches_with_options(&[batch], &null).unwrap();
            // A snapshot cannot hold a carriage return.
            format!("{types}\n{}\n", table.to_string().replace('\r', "\\r"))
        }
        Err(error) => folder.hide(&format!("{}\n", render(&error))),
    }
}

/// The types of a table's columns.
pub(crate) fn types(batch: &RecordBatch) -> String {
    let schema = batch.schema();
    let types = schema.fields().iter().map(|field| field.data_type().to_string());
    types.collect::<Vec<_>>().join(", ")
}

pub(crate) fn table(batch: &RecordBatch) -> String {
    pretty_format_batches(std::slice::from_ref(batch)).unwrap().to_string()
}

pub(crate) fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let fields: Vec<Field> =
        columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
    SchemaRef::new(Schema::new(fields))
}
