//! Minimum spanning forest: which edges connect the graph at the least total weight?
//!
//! Filter-Kruskal (Osipov, Sanders and Singler 2009): the lightest edges are sorted and taken by
//! Kruskal's rule; of the others only those that still lie between two trees are looked at again. Edges
//! of one weight are ordered by their ends, so that the forest is unique and does not depend on the
//! number of threads. O(edges + nodes · log nodes) time when weights are random, O(edges · log edges) at
//! worst; 32 bytes for each node, the result among them, and 16 for each edge that is sorted at a time, of
//! which there are at worst all.

use rayon::prelude::*;

use crate::{
    Components, Csr, Graph, GraphError, NodeId, Result, Run, Weights,
    unions::Unions,
    weights::{Weight, with_weights},
};

/// Nodes of one task.
const BLOCK: usize = 1 << 10;

/// Edges between two looks whether the work was asked to stop.
const STEPS: usize = 1 << 14;

/// Fewest edges that are worth a division into lighter and heavier ones.
const FEW: usize = 1 << 14;

/// Edges that are looked at to find a weight which divides them.
const SAMPLES: usize = 1 << 12;

/// A minimum spanning forest: a tree for each component of the graph.
#[derive(Clone, Debug)]
pub struct SpanningForest {
    /// The smaller end of each edge. Edges ascend by their smaller and then by their greater end.
    pub sources: Vec<NodeId>,
    /// The greater end of each edge.
    pub targets: Vec<NodeId>,
    /// The weight of each edge; none when the graph has no weights.
    pub weights: Option<Weights>,
    /// The sum of the weights, or the number of edges when the graph has no weights. Exact for integers
    /// up to 2⁵³; floats are added in the order of the edges.
    pub total: f64,
    /// The trees.
    pub components: Components,
}

/// A minimum spanning forest of an undirected graph. Weights may be negative; a graph without weights
/// gets a spanning forest in which each edge counts 1. Loops are never part of it. Edges of one weight
/// are taken in the order of their smaller, then of their greater end; of two zeros −0 is the lesser.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, Edges, Graph, Run, minimum_spanning_forest};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 0]));
/// let weight: ArrayRef = Arc::new(Int64Array::from(vec![5, 7, 3]));
/// let edges = Edges { source: &[source], target: &[target], weight: Some(&[weight]) };
/// let options = BuildOptions { directed: false, ..BuildOptions::default() };
/// let graph = Graph::from_edges(&edges, &options, &Run::default())?;
/// let forest = minimum_spanning_forest(&graph, &Run::default())?;
/// assert_eq!((forest.sources, forest.targets), (vec![0, 0], vec![1, 2]));
/// assert_eq!(forest.total, 8.0);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
///
/// # Errors
/// [`GraphError::WrongDirection`] for a directed graph; when memory does not suffice, or the work was
/// asked to stop.
pub fn minimum_spanning_forest(graph: &Graph, run: &Run) -> Result<SpanningForest> {
    if graph.is_directed() {
        return Err(GraphError::WrongDirection {
            kernel: "the minimum spanning forest",
            expected: "undirected",
        });
    }
    let rows = graph.csr();
    match rows.weights() {
        None => {
            let (edges, components) = grow(rows, |_| 0, run)?;
            Ok(SpanningForest::new(&edges, components, None, edges.len() as f64))
        }
        Some(weights) => with_weights!(weights, values => weighted(rows, values, run)),
    }
}

fn weighted<W: Ordered>(rows: &Csr, values: &[W], run: &Run) -> Result<SpanningForest> {
    let (edges, components) = grow(rows, |entry| values[entry].key(), run)?;
    let weights: Vec<W> = edges.iter().map(|edge| W::of_key(edge.key)).collect();
    let total = W::total(&weights);
    Ok(SpanningForest::new(&edges, components, Some(W::weights(weights)), total))
}

impl SpanningForest {
    fn new(edges: &[Edge], components: Components, weights: Option<Weights>, total: f64) -> Self {
        let sources = edges.iter().map(Edge::low).collect();
        let targets = edges.iter().map(Edge::high).collect();
        Self { sources, targets, weights, total, components }
    }
}

/// A weight that a whole number stands for, in the same order.
trait Ordered: Weight {
    fn key(self) -> u64;
    fn of_key(key: u64) -> Self;
    fn total(weights: &[Self]) -> f64;
}

macro_rules! ordered {
    ($kind:ty, $key:expr, $of_key:expr, $total:expr) => {
        impl Ordered for $kind {
            #[inline]
            fn key(self) -> u64 {
                $key(self)
            }
            fn of_key(key: u64) -> Self {
                $of_key(key) as Self
            }
            fn total(weights: &[Self]) -> f64 {
                $total(weights)
            }
        }
    };
}

ordered!(i32, |weight| key_of_integer(i64::from(weight)), integer_of_key, |weights: &[i32]| {
    weights.iter().map(|&weight| i128::from(weight)).sum::<i128>() as f64
});
ordered!(i64, key_of_integer, integer_of_key, |weights: &[i64]| {
    weights.iter().map(|&weight| i128::from(weight)).sum::<i128>() as f64
});
ordered!(f32, |weight| key_of_float(f64::from(weight)), float_of_key, |weights: &[f32]| {
    weights.iter().map(|&weight| f64::from(weight)).sum()
});
ordered!(f64, key_of_float, float_of_key, |weights: &[f64]| weights.iter().sum());

