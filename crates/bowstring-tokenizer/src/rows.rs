//! Which rows of a batch are encoded together?
//!
//! A short text has few pieces, and fewer that are new: looked up and merged alone, each waits for memory by
//! itself. So rows that follow each other are given to a kernel together, until they have some thousand bytes,
//! and the added tokens between their sections are put there afterwards.

use std::ops::Range;

use crate::{
    Result, Texts, Tokenizer,
    added::Part,
    engine::{AnyKernel, Engine, Scratch},
    kernel::Section,
    sections::section,
    tokenizer::Shared,
};

/// How many bytes the rows have that are encoded together; one of half as many stays alone.
const TOGETHER: usize = 32 << 10;

/// Rows that follow each other.
#[derive(Debug, Default)]
struct Group<'a> {
    sections: Vec<Section<'a>>,
    /// The added tokens between them: how many sections are before each, and its id.
    tokens: Vec<(usize, u32)>,
    /// How many sections and added tokens there are up to the end of each row.
    rows: Vec<(usize, usize)>,
    bytes: usize,
}

impl<'a> Group<'a> {
    /// Adds a row; null has neither sections nor tokens.
    fn push(&mut self, shared: &Shared, text: Option<&'a str>) {
        let Self { sections, tokens, rows, bytes } = self;
        if let Some(text) = text {
            shared.parts(text, |part| match part {
                Part::Token { id, .. } => tokens.push((sections.len(), id)),
                Part::Text { start, end } => sections.push(section(text, start, end)),
            });
            *bytes += text.len();
        }
        rows.push((sections.len(), tokens.len()));
    }

    fn clear(&mut self) {
        self.sections.clear();
        self.tokens.clear();
        self.rows.clear();
        self.bytes = 0;
    }

    /// For each row its sections, and its added tokens.
    fn each_row(&self) -> impl Iterator<Item = (Range<usize>, &[(usize, u32)])> {
        let mut before = (0, 0);
        self.rows.iter().map(move |&(sections, tokens)| {
            let (first, start) = std::mem::replace(&mut before, (sections, tokens));
            (first..sections, &self.tokens[start..tokens])
        })
    }
}

/// What is encoded at once.
enum Turn<'k, 'a> {
    Together(&'k dyn AnyKernel, &'k Group<'a>),
    Alone(Option<&'a str>),
}

/// Goes through rows of `texts`, in order, each alone unless they `may_join`.
fn turns<'a>(
    shared: &Shared,
    may_join: bool,
    texts: &Texts<'a>,
    rows: Range<usize>,
    mut each: impl FnMut(Range<usize>, Turn<'_, 'a>) -> Result<()>,
) -> Result<()> {
    let (Engine::Fast { kernel, .. }, true) = (&shared.engine, may_join) else {
        return rows.into_iter().try_for_each(|row| each(row..row + 1, Turn::Alone(texts.get(row))));
    };
    let mut group = Group::default();
    let mut first = rows.start;
    for row in rows.clone() {
        let text = texts.get(row);
        let size = text.map_or(0, str::len);
        let joins = size < TOGETHER / 2;
        if first < row && (!joins || group.bytes + size > TOGETHER) {
            each(first..row, Turn::Together(kernel.as_ref(), &group))?;
            group.clear();
            first = row;
        }
        if joins {
            group.push(shared, text);
        } else {
            each(row..row + 1, Turn::Alone(text))?;
            first = row + 1;
        }
    }
    if first < rows.end {
        each(first..rows.end, Turn::Together(kernel.as_ref(), &group))?;
    }
    Ok(())
}

impl Tokenizer {
    /// Appends the ids of rows of `texts`, as [`append_ids`](Self::append_ids) does, and how many each has; null
    /// has none.
    pub(crate) fn append_rows(
        &self,
        texts: &Texts<'_>,
        rows: Range<usize>,
        add_special_tokens: bool,
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
        lengths: &mut Vec<usize>,
    ) -> Result<()> {
        let around = self.around(add_special_tokens);
        let may_join = around.is_some();
        let around = around.cloned().unwrap_or_default();
        let as_found = around.len() == 0 && self.truncation().is_none();
        let (mut own, mut ends) = (Vec::new(), Vec::new());
        turns(&self.shared, may_join, texts, rows, |rows, turn| {
            ends.clear();
            match turn {
                Turn::Together(kernel, group) if as_found && group.tokens.is_empty() => {
                    ends.push(out.len());
                    kernel.ids_of_sections(&group.sections, scratch, out, &mut ends);
                    lengths.extend(group.each_row().map(|(row, _)| ends[row.end] - ends[row.start]));
                }
                Turn::Together(kernel, group) => {
                    own.clear();
                    ends.push(0);
                    kernel.ids_of_sections(&group.sections, scratch, &mut own, &mut ends);
                    for (row, (sections, tokens)) in rows.zip(group.each_row()) {
                        let before = out.len();
                        if texts.get(row).is_some() {
                            self.append_with(&around, out, |out| {
                                let mut start = ends[sections.start];
                                for &(section, id) in tokens {
                                    out.extend_from_slice(&own[start..ends[section]]);
                                    out.push(id);
                                    start = ends[section];
                                }
                                out.extend_from_slice(&own[start..ends[sections.end]]);
                                Ok(())
                            })?;
                        }
                        lengths.push(out.len() - before);
                    }
                }
                Turn::Alone(text) => {
                    let before = out.len();
                    if let Some(text) = text {
                        self.append_ids(text, add_special_tokens, scratch, out)?;
                    }
                    lengths.push(out.len() - before);
                }
            }
            Ok(())
        })
    }
}

impl Shared {
    /// How many ids rows of `texts` have; null has no number.
    pub(crate) fn count_rows(
        &self,
        texts: &Texts<'_>,
        rows: Range<usize>,
        scratch: &mut Scratch,
    ) -> Result<Vec<Option<usize>>> {
        let mut counts = Vec::with_capacity(rows.len());
        let mut ends = Vec::new();
        turns(self, true, texts, rows, |rows, turn| {
            match turn {
                Turn::Together(kernel, group) => {
                    ends.clear();
                    ends.push(0);
                    kernel.count_of_sections(&group.sections, scratch, &mut ends);
                    counts.extend(rows.zip(group.each_row()).map(|(row, (sections, tokens))| {
                        texts.get(row).map(|_| ends[sections.end] - ends[sections.start] + tokens.len())
                    }));
                }
                Turn::Alone(text) => counts.push(text.map(|text| self.count(text, scratch)).transpose()?),
            }
            Ok(())
        })?;
        Ok(counts)
    }
}
