//! What do the footers of Parquet files say, taken together?

use std::path::PathBuf;

use arrow::datatypes::{DataType, SchemaRef};
use parquet::file::metadata::RowGroupMetaData;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::{
    ColumnStatistics, Dataset, Format, IoError, ReadOptions, Result,
    member::{Column, Member, constant},
    parquet_read::ParquetFile,
    parquet_stats::{self, Leaf},
    source::Source,
    statistics::merge_columns,
};

/// What is known of one or more Parquet files, read as one table, without reading their rows.
#[derive(Clone, Debug)]
pub struct ParquetMetadata {
    /// Rows of all files.
    pub num_rows: u64,
    /// Row groups of all files.
    pub num_row_groups: usize,
    /// Columns that hold values: nested ones count by what they consist of, folders' keys count too.
    pub num_columns: usize,
    /// Bytes of all files.
    pub size_bytes: u64,
    /// Who wrote them; `None` when a file does not say so, or they do not agree.
    pub created_by: Option<String>,
    /// The schema as which they are read.
    pub schema: SchemaRef,
    /// What the writers added, in the order of the files, each pair once: a key on which the files do not
    /// agree comes once with each of its values.
    pub key_value_metadata: Vec<(String, Option<String>)>,
    /// The row groups, in the order of their rows.
    pub row_groups: Vec<RowGroupInfo>,
    /// One for each of the columns that hold values.
    pub statistics: Vec<LeafStatistics>,
}

/// A row group of a Parquet file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowGroupInfo {
    /// The file.
    pub file: PathBuf,
    /// Its rows.
    pub num_rows: u64,
    /// Bytes of its values, encoded but not compressed.
    pub total_byte_size: u64,
    /// Bytes that it takes in the file.
    pub compressed_size: u64,
}

/// What is known of a column that holds values, which may lie within another.
#[derive(Clone, Debug)]
pub struct LeafStatistics {
    /// Its path in the Parquet schema, with dots: `point.x`, `tags.list.element`.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// What is known of it, over all files. Nulls count for each value, not each row, where it lies in a
    /// list, and include those of the columns in which it lies.
    pub known: ColumnStatistics,
}

/// Reads the footers of the Parquet files that `paths` stand for, as [`Dataset::open`] says, in parallel.
///
/// # Errors
/// Those of [`Dataset::open`]; also when a file is not Parquet.
pub fn parquet_metadata(paths: &[PathBuf]) -> Result<ParquetMetadata> {
    let dataset =
        Dataset::open(paths, &ReadOptions { format: Some(Format::Parquet), ..ReadOptions::default() })?;
    let files = dataset.members().iter().map(|member| {
        let path = member.source.path();
        let file = member.source.as_parquet();
        file.map(|file| (member, file))
            .ok_or_else(|| IoError::malformed(path, "parquet", "it is something else"))
    });
    let files: Vec<(&Member, &ParquetFile)> = files.collect::<Result<_>>()?;
    let row_groups: Vec<RowGroupInfo> = files.iter().flat_map(|(_, file)| row_groups(file)).collect();
    let statistics = statistics(&dataset, &files);
    let created_by = |file: &ParquetFile| file.metadata().file_metadata().created_by().map(str::to_owned);
    let mut writers = files.iter().map(|(_, file)| created_by(file));
    let first_writer = writers.next().flatten();
    Ok(ParquetMetadata {
        num_rows: row_groups.iter().map(|group| group.num_rows).sum(),
        num_row_groups: row_groups.len(),
        num_columns: statistics.len(),
        size_bytes: files.iter().map(|(_, file)| file.length()).sum(),
        created_by: if writers.all(|writer| writer == first_writer) { first_writer } else { None },
        schema: SchemaRef::clone(dataset.schema()),
        key_value_metadata: key_values(&files),
        row_groups,
        statistics,
    })
}

fn row_groups(file: &ParquetFile) -> impl Iterator<Item = RowGroupInfo> + '_ {
    // The footer's reader has refused negative numbers.
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    file.metadata().row_groups().iter().map(move |group| RowGroupInfo {
        file: file.path().to_owned(),
        num_rows: count(group.num_rows()),
        total_byte_size: count(group.total_byte_size()),
        compressed_size: group.columns().iter().map(|chunk| count(chunk.compressed_size())).sum(),
    })
}

fn key_values(files: &[(&Member, &ParquetFile)]) -> Vec<(String, Option<String>)> {
    let mut pairs = Vec::new();
    for (_, file) in files {
        for entry in file.metadata().file_metadata().key_value_metadata().into_iter().flatten() {
            let pair = (entry.key.clone(), entry.value.clone());
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
    }
    pairs
}

/// What is known of a column in some rows, of which it has that many values.
type Known = (Option<u64>, ColumnStatistics);

/// The statistics of each leaf of the dataset's columns, over all files.
fn statistics(dataset: &Dataset, files: &[(&Member, &ParquetFile)]) -> Vec<LeafStatistics> {
    let of_files = files.par_iter().map(|(member, file)| of_file(dataset, member, file));
    let mut columns: Vec<(String, DataType, Vec<Known>)> = Vec::new();
    for of_file in of_files.collect::<Vec<_>>() {
        // The files' columns have the same types, and so the same leaves in the same order.
        for (at, (name, data_type, known)) in of_file.into_iter().enumerate() {
            match columns.get_mut(at) {
                Some((.., whole)) => whole.extend(known),
                None => columns.push((name, data_type, known)),
            }
        }
    }
    let merged = columns.into_iter().map(|(name, data_type, known)| {
        let known = merge_columns(known.into_iter().filter(|(values, _)| *values != Some(0)));
        LeafStatistics { name, data_type, known }
    });
    merged.collect()
}

/// The leaves of a file in the order of the dataset's columns, with what each row group knows of them.
fn of_file(dataset: &Dataset, member: &Member, file: &ParquetFile) -> Vec<(String, DataType, Vec<Known>)> {
    let groups: Vec<&RowGroupMetaData> = file.metadata().row_groups().iter().collect();
    let mut leaves = Vec::new();
    for (column, field) in member.columns().iter().zip(dataset.schema().fields()) {
        match column {
            Column::File(root) => {
                for leaf in file.leaves().iter().filter(|leaf| leaf.root == *root) {
                    let values = groups.iter().map(|group| values(group, leaf));
                    let known = parquet_stats::of_row_groups(file.metadata(), leaf, &groups);
                    let known = values.zip(known).collect();
                    leaves.push((leaf.name.clone(), leaf.field.data_type().clone(), known));
                }
            }
            Column::Constant(value) => {
                let rows = groups.iter().map(|group| u64::try_from(group.num_rows()).ok()).sum();
                let known = vec![(rows, constant(value, rows))];
                leaves.push((field.name().clone(), field.data_type().clone(), known));
            }
        }
    }
    leaves
}

fn values(group: &RowGroupMetaData, leaf: &Leaf) -> Option<u64> {
    group.columns().get(leaf.index).and_then(|chunk| u64::try_from(chunk.num_values()).ok())
}
