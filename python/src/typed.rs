//! Which type must an argument have, and what is said of one that has another?

use std::path::PathBuf;

use pyo3::{
    exceptions::{PyOverflowError, PyTypeError, PyValueError},
    intern,
    prelude::*,
    types::{PySequence, PyString},
};

use crate::error::{Fault, Result};

/// What an argument can be.
pub(crate) trait Argument: for<'a, 'py> FromPyObject<'a, 'py> {
    /// What is expected of it.
    const ONE: &'static str;
    /// What is expected of several.
    const MANY: &'static str;
}

impl Argument for String {
    const ONE: &'static str = "a str";
    const MANY: &'static str = "a list of str";
}

impl Argument for bool {
    const ONE: &'static str = "a bool";
    const MANY: &'static str = "a list of bool";
}

impl Argument for f64 {
    const ONE: &'static str = "a number";
    const MANY: &'static str = "a list of numbers";
}

impl Argument for i32 {
    const ONE: &'static str = "a whole number";
    const MANY: &'static str = "a list of whole numbers";
}

impl Argument for usize {
    const ONE: &'static str = "a whole number of at least 0";
    const MANY: &'static str = "a list of whole numbers";
}

impl Argument for PathBuf {
    const ONE: &'static str = "a path";
    const MANY: &'static str = "a list of paths";
}

/// The value of an argument.
///
/// # Errors
/// A `TypeError` that names the argument when it has another type, [`Fault::Unfit`] when only its value does
/// not fit.
pub(crate) fn one<T: Argument>(name: &str, object: &Bound<'_, PyAny>) -> Result<T> {
    let extracted: Result<T, _> = object.extract();
    extracted.map_err(|error| {
        let (py, error): (_, PyErr) = (object.py(), error.into());
        if error.is_instance_of::<PyTypeError>(py) {
            wrong(name, T::ONE, object)
        } else if error.is_instance_of::<PyOverflowError>(py) || error.is_instance_of::<PyValueError>(py) {
            let given = object.repr().map_or_else(|_| type_name(object), |text| text.to_string());
            Fault::Unfit { name: name.to_owned(), expected: T::ONE, given }
        } else {
            Fault::Python(error)
        }
    })
}

/// The values of an argument that is a sequence; a text alone is refused, because it would be taken for a
/// list of letters.
///
/// # Errors
/// As [`one`], of the argument or of one of its items.
pub(crate) fn many<T: Argument>(name: &str, object: &Bound<'_, PyAny>) -> Result<Vec<T>> {
    if object.is_instance_of::<PyString>() || object.cast::<PySequence>().is_err() {
        return Err(wrong(name, T::MANY, object));
    }
    let items = object.try_iter()?.enumerate();
    items.map(|(index, item)| one(&format!("{name}[{index}]"), &item?)).collect()
}

/// The pairs of a mapping of text to text.
///
/// # Errors
/// A `TypeError` that names the argument.
pub(crate) fn mapping(
    name: &str,
    expected: &str,
    object: &Bound<'_, PyAny>,
) -> Result<Vec<(String, String)>> {
    if !object.hasattr(intern!(object.py(), "items"))? {
        return Err(wrong(name, expected, object));
    }
    let pairs = object.call_method0(intern!(object.py(), "items"))?;
    let pair = |pair: PyResult<Bound<'_, PyAny>>| {
        let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair?.extract()?;
        let key = one::<String>(name, &key)?;
        let value = one(&format!("{name}[{key:?}]"), &value)?;
        Ok((key, value))
    };
    pairs.try_iter()?.map(pair).collect()
}

/// A path.
///
/// # Errors
/// A `TypeError` that names the argument.
pub(crate) fn path(object: &Bound<'_, PyAny>) -> Result<PathBuf> {
    object.extract().map_err(|_| wrong("path", "a str or an os.PathLike", object))
}

/// What is said of an argument of another type than is expected.
pub(crate) fn wrong(name: &str, expected: &str, object: &Bound<'_, PyAny>) -> Fault {
    let given = type_name(object);
    Fault::Python(PyTypeError::new_err(format!("{name}: expected {expected}, got {given}")))
}

/// The name of an object's type.
pub(crate) fn type_name(object: &Bound<'_, PyAny>) -> String {
    let name = object.get_type().fully_qualified_name();
    name.and_then(|name| name.extract()).unwrap_or_else(|_| "an object".to_owned())
}
