//! Connected components: which nodes reach each other, whatever the direction of edges?
//!
//! Afforest (Sutton, Ben-Nun and Barak 2018): each node is hung below its first neighbour where that is
//! smaller, and then linked with its second; nodes that are by then in the largest component need no look
//! at their other edges, which are seen from the other end.
//! In a directed graph the other end sees them in the rows of incoming edges, if an algorithm before has
//! made these; without them every edge is looked at, as making them would take longer. O(nodes + edges)
//! time, near O(nodes) when a component is large; 12 bytes for each node, the result among them. Labels
//! do not depend on the number of threads.

use std::hint::{black_box, select_unpredictable};

use arrow::datatypes::ArrowNativeType;
use rayon::prelude::*;

use crate::{Graph, GraphError, NodeId, Offsets, Result, Run, unions::Unions};

/// Nodes of one task.
const BLOCK: usize = 1 << 12;

/// Nodes whose first neighbours are fetched together.
const AHEAD: usize = 64;

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
    let columns = if graph.is_directed() { graph.csc_at_hand() } else { None };
    let nodes = graph.num_nodes();
    run.kernel("connected components", 12 * nodes, || {
        let (firsts, seconds) = match rows.indptr() {
            Offsets::Narrow(indptr) => two(indptr, rows.indices(), run)?,
            Offsets::Wide(indptr) => two(indptr, rows.indices(), run)?,
        };
        let unions = Unions::hung(firsts);
        unions.compress(run)?;
        run.blocks(nodes, BLOCK, |block| {
            for (node, &other) in (block.start as u32..).zip(&seconds[block]) {
                unions.link(node, other);
            }
        })?;
        drop(seconds);
        unions.compress(run)?;
        if graph.is_directed() && columns.is_none() {
            run.blocks(nodes, BLOCK, |block| {
                for node in block.start as u32..block.end as u32 {
                    for &other in rows.neighbors(node) {
                        unions.link(node, other);
                    }
                }
            })?;
            return unions.into_components(run);
        }
        let largest = unions.largest();
        run.blocks(nodes, BLOCK, |block| {
            // Sorting out first what needs a look, without branches, costs less than wrong guesses of them.
            let (mut open, mut others) = ([0; BLOCK], 0);
            for node in block.start as u32..block.end as u32 {
                open[others] = node;
                others += usize::from(Some(unions.parent(node)) != largest);
            }
            let mut count = 0;
            for place in 0..others {
                let node = open[place];
                open[count] = node;
                count +=
                    usize::from(rows.degree(node) + columns.map_or(0, |columns| columns.degree(node)) > 0);
            }
            for nodes in open[..count].chunks(AHEAD) {
                // Nothing depends on what is read here, so the processor waits for all of it at once.
                for &node in nodes {
                    black_box((rows.fetch(node), columns.map(|columns| columns.fetch(node))));
                }
                for &node in nodes {
                    let incoming = columns.map_or(&[][..], |columns| columns.neighbors(node));
                    for &other in rows.neighbors(node).iter().chain(incoming) {
                        unions.link(node, other);
                        // The others in the component need no look, and whoever is not sees this node.
                        if Some(unions.parent(node)) == largest {
                            break;
                        }
                    }
                }
            }
        })?;
        unions.into_components(run)
    })
}

/// The first neighbour of each node where that is smaller, and its second; the node itself where there is
/// none. Both are read at once, for rows are far apart in memory, and without branches, so that the processor
/// waits for many of them at once.
fn two<O: ArrowNativeType>(
    indptr: &[O],
    indices: &[NodeId],
    run: &Run,
) -> Result<(Vec<NodeId>, Vec<NodeId>)> {
    let nodes = indptr.len() - 1;
    let (mut firsts, mut seconds) = (vec![0; nodes], vec![0; nodes]);
    let blocks = firsts.par_chunks_mut(BLOCK).zip(seconds.par_chunks_mut(BLOCK)).enumerate();
    blocks.try_for_each(|(block, (firsts, seconds))| {
        run.check()?;
        let start = block * BLOCK;
        let rows = indptr[start..].windows(2).map(|row| row[0].as_usize()..row[1].as_usize());
        for (((node, row), first), second) in (start as u32..).zip(rows).zip(firsts).zip(seconds) {
            let at = |entry: usize| indices.get(entry.min(indices.len().saturating_sub(1))).copied();
            let (one, other) = (at(row.start).unwrap_or(node), at(row.start + 1).unwrap_or(node));
            *first = select_unpredictable(row.is_empty(), node, one).min(node);
            *second = select_unpredictable(row.len() < 2, node, other);
        }
        Ok::<_, GraphError>(())
    })?;
    Ok((firsts, seconds))
}
