//! Which files does a path, a pattern or a folder stand for?
//!
//! A path that exists is taken as it is, even when it holds a wildcard. Otherwise a path with one of
//! `*`, `?`, `[` or `{` is a pattern, in which `**` crosses folders. Of a folder, given or matched by
//! a pattern, every file below it is read, except those whose name, or whose folder's name, begins
//! with `.` or `_`. What a folder or a pattern stands for is sorted by path; a list keeps its order.

use std::{
    ffi::OsStr,
    path::{Component, Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};
use walkdir::{DirEntry, WalkDir};

use crate::{IoError, Result};

/// A file, and the folder below which the names of its folders may say something about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// The folder that was given, or a pattern's part before its first wildcard; `None` for a file
    /// that was named itself.
    pub(crate) root: Option<PathBuf>,
}

/// The files that `paths` stand for.
pub(crate) fn discover(paths: &[PathBuf]) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for path in paths {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => found.extend(below(path, path, None)?),
            Ok(_) => found.push(Found { path: path.clone(), root: None }),
            Err(_) if is_pattern(path) => found.extend(matches(path)?),
            Err(error) => return Err(IoError::system("open", path, error)),
        }
    }
    if found.is_empty() {
        return Err(IoError::NoMatch { pattern: String::new() });
    }
    Ok(found)
}

fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(['*', '?', '[', '{']))
}

fn matches(pattern: &Path) -> Result<Vec<Found>> {
    let invalid = |error: &globset::Error| IoError::InvalidPattern {
        pattern: pattern.display().to_string(),
        reason: error.kind().to_string(),
    };
    let text = pattern.to_string_lossy();
    let glob = GlobBuilder::new(&text).literal_separator(true).build().map_err(|error| invalid(&error))?;
    let fixed: PathBuf =
        pattern.components().take_while(|part| !is_pattern(Path::new(part.as_os_str()))).collect();
    let start = if fixed.as_os_str().is_empty() { Path::new(".") } else { &fixed };
    if !start.is_dir() {
        return Err(IoError::NoMatch { pattern: text.into_owned() });
    }
    below(pattern, start, Some(&glob.compile_matcher()))
}

/// The files below `start`; those that `glob` matches, or that lie in a folder which it matches.
fn below(given: &Path, start: &Path, glob: Option<&GlobMatcher>) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let walk = WalkDir::new(start).follow_links(true).into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_ignored(entry)) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(start).to_owned();
            IoError::system("list", &path, error.into())
        })?;
        let path = without_dot(entry.path());
        let wanted = |glob: &GlobMatcher| path.ancestors().any(|part| part != start && glob.is_match(part));
        if !entry.file_type().is_dir() && glob.is_none_or(wanted) {
            found.push(Found { path: path.to_owned(), root: Some(start.to_owned()) });
        }
    }
    if found.is_empty() {
        return Err(IoError::NoMatch { pattern: given.display().to_string() });
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(found)
}

fn is_ignored(entry: &DirEntry) -> bool {
    let begins = |name: &OsStr| name.as_encoded_bytes().first().copied();
    matches!(begins(entry.file_name()), Some(b'.' | b'_'))
}

/// The path without a leading `./`, so that patterns match it.
fn without_dot(path: &Path) -> &Path {
    match path.components().next() {
        Some(Component::CurDir) => path.strip_prefix(".").unwrap_or(path),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bowstring_core::render;
    use expect_test::{Expect, expect};

    /// Files `names`, then what `patterns` (relative to them) stand for.
    fn check(names: &[&str], patterns: &[&str], expected: Expect) {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, "").expect("a file");
        }
        let paths: Vec<PathBuf> = patterns.iter().map(|pattern| folder.path().join(pattern)).collect();
        let text = match discover(&paths) {
            Ok(found) => found.iter().map(|file| format!("{}\n", file.path.display())).collect(),
            Err(error) => render(&error),
        };
        expected.assert_eq(&text.replace(&format!("{}", folder.path().display()), "DIR"));
    }

    const TREE: &[&str] =
        &["b.csv", "a.csv", "sub/c.csv", "sub/deep/d.csv", ".hidden", "_SUCCESS", "_tmp/x.csv", ".git/y.csv"];

    #[test]
    fn a_folder_stands_for_every_file_below_it_but_hidden_ones() {
        check(
            TREE,
            &[""],
            expect![[r#"
                DIR/a.csv
                DIR/b.csv
                DIR/sub/c.csv
                DIR/sub/deep/d.csv
            "#]],
        );
    }

    #[test]
    fn a_star_stays_in_its_folder_and_two_cross_it() {
        check(
            TREE,
            &["*.csv"],
            expect![[r#"
                DIR/a.csv
                DIR/b.csv
            "#]],
        );
        check(
            TREE,
            &["**/*.csv"],
            expect![[r#"
                DIR/a.csv
                DIR/b.csv
                DIR/sub/c.csv
                DIR/sub/deep/d.csv
            "#]],
        );
        check(
            TREE,
            &["{a,sub/c}.csv"],
            expect![[r#"
                DIR/a.csv
                DIR/sub/c.csv
            "#]],
        );
    }

    #[test]
    fn a_folder_that_a_pattern_matches_stands_for_its_files() {
        check(
            TREE,
            &["s*"],
            expect![[r#"
                DIR/sub/c.csv
                DIR/sub/deep/d.csv
            "#]],
        );
    }

    #[test]
    fn a_list_keeps_its_order() {
        check(
            TREE,
            &["sub/c.csv", "a.csv"],
            expect![[r#"
                DIR/sub/c.csv
                DIR/a.csv
            "#]],
        );
    }

    #[test]
    fn an_existing_name_is_no_pattern() {
        check(
            &["x[1].csv", "x1.csv"],
            &["x[1].csv"],
            expect![[r#"
                DIR/x[1].csv
            "#]],
        );
    }

    #[test]
    fn what_matches_nothing_is_named() {
        check(&["a.csv"], &["*.parquet"], expect!["no file matches `DIR/*.parquet`"]);
        check(&["a.csv"], &["no/such/*.parquet"], expect!["no file matches `DIR/no/such/*.parquet`"]);
        check(&["_only/hidden"], &[""], expect!["no file matches `DIR/`"]);
        check(
            &["a.csv"],
            &["b.csv"],
            expect!["cannot open `DIR/b.csv`: No such file or directory (os error 2)"],
        );
        check(
            &["a.csv"],
            &["[z-a].csv"],
            expect!["`DIR/[z-a].csv` is not a valid pattern: invalid range; 'z' > 'a'"],
        );
        check(&["a.csv"], &[], expect!["no path was given"]);
    }
}
