//! What do the algorithms for communities answer, and what do they share?

use crate::{Graph, GraphError, Result, Run, modularity::of_dense, tally::Tallies};

/// Nodes divided into communities.
#[derive(Clone, Debug, PartialEq)]
pub struct Communities {
    /// The community of each node, numbered from 0 in the order of the smallest node in each.
    pub labels: Vec<u32>,
    /// How many communities there are.
    pub count: u32,
    /// The modularity of the division, at the resolution that was asked for; see
    /// [`modularity`](crate::modularity).
    pub modularity: f64,
    /// Levels of graphs that were worked through, or sweeps over the nodes in label propagation.
    pub iterations: u32,
    /// Whether nothing was left to improve, rather than a limit reached.
    pub converged: bool,
}

impl Communities {
    /// How many nodes each community has.
    pub fn sizes(&self) -> Vec<u32> {
        let mut sizes = vec![0; self.count as usize];
        for &label in &self.labels {
            sizes[label as usize] += 1;
        }
        sizes
    }
}

/// Numbers labels below `labels.len()` anew, from 0 in the order in which they appear, and says how many
/// there are.
pub(crate) fn renumber(labels: &mut [u32]) -> u32 {
    let mut numbers = vec![u32::MAX; labels.len()];
    let mut count = 0;
    for label in labels {
        let number = &mut numbers[*label as usize];
        if *number == u32::MAX {
            *number = count;
            count += 1;
        }
        *label = *number;
    }
    count
}

/// # Errors
/// [`GraphError::NegativeWeight`].
pub(crate) fn check_weights(kernel: &'static str, graph: &Graph, run: &Run) -> Result<()> {
    match graph.weight_range(run)? {
        Some((weight, _)) if weight < 0.0 => Err(GraphError::NegativeWeight { kernel, weight }),
        _ => Ok(()),
    }
}

/// # Errors
/// [`GraphError::Option`].
pub(crate) fn check_resolution(resolution: f64) -> Result<()> {
    at_least_zero("resolution", resolution)
}

/// # Errors
/// [`GraphError::Option`].
pub(crate) fn at_least_zero(option: &'static str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(GraphError::Option { option, value: value.to_string(), expected: "a finite number of at least 0" })
}

/// # Errors
/// [`GraphError::Option`].
pub(crate) fn at_least_one(option: &'static str, value: u32) -> Result<()> {
    if value >= 1 {
        return Ok(());
    }
    Err(GraphError::Option { option, value: value.to_string(), expected: "at least 1" })
}

/// Bytes that Louvain takes at most: what it keeps for each node, its tallies, and the coarser graphs.
pub(crate) fn need(graph: &Graph, run: &Run) -> usize {
    let (nodes, entries) = (graph.num_nodes(), graph.csr().num_entries());
    let first = if graph.is_directed() { 2 * entries * 24 } else { 0 };
    nodes * 49 + Tallies::bytes(nodes, run.num_threads()) + first + entries * 36
}

/// The result of labels that are numbered in order.
pub(crate) fn finish(
    kernel: &'static str,
    graph: &Graph,
    labels: Vec<u32>,
    resolution: f64,
    (iterations, converged): (u32, bool),
    run: &Run,
) -> Result<Communities> {
    let count = labels.iter().max().map_or(0, |&label| label + 1);
    let modularity = of_dense(kernel, graph, &labels, count as usize, resolution, run)?;
    Ok(Communities { labels, count, modularity, iterations, converged })
}
