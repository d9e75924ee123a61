//! PageRank: how much does the link structure favour each node?
//!
//! A node's score is what a random walk leaves at it that follows an edge with probability `damping` and
//! else begins anew (Page, Brin, Motwani, Winograd 1999). Scores are pulled over incoming edges, block by
//! block of nodes, and a block sees what the blocks before it have found in the same iteration (the
//! method of Gauss and Seidel; Arasu et al. 2002), which takes fewer iterations than a plain power
//! iteration. Blocks are the same for any number of threads, and so are the bytes of the result.
//!
//! Where the walk goes on from nodes without outgoing edges as it begins anew, their part is left out
//! while iterating, and all scores are scaled in the end, which has the same solution (Gleich 2015).
//!
//! Cost: O(iterations · (nodes + edges)). Memory: 16 or 24 bytes for each node beside the graph and its
//! rows of incoming edges.

use rayon::prelude::*;

use crate::{
    Graph, GraphError, Result, Run,
    pull::{self, Pull, Real, TASK},
};

const KERNEL: &str = "PageRank";

/// Blocks that see each other's results within an iteration, at most.
const BLOCKS: usize = 64;

/// Nodes that a block has at least.
const BLOCK: usize = 16 * TASK;

/// Edges for each node from which on a walk over an undirected graph soon forgets where it began, in
/// most graphs.
const MANY: usize = 8;

/// Below this, an accuracy asks for terms of 64 bits.
const SINGLE: f64 = 1e-6;

/// Weights of a node's edges that sum to less of the greatest weight count as none.
const LEAST: f64 = 1e-150;

/// How [`pagerank`] works.
#[derive(Clone, Debug)]
pub struct PageRankOptions {
    /// How likely the walk is to go on from a node, between 0 and 1. Default 0.85.
    pub damping: f64,
    /// Iterations end once one of them changes the scores by no more than this in sum, 0 or more. With 0
    /// there are always `max_iterations`. Default 1e-6.
    ///
    /// Unless `max(tolerance, damping ^ max_iterations)`, which is about how far scores can come, is below
    /// 1e-6, and without weights, terms are 32-bit numbers (and sums 64-bit ones).
    pub tolerance: f64,
    /// Most iterations, at least 1. Default 100.
    pub max_iterations: u32,
    /// Whether the walk prefers edges by their weights. Default false: all edges are alike, and parallel
    /// ones count each.
    pub weighted: bool,
    /// Where the walk begins anew, for each node how likely, in any unit. Default: anywhere alike.
    pub personalization: Option<Vec<f64>>,
    /// Where the walk goes on from a node without outgoing edges. Default: as `personalization`.
    pub dangling: Option<Vec<f64>>,
    /// The scores to begin with, in any unit; those of an earlier run save iterations. Default: when the
    /// graph is undirected, has 8 or more entries for each node and nothing is personalised, a guess from
    /// the degrees, else the same for each.
    pub start: Option<Vec<f64>>,
}

impl Default for PageRankOptions {
    fn default() -> Self {
        Self {
            damping: 0.85,
            tolerance: 1e-6,
            max_iterations: 100,
            weighted: false,
            personalization: None,
            dangling: None,
            start: None,
        }
    }
}

/// What [`pagerank`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct PageRank {
    /// The score of each node; they sum to 1.
    pub scores: Vec<f64>,
    /// How many iterations there were.
    pub iterations: u32,
    /// By how much the last iteration changed the scores in sum, as part of the sum of all.
    pub residual: f64,
    /// Whether that is within the tolerance.
    pub converged: bool,
}

