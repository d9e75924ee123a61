//! What is behind `bowstring.quant.Model`?

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use arrow::buffer::Buffer;
use bowstring::quant::{Dtype, Model, Tensor};
use pyo3::{intern, prelude::*};

use crate::{
    columns::numpy,
    error::Result,
    quant::{failed, rows, whole},
    table::PyTable,
    work::work_apart,
};

/// The tensors of a model, in files that are mapped into memory.
#[pyclass(module = "bowstring._bowstring", name = "NativeModel", frozen)]
pub(crate) struct PyModel {
    model: Arc<Model>,
}

#[pymethods]
impl PyModel {
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> Result<Self> {
        let model = work_apart(py, move |_| Model::open(path).map_err(failed))?;
        Ok(Self { model: Arc::new(model) })
    }

    /// A row for each tensor.
    fn tensors(&self) -> Result<PyTable> {
        rows(&self.model.reports())
    }

    /// The names of the tensors, in order.
    fn names(&self) -> Vec<&str> {
        self.model.tensors().map(|tensor| tensor.name).collect()
    }

    /// What each file says of itself.
    fn metadata(&self) -> Vec<(PathBuf, &HashMap<String, String>)> {
        self.model.metadata().map(|(path, metadata)| (path.to_owned(), metadata)).collect()
    }

    /// The type of a tensor, as its file has it, and the length of each axis.
    fn described(&self, name: &str) -> Result<(String, Vec<usize>)> {
        let tensor = self.model.tensor(name).map_err(failed)?;
        Ok((tensor.dtype.to_string(), tensor.shape.to_vec()))
    }

    /// The numbers of a tensor, of its shape: of its own type, those that numpy does not have as floats of 32 bits.
    fn read<'py>(&self, py: Python<'py>, name: String) -> Result<Bound<'py, PyAny>> {
        let model = Arc::clone(&self.model);
        let (numbers, kind, shape) = work_apart(py, move |_| {
            let tensor = model.tensor(&name).map_err(failed)?;
            let (numbers, kind) = numbers(&tensor)?;
            let shape = tensor.shape.to_vec();
            model.release(&name).map_err(failed)?;
            Ok((numbers, kind, shape))
        })?;
        Ok(numpy(py, numbers, kind)?.call_method1(intern!(py, "reshape"), (shape,))?)
    }
}

/// A copy of what a tensor has, and what numpy calls its type.
fn numbers(tensor: &Tensor<'_>) -> Result<(Buffer, &'static str)> {
    let own = match tensor.dtype {
        Dtype::F64 => Some("<f8"),
        Dtype::F32 => Some("<f4"),
        Dtype::F16 => Some("<f2"),
        other => whole(other),
    };
    match own {
        Some("bool") => {
            let flags = tensor.bytes.iter().map(|&byte| u8::from(byte != 0)).collect::<Vec<_>>();
            Ok((flags.into(), "bool"))
        }
        Some(kind) => Ok((Buffer::from(tensor.bytes), kind)),
        None => {
            let mut numbers = Vec::new();
            tensor.read(&mut numbers).map_err(failed)?;
            Ok((Buffer::from_vec(numbers), "<f4"))
        }
    }
}
