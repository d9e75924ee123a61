//! How many neighbours have two nodes in common?
//!
//! Common neighbours and the Jaccard coefficient (Jaccard 1901) of candidate pairs, as networkx has them:
//! the neighbours of a node are a set, so parallel edges count once; the two nodes themselves are never
//! common neighbours, but count in the union when they are neighbours of either. In a directed graph the
//! neighbours are those at the ends of outgoing edges.
//!
//! Sorted rows are merged; where one is much the longer, it is searched with doubling steps (Bentley and
//! Yao 1976) for each neighbour in the shorter. O(shorter · log(longer / shorter)) to O(both) time for
//! a pair, pairs in parallel. Memory: the result.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::{Graph, GraphError, NodeId, Result, Run};

/// Pairs that one task takes on between two looks at whether it should stop.
const BLOCK: usize = 256;

/// A row that is this many times the other is searched rather than merged.
const SEARCH: usize = 16;

/// For each pair (`source[i]`, `target[i]`): how many nodes are neighbours of both, neither of the two
/// counted. Deterministic for any number of threads.
///
/// # Errors
/// [`GraphError::LengthMismatch`]; [`GraphError::PairOutOfRange`] for the first pair with a node that the
/// graph does not have.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph, Run, common_neighbors};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 0, 1, 1]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![2, 3, 2, 3]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// # let options = BuildOptions { directed: false, ..BuildOptions::default() };
/// // 0 and 1 are each linked to 2 and 3.
/// let graph = Graph::from_edges(&edges, &options, &Run::default())?;
/// assert_eq!(common_neighbors(&graph, &[0, 0], &[1, 2], &Run::default())?, [2, 0]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn common_neighbors(graph: &Graph, source: &[NodeId], target: &[NodeId], run: &Run) -> Result<Vec<u32>> {
    let bytes = size_of_val(source);
    pairs("common neighbours", graph, source, target, bytes, run, |overlap| overlap.common)
}

/// For each pair (`source[i]`, `target[i]`): the common neighbours as a share of all neighbours of
/// either, from 0 to 1; 0 when neither has any. Deterministic for any number of threads.
///
/// # Errors
/// [`GraphError::LengthMismatch`]; [`GraphError::PairOutOfRange`] for the first pair with a node that the
/// graph does not have.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph, Run, jaccard};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 0, 1]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![2, 3, 2]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// # let options = BuildOptions { directed: false, ..BuildOptions::default() };
/// // 0 is linked to 2 and 3, and 1 to 2.
/// let graph = Graph::from_edges(&edges, &options, &Run::default())?;
/// assert_eq!(jaccard(&graph, &[0], &[1], &Run::default())?, [0.5]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn jaccard(graph: &Graph, source: &[NodeId], target: &[NodeId], run: &Run) -> Result<Vec<f64>> {
    let bytes = 2 * size_of_val(source);
    pairs("jaccard", graph, source, target, bytes, run, |overlap| match overlap.union {
        0 => 0.0,
        union => f64::from(overlap.common) / f64::from(union),
    })
}

/// What two sets of neighbours share.
#[derive(Clone, Copy, Default)]
struct Overlap {
    /// Nodes in both, without the two whose neighbours they are.
    common: u32,
    /// Nodes in either.
    union: u32,
}

fn pairs<T: Send + Clone + Default>(
    kernel: &'static str,
    graph: &Graph,
    source: &[NodeId],
    target: &[NodeId],
    bytes: usize,
    run: &Run,
    score: impl Fn(Overlap) -> T + Send + Sync,
) -> Result<Vec<T>> {
    if source.len() != target.len() {
        let (found, expected) = (target.len(), source.len());
        return Err(GraphError::LengthMismatch { column: "target", found, expected });
    }
    let rows = graph.sorted_csr(run)?;
    run.kernel(kernel, bytes, || {
        let nodes = graph.num_nodes();
        let outside = |&row: &usize| source[row].max(target[row]) as usize >= nodes;
        if let Some(row) = (0..source.len()).into_par_iter().find_first(outside) {
            let (column, node) =
                if source[row] as usize >= nodes { ("source", source[row]) } else { ("target", target[row]) };
            return Err(GraphError::PairOutOfRange { column, row, node, nodes });
        }
        let mut scores = vec![T::default(); source.len()];
        let blocks = scores.par_chunks_mut(BLOCK).zip(source.par_chunks(BLOCK).zip(target.par_chunks(BLOCK)));
        blocks.try_for_each(|(scores, (source, target))| {
            run.check()?;
            for (place, (&a, &b)) in scores.iter_mut().zip(source.iter().zip(target)) {
                *place = score(overlap((a, rows.neighbors(a)), (b, rows.neighbors(b))));
            }
            Ok::<(), GraphError>(())
        })?;
        Ok(scores)
    })
}

fn overlap(a: (NodeId, &[NodeId]), b: (NodeId, &[NodeId])) -> Overlap {
    let (short, long) = if a.1.len() <= b.1.len() { (a.1, b.1) } else { (b.1, a.1) };
    let mut both = 0;
    let mut count = |node: NodeId| both += u32::from(node != a.0 && node != b.0);
    let mut shared = 0_u32;
    if short.len() < long.len() / SEARCH {
        let mut rest = long;
        for node in distinct(short) {
            rest = from(rest, node);
            if rest.first() == Some(&node) {
                shared += 1;
                count(node);
            }
        }
    } else {
        let (mut left, mut right) = (short, long);
        while let ([node, left_rest @ ..], [other, right_rest @ ..]) = (left, right) {
            match node.cmp(other) {
                Ordering::Less => left = left_rest,
                Ordering::Greater => right = right_rest,
                Ordering::Equal => {
                    shared += 1;
                    count(*node);
                    left = beyond(left_rest, *node);
                    right = beyond(right_rest, *node);
                }
            }
        }
    }
    let sizes = distinct(a.1).count() + distinct(b.1).count();
    Overlap { common: both, union: (sizes as u32).saturating_sub(shared) }
}

/// The values of an ascending row, each once.
fn distinct(row: &[NodeId]) -> impl Iterator<Item = NodeId> {
    row.iter()
        .enumerate()
        .filter(|&(place, node)| place == 0 || row[place - 1] != *node)
        .map(|(_, &node)| node)
}

/// The row after the values equal to `node`.
fn beyond(mut row: &[NodeId], node: NodeId) -> &[NodeId] {
    while let [first, rest @ ..] = row
        && *first == node
    {
        row = rest;
    }
    row
}

/// The row from the first value that is not below `node`, found with doubling steps.
fn from(row: &[NodeId], node: NodeId) -> &[NodeId] {
    let mut end = 1;
    while end < row.len() && row[end] < node {
        end *= 2;
    }
    let begin = end / 2;
    let within = &row[begin..row.len().min(end + 1)];
    &row[begin + within.partition_point(|&other| other < node)..]
}