const SIGN: u64 = 1 << 63;

fn key_of_integer(weight: i64) -> u64 {
    weight.cast_unsigned() ^ SIGN
}

fn integer_of_key(key: u64) -> i64 {
    (key ^ SIGN).cast_signed()
}

/// Floats order as their bits do, once those of negative ones are turned around.
fn key_of_float(weight: f64) -> u64 {
    let bits = weight.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn float_of_key(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN })
}

/// An edge in the order in which edges are taken: by weight, then by its ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    key: u64,
    /// The smaller end above, the greater below.
    ends: u64,
}

impl Edge {
    fn low(&self) -> NodeId {
        (self.ends >> 32) as u32
    }

    fn high(&self) -> NodeId {
        self.ends as u32
    }
}

/// The edges of the forest in the order of their ends, and its trees.
fn grow(rows: &Csr, key: impl Fn(usize) -> u64 + Sync, run: &Run) -> Result<(Vec<Edge>, Components)> {
    let nodes = rows.num_nodes();
    let bytes = 8 * nodes + 24 * nodes + 16 * rows.num_entries() / 2;
    run.kernel("the minimum spanning forest", bytes, || {
        let trees = Unions::new(nodes);
        let mut taken = Vec::with_capacity(nodes);
        let wanted = (2 * nodes).max(FEW);
        let bar = bar(rows, &key, wanted);
        let light = collect(rows, &key, run, |edge| bar.is_none_or(|bar| *edge <= bar))?;
        take(light, &trees, &mut taken, run)?;
        if let Some(bar) = bar {
            let heavy = collect(rows, &key, run, |edge| *edge > bar && trees.apart(edge.low(), edge.high()))?;
            divide(heavy, wanted, &trees, &mut taken, run)?;
        }
        trees.compress(run)?;
        taken.par_sort_unstable_by_key(|edge| edge.ends);
        Ok((taken, trees.into_components(run)?))
    })
}

/// An edge that about `wanted` edges are not heavier than; none when there are not many more in all.
fn bar(rows: &Csr, key: &impl Fn(usize) -> u64, wanted: usize) -> Option<Edge> {
    let entries = rows.num_entries();
    if entries / 2 <= wanted + wanted / 2 {
        return None;
    }
    let sample = |sample: usize| {
        let entry = (sample as u128 * entries as u128 / SAMPLES as u128) as usize;
        edge(rows.row_of(entry), rows.indices()[entry], key(entry))
    };
    let mut samples: Vec<Edge> = (0..SAMPLES).map(sample).collect();
    samples.sort_unstable();
    samples.get(SAMPLES * wanted / (entries / 2)).copied()
}

fn edge(a: NodeId, b: NodeId, key: u64) -> Edge {
    Edge { key, ends: u64::from(a.min(b)) << 32 | u64::from(a.max(b)) }
}

/// The edges that are to be kept.
fn collect(
    rows: &Csr,
    key: &(impl Fn(usize) -> u64 + Sync),
    run: &Run,
    keep: impl Fn(&Edge) -> bool + Sync,
) -> Result<Vec<Edge>> {
    let nodes = rows.num_nodes();
    let of_block = |block: usize| {
        run.check()?;
        let mut kept = Vec::new();
        for node in (block * BLOCK) as u32..nodes.min((block + 1) * BLOCK) as u32 {
            for (entry, &other) in rows.range(node).zip(rows.neighbors(node)) {
                if node < other {
                    let edge = edge(node, other, key(entry));
                    if keep(&edge) {
                        kept.push(edge);
                    }
                }
            }
        }
        Ok(kept)
    };
    let parts: Vec<Vec<Edge>> =
        (0..nodes.div_ceil(BLOCK)).into_par_iter().map(of_block).collect::<Result<_>>()?;
    Ok(parts.concat())
}

/// Takes edges of any number, lighter ones first.
fn divide(
    mut edges: Vec<Edge>,
    wanted: usize,
    trees: &Unions,
    taken: &mut Vec<Edge>,
    run: &Run,
) -> Result<()> {
    while edges.len() > wanted + wanted / 2 {
        let step = edges.len() / SAMPLES;
        let mut samples: Vec<Edge> = edges.iter().copied().step_by(step.max(1)).collect();
        samples.sort_unstable();
        let bar = samples[samples.len() * wanted / edges.len()];
        let (light, heavy) = edges.into_par_iter().partition(|edge| *edge <= bar);
        take(light, trees, taken, run)?;
        let apart = |edge: &Edge| trees.apart(edge.low(), edge.high());
        let heavy: Vec<Edge> = heavy;
        edges = heavy.into_par_iter().filter(apart).collect();
    }
    take(edges, trees, taken, run)
}

/// Kruskal's rule: an edge is taken when it lies between two trees, and joins them.
fn take(mut edges: Vec<Edge>, trees: &Unions, taken: &mut Vec<Edge>, run: &Run) -> Result<()> {
    run.check()?;
    edges.par_sort_unstable();
    for block in edges.chunks(STEPS) {
        run.check()?;
        taken.extend(block.iter().copied().filter(|edge| trees.join(edge.low(), edge.high())));
    }
    trees.compress(run)
}
