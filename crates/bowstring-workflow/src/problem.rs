//! What is wrong with a document, and where?

use std::fmt;

use bowstring_core::{Diagnostic, ErrorKind};
use serde_json::{Value as Json, json};

/// A place in a document: line and column when it was text, a path when it was a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// The name that the text was given, as a file's; empty for a document made from a value.
    pub source: String,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// Keys and indices from the root, as `steps[1].config.query`; empty for the root.
    pub path: String,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "{}:{line}:{column}", self.source),
            _ if self.source.is_empty() && self.path.is_empty() => f.write_str("the document"),
            _ if self.source.is_empty() => f.write_str(&self.path),
            _ if self.path.is_empty() => f.write_str(&self.source),
            _ => write!(f, "{}: {}", self.source, self.path),
        }
    }
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub location: Location,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a document, in the order of the text; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// A list of `{source, line, column, path, message, hint}` for tools; what is not known is null.
    pub fn to_json(&self) -> Json {
        let entry = |problem: &Problem| {
            json!({
                "source": problem.location.source,
                "line": problem.location.line,
                "column": problem.location.column,
                "path": problem.location.path,
                "message": problem.message,
                "hint": problem.hint,
            })
        };
        Json::Array(self.0.iter().map(entry).collect())
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [problem] = self.0.as_slice() {
            return f.write_str(&problem.message);
        }
        write!(f, "the workflow has {} problems", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n\n{problem}"))
    }
}

impl std::error::Error for Problems {}

impl Diagnostic for Problems {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidWorkflow
    }

    fn place(&self) -> Option<String> {
        match self.0.as_slice() {
            [problem] => Some(problem.location.to_string()),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self.0.as_slice() {
            [problem] => problem.hint.clone(),
            _ => None,
        }
    }
}

/// Gathers problems and puts them in order: those of given parameters first, then by position.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sink(Vec<(u32, Problem)>);

impl Sink {
    /// Adds a problem at the place of rank `order`; 0 comes before the document.
    pub(crate) fn add(&mut self, order: u32, problem: Problem) {
        self.0.push((order, problem));
    }

    /// How many problems there are so far.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The result when nothing was wrong, else all problems.
    pub(crate) fn finish<T>(mut self, result: Option<T>) -> Result<T, Problems> {
        self.0.sort_by_key(|(order, _)| *order);
        let problems: Vec<Problem> = self.0.into_iter().map(|(_, problem)| problem).collect();
        match result {
            Some(result) if problems.is_empty() => Ok(result),
            _ => Err(Problems(problems)),
        }
    }
}
