//! How do objects become arrays? Each column keeps the places of its values, and decodes them together.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, ListArray, StructArray},
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Fields},
};

use super::{
    layout::Fault,
    parse::{Kind, Parser, Value, plain},
};
use crate::{Result, RowProblem, text::column};

/// Faults of a column's values: their places in the column, and what is wrong.
pub(crate) type Faults = Vec<(usize, Fault)>;

/// The columns of objects.
#[derive(Debug)]
pub(crate) struct Object {
    columns: Vec<Column>,
    places: HashMap<String, usize>,
    /// Whether more rows could have shown more keys.
    inferred: bool,
    count: usize,
}

#[derive(Debug)]
struct Column {
    field: FieldRef,
    /// Its name in quotes, as most writers write it; none when that needs escapes.
    quoted: Option<Vec<u8>>,
    inferred: bool,
    values: Values,
}

#[derive(Debug)]
enum Values {
    /// So many values that nobody asked for.
    Skipped(usize),
    Scalars(Vec<Place>),
    Lists {
        valid: Vec<bool>,
        offsets: Vec<i32>,
        item: Box<Column>,
    },
    Objects {
        valid: Vec<bool>,
        object: Object,
    },
}

/// Where a scalar stands in the bytes.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    end: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Null,
    Plain,
    Escaped,
}

/// Whether values of this type can be read.
pub(crate) fn supports(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => supports(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| supports(field.data_type())),
        other => column::supports(other),
    }
}

impl Object {
    /// The columns of a file. Those that are not `wanted` are known, and not kept.
    pub(crate) fn new(
        fields: &Fields,
        inferred: &[bool],
        sampled: bool,
        wanted: impl Fn(usize) -> bool,
    ) -> Self {
        let columns = fields.iter().zip(inferred).enumerate().map(|(index, (field, inferred))| {
            let mut column = Column::new(field, *inferred);
            if !wanted(index) {
                column.values = Values::Skipped(0);
            }
            column
        });
        Self::of(columns.collect(), sampled)
    }

    fn of(columns: Vec<Column>, inferred: bool) -> Self {
        let names = columns.iter().map(|column| column.field.name().clone());
        Self { places: names.zip(0..).collect(), columns, inferred, count: 0 }
    }

    /// Reads an object whose bracket was read.
    pub(crate) fn append(&mut self, parser: &mut Parser<'_>) -> Result<(), Fault> {
        let (mut first, mut expected) = (true, 0);
        loop {
            // Most writers keep the order of keys.
            let next = self.columns.get(expected).and_then(|column| column.quoted.as_deref());
            let place = if next.is_some_and(|quoted| parser.known_key(first, quoted)) {
                Some(expected)
            } else {
                let Some(key) = parser.key(first)? else { break };
                let text = parser.text(key);
                let place = self.place(&text);
                if place.is_none() {
                    let key = String::from_utf8_lossy(&text).into_owned();
                    return Err(RowProblem::UnknownKey { key, inferred: self.inferred }.into());
                }
                place
            };
            first = false;
            let Some((place, column)) = place.and_then(|place| Some((place, self.columns.get_mut(place)?)))
            else {
                break;
            };
            if column.len() > self.count {
                return Err(RowProblem::DuplicateKey { key: column.field.name().clone() }.into());
            }
            column.append(parser).map_err(|fault| fault.within(column.field.name()))?;
            expected = place + 1;
        }
        self.count += 1;
        for column in &mut self.columns {
            if column.len() < self.count {
                column.append_null();
            }
        }
        Ok(())
    }

    fn place(&self, key: &[u8]) -> Option<usize> {
        self.places.get(std::str::from_utf8(key).ok()?).copied()
    }

    fn append_null(&mut self) {
        self.count += 1;
        self.columns.iter_mut().for_each(Column::append_null);
    }

