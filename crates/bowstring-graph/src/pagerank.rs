//! PageRank: how much does the link structure favour each node?
//!
//! A node's score is what a random walk leaves at it that follows an edge with probability `damping` and
//! else begins anew (Page, Brin, Motwani, Winograd 1999). Scores are pulled over incoming edges, block by
//! block of nodes, and a block sees what the blocks before it have found in the same iteration (the
//! method of Gauss and Seidel; Arasu et al. 2002), which takes fewer iterations than a plain power
//! iteration. Blocks are the same for any number of threads, and so are the bytes of the result.
//!
//! The equation is solved without regard to the sum of the scores, which are scaled in the end (Gleich
//! 2015): what begins anew and what goes on from nodes without outgoing edges are the parts of the sum
//! that there is when a block begins.
//!
//! Cost: O(iterations · (nodes + edges)). Memory: 16 or 24 bytes for each node, and 4 or 8 for each of a
//! block, beside the graph and its rows of incoming edges.

use rayon::prelude::*;

use crate::{
    Graph, GraphError, Result, Run,
    bfs::filled,
    pull::{self, Pull, Real, TASK},
};

const KERNEL: &str = "PageRank";

/// Blocks that see each other's results within an iteration, at most.
const BLOCKS: usize = 64;

/// Nodes that a block has at least.
const BLOCK: usize = 16 * TASK;

/// Nodes and edges of a block, about: with less to do, threads would mostly wait for one another.
const WORK: usize = 1 << 18;

/// Nodes and edges that one thread takes at a time, about.
const PART: usize = 1 << 14;

/// Edges for each node from which on a walk over an undirected graph soon forgets where it began, in
/// most graphs.
const MANY: usize = 8;

/// Below this, an accuracy asks for terms of 64 bits.
const SINGLE: f64 = 1e-6;

/// Iterations after which a good guess still gains with every one. Later a guess is not given up, since
/// even a good one gains nothing more once rounding is all that is left.
const SOON: u32 = 3;

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
    /// the degrees, which is given up where it soon proves wrong; else the same for each.
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
/// [`GraphError::Option`] and [`GraphError::ColumnLength`] for options that make no sense,
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
    pull::check_weights(graph, KERNEL, options.weighted, run)?;
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
    let work = nodes + incoming.num_entries();
    let block = block(nodes, work);
    run.kernel(KERNEL, nodes * (8 + 2 * width) + block.min(nodes) * width, || {
        let walk = Walk {
            out: Pull::new(graph.csr(), options.weighted).relative(),
            incoming: Pull::new(incoming, options.weighted).relative(),
            teleport: teleport.as_deref(),
            dangling: dangling.as_deref(),
            options,
        };
        let start = match start {
            Some(start) => Start::Given(start),
            None if !graph.is_directed()
                && walk.teleport.is_none()
                && walk.dangling.is_none()
                && graph.csr().num_entries() / MANY >= nodes =>
            {
                Start::Guess
            }
            None => Start::Equal,
        };
        if single { walk.scores::<f32>(start, block, run) } else { walk.scores::<f64>(start, block, run) }
    })
}

/// The scores to begin with.
enum Start {
    /// The same for each node.
    Equal,
    /// By the degrees of an undirected graph.
    Guess,
    /// These.
    Given(Vec<f64>),
}

