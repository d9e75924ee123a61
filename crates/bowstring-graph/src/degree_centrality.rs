//! Degree centrality: to what part of the other nodes is a node joined?

use rayon::prelude::*;

use crate::{Direction, Graph, Result, Run, pull::TASK};

/// The number of each node's edges by the number of other nodes, as networkx counts: parallel edges
/// count each, and a loop twice where both of its ends are meant, so that a score may exceed 1. In an
/// undirected graph `direction` does not matter. The only node of a graph has 1.
///
/// Cost: O(nodes), and O(edges) where loops are to be found. Memory: 8 bytes for each node.
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
    let nodes = graph.num_nodes();
    let out = graph.csr();
    let incoming = match direction {
        Direction::Out => out,
        Direction::In | Direction::Both => graph.csc(run)?,
    };
    run.kernel("degree centrality", 8 * nodes, || {
        let degree = |node: u32| match (graph.is_directed(), direction) {
            (true, Direction::Out) => out.degree(node),
            (true, Direction::In) => incoming.degree(node),
            (true, Direction::Both) => out.degree(node) + incoming.degree(node),
            (false, _) => {
                let neighbors = out.neighbors(node);
                neighbors.len() + neighbors.iter().filter(|&&other| other == node).count()
            }
        };
        let mut scores = vec![1.0; nodes];
        if nodes > 1 {
            let share = 1.0 / (nodes - 1) as f64;
            scores.par_chunks_mut(TASK).enumerate().try_for_each(|(task, scores)| {
                run.check()?;
                for (node, score) in (task * TASK..).zip(scores) {
                    *score = degree(node as u32) as f64 * share;
                }
                Ok::<(), crate::GraphError>(())
            })?;
        }
        Ok(scores)
    })
}
