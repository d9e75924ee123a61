//! Degree centrality: to what part of the other nodes is a node joined?

use rayon::prelude::*;

use crate::{Direction, Graph, Result, Run};

/// The number of each node's edges by the number of other nodes, as networkx counts: parallel edges
/// count each, and a loop twice where both of its ends are meant, so that a score may exceed 1. In an
/// undirected graph `direction` does not matter. The only node of a graph has 1.
///
/// Cost: O(nodes), and O(edges) where loops are to be found. Memory: 12 bytes for each node.
///
/// # Errors
/// [`GraphError::Memory`](crate::GraphError::Memory), [`GraphError::Cancelled`](crate::GraphError).
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, Direction, Edges, Graph, Run, degree_centrality};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 0]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
/// assert_eq!(degree_centrality(&graph, Direction::In, &Run::default())?, [0.0, 0.5, 0.5]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn degree_centrality(graph: &Graph, direction: Direction, run: &Run) -> Result<Vec<f64>> {
    let degrees = graph.degree(direction, run)?;
    let share = match graph.num_nodes() {
        0 | 1 => return Ok(vec![1.0; degrees.len()]),
        nodes => 1.0 / (nodes - 1) as f64,
    };
    run.kernel("degree centrality", 8 * degrees.len(), || {
        Ok(degrees.par_iter().map(|&degree| f64::from(degree) * share).collect())
    })
}
