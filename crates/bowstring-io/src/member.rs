//! How do the columns of one file become the columns of its dataset?
//!
//! A dataset has the columns of its first file, then those of its partitions. Another file may have
//! them in another order; names and types must be the same, but a column may be nullable in one file
//! and not in another.

use std::{path::Path, sync::Arc};

use arrow::{
    array::{Array, ArrayData, ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array, make_array},
    compute::take,
    datatypes::{DataType, Field, Schema, SchemaRef},
};

use crate::{
    ColumnStatistics, IoError, Predicate, Result, Scan, Statistics,
    hive::Partitions,
    nested::{Narrowed, Wanted},
    predicate::Folded,
    source::Source,
};

/// A file of a dataset.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) source: Arc<dyn Source>,
    /// Where each column of the dataset comes from.
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
pub(crate) enum Column {
    /// The file's column of this index.
    File(usize),
    /// The same value in every row: an array of one row.
    Constant(ArrayRef),
}

/// The schema of files that are read as one, and its files.
pub(crate) fn merge(
    sources: Vec<Arc<dyn Source>>,
    partitions: Partitions,
) -> Result<(SchemaRef, Vec<Member>)> {
    let Some(first) = sources.first() else {
        return Err(IoError::NoMatch { pattern: String::new() });
    };
    let mut fields: Vec<Field> = first.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    for partition in &partitions.fields {
        if fields.iter().any(|field| field.name() == partition.name()) {
            return Err(IoError::InvalidPartition {
                path: first.path().to_owned(),
                reason: format!("column `{}` is in the file and in the name of its folder", partition.name()),
            });
        }
    }
    let mut members = Vec::with_capacity(sources.len());
    let mut values = partitions.values.into_iter();
    for source in &sources {
        let mut columns = file_columns(source.path(), source.schema(), &mut fields)?;
        columns.extend(values.next().unwrap_or_default().into_iter().map(Column::Constant));
        members.push(Member { source: Arc::clone(source), columns });
    }
    fields.extend(partitions.fields);
    let metadata = first.schema().metadata().clone();
    Ok((Arc::new(Schema::new_with_metadata(fields, metadata)), members))
}

/// Where the dataset's columns are in a file; makes those of `fields` nullable that are so in the file.
fn file_columns(path: &Path, schema: &Schema, fields: &mut [Field]) -> Result<Vec<Column>> {
    let mismatch = |reason: String| IoError::SchemaMismatch { path: path.to_owned(), reason };
    if let Some(extra) =
        schema.fields().iter().find(|own| !fields.iter().any(|field| field.name() == own.name()))
    {
        return Err(mismatch(format!("column `{}` is not in the first file", extra.name())));
    }
    let mut columns = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter_mut().enumerate() {
        // Names need not be unique in one file; then its order is the dataset's.
        let same_place = schema.fields().get(index).filter(|own| own.name() == field.name()).map(|_| index);
        let Some(at) = same_place.or_else(|| schema.index_of(field.name()).ok()) else {
            return Err(mismatch(format!("column `{}` is missing", field.name())));
        };
        let own = schema.field(at);
        if !is_same(field.data_type(), own.data_type()) {
            return Err(mismatch(format!(
                "column `{}` is {}, not {}",
                field.name(),
                own.data_type(),
                field.data_type()
            )));
        }
        field.set_nullable(field.is_nullable() || own.is_nullable());
        columns.push(Column::File(at));
    }
    Ok(columns)
}

/// What is known of a column with one value in so many rows.
pub(crate) fn constant(value: &ArrayRef, rows: Option<u64>) -> ColumnStatistics {
    let bound = (!value.is_null(0)).then(|| Arc::clone(value));
    ColumnStatistics {
        exact: bound.is_some() && rows.is_some_and(|rows| rows > 0),
        min: bound.clone(),
        max: bound,
        null_count: if value.is_null(0) { rows } else { Some(0) },
        distinct_count: None,
    }
}

impl Member {
    /// The member with less of each of the dataset's columns.
    pub(crate) fn narrowed(&self, wanted: &[Wanted]) -> Self {
        let mut own = vec![Wanted::Whole; self.source.schema().fields().len()];
        for (column, wanted) in self.columns.iter().zip(wanted) {
            if let Column::File(index) = column
                && let Some(place) = own.get_mut(*index)
            {
                *place = wanted.clone();
            }
        }
        let source = self.source.narrowed(&own);
        let source = source.unwrap_or_else(|| Arc::new(Narrowed::new(Arc::clone(&self.source), own)));
        Self { source, columns: self.columns.clone() }
    }

