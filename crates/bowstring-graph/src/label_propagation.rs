//! Label propagation: which label do most neighbours of each node have?
//!
//! Raghavan, Albert and Kumara 2007: every node begins with a label of its own, and takes on the one that
//! has the most weight among its neighbours, until each has such a label. A node keeps its label when
//! that is among the heaviest; else the seed decides between equals. Edges count without direction, by
//! their weight where the graph has any, and a loop speaks for the node's own label, as in networkx.
//!
//! About O(edges) time for the first sweep, less for each further one, in which only nodes with a
//! neighbour that changed are looked at. Memory: 13 bytes for each node, and 12 for each node and
//! thread. The same seed gives the same result for any number of threads: nodes are visited in batches of a
//! fixed size, in an order that the seed gives.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rayon::prelude::*;

use crate::{
    Communities, Graph, NodeId, Result, Run,
    batches::{Batches, Random, mix, propose},
    communities::{at_least_one, check_weights, finish, renumber},
    level::{row, with_values},
    tally::{Tallies, Tally},
};

const KERNEL: &str = "label propagation";

/// How [`label_propagation`] divides a graph.
#[derive(Clone, Debug)]
pub struct LabelPropagationOptions {
    /// Gives the order in which nodes are visited, and decides between equal labels; 0 by default.
    pub seed: u64,
    /// Most sweeps over the nodes; 100 by default.
    pub max_iterations: u32,
}

impl Default for LabelPropagationOptions {
    fn default() -> Self {
        Self { seed: 0, max_iterations: 100 }
    }
}

/// Divides the nodes into communities by label propagation. A node without neighbours is one of its own.
/// The modularity in the result is at resolution 1.
///
/// # Errors
/// [`GraphError::Option`](crate::GraphError::Option) when `max_iterations` is 0;
/// [`GraphError::NegativeWeight`](crate::GraphError::NegativeWeight);
/// [`GraphError::WeightSum`](crate::GraphError::WeightSum).
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph, LabelPropagationOptions, Run, label_propagation};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2, 3, 4, 5]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 0, 4, 5, 3]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// # let options = BuildOptions { directed: false, ..BuildOptions::default() };
/// // Two triangles.
/// let graph = Graph::from_edges(&edges, &options, &Run::default())?;
/// let communities = label_propagation(&graph, &LabelPropagationOptions::default(), &Run::default())?;
/// assert_eq!(communities.labels, [0, 0, 0, 1, 1, 1]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn label_propagation(graph: &Graph, options: &LabelPropagationOptions, run: &Run) -> Result<Communities> {
    at_least_one("max_iterations", options.max_iterations)?;
    check_weights(KERNEL, graph, run)?;
    let into = if graph.is_directed() { Some(graph.csc(run)?) } else { None };
    let nodes = graph.num_nodes();
    run.kernel(KERNEL, nodes * 13 + Tallies::bytes(nodes, run.num_threads()), || {
        let tallies = Tallies::new(nodes);
        let mut random = Random::new(options.seed);
        let mut labels: Vec<u32> = (0..nodes as u32).collect();
        let active: Vec<AtomicBool> = (0..nodes).map(|_| AtomicBool::new(true)).collect();
        let (mut iterations, mut converged) = (0, false);
        while iterations < options.max_iterations && !converged {
            iterations += 1;
            converged = true;
            let salt = random.next();
            for batch in Batches::new(nodes, &mut random).iter() {
                let changes = propose(batch, &tallies, run, |node, tally| {
                    let awake = &active[node as usize];
                    if !awake.load(Relaxed) {
                        return None;
                    }
                    awake.store(false, Relaxed);
                    for rows in [Some(graph.csr()), into].into_iter().flatten() {
                        with_values!(rows, values => for (other, weight) in row(rows, values, node) {
                            tally.add(labels[other as usize], weight);
                        });
                    }
                    let label = heaviest(tally, labels[node as usize], salt);
                    (label != labels[node as usize]).then_some((node, label))
                })?;
                converged &= changes.is_empty();
                for &(node, label) in &changes {
                    labels[node as usize] = label;
                }
                changes.par_iter().with_min_len(64).for_each(|&(node, _)| {
                    let wake = |other: &NodeId| active[*other as usize].store(true, Relaxed);
                    graph.csr().neighbors(node).iter().for_each(wake);
                    into.iter().for_each(|into| into.neighbors(node).iter().for_each(wake));
                });
            }
        }
        renumber(&mut labels);
        finish(KERNEL, graph, labels, 1.0, (iterations, converged), run)
    })
}

/// The label with the most weight; the node's own when it is among several, else one that `salt` gives.
fn heaviest(tally: &mut Tally, own: u32, salt: u64) -> u32 {
    let most = tally.iter().map(|(_, weight)| weight).fold(0.0, f64::max);
    let label = if tally.get(own) >= most {
        Some(own)
    } else {
        let equals = tally.iter().filter(|&(_, weight)| weight >= most).map(|(label, _)| label);
        equals.min_by_key(|&label| mix(salt ^ u64::from(label)))
    };
    tally.clear();
    label.unwrap_or(own)
}
