//! How are many texts encoded? Rows are shared among threads in jobs of some hundred kilobytes; a text
//! that is larger than that is cut where the kernel says that it makes no difference.

use std::{num::NonZero, ops::Range};

use arrow::array::UInt32Array;

use crate::{
    BatchOptions, Result, Texts, Tokenizer,
    added::Part,
    engine::{Engine, Scratch},
    kernel::{Section, Start},
    parallel,
};

/// How many bytes of text a job has, about.
const JOB: usize = 128 << 10;

/// A share of the work.
#[derive(Debug)]
enum Job {
    Rows(Range<usize>),
    /// Consecutive parts of one text that is too large for a job.
    Parts {
        row: usize,
        parts: Vec<(Part, Start)>,
    },
}

/// The ids of a batch, row after row.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// The ids of consecutive rows, in as many lists as there were jobs.
    pub lists: Vec<Vec<u32>>,
    /// How many of them each row has.
    pub lengths: Vec<usize>,
}

/// What a job found: the ids, and how many each row has.
#[derive(Debug, Default)]
struct Found {
    ids: Vec<u32>,
    lengths: Vec<usize>,
}

/// The jobs for `texts`.
fn jobs(tokenizer: &Tokenizer, texts: &Texts<'_>, can_cut: bool) -> Vec<Job> {
    let mut jobs = Vec::new();
    let (mut first, mut bytes) = (0, 0);
    for row in 0..texts.len() {
        let Some(text) = texts.get(row) else { continue };
        let whole = match &tokenizer.shared.engine {
            Engine::Complete { .. } => true,
            Engine::Fast { .. } => !can_cut || text.len() < 2 * JOB,
        };
        if whole {
            // What a row costs beside its bytes.
            bytes += text.len() + 16;
            if bytes >= JOB {
                jobs.push(Job::Rows(first..row + 1));
                (first, bytes) = (row + 1, 0);
            }
        } else {
            if first < row {
                jobs.push(Job::Rows(first..row));
            }
            cut(tokenizer, row, text, &mut jobs);
            (first, bytes) = (row + 1, 0);
        }
    }
    if first < texts.len() {
        jobs.push(Job::Rows(first..texts.len()));
    }
    jobs
}

/// Cuts a large text into jobs.
fn cut(tokenizer: &Tokenizer, row: usize, text: &str, jobs: &mut Vec<Job>) {
    let Engine::Fast { kernel, .. } = &tokenizer.shared.engine else { return };
    let mut parts = Vec::new();
    let mut bytes = 0;
    let mut push = |part: Part, at: Start, size: usize| {
        parts.push((part, at));
        bytes += size;
        if bytes >= JOB {
            jobs.push(Job::Parts { row, parts: std::mem::take(&mut parts) });
            bytes = 0;
        }
    };
    tokenizer.shared.parts(text, |part| match part {
        Part::Token { .. } => push(part, Start::AddedToken, 1),
        Part::Text { start, end } => {
            let (mut from, mut at) = (start, if start == 0 { Start::Text } else { Start::AddedToken });
            while end - from >= 2 * JOB {
                let Some(place) = kernel.cut(&text[from..end], JOB) else { break };
                push(Part::Text { start: from, end: from + place }, at, place);
                (from, at) = (from + place, Start::Cut);
            }
            if from < end {
                push(Part::Text { start: from, end }, at, end - from);
            }
        }
    });
    if !parts.is_empty() {
        jobs.push(Job::Parts { row, parts });
    }
}

/// The ids of `texts`: truncated, with what stands around them, not padded.
pub(crate) fn ids(tokenizer: &Tokenizer, texts: &Texts<'_>, options: &BatchOptions) -> Result<Ids> {
    let special = options.add_special_tokens;
    let jobs = jobs(tokenizer, texts, tokenizer.around(special).is_some());
    let found = run(tokenizer, jobs.len(), options, |job, scratch| match &jobs[job] {
        Job::Rows(rows) => {
            let mut found = Found { ids: Vec::new(), lengths: Vec::with_capacity(rows.len()) };
            for row in rows.clone() {
                let before = found.ids.len();
                if let Some(text) = texts.get(row) {
                    tokenizer.append_ids(text, special, scratch, &mut found.ids)?;
                }
                found.lengths.push(found.ids.len() - before);
            }
            Ok(found)
        }
        Job::Parts { row, parts } => {
            let mut ids = Vec::new();
            each_part(tokenizer, texts.get(*row), parts, |id, section| match section {
                None => ids.push(id),
                Some((kernel, section)) => kernel.ids(section, scratch, &mut ids),
            });
            Ok(Found { ids, lengths: Vec::new() })
        }
    })?;

    let mut all = Ids { lists: Vec::with_capacity(found.len()), lengths: Vec::with_capacity(texts.len()) };
    let mut found = jobs.iter().zip(found).peekable();
    while let Some((job, mut share)) = found.next() {
        match job {
            Job::Rows(_) => {
                all.lists.push(share.ids);
                all.lengths.append(&mut share.lengths);
            }
            Job::Parts { row, .. } => {
                let around = tokenizer.around(special).cloned().unwrap_or_default();
                let mut whole: Vec<u32> = around.before.iter().map(|special| special.id).collect();
                let start = whole.len();
                whole.append(&mut share.ids);
                while let Some((_, mut share)) =
                    found.next_if(|(job, _)| matches!(job, Job::Parts { row: other, .. } if other == row))
                {
                    whole.append(&mut share.ids);
                }
                tokenizer.shorten(start, &around, &mut whole)?;
                whole.extend(around.after.iter().map(|special| special.id));
                all.lengths.push(whole.len());
                all.lists.push(whole);
            }
        }
    }
    Ok(all)
}

