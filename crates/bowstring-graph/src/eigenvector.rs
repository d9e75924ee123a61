//! Eigenvector centrality: is a node pointed at by nodes that are themselves central?
//!
//! The dominant eigenvector of the incoming edges (Bonacich 1972), by power iteration over the matrix
//! plus the identity, which also converges on bipartite graphs, from equal scores, as networkx does.
//! Cost: O(iterations · edges). Memory: 16 bytes for each node beside the graph and its rows of incoming
//! edges. In a graph of several parts, or one without cycles, there may be several such vectors or
//! none worth the name; then the result is what the iteration comes to.

use rayon::prelude::*;

use crate::{
    Graph, Result, Run,
    pull::{self, Pull},
};

const KERNEL: &str = "eigenvector centrality";

/// How [`eigenvector`] works.
#[derive(Clone, Debug)]
pub struct EigenvectorOptions {
    /// Iterations end once one of them changes the scores by no more than this in sum, 0 or more; with 0
    /// there are always `max_iterations`. Default 1e-6.
    pub tolerance: f64,
    /// Most iterations, at least 1. Default 100.
    pub max_iterations: u32,
    /// Whether edges count by their weights. Default false: each counts as 1.
    pub weighted: bool,
}

impl Default for EigenvectorOptions {
    fn default() -> Self {
        Self { tolerance: 1e-6, max_iterations: 100, weighted: false }
    }
}

/// Scores found by iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// The score of each node.
    pub scores: Vec<f64>,
    /// How many iterations there were.
    pub iterations: u32,
    /// By how much the last iteration changed the scores in sum.
    pub residual: f64,
    /// Whether that is within the tolerance.
    pub converged: bool,
}

/// The eigenvector centrality of each node; their squares sum to 1. Weights whose sums are beyond 64-bit
/// floats end the iteration early.
///
/// # Errors
/// [`GraphError::Option`](crate::GraphError::Option), [`GraphError::NoWeights`](crate::GraphError),
/// [`GraphError::NegativeWeight`](crate::GraphError), [`GraphError::Memory`](crate::GraphError),
/// [`GraphError::Cancelled`](crate::GraphError). That iterations do not converge is none: see
/// [`Scores::converged`].
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, Edges, EigenvectorOptions, Graph, Run, eigenvector};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let options = BuildOptions { directed: false, ..BuildOptions::default() };
/// let path = Graph::from_edges(&edges, &options, &Run::default())?;
/// let found = eigenvector(&path, &EigenvectorOptions::default(), &Run::default())?;
/// assert!((found.scores[1] - 0.5_f64.sqrt()).abs() < 1e-5);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn eigenvector(graph: &Graph, options: &EigenvectorOptions, run: &Run) -> Result<Scores> {
    pull::check_stop(options.tolerance, options.max_iterations)?;
    pull::check_weights(graph, KERNEL, options.weighted, run)?;
    let nodes = graph.num_nodes();
    let incoming = graph.csc(run)?;
    run.kernel(KERNEL, 16 * nodes, || {
        let incoming = Pull::new(incoming, options.weighted);
        let mut scores = vec![1.0 / nodes as f64; nodes];
        let mut next = vec![0.0; nodes];
        let mut residual = f64::INFINITY;
        let mut iterations = 0;
        while iterations < options.max_iterations
            && !(options.tolerance > 0.0 && residual <= options.tolerance)
        {
            incoming.each(&scores, &mut next, run, |node, sum| scores[node] + sum)?;
            let norm = pull::norm(&next);
            if !norm.is_finite() {
                break;
            }
            next.par_iter_mut().for_each(|score| *score /= norm);
            residual = pull::total(nodes, |node| (next[node] - scores[node]).abs());
            std::mem::swap(&mut scores, &mut next);
            iterations += 1;
        }
        Ok(Scores { scores, iterations, residual, converged: residual <= options.tolerance })
    })
}
