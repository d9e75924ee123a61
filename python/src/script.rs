//! How does the package bring the command line?

use std::ffi::OsString;

use bowstring::Engine;
use bowstring_cli::{CliError, Host};
use pyo3::prelude::*;

use crate::step;

/// Runs the command that `args` (the program's name first) stand for, and returns the exit code.
#[pyfunction]
pub(crate) fn cli(py: Python<'_>, args: Vec<OsString>) -> u8 {
    py.detach(|| bowstring_cli::main(args, &Interpreter))
}

/// The process of an interpreter, which has modules.
struct Interpreter;

impl Host for Interpreter {
    fn import(&self, modules: &[String], engine: &mut Engine) -> Result<(), CliError> {
        Python::attach(|py| {
            for module in modules {
                py.import(module.as_str()).map_err(|error| CliError::Import {
                    module: module.clone(),
                    message: error.to_string(),
                })?;
            }
            Ok::<_, CliError>(())
        })?;
        step::register_all(engine);
        Ok(())
    }
}
