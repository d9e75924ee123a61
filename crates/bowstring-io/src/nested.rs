//! Which of the fields within a column are wanted?
//!
//! A name with dots, `point.x`, goes into structures; lists on the way have no name of their own. A
//! name that a column has as it is, dots included, means that column.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use arrow::{
    array::{Array, ArrayData, ArrayRef, RecordBatch, RecordBatchOptions, make_array},
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef},
};
use bowstring_core::{Cancel, nearest};

use crate::{Batches, IoError, Part, Result, Scan, Statistics, source::Source};

/// What is wanted of a column, or of a field within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// As it is.
    Whole,
    /// Some fields of the structure that it is, or that its lists hold, by their index.
    Fields(BTreeMap<usize, Wanted>),
}

impl Wanted {
    /// The field, with what is wanted of it.
    pub(crate) fn field(&self, field: &FieldRef) -> FieldRef {
        match self {
            Wanted::Whole => Arc::clone(field),
            Wanted::Fields(_) => {
                Arc::new(field.as_ref().clone().with_data_type(self.data_type(field.data_type())))
            }
        }
    }

    fn data_type(&self, data_type: &DataType) -> DataType {
        let Wanted::Fields(children) = self else { return data_type.clone() };
        match data_type {
            DataType::Struct(fields) => {
                let wanted = children.iter().filter_map(|(at, own)| Some(own.field(fields.get(*at)?)));
                DataType::Struct(wanted.collect())
            }
            DataType::List(item) => DataType::List(self.field(item)),
            DataType::LargeList(item) => DataType::LargeList(self.field(item)),
            DataType::ListView(item) => DataType::ListView(self.field(item)),
            DataType::LargeListView(item) => DataType::LargeListView(self.field(item)),
            DataType::FixedSizeList(item, width) => DataType::FixedSizeList(self.field(item), *width),
            other => other.clone(),
        }
    }

    /// The array, with what is wanted of it.
    pub(crate) fn array(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Wanted::Whole => Ok(Arc::clone(array)),
            Wanted::Fields(_) => Ok(make_array(self.data(array.to_data())?)),
        }
    }

    fn data(&self, data: ArrayData) -> Result<ArrayData> {
        let Wanted::Fields(children) = self else { return Ok(data) };
        let data_type = self.data_type(data.data_type());
        let old = data.child_data();
        let new = match data.data_type() {
            DataType::Struct(_) => {
                let wanted = children.iter().filter_map(|(at, own)| Some((own, old.get(*at)?.clone())));
                wanted.map(|(own, child)| own.data(child)).collect::<Result<Vec<_>>>()?
            }
            _ => old.iter().map(|child| self.data(child.clone())).collect::<Result<Vec<_>>>()?,
        };
        Ok(data.into_builder().data_type(data_type).child_data(new).build()?)
    }

    /// For each leaf of the field, in depth-first order, whether it is wanted.
    pub(crate) fn leaves(&self, data_type: &DataType, into: &mut Vec<bool>) {
        mark(Some(self), data_type, into);
    }

    /// What is wanted by either.
    fn merge(self, other: Wanted) -> Wanted {
        let (Wanted::Fields(mut fields), Wanted::Fields(others)) = (self, other) else {
            return Wanted::Whole;
        };
        for (at, wanted) in others {
            let merged = match fields.remove(&at) {
                Some(own) => own.merge(wanted),
                None => wanted,
            };
            fields.insert(at, merged);
        }
        Wanted::Fields(fields)
    }
}

fn mark(wanted: Option<&Wanted>, data_type: &DataType, into: &mut Vec<bool>) {
    match (data_type, wanted) {
        (DataType::Struct(fields), Some(Wanted::Fields(children))) => {
            for (at, field) in fields.iter().enumerate() {
                mark(children.get(&at), field.data_type(), into);
            }
        }
        (DataType::Struct(fields), _) => {
            fields.iter().for_each(|field| mark(wanted, field.data_type(), into));
        }
        (
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _)
            | DataType::Map(item, _),
            _,
        ) => mark(wanted, item.data_type(), into),
        _ => into.push(wanted.is_some()),
    }
}

