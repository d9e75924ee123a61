//! How are the row groups of a Parquet file read?
//!
//! Row groups that the predicate rules out by their statistics are left away when a scan is split, and
//! so are pages, by the page index, when a part is read. Small row groups are read together, large ones
//! in several parts.

use std::{
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, PoisonError},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef, error::ArrowError};
use bowstring_core::Cancel;
use parquet::{
    arrow::{
        FieldLevels, ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection},
        parquet_to_arrow_field_levels,
    },
    errors::ParquetError,
    file::metadata::{
        ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
    },
};

use crate::{
    Batches, ColumnStatistics, IoError, Part, Predicate, Result, Scan, Statistics, compacted,
    identity::Identity,
    nested::{self, Wanted},
    parquet_footer,
    parquet_groups::Groups,
    parquet_late::{Late, bits_of},
    parquet_pages::{Failure, Pages},
    parquet_stats::{self, Leaf},
    prune::may_match,
    source::Source,
    statistics,
};

/// Row groups are read together until a part has this many bytes.
const PART_BYTES: u64 = 2 << 20;
/// A row group is cut into parts of at least this many bytes (each decodes its dictionaries anew)
const CUT_BYTES: u64 = 8 << 20;
/// and rows.
const CUT_ROWS: u64 = 1 << 18;
/// A batch has fewer rows than are asked for when these would be more than this many bytes,
const BATCH_BYTES: u64 = 4 << 20;
/// but not fewer than this.
const BATCH_ROWS: usize = 64;

/// A Parquet file whose footer has been read.
#[derive(Clone, Debug)]
pub(crate) struct ParquetFile {
    path: PathBuf,
    identity: Identity,
    metadata: ArrowReaderMetadata,
    leaves: Vec<Leaf>,
    /// The columns, with what is wanted of them.
    schema: SchemaRef,
    /// For each leaf whether it is wanted.
    wanted: Vec<bool>,
    /// The row groups that are read, in this order; all when `None`.
    chosen: Option<Vec<usize>>,
    statistics: OnceLock<Statistics>,
    /// The metadata with the page index, once a predicate has asked for it.
    indexed: OnceLock<Option<ArrowReaderMetadata>>,
}

