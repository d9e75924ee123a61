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

use super::{
    infer,
    layout::{Layout, SharedLayout},
    reader::Reader,
    split, types,
};
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
    /// Opens files that are read as one, by `each` at the same time.
    pub(crate) fn open_all(
        options: &CsvOptions,
        each: impl FnOnce(&(dyn Fn(&Path) -> Result<Layout> + Sync)) -> Result<Vec<Layout>>,
    ) -> Result<Vec<Self>> {
        let mut layouts = each(&|path| infer::open(path, options))?;
        types::unify(&mut layouts);
        Ok(layouts.into_iter().map(Self::new).collect())
    }

    fn new(layout: Layout) -> Self {
        let bytes = layout.text.range().end - layout.first_row;
        Self {
            layout: Arc::new(layout),
            part_bytes: part_bytes(bytes),
            boundaries: OnceLock::new(),
            skipped: Arc::default(),
        }
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
        let part = |from, to| Part { file, range: Some(from..to), rows: None, weight: to - from };
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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::{
        array::{Array, AsArray, RecordBatch},
        compute::concat_batches,
    };
    use proptest::{collection::vec, prelude::*, sample::select};
    use std::io::Write;

    /// The rows of a text, read in parts of about `part_bytes`; the message when they cannot be.
    fn read(text: &str, part_bytes: u64, batch_rows: usize) -> Result<RecordBatch, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let options = CsvOptions { infer_rows: 0, has_header: false, ..CsvOptions::default() };
        let message = |error: crate::IoError| {
            bowstring_core::render(&error).replace(&*file.path().to_string_lossy(), "FILE")
        };
        let mut source = CsvFile::new(infer::open(file.path(), &options).map_err(message)?);
        source.part_bytes = part_bytes;
        let scan = Scan { batch_rows, ..Scan::default() };
        let mut batches = Vec::new();
        for part in source.parts(0, &scan).map_err(message)? {
            for batch in source.read(&part, &scan, &Cancel::new()).map_err(message)? {
                batches.push(batch.map_err(message)?);
            }
        }
        Ok(concat_batches(source.schema(), &batches).unwrap())
    }

    /// The rows as a widely used reader gives them, an empty text for null.
    fn reference(text: &str) -> Vec<Vec<String>> {
        let reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let records = reader.into_records().map(|record| record.unwrap().iter().map(str::to_owned).collect());
        records.collect()
    }

    fn rows(batch: &RecordBatch) -> Vec<Vec<String>> {
        let cell = |row: usize, column: usize| {
            let array = batch.column(column).as_string::<i32>();
            if array.is_null(row) { String::new() } else { array.value(row).to_owned() }
        };
        let row = |row: usize| (0..batch.num_columns()).map(|column| cell(row, column)).collect();
        (0..batch.num_rows()).map(row).collect()
    }

    /// A value as one of the ways in which it can be written.
    fn field() -> impl Strategy<Value = String> {
        let quoted = vec(select(vec!["a", ",", "\n", "\r\n", "\"\"", "é", " "]), 0..6);
        prop_oneof![
            "[a-z é']{1,5}",
            "[a-z][\"a-z]{0,4}",
            quoted.prop_map(|pieces| format!("\"{}\"", pieces.concat())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn parts_of_any_size_give_the_rows_that_another_reader_gives(
            table in vec((vec(field(), 3), select(vec!["\n", "\r\n", "\n\n"])), 1..12),
            part_bytes in 1u64..60,
            batch_rows in 1usize..5,
        ) {
            let text: String = table.iter().map(|(fields, end)| fields.join(",") + end).collect();
            let read = read(&text, part_bytes, batch_rows);
            prop_assert_eq!(read.map(|batch| rows(&batch)), Ok(reference(&text)));
        }

        #[test]
        fn parts_of_any_size_give_what_the_whole_gives(
            text in "([a,\"\n]|\r\n){0,40}", part_bytes in 1u64..20, batch_rows in 1usize..5,
        ) {
            let (whole, parts) = (read(&text, 1 << 20, 8192), read(&text, part_bytes, batch_rows));
            match (whole, parts) {
                // An open quote is found before the rows are read, and then comes before other faults.
                (Err(_), Err(parts)) if parts.contains("never closed") => {}
                (whole, parts) => prop_assert_eq!(whole, parts, "{:?}", text),
            }
        }
    }
}
