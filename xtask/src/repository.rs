//! The files that git knows of, and their text.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// The root of the repository that this runs in, which need not be the one that it was built in.
pub(crate) fn root() -> Result<PathBuf> {
    let printed = output_of(Command::new("git").args(["rev-parse", "--show-toplevel"]))?;
    Ok(PathBuf::from(String::from_utf8(printed)?.trim_end()))
}

/// What a program printed, or an error that says what it complained of.
pub(crate) fn output_of(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

/// Every file that is tracked or about to be, by its path from the root; `None` stands for a file
/// that is not text.
pub(crate) fn files(root: &Path) -> Result<BTreeMap<String, Option<String>>> {
    let list = output_of(
        Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root),
    )?;
    let list = String::from_utf8(list).context("a file name is not UTF-8")?;
    let mut files = BTreeMap::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        match std::fs::read(root.join(path)) {
            Ok(bytes) => {
                files.insert(path.to_owned(), String::from_utf8(bytes).ok());
            }
            // Deleted in the working tree, not yet in the index.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
        }
    }
    Ok(files)
}
