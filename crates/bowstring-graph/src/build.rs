//! How do edges become sparse rows? They are read where they lie and sorted into rows; see `sort` for the
//! method, its time and its memory.

use std::ops::Range;

use arrow::array::ArrayRef;
use rayon::prelude::*;

use crate::{
    Csr, GraphError, Result, Run, Weights,
    columns::{BLOCK, NodeColumn},
    sort::{Entries, Payload, Rule, sort},
    weights::with_weights,
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
/// The edges of a table.
struct FromColumns<'a, P: Payload> {
    source: NodeColumn<'a>,
    target: NodeColumn<'a>,
    weights: &'a [P],
    both_ways: bool,
    loops: SelfLoops,
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
    let same = |column: &'static str, found| match found == expected {
        true => Ok(()),
        false => {
            Err(GraphError::LengthMismatch { column: column.into(), found, other: "source".into(), expected })
        }
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
        let (columns, rule) = ((source, target), Rule { nodes, merge, is_sorted: false, parts: 1 });
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
            let rule =
                Rule { nodes: rows.num_nodes(), merge: ParallelEdges::Keep, is_sorted: true, parts: 4 };
            match rows.weights() {
                None => sort(&Transposed { rows, weights: &vec![(); rows.num_entries()] }, rule, run),
                Some(weights) => with_weights!(weights, values => {
                    sort(&Transposed { rows, weights: &values[..] }, rule, run)
                }),
            }
        },
    )
}
