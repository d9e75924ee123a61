//! How are entries sorted into rows? By a parallel, stable counting sort in two levels: entries are first
//! dealt into buckets of neighbouring rows, each small enough for a core's cache, and then sorted within
//! each bucket: by radix on the column, and by counting into their places in the rows. In buckets of short
//! rows, places are counted first and each row is then sorted by itself. O(entries) time, there times the
//! logarithm of the longest row at most. It takes 8 bytes for each entry, 16 with weights, beside the result;
//! a quarter of that where rows are turned around, which is done in four parts. The result does not depend
//! on the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::{Csr, GraphError, Offsets, ParallelEdges, Result, Run, Weights, weights::Weight};

/// Entries that a bucket should have, so that it is sorted within a core's cache.
const BUCKET: usize = 1 << 15;

/// Most buckets, so that the places where a thread writes stay within its cache.
const MAX_BUCKETS: usize = 1 << 11;

/// Edges of one task of dealing.
const TASK: usize = 1 << 19;

/// Entries that are sorted in one part, whatever the rule says.
const SMALL: usize = 1 << 20;

/// Entries to be sorted into rows: tasks' worth of them, which can be read twice.
pub(crate) trait Entries: Sync {
    type Payload: Payload;
    fn len(&self) -> usize;
    /// Calls `each` with row, column and payload of the entries that stem from `range`, in order.
    fn read(&self, range: Range<usize>, each: impl FnMut(u32, u32, Self::Payload));
}

/// What travels with an entry through the sort: its weight, or nothing.
pub(crate) trait Payload: Copy + Default + Send + Sync + 'static {
    /// What the entries have in the end.
    fn weights(payloads: Vec<Self>) -> Option<Weights>;
    /// What two parallel edges have when they become one; `None` when the sum does not fit.
    fn merge(self, other: Self, how: ParallelEdges) -> Option<Self>;
}

impl Payload for () {
    fn weights(_: Vec<()>) -> Option<Weights> {
        None
    }

    fn merge(self, (): (), _: ParallelEdges) -> Option<()> {
        Some(())
    }
}

impl<W: Weight> Payload for W {
    fn weights(payloads: Vec<W>) -> Option<Weights> {
        Some(W::weights(payloads))
    }

