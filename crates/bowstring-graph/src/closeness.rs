//! Closeness and harmonic centrality: how near is a node to those that reach it?
//!
//! Closeness is one by the mean distance (Bavelas 1950; in graphs of several parts scaled as Wasserman
//! and Faust 1994 do), harmonic centrality the sum of one by each distance (Marchiori, Latora 2000). In
//! directed graphs distances are those towards the node, as in networkx. Searches run in parallel; 64 of
//! them share their looks at edges, unless weights are used.
//!
//! Cost: at most one search for each node asked for, O(nodes · edges), with weights one Dijkstra. Memory:
//! 24 bytes for each node asked for, and for each thread 36 bytes for each node; with weights 16, and 16
//! for each edge; beside the graph and its rows of incoming edges.

use rayon::prelude::*;

use crate::{
    Graph, GraphError, NodeId, Result, Run,
    distances_to::{self, Dijkstra},
    many_bfs::{self, ManyBfs, SOURCES},
    pull,
};

/// How [`closeness`] works.
#[derive(Clone, Debug)]
pub struct ClosenessOptions {
    /// Whether distances are sums of weights. Default false: they are numbers of edges.
    pub weighted: bool,
    /// Whether a score is multiplied with the part of the other nodes that reach the node, so that nodes
    /// of different parts compare. Default true.
    pub wf_improved: bool,
    /// The nodes whose scores are wanted. Default: all, ascending.
    pub nodes: Option<Vec<NodeId>>,
}

impl Default for ClosenessOptions {
    fn default() -> Self {
        Self { weighted: false, wf_improved: true, nodes: None }
    }
}

/// How [`harmonic`] works.
#[derive(Clone, Debug, Default)]
pub struct HarmonicOptions {
    /// Whether distances are sums of weights. Default false: they are numbers of edges.
    pub weighted: bool,
    /// The nodes whose scores are wanted. Default: all, ascending.
    pub nodes: Option<Vec<NodeId>>,
}

/// The closeness of each node asked for; 0 where no other node reaches it, or all do at distance 0.
///
/// # Errors
/// [`GraphError::UnknownNode`](crate::GraphError::UnknownNode), [`GraphError::NoWeights`](crate::GraphError),
/// [`GraphError::NegativeWeight`](crate::GraphError), [`GraphError::Memory`](crate::GraphError),
/// [`GraphError::Cancelled`](crate::GraphError).
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, ClosenessOptions, Edges, Graph, Run, closeness};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
/// let found = closeness(&graph, &ClosenessOptions::default(), &Run::default())?;
/// assert_eq!(found, [0.0, 0.5, 2.0 / 3.0]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn closeness(graph: &Graph, options: &ClosenessOptions, run: &Run) -> Result<Vec<f64>> {
    let others = graph.num_nodes().saturating_sub(1) as f64;
    let found = near("closeness", graph, options.weighted, options.nodes.as_deref(), run)?;
    let score = |near: Near| {
        if near.distance <= 0.0 {
            return 0.0;
        }
        let part = if options.wf_improved { near.reached as f64 / others } else { 1.0 };
        near.reached as f64 / near.distance * part
    };
    Ok(found.into_iter().map(score).collect())
}

/// The harmonic centrality of each node asked for: the sum of one by the distance from each other node
/// that reaches it. Distances of 0 are left out.
///
/// # Errors
/// As [`closeness`].
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, Edges, Graph, HarmonicOptions, Run, harmonic};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
/// assert_eq!(harmonic(&graph, &HarmonicOptions::default(), &Run::default())?, [0.0, 1.0, 1.5]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn harmonic(graph: &Graph, options: &HarmonicOptions, run: &Run) -> Result<Vec<f64>> {
    let found = near("harmonic centrality", graph, options.weighted, options.nodes.as_deref(), run)?;
    Ok(found.into_iter().map(|near| near.inverse).collect())
}

/// What is found out about the nodes that reach one.
#[derive(Clone, Copy, Default)]
struct Near {
    /// How many others there are.
    reached: u64,
    /// The sum of their distances.
    distance: f64,
    /// The sum of one by each distance that is not 0.
    inverse: f64,
}

fn near(
    kernel: &'static str,
    graph: &Graph,
    weighted: bool,
    wanted: Option<&[NodeId]>,
    run: &Run,
) -> Result<Vec<Near>> {
    pull::check_weights(graph, kernel, weighted, run)?;
    let all: Vec<NodeId>;
    let wanted = match wanted {
        Some(wanted) => wanted,
        None => {
            all = (0..graph.num_nodes() as u32).collect();
            &all
        }
    };
    wanted.iter().try_for_each(|&node| graph.check_node(node))?;
    let incoming = graph.csc(run)?;
    let threads = run.num_threads().min(wanted.len().div_ceil(SOURCES));
    let state = match weighted {
        true => distances_to::BYTES * graph.num_nodes() + distances_to::HEAP_BYTES * incoming.num_entries(),
        false => many_bfs::BYTES * graph.num_nodes(),
    };
    run.kernel(kernel, size_of::<Near>() * wanted.len() + threads * state, || {
        let mut found = vec![Near::default(); wanted.len()];
        let batches = found.par_chunks_mut(SOURCES).zip(wanted.par_chunks(SOURCES));
        // What a search works with serves the next one.
        if weighted {
            batches.try_for_each_init(
                || Dijkstra::new(graph.num_nodes()),
                |dijkstra, (found, wanted)| {
                    for (near, &node) in found.iter_mut().zip(wanted) {
                        dijkstra.from(node, incoming, run)?;
                        for &other in dijkstra.order() {
                            near.add(dijkstra.distance(other), u64::from(other != node));
                        }
                    }
                    Ok::<_, GraphError>(())
                },
            )?;
        } else {
            batches.try_for_each_init(
                || ManyBfs::new(graph.num_nodes()),
                |search, (found, wanted)| {
                    search.search(wanted, incoming, graph.csr(), run, |distance, counts| {
                        for (near, &count) in found.iter_mut().zip(counts) {
                            near.add(distance as f64, count);
                        }
                    })
                },
            )?;
        }
        Ok(found)
    })
}

impl Near {
    /// Adds `count` nodes.
    fn add(&mut self, distance: f64, count: u64) {
        self.reached += count;
        self.distance += distance * count as f64;
        if distance > 0.0 {
            self.inverse += count as f64 / distance;
        }
    }
}
