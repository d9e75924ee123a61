//! The rules of the house that no compiler checks. Each check is a function from what it looks at to
//! the list of what is wrong, so that its tests can plant a fault.

mod code_map;
mod layers;
mod links;
mod text;

use anyhow::{Context, Result};

use crate::{metadata::Metadata, repository};

/// Everything that is wrong with the repository.
pub(crate) fn run() -> Result<Vec<String>> {
    let root = repository::root()?;
    let files = repository::files(&root)?;
    let metadata = Metadata::load(&root)?;
    let architecture = files
        .get("ARCHITECTURE.md")
        .and_then(Option::as_deref)
        .context("ARCHITECTURE.md is missing or not text")?;

    let mut problems = layers::check(&layers::edges(&metadata));
    let members: Vec<&str> = metadata.members().map(|package| package.name.as_str()).collect();
    problems.extend(code_map::check(architecture, &members));
    problems.extend(links::check(&files));
    problems.extend(text::check(&files));
    Ok(problems)
}