impl ParquetFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| IoError::system("open", path, error))?;
        let identity = Identity::of(&file, path)?;
        let metadata = Arc::new(parquet_footer::read(&file, identity.length(), path)?);
        let metadata = ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new())
            .map_err(|error| IoError::parquet(path, error))?;
        let leaves =
            parquet_stats::leaves(metadata.metadata(), metadata.schema()).map_err(|(parquet, arrow)| {
                let reason = format!("its schema has {parquet} columns, but {arrow} in its Arrow schema");
                IoError::malformed(path, "parquet", reason)
            })?;
        Ok(Self {
            path: path.to_owned(),
            identity,
            schema: SchemaRef::clone(metadata.schema()),
            metadata,
            wanted: vec![true; leaves.len()],
            chosen: None,
            leaves,
            statistics: OnceLock::new(),
            indexed: OnceLock::new(),
        })
    }

    /// The footer.
    pub(crate) fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.metadata.metadata()
    }

    pub(crate) fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// The size of the file in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.identity.length()
    }

    /// The numbers of the row groups that are read, in their order.
    pub(crate) fn row_groups(&self) -> Box<dyn Iterator<Item = usize> + '_> {
        match &self.chosen {
            Some(chosen) => Box::new(chosen.iter().copied()),
            None => Box::new(0..self.metadata().num_row_groups()),
        }
    }

    /// The file with the rows of some of its row groups.
    pub(crate) fn with_row_groups(&self, chosen: Vec<usize>) -> Self {
        Self { chosen: Some(chosen), statistics: OnceLock::new(), ..self.clone() }
    }

    /// The row groups that are read, each with its number.
    fn groups(&self) -> impl Iterator<Item = (usize, &RowGroupMetaData)> {
        self.row_groups().filter_map(|at| Some((at, self.metadata().row_groups().get(at)?)))
    }

    fn open_again(&self) -> Result<File> {
        let file = File::open(&self.path).map_err(|error| IoError::system("open", &self.path, error))?;
        self.identity.check(&file, &self.path)?;
        Ok(file)
    }

    /// The leaf that is a column of the table, if its values are not nested.
    fn leaf(&self, column: usize) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.is_root && leaf.root == column)
    }

    fn compute_statistics(&self) -> Statistics {
        let groups: Vec<&RowGroupMetaData> = self.groups().map(|(_, group)| group).collect();
        let width = self.schema().fields().len();
        let mut parts: Vec<Statistics> = groups
            .iter()
            .map(|group| Statistics {
                num_rows: u64::try_from(group.num_rows()).ok(),
                total_bytes: 0,
                columns: vec![ColumnStatistics::default(); width],
            })
            .collect();
        for leaf in self.leaves.iter().filter(|leaf| leaf.is_root) {
            let known = parquet_stats::of_row_groups(self.metadata(), leaf, &groups);
            for (part, known) in parts.iter_mut().zip(known) {
                if let Some(column) = part.columns.get_mut(leaf.root) {
                    *column = known;
                }
            }
        }
        let total_bytes = match self.chosen {
            Some(_) => {
                let chunks = groups.iter().flat_map(|group| group.columns());
                chunks.map(|chunk| chunk.compressed_size().max(0) as u64).fold(0, u64::saturating_add)
            }
            None => self.length(),
        };
        Statistics { total_bytes, ..statistics::merge(parts, width) }
    }

    /// The row groups that are read and that the predicate does not rule out.
    fn groups_that_may_match(&self, predicate: Option<&Predicate>) -> Vec<usize> {
        let Some(predicate) = predicate.map(Predicate::without_not) else {
            return self.row_groups().collect();
        };
        let (numbers, groups): (Vec<usize>, Vec<&RowGroupMetaData>) = self.groups().unzip();
        let known: Vec<(usize, Vec<ColumnStatistics>)> = predicate
            .columns()
            .into_iter()
            .filter_map(|column| Some((column, self.leaf(column)?)))
            .map(|(column, leaf)| (column, parquet_stats::of_row_groups(self.metadata(), leaf, &groups)))
            .collect();
        let may = |at: usize, group: &RowGroupMetaData| {
            may_match(&predicate, u64::try_from(group.num_rows()).ok(), &|column| {
                known.iter().find(|(index, _)| *index == column).and_then(|(_, known)| known.get(at).cloned())
            })
        };
        let kept = numbers.into_iter().zip(&groups).enumerate().filter(|(at, (_, group))| may(*at, group));
        kept.map(|(_, (number, _))| number).collect()
    }

    /// Compressed bytes of some columns of a row group.
    fn weight(&self, group: &RowGroupMetaData, columns: &[usize]) -> u64 {
        let chunks = self.read_leaves(columns).filter_map(|leaf| group.columns().get(leaf));
        chunks.map(|chunk| chunk.compressed_size().max(0) as u64).sum()
    }

    /// The rows of the parts in which a large row group is read; `None` when it is one part. To begin
    /// within a row group, pages are skipped by the page index, or else by their headers, which do not tell
    /// rows where values are nested.
    fn cut(&self, group: &RowGroupMetaData, columns: &[usize], weight: u64) -> Option<Vec<Range<u64>>> {
        let rows = u64::try_from(group.num_rows()).ok()?;
        let pieces = (weight / CUT_BYTES).min(rows / CUT_ROWS);
        let skips = |index: usize| {
            let is_flat = self.leaves.get(index).is_some_and(|leaf| leaf.is_root);
            is_flat || group.columns().get(index).is_some_and(|chunk| chunk.offset_index_offset().is_some())
        };
        if pieces < 2 || !self.read_leaves(columns).all(skips) {
            return None;
        }
        let at = |piece: u64| (u128::from(rows) * u128::from(piece) / u128::from(pieces)) as u64;
        Some((0..pieces).map(|piece| at(piece)..at(piece + 1)).collect())
    }

    /// The most rows of a batch of some columns, which are sorted: as many as are asked for, unless they
    /// would take much memory.
    fn batch_rows(&self, groups: &[usize], columns: &[usize], most: usize) -> usize {
        let (mut rows, mut bytes) = (0, 0_u64);
        for group in groups.iter().filter_map(|group| self.metadata().row_groups().get(*group)) {
            rows += u64::try_from(group.num_rows()).unwrap_or_default();
            let chunks = self.read_leaves(columns).filter_map(|leaf| group.columns().get(leaf));
            let size = |chunk: &ColumnChunkMetaData| {
                let texts = chunk.unencoded_byte_array_data_bytes().unwrap_or_default();
                u64::try_from(chunk.uncompressed_size().max(texts)).unwrap_or_default()
            };
            bytes = chunks.map(size).fold(bytes, u64::saturating_add);
        }
        let fit = u128::from(BATCH_BYTES) * u128::from(rows) / u128::from(bytes.max(1));
        most.min(usize::try_from(fit).unwrap_or(usize::MAX).max(BATCH_ROWS))
    }

    /// A selection of these rows of some row groups, counted over all of them.
    fn rows(&self, groups: &[usize], rows: &Range<u64>) -> RowSelection {
        let groups = groups.iter().filter_map(|group| self.metadata().row_groups().get(*group));
        let total: usize = groups.map(|group| usize::try_from(group.num_rows()).unwrap_or_default()).sum();
        let at = |row: u64| usize::try_from(row).unwrap_or(total).min(total);
        RowSelection::from_consecutive_ranges(std::iter::once(at(rows.start)..at(rows.end)), total)
    }

    /// The leaves that are read for some columns, which are sorted.
    fn read_leaves(&self, columns: &[usize]) -> impl Iterator<Item = usize> {
        let leaves = self.leaves.iter().zip(&self.wanted);
        let read = leaves.filter(|(leaf, wanted)| **wanted && columns.binary_search(&leaf.root).is_ok());
        read.map(|(leaf, _)| leaf.index)
    }

    /// How some columns, which are sorted, are made from their leaves.
    fn levels(&self, columns: &[usize]) -> std::result::Result<FieldLevels, ParquetError> {
        let schema = self.metadata().file_metadata().schema_descr();
        let mask = ProjectionMask::leaves(schema, self.read_leaves(columns));
        parquet_to_arrow_field_levels(schema, mask, Some(self.metadata.schema().fields()))
    }

    /// The metadata with the page index, when the file has one.
    fn with_page_index(&self, file: &File) -> Option<&ArrowReaderMetadata> {
        let load = || {
            let chunks = self.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
            let mut chunks = chunks.take(self.leaves.len());
            chunks.any(|chunk| chunk.column_index_offset().is_some()).then_some(())?;
            let mut reader = ParquetMetaDataReader::new_with_metadata(self.metadata().as_ref().clone())
                .with_page_index_policy(PageIndexPolicy::Optional);
            // A page index that cannot be read is one that is not there: it only says what to skip.
            reader.read_page_indexes(file).ok()?;
            let metadata = Arc::new(reader.finish().ok()?);
            ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new()).ok()
        };
        self.indexed.get_or_init(load).as_ref()
    }

    /// The rows of some row groups that are in pages which the predicate does not rule out.
    fn selection(
        &self,
        metadata: &ArrowReaderMetadata,
        groups: &[usize],
        predicate: &Predicate,
    ) -> Option<RowSelection> {
        let predicate = predicate.without_not();
        let conjuncts = match &predicate {
            Predicate::And(parts) => parts.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut selection: Option<RowSelection> = None;
        for conjunct in conjuncts {
            let columns = conjunct.columns();
            let [column] = columns.as_slice() else { continue };
            let Some(leaf) = self.leaf(*column) else { continue };
            let Some(own) = pages_that_may_match(metadata.metadata(), leaf, groups, conjunct) else {
                continue;
            };
            selection = Some(match selection {
                Some(others) => others.intersection(&own),
                None => own,
            });
        }
        selection
    }
}