/// The schema, with what is wanted of each column.
pub(crate) fn schema(schema: &Schema, wanted: &[Wanted]) -> SchemaRef {
    let fields: Vec<FieldRef> =
        wanted.iter().zip(schema.fields()).map(|(wanted, field)| wanted.field(field)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// A file of whose columns less is wanted than its reader gives.
#[derive(Debug)]
pub(crate) struct Narrowed {
    inner: Arc<dyn Source>,
    wanted: Vec<Wanted>,
    schema: SchemaRef,
}

impl Narrowed {
    /// `wanted` has one for each column of the file.
    pub(crate) fn new(inner: Arc<dyn Source>, wanted: Vec<Wanted>) -> Self {
        let schema = schema(inner.schema(), &wanted);
        Self { inner, wanted, schema }
    }
}

impl Source for Narrowed {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn statistics(&self) -> Statistics {
        self.inner.statistics()
    }

    fn parts(&self, file: usize, scan: &Scan) -> Result<Vec<Part>> {
        self.inner.parts(file, scan)
    }

    fn read(&self, part: &Part, scan: &Scan, cancel: &Cancel) -> Result<Batches> {
        let projection = scan.projection.clone().unwrap_or_else(|| (0..self.wanted.len()).collect());
        let wanted: Vec<Wanted> =
            projection.iter().filter_map(|column| self.wanted.get(*column).cloned()).collect();
        let schema = Arc::new(self.schema.project(&projection)?);
        let narrow = move |batch: RecordBatch| {
            let columns = wanted.iter().zip(batch.columns()).map(|(wanted, array)| wanted.array(array));
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let columns = columns.collect::<Result<_>>()?;
            Ok(RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?)
        };
        Ok(Box::new(self.inner.read(part, scan, cancel)?.map(move |batch| narrow(batch?))))
    }

    fn skipped_rows(&self) -> u64 {
        self.inner.skipped_rows()
    }
}

/// The columns that `names` mean, in the order in which they are named first, and what is wanted of each.
///
/// # Errors
/// [`IoError::UnknownColumn`], which names the nearest.
pub(crate) fn resolve(schema: &Schema, names: &[String]) -> Result<Vec<(usize, Wanted)>> {
    let mut columns: Vec<(usize, Wanted)> = Vec::new();
    for name in names {
        let (index, wanted) = find(schema.fields(), name).ok_or_else(|| unknown(schema, name))?;
        match columns.iter_mut().find(|(column, _)| *column == index) {
            Some((_, own)) => *own = std::mem::replace(own, Wanted::Whole).merge(wanted),
            None => columns.push((index, wanted)),
        }
    }
    Ok(columns)
}

fn find(fields: &Fields, name: &str) -> Option<(usize, Wanted)> {
    if let Some(index) = fields.iter().position(|field| field.name() == name) {
        return Some((index, Wanted::Whole));
    }
    name.match_indices('.').find_map(|(dot, _)| {
        let (head, tail) = (name.get(..dot)?, name.get(dot + 1..)?);
        // Of columns of one name, the first that has such a field is meant.
        fields.iter().enumerate().filter(|(_, field)| field.name() == head).find_map(|(index, field)| {
            let (child, wanted) = find(children(field.data_type())?, tail)?;
            Some((index, Wanted::Fields(BTreeMap::from([(child, wanted)]))))
        })
    })
}

/// The fields of a structure, or of those that lists hold.
fn children(data_type: &DataType) -> Option<&Fields> {
    match data_type {
        DataType::Struct(fields) => Some(fields),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => children(item.data_type()),
        _ => None,
    }
}

fn unknown(schema: &Schema, name: &str) -> IoError {
    let mut known = Vec::new();
    schema.fields().iter().for_each(|field| collect(field, "", &mut known));
    let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
    // Those within others are many, and seldom meant by a name without a dot.
    if !name.contains('.') {
        known = schema.fields().iter().map(|field| field.name().clone()).collect();
    }
    IoError::UnknownColumn { name: name.to_owned(), nearest, known }
}

fn collect(field: &Field, above: &str, into: &mut Vec<String>) {
    let name = format!("{above}{}", field.name());
    if let Some(fields) = children(field.data_type()) {
        let above = format!("{name}.");
        into.push(name);
        fields.iter().for_each(|field| collect(field, &above, into));
    } else {
        into.push(name);
    }
}
