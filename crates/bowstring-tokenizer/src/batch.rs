//! How are many texts encoded? Rows are shared among threads in jobs of some hundred kilobytes; a text
//! that is larger than that is cut where the kernel says that it makes no difference.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

use arrow::array::UInt32Array;
use bowstring_simd::large_pages;

use crate::{
    BatchOptions, Result, Texts, Tokenizer, TokenizerError,
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
    pub ids: Vec<u32>,
    /// How many of them each row has.
    pub lengths: Vec<usize>,
}

/// What one thread works with; kept for the next call when it ends.
struct Worker<'a> {
    number: usize,
    tokenizer: &'a Tokenizer,
    scratch: Scratch,
    /// All that it finds.
    ids: Vec<u32>,
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.tokenizer.shared.give_back(std::mem::replace(&mut self.scratch, Box::new(())));
    }
}

/// What a job found: which ids of which worker, and how many each row has.
#[derive(Debug)]
struct Found {
    worker: usize,
    ids: Range<usize>,
    lengths: Vec<usize>,
}

/// Consecutive ids of the whole batch.
#[derive(Debug)]
enum Share {
    Of(usize, Range<usize>),
    Own(Vec<u32>),
}

impl Share {
    fn ids<'a>(&'a self, lists: &'a [Vec<u32>]) -> &'a [u32] {
        match self {
            Share::Of(worker, ids) => &lists[*worker][ids.clone()],
            Share::Own(ids) => ids,
        }
    }
}

