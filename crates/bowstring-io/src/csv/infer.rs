//! Which columns does a CSV file have, and of which types are they?

use std::{collections::HashMap, path::Path, sync::Arc};

use arrow::datatypes::{DataType, Field as Column, FieldRef, Schema};

use super::{
    layout::{Layout, Nulls, line},
    record::{Dialect, Field, Outcome},
    rows::{Rows, first_problem},
    types::Candidates,
};
use crate::{
    BadRows, CsvOptions, IoError, Result, RowProblem,
    text::{column, file::TextFile, window::Window},
};

const SAMPLE_ROWS: usize = 1024;

/// Opens a file: reads its header, and as many rows as its types are inferred from.
pub(crate) fn open(path: &Path, options: &CsvOptions) -> Result<Layout> {
    let dialect = Dialect::new(options, super::delimiter(path))?;
    let text = TextFile::open(path, &options.encoding)?;
    let mut start = text.range().start;
    for _ in 0..options.skip_rows {
        start = text.after_newline(start)?;
    }
    let first = first_record(&text, &dialect, start)?;
    let (header, first_row) = match first {
        Some((names, next)) if options.has_header => (Some(names), next),
        Some((values, _)) => (Some(positions(values.len())), start),
        None => (None, start),
    };
    let names = names(path, options, header)?;
    let asked = asked_for(options, &names)?;
    let fields: Vec<FieldRef> = names
        .into_iter()
        .zip(&asked)
        .map(|(name, asked)| match asked {
            Some(field) => Arc::new(field.as_ref().clone().with_name(name)),
            None => Arc::new(Column::new(name, DataType::Utf8, true)),
        })
        .collect();
    let mut layout = Layout {
        text,
        dialect,
        first_row,
        schema: Arc::new(Schema::new(fields)),
        inferred: asked.iter().map(Option::is_none).collect(),
        candidates: Vec::new(),
        nulls: Nulls(options.null_values.clone()),
        on_bad_rows: options.on_bad_rows,
    };
    if layout.inferred.contains(&true) {
        layout.candidates = candidates(&layout, options.infer_rows)?;
        layout.decide();
    }
    Ok(layout)
}

/// The values of the first record, and where the next one begins.
fn first_record(text: &TextFile, dialect: &Dialect, start: u64) -> Result<Option<(Vec<String>, u64)>> {
    let mut window = Window::new(text, start..text.range().end)?;
    let (mut at, mut fields) = (0, Vec::new());
    let problem = |offset: u64, problem| {
        let place = line(text, offset)?;
        Err(IoError::Row { path: text.path().to_owned(), row: 0, line: place, column: None, problem })
    };
    loop {
        fields.clear();
        let offset = window.offset() + at as u64;
        match dialect.record(window.bytes(), at, window.ended(), &mut fields) {
            Outcome::Blank { next } | Outcome::Comment { next } => {
                if next >= window.bytes().len() && window.ended() {
                    return Ok(None);
                }
                at = next;
            }
            Outcome::Incomplete if window.grow()? => {}
            Outcome::Incomplete => return problem(offset, RowProblem::TooLong),
            Outcome::OpenQuote => return problem(offset, RowProblem::OpenQuote),
            Outcome::AfterQuote { .. } => return problem(offset, RowProblem::AfterQuote),
            Outcome::Record { next } => {
                let mut values = Vec::with_capacity(fields.len());
                for field in &fields {
                    match header_value(window.bytes(), *field, dialect) {
                        Ok(value) => values.push(value),
                        Err(wrong) => return problem(offset, wrong),
                    }
                }
                return Ok(Some((values, window.offset() + next as u64)));
            }
        }
    }
}

