//! What comes before what: orders of acyclic graphs, the cycles that prevent them, and what lies upstream
//! and downstream of a node.
//!
//! The topological order is that of Kahn (1962) with a heap, so that the smallest node that can stand at a
//! place does: O(edges + nodes · log nodes) time and up to 16 bytes a node. A cycle is found by depth-first
//! search in O(nodes + edges) with at most 33 bytes a node; what lies up- and downstream by breadth-first search.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{BfsOptions, Dfs, Direction, Graph, GraphError, NodeId, Result, Run, bfs::bfs, dfs::Walk};

/// Nodes between two looks at whether to stop.
const STEPS: usize = 1 << 10;

/// All nodes in such an order that each edge leads from an earlier to a later one; of all those orders
/// the one that is smallest in lexicographic order.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph};
/// use bowstring_graph::{Run, topological_sort};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![3, 3, 0]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// # let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
///
/// // The edges 3 → 0, 3 → 1 and 0 → 2.
/// assert_eq!(topological_sort(&graph, &Run::default())?, [3, 0, 1, 2]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
///
/// # Errors
/// [`GraphError::Cycle`] with a cycle when there is one, [`GraphError::WrongDirection`] for an undirected
/// graph; when memory does not suffice, or the work was asked to stop.
pub fn topological_sort(graph: &Graph, run: &Run) -> Result<Vec<NodeId>> {
    if !graph.is_directed() {
        return Err(GraphError::WrongDirection { kernel: "topological_sort", expected: "directed" });
    }
    let nodes = graph.num_nodes();
    let order = run.kernel("topological_sort", nodes * 16, || {
        let rows = graph.csr();
        // 64 bits, as parallel edges can be more than nodes.
        let mut waiting = vec![0_u64; nodes];
        for &node in rows.indices().iter() {
            waiting[node as usize] += 1;
        }
        let free = (0..nodes as u32).filter(|&node| waiting[node as usize] == 0).map(Reverse);
        let mut free: BinaryHeap<_> = free.collect();
        let mut order = Vec::with_capacity(nodes);
        while let Some(Reverse(node)) = free.pop() {
            if order.len().is_multiple_of(STEPS) {
                run.check()?;
            }
            order.push(node);
            for &next in rows.neighbors(node) {
                waiting[next as usize] -= 1;
                if waiting[next as usize] == 0 {
                    free.push(Reverse(next));
                }
            }
        }
        Ok(order)
    })?;
    if order.len() == nodes {
        return Ok(order);
    }
    match find_cycle(graph, run)? {
        Some(nodes) => Err(GraphError::Cycle { names: graph.names(&nodes), nodes }),
        // The rows were changed by somebody else while they were read.
        None => Ok(order),
    }
}

/// The nodes of a cycle, each with an edge to the next and the last with one to the first; `None` when
/// there is no cycle. It is the first that a depth-first search from the smallest node on closes, over
/// neighbours in ascending order. A loop is a cycle of one node; two edges between the same nodes are one
/// of two in an undirected graph, and a single edge is none.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph};
/// use bowstring_graph::{Run, find_cycle};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2, 3]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 1]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// # let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
///
/// // The edges 0 → 1 → 2 → 3 → 1.
/// assert_eq!(find_cycle(&graph, &Run::default())?, Some(vec![1, 2, 3]));
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
///
/// # Errors
/// When memory does not suffice, or the work was asked to stop.
pub fn find_cycle(graph: &Graph, run: &Run) -> Result<Option<Vec<NodeId>>> {
    let nodes = graph.num_nodes();
    run.kernel("find_cycle", nodes * 33, || {
        let rows = graph.sorted_csr(run)?;
        let indices = rows.indices();
        // In an undirected graph the first of the entries for the parent is the way that the walk came.
        let came_from = |walk: &Dfs, node: NodeId, entry: usize| {
            let other = indices[entry];
            !graph.is_directed()
                && walk.parents[node as usize] == other.cast_signed()
                && (entry == rows.range(node).start || indices[entry - 1] != other)
        };
        let mut walk = Walk::new(rows, run);
        for root in 0..nodes as u32 {
            // Nodes without a time at which they were left are on the path.
            let closed = walk.visit(root, |walk, node, entry| {
                walk.finish[indices[entry] as usize] < 0 && !came_from(walk, node, entry)
            })?;
            let Some((mut node, first)) = closed else { continue };
            let mut cycle = vec![node];
            while node != first {
                node = walk.dfs.parents[node as usize].cast_unsigned();
                cycle.push(node);
            }
            cycle.reverse();
            return Ok(Some(cycle));
        }
        Ok(None)
    })
}

/// The nodes from which `node` can be reached, ascending; without itself, even on a cycle.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph};
/// use bowstring_graph::{Run, ancestors, descendants};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 1]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// # let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
///
/// // The edges 0 → 1, 1 → 2 and 1 → 3.
/// assert_eq!(ancestors(&graph, 2, &Run::default())?, [0, 1]);
/// assert_eq!(descendants(&graph, 1, &Run::default())?, [2, 3]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
///
/// # Errors
/// [`GraphError::UnknownNode`]; when memory does not suffice, or the work was asked to stop.
pub fn ancestors(graph: &Graph, node: NodeId, run: &Run) -> Result<Vec<NodeId>> {
    beyond(graph, node, Direction::In, run)
}

/// The nodes that can be reached from `node`, ascending; without itself, even on a cycle. See
/// [`ancestors`].
///
/// # Errors
/// [`GraphError::UnknownNode`]; when memory does not suffice, or the work was asked to stop.
pub fn descendants(graph: &Graph, node: NodeId, run: &Run) -> Result<Vec<NodeId>> {
    beyond(graph, node, Direction::Out, run)
}

fn beyond(graph: &Graph, node: NodeId, direction: Direction, run: &Run) -> Result<Vec<NodeId>> {
    let options = BfsOptions { direction, ..BfsOptions::default() };
    let found = bfs(graph, &[node], &options, run)?;
    Ok((0..).zip(&found.distances).filter(|(_, hops)| **hops > 0).map(|(node, _)| node).collect())
}