/// The jobs for `texts`, and how many bytes those have.
fn jobs(tokenizer: &Tokenizer, texts: &Texts<'_>, can_cut: bool) -> Result<(Vec<Job>, usize)> {
    let mut jobs = Vec::new();
    let (mut first, mut bytes, mut all) = (0, 0, 0);
    for row in 0..texts.len() {
        let Some(text) = texts.get(row) else { continue };
        if u32::try_from(text.len()).is_err() {
            return Err(TokenizerError::TextTooLong { bytes: text.len(), row });
        }
        all += text.len();
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
    Ok((jobs, all))
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
            // Where a place is looked for; further on when there is none.
            let mut ask = from + JOB;
            while end - from >= 2 * JOB && ask < end {
                let rest = &text[from..end];
                match kernel.cut(rest, rest.ceil_char_boundary(ask - from)) {
                    Some(place) => {
                        push(Part::Text { start: from, end: from + place }, at, place);
                        (from, at) = (from + place, Start::Cut);
                        ask = from + JOB;
                    }
                    None => ask += JOB,
                }
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
    let (jobs, bytes) = jobs(tokenizer, texts, tokenizer.around(special).is_some())?;
    let (found, workers) = run(tokenizer, jobs.len(), options, |job, worker| {
        let Worker { number, scratch, ids, .. } = worker;
        if ids.is_empty() {
            // Room for an id of every three bytes of a fair share: what is not touched costs nothing.
            ids.reserve(bytes / 3 / parallel::threads(jobs.len(), options.threads));
            large_pages(ids.spare_capacity_mut());
        }
        let begin = ids.len();
        let mut lengths = Vec::new();
        match &jobs[job] {
            Job::Rows(rows) => {
                lengths.reserve_exact(rows.len());
                tokenizer.append_rows(texts, rows.clone(), special, scratch, ids, &mut lengths)?;
            }
            Job::Parts { row, parts } => {
                each_part(tokenizer, texts.get(*row), parts, |id, section| match section {
                    None => ids.push(id),
                    Some((kernel, section)) => kernel.ids(section, scratch, ids),
                });
            }
        }
        Ok(Found { worker: *number, ids: begin..ids.len(), lengths })
    })?;
    let mut lists: Vec<Vec<u32>> =
        workers.into_iter().map(|mut worker| std::mem::take(&mut worker.ids)).collect();

    let around = tokenizer.around(special).cloned().unwrap_or_default();
    let mut lengths = Vec::with_capacity(texts.len());
    let mut shares = Vec::with_capacity(found.len());
    let mut found = jobs.iter().zip(found).peekable();
    while let Some((job, Found { worker, ids, lengths: mut rows })) = found.next() {
        let Job::Parts { row, .. } = job else {
            lengths.append(&mut rows);
            shares.push(Share::Of(worker, ids));
            continue;
        };
        let mut parts = vec![(worker, ids)];
        while let Some((_, next)) =
            found.next_if(|(job, _)| matches!(job, Job::Parts { row: other, .. } if other == row))
        {
            parts.push((next.worker, next.ids));
        }
        let mut length = parts.iter().map(|(_, ids)| ids.len()).sum();
        shares.push(Share::Own(around.before.iter().map(|special| special.id).collect()));
        if tokenizer.truncation().is_some() {
            let mut whole = Vec::with_capacity(length);
            parts.into_iter().for_each(|(worker, ids)| whole.extend_from_slice(&lists[worker][ids]));
            tokenizer.shorten(0, &around, &mut whole)?;
            length = whole.len();
            shares.push(Share::Own(whole));
        } else {
            shares.extend(parts.into_iter().map(|(worker, ids)| Share::Of(worker, ids)));
        }
        shares.push(Share::Own(around.after.iter().map(|special| special.id).collect()));
        lengths.push(around.len() + length);
    }
    // One worker has found everything in its order, unless a text that was cut has something around it.
    let whole = |list: &Vec<u32>| {
        lengths.iter().sum::<usize>() == list.len()
            && shares.iter().all(|share| !matches!(share, Share::Own(ids) if !ids.is_empty()))
    };
    let ids = match lists.as_mut_slice() {
        [list] if whole(list) => std::mem::take(list),
        _ => join(&lists, &shares, options)?,
    };
    Ok(Ids { ids, lengths })
}

/// All shares, one after the other; several threads copy, each the first to touch its part of the memory.
fn join(lists: &[Vec<u32>], shares: &[Share], options: &BatchOptions) -> Result<Vec<u32>> {
    let length = |shares: &[Share]| shares.iter().map(|share| share.ids(lists).len()).sum();
    let mut joined = vec![0; length(shares)];
    large_pages(&joined);
    let mut jobs = Vec::new();
    let mut rest = joined.as_mut_slice();
    for shares in shares.chunks(8) {
        let (part, after) = rest.split_at_mut(length(shares));
        jobs.push(Mutex::new((shares, part)));
        rest = after;
    }
    let copy = |job: usize, (): &mut ()| {
        let mut guard = jobs[job].lock().unwrap_or_else(PoisonError::into_inner);
        let (shares, part) = &mut *guard;
        let mut done = 0;
        for share in shares.iter().map(|share| share.ids(lists)) {
            part[done..done + share.len()].copy_from_slice(share);
            done += share.len();
        }
        Ok(())
    };
    parallel::run(jobs.len(), options.threads, &options.cancel, |_| (), copy)?;
    drop(jobs);
    Ok(joined)
}

/// How many ids each of `texts` has.
pub(crate) fn count(tokenizer: &Tokenizer, texts: &Texts<'_>, options: &BatchOptions) -> Result<UInt32Array> {
    let special = if options.add_special_tokens { tokenizer.num_special_tokens(false) } else { 0 };
    let (jobs, _) = jobs(tokenizer, texts, true)?;
    let (counts, _) = run(tokenizer, jobs.len(), options, |job, Worker { scratch, .. }| match &jobs[job] {
        Job::Rows(rows) => tokenizer.shared.count_rows(texts, rows.clone(), scratch),
        Job::Parts { row, parts } => {
            let mut count = 0;
            each_part(tokenizer, texts.get(*row), parts, |_, section| match section {
                None => count += 1,
                Some((kernel, section)) => count += kernel.count(section, scratch),
            });
            Ok(vec![Some(count)])
        }
    })?;
    let mut all: Vec<Option<u64>> = Vec::with_capacity(texts.len());
    let mut last = None;
    for (job, counts) in jobs.iter().zip(counts) {
        let row = match job {
            Job::Rows(_) => None,
            Job::Parts { row, .. } => Some(*row),
        };
        for count in counts {
            let count = count.map(|count: usize| count as u64);
            match (all.last_mut(), row) {
                (Some(Some(sum)), Some(_)) if row == last => *sum += count.unwrap_or(0),
                _ => all.push(count.map(|count| count + special as u64)),
            }
        }
        last = row;
    }
    narrow(&all)
}

/// Counts as a column. A text of less than 4 GiB can have more tokens than bytes, if it is normalised to a
/// longer one or special tokens are put around it.
fn narrow(counts: &[Option<u64>]) -> Result<UInt32Array> {
    let rows = counts.iter().enumerate();
    rows.map(|(row, count)| match count {
        None => Ok(None),
        Some(tokens) => u32::try_from(*tokens)
            .map(Some)
            .map_err(|_| TokenizerError::TooManyTokens { tokens: *tokens, row }),
    })
    .collect()
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
    let (jobs, _) = jobs(tokenizer, texts, false)?;
    let (found, _) = run(tokenizer, jobs.len(), options, |job, Worker { scratch, .. }| match &jobs[job] {
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

fn run<'a, T: Send>(
    tokenizer: &'a Tokenizer,
    jobs: usize,
    options: &BatchOptions,
    work: impl Fn(usize, &mut Worker<'a>) -> Result<T> + Sync,
) -> Result<(Vec<T>, Vec<Worker<'a>>)> {
    let start = |number| Worker { number, tokenizer, scratch: tokenizer.shared.scratch(), ids: Vec::new() };
    parallel::run(jobs, options.threads, &options.cancel, start, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SentencePiece's byte-pair encoding with hardly any tokens.
    fn tokenizer() -> Tokenizer {
        let bytes: String = (0..=255).map(|byte| format!(r#""<0x{byte:02X}>": {byte}, "#)).collect();
        let json = format!(
            r#"{{"version": "1.0", "added_tokens": [], "pre_tokenizer": null, "post_processor": null,
            "normalizer": {{"type": "Replace", "pattern": {{"String": " "}}, "content": "▁"}}, "decoder": null,
            "model": {{"type": "BPE", "byte_fallback": true, "vocab": {{{bytes}"▁": 256, "中": 257, "中中": 258}},
            "merges": [["中", "中"]]}}}}"#
        );
        let tokenizer = Tokenizer::from_bytes(json).expect("a tokenizer");
        assert_eq!(tokenizer.backend().to_string(), "fast (SentencePiece BPE)");
        tokenizer
    }

    fn threads(count: usize) -> BatchOptions {
        BatchOptions { threads: std::num::NonZero::new(count), ..BatchOptions::default() }
    }

    #[test]
    fn no_more_is_kept_for_later_than_there_are_cores() {
        let (tokenizer, text) = (tokenizer(), "ab ".repeat(JOB));
        let most = tokenizer.shared.most_scratches;
        let texts = vec![text.as_str(); 4 * most];
        for _ in 0..2 {
            ids(&tokenizer, &Texts::from_slices(&texts), &threads(2 * most)).expect("ids");
            assert_eq!(tokenizer.shared.scratches.lock().expect("a lock").len(), most);
        }
    }

    /// Characters of several bytes, and a stretch in which there is no place to cut.
    #[test]
    fn a_large_text_is_cut_whatever_its_characters() {
        let tokenizer = tokenizer();
        for start in 0..3 {
            let text = format!("{}{}", "a".repeat(start), "中文 ".repeat(20 * JOB / 7));
            let stretch = format!("{text}{}{text}", "中".repeat(JOB));
            for (text, least) in [(&text, 19), (&stretch, 39)] {
                let texts = [text.as_str()];
                let (jobs, bytes) = jobs(&tokenizer, &Texts::from_slices(&texts), true).expect("jobs");
                assert_eq!(bytes, text.len());
                assert!(jobs.len() >= least, "{} jobs", jobs.len());
            }
            let ids =
                |count| ids(&tokenizer, &Texts::from_slices(&[&stretch]), &threads(count)).expect("ids").ids;
            assert_eq!(ids(2), tokenizer.ids(&stretch, true).expect("ids"));
        }
    }

    #[test]
    fn counts_are_exact_or_refused() {
        let most = u64::from(u32::MAX);
        let counts = narrow(&[Some(0), None, Some(most)]).expect("counts");
        assert_eq!(counts.iter().collect::<Vec<_>>(), [Some(0), None, Some(u32::MAX)]);
        let refused = narrow(&[None, Some(most + 1)]).expect_err("too many");
        assert!(
            matches!(refused, TokenizerError::TooManyTokens { tokens: 4_294_967_296, row: 1 }),
            "{refused:?}"
        );
    }
}
