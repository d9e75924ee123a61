//! How many neighbours have two nodes in common?
//!
//! Common neighbours and the Jaccard coefficient (Jaccard 1901) of candidate pairs, as networkx has them:
//! the neighbours of a node are a set, so parallel edges count once; the two nodes themselves are never
//! common neighbours, but count in the union when they are neighbours of either. In a directed graph the
//! neighbours are those at the ends of outgoing edges.
//!
//! Sorted rows are merged; where one is much the longer, it is searched with doubling steps (Bentley and
//! Yao 1976) for each neighbour in the shorter. O(shorter · log(longer / shorter)) to O(both) time for
//! a pair, pairs in parallel. Memory: the result, and 4 bytes for each node for the coefficient.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rayon::prelude::*;

use crate::{Csr, Graph, GraphError, NodeId, Result, Run};

/// Pairs that one task takes on between two looks at whether it should stop.
const BLOCK: usize = 64;

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
    let rows = graph.sorted_csr(run)?;
    run.kernel("common neighbours", bytes, || {
        pairs(rows, source, target, run, |a, b| Pair { rows, degrees: &[], a, b }.common())
    })
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
    let bytes = 2 * size_of_val(source) + 4 * graph.num_nodes();
    let rows = graph.sorted_csr(run)?;
    run.kernel("jaccard", bytes, || {
        let degrees: Vec<AtomicU32> = (0..graph.num_nodes()).map(|_| AtomicU32::new(UNKNOWN)).collect();
        pairs(rows, source, target, run, |a, b| Pair { rows, degrees: &degrees, a, b }.jaccard())
    })
}

/// The score of each pair.
fn pairs<T: Send + Clone + Default>(
    rows: &Csr,
    source: &[NodeId],
    target: &[NodeId],
    run: &Run,
    score: impl Fn(NodeId, NodeId) -> T + Sync,
) -> Result<Vec<T>> {
    if source.len() != target.len() {
        let (found, expected) = (target.len(), source.len());
        return Err(GraphError::LengthMismatch {
            column: "target".into(),
            found,
            other: "source".into(),
            expected,
        });
    }
    let nodes = rows.num_nodes();
    let outside = |&row: &usize| source[row].max(target[row]) as usize >= nodes;
    if let Some(row) = (0..source.len()).into_par_iter().find_first(outside) {
        let (column, node) =
            if source[row] as usize >= nodes { ("source", source[row]) } else { ("target", target[row]) };
        return Err(GraphError::PairOutOfRange { column: column.into(), row, node, nodes });
    }
    let mut scores = vec![T::default(); source.len()];
    let blocks = scores.par_chunks_mut(BLOCK).zip(source.par_chunks(BLOCK).zip(target.par_chunks(BLOCK)));
    blocks.try_for_each(|(scores, (source, target))| {
        run.check()?;
        for (place, (&a, &b)) in scores.iter_mut().zip(source.iter().zip(target)) {
            *place = score(a, b);
        }
        Ok::<(), GraphError>(())
    })?;
    Ok(scores)
}

/// What is to be known of the neighbours of two nodes.
struct Pair<'a> {
    rows: &'a Csr,
    /// How many neighbours each node has, parallel edges counted once; [`UNKNOWN`] until it is asked for.
    degrees: &'a [AtomicU32],
    a: NodeId,
    b: NodeId,
}

/// No node has as many neighbours.
const UNKNOWN: u32 = u32::MAX;

impl Pair<'_> {
    /// How many nodes are neighbours of both, and how many of these are the two themselves.
    fn shared(&self) -> (u32, u32) {
        let (a, b) = (self.rows.neighbors(self.a), self.rows.neighbors(self.b));
        let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
        let both = if short.len() < long.len() / SEARCH { search(short, long) } else { merge(short, long) };
        let in_both = |node| u32::from(a.binary_search(&node).is_ok() && b.binary_search(&node).is_ok());
        (both, in_both(self.a) + if self.a == self.b { 0 } else { in_both(self.b) })
    }

    fn common(&self) -> u32 {
        let (both, themselves) = self.shared();
        both - themselves
    }

    fn jaccard(&self) -> f64 {
        let (both, themselves) = self.shared();
        match self.degree(self.a) + self.degree(self.b) - both {
            0 => 0.0,
            union => f64::from(both - themselves) / f64::from(union),
        }
    }

    fn degree(&self, node: NodeId) -> u32 {
        let known = &self.degrees[node as usize];
        let mut degree = known.load(Relaxed);
        if degree == UNKNOWN {
            let row = self.rows.neighbors(node);
            degree =
                row.len().min(1) as u32 + row.windows(2).map(|two| u32::from(two[0] != two[1])).sum::<u32>();
            known.store(degree, Relaxed);
        }
        degree
    }
}

/// How many different values two ascending rows share. Without branches that depend on the values.
fn merge(left: &[NodeId], right: &[NodeId]) -> u32 {
    let (mut i, mut j) = (0, 0);
    let (mut shared, mut last) = (0, NodeId::MAX);
    while i < left.len() && j < right.len() {
        let (a, b) = (left[i], right[j]);
        let new = a == b && a != last;
        shared += u32::from(new);
        last = if new { a } else { last };
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
    shared
}

/// The same, for a row that is much the longer.
fn search(short: &[NodeId], long: &[NodeId]) -> u32 {
    let mut rest = long;
    let (mut shared, mut last) = (0, NodeId::MAX);
    for &node in short {
        rest = from(rest, node);
        if rest.first() == Some(&node) && node != last {
            shared += 1;
            last = node;
        }
    }
    shared
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