    fn merge(self, other: W, how: ParallelEdges) -> Option<W> {
        match how {
            ParallelEdges::Keep | ParallelEdges::First => Some(self),
            ParallelEdges::Sum => self.add(other),
            ParallelEdges::Min => Some(if other < self { other } else { self }),
            ParallelEdges::Max => Some(if other > self { other } else { self }),
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) nodes: usize,
    pub(crate) merge: ParallelEdges,
    /// Whether the columns of each row arrive in ascending order.
    pub(crate) is_sorted: bool,
    /// In how many parts the rows are made, one after the other: each reads all entries, and holds only its
    /// own beside the result.
    pub(crate) parts: usize,
}

/// An entry on its way: the row above, the column below.
#[derive(Clone, Copy, Default)]
struct Entry<P> {
    key: u64,
    payload: P,
}

pub(crate) fn sort<P: Payload>(from: &impl Entries<Payload = P>, rule: Rule, run: &Run) -> Result<Csr> {
    let Rule { nodes, .. } = rule;
    let expected = from.len();
    let buckets = (expected / BUCKET).clamp(1, MAX_BUCKETS).min(nodes.max(1));
    // Rows of a bucket are a power of two, so that a shift finds it.
    let shift = (nodes.max(1).div_ceil(buckets)).next_power_of_two().trailing_zeros();
    let buckets = nodes.max(1).div_ceil(1 << shift);
    let tasks: Vec<Range<usize>> =
        (0..expected).step_by(TASK).map(|start| start..expected.min(start + TASK)).collect();

    let counts: Vec<Vec<usize>> = tasks
        .par_iter()
        .map(|task| {
            run.check()?;
            let mut counts = vec![0; buckets];
            from.read(task.clone(), |row, _, _| counts[(row >> shift) as usize] += 1);
            Ok(counts)
        })
        .collect::<Result<_>>()?;
    let sizes: Vec<usize> =
        (0..buckets).map(|bucket| counts.iter().map(|counts| counts[bucket]).sum()).collect();

    let bits = if rule.is_sorted { 0 } else { usize::BITS - nodes.max(1).leading_zeros() };
    let expected: usize = sizes.iter().sum();
    let mut entries = Vec::new();
    let mut indices = vec![0; expected];
    let mut payloads = vec![P::default(); expected];
    let mut degrees: Vec<Vec<usize>> = Vec::with_capacity(buckets);
    let (mut indices_left, mut payloads_left) = (indices.as_mut_slice(), payloads.as_mut_slice());
    for part in parts(&sizes, if expected < SMALL { 1 } else { rule.parts }) {
        entries.clear();
        entries.resize(sizes[part.clone()].iter().sum(), Entry::<P>::default());
        deal(from, &tasks, &counts, shift, part.clone(), &mut entries, run)?;
        let mut entries_left = entries.as_mut_slice();
        let mut places = Vec::with_capacity(part.len());
        for bucket in part {
            let size = sizes[bucket];
            let (entries, entries_after) = entries_left.split_at_mut(size);
            let (indices, indices_after) = indices_left.split_at_mut(size);
            let (payloads, payloads_after) = payloads_left.split_at_mut(size);
            let first_row = bucket << shift;
            let rows = first_row.min(nodes)..(first_row + (1 << shift)).min(nodes);
            places.push(Bucket { entries, rows, indices, payloads });
            (entries_left, indices_left, payloads_left) = (entries_after, indices_after, payloads_after);
        }
        let of_part: Vec<Vec<usize>> = places
            .into_par_iter()
            .map_init(Vec::new, |spare, mut bucket| {
                run.check()?;
                let mut degrees = bucket.place(spare, bits);
                if rule.merge != ParallelEdges::Keep {
                    bucket.merge(&mut degrees, rule.merge)?;
                }
                Ok(degrees)
            })
            .collect::<Result<_>>()?;
        degrees.extend(of_part);
    }
    drop(entries);

    let mut indptr = Vec::with_capacity(nodes + 1);
    let mut total = 0;
    indptr.push(0);
    for degree in degrees.iter().flatten() {
        total += degree;
        indptr.push(total);
    }
    if total < indices.len() {
        let kept: Vec<usize> = degrees.iter().map(|degrees| degrees.iter().sum()).collect();
        indices = fronts(&indices, &sizes, &kept);
        payloads = fronts(&payloads, &sizes, &kept);
    }
    Ok(Csr::made(Offsets::of(indptr, total), indices, P::weights(payloads)))
}

/// Divides buckets of these sizes into so many parts of about as many entries each.
fn parts(sizes: &[usize], count: usize) -> Vec<Range<usize>> {
    let each = sizes.iter().sum::<usize>().div_ceil(count);
    let mut parts = Vec::with_capacity(count);
    let (mut start, mut entries) = (0, 0);
    for (bucket, size) in sizes.iter().enumerate() {
        entries += size;
        if entries >= each || bucket + 1 == sizes.len() {
            parts.push(start..bucket + 1);
            (start, entries) = (bucket + 1, 0);
        }
    }
    parts
}

/// The first `kept` of each part of so many `sizes`, one after the other.
fn fronts<T: Copy + Default + Send + Sync>(values: &[T], sizes: &[usize], kept: &[usize]) -> Vec<T> {
    let mut fronts = vec![T::default(); kept.iter().sum()];
    let (mut from, mut into) = (values, fronts.as_mut_slice());
    let mut copies = Vec::with_capacity(sizes.len());
    for (&size, &kept) in sizes.iter().zip(kept) {
        let (part, after) = from.split_at(size);
        let (place, rest) = into.split_at_mut(kept);
        copies.push((&part[..kept], place));
        (from, into) = (after, rest);
    }
    copies.into_par_iter().for_each(|(part, place)| place.copy_from_slice(part));
    fronts
}

/// Deals entries into the buckets of one part, each task into its own place in each bucket, so that those of
/// a bucket stand in their first order.
fn deal<P: Payload>(
    from: &impl Entries<Payload = P>,
    tasks: &[Range<usize>],
    counts: &[Vec<usize>],
    shift: u32,
    buckets: Range<usize>,
    entries: &mut [Entry<P>],
    run: &Run,
) -> Result<()> {
    let mut parts: Vec<Vec<std::slice::IterMut<'_, Entry<P>>>> =
        tasks.iter().map(|_| Vec::with_capacity(buckets.len())).collect();
    let mut rest = entries;
    for bucket in buckets.clone() {
        for (parts, counts) in parts.iter_mut().zip(counts) {
            let (part, after) = rest.split_at_mut(counts[bucket]);
            parts.push(part.iter_mut());
            rest = after;
        }
    }
    parts.into_par_iter().zip(tasks).try_for_each(|(mut parts, task)| {
        run.check()?;
        from.read(task.clone(), |row, column, payload| {
            // There is a place for each entry that was counted, when its bucket is of this part.
            let bucket = ((row >> shift) as usize).wrapping_sub(buckets.start);
            if let Some(place) = parts.get_mut(bucket).and_then(Iterator::next) {
                *place = Entry { key: u64::from(row) << 32 | u64::from(column), payload };
            }
        });
        Ok(())
    })
}

/// Bits that one pass of the radix sort looks at.
const DIGIT: u32 = 11;

/// Rows of this many entries on average are sorted one by one.
const FEW: usize = 8;

/// Most entries of a row that is sorted by insertion.
const SHORT: usize = 32;

/// The entries of some rows, and where they go.
struct Bucket<'a, P> {
    entries: &'a mut [Entry<P>],
    rows: Range<usize>,
    indices: &'a mut [u32],
    payloads: &'a mut [P],
}