    /// Lets all but the first `count` objects go, also those that were read in part.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.count = count;
        self.columns.iter_mut().for_each(|column| column.truncate(count));
    }

    /// The columns that are kept. `valid` says which objects are not null.
    pub(crate) fn arrays(
        &self,
        bytes: &[u8],
        valid: Option<&[bool]>,
        faults: &mut Faults,
    ) -> Result<Vec<ArrayRef>> {
        let kept = self.columns.iter().filter(|column| !matches!(column.values, Values::Skipped(_)));
        let decode = |column: &Column| {
            let known = faults.len();
            let array = column.array(bytes, faults)?;
            if !column.field.is_nullable() {
                let is_told = |place| faults.iter().skip(known).any(|(told, _)| *told == place);
                let is_valid = |place| valid.is_none_or(|valid| valid.get(place) == Some(&true));
                let missing = (0..array.len())
                    .find(|place| array.is_null(*place) && is_valid(*place) && !is_told(*place));
                faults.extend(missing.map(|place| (place, RowProblem::Missing.into())));
            }
            for (_, fault) in faults.iter_mut().skip(known) {
                *fault = fault.clone().within(column.field.name());
            }
            Ok(array)
        };
        kept.map(decode).collect()
    }
}

impl Column {
    fn new(field: &FieldRef, inferred: bool) -> Self {
        let values = match field.data_type() {
            DataType::List(item) | DataType::LargeList(item) => Values::Lists {
                valid: Vec::new(),
                offsets: vec![0],
                item: Box::new(Column::new(item, inferred)),
            },
            DataType::Struct(fields) => {
                let columns = fields.iter().map(|field| Column::new(field, inferred)).collect();
                Values::Objects { valid: Vec::new(), object: Object::of(columns, inferred) }
            }
            _ => Values::Scalars(Vec::new()),
        };
        let needs_escape = |character: char| matches!(character, '"' | '\\') || character.is_control();
        let quoted = (!field.name().contains(needs_escape)).then(|| format!("\"{}\"", field.name()).into());
        Self { field: Arc::clone(field), quoted, inferred, values }
    }

    fn len(&self) -> usize {
        match &self.values {
            Values::Skipped(count) => *count,
            Values::Scalars(places) => places.len(),
            Values::Lists { valid, .. } | Values::Objects { valid, .. } => valid.len(),
        }
    }

    fn append(&mut self, parser: &mut Parser<'_>) -> Result<(), Fault> {
        let value = parser.value()?;
        match (&mut self.values, value.kind) {
            (Values::Skipped(count), kind) => {
                parser.skip(kind)?;
                *count += 1;
            }
            (_, Kind::Null) => self.append_null(),
            (Values::Scalars(places), _) => {
                let place = scalar(self.field.data_type(), self.inferred, value, parser)?;
                places.push(place);
            }
            (Values::Lists { valid, offsets, item }, Kind::Array) => {
                let mut first = true;
                while parser.item(first)? {
                    first = false;
                    item.append(parser)?;
                }
                // A window holds fewer than 2^31 bytes, so it holds fewer items.
                offsets.push(item.len() as i32);
                valid.push(true);
            }
            (Values::Objects { valid, object }, Kind::Object) => {
                object.append(parser)?;
                valid.push(true);
            }
            _ => return Err(misfit(self.field.data_type(), self.inferred, value, parser)),
        }
        Ok(())
    }

    fn append_null(&mut self) {
        match &mut self.values {
            Values::Skipped(count) => *count += 1,
            Values::Scalars(places) => places.push(Place { start: 0, end: 0, state: State::Null }),
            Values::Lists { valid, offsets, .. } => {
                valid.push(false);
                offsets.push(offsets.last().copied().unwrap_or_default());
            }
            Values::Objects { valid, object } => {
                valid.push(false);
                object.append_null();
            }
        }
    }

    fn truncate(&mut self, count: usize) {
        match &mut self.values {
            Values::Skipped(skipped) => *skipped = count.min(*skipped),
            Values::Scalars(places) => places.truncate(count),
            Values::Lists { valid, offsets, item } => {
                valid.truncate(count);
                offsets.truncate(count + 1);
                item.truncate(offsets.last().copied().unwrap_or_default() as usize);
            }
            Values::Objects { valid, object } => {
                valid.truncate(count);
                object.truncate(count);
            }
        }
    }

