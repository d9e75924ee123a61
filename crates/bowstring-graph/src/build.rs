//! How do edges become sparse rows? By a parallel, stable counting sort in two levels: edges are first
//! dealt into buckets of neighbouring rows, each small enough for a core's cache, and then sorted within
//! each bucket by radix. O(edges) time; beside the result it takes 8 bytes for each entry, 16 with
//! weights, until it is done. The result does not depend on the number of threads.

use std::ops::Range;

use arrow::array::ArrayRef;
use rayon::prelude::*;

use crate::{
    Csr, GraphError, Offsets, Result, Run, Weights,
    columns::{BLOCK, NodeColumn},
    weights::{Weight, with_weights},
};

/// The columns of an edge table with dense node numbers: chunks of one Arrow type (`int32`, `int64`,
/// `uint32` or `uint64`; any type of numbers for weights), read where they lie.
#[derive(Clone, Copy, Debug)]
pub struct Edges<'a> {
    /// Where each edge begins.
    pub source: &'a [ArrayRef],
    /// Where each edge ends.
    pub target: &'a [ArrayRef],
    /// The weight of each edge.
    pub weight: Option<&'a [ArrayRef]>,
}

/// What becomes of edges that have the same ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParallelEdges {
    /// Each stays an edge of its own.
    #[default]
    Keep,
    /// They become one, with the weight of the first.
    First,
    /// They become one, with the sum of their weights, an edge without weight counting 1.
    Sum,
    /// They become one, with the least weight.
    Min,
    /// They become one, with the greatest weight.
    Max,
}

/// What becomes of edges from a node to itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelfLoops {
    /// They stay.
    #[default]
    Keep,
    /// They are left out.
    Drop,
}

/// How a graph is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildOptions {
    /// How many nodes there are; one more than the greatest number when `None`, the default.
    pub num_nodes: Option<u64>,
    /// Whether edges have a direction; true by default. An undirected edge stands in the rows of both
    /// its ends, a loop once.
    pub directed: bool,
    /// What becomes of edges that have the same ends; kept by default.
    pub parallel_edges: ParallelEdges,
    /// What becomes of edges from a node to itself; kept by default.
    pub self_loops: SelfLoops,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            num_nodes: None,
            directed: true,
            parallel_edges: ParallelEdges::default(),
            self_loops: SelfLoops::default(),
        }
    }
}

/// Bytes for each node while its offset is counted, and of the offset itself.
const NODE_BYTES: usize = 16;

/// Entries that a bucket should have, so that it is sorted within a core's cache.
const BUCKET: usize = 1 << 15;

/// Most buckets, so that the places where a thread writes stay within its cache.
const MAX_BUCKETS: usize = 1 << 11;

/// Edges of one task of dealing.
const TASK: usize = 1 << 19;

/// Entries to be sorted into rows: tasks' worth of them, which can be read twice.
trait Entries: Sync {
    type Payload: Payload;
    fn len(&self) -> usize;
    /// Calls `each` with row, column and payload of the entries that stem from `range`, in order.
    fn read(&self, range: Range<usize>, each: impl FnMut(u32, u32, Self::Payload));
}

/// The edges of a table.
struct FromColumns<'a, P: Payload> {
    source: NodeColumn<'a>,
    target: NodeColumn<'a>,
    weights: &'a [P],
    both_ways: bool,
    loops: SelfLoops,
}

/// What travels with an entry through the sort: its weight, or nothing.
trait Payload: Copy + Default + Send + Sync + 'static {
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

impl<P: Payload> Entries for FromColumns<'_, P> {
    type Payload = P;

    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, range: Range<usize>, mut each: impl FnMut(u32, u32, P)) {
        let (mut from, mut to) = ([0; BLOCK], [0; BLOCK]);
        let mut at = range.start;
        while at < range.end {
            let block = at..range.end.min(at + BLOCK);
            let rows = block.len();
            self.source.read(block.clone(), &mut from[..rows]);
            self.target.read(block.clone(), &mut to[..rows]);
            for (row, (&from, &to)) in block.clone().zip(from.iter().zip(&to)) {
                if from == to {
                    if self.loops == SelfLoops::Keep {
                        each(from, to, self.weights[row]);
                    }
                    continue;
                }
                each(from, to, self.weights[row]);
                if self.both_ways {
                    each(to, from, self.weights[row]);
                }
            }
            at = block.end;
        }
    }
}

/// The entries of sparse rows, read as those of their columns.
struct Transposed<'a, P: Payload> {
    rows: &'a Csr,
    weights: &'a [P],
}

impl<P: Payload> Entries for Transposed<'_, P> {
    type Payload = P;

    fn len(&self) -> usize {
        self.rows.num_entries()
    }

    fn read(&self, range: Range<usize>, mut each: impl FnMut(u32, u32, P)) {
        let indptr = self.rows.indptr();
        let mut row = self.rows.row_of(range.start) as usize;
        let mut at = range.start;
        while at < range.end {
            let end = indptr.get(row + 1).min(range.end);
            for (entry, &column) in (at..end).zip(&self.rows.indices()[at..end]) {
                each(column, row as u32, self.weights[entry]);
            }
            at = end.max(at);
            row += 1;
        }
    }
}

