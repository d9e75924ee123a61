//! How is a CSV file part of a dataset?

use std::{
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::datatypes::SchemaRef;
use bowstring_core::Cancel;

use super::{infer, layout::SharedLayout, reader::Reader, split};
use crate::{Batches, CsvOptions, Part, Result, Scan, Statistics, source::Source, text::file::part_bytes};

/// A CSV file whose header has been read.
#[derive(Debug)]
pub(crate) struct CsvFile {
    layout: SharedLayout,
    part_bytes: u64,
    /// Where its parts begin and end, once somebody asked.
    boundaries: OnceLock<Vec<u64>>,
    skipped: Arc<AtomicU64>,
}

impl CsvFile {
    pub(crate) fn open(path: &Path, options: &CsvOptions) -> Result<Self> {
        let layout = infer::open(path, options)?;
        let bytes = layout.text.range().end - layout.first_row;
        Ok(Self {
            layout: Arc::new(layout),
            part_bytes: part_bytes(bytes),
            boundaries: OnceLock::new(),
            skipped: Arc::default(),
        })
    }

    fn boundaries(&self) -> Result<&[u64]> {
        if let Some(boundaries) = self.boundaries.get() {
            return Ok(boundaries);
        }
        let boundaries = split::boundaries(&self.layout, self.part_bytes)?;
        Ok(self.boundaries.get_or_init(|| boundaries))
    }
}

impl Source for CsvFile {
    fn path(&self) -> &Path {
        self.layout.text.path()
    }

    fn schema(&self) -> &SchemaRef {
        &self.layout.schema
    }

    fn statistics(&self) -> Statistics {
        Statistics { total_bytes: self.layout.text.range().end, ..Statistics::default() }
    }

    fn parts(&self, file: usize, scan: &Scan) -> Result<Vec<Part>> {
        let part = |from, to| Part { file, range: Some(from..to), weight: to - from };
        // A few rows from the beginning need no search for the places to cut.
        if scan.limit.is_some() && scan.predicate.is_none() {
            return Ok(vec![part(self.layout.first_row, self.layout.text.range().end)]);
        }
        let boundaries = self.boundaries()?;
        Ok(boundaries.iter().zip(boundaries.iter().skip(1)).map(|(from, to)| part(*from, *to)).collect())
    }

    fn read(&self, part: &Part, scan: &Scan, cancel: &Cancel) -> Result<Batches> {
        let range = part.range.clone().unwrap_or(self.layout.first_row..self.layout.text.range().end);
        Ok(Box::new(Reader::new(&self.layout, range, scan, cancel, &self.skipped)?))
    }

    fn skipped_rows(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }
}
