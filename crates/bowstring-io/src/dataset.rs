//! Which files belong to a dataset, and what is their common schema?

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::datatypes::SchemaRef;
use bowstring_core::Cancel;

use crate::{
    Batches, Format, IoError, Part, ReadOptions, Result, Scan, Statistics,
    source::{self, Source},
};

/// One or more files of one schema.
#[derive(Debug)]
pub struct Dataset {
    files: Vec<Arc<dyn Source>>,
    schema: SchemaRef,
}

impl Dataset {
    /// Opens files, reading no more than their metadata.
    ///
    /// # Errors
    /// When a file is missing, is malformed, or has another schema than the first.
    pub fn open(paths: &[PathBuf], options: &ReadOptions) -> Result<Self> {
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let format = options.format.map_or_else(|| Format::of_path(path), Ok)?;
            files.push(source::open(path, format, options)?);
        }
        let Some(first) = files.first() else {
            return Err(IoError::NoMatch { pattern: String::new() });
        };
        let schema = Arc::clone(first.schema());
        if let Some(other) = files.iter().find(|file| *file.schema() != schema) {
            return Err(IoError::SchemaMismatch {
                path: other.path().to_owned(),
                reason: "columns or types differ".into(),
            });
        }
        Ok(Self { files, schema })
    }

    /// The schema of what is read.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The files, in the order in which their rows come.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path())
    }

    /// What is known without reading rows.
    pub fn statistics(&self) -> Statistics {
        let each: Vec<Statistics> = self.files.iter().map(|file| file.statistics()).collect();
        Statistics {
            num_rows: each.iter().map(|file| file.num_rows).sum(),
            total_bytes: each.iter().map(|file| file.total_bytes).sum(),
            ..Statistics::default()
        }
    }

    /// Splits a scan into parts that can be read in parallel, in the order of their rows; parts
    /// that the predicate rules out are left away.
    ///
    /// # Errors
    /// When the metadata does not fit the file.
    pub fn split(&self, scan: &Scan) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            parts.extend(file.parts(index, scan)?);
        }
        Ok(parts)
    }

    /// Reads a part.
    ///
    /// # Errors
    /// At once when the file cannot be opened; later, in the iterator, when it is malformed or
    /// the work is cancelled.
    pub fn read(&self, part: &Part, scan: &Scan, cancel: &Cancel) -> Result<Batches> {
        match self.files.get(part.file) {
            Some(file) => file.read(part, scan, cancel),
            None => Err(IoError::NoMatch { pattern: format!("file {} of the dataset", part.file) }),
        }
    }
}