/// Builds the sparse rows of an edge table.
pub(crate) fn from_columns(edges: &Edges<'_>, options: &BuildOptions, run: &Run) -> Result<Csr> {
    let source = NodeColumn::new("source", edges.source)?;
    let target = NodeColumn::new("target", edges.target)?;
    let expected = source.len();
    let same = |column, found| match found == expected {
        true => Ok(()),
        false => Err(GraphError::LengthMismatch { column, found, expected }),
    };
    same("target", target.len())?;
    if let Some(weight) = edges.weight {
        same("weight", weight.iter().map(|chunk| chunk.len()).sum())?;
    }
    let given = match options.num_nodes {
        Some(nodes) if nodes > crate::csr::MAX_NODES => return Err(GraphError::TooManyNodes { nodes }),
        given => given.map(|nodes| nodes as usize),
    };
    let entries = if options.directed { expected } else { 2 * expected };
    let payload = edges.weight.map_or(0, |_| 8);
    let greatest = run.kernel("building a graph", 0, || {
        Ok(source.greatest("source", given)?.max(target.greatest("target", given)?))
    })?;
    let nodes = given.unwrap_or_else(|| greatest.map_or(0, |greatest| greatest as usize + 1));
    run.kernel("building a graph", entries * (8 + payload + 4) + nodes * NODE_BYTES, || {
        let both_ways = !options.directed;
        let loops = options.self_loops;
        let merge = options.parallel_edges;
        let ones: Vec<i64>;
        let weights = match edges.weight {
            Some(weight) => Some(crate::columns::weights(weight)?),
            None if merge == ParallelEdges::Sum => {
                ones = vec![1; expected];
                Some(Weights::I64(ones.into()))
            }
            None => None,
        };
        let (columns, rule) = ((source, target), Rule { nodes, merge, is_sorted: false });
        let (source, target) = columns;
        match &weights {
            None => sort(
                &FromColumns { source, target, weights: &vec![(); expected], both_ways, loops },
                rule,
                run,
            ),
            // A sum of 32-bit integers may not be one.
            Some(Weights::I32(values)) if merge == ParallelEdges::Sum => {
                let wide: Vec<i64> = values.par_iter().map(|&value| i64::from(value)).collect();
                sort(&FromColumns { source, target, weights: &wide, both_ways, loops }, rule, run)
            }
            Some(weights) => with_weights!(weights, values => {
                sort(&FromColumns { source, target, weights: &values[..], both_ways, loops }, rule, run)
            }),
        }
    })
}

/// The sparse columns of sparse rows; neighbours ascend.
pub(crate) fn transpose(rows: &Csr, run: &Run) -> Result<Csr> {
    let payload = rows.weights().map_or(0, |_| 8);
    run.kernel(
        "turning a graph around",
        rows.num_entries() * (8 + payload + 4) + rows.num_nodes() * NODE_BYTES,
        || {
            let rule = Rule { nodes: rows.num_nodes(), merge: ParallelEdges::Keep, is_sorted: true };
            match rows.weights() {
                None => sort(&Transposed { rows, weights: &vec![(); rows.num_entries()] }, rule, run),
                Some(weights) => with_weights!(weights, values => {
                    sort(&Transposed { rows, weights: &values[..] }, rule, run)
                }),
            }
        },
    )
}

#[derive(Clone, Copy)]
struct Rule {
    nodes: usize,
    merge: ParallelEdges,
    /// Whether the columns of each row arrive in ascending order.
    is_sorted: bool,
}

/// An entry on its way: the row above, the column below.
#[derive(Clone, Copy, Default)]
struct Entry<P> {
    key: u64,
    payload: P,
}

