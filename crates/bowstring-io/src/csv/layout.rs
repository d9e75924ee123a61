//! What is known of a CSV file before its rows are read?

use std::{borrow::Cow, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};

use super::{
    record::{Dialect, Field},
    rows::Rows,
    types::Candidates,
};
use crate::{BadRows, IoError, Result, RowProblem, text::column::Cell, text::file::TextFile};

/// A CSV file's structure, columns and types.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) text: TextFile,
    pub(crate) dialect: Dialect,
    /// Where the rows begin, the header behind.
    pub(crate) first_row: u64,
    pub(crate) schema: SchemaRef,
    /// Whether the type of each column was inferred.
    pub(crate) inferred: Vec<bool>,
    /// The types that hold what was seen of each column; empty when none is inferred.
    pub(crate) candidates: Vec<Candidates>,
    pub(crate) nulls: Nulls,
    pub(crate) on_bad_rows: BadRows,
}

/// Which texts mean null: the empty one, and those of `null_values`. In a column of text, quotes make
/// text of them.
#[derive(Clone, Debug)]
pub(crate) struct Nulls(pub(crate) Vec<String>);

impl Nulls {
    /// A field of `bytes` as a cell of a column of text, or of another column.
    #[inline]
    pub(crate) fn cell<'a>(
        &self,
        bytes: &'a [u8],
        field: Field,
        dialect: &Dialect,
        is_text: bool,
    ) -> Cell<'a> {
        let value = bytes.get(field.start as usize..field.end as usize).unwrap_or_default();
        if !(is_text && field.quoted)
            && (value.is_empty() || self.0.iter().any(|null| null.as_bytes() == value))
        {
            return None;
        }
        Some(if field.escaped { Cow::Owned(dialect.unescape(value)) } else { Cow::Borrowed(value) })
    }
}

impl Layout {
    /// Gives the columns whose types are inferred the narrowest that hold what was seen.
    pub(crate) fn decide(&mut self) {
        let fields = self.schema.fields().iter().zip(&self.inferred).enumerate();
        let fields = fields.map(|(index, (field, inferred))| match self.candidates.get(index) {
            Some(candidates) if *inferred => {
                Arc::new(field.as_ref().clone().with_data_type(candidates.decide()))
            }
            _ => Arc::clone(field),
        });
        self.schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    }

    /// The error for what is wrong with the row that begins at byte `offset` of the file.
    pub(crate) fn problem(&self, offset: u64, column: Option<usize>, problem: RowProblem) -> IoError {
        match self.locate(offset) {
            Ok((row, line)) => IoError::Row {
                path: self.text.path().to_owned(),
                row,
                line,
                column: column
                    .and_then(|index| self.schema.fields().get(index))
                    .map(|field| field.name().clone()),
                problem,
            },
            Err(error) => error,
        }
    }

    /// The row, from 1, that holds byte `offset`, and the line of its first byte. Rows are not counted
    /// while they are read, because parts are read at once; so they are counted when somebody asks.
    fn locate(&self, offset: u64) -> Result<(u64, u64)> {
        let mut rows = Rows::new(&self.text, self.first_row..offset + 1, self.schema.fields().len())?;
        let (mut count, mut last) = (0, self.first_row);
        while rows.read(&self.dialect, 8192, false)? > 0 {
            count += rows.len() as u64;
            last = rows.offset(rows.len() - 1);
        }
        Ok((count, self.line(last)?))
    }

    /// The line, from 1, of byte `offset`.
    pub(crate) fn line(&self, offset: u64) -> Result<u64> {
        line(&self.text, offset)
    }
}

/// The line, from 1, of byte `offset`.
pub(crate) fn line(text: &TextFile, offset: u64) -> Result<u64> {
    let mut window = crate::text::window::Window::new(text, text.range().start..offset)?;
    let mut line = 1;
    while !window.ended() {
        window.release(usize::MAX);
        window.grow()?;
        line += memchr::memchr_iter(b'\n', window.bytes()).count() as u64;
    }
    Ok(line)
}

/// A layout that threads share.
pub(crate) type SharedLayout = Arc<Layout>;