/// The values as parts of their sum.
fn distribution(option: &'static str, values: &[f64], nodes: usize) -> Result<Vec<f64>> {
    if values.len() != nodes {
        return Err(GraphError::ColumnLength { column: option.into(), found: values.len(), nodes });
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
    /// Iterates from `start` on, with terms of type `T`.
    fn scores<T: Real>(&self, start: Start, block: usize, run: &Run) -> Result<PageRank> {
        let nodes = self.out.num_nodes();
        let damping = self.options.damping;
        let uniform = 1.0 / nodes as f64;
        // Tasks that one thread takes at a time.
        let at_least = PART / (TASK * (1 + self.incoming.num_entries() / nodes));

        let (shares, totals) = self.shares::<T>(nodes);
        let (mut scores, mut guess) = match start {
            Start::Given(start) => (start, None),
            Start::Equal => (filled(nodes, || uniform), None),
            Start::Guess => (filled(nodes, || 0.0), Some(Guess::new(&totals, nodes, damping))),
        };
        let mut terms = vec![T::default(); nodes];
        let mut sum = self.begin(&mut scores, &mut terms, &shares, guess.as_ref());

        let mut fresh = vec![T::default(); block.min(nodes)];
        let mut residual = f64::INFINITY;
        let mut iterations = 0;
        while iterations < self.options.max_iterations
            && !(self.options.tolerance > 0.0 && residual <= self.options.tolerance)
        {
            let mut change = 0.0;
            for (start, scores) in (0..).step_by(block).zip(scores.chunks_mut(block)) {
                let anew = (1.0 - damping) * (sum.moving + sum.stuck);
                let on = damping * sum.stuck;
                let fresh = &mut fresh[..scores.len()];
                let tasks = scores.par_chunks_mut(TASK).zip(fresh.par_chunks_mut(TASK)).enumerate();
                let found = tasks.with_min_len(at_least.max(1)).map(|(task, (scores, fresh))| {
                    run.check()?;
                    let first = start + task * TASK;
                    let range = first..first + scores.len();
                    let mut nodes = scores.iter_mut().zip(fresh).zip(&shares[range.clone()]);
                    let (mut change, mut more) = (0.0, Sum::default());
                    self.incoming.sums(range, &terms, |node, walked| {
                        let Some(((score, fresh), &share)) = nodes.next() else { return };
                        let begins = self.teleport.map_or(uniform, |teleport| teleport[node]);
                        let resumes = self.dangling.map_or(begins, |dangling| dangling[node]);
                        let next = anew * begins + on * resumes + damping * walked;
                        change += (next - *score).abs();
                        more.add(share, next - *score);
                        *fresh = times(share, next);
                        *score = next;
                    });
                    Ok((change, more))
                });
                for (changed, more) in found.collect::<Result<Vec<(f64, Sum)>>>()? {
                    change += changed;
                    sum = Sum::of([sum, more]);
                }
                terms[start..start + fresh.len()].copy_from_slice(fresh);
            }
            let before = std::mem::replace(&mut residual, change / (sum.moving + sum.stuck));
            iterations += 1;
            if iterations == SOON && residual > before / 2.0 && guess.take().is_some() {
                // The parts of the graph do not have what the guess gives them, which is slow to mend.
                scores.par_iter_mut().with_min_len(TASK).for_each(|score| *score = uniform);
                sum = self.begin(&mut scores, &mut terms, &shares, None);
            }
        }
        let sum = pull::total(nodes, |node| scores[node]);
        scores.par_iter_mut().with_min_len(TASK).for_each(|score| *score /= sum);
        let converged = residual <= self.options.tolerance;
        Ok(PageRank { scores, iterations, residual, converged })
    }

    /// Makes the terms of the scores, which are guessed first if there is a guess.
    fn begin<T: Real>(
        &self,
        scores: &mut [f64],
        terms: &mut [T],
        shares: &[T],
        guess: Option<&Guess>,
    ) -> Sum {
        let tasks = scores.par_chunks_mut(TASK).zip(terms.par_chunks_mut(TASK)).zip(shares.par_chunks(TASK));
        let sums = tasks.enumerate().map(|(task, ((scores, terms), shares))| {
            let mut sum = Sum::default();
            let nodes = scores.iter_mut().zip(terms).zip(shares);
            for (node, ((score, term), share)) in (task * TASK..).zip(nodes) {
                if let Some(guess) = guess {
                    *score = guess.score(node, &self.out);
                }
                *term = times(*share, *score);
                sum.add(*share, *score);
            }
            sum
        });
        Sum::of(sums.collect::<Vec<_>>())
    }

    /// What a node with a score of 1 gives along an edge of weight 1; 0 when it has no edge to go.
    fn shares<T: Real>(&self, nodes: usize) -> (Vec<T>, Vec<Totals>) {
        let mut shares = vec![T::default(); nodes];
        let tasks = shares.par_chunks_mut(TASK).enumerate().map(|(task, shares)| {
            let mut totals = Totals::default();
            for (node, share) in (task * TASK..).zip(shares) {
                let total = self.out.total(node);
                if total < LEAST {
                    totals.alone += 1;
                    continue;
                }
                *share = T::of(1.0 / total);
                if self.out.is_in_pair(node) {
                    totals.paired += 1;
                } else {
                    totals.weight += total;
                }
            }
            totals
        });
        let totals = tasks.collect();
        (shares, totals)
    }
}

/// The product of a share and a score.
#[inline]
fn times<T: Real>(share: T, score: f64) -> T {
    T::of(share.value() * score)
}

/// The sums of the scores of nodes with outgoing edges and of those without.
#[derive(Clone, Copy, Default)]
struct Sum {
    moving: f64,
    stuck: f64,
}

impl Sum {
    #[inline]
    fn add<T: Real>(&mut self, share: T, score: f64) {
        if share.value() == 0.0 { self.stuck += score } else { self.moving += score }
    }

    fn of(sums: impl IntoIterator<Item = Sum>) -> Self {
        let add =
            |sum: Sum, more: Sum| Sum { moving: sum.moving + more.moving, stuck: sum.stuck + more.stuck };
        sums.into_iter().fold(Sum::default(), add)
    }
}

/// What a guess is made from.
#[derive(Default)]
struct Totals {
    /// Nodes without edges.
    alone: usize,
    /// Nodes in pairs.
    paired: usize,
    /// The weights of the edges of all other nodes, from both ends.
    weight: f64,
}

/// What scores in an undirected graph may be, if all nodes with edges are in one part, except for pairs
/// of two: what begins anew at each node alike, and of the rest as much as the node has of all edges,
/// which is where a walk is after many steps.
struct Guess {
    begin: f64,
    pair: f64,
    share: f64,
}

impl Guess {
    fn new(totals: &[Totals], nodes: usize, damping: f64) -> Self {
        let alone: usize = totals.iter().map(|totals| totals.alone).sum();
        let paired: usize = totals.iter().map(|totals| totals.paired).sum();
        let weight: f64 = totals.iter().map(|totals| totals.weight).sum();
        let begin = (1.0 - damping) / (nodes as f64 - damping * alone as f64);
        // A part that no walk leaves or enters has as many scores of this as nodes.
        let pair = begin / (1.0 - damping);
        let share = damping * pair * (nodes - alone - paired) as f64 / weight.max(LEAST);
        Self { begin, pair, share }
    }

    #[inline]
    fn score(&self, node: usize, out: &Pull<'_>) -> f64 {
        if out.is_in_pair(node) { self.pair } else { self.begin + self.share * out.total(node) }
    }
}

/// How many nodes a block has when so much is to do for all.
fn block(nodes: usize, work: usize) -> usize {
    nodes.div_ceil((work / WORK).clamp(1, BLOCKS)).max(BLOCK).next_multiple_of(TASK)
}