fn sort<P: Payload>(from: &impl Entries<Payload = P>, rule: Rule, run: &Run) -> Result<Csr> {
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

    let mut entries = vec![Entry::<P>::default(); sizes.iter().sum()];
    deal(from, &tasks, &counts, shift, &mut entries, run)?;

    let bits = usize::BITS - nodes.max(1).leading_zeros();
    let mut rest = entries.as_mut_slice();
    let mut parts = Vec::with_capacity(buckets);
    for (bucket, &size) in sizes.iter().enumerate() {
        let (part, after) = rest.split_at_mut(size);
        parts.push((bucket, part));
        rest = after;
    }
    let kept: Vec<(usize, Vec<usize>)> = parts
        .into_par_iter()
        .map_init(Vec::new, |spare, (bucket, part)| {
            run.check()?;
            let first_row = (bucket << shift) as u64;
            let rows = (nodes - (bucket << shift).min(nodes)).min(1 << shift);
            sort_bucket(part, spare, if rule.is_sorted { 0 } else { bits }, shift);
            let kept = match rule.merge {
                ParallelEdges::Keep => part.len(),
                how => merge(part, how)?,
            };
            let mut ends = vec![0; rows];
            for entry in &part[..kept] {
                ends[((entry.key >> 32) - first_row) as usize] += 1;
            }
            Ok((kept, ends))
        })
        .collect::<Result<_>>()?;

    let total: usize = kept.iter().map(|(kept, _)| kept).sum();
    let mut indptr = Vec::with_capacity(nodes + 1);
    let mut end = 0;
    indptr.push(0);
    for (_, degrees) in &kept {
        for degree in degrees {
            end += degree;
            indptr.push(end);
        }
    }
    let mut indices = vec![0; total];
    let mut payloads = vec![P::default(); total];
    let (mut from, mut indices_left, mut payloads_left) =
        (entries.as_slice(), indices.as_mut_slice(), payloads.as_mut_slice());
    let mut parts = Vec::with_capacity(buckets);
    for (&size, &(kept, _)) in sizes.iter().zip(&kept) {
        let (part, after) = from.split_at(size);
        let (into, indices_after) = indices_left.split_at_mut(kept);
        let (with, payloads_after) = payloads_left.split_at_mut(kept);
        parts.push((&part[..kept], into, with));
        (from, indices_left, payloads_left) = (after, indices_after, payloads_after);
    }
    parts.into_par_iter().for_each(|(part, indices, payloads)| {
        for ((entry, index), payload) in part.iter().zip(indices).zip(payloads) {
            *index = entry.key as u32;
            *payload = entry.payload;
        }
    });
    Ok(Csr::made(Offsets::of(indptr, total), indices, P::weights(payloads)))
}

/// Deals entries into buckets, each task into its own part of each bucket, so that those of a bucket
/// stand in their first order.
fn deal<P: Payload>(
    from: &impl Entries<Payload = P>,
    tasks: &[Range<usize>],
    counts: &[Vec<usize>],
    shift: u32,
    entries: &mut [Entry<P>],
    run: &Run,
) -> Result<()> {
    let buckets = counts.first().map_or(0, Vec::len);
    let mut parts: Vec<Vec<std::slice::IterMut<'_, Entry<P>>>> =
        tasks.iter().map(|_| Vec::with_capacity(buckets)).collect();
    let mut rest = entries;
    for bucket in 0..buckets {
        for (parts, counts) in parts.iter_mut().zip(counts) {
            let (part, after) = rest.split_at_mut(counts[bucket]);
            parts.push(part.iter_mut());
            rest = after;
        }
    }
    parts.into_par_iter().zip(tasks).try_for_each(|(mut parts, task)| {
        run.check()?;
        from.read(task.clone(), |row, column, payload| {
            // There is a place for each entry that was counted.
            if let Some(place) = parts[(row >> shift) as usize].next() {
                *place = Entry { key: u64::from(row) << 32 | u64::from(column), payload };
            }
        });
        Ok(())
    })
}

/// Bits that one pass of the radix sort looks at.
const DIGIT: u32 = 11;

/// Sorts a bucket by row and by the low `bits` of the column, stably.
fn sort_bucket<P: Payload>(part: &mut [Entry<P>], spare: &mut Vec<Entry<P>>, bits: u32, shift: u32) {
    if part.len() < 64 {
        match bits {
            0 => part.sort_by_key(|entry| entry.key >> 32),
            _ => part.sort_by_key(|entry| entry.key),
        }
        return;
    }
    spare.clear();
    spare.resize(part.len(), Entry::default());
    let columns = (0..bits).step_by(DIGIT as usize);
    let rows = (32..32 + shift).step_by(DIGIT as usize);
    let digits: Vec<(u32, u64)> = columns
        .map(|at| (at, (bits - at).min(DIGIT)))
        .chain(rows.map(|at| (at, (32 + shift - at).min(DIGIT))))
        .map(|(at, width)| (at, (1 << width) - 1))
        .collect();
    let mut in_spare = false;
    for (at, mask) in digits {
        let (from, to): (&[Entry<P>], &mut [Entry<P>]) = if in_spare { (spare, part) } else { (part, spare) };
        let mut places = [0_usize; 1 << DIGIT];
        for entry in from {
            places[(entry.key >> at & mask) as usize] += 1;
        }
        let mut start = 0;
        for place in &mut places {
            start += std::mem::replace(place, start);
        }
        for entry in from {
            let place = &mut places[(entry.key >> at & mask) as usize];
            to[*place] = *entry;
            *place += 1;
        }
        in_spare = !in_spare;
    }
    if in_spare {
        part.copy_from_slice(spare);
    }
}

/// Makes one of neighbouring entries with the same key, and says how many are left at the front.
fn merge<P: Payload>(part: &mut [Entry<P>], how: ParallelEdges) -> Result<usize> {
    let mut kept = 0;
    for at in 0..part.len() {
        let entry = part[at];
        if kept > 0 && part[kept - 1].key == entry.key {
            let last = &mut part[kept - 1];
            last.payload = last
                .payload
                .merge(entry.payload, how)
                .ok_or(GraphError::WeightOverflow { from: (entry.key >> 32) as u32, to: entry.key as u32 })?;
        } else {
            part[kept] = entry;
            kept += 1;
        }
    }
    Ok(kept)
}
