//! How do Python arguments become ours?

use std::path::PathBuf;

use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMapping, PySequence, PyString, PyTuple},
};
use serde_json::{Map, Number, Value as Json};

use crate::{
    error::{Fault, Result},
    typed::{self, Argument, type_name},
};

/// Lists and mappings may be nested so deep, and no deeper.
const MAX_DEPTH: usize = 128;

/// One path, or several.
pub(crate) fn paths(object: &Bound<'_, PyAny>) -> Result<Vec<PathBuf>> {
    if let Ok(path) = object.extract::<PathBuf>() {
        return Ok(vec![path]);
    }
    let expected = "a str, an os.PathLike or a list of them";
    if object.cast::<PySequence>().is_err() || object.is_instance_of::<PyBytes>() {
        return Err(typed::wrong("path", expected, object));
    }
    let path = |(index, item): (usize, PyResult<Bound<'_, PyAny>>)| {
        let item = item?;
        let name = format!("path[{index}]");
        item.extract().map_err(|_| typed::wrong(&name, "a str or an os.PathLike", &item))
    };
    object.try_iter()?.enumerate().map(path).collect()
}

/// The options that a caller gave, by name; what was left at its default is `None` or missing.
pub(crate) struct Options<'a, 'py>(pub(crate) &'a Bound<'py, PyDict>);

impl<'py> Options<'_, 'py> {
    /// The value of an option that was given.
    pub(crate) fn one<T: Argument>(&self, name: &str) -> Result<Option<T>> {
        self.any(name)?.map(|value| typed::one(name, &value)).transpose()
    }

    /// The values of an option that was given.
    pub(crate) fn many<T: Argument>(&self, name: &str) -> Result<Option<Vec<T>>> {
        self.any(name)?.map(|value| typed::many(name, &value)).transpose()
    }

    /// The object of an option that was given and is not `None`.
    pub(crate) fn any(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.0.get_item(name)?.filter(|value| !value.is_none()))
    }

    /// Whether an option was given, be it as `None`.
    pub(crate) fn is_given(&self, name: &str) -> PyResult<bool> {
        self.0.contains(name)
    }

    /// An option that is one ASCII character.
    pub(crate) fn byte(&self, name: &str) -> Result<Option<u8>> {
        let Some(given) = self.one::<String>(name)? else { return Ok(None) };
        match given.as_bytes() {
            [byte] if byte.is_ascii() => Ok(Some(*byte)),
            _ => Err(Fault::Unfit {
                name: name.to_owned(),
                expected: "one ASCII character",
                given: format!("{given:?}"),
            }),
        }
    }

    /// An option that is one of some words.
    pub(crate) fn word<T: Copy>(
        &self,
        option: &'static str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>> {
        let Some(given) = self.one::<String>(option)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == given) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let known = words.iter().map(|(word, _)| *word).collect();
                Err(Fault::UnknownWord { option, given, known })
            }
        }
    }
}

/// The value of a Python object, as JSON has it. Paths become text.
///
/// # Errors
/// A `TypeError` or `ValueError` that names the place of what JSON cannot hold.
pub(crate) fn json(object: &Bound<'_, PyAny>) -> PyResult<Json> {
    json_at(object, &mut Vec::new())
}

fn json_at(object: &Bound<'_, PyAny>, place: &mut Vec<String>) -> PyResult<Json> {
    if place.len() > MAX_DEPTH {
        return Err(PyValueError::new_err(format!("nested deeper than {MAX_DEPTH} levels")));
    }
    if object.is_none() {
        return Ok(Json::Null);
    }
    if let Ok(value) = object.cast::<PyBool>() {
        return Ok(Json::Bool(value.is_true()));
    }
    if object.is_instance_of::<PyInt>() {
        return match (object.extract::<i64>(), object.extract::<u64>()) {
            (Ok(number), _) => Ok(number.into()),
            (_, Ok(number)) => Ok(number.into()),
            _ => Err(refused::<PyValueError>(place, "an integer beyond 64 bits")),
        };
    }
    if let Ok(value) = object.cast::<PyFloat>() {
        return Number::from_f64(value.value())
            .map(Json::Number)
            .ok_or_else(|| refused::<PyValueError>(place, "a number that is not finite"));
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Json::String(text.to_str()?.to_owned()));
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let mut items = Vec::new();
        for (index, item) in object.try_iter()?.enumerate() {
            place.push(format!("[{index}]"));
            items.push(json_at(&item?, place)?);
            place.pop();
        }
        return Ok(Json::Array(items));
    }
    if let Ok(mapping) = object.cast::<PyMapping>() {
        let mut entries = Map::new();
        for entry in mapping.items()?.iter() {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = entry.extract()?;
            let Ok(key) = key.extract::<String>() else {
                return Err(refused::<PyTypeError>(place, &format!("a key of type {}", type_name(&key))));
            };
            place.push(format!(".{key}"));
            let value = json_at(&value, place)?;
            place.pop();
            entries.insert(key, value);
        }
        return Ok(Json::Object(entries));
    }
    if let Ok(path) = object.extract::<PathBuf>() {
        return match path.to_str() {
            Some(text) => Ok(Json::String(text.to_owned())),
            None => Err(refused::<PyValueError>(place, "a path that is not UTF-8")),
        };
    }
    Err(refused::<PyTypeError>(place, &format!("a value of type {}", type_name(object))))
}

fn refused<E: pyo3::PyTypeInfo>(place: &[String], what: &str) -> PyErr {
    let place = place.concat();
    let place = place.trim_start_matches('.');
    let message = match place {
        "" => format!("{what} cannot stand here"),
        place => format!("{place}: {what} cannot stand here"),
    };
    PyErr::new::<E, _>(message)
}

/// A Python object of a JSON value.
pub(crate) fn from_json<'py>(py: Python<'py>, value: &Json) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (value.to_string(),))
}
