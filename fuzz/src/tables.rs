//! What must hold of a file of rows, whatever its bytes?

use std::{
    num::NonZero,
    path::{Path, PathBuf},
};

use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    datatypes::{DataType, SchemaRef},
};
use bowstring_core::{Cancel, Diagnostic, ErrorKind, render};
use bowstring_io::{
    CompareOp, Dataset, EagerOptions, Format, IoError, Predicate, ReadOptions, Result, Scan, parquet_metadata,
};
use tempfile::TempDir;

use crate::options;

/// Rows without bytes, as those of a column of nulls, can be more than can be read; of a file that claims
/// more rows than this, the first ones are.
const MOST_ROWS: u64 = 1 << 20;

/// Parquet: the metadata, and the rows read every way.
pub fn check_parquet(data: &[u8]) {
    let file = Input::new("x.parquet", data, ReadOptions::default());
    let metadata = file.promised(parquet_metadata(std::slice::from_ref(&file.path)));
    let rows = file.check();
    if let (Some(metadata), Some(rows)) = (metadata, rows) {
        assert_eq!(metadata.num_rows, rows as u64, "the metadata counts other rows");
    }
}

/// Arrow IPC, file or stream, as its first bytes say.
pub fn check_ipc(data: &[u8]) {
    Input::new("x.arrow", data, ReadOptions::default()).check();
}

/// CSV, whose options are the first bytes.
pub fn check_csv(data: &[u8]) {
    let Some((bytes, data)) = data.split_first_chunk() else { return };
    let options = ReadOptions { csv: options::csv(*bytes), ..ReadOptions::default() };
    Input::new("x.csv", data, options).check();
}

/// NDJSON, whose options are the first bytes.
pub fn check_ndjson(data: &[u8]) {
    let Some((bytes, data)) = data.split_first_chunk() else { return };
    let options = ReadOptions { json: options::json(*bytes), ..ReadOptions::default() };
    Input::new("x.ndjson", data, options).check();
}

/// A file that a stranger made, and how it is to be read.
struct Input {
    path: PathBuf,
    /// Holds the file, and goes with it.
    _folder: TempDir,
    options: ReadOptions,
    /// Whether the input chose the options too, which may be wrong ones.
    has_options: bool,
}

/// A folder in memory, where the system has such: hundreds of inputs are read in a second.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a temporary folder")
}

impl Input {
    fn new(name: &str, data: &[u8], options: ReadOptions) -> Self {
        let folder = folder();
        let path = folder.path().join(name);
        std::fs::write(&path, data).expect("written");
        let has_options = matches!(name, "x.csv" | "x.ndjson");
        Self { path, _folder: folder, options, has_options }
    }

    /// What was read, or nothing, if the error is one that a file may end in.
    fn promised<T>(&self, result: Result<T>) -> Option<T> {
        let error = match result {
            Ok(found) => return Some(found),
            Err(error) => error,
        };
        let text = render(&error);
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        match error.kind() {
            // Options that make no sense together, or ask for a column that the file has not.
            ErrorKind::Usage => {
                let is_option =
                    matches!(error, IoError::InvalidOption { .. } | IoError::UnknownColumn { .. });
                assert!(is_option && self.has_options, "{error:?}");
            }
            ErrorKind::Data | ErrorKind::Limit => {
                let name = self.path.file_name().and_then(|name| name.to_str()).expect("a name");
                assert!(text.contains(name), "the message names no file: {text}");
            }
            kind => panic!("an error of kind {kind}: {error:?}"),
        }
        None
    }

    /// Reads the file every way; how many rows it has, when it can be read.
    fn check(&self) -> Option<usize> {
        let dataset = self.promised(Dataset::open(std::slice::from_ref(&self.path), &self.options))?;
        let statistics = dataset.statistics();
        assert_eq!(statistics.columns.len(), dataset.schema().fields().len());
        if statistics.num_rows.is_some_and(|rows| rows > MOST_ROWS) {
            self.check_limit(&dataset, None);
            return None;
        }
        let whole = self.promised(scan(&dataset, &Scan::default()));
        let skipped = dataset.skipped_rows();
        let rows = whole.as_ref().map(|batches| count(batches));

        // A reading of less may succeed where the whole fails, but gives nothing that the whole has not.
        self.check_limit(&dataset, rows);
        self.check_fields(&dataset, rows);
        self.check_row_groups(&dataset, rows);
        let projection = dataset.schema().fields().len().checked_sub(1).map(|last| vec![last]);
        let narrow = Scan { projection, batch_rows: 3, ..Scan::default() };
        let narrow = self.promised(scan(&dataset, &narrow));
        let (whole, rows) = (whole?, rows?);
        if let Some(known) = statistics.num_rows {
            assert_eq!(known, rows as u64, "the statistics count other rows");
        }
        if skipped == 0 {
            let narrow = narrow.expect("a column of what was read whole");
            check_last_column(&whole, &narrow);
            self.check_predicates(&dataset, &whole, rows);
        }
        Some(rows)
    }

    fn check_limit(&self, dataset: &Dataset, rows: Option<usize>) {
        let limit = rows.map_or(2, |rows| rows / 2);
        let options =
            EagerOptions { limit: Some(limit), threads: NonZero::new(1), ..EagerOptions::default() };
        if let Some((schema, batches)) = self.promised(dataset.read_all(&options, &Cancel::new())) {
            check_batches(&schema, &batches);
            assert!(count(&batches) <= limit, "more rows than the limit");
            assert!(rows.is_none() || count(&batches) == limit, "fewer rows than there are");
        }
    }

