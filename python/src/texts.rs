//! How do texts come in? As Python strings or as an Arrow column, neither of which is copied.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::DataType,
};
use bowstring::tokenizer::{Texts, TokenizerError};
use pyo3::{
    intern,
    prelude::*,
    pybacked::PyBackedStr,
    types::{PyBytes, PyMapping, PyString},
};
use pyo3_arrow::input::AnyArray;

use crate::{
    error::{Fault, Result},
    typed,
};

/// Texts that their owner keeps alive. Clones share them.
#[derive(Clone)]
pub(crate) enum Given {
    /// Strings, `None` for null.
    Strings(Arc<Vec<Option<PyBackedStr>>>),
    /// The chunks of a column.
    Column(Arc<Vec<ArrayRef>>),
}

const EXPECTED: &str = "a list of str or None, or an Arrow column of text";

impl Given {
    /// Takes a sequence of strings, or any object with the Arrow PyCapsule interface.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> Result<Self> {
        let py = object.py();
        if object.hasattr(intern!(py, "__arrow_c_array__"))?
            || object.hasattr(intern!(py, "__arrow_c_stream__"))?
        {
            let column = object.extract::<AnyArray>()?.into_chunked_array().map_err(PyErr::from)?;
            return Ok(Given::Column(Arc::new(column.chunks().to_vec())));
        }
        let is_other = object.is_instance_of::<PyString>()
            || object.is_instance_of::<PyBytes>()
            || object.cast::<PyMapping>().is_ok();
        if is_other {
            return Err(typed::wrong("texts", EXPECTED, object));
        }
        let items = object.try_iter().map_err(|_| typed::wrong("texts", EXPECTED, object))?;
        let mut strings = Vec::with_capacity(object.len().unwrap_or(0));
        for item in items {
            let item = item?;
            strings.push(match item.is_none() {
                true => None,
                false => Some(text_at(&item, || format!("texts[{}]", strings.len()))?),
            });
        }
        Ok(Given::Strings(Arc::new(strings)))
    }

    /// How many bytes there are, or more.
    pub(crate) fn num_bytes(&self) -> usize {
        match self {
            Given::Strings(strings) => strings.iter().flatten().map(|text| text.len() + 16).sum(),
            Given::Column(chunks) => chunks
                .iter()
                .map(|chunk| {
                    let data = chunk.to_data();
                    data.get_slice_memory_size().unwrap_or_else(|_| data.get_buffer_memory_size())
                })
                .sum(),
        }
    }

    /// Calls `work` with the texts, once what another library handed over is seen to be text.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Texts<'_>) -> Result<T>) -> Result<T> {
        match self {
            Given::Strings(strings) => {
                let texts: Vec<Option<&str>> = strings.iter().map(Option::as_deref).collect();
                work(&Texts::from_options(&texts))
            }
            Given::Column(chunks) => {
                let mut row = 0;
                for chunk in chunks.iter() {
                    check(chunk, row)?;
                    row += chunk.len();
                }
                work(&Texts::from_chunks(chunks).map_err(bowstring::Error::from)?)
            }
        }
    }
}

/// A str, by this name in messages.
pub(crate) fn text(name: &str, object: &Bound<'_, PyAny>) -> Result<PyBackedStr> {
    text_at(object, || name.to_owned())
}

fn text_at(object: &Bound<'_, PyAny>, name: impl Fn() -> String) -> Result<PyBackedStr> {
    let Ok(string) = object.cast::<PyString>() else {
        return Err(typed::wrong(&name(), "a str", object));
    };
    PyBackedStr::try_from(string.clone()).map_err(|error| {
        let at = error.value(object.py()).getattr(intern!(object.py(), "start"));
        match at.and_then(|at| at.extract()) {
            Ok(at) => Fault::Surrogate { name: name(), at },
            Err(_) => Fault::Python(error),
        }
    })
}

/// Refuses bytes that are not UTF-8, which another library may have put into a column of text; `first` is
/// the number of its first row.
fn check(array: &ArrayRef, first: usize) -> Result<()> {
    let values = match array.data_type() {
        DataType::Dictionary(_, _) => Arc::clone(array.as_any_dictionary().values()),
        _ => Arc::clone(array),
    };
    if values.to_data().validate_full().is_ok() {
        return Ok(());
    }
    let invalid = |bytes: &[u8]| std::str::from_utf8(bytes).err().map(|error| error.valid_up_to());
    let bytes = |row: usize| -> Option<&[u8]> {
        Some(match values.data_type() {
            DataType::Utf8 => {
                slice(values.as_string::<i32>().value_data(), values.as_string::<i32>().value_offsets(), row)?
            }
            DataType::LargeUtf8 => {
                slice(values.as_string::<i64>().value_data(), values.as_string::<i64>().value_offsets(), row)?
            }
            _ => return None,
        })
    };
    let found = (0..values.len()).find_map(|row| Some((row, bytes(row).and_then(invalid)?)));
    let is_dictionary = matches!(array.data_type(), DataType::Dictionary(_, _));
    let (row, at) = match found {
        Some((row, at)) => ((!is_dictionary).then_some(first + row), at),
        None => (None, 0),
    };
    Err(bowstring::Error::from(TokenizerError::InvalidText { at, row }).into())
}

fn slice<'a, O: arrow::array::OffsetSizeTrait>(
    data: &'a [u8],
    offsets: &[O],
    row: usize,
) -> Option<&'a [u8]> {
    data.get(offsets.get(row)?.as_usize()..offsets.get(row + 1)?.as_usize())
}