/// The PageRank of each node.
///
/// In an undirected graph an edge leads both ways, and a loop counts once.
///
/// # Errors
/// [`GraphError::Option`] and [`GraphError::VectorLength`] for options that make no sense,
/// [`GraphError::NoWeights`], [`GraphError::NegativeWeight`], [`GraphError::Memory`],
/// [`GraphError::Cancelled`]. That iterations do not converge is none: see [`PageRank::converged`].
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, Edges, Graph, PageRankOptions, Run, pagerank};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 0, 0, 1, 2]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 2, 0, 0]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
/// let rank = pagerank(&graph, &PageRankOptions::default(), &Run::default())?;
/// let rounded: Vec<String> = rank.scores.iter().map(|score| format!("{score:.3}")).collect();
/// assert_eq!(rounded, ["0.486", "0.326", "0.188"]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn pagerank(graph: &Graph, options: &PageRankOptions, run: &Run) -> Result<PageRank> {
    let nodes = graph.num_nodes();
    let damping = options.damping;
    if !(damping > 0.0 && damping < 1.0) {
        let (option, value) = ("damping", damping.to_string());
        return Err(GraphError::Option { option, value, expected: "between 0 and 1" });
    }
    pull::check_stop(options.tolerance, options.max_iterations)?;
    pull::check_weights(graph, KERNEL, options.weighted)?;
    if nodes == 0 {
        return Ok(PageRank { scores: Vec::new(), iterations: 0, residual: 0.0, converged: true });
    }
    let distribution = |option, values: &Option<Vec<f64>>| {
        values.as_ref().map(|values| distribution(option, values, nodes)).transpose()
    };
    let teleport = distribution("personalization", &options.personalization)?;
    let dangling = distribution("dangling", &options.dangling)?;
    let start = distribution("start", &options.start)?;
    // Rows that are yet to be made are declared by whoever makes them.
    let incoming = graph.csc(run)?;
    let reachable = options.tolerance.max(damping.powf(f64::from(options.max_iterations)));
    let single = !options.weighted && reachable >= SINGLE;
    let width = if single { 4 } else { 8 };
    let block = block(nodes);
    run.kernel(KERNEL, nodes * (8 + 2 * width) + block.min(nodes) * width, || {
        let walk = Walk {
            out: Pull::new(graph.csr(), options.weighted).relative(),
            incoming: Pull::new(incoming, options.weighted).relative(),
            teleport: teleport.as_deref(),
            dangling: dangling.as_deref(),
            options,
        };
        let scores = match start {
            Some(start) => start,
            None if !graph.is_directed()
                && walk.teleport.is_none()
                && walk.dangling.is_none()
                && graph.csr().num_entries() / MANY >= nodes =>
            {
                walk.guess(nodes)
            }
            None => vec![1.0 / nodes as f64; nodes],
        };
        if single { walk.scores::<f32>(scores, block, run) } else { walk.scores::<f64>(scores, block, run) }
    })
}

/// The values as parts of their sum.
fn distribution(option: &'static str, values: &[f64], nodes: usize) -> Result<Vec<f64>> {
    if values.len() != nodes {
        return Err(GraphError::VectorLength { option, found: values.len(), nodes });
    }
    if let Some(value) = values.iter().find(|value| !(**value >= 0.0 && value.is_finite())) {
        let value = value.to_string();
        return Err(GraphError::Option { option, value, expected: "at least 0 and finite for every node" });
    }
    let greatest = values.iter().fold(0.0, |greatest: f64, &value| greatest.max(value));
    if greatest == 0.0 {
        let value = "0 for every node".into();
        return Err(GraphError::Option { option, value, expected: "greater than 0 for some node" });
    }
    // Parts of the greatest have a finite sum.
    let sum: f64 = values.iter().map(|value| value / greatest).sum();
    Ok(values.iter().map(|value| value / greatest / sum).collect())
}

/// A random walk over a graph.
struct Walk<'a> {
    out: Pull<'a>,
    incoming: Pull<'a>,
    teleport: Option<&'a [f64]>,
    dangling: Option<&'a [f64]>,
    options: &'a PageRankOptions,
}

