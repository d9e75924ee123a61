//! How do batches with dictionaries of their own share one?
//!
//! An Arrow IPC file may extend a dictionary, but not replace it. So each dictionary column has one
//! dictionary that grows: the values of a batch's dictionary are looked up in it, new ones are added at
//! its end, and the batch's keys are renumbered.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, UInt64Array, make_array},
    compute::{cast, concat, take},
    datatypes::{ArrowNativeType, DataType, SchemaRef, UInt64Type},
    row::{OwnedRow, RowConverter, SortField},
};

use crate::{IoError, Result};

/// The growing dictionaries of a schema's columns.
pub(crate) struct Dictionaries(Vec<Option<Dictionary>>);

impl Dictionaries {
    /// Empty ones for the dictionary columns of `schema`.
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self> {
        let fields = schema.fields().iter().map(|field| match field.data_type() {
            DataType::Dictionary(_, values) => Dictionary::new(field.name(), values).map(Some),
            inner if holds_dictionary(inner) => Err(IoError::Unwritable {
                column: field.name().clone(),
                data_type: inner.to_string(),
                format: "an IPC file",
                hint: Some("write an IPC stream, in which every batch can have its own dictionaries"),
            }),
            _ => Ok(None),
        });
        Ok(Self(fields.collect::<Result<_>>()?))
    }

    /// The batch with every dictionary an extension of the batch before's.
    pub(crate) fn unify(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = batch.columns().iter().zip(&mut self.0).map(|(column, dictionary)| match dictionary {
            Some(dictionary) => dictionary.unify(column),
            None => Ok(Arc::clone(column)),
        });
        Ok(RecordBatch::try_new(batch.schema(), columns.collect::<Result<_>>()?)?)
    }
}

fn holds_dictionary(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(..) => true,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => holds_dictionary(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_dictionary(field.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| holds_dictionary(field.data_type())),
        DataType::RunEndEncoded(_, values) => holds_dictionary(values.data_type()),
        _ => false,
    }
}

struct Dictionary {
    column: String,
    rows: RowConverter,
    places: HashMap<OwnedRow, u64>,
    values: ArrayRef,
}

impl Dictionary {
    fn new(column: &str, values: &DataType) -> Result<Self> {
        Ok(Self {
            column: column.to_owned(),
            rows: RowConverter::new(vec![SortField::new(values.clone())])?,
            places: HashMap::new(),
            values: arrow::array::new_empty_array(values),
        })
    }

    fn unify(&mut self, column: &ArrayRef) -> Result<ArrayRef> {
        let dictionary = column.as_any_dictionary();
        let places = self.extend(dictionary.values())?;
        let keys = cast(dictionary.keys(), &DataType::UInt64)?;
        let keys = take(&places, keys.as_primitive::<UInt64Type>(), None)?;
        let DataType::Dictionary(key_type, _) = column.data_type() else { return Ok(Arc::clone(column)) };
        // A key that does not fit its type becomes null by the cast, which must not pass for a null.
        let narrow = cast(&keys, key_type)?;
        if narrow.null_count() != keys.null_count() {
            return Err(IoError::Unwritable {
                column: self.column.clone(),
                data_type: format!("{} with {} values", column.data_type(), self.values.len()),
                format: "an IPC file",
                hint: Some("cast it to a dictionary with wider keys, or to its values"),
            });
        }
        let data = narrow.to_data().into_builder().data_type(column.data_type().clone());
        Ok(make_array(data.child_data(vec![self.values.to_data()]).build()?))
    }

    /// Adds the values that are new; gives where each one is.
    fn extend(&mut self, values: &ArrayRef) -> Result<UInt64Array> {
        let rows = self.rows.convert_columns(std::slice::from_ref(values))?;
        let (mut places, mut fresh) = (Vec::with_capacity(values.len()), Vec::new());
        for (index, row) in rows.iter().enumerate() {
            let next = self.places.len() as u64;
            let place = *self.places.entry(row.owned()).or_insert(next);
            if place == next {
                fresh.push(u64::usize_as(index));
            }
            places.push(place);
        }
        if !fresh.is_empty() {
            let added = take(values, &UInt64Array::from(fresh), None)?;
            self.values = concat(&[&self.values, &added])?;
        }
        Ok(PrimitiveArray::from(places))
    }
}