    /// The first field of each structure, or of a list's structures, alone.
    fn check_fields(&self, dataset: &Dataset, rows: Option<usize>) {
        let is_plain = |name: &str| !name.is_empty() && name.chars().all(char::is_alphanumeric);
        for field in dataset.schema().fields() {
            let (DataType::Struct(inner), name) = (items(field.data_type()), field.name()) else { continue };
            let Some(inner) = inner.iter().map(|inner| inner.name()).find(|inner| is_plain(inner)) else {
                continue;
            };
            if is_plain(name) {
                let columns = Some(vec![format!("{name}.{inner}")]);
                let options = EagerOptions { columns, threads: NonZero::new(1), ..EagerOptions::default() };
                if let Some((schema, batches)) = self.promised(dataset.read_all(&options, &Cancel::new())) {
                    check_batches(&schema, &batches);
                    assert!(rows.is_none_or(|rows| count(&batches) == rows), "a field has other rows");
                }
            }
        }
    }

    /// The last row group, then the first: no more rows than there are, each once.
    fn check_row_groups(&self, dataset: &Dataset, rows: Option<usize>) {
        if dataset.format() != Format::Parquet {
            return;
        }
        let Some(metadata) = self.promised(parquet_metadata(std::slice::from_ref(&self.path))) else {
            return;
        };
        let row_groups = match metadata.row_groups.len() {
            0 => Vec::new(),
            1 => vec![0],
            groups => vec![groups - 1, 0],
        };
        let options = EagerOptions {
            row_groups: Some(row_groups),
            threads: NonZero::new(1),
            ..EagerOptions::default()
        };
        if let Some((schema, batches)) = self.promised(dataset.read_all(&options, &Cancel::new())) {
            check_batches(&schema, &batches);
            assert!(
                rows.is_none_or(|rows| count(&batches) <= rows),
                "row groups have more rows than the file"
            );
        }
    }

    /// A row is kept by a condition, by its contrary, or by neither because its value is null. In Parquet
    /// only a filtered reading looks at the statistics, which may lie, and at the index of the pages, which
    /// may be damaged: then rows are missing or an error says so, but none is there twice.
    fn check_predicates(&self, dataset: &Dataset, whole: &[RecordBatch], rows: usize) {
        let may_lie = dataset.format() == Format::Parquet;
        for column in 0..dataset.schema().fields().len().min(4) {
            let null = Predicate::IsNull(column);
            let mut parts = vec![vec![null.clone(), Predicate::IsNotNull(column)]];
            if let Some(value) = first_value(whole, column) {
                let less = Predicate::Compare(column, CompareOp::LtEq, value);
                parts.push(vec![null, less.clone(), Predicate::Not(Box::new(less))]);
            }
            for parts in parts {
                let kept = parts.iter().map(|predicate| {
                    let predicate = Some(predicate.clone());
                    let kept = self.promised(scan(dataset, &Scan { predicate, ..Scan::default() }));
                    assert!(kept.is_some() || may_lie, "what was read whole cannot be filtered");
                    kept.map_or(0, |kept| count(&kept))
                });
                let kept: usize = kept.sum();
                assert!(kept == rows || (may_lie && kept < rows), "{parts:?} keep {kept} of {rows} rows");
            }
        }
    }
}

/// Reads part by part, and checks each batch.
fn scan(dataset: &Dataset, scan: &Scan) -> Result<Vec<RecordBatch>> {
    let schema = match &scan.projection {
        Some(projection) => SchemaRef::new(dataset.schema().project(projection)?),
        None => SchemaRef::clone(dataset.schema()),
    };
    let mut batches = Vec::new();
    for part in dataset.split(scan)? {
        for batch in dataset.read(&part, scan, &Cancel::new())? {
            let batch = batch?;
            assert!(batch.num_rows() <= scan.batch_rows, "a batch of {} rows", batch.num_rows());
            batches.push(batch);
        }
    }
    check_batches(&schema, &batches);
    Ok(batches)
}

fn check_batches(schema: &SchemaRef, batches: &[RecordBatch]) {
    for batch in batches {
        assert_eq!(batch.schema_ref(), schema, "a batch of another schema");
        for column in batch.columns() {
            column.to_data().validate_full().expect("an array that holds what its type says");
        }
    }
}

fn check_last_column(whole: &[RecordBatch], narrow: &[RecordBatch]) {
    let last = |batches: &[RecordBatch]| {
        let columns: Vec<ArrayRef> =
            batches.iter().filter_map(|batch| batch.columns().last().cloned()).collect();
        let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        if columns.is_empty() { None } else { arrow::compute::concat(&columns).ok() }
    };
    assert_eq!(count(whole), count(narrow), "a column has other rows than the table");
    // Dictionaries may be put together in another way; what they mean is compared by the tests of each crate.
    if let (Some(left), Some(right)) = (last(whole), last(narrow))
        && !matches!(left.data_type(), DataType::Dictionary(..))
    {
        let (left, right) = (left.to_data(), right.to_data());
        assert!(left == right || has_nan(left.data_type()), "a column read alone has other values");
    }
}

/// The type of a list's items, however deep, or the type itself.
fn items(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => items(item.data_type()),
        other => other,
    }
}

/// Whether its values may differ from themselves.
fn has_nan(data_type: &DataType) -> bool {
    data_type.is_floating() || data_type.is_nested()
}

/// The first value that is not null of a column whose values have an order.
fn first_value(batches: &[RecordBatch], column: usize) -> Option<ArrayRef> {
    let ordered = |data_type: &DataType| {
        data_type.is_primitive() || matches!(data_type, DataType::Utf8 | DataType::Boolean | DataType::Binary)
    };
    let mut columns = batches.iter().map(|batch| batch.column(column));
    columns.by_ref().filter(|values| ordered(values.data_type())).find_map(|values| {
        let row = (0..values.len()).find(|row| values.is_valid(*row))?;
        Some(values.slice(row, 1))
    })
}

fn count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}
