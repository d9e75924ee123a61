//! Which files belong to a dataset, and what is their common schema?

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::datatypes::SchemaRef;
use bowstring_core::Cancel;

use crate::{
    Batches, Format, IoError, Part, ReadOptions, Result, Scan, Statistics,
    discover::discover,
    guard::{guarded, guarded_batches},
    hive,
    member::{self, Member},
    nested::{self, Wanted},
    parquet_text, source, statistics,
    stdin::Spooled,
};

/// One or more files of one format and one schema, read as one table.
#[derive(Clone, Debug)]
pub struct Dataset {
    members: Vec<Member>,
    schema: SchemaRef,
    format: Format,
    /// Deletes standard input's copy when nobody reads it any more.
    spooled: Option<Arc<Spooled>>,
}

impl Dataset {
    /// Opens what `paths` stand for, reading no more than the files' metadata, in parallel.
    ///
    /// A path is a file; `-`, which is standard input (copied to a temporary file first); a folder,
    /// which stands for every file below it; or a pattern with `*`, `?`, `[..]`, `{..}` and `**`, which
    /// crosses folders. In folders and patterns, files and folders whose names begin with `.` or `_`
    /// are ignored, the rest is sorted by path, and folders named `key=value` (below the given folder,
    /// or below the pattern's part before its first wildcard) become columns after those of the files:
    /// int64, date32 or utf8.
    ///
    /// The schema is the first file's. Other files may have its columns in another order.
    ///
    /// # Errors
    /// When nothing matches a path, a file is missing or malformed, a format is unknown or differs from
    /// the first file's, or a column's name or type does.
    pub fn open(paths: &[PathBuf], options: &ReadOptions) -> Result<Self> {
        if let [path] = paths
            && path.as_os_str() == "-"
        {
            return Self::of_input(std::io::stdin().lock(), options);
        }
        let files = discover(paths)?;
        let mut format = None;
        for file in &files {
            let own = options.format.map_or_else(|| Format::of_path(&file.path), Ok)?;
            let first = *format.get_or_insert(own);
            if own != first {
                return Err(IoError::MixedFormats {
                    path: file.path.clone(),
                    found: own.name(),
                    expected: first.name(),
                });
            }
        }
        let Some(format) = format else { return Err(IoError::NoMatch { pattern: String::new() }) };
        let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
        let sources = source::open(&paths, format, options)?;
        let (schema, members) = member::merge(sources, hive::partitions(&files)?)?;
        Ok(Self { members, schema, format, spooled: None })
    }

    /// Opens what standard input holds.
    fn of_input(input: impl Read, options: &ReadOptions) -> Result<Self> {
        let spooled = Arc::new(Spooled::read(input, options.format)?);
        let options = ReadOptions { format: Some(spooled.format()), ..options.clone() };
        let dataset = Self::open(&[spooled.path().to_owned()], &options);
        let dataset = dataset.map_err(|error| spooled.rename(error))?;
        Ok(Self { spooled: Some(spooled), ..dataset })
    }

    /// An error that names standard input, where its copy is meant.
    fn rename(spooled: &Option<Arc<Spooled>>, error: IoError) -> IoError {
        match spooled {
            Some(spooled) => spooled.rename(error),
            None => error,
        }
    }

    /// The schema of what is read.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The format of its files.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The dataset with no more of each column than the names say, and the columns that they mean, in
    /// their order, as indices into its schema. `point.x` is the field `x` of the structure `point`, or of
    /// those in the list `point`; a column that is not named stays whole.
    ///
    /// # Errors
    /// [`IoError::UnknownColumn`], which names the nearest.
    pub fn narrowed(&self, names: &[String]) -> Result<(Self, Vec<usize>)> {
        let columns = nested::resolve(&self.schema, names)?;
        let projection = columns.iter().map(|(column, _)| *column).collect();
        if columns.iter().all(|(_, wanted)| *wanted == Wanted::Whole) {
            return Ok((self.clone(), projection));
        }
        let mut wanted = vec![Wanted::Whole; self.schema.fields().len()];
        for (column, own) in columns {
            if let Some(place) = wanted.get_mut(column) {
                *place = own;
            }
        }
        let members = self.members.iter().map(|member| member.narrowed(&wanted)).collect();
        let schema = nested::schema(&self.schema, &wanted);
        Ok((Self { members, schema, format: self.format, spooled: self.spooled.clone() }, projection))
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The dataset over other files, or parts of them, with the same columns.
    pub(crate) fn with_members(&self, members: Vec<Member>) -> Self {
        Self { members, ..self.clone() }
    }

    /// The files, in the order in which their rows come. A file comes more than once where row groups of
    /// others were put between its own.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.members.iter().map(|member| member.source.path())
    }

    /// What is known without reading rows. What is not known of every file is not known.
    pub fn statistics(&self) -> Statistics {
        let each = self.members.iter().map(Member::statistics).collect();
        statistics::merge(each, self.schema.fields().len())
    }

