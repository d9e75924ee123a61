//! HITS: which nodes point at good ones, and which are pointed at by good ones?
//!
//! A hub's score is the sum of the authorities it points at, an authority's the sum of the hubs that
//! point at it (Kleinberg 1999), found by power iteration from equal scores. Cost: O(iterations ·
//! edges). Memory: 24 bytes for each node beside the graph and its rows of incoming edges.

use rayon::prelude::*;

use crate::{
    Graph, Result, Run,
    pull::{self, Pull},
};

const KERNEL: &str = "HITS";

/// How [`hits`] works.
#[derive(Clone, Debug)]
pub struct HitsOptions {
    /// Iterations end once one of them changes the hubs by no more than this in sum, 0 or more; with 0
    /// there are always `max_iterations`. Default 1e-8.
    pub tolerance: f64,
    /// Most iterations, at least 1. Default 100.
    pub max_iterations: u32,
    /// Whether edges count by their weights. Default false: each counts as 1.
    pub weighted: bool,
}

impl Default for HitsOptions {
    fn default() -> Self {
        Self { tolerance: 1e-8, max_iterations: 100, weighted: false }
    }
}

/// What [`hits`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Hits {
    /// How well each node points; they sum to 1, or are all 0 in a graph without edges.
    pub hubs: Vec<f64>,
    /// How well each node is pointed at; they sum to 1, or are all 0 in a graph without edges.
    pub authorities: Vec<f64>,
    /// How many iterations there were.
    pub iterations: u32,
    /// By how much the last iteration changed the hubs in sum.
    pub residual: f64,
    /// Whether that is within the tolerance.
    pub converged: bool,
}

/// Hubs and authorities. In an undirected graph both are the same once converged.
///
/// # Errors
/// [`GraphError::Option`](crate::GraphError::Option), [`GraphError::NoWeights`](crate::GraphError),
/// [`GraphError::NegativeWeight`](crate::GraphError), [`GraphError::Memory`](crate::GraphError),
/// [`GraphError::Cancelled`](crate::GraphError). That iterations do not converge is none: see
/// [`Hits::converged`].
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, Edges, Graph, HitsOptions, Run, hits};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 0, 1]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![2, 3, 3]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
/// let found = hits(&graph, &HitsOptions::default(), &Run::default())?;
/// assert!(found.hubs[0] > found.hubs[1] && found.authorities[3] > found.authorities[2]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn hits(graph: &Graph, options: &HitsOptions, run: &Run) -> Result<Hits> {
    pull::check_stop(options.tolerance, options.max_iterations)?;
    pull::check_weights(graph, KERNEL, options.weighted, run)?;
    let nodes = graph.num_nodes();
    let incoming = graph.csc(run)?;
    run.kernel(KERNEL, 24 * nodes, || {
        let out = Pull::new(graph.csr(), options.weighted).relative();
        let incoming = Pull::new(incoming, options.weighted).relative();
        let mut hubs = vec![1.0 / nodes as f64; nodes];
        let mut next = vec![0.0; nodes];
        let mut authorities = vec![0.0; nodes];
        let mut residual = f64::INFINITY;
        let mut iterations = 0;
        while iterations < options.max_iterations
            && !(options.tolerance > 0.0 && residual <= options.tolerance)
        {
            incoming.each(&hubs, &mut authorities, run, |_, sum| sum)?;
            distribute(&mut authorities);
            out.each(&authorities, &mut next, run, |_, sum| sum)?;
            distribute(&mut next);
            residual = pull::total(nodes, |node| (next[node] - hubs[node]).abs());
            std::mem::swap(&mut hubs, &mut next);
            iterations += 1;
        }
        // Hubs of a graph without edges are 0 after the first iteration, and stay.
        Ok(Hits { hubs, authorities, iterations, residual, converged: residual <= options.tolerance })
    })
}

/// Makes the values sum to 1, unless all are 0.
fn distribute(values: &mut [f64]) {
    let sum = pull::total(values.len(), |node| values[node]);
    if sum > 0.0 {
        values.par_iter_mut().for_each(|value| *value /= sum);
    }
}
