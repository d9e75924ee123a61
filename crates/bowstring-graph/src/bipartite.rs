//! Bipartite check: can the nodes be divided into two sides so that every edge has an end on each?
//!
//! Every node is doubled, and an edge links each copy of one end to the other copy of the other end: a
//! component can be divided exactly when the copies of its nodes stay apart. They are linked by a
//! union-find without locks. An odd cycle, which proves the contrary, is found by a breadth-first search
//! of one thread. O(nodes + edges) time; 9 bytes for each node, up to 16 for the odd cycle. The answer
//! does not depend on the number of threads.

use rayon::prelude::*;

use crate::{Csr, Graph, NodeId, Result, Run, unions::Unions};

/// Nodes of one task.
const BLOCK: usize = 1 << 12;

/// Edges of each node that are looked at first.
const FEW: usize = 2;

/// Edges between two looks whether the work was asked to stop.
const STEPS: usize = 1 << 16;

/// Whether a graph is bipartite, with the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bipartite {
    /// It is: the side of each node, 0 or 1. The smallest node of each component is on side 0.
    Sides(Vec<u8>),
    /// It is not: the nodes of a cycle with an odd number of edges, from each to the next and from the
    /// last to the first. One node alone for a loop.
    OddCycle(Vec<NodeId>),
}

/// Divides a graph into two sides, or says why it cannot be done. Edges have no direction here.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{Bipartite, BuildOptions, Edges, Graph, Run, bipartite};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
/// assert_eq!(bipartite(&graph, &Run::default())?, Bipartite::Sides(vec![0, 1, 0, 1]));
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
///
/// # Errors
/// When memory does not suffice, or the work was asked to stop.
pub fn bipartite(graph: &Graph, run: &Run) -> Result<Bipartite> {
    let rows = graph.csr();
    let nodes = graph.num_nodes();
    run.kernel("the bipartite check", 16 * nodes, || {
        let copies = Unions::new(2 * nodes);
        // Where there is an odd cycle, a few edges of each node mostly show one.
        for entries in [0..FEW, FEW..usize::MAX] {
            run.blocks(nodes, BLOCK, |block| {
                for node in block.start as u32..block.end as u32 {
                    for &other in rows.neighbors(node).iter().take(entries.end).skip(entries.start) {
                        copies.link(2 * node, 2 * other + 1);
                        copies.link(2 * node + 1, 2 * other);
                    }
                }
            })?;
            copies.compress(run)?;
            let torn = |&node: &NodeId| !copies.apart(2 * node, 2 * node + 1);
            if let Some(node) = (0..nodes as u32).into_par_iter().with_min_len(BLOCK).find_first(torn) {
                drop(copies);
                let columns = if graph.is_directed() { Some(graph.csc(run)?) } else { None };
                return Ok(Bipartite::OddCycle(odd_cycle(rows, columns, node, run)?));
            }
        }
        let side = |node| (copies.parent(2 * node) & 1) as u8;
        Ok(Bipartite::Sides((0..nodes as u32).into_par_iter().with_min_len(BLOCK).map(side).collect()))
    })
}

/// The first odd cycle that a breadth-first search from `start` closes.
fn odd_cycle(rows: &Csr, columns: Option<&Csr>, start: NodeId, run: &Run) -> Result<Vec<NodeId>> {
    const NONE: u32 = u32::MAX;
    let mut parents = vec![NONE; rows.num_nodes()];
    let mut depths = vec![0_u32; rows.num_nodes()];
    let mut queue = vec![start];
    parents[start as usize] = start;
    let (mut at, mut steps) = (0, 0);
    while at < queue.len() {
        let node = queue[at];
        at += 1;
        let incoming = columns.map_or(&[][..], |columns| columns.neighbors(node));
        steps += 1 + incoming.len() + rows.degree(node);
        if steps >= STEPS {
            run.check()?;
            steps = 0;
        }
        for &other in rows.neighbors(node).iter().chain(incoming) {
            if parents[other as usize] == NONE {
                parents[other as usize] = node;
                depths[other as usize] = depths[node as usize] + 1;
                queue.push(other);
            } else if depths[other as usize] == depths[node as usize] {
                // Both are as far from where their paths meet, which closes an odd cycle.
                let (mut left, mut right) = (vec![node], vec![other]);
                let (mut a, mut b) = (node, other);
                while a != b {
                    (a, b) = (parents[a as usize], parents[b as usize]);
                    left.push(a);
                    right.push(b);
                }
                right.pop();
                left.extend(right.into_iter().rev());
                return Ok(left);
            }
        }
    }
    // Only reached when somebody changes the memory of the graph meanwhile.
    Ok(Vec::new())
}