/// How many ids each of `texts` has.
pub(crate) fn count(tokenizer: &Tokenizer, texts: &Texts<'_>, options: &BatchOptions) -> Result<UInt32Array> {
    let special = if options.add_special_tokens { tokenizer.num_special_tokens(false) } else { 0 };
    let jobs = jobs(tokenizer, texts, true);
    let counts = run(tokenizer, jobs.len(), options, |job, scratch| match &jobs[job] {
        Job::Rows(rows) => rows
            .clone()
            .map(|row| texts.get(row).map(|text| tokenizer.shared.count(text, scratch)).transpose())
            .collect(),
        Job::Parts { row, parts } => {
            let mut count = 0;
            each_part(tokenizer, texts.get(*row), parts, |_, section| match section {
                None => count += 1,
                Some((kernel, section)) => count += kernel.count(section, scratch),
            });
            Ok(vec![Some(count)])
        }
    })?;
    let mut all: Vec<Option<u32>> = Vec::with_capacity(texts.len());
    let mut last = None;
    for (job, counts) in jobs.iter().zip(counts) {
        let row = match job {
            Job::Rows(_) => None,
            Job::Parts { row, .. } => Some(*row),
        };
        for count in counts {
            let count = count.map(|count: usize| u32::try_from(count).unwrap_or(u32::MAX));
            match (all.last_mut(), row) {
                (Some(Some(sum)), Some(_)) if row == last => *sum = sum.saturating_add(count.unwrap_or(0)),
                _ => all.push(count.map(|count| count.saturating_add(special as u32))),
            }
        }
        last = row;
    }
    Ok(all.into())
}

/// The encodings of `texts`, with all that is known of them, not padded; `None` for null.
pub(crate) fn encodings(
    tokenizer: &Tokenizer,
    texts: &Texts<'_>,
    options: &BatchOptions,
) -> Result<Vec<Option<tokenizers::Encoding>>> {
    let unit = options.offsets.unwrap_or_default();
    each_text(tokenizer, texts, options, |text, scratch| {
        tokenizer.full(text, None, options.add_special_tokens, unit, scratch)
    })
}

/// What `work` says of each of `texts`, which are not cut; `None` for null.
pub(crate) fn each_text<T: Send>(
    tokenizer: &Tokenizer,
    texts: &Texts<'_>,
    options: &BatchOptions,
    work: impl Fn(&str, &mut Scratch) -> Result<T> + Sync,
) -> Result<Vec<Option<T>>> {
    let jobs = jobs(tokenizer, texts, false);
    let found = run(tokenizer, jobs.len(), options, |job, scratch| match &jobs[job] {
        Job::Rows(rows) => rows
            .clone()
            .map(|row| texts.get(row).map(|text| work(text, scratch)).transpose())
            .collect::<Result<Vec<_>>>(),
        Job::Parts { .. } => Ok(Vec::new()),
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// Calls `each` with the added tokens among `parts`, and with the sections and who reads them.
fn each_part<'a>(
    tokenizer: &'a Tokenizer,
    text: Option<&'a str>,
    parts: &[(Part, Start)],
    mut each: impl FnMut(u32, Option<(&'a dyn crate::engine::AnyKernel, Section<'a>)>),
) {
    let (Engine::Fast { kernel, .. }, Some(text)) = (&tokenizer.shared.engine, text) else { return };
    for (part, at) in parts {
        match *part {
            Part::Token { id, .. } => each(id, None),
            Part::Text { start, end } => {
                each(0, Some((kernel.as_ref(), Section { text: &text[start..end], start: *at })));
            }
        }
    }
}

fn run<T: Send>(
    tokenizer: &Tokenizer,
    jobs: usize,
    options: &BatchOptions,
    work: impl Fn(usize, &mut Scratch) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    struct Held<'a>(&'a Tokenizer, Option<Scratch>);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            if let Some(scratch) = self.1.take() {
                self.0.shared.give_back(scratch);
            }
        }
    }
    let threads: Option<NonZero<usize>> = options.threads;
    parallel::run(
        jobs,
        threads,
        &options.cancel,
        || Held(tokenizer, Some(tokenizer.shared.scratch())),
        |job, held| match &mut held.1 {
            Some(scratch) => work(job, scratch),
            None => work(job, &mut tokenizer.shared.scratch()),
        },
    )
}