fn pages_that_may_match(
    metadata: &ParquetMetaData,
    leaf: &Leaf,
    groups: &[usize],
    predicate: &Predicate,
) -> Option<RowSelection> {
    let (mut kept, mut before) = (Vec::new(), 0);
    for group in groups {
        let pages = parquet_stats::of_pages(metadata, leaf, *group)?;
        for (rows, known) in &pages {
            if may_match(predicate, Some(rows.len() as u64), &|_| Some(known.clone())) {
                kept.push(before + rows.start..before + rows.end);
            }
        }
        before += pages.last()?.0.end;
    }
    Some(RowSelection::from_consecutive_ranges(kept.into_iter(), before))
}

impl Source for ParquetFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn statistics(&self) -> Statistics {
        self.statistics.get_or_init(|| self.compute_statistics()).clone()
    }

    fn parts(&self, file: usize, scan: &Scan) -> Result<Vec<Part>> {
        let columns = scan.needed(self.schema().fields().len()).read;
        let range = |index| Some(index..index + 1);
        let mut parts: Vec<Part> = Vec::new();
        for index in self.groups_that_may_match(scan.predicate.as_ref()) {
            let Some(group) = self.metadata().row_groups().get(index) else { continue };
            let (weight, index) = (self.weight(group, &columns), index as u64);
            match parts.last_mut() {
                Some(Part { range: Some(range), rows: None, weight: total, .. })
                    if range.end == index && *total + weight <= PART_BYTES =>
                {
                    range.end += 1;
                    *total += weight;
                }
                _ => match self.cut(group, &columns, weight) {
                    Some(cut) => {
                        let weight = weight / cut.len() as u64;
                        parts.extend(cut.into_iter().map(|rows| Part {
                            file,
                            range: range(index),
                            rows: Some(rows),
                            weight,
                        }));
                    }
                    None => parts.push(Part { file, range: range(index), rows: None, weight }),
                },
            }
        }
        Ok(parts)
    }

    fn read(&self, part: &Part, scan: &Scan, cancel: &Cancel) -> Result<Batches> {
        let file = self.open_again()?;
        let range = part.range.clone().unwrap_or(0..self.metadata().num_row_groups() as u64);
        if range.end > self.metadata().num_row_groups() as u64 {
            return Err(IoError::option(
                "row_groups",
                format!("{range:?} are not in `{}`", self.path.display()),
            ));
        }
        let groups: Vec<usize> = (range.start as usize..range.end as usize).collect();
        let skips = scan.predicate.is_some() || part.rows.is_some();
        let indexed = if skips { self.with_page_index(&file) } else { None };
        let pruned = indexed.zip(scan.predicate.as_ref());
        let pruned = pruned.and_then(|(metadata, predicate)| self.selection(metadata, &groups, predicate));
        let cut = part.rows.as_ref().map(|rows| self.rows(&groups, rows));
        let selection = match (pruned, cut) {
            (Some(pruned), Some(cut)) => Some(pruned.intersection(&cut)),
            (pruned, cut) => pruned.or(cut),
        };
        let metadata = indexed.filter(|_| selection.is_some()).unwrap_or(&self.metadata).clone();
        let columns = scan.needed(self.schema().fields().len()).read;
        let leaves: Vec<usize> = self.read_leaves(&columns).collect();
        let pages = Arc::new(Pages::new(file, self.length(), metadata.metadata(), &groups, &leaves));
        let failure = pages.failure();
        let path = self.path.clone();
        let groups = Groups { pages, metadata: Arc::clone(metadata.metadata()), groups };
        let rows = |columns: &[usize], selection| {
            let levels = self.levels(columns)?;
            let batch_rows = self.batch_rows(&groups.groups, columns, scan.batch_rows);
            let batches = groups.read(&levels, batch_rows, selection)?;
            let (path, failure) = (path.clone(), Arc::clone(&failure));
            Ok(batches.map(move |batch| batch.map_err(|error| failed(&path, &failure, &error))))
        };
        let rows = |columns: &[usize], selection| {
            rows(columns, selection).map_err(|error| IoError::parquet(&self.path, error))
        };
        let (mut left, mut selection) = (scan.clone(), selection);
        let width = self.schema().fields().len();
        let bits =
            |column| self.leaf(column).map_or(0.0, |leaf| bits_of(self.metadata(), &groups.groups, leaf));
        if let Some(late) = Late::of(&mut left, width, bits) {
            let matching = |batch: Result<RecordBatch>| {
                cancel.check()?;
                late.matching(&batch?)
            };
            let matching: Vec<_> =
                rows(&late.columns, selection.clone())?.map(matching).collect::<Result<_>>()?;
            let matching = RowSelection::from_filters(&matching);
            selection = Some(match selection {
                Some(selection) => selection.and_then(&matching),
                None => matching,
            });
        }
        let needed = left.needed(width);
        let batches = rows(&needed.read, selection)?;
        let finished = needed.finish(batches, &left, cancel);
        if scan.predicate.is_none() {
            return Ok(finished);
        }
        Ok(Box::new(finished.map(|batch| batch.and_then(compacted))))
    }

    fn narrowed(&self, wanted: &[Wanted]) -> Option<Arc<dyn Source>> {
        let mut leaves = Vec::with_capacity(self.leaves.len());
        for (wanted, field) in wanted.iter().zip(self.metadata.schema().fields()) {
            wanted.leaves(field.data_type(), &mut leaves);
        }
        let schema = nested::schema(self.metadata.schema(), wanted);
        Some(Arc::new(Self { schema, wanted: leaves, ..self.clone() }))
    }

    fn as_parquet(&self) -> Option<&ParquetFile> {
        Some(self)
    }
}

/// An error of the decoder: the operating system's, where that is the cause, or a malformed file.
fn failed(path: &Path, failure: &Failure, error: &ArrowError) -> IoError {
    let source = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (source, error) {
        (Some(source), _) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            IoError::system("read", path, source)
        }
        (Some(source), _) => IoError::malformed(path, "parquet", source),
        (None, ArrowError::ParquetError(text)) => {
            IoError::malformed(path, "parquet", text.strip_prefix("Parquet error: ").unwrap_or(text))
        }
        (None, error) => IoError::malformed(path, "parquet", error),
    }
}
