//! How are the row groups of a Parquet file read?

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use arrow::datatypes::SchemaRef;
use bowstring_core::Cancel;
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
};

use crate::{Batches, IoError, Part, Result, Scan, Statistics, identity::Identity, source::Source};

/// A Parquet file whose footer has been read.
#[derive(Debug)]
pub(crate) struct ParquetFile {
    path: PathBuf,
    identity: Identity,
    metadata: ArrowReaderMetadata,
}

impl ParquetFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| IoError::system("open", path, error))?;
        let identity = Identity::of(&file, path)?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(|error| IoError::parquet(path, error))?;
        Ok(Self { path: path.to_owned(), identity, metadata })
    }
}

impl Source for ParquetFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    fn statistics(&self) -> Statistics {
        let groups = self.metadata.metadata().row_groups();
        Statistics {
            num_rows: Some(groups.iter().map(|group| group.num_rows().max(0) as u64).sum()),
            total_bytes: self.identity.length(),
            ..Statistics::default()
        }
    }

    fn parts(&self, file: usize, _scan: &Scan) -> Result<Vec<Part>> {
        let groups = self.metadata.metadata().row_groups().iter();
        Ok(groups
            .zip(0u64..)
            .map(|(group, index)| Part {
                file,
                range: Some(index..index + 1),
                weight: group.compressed_size().max(0) as u64,
            })
            .collect())
    }

    fn read(&self, part: &Part, scan: &Scan, cancel: &Cancel) -> Result<Batches> {
        let file = File::open(&self.path).map_err(|error| IoError::system("open", &self.path, error))?;
        self.identity.check(&file, &self.path)?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_batch_size(scan.batch_rows);
        if let Some(range) = &part.range {
            builder = builder.with_row_groups((range.start as usize..range.end as usize).collect());
        }
        let needed = scan.needed(self.schema().fields().len());
        let mask = ProjectionMask::roots(builder.parquet_schema(), needed.read.iter().copied());
        let path = self.path.clone();
        let reader = builder.with_projection(mask).build().map_err(|error| IoError::parquet(&path, error))?;
        let batches =
            reader.map(move |batch| batch.map_err(|error| IoError::malformed(&path, "parquet", error)));
        Ok(needed.finish(batches, scan, cancel))
    }
}