impl<P: Payload> Bucket<'_, P> {
    /// Writes the entries to their places by row and by the low `bits` of the column, stably; says how
    /// many each row has.
    fn place(&mut self, spare: &mut Vec<Entry<P>>, bits: u32) -> Vec<usize> {
        let one_by_one = bits > 0 && self.entries.len() <= FEW * self.rows.len();
        let entries = sort_columns(self.entries, spare, if one_by_one { 0 } else { bits });
        let row = |entry: &Entry<P>| (entry.key >> 32) as usize - self.rows.start;
        let mut degrees = vec![0; self.rows.len()];
        for entry in entries {
            degrees[row(entry)] += 1;
        }
        let mut start = 0;
        let mut places: Vec<usize> = degrees
            .iter()
            .map(|degree| {
                start += degree;
                start - degree
            })
            .collect();
        for entry in entries {
            let place = &mut places[row(entry)];
            self.indices[*place] = entry.key as u32;
            self.payloads[*place] = entry.payload;
            *place += 1;
        }
        if one_by_one {
            let (mut indices, mut payloads) = (&mut *self.indices, &mut *self.payloads);
            for &degree in &degrees {
                let (row, indices_after) = indices.split_at_mut(degree);
                let (of_row, payloads_after) = payloads.split_at_mut(degree);
                sort_row(row, of_row);
                (indices, payloads) = (indices_after, payloads_after);
            }
        }
        degrees
    }

    /// Makes one of neighbouring entries of a row with the same column; what is left stands in front.
    fn merge(&mut self, degrees: &mut [usize], how: ParallelEdges) -> Result<()> {
        let (mut at, mut kept) = (0, 0);
        for (row, degree) in self.rows.clone().zip(degrees) {
            let (start, end) = (kept, at + *degree);
            for entry in at..end {
                let (column, payload) = (self.indices[entry], self.payloads[entry]);
                if kept > start && self.indices[kept - 1] == column {
                    let last = &mut self.payloads[kept - 1];
                    let merged = last.merge(payload, how);
                    *last = merged.ok_or(GraphError::WeightOverflow { from: row as u32, to: column })?;
                } else {
                    (self.indices[kept], self.payloads[kept]) = (column, payload);
                    kept += 1;
                }
            }
            at = end;
            *degree = kept - start;
        }
        Ok(())
    }
}

/// Sorts one row by its columns, stably.
fn sort_row<P: Copy>(columns: &mut [u32], payloads: &mut [P]) {
    if columns.len() > SHORT {
        let mut entries: Vec<(u32, P)> = columns.iter().copied().zip(payloads.iter().copied()).collect();
        entries.sort_by_key(|entry| entry.0);
        for ((column, payload), entry) in columns.iter_mut().zip(payloads).zip(entries) {
            (*column, *payload) = entry;
        }
        return;
    }
    for next in 1..columns.len() {
        let (column, payload) = (columns[next], payloads[next]);
        let mut place = next;
        while place > 0 && columns[place - 1] > column {
            (columns[place], payloads[place]) = (columns[place - 1], payloads[place - 1]);
            place -= 1;
        }
        (columns[place], payloads[place]) = (column, payload);
    }
}

/// Sorts entries by the low `bits` of their columns, stably; they are where the result says then.
fn sort_columns<'a, P: Payload>(
    entries: &'a mut [Entry<P>],
    spare: &'a mut Vec<Entry<P>>,
    bits: u32,
) -> &'a [Entry<P>] {
    if bits == 0 {
        return entries;
    }
    if entries.len() < 64 {
        entries.sort_by_key(|entry| entry.key as u32);
        return entries;
    }
    spare.clear();
    spare.resize(entries.len(), Entry::default());
    let (mut from, mut to) = (entries, spare.as_mut_slice());
    for at in (0..bits).step_by(DIGIT as usize) {
        let mask = (1 << (bits - at).min(DIGIT)) - 1;
        let mut places = [0_usize; 1 << DIGIT];
        for entry in from.iter() {
            places[(entry.key >> at & mask) as usize] += 1;
        }
        let mut start = 0;
        for place in &mut places {
            start += std::mem::replace(place, start);
        }
        for entry in from.iter() {
            let place = &mut places[(entry.key >> at & mask) as usize];
            to[*place] = *entry;
            *place += 1;
        }
        std::mem::swap(&mut from, &mut to);
    }
    from
}
