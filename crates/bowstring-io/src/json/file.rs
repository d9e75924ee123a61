//! How is an NDJSON file part of a dataset?

use std::{path::Path, sync::Arc};

use arrow::datatypes::SchemaRef;
use bowstring_core::Cancel;

use super::{
    infer::{self, Sample},
    layout::Layout,
    reader::Reader,
};
use crate::{Batches, JsonOptions, Part, Result, Scan, Statistics, source::Source, text::file::part_bytes};

/// An NDJSON file whose first rows have been read.
#[derive(Debug)]
pub(crate) struct JsonFile(Arc<Layout>);

impl JsonFile {
    /// Opens files that are read as one, by `each` at the same time.
    pub(crate) fn open_all(
        options: &JsonOptions,
        each: impl FnOnce(&(dyn Fn(&Path) -> Result<Sample> + Sync)) -> Result<Vec<Sample>>,
    ) -> Result<Vec<Self>> {
        let layouts = infer::unify(each(&|path| infer::open(path, options))?, options)?;
        Ok(layouts.into_iter().map(|layout| Self(Arc::new(layout))).collect())
    }
}

impl Source for JsonFile {
    fn path(&self) -> &Path {
        self.0.text.path()
    }

    fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    fn statistics(&self) -> Statistics {
        Statistics { total_bytes: self.0.text.range().end, ..Statistics::default() }
    }

    fn parts(&self, file: usize, scan: &Scan) -> Result<Vec<Part>> {
        let range = self.0.text.range();
        // JSON writes a newline in text as `\n`, so every newline of the file ends a row.
        let boundaries = match scan.limit {
            Some(_) if scan.predicate.is_none() => vec![range.start, range.end],
            _ => self.0.text.line_starts(range.clone(), part_bytes(range.end - range.start))?,
        };
        let ranges = boundaries.iter().zip(boundaries.iter().skip(1));
        Ok(ranges
            .map(|(from, to)| Part { file, range: Some(*from..*to), rows: None, weight: to - from })
            .collect())
    }

    fn read(&self, part: &Part, scan: &Scan, cancel: &Cancel) -> Result<Batches> {
        let range = part.range.clone().unwrap_or_else(|| self.0.text.range());
        let needed = scan.needed(self.0.schema.fields().len());
        // Rows past a limit are not read, so that a fault in them does no harm.
        let limit = scan.limit.filter(|_| scan.predicate.is_none()).unwrap_or(usize::MAX);
        let reader = Reader::new(&self.0, range, &needed.read, limit, scan.batch_rows)?;
        Ok(needed.finish(reader, scan, cancel))
    }
}
