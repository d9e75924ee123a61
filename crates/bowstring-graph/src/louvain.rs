//! Louvain: which division into communities has a high modularity?
//!
//! Blondel, Guillaume, Lambiotte and Lefebvre 2008: single nodes move to the community where they gain
//! most, then each community becomes a node of a coarser graph, and so on until nothing gains. The
//! modularity is that of [`modularity`](crate::modularity), of directed graphs too. Weights count where
//! the graph has any. Communities may fall into parts that are not connected; [`leiden`](crate::leiden)
//! finds none such.
//!
//! About O(edges) time for a sweep, of which there are tens. Memory: 49 bytes for each node, 12 for each
//! node and thread, and at most 36 for each entry of the rows (84 when the graph is directed). The same
//! seed gives the same result for any number of threads: nodes are visited in batches of a fixed size, in
//! an order that the seed gives.

use crate::{
    Communities, Graph, Result, Run,
    batches::Random,
    communities::{at_least_one, at_least_zero, check_resolution, check_weights, finish, need, renumber},
    level::{Level, Objective, Strength},
    local_moving::Partition,
    tally::Tallies,
};

const KERNEL: &str = "louvain";

/// How [`louvain`] divides a graph.
#[derive(Clone, Debug)]
pub struct LouvainOptions {
    /// Above 1 for smaller communities, below 1 for larger ones; at least 0, and 1 by default.
    pub resolution: f64,
    /// Gives the order in which nodes are visited; 0 by default.
    pub seed: u64,
    /// A sweep or a level that raises modularity by no more than this is the last; 1e-6 by default.
    pub tolerance: f64,
    /// Most levels of coarser graphs; 100 by default.
    pub max_levels: u32,
}

impl Default for LouvainOptions {
    fn default() -> Self {
        Self { resolution: 1.0, seed: 0, tolerance: 1e-6, max_levels: 100 }
    }
}

/// Divides the nodes into communities by the Louvain method. Without any edge each node is a community.
///
/// # Errors
/// [`GraphError::Option`](crate::GraphError::Option) when `resolution` or `tolerance` is below 0 or not
/// finite, or `max_levels` is 0; [`GraphError::NegativeWeight`](crate::GraphError::NegativeWeight);
/// [`GraphError::WeightSum`](crate::GraphError::WeightSum).
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph, LouvainOptions, Run, louvain};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2, 3, 4, 5, 2]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 0, 4, 5, 3, 3]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// # let options = BuildOptions { directed: false, ..BuildOptions::default() };
/// // Two triangles with one edge between them.
/// let graph = Graph::from_edges(&edges, &options, &Run::default())?;
/// let communities = louvain(&graph, &LouvainOptions::default(), &Run::default())?;
/// assert_eq!(communities.labels, [0, 0, 0, 1, 1, 1]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn louvain(graph: &Graph, options: &LouvainOptions, run: &Run) -> Result<Communities> {
    check_resolution(options.resolution)?;
    at_least_zero("tolerance", options.tolerance)?;
    at_least_one("max_levels", options.max_levels)?;
    check_weights(KERNEL, graph, run)?;
    run.kernel(KERNEL, need(graph, run), || {
        let tallies = Tallies::new(graph.num_nodes());
        if graph.is_directed() {
            divide(graph, Level::directed(graph, &tallies, run)?, options, &tallies, run)
        } else {
            divide(graph, Level::undirected(graph), options, &tallies, run)
        }
    })
}

fn divide<S: Strength>(
    graph: &Graph,
    mut level: Level<S>,
    options: &LouvainOptions,
    tallies: &Tallies,
    run: &Run,
) -> Result<Communities> {
    let objective = Objective::new(KERNEL, options.resolution, &level.strengths)?;
    let mut random = Random::new(options.seed);
    let mut labels: Vec<u32> = (0..graph.num_nodes() as u32).collect();
    let (mut iterations, mut converged) = (0, false);
    while iterations < options.max_levels && !converged {
        iterations += 1;
        let mut partition = Partition::new(&level, (0..level.num_nodes() as u32).collect());
        let gain = partition.improve(&level, objective, options.tolerance, &mut random, tallies, run)?;
        let mut found = partition.labels;
        let count = renumber(&mut found) as usize;
        labels.iter_mut().for_each(|label| *label = found[*label as usize]);
        converged = count == level.num_nodes() || gain <= options.tolerance;
        if !converged {
            level = level.coarser(&found, count, tallies, run)?;
        }
    }
    finish(KERNEL, graph, labels, options.resolution, (iterations, converged), run)
}
