//! Core numbers: in how dense a part of the graph does each node lie?
//!
//! Nodes of the least degree are peeled off with all their edges, again and again; what has at most `k`
//! edges left when it goes, with `k` as low as it can be, has core number `k` (Seidman 1983). Nodes of
//! one `k` are peeled in parallel without a barrier (Kabir and Madduri 2017). O(edges + k · nodes left
//! at each k) time; 12 bytes for each node, the result among them.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rayon::prelude::*;

use crate::{Graph, NodeId, Result, Run, simple::distinct, spread::spread};

/// Nodes of one task.
const BLOCK: usize = 1 << 10;

/// The core number of each node: the greatest `k` such that the node is in a part of the graph in which
/// every node has at least `k` neighbours. Loops and parallel edges do not count; of a directed graph
/// both outgoing and incoming edges do, so that an edge and its way back count 2.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, Edges, Graph, Run, core_numbers};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2, 2]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 0, 3]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let options = BuildOptions { directed: false, ..BuildOptions::default() };
/// let graph = Graph::from_edges(&edges, &options, &Run::default())?;
/// assert_eq!(core_numbers(&graph, &Run::default())?, [2, 2, 2, 1]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
///
/// # Errors
/// When memory does not suffice, or the work was asked to stop.
pub fn core_numbers(graph: &Graph, run: &Run) -> Result<Vec<u32>> {
    let nodes = graph.num_nodes();
    run.kernel("core numbers", 12 * nodes, || {
        let rows = graph.sorted_csr(run)?;
        let columns = if graph.is_directed() { Some(graph.csc(run)?) } else { None };
        let degree = |node: NodeId| {
            let incoming = columns.map_or(0, |columns| distinct(columns, node).count());
            AtomicU32::new((distinct(rows, node).count() + incoming) as u32)
        };
        let degrees: Vec<AtomicU32> =
            (0..nodes as u32).into_par_iter().with_min_len(BLOCK).map(degree).collect();
        let left = |node: NodeId| degrees[node as usize].load(Relaxed);

        let mut alive: Vec<NodeId> = (0..nodes as u32).collect();
        let mut core = 0;
        loop {
            run.check()?;
            alive = alive.into_par_iter().with_min_len(BLOCK).filter(|&node| left(node) >= core).collect();
            let Some(least) = alive.par_iter().with_min_len(BLOCK).map(|&node| left(node)).min() else {
                break;
            };
            core = least;
            let seeds = alive.par_iter().with_min_len(BLOCK).copied().filter(|&node| left(node) == core);
            spread(rows, seeds.collect(), run, |node, next| {
                let peel = |other: NodeId| {
                    let degree = &degrees[other as usize];
                    if degree.load(Relaxed) > core {
                        let before = degree.fetch_sub(1, Relaxed);
                        if before == core + 1 {
                            next.push(other);
                        } else if before <= core {
                            // Another thread was faster, and the node is peeled already.
                            degree.fetch_add(1, Relaxed);
                        }
                    }
                };
                distinct(rows, node)
                    .chain(columns.into_iter().flat_map(|columns| distinct(columns, node)))
                    .for_each(peel);
            })?;
            core += 1;
        }
        Ok(degrees.into_iter().map(AtomicU32::into_inner).collect())
    })
}