    fn array(&self, bytes: &[u8], faults: &mut Faults) -> Result<ArrayRef> {
        let data_type = self.field.data_type();
        Ok(match &self.values {
            Values::Skipped(count) => arrow::array::new_null_array(data_type, *count),
            Values::Scalars(places) => {
                let cell = |place: &Place| {
                    let text = bytes.get(place.start as usize..place.end as usize).unwrap_or_default();
                    match place.state {
                        State::Null => None,
                        State::Plain => Some(Cow::Borrowed(text)),
                        State::Escaped => Some(plain(text, true)),
                    }
                };
                let mut misfit = |place, text: &[u8]| {
                    faults.push((place, RowProblem::value(text, data_type, self.inferred).into()));
                };
                let cells = places.iter().map(cell);
                column::decode(data_type, self.inferred, places.len(), cells, &mut misfit)?
            }
            Values::Lists { valid, offsets, item } => {
                let mut inner = Vec::new();
                let items = item.array(bytes, &mut inner)?;
                if !item.field.is_nullable() {
                    let missing = (0..items.len()).find(|place| items.is_null(*place));
                    let missing = missing.filter(|place| inner.iter().all(|(told, _)| told != place));
                    inner.extend(missing.map(|place| (place, RowProblem::Missing.into())));
                }
                let lacks = !inner.is_empty() && !item.field.is_nullable();
                faults.extend(inner.into_iter().map(|(place, fault)| {
                    let list = offsets.partition_point(|offset| *offset as usize <= place);
                    (list.saturating_sub(1), fault)
                }));
                if lacks {
                    // The batch ends with an error, and nulls have no place in such a list.
                    return Ok(arrow::array::new_null_array(data_type, valid.len()));
                }
                let field = Arc::new(Field::clone(&item.field));
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets.clone()));
                cast(&ListArray::try_new(field, offsets, items, nulls(valid))?, data_type)?
            }
            Values::Objects { valid, object } => {
                let known = faults.len();
                let arrays = object.arrays(bytes, Some(valid), faults)?;
                match data_type {
                    _ if faults.len() > known => arrow::array::new_null_array(data_type, valid.len()),
                    DataType::Struct(fields) if !fields.is_empty() => {
                        Arc::new(StructArray::try_new(fields.clone(), arrays, nulls(valid))?)
                    }
                    _ => Arc::new(StructArray::new_empty_fields(valid.len(), nulls(valid))),
                }
            }
        })
    }
}

fn nulls(valid: &[bool]) -> Option<NullBuffer> {
    Some(NullBuffer::from(valid)).filter(|nulls| nulls.null_count() > 0)
}

/// The place of a scalar of a column. An inferred type takes what it was inferred from; one that
/// somebody asked for is also read from text, and text is any value as it stands.
fn scalar(
    data_type: &DataType,
    inferred: bool,
    value: Value,
    parser: &mut Parser<'_>,
) -> Result<Place, Fault> {
    let is_text = column::is_text(data_type);
    let fits = match (value.kind, data_type) {
        (Kind::Text, _) => is_text || !inferred,
        _ if is_text => !inferred,
        (Kind::Boolean, DataType::Boolean) => true,
        (Kind::Number, DataType::Boolean) => false,
        (Kind::Number, _) => true,
        _ => false,
    };
    if !fits {
        return Err(misfit(data_type, inferred, value, parser));
    }
    parser.skip(value.kind)?;
    let end = if matches!(value.kind, Kind::Array | Kind::Object) { parser.at() } else { value.end };
    let state = if value.escaped { State::Escaped } else { State::Plain };
    // A window holds fewer than 2^31 bytes.
    Ok(Place { start: value.start as u32, end: end as u32, state })
}

/// The fault of a value that its column cannot hold, or of what is wrong inside it.
fn misfit(data_type: &DataType, inferred: bool, value: Value, parser: &mut Parser<'_>) -> Fault {
    if let Err(wrong) = parser.skip(value.kind) {
        return wrong.into();
    }
    let text = match value.kind {
        Kind::Text => parser.slice(value.start.saturating_sub(1), value.end + 1),
        _ => parser.slice(value.start, parser.at()),
    };
    RowProblem::value(text, data_type, inferred).into()
}
