//! Which values do the next rows of a file have?

use std::ops::Range;

use super::{
    layout::Nulls,
    record::{Dialect, Field, Outcome},
};
use crate::{
    Result, RowProblem,
    text::{column::Cell, file::TextFile, window::Window},
};

/// Rows end a batch early when they hold more bytes than this.
const BATCH_BYTES: usize = 256 << 20;

/// A few rows of a file, as places of their values. A row that is not what it should be has no
/// values, and a problem.
#[derive(Debug)]
pub(crate) struct Rows {
    window: Window,
    /// Where the next record begins in the window.
    at: usize,
    width: usize,
    /// Whether the record before was without quotes.
    plain: bool,
    /// `width` for each row.
    fields: Vec<Field>,
    /// The bytes of each row.
    spans: Vec<(u32, u32)>,
    /// What is wrong: with which row, and which of its columns.
    pub(crate) problems: Vec<Problem>,
}

/// What is wrong with a row, and in which column.
pub(crate) type Problem = (usize, Option<usize>, RowProblem);

/// The problem of the first row that has one: of all rows, or of those that cannot be left out, because
/// nothing ends them and they may have swallowed any number of others.
pub(crate) fn first_problem(problems: &[Problem], all: bool) -> Option<Problem> {
    let endless = |problem: &RowProblem| matches!(problem, RowProblem::OpenQuote | RowProblem::TooLong);
    let counts = problems.iter().filter(|(.., problem)| all || endless(problem));
    counts.min_by_key(|(row, column, _)| (*row, *column)).cloned()
}

impl Rows {
    /// Reads a range that begins with a record.
    pub(crate) fn new(text: &TextFile, range: Range<u64>, width: usize) -> Result<Self> {
        let window = Window::new(text, range)?;
        Ok(Self {
            window,
            at: 0,
            width,
            plain: true,
            fields: Vec::new(),
            spans: Vec::new(),
            problems: Vec::new(),
        })
    }

    /// Lets the rows go and reads up to `most` others; fewer when there are no more, when they are large,
    /// or, if `stop` says so, at the first that is structured wrongly. Returns how many.
    pub(crate) fn read(&mut self, dialect: &Dialect, most: usize, stop: bool) -> Result<usize> {
        self.window.release(self.at);
        self.at = 0;
        self.fields.clear();
        self.spans.clear();
        self.problems.clear();
        while self.spans.len() < most && self.at < BATCH_BYTES && (!stop || self.problems.is_empty()) {
            let (bytes, last) = (self.window.bytes(), self.window.ended());
            if last && self.at >= bytes.len() {
                break;
            }
            let known = self.fields.len();
            let end = bytes.len();
            // Records of one file tend to be alike.
            if self.plain
                && let Some(next) = dialect.plain_record(bytes, self.at, &mut self.fields)
                && self.fields.len() - known == self.width
            {
                self.spans.push((self.at as u32, next as u32));
                self.at = next;
                continue;
            }
            self.fields.truncate(known);
            let (next, problem) = match dialect.record(bytes, self.at, last, &mut self.fields) {
                Outcome::Record { next } => (next, None),
                Outcome::AfterQuote { next } => (next, Some(RowProblem::AfterQuote)),
                // A blank line is a row of nothing where a row has one value, and else it is no row.
                Outcome::Blank { next } if self.width == 1 => (next, None),
                Outcome::Blank { next } | Outcome::Comment { next } => {
                    self.fields.truncate(known);
                    self.at = next;
                    continue;
                }
                Outcome::OpenQuote => (end, Some(RowProblem::OpenQuote)),
                Outcome::Incomplete => {
                    self.fields.truncate(known);
                    if self.window.grow()? {
                        continue;
                    }
                    (end, Some(RowProblem::TooLong))
                }
            };
            let found = self.fields.len() - known;
            self.plain = !self.fields.iter().skip(known).any(|field| field.quoted);
            let row = self.spans.len();
            if let Some(problem) = problem {
                self.problems.push((row, None, problem));
            } else if found != self.width {
                self.problems.push((row, None, RowProblem::FieldCount { expected: self.width, found }));
            }
            if found != self.width || self.problems.last().is_some_and(|(last, ..)| *last == row) {
                self.fields.truncate(known);
                self.fields.resize(known + self.width, Field::EMPTY);
            }
            self.spans.push((self.at as u32, next as u32));
            self.at = next;
        }
        self.check_bytes();
        Ok(self.spans.len())
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Where a row begins in the file.
    pub(crate) fn offset(&self, row: usize) -> u64 {
        self.window.offset() + self.spans.get(row).map_or(0, |(start, _)| u64::from(*start))
    }

    /// The values of a column.
    pub(crate) fn column<'a>(
        &'a self,
        column: usize,
        is_text: bool,
        nulls: &'a Nulls,
        dialect: &'a Dialect,
    ) -> impl Iterator<Item = Cell<'a>> {
        let bytes = self.window.bytes();
        let fields = self.fields.get(column..).unwrap_or_default().iter().step_by(self.width.max(1));
        fields.map(move |field| nulls.cell(bytes, *field, dialect, is_text))
    }

    /// Finds bytes that no row may hold. Most files have none, which is seen at the speed of memory.
    fn check_bytes(&mut self) {
        let bytes = self.window.bytes().get(..self.at).unwrap_or_default();
        let mut found: Vec<Problem> = Vec::new();
        found.extend(memchr::memchr2_iter(0, b'\r', bytes).filter_map(|at| {
            let nul = bytes.get(at) == Some(&0);
            if !nul && bytes.get(at + 1).is_none_or(|byte| *byte == b'\n') {
                return None;
            }
            let row = self.row_of(at)?;
            match self.field_of(row, at) {
                field if nul => Some((row, field.map(|(column, _)| column), RowProblem::NulByte)),
                Some((_, field)) if field.quoted => None,
                field => Some((row, field.map(|(column, _)| column), RowProblem::BareReturn)),
            }
        }));
        if simdutf8::basic::from_utf8(bytes).is_err() {
            for (row, (start, end)) in self.spans.iter().enumerate() {
                let Some(text) = bytes.get(*start as usize..*end as usize) else { continue };
                if let Err(error) = std::str::from_utf8(text) {
                    let at = *start as usize + error.valid_up_to();
                    let column = self.field_of(row, at).map(|(column, _)| column);
                    found.push((row, column, RowProblem::NotUtf8));
                }
            }
        }
        for (row, ..) in &found {
            let start = row * self.width;
            if let Some(fields) = self.fields.get_mut(start..start + self.width) {
                fields.fill(Field::EMPTY);
            }
        }
        self.problems.append(&mut found);
    }

    /// The row that holds a byte of the window; none for bytes of comments.
    fn row_of(&self, at: usize) -> Option<usize> {
        let row = self.spans.partition_point(|(start, _)| *start as usize <= at).checked_sub(1)?;
        self.spans.get(row).filter(|(_, end)| at < *end as usize).map(|_| row)
    }

    /// The column and the field of a row that hold a byte of the window.
    fn field_of(&self, row: usize, at: usize) -> Option<(usize, Field)> {
        let start = row * self.width;
        let fields = self.fields.get(start..start + self.width)?.iter();
        let mut holding =
            fields.enumerate().filter(|(_, field)| (field.start as usize..field.end as usize).contains(&at));
        holding.next().map(|(column, field)| (column, *field))
    }
}