impl Walk<'_> {
    /// Where a walk over an undirected graph is after many steps without a new beginning, in proportion
    /// to the degrees, with the part of those that began anew.
    fn guess(&self, nodes: usize) -> Vec<f64> {
        let damping = self.options.damping;
        let total = pull::total(nodes, |node| self.out.total(node));
        let alone = pull::total(nodes, |node| f64::from(self.out.total(node) < LEAST)) / nodes as f64;
        let begin = (1.0 - damping) / (1.0 - damping * alone);
        let share = damping * (1.0 - alone * begin) / total.max(LEAST);
        let guess = |node| begin / nodes as f64 + share * self.out.total(node);
        (0..nodes).into_par_iter().with_min_len(TASK).map(guess).collect()
    }

    /// Iterates from `scores` on, with terms of type `T`.
    fn scores<T: Real>(&self, mut scores: Vec<f64>, block: usize, run: &Run) -> Result<PageRank> {
        let nodes = scores.len();
        let damping = self.options.damping;
        let uniform = 1.0 / nodes as f64;

        // What a node with a score of 1 gives along an edge of weight 1; 0 when it has no edge to go.
        let share = |node| match self.out.total(node) {
            total if total < LEAST => T::default(),
            total => T::of(1.0 / total),
        };
        let shares: Vec<T> = (0..nodes).into_par_iter().with_min_len(TASK).map(share).collect();
        let term = |share: T, score: f64| T::of(share.value() * score);
        let mut terms: Vec<T> = shares
            .par_iter()
            .zip(&scores)
            .with_min_len(TASK)
            .map(|(&share, &score)| term(share, score))
            .collect();
        let is_stuck = |share: T| share.value() == 0.0;
        let mut stuck = pull::total(nodes, |node| if is_stuck(shares[node]) { scores[node] } else { 0.0 });
        let mut begin = 1.0 - damping;
        if self.dangling.is_none() {
            begin += damping * stuck;
            stuck = 0.0;
        }

        let mut fresh = vec![T::default(); block.min(nodes)];
        let mut residual = f64::INFINITY;
        let mut iterations = 0;
        while iterations < self.options.max_iterations
            && !(self.options.tolerance > 0.0 && residual <= self.options.tolerance)
        {
            let (mut change, mut sum) = (0.0, 0.0);
            for (start, scores) in (0..).step_by(block).zip(scores.chunks_mut(block)) {
                let fresh = &mut fresh[..scores.len()];
                let tasks = scores.par_chunks_mut(TASK).zip(fresh.par_chunks_mut(TASK)).enumerate();
                let found = tasks.map(|(task, (scores, fresh))| {
                    run.check()?;
                    let first = start + task * TASK;
                    let range = first..first + scores.len();
                    let mut nodes = scores.iter_mut().zip(fresh).zip(&shares[range.clone()]);
                    let mut found = Found::default();
                    self.incoming.sums(range, &terms, |node, walked| {
                        let Some(((score, fresh), &share)) = nodes.next() else { return };
                        let mut next = begin * self.teleport.map_or(uniform, |teleport| teleport[node])
                            + damping * walked;
                        if let Some(dangling) = self.dangling {
                            next += damping * stuck * dangling[node];
                        }
                        if is_stuck(share) {
                            found.stays += next - *score;
                        }
                        found.change += (next - *score).abs();
                        found.sum += next;
                        *fresh = term(share, next);
                        *score = next;
                    });
                    Ok(found)
                });
                for found in found.collect::<Result<Vec<Found>>>()? {
                    change += found.change;
                    sum += found.sum;
                    if self.dangling.is_some() {
                        stuck += found.stays;
                    }
                }
                terms[start..start + fresh.len()].copy_from_slice(fresh);
            }
            residual = change / sum;
            iterations += 1;
        }
        let sum = pull::total(nodes, |node| scores[node]);
        scores.par_iter_mut().with_min_len(TASK).for_each(|score| *score /= sum);
        let converged = residual <= self.options.tolerance;
        Ok(PageRank { scores, iterations, residual, converged })
    }
}

/// What a task finds while it gives its nodes new scores.
#[derive(Default)]
struct Found {
    /// By how much they differ from the old ones.
    change: f64,
    /// Their sum.
    sum: f64,
    /// What there is more at nodes without outgoing edges.
    stays: f64,
}

/// How many nodes a block has.
fn block(nodes: usize) -> usize {
    nodes.div_ceil(BLOCKS).max(BLOCK).next_multiple_of(TASK)
}