    /// How many rows all scans so far left out because they could not be read, as
    /// [`BadRows::Skip`](crate::BadRows::Skip) asks.
    pub fn skipped_rows(&self) -> u64 {
        self.members.iter().map(|member| member.source.skipped_rows()).sum()
    }

    /// Splits a scan into parts that can be read in parallel, in the order of their rows; parts
    /// that the predicate rules out are left away.
    ///
    /// # Errors
    /// When the scan does not fit the schema, or the metadata does not fit the file.
    pub fn split(&self, scan: &Scan) -> Result<Vec<Part>> {
        scan.check(&self.schema)?;
        let mut parts = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            if let Some(own) = member.translate(scan)? {
                let path = member.source.path();
                let own = guarded(path, self.format.name(), || member.source.parts(index, &own));
                parts.extend(own.map_err(|error| Self::rename(&self.spooled, error))?);
            }
        }
        Ok(parts)
    }

    /// Reads a part, which came from [`split`](Self::split).
    ///
    /// # Errors
    /// At once when the scan does not fit the schema or the file cannot be opened; later, in the
    /// iterator, which then ends, when it is malformed or the work is cancelled.
    pub fn read(&self, part: &Part, scan: &Scan, cancel: &Cancel) -> Result<Batches> {
        scan.check(&self.schema)?;
        let Some(member) = self.members.get(part.file).cloned() else {
            return Err(IoError::NoMatch { pattern: format!("file {} of the dataset", part.file) });
        };
        let Some(own) = member.translate(scan)? else {
            return Ok(Box::new(std::iter::empty()));
        };
        let schema = match &scan.projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => Arc::clone(&self.schema),
        };
        let (path, format) = (member.source.path().to_owned(), self.format.name());
        let (scan, spooled) = (scan.clone(), self.spooled.clone());
        let batches = guarded(&path, format, || member.source.read(part, &own, cancel));
        let batches = batches.map_err(|error| Self::rename(&spooled, error))?;
        let is_unchecked = member.source.as_parquet().is_some_and(parquet_text::is_unchecked);
        let adapted = batches.map(move |batch| {
            let batch = batch.and_then(|batch| match is_unchecked {
                true => parquet_text::check(member.source.path(), &batch).map(|()| batch),
                false => Ok(batch),
            });
            // The copy of standard input is kept while it is read.
            let batch = batch.map_err(|error| Self::rename(&spooled, error))?;
            member.adapt(&batch, &scan, &schema)
        });
        Ok(guarded_batches(&path, format, Box::new(adapted)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bowstring_core::render;
    use expect_test::{Expect, expect};

    fn check(input: &[u8], format: Format, expected: Expect) {
        let options = ReadOptions { format: Some(format), ..ReadOptions::default() };
        let scan = Scan::default();
        let rows = Dataset::of_input(input, &options).and_then(|dataset| {
            let mut rows = 0;
            for part in dataset.split(&scan)? {
                for batch in dataset.read(&part, &scan, &Cancel::new())? {
                    rows += batch?.num_rows();
                }
            }
            Ok(rows)
        });
        let shown = rows.map_or_else(|error| render(&error), |rows| format!("{rows} rows"));
        expected.assert_eq(&shown);
    }

    #[test]
    fn standard_input_is_read_and_named_by_a_dash() {
        check(b"a,b\n1,2\n3,4\n", Format::Csv, expect!["2 rows"]);
        check(b"{\"a\":1}\n\n{\"a\":2}", Format::Json, expect!["2 rows"]);
        check(
            b"",
            Format::Csv,
            expect![[r#"
            `-` holds no header

            hint: write a header, or give the columns' names in `names`"#]],
        );
        check(
            b"a,b\n1\n",
            Format::Csv,
            expect![[r#"
            a row has 1 value where 2 are expected
              at -, row 1 (line 2)

            hint: mend the row, check `delimiter` and `quote`, or leave such rows out with `on_bad_rows`"#]],
        );
        check(
            b"a,a\n1,2\n",
            Format::Csv,
            expect![[r#"
            column `a` stands in the header twice, at 1 and at 2
              at -

            hint: give the columns names of their own with `names`"#]],
        );
        check(
            &[b"a\n".to_vec(), b"1\n".repeat(20_000), b"x\n".to_vec()].concat(),
            Format::Csv,
            expect![[r#"
                value `x` does not fit int64, the type inferred for its column
                  at -, row 20001 (line 20002), column `a`

                hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`"#]],
        );
        check(
            &[b"a\n".to_vec(), b"1\n".repeat(2 << 20), b"\"x\n".to_vec()].concat(),
            Format::Csv,
            expect![[r#"
                a quoted value is never closed
                  at -, row 2097153 (line 2097154)

                hint: close the quote, or say with `quote` what quotes a value"#]],
        );
        check(b"PAR1", Format::Parquet, expect!["`-` is not a valid parquet file: it has only 4 bytes"]);
    }
}
