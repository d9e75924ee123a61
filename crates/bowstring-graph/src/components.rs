//! Connected components: which nodes reach each other, whatever the direction of edges?
//!
//! Afforest (Sutton, Ben-Nun and Barak 2018): each node is hung below its first neighbour where that is
//! smaller, and then linked with its second; nodes that are by then in the largest component need no look
//! at their other edges, which are seen from the other end.
//! In a directed graph the other end does not see them, so every edge is looked at. O(nodes + edges)
//! time, near O(nodes) when a component is large; 12 bytes for each node, the result among them. Labels
//! do not depend on the number of threads.

use rayon::prelude::*;

use crate::{Graph, NodeId, Result, Run, unions::Unions};

/// Nodes of one task.
const BLOCK: usize = 1 << 12;

/// The parts of a graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Components {
    /// The component of each node, numbered from 0 in the order of the smallest node in each.
    pub labels: Vec<u32>,
    /// How many components there are.
    pub count: u32,
}

impl Components {
    /// How many nodes each component has.
    pub fn sizes(&self) -> Vec<u32> {
        let mut sizes = vec![0; self.count as usize];
        for &label in &self.labels {
            sizes[label as usize] += 1;
        }
        sizes
    }
}

/// The connected components of a graph; of a directed one the weak components, as if edges had no
/// direction.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, Edges, Graph, Run, connected_components};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 4]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![2, 3]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
/// let components = connected_components(&graph, &Run::default())?;
/// assert_eq!(components.labels, [0, 1, 0, 2, 2]);
/// assert_eq!(components.sizes(), [2, 1, 2]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
///
/// # Errors
/// When memory does not suffice, or the work was asked to stop.
pub fn connected_components(graph: &Graph, run: &Run) -> Result<Components> {
    let rows = graph.csr();
    let nodes = graph.num_nodes();
    run.kernel("connected components", 12 * nodes, || {
        // Both are read at once, for rows are far apart in memory.
        let two = |node: NodeId| {
            let others = rows.neighbors(node);
            let first = others.first().map_or(node, |&other| other.min(node));
            (first, others.get(1).copied().unwrap_or(node))
        };
        let (firsts, seconds): (Vec<NodeId>, Vec<NodeId>) =
            (0..nodes as u32).into_par_iter().with_min_len(BLOCK).map(two).unzip();
        let unions = Unions::hung(firsts);
        unions.compress(run)?;
        run.blocks(nodes, BLOCK, |block| {
            for (node, &other) in (block.start as u32..).zip(&seconds[block]) {
                unions.link(node, other);
            }
        })?;
        unions.compress(run)?;
        let largest = unions.largest().filter(|_| !graph.is_directed());
        run.blocks(nodes, BLOCK, |block| {
            for node in block.start as u32..block.end as u32 {
                if Some(unions.parent(node)) != largest {
                    for &other in rows.neighbors(node) {
                        unions.link(node, other);
                    }
                }
            }
        })?;
        unions.compress(run)?;
        unions.into_components(run)
    })
}
