//! What can the process around the command do that the command itself cannot?

use bowstring::Engine;

use crate::error::{CliError, Result};

/// The process in which the command runs.
pub trait Host {
    /// Imports modules, and adds the step types that they register to the engine.
    ///
    /// # Errors
    /// When a module cannot be imported, and where there are no modules.
    fn import(&self, modules: &[String], engine: &mut Engine) -> Result<()>;
}

/// The binary of its own, which has no Python.
#[derive(Clone, Copy, Debug)]
pub struct Native;

impl Host for Native {
    fn import(&self, modules: &[String], _engine: &mut Engine) -> Result<()> {
        Err(CliError::usage(
            format!("cannot import {}: this command has no Python", modules.join(", ")),
            "install the Python package, whose `bowstring` command can: pip install bowstring",
        ))
    }
}
