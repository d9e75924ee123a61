//! Leiden: which division into connected communities has a high modularity?
//!
//! Traag, Waltman and van Eck 2019: like Louvain, but each community is divided anew before it becomes
//! nodes of the coarser graph, by merging single nodes that are well connected within it. Every community
//! of the result is connected. Of the merges the best is taken, where the paper draws among them with a
//! randomness close to none. All of it is repeated from its own result as often as asked.
//!
//! The modularity is that of [`modularity`](crate::modularity), of directed graphs too, in which
//! connected means without regard to directions. Weights count where the graph has any.
//!
//! About O(edges) time for a sweep, of which there are tens. Memory as for [`louvain`](crate::louvain),
//! and 29 bytes for each node. The same seed gives the same result for any number of threads: nodes are
//! visited in batches of a fixed size, in an order that the seed gives.

use crate::{
    Communities, Graph, Result, Run,
    batches::{Batches, Random},
    communities::{at_least_one, at_least_zero, check_resolution, check_weights, finish, need, renumber},
    level::{Level, Objective, Strength},
    local_moving::Partition,
    refinement::{refine, split},
    tally::Tallies,
};

const KERNEL: &str = "leiden";

/// How [`leiden`] divides a graph.
#[derive(Clone, Debug)]
pub struct LeidenOptions {
    /// Above 1 for smaller communities, below 1 for larger ones; at least 0, and 1 by default.
    pub resolution: f64,
    /// Gives the order in which nodes are visited; 0 by default.
    pub seed: u64,
    /// A sweep or an iteration that raises modularity by no more than this is the last; 1e-6 by default.
    pub tolerance: f64,
    /// How often the whole is done, each time from the result of the time before; 3 by default.
    pub iterations: u32,
    /// Most levels of coarser graphs in each iteration; 100 by default.
    pub max_levels: u32,
}

impl Default for LeidenOptions {
    fn default() -> Self {
        Self { resolution: 1.0, seed: 0, tolerance: 1e-6, iterations: 3, max_levels: 100 }
    }
}

/// Divides the nodes into connected communities by the Leiden method. Without any edge each node is a
/// community.
///
/// # Errors
/// [`GraphError::Option`](crate::GraphError::Option) when `resolution` or `tolerance` is below 0 or not
/// finite, or `iterations` or `max_levels` is 0;
/// [`GraphError::NegativeWeight`](crate::GraphError::NegativeWeight);
/// [`GraphError::WeightSum`](crate::GraphError::WeightSum).
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph, LeidenOptions, Run, leiden};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2, 3, 4, 5, 2]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 0, 4, 5, 3, 3]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// # let options = BuildOptions { directed: false, ..BuildOptions::default() };
/// // Two triangles with one edge between them.
/// let graph = Graph::from_edges(&edges, &options, &Run::default())?;
/// let communities = leiden(&graph, &LeidenOptions::default(), &Run::default())?;
/// assert_eq!(communities.labels, [0, 0, 0, 1, 1, 1]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn leiden(graph: &Graph, options: &LeidenOptions, run: &Run) -> Result<Communities> {
    check_resolution(options.resolution)?;
    at_least_zero("tolerance", options.tolerance)?;
    at_least_one("iterations", options.iterations)?;
    at_least_one("max_levels", options.max_levels)?;
    check_weights(KERNEL, graph, run)?;
    run.kernel(KERNEL, need(graph, run) + 29 * graph.num_nodes(), || {
        let tallies = Tallies::new(graph.num_nodes());
        if graph.is_directed() {
            divide(graph, &Level::directed(graph, &tallies, run)?, options, &tallies, run)
        } else {
            divide(graph, &Level::undirected(graph), options, &tallies, run)
        }
    })
}

fn divide<S: Strength>(
    graph: &Graph,
    level: &Level<S>,
    options: &LeidenOptions,
    tallies: &Tallies,
    run: &Run,
) -> Result<Communities> {
    let objective = Objective::new(KERNEL, options.resolution, &level.strengths)?;
    let mut random = Random::new(options.seed);
    let mut labels: Vec<u32> = (0..graph.num_nodes() as u32).collect();
    let (mut levels, mut converged) = (0, false);
    for _ in 0..options.iterations {
        let pass = Pass { level, objective, options, tallies, run };
        let (gain, worked) = pass.improve(&mut labels, &mut random)?;
        levels += worked;
        if gain <= options.tolerance {
            converged = true;
            break;
        }
    }
    finish(KERNEL, graph, labels, options.resolution, (levels, converged), run)
}

/// One iteration.
struct Pass<'a, S> {
    level: &'a Level<S>,
    objective: Objective,
    options: &'a LeidenOptions,
    tallies: &'a Tallies,
    run: &'a Run,
}

impl<S: Strength> Pass<'_, S> {
    /// Improves a division into connected communities. Says what was gained, and on how many levels.
    fn improve(&self, labels: &mut Vec<u32>, random: &mut Random) -> Result<(f64, u32)> {
        let Pass { objective, options, tallies, run, .. } = *self;
        let mut coarse = None;
        // The node of the level that each node of the graph has become.
        let mut places: Vec<u32> = (0..labels.len() as u32).collect();
        let mut found = labels.clone();
        let (mut gained, mut levels, mut connected) = (0.0, 0, false);
        while levels < options.max_levels {
            levels += 1;
            let level = coarse.as_ref().unwrap_or(self.level);
            let mut partition = Partition::new(level, found);
            gained += partition.improve(level, objective, options.tolerance, random, tallies, run)?;
            found = partition.labels;
            let count = renumber(&mut found) as usize;
            // Each community is a single node, and each node was made from nodes that are connected.
            connected = count == level.num_nodes();
            if connected {
                break;
            }
            let batches = Batches::new(level.num_nodes(), random);
            let mut refined = refine(level, objective, &found, count, &batches, tallies, run)?;
            let parts = renumber(&mut refined) as usize;
            if parts == level.num_nodes() {
                break;
            }
            let next = level.coarser(&refined, parts, tallies, run)?;
            let mut above = vec![0; parts];
            for (&part, &label) in refined.iter().zip(&found) {
                above[part as usize] = label;
            }
            places.iter_mut().for_each(|place| *place = refined[*place as usize]);
            found = above;
            coarse = Some(next);
        }
        for (label, &place) in labels.iter_mut().zip(&places) {
            *label = found[place as usize];
        }
        renumber(labels);
        if !connected {
            *labels = split(&self.level.rows, labels, run)?;
        }
        Ok((gained, levels))
    }
}
