//! What is known of an NDJSON file before its rows are read, and where is a row in it?

use std::ops::Range;

use arrow::datatypes::SchemaRef;

use crate::{
    IoError, Result, RowProblem,
    text::{file::TextFile, window::Window},
};

/// An NDJSON file's columns and types.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) text: TextFile,
    pub(crate) schema: SchemaRef,
    /// Whether the type of each column was inferred.
    pub(crate) inferred: Vec<bool>,
    /// Whether columns were looked for in the first rows.
    pub(crate) sampled: bool,
}

/// What is wrong with a row, and in which column; dotted when nested.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) column: Option<String>,
    pub(crate) problem: RowProblem,
}

impl Fault {
    /// A fault in a value inside column `name`.
    pub(crate) fn within(mut self, name: &str) -> Self {
        self.column = Some(match self.column {
            Some(inner) => format!("{name}.{inner}"),
            None => name.to_owned(),
        });
        self
    }
}

impl<P: Into<RowProblem>> From<P> for Fault {
    fn from(problem: P) -> Self {
        Self { column: None, problem: problem.into() }
    }
}

/// The error for what is wrong with the line that begins at byte `offset` of the file.
pub(crate) fn error(text: &TextFile, offset: u64, fault: Fault) -> IoError {
    match locate(text, offset) {
        Ok((row, line)) => IoError::Row {
            path: text.path().to_owned(),
            row,
            line,
            column: fault.column,
            problem: fault.problem,
        },
        Err(error) => error,
    }
}

/// The row and the line, from 1, that begin at byte `offset`.
fn locate(text: &TextFile, offset: u64) -> Result<(u64, u64)> {
    let mut lines = Lines::new(Window::new(text, text.range().start..offset)?);
    let (mut rows, mut count) = (1, 1);
    while let Some(line) = lines.next()? {
        rows += u64::from(!is_blank(lines.bytes().get(line).unwrap_or_default()));
        count += 1;
        lines.release_many();
    }
    Ok((rows, count))
}

pub(crate) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

/// Lines are let go together when they hold this many bytes.
const MANY_BYTES: usize = 1 << 20;

/// The lines of a window.
#[derive(Debug)]
pub(crate) struct Lines {
    window: Window,
    at: usize,
    /// Where the line given last begins in the window.
    begin: usize,
    too_long: bool,
}

impl Lines {
    pub(crate) fn new(window: Window) -> Self {
        Self { window, at: 0, begin: 0, too_long: false }
    }

    /// Lets the lines given so far go.
    pub(crate) fn release(&mut self) {
        self.window.release(self.at);
        (self.at, self.begin) = (0, 0);
    }

    /// Lets the lines given so far go when they are many, since what is kept is moved.
    pub(crate) fn release_many(&mut self) {
        if self.at >= MANY_BYTES {
            self.release();
        }
    }

    /// The place of the next line in the bytes, its newline left away; none at the end, or when it is
    /// too long to be held.
    pub(crate) fn next(&mut self) -> Result<Option<Range<usize>>> {
        let mut searched = self.at;
        let end = loop {
            let rest = self.window.bytes().get(searched..).unwrap_or_default();
            if let Some(newline) = memchr::memchr(b'\n', rest) {
                break searched + newline;
            }
            searched = self.window.bytes().len();
            if self.window.ended() {
                break searched;
            }
            if !self.window.grow()? {
                self.too_long = true;
                (self.begin, self.at) = (self.at, searched);
                return Ok(None);
            }
        };
        let length = self.window.bytes().len();
        if self.at >= length {
            return Ok(None);
        }
        (self.begin, self.at) = (self.at, length.min(end + 1));
        Ok(Some(self.begin..end))
    }

    /// The bytes of the lines given since the last release.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.window.bytes().get(..self.at).unwrap_or_default()
    }

    /// Whether there was no next line because it is too long.
    pub(crate) fn too_long(&self) -> bool {
        self.too_long
    }

    /// Where the bytes begin in the file.
    pub(crate) fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// Where the line given last begins in the bytes.
    pub(crate) fn begin(&self) -> usize {
        self.begin
    }
}
