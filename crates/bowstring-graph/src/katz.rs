//! Katz centrality: how many walks end at a node, where longer ones count less?
//!
//! Every node begins with `beta`, and receives `alpha` times what its predecessors have (Katz 1953), by
//! iteration from 0 as networkx does. Converges when `alpha` is less than one by the greatest eigenvalue
//! of the adjacency matrix. Cost: O(iterations · edges). Memory: 16 bytes for each node beside the graph
//! and its rows of incoming edges.

use rayon::prelude::*;

use crate::{
    Graph, GraphError, Result, Run, Scores,
    pull::{self, Pull},
};

const KERNEL: &str = "Katz centrality";

/// How [`katz`] works.
#[derive(Clone, Debug)]
pub struct KatzOptions {
    /// What a step more makes a walk count less by, greater than 0. Default 0.1.
    pub alpha: f64,
    /// What every node has of its own, greater than 0. Default 1.
    pub beta: f64,
    /// Iterations end once one of them changes the scores, before they are normalised, by no more than
    /// this in sum, 0 or more; with 0 there are always `max_iterations`. Default 1e-6.
    pub tolerance: f64,
    /// Most iterations, at least 1. Default 1000.
    pub max_iterations: u32,
    /// Whether edges count by their weights. Default false: each counts as 1.
    pub weighted: bool,
    /// Whether the squares of the scores are made to sum to 1. Default true.
    pub normalized: bool,
}

impl Default for KatzOptions {
    fn default() -> Self {
        Self {
            alpha: 0.1,
            beta: 1.0,
            tolerance: 1e-6,
            max_iterations: 1000,
            weighted: false,
            normalized: true,
        }
    }
}

/// The Katz centrality of each node. When `alpha` is too large the scores grow without end; the
/// iteration then stops before they are beyond 64-bit floats, and has not converged.
///
/// # Errors
/// [`GraphError::Option`], [`GraphError::NoWeights`], [`GraphError::NegativeWeight`],
/// [`GraphError::Memory`], [`GraphError::Cancelled`]. That iterations do not converge is none: see
/// [`Scores::converged`].
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, Edges, Graph, KatzOptions, Run, katz};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
/// let options = KatzOptions { alpha: 0.5, normalized: false, ..KatzOptions::default() };
/// assert_eq!(katz(&graph, &options, &Run::default())?.scores, [1.0, 1.5, 1.75]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn katz(graph: &Graph, options: &KatzOptions, run: &Run) -> Result<Scores> {
    for (option, value) in [("alpha", options.alpha), ("beta", options.beta)] {
        if !(value > 0.0 && value.is_finite()) {
            let value = value.to_string();
            return Err(GraphError::Option { option, value, expected: "greater than 0 and finite" });
        }
    }
    pull::check_stop(options.tolerance, options.max_iterations)?;
    pull::check_weights(graph, KERNEL, options.weighted, run)?;
    let nodes = graph.num_nodes();
    let incoming = graph.csc(run)?;
    run.kernel(KERNEL, 16 * nodes, || {
        let incoming = Pull::new(incoming, options.weighted);
        let mut scores = vec![0.0; nodes];
        let mut next = vec![0.0; nodes];
        let mut residual = f64::INFINITY;
        let mut iterations = 0;
        while iterations < options.max_iterations
            && !(options.tolerance > 0.0 && residual <= options.tolerance)
        {
            incoming.each(&scores, &mut next, run, |_, sum| options.alpha * sum + options.beta)?;
            let change = pull::total(nodes, |node| (next[node] - scores[node]).abs());
            if !change.is_finite() {
                break;
            }
            residual = change;
            std::mem::swap(&mut scores, &mut next);
            iterations += 1;
        }
        if options.normalized {
            let norm = pull::norm(&scores);
            if norm > 0.0 {
                scores.par_iter_mut().for_each(|score| *score /= norm);
            }
        }
        Ok(Scores { scores, iterations, residual, converged: residual <= options.tolerance })
    })
}
