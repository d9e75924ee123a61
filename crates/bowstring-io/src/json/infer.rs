//! Which columns does an NDJSON file have?

use std::{path::Path, sync::Arc};

use arrow::datatypes::{FieldRef, Fields, Schema};

use super::{
    layout::{self, Fault, Layout, Lines, is_blank},
    parse::{Kind, Parser},
    tree,
    types::Keys,
};
use crate::{
    IoError, JsonOptions, Result, RowProblem,
    text::{file::TextFile, window::Window},
};

/// A file and the keys that its first rows have.
#[derive(Debug)]
pub(crate) struct Sample {
    text: TextFile,
    keys: Keys,
}

/// Opens a file: reads as many rows as its columns are inferred from.
pub(crate) fn open(path: &Path, options: &JsonOptions) -> Result<Sample> {
    let asked = asked_for(options);
    for field in &asked {
        if !tree::supports(field.data_type()) {
            return Err(IoError::InvalidOption {
                option: "schema",
                reason: format!(
                    "asks for column `{}` as {}, which JSON cannot be",
                    field.name(),
                    field.data_type()
                ),
                hint: Some("read the column as another type and cast it"),
            });
        }
    }
    let text = TextFile::open(path, &options.encoding)?;
    let keys = sample(&text, options.infer_rows, &asked)?;
    Ok(Sample { text, keys })
}

/// Gives files that are read as one the columns that any of them has.
pub(crate) fn unify(samples: Vec<Sample>, options: &JsonOptions) -> Result<Vec<Layout>> {
    let asked = asked_for(options);
    let (mut texts, mut keys) = (Vec::with_capacity(samples.len()), Keys::default());
    for sample in samples {
        keys.merge(sample.keys).map_err(|fault| IoError::SchemaMismatch {
            path: sample.text.path().to_owned(),
            reason: format!("column `{}` has {}", fault.column.unwrap_or_default(), fault.problem),
        })?;
        texts.push(sample.text);
    }
    if keys.rows == 0 && options.schema.is_none() {
        return Err(match texts.first() {
            Some(text) if options.infer_rows > 0 => {
                IoError::NoColumns { path: text.path().to_owned(), missing: "rows" }
            }
            _ => IoError::InvalidOption {
                option: "infer_rows",
                reason: "is 0, and no columns are given".into(),
                hint: Some("infer the columns from at least one row, or give them in `schema`"),
            },
        });
    }
    let inferred = keys.fields();
    let schema = Arc::new(Schema::new(asked.iter().chain(&inferred).cloned().collect::<Vec<FieldRef>>()));
    let layout = |text| Layout {
        text,
        schema: Arc::clone(&schema),
        inferred: (0..schema.fields().len()).map(|index| index >= asked.len()).collect(),
        sampled: options.infer_rows > 0,
    };
    Ok(texts.into_iter().map(layout).collect())
}

fn asked_for(options: &JsonOptions) -> Fields {
    options.schema.as_ref().map(|schema| schema.fields().clone()).unwrap_or_default()
}

/// Looks at the first rows for columns that were not asked for.
fn sample(text: &TextFile, most: usize, asked: &Fields) -> Result<Keys> {
    let mut lines = Lines::new(Window::new(text, text.range())?);
    let mut keys = Keys::default();
    while keys.rows < most {
        lines.release_many();
        let line = lines.next()?;
        let offset = lines.offset() + lines.begin() as u64;
        let Some(line) = line else {
            if lines.too_long() {
                return Err(layout::error(text, offset, RowProblem::TooLong.into()));
            }
            break;
        };
        let bytes = lines.bytes().get(line).unwrap_or_default();
        if is_blank(bytes) {
            continue;
        }
        let seen = match std::str::from_utf8(bytes) {
            Ok(_) => row(&mut keys, bytes, asked),
            Err(_) => Err(RowProblem::NotUtf8.into()),
        };
        seen.map_err(|fault| layout::error(text, offset, fault))?;
    }
    Ok(keys)
}

fn row(keys: &mut Keys, bytes: &[u8], asked: &Fields) -> Result<(), Fault> {
    let mut parser = Parser::new(bytes, 0);
    object(&mut parser)?;
    keys.see(&mut parser, asked, 1)?;
    parser.end()?;
    Ok(())
}

/// Reads the bracket of the object that a line must hold.
pub(crate) fn object(parser: &mut Parser<'_>) -> Result<(), Fault> {
    let found = match parser.value()?.kind {
        Kind::Object => return Ok(()),
        Kind::Array => "an array",
        Kind::Text => "text",
        Kind::Number => "a number",
        Kind::Boolean => "true or false",
        Kind::Null => "null",
    };
    Err(RowProblem::NotAnObject { found }.into())
}