fn header_value(bytes: &[u8], field: Field, dialect: &Dialect) -> Result<String, RowProblem> {
    let raw = bytes.get(field.start as usize..field.end as usize).unwrap_or_default();
    if raw.contains(&0) {
        return Err(RowProblem::NulByte);
    }
    if !field.quoted && raw.contains(&b'\r') {
        return Err(RowProblem::BareReturn);
    }
    let value = if field.escaped { dialect.unescape(raw) } else { raw.to_vec() };
    String::from_utf8(value).map_err(|_| RowProblem::NotUtf8)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `column_1`, `column_2` and so on.
fn positions(count: usize) -> Vec<String> {
    (1..=count).map(|position| format!("column_{position}")).collect()
}

/// The columns' names: those given, else those of the header, in which an empty one becomes its
/// position.
fn names(path: &Path, options: &CsvOptions, header: Option<Vec<String>>) -> Result<Vec<String>> {
    let schema_names = || {
        let schema = options.schema.as_ref()?;
        Some(schema.fields().iter().map(|field| field.name().clone()).collect())
    };
    let from = match (&options.names, &header) {
        (Some(_), _) => Some("names"),
        (None, Some(_)) if options.has_header => None,
        _ => options.schema.as_ref().map(|_| "schema"),
    };
    let names = match (&options.names, header) {
        (Some(names), Some(header)) if options.has_header && names.len() != header.len() => {
            return Err(IoError::InvalidOption {
                option: "names",
                reason: format!(
                    "has {} for {}",
                    counted(names.len(), "name"),
                    counted(header.len(), "column")
                ),
                hint: Some("give each column of the header one name"),
            });
        }
        (Some(names), _) => names.clone(),
        (None, Some(header)) if options.has_header => header,
        (None, header) => schema_names().or(header).ok_or_else(|| IoError::NoColumns {
            path: path.to_owned(),
            missing: if options.has_header { "header" } else { "rows" },
        })?,
    };
    let names: Vec<String> = names
        .into_iter()
        .zip(1..)
        .map(|(name, position)| if name.is_empty() { format!("column_{position}") } else { name })
        .collect();
    let mut places = HashMap::new();
    for (name, second) in names.iter().zip(1..) {
        if let Some(first) = places.insert(name, second) {
            return Err(match from {
                Some(option) => IoError::InvalidOption {
                    option,
                    reason: format!("has `{name}` twice, at {first} and at {second}"),
                    hint: Some("give each column a name of its own"),
                },
                None => IoError::DuplicateColumn { path: path.to_owned(), name: name.clone(), first, second },
            });
        }
    }
    Ok(names)
}

/// The fields of the schema that was given, by the columns' names; `None` where it has none.
fn asked_for(options: &CsvOptions, names: &[String]) -> Result<Vec<Option<FieldRef>>> {
    let Some(schema) = &options.schema else { return Ok(vec![None; names.len()]) };
    for field in schema.fields() {
        if !names.contains(field.name()) {
            let nearest = bowstring_core::nearest(field.name(), names.iter().map(String::as_str));
            return Err(IoError::UnknownColumn {
                name: field.name().clone(),
                nearest: nearest.map(str::to_owned),
                known: names.to_vec(),
            });
        }
        if !column::supports(field.data_type()) {
            return Err(IoError::InvalidOption {
                option: "schema",
                reason: format!(
                    "asks for column `{}` as {}, which text cannot be",
                    field.name(),
                    field.data_type()
                ),
                hint: Some("read the column as another type and cast it"),
            });
        }
    }
    let by_name = |name: &String| schema.fields().iter().find(|field| field.name() == name).cloned();
    Ok(names.iter().map(by_name).collect())
}

/// The types that hold all values of each column in the first rows.
fn candidates(layout: &Layout, most: usize) -> Result<Vec<Candidates>> {
    let width = layout.schema.fields().len();
    let mut candidates = vec![Candidates::default(); width];
    let mut rows = Rows::new(&layout.text, layout.first_row..layout.text.range().end, width)?;
    let stop = layout.on_bad_rows == BadRows::Error;
    let mut left = most;
    while left > 0 {
        let read = rows.read(&layout.dialect, left.min(SAMPLE_ROWS), stop)?;
        if let Some((row, column, problem)) = first_problem(&rows.problems, stop) {
            return Err(layout.problem(rows.offset(row), column, problem));
        }
        for (column, candidates) in candidates.iter_mut().enumerate() {
            rows.column(column, false, &layout.nulls, &layout.dialect)
                .flatten()
                .for_each(|text| candidates.see(&text));
        }
        left = if read == 0 { 0 } else { left - read };
    }
    Ok(candidates)
}