    /// The member with some of its source's rows.
    pub(crate) fn over(&self, source: impl Source + 'static) -> Self {
        Self { source: Arc::new(source), columns: self.columns.clone() }
    }

    /// Where each column of the dataset comes from.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The scan of the file that a scan of the dataset asks for; `None` when the partition rules out
    /// every row.
    pub(crate) fn translate(&self, scan: &Scan) -> Result<Option<Scan>> {
        let predicate = match &scan.predicate {
            None => None,
            Some(predicate) => match self.fold(predicate)? {
                Folded::Known(true) => None,
                Folded::Known(false) => return Ok(None),
                Folded::Rest(predicate) => Some(predicate),
            },
        };
        let projection = self.wanted(scan).filter_map(|column| match column {
            Column::File(index) => Some(*index),
            Column::Constant(_) => None,
        });
        Ok(Some(Scan { projection: Some(projection.collect()), predicate, ..scan.clone() }))
    }

    fn fold(&self, predicate: &Predicate) -> Result<Folded> {
        predicate.without_not().fold(&|index| match self.columns.get(index) {
            Some(Column::Constant(value)) => Err(Arc::clone(value)),
            Some(Column::File(own)) => Ok(*own),
            None => Ok(index),
        })
    }

    /// What is known of the dataset's columns from this file alone.
    pub(crate) fn statistics(&self) -> Statistics {
        let mut own = self.source.statistics();
        let rows = own.num_rows;
        let columns = self.columns.iter().map(|column| match column {
            Column::File(index) => own.columns.get_mut(*index).map(std::mem::take).unwrap_or_default(),
            Column::Constant(value) => constant(value, rows),
        });
        let columns = columns.collect();
        Statistics { columns, ..own }
    }

    fn wanted<'a>(&'a self, scan: &'a Scan) -> impl Iterator<Item = &'a Column> {
        let indices: Box<dyn Iterator<Item = usize>> = match &scan.projection {
            Some(projection) => Box::new(projection.iter().copied()),
            None => Box::new(0..self.columns.len()),
        };
        indices.filter_map(|index| self.columns.get(index))
    }

    /// Turns a batch of the translated scan into one of the dataset, whose projected schema is `schema`.
    pub(crate) fn adapt(&self, batch: &RecordBatch, scan: &Scan, schema: &SchemaRef) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let mut own = batch.columns().iter();
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (column, field) in self.wanted(scan).zip(schema.fields()) {
            columns.push(match column {
                Column::Constant(value) => take(value, &UInt64Array::from_value(0, rows), None)?,
                Column::File(_) => {
                    own.next().map(|array| retyped(array, field)).transpose()?.ok_or_else(|| {
                        IoError::malformed(self.source.path(), "table", "a batch has too few columns")
                    })?
                }
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
    }
}

/// Whether two types are the same but for metadata and the names of list items.
fn is_same(left: &DataType, right: &DataType) -> bool {
    let item = |left: &Field, right: &Field| {
        left.is_nullable() == right.is_nullable() && is_same(left.data_type(), right.data_type())
    };
    match (left, right) {
        (DataType::Struct(left), DataType::Struct(right)) => {
            let each = || left.iter().zip(right);
            left.len() == right.len()
                && each().all(|(left, right)| left.name() == right.name() && item(left, right))
        }
        (DataType::List(left), DataType::List(right))
        | (DataType::LargeList(left), DataType::LargeList(right))
        | (DataType::ListView(left), DataType::ListView(right))
        | (DataType::LargeListView(left), DataType::LargeListView(right)) => item(left, right),
        (DataType::FixedSizeList(left, width), DataType::FixedSizeList(right, other)) => {
            width == other && item(left, right)
        }
        (DataType::Map(left, sorted), DataType::Map(right, other)) => {
            sorted == other && is_same(left.data_type(), right.data_type())
        }
        (left, right) => left == right,
    }
}

/// The array with the field's type, which differs from its own at most in names inside and metadata.
fn retyped(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if array.data_type() == field.data_type() {
        return Ok(Arc::clone(array));
    }
    Ok(make_array(retype(&array.to_data(), field.data_type())?))
}

fn retype(data: &ArrayData, to: &DataType) -> Result<ArrayData> {
    let types: Vec<&DataType> = match to {
        DataType::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => vec![field.data_type()],
        _ => data.child_data().iter().map(ArrayData::data_type).collect(),
    };
    let children = data.child_data().iter().zip(types).map(|(child, to)| retype(child, to));
    let children = children.collect::<Result<Vec<ArrayData>>>()?;
    Ok(data.clone().into_builder().data_type(to.clone()).child_data(children).build()?)
}
