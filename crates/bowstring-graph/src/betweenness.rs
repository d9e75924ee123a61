//! Betweenness centrality: on which part of the shortest paths between others does each node lie?
//!
//! Brandes 2001, for all sources or for some that stand for all (Brandes, Pich 2007). Sources run in
//! parallel and are added up in their order, so that the result has the same bytes for any number of
//! threads. Cost: O(sources · edges); with weights O(sources · edges · log edges), for one Dijkstra each.
//! Memory: 8 bytes for each node, and for each thread 29 (61 with weights, and 16 for each edge) bytes
//! more; where parallel edges are left out, a copy of the rows.

use std::{borrow::Cow, collections::HashSet};

use rayon::prelude::*;

use crate::{
    Csr, Graph, GraphError, NodeId, Offsets, Result, Run,
    brandes::{self, Brandes},
    distances_to::{self, Dijkstra},
    path_count::Wide,
    pull::TASK,
    sample::sample,
};

const KERNEL: &str = "betweenness";

/// How [`betweenness`] works.
#[derive(Clone, Debug)]
pub struct BetweennessOptions {
    /// How many nodes, drawn at random without repetition, stand for all as sources; at least 1. Default:
    /// all nodes, for the exact result.
    pub samples: Option<usize>,
    /// What the choice of samples depends on. Default 0.
    pub seed: u64,
    /// The sources themselves, each once, in place of a sample.
    pub sources: Option<Vec<NodeId>>,
    /// Whether scores are parts of all pairs of nodes. Default true; else they count the pairs.
    pub normalized: bool,
    /// Whether the shortest paths are those of least weight. Default false: those of fewest edges.
    pub weighted: bool,
    /// Whether paths count for the nodes at their ends too. Default false.
    pub endpoints: bool,
}

impl Default for BetweennessOptions {
    fn default() -> Self {
        Self { samples: None, seed: 0, sources: None, normalized: true, weighted: false, endpoints: false }
    }
}

/// The betweenness of each node.
///
/// Samples are scaled up to all nodes as networkx 3.6 does, and a node that is itself a source only by
/// the others; where it is the only one its score is 0. Parallel edges are no more paths than one, with
/// weights the lightest of them. Numbers of paths beyond 64-bit floats are counted by wider numbers.
///
/// # Errors
/// [`GraphError::Option`] for no samples or sources, or a source given twice;
/// [`GraphError::UnknownNode`]; [`GraphError::NoWeights`]; [`GraphError::WeightNotPositive`];
/// [`GraphError::Memory`]; [`GraphError::Cancelled`].
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BetweennessOptions, BuildOptions, Edges, Graph, Run, betweenness};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let options = BuildOptions { directed: false, ..BuildOptions::default() };
/// let path = Graph::from_edges(&edges, &options, &Run::default())?;
/// let options = BetweennessOptions { normalized: false, ..BetweennessOptions::default() };
/// assert_eq!(betweenness(&path, &options, &Run::default())?, [0.0, 2.0, 2.0, 0.0]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn betweenness(graph: &Graph, options: &BetweennessOptions, run: &Run) -> Result<Vec<f64>> {
    let nodes = graph.num_nodes();
    check(graph, options, run)?;
    let sources = match (&options.sources, options.samples) {
        (Some(sources), _) => sources.clone(),
        (None, Some(samples)) => sample(nodes as u32, samples, options.seed),
        (None, None) => (0..nodes as u32).collect(),
    };
    let out = graph.sorted_csr(run)?;
    let incoming = match graph.is_directed() {
        true if !options.weighted => graph.csc(run)?,
        _ => out,
    };
    // Dijkstra picks the lightest of parallel edges by itself.
    let parallel = !options.weighted && has_parallel(out);
    let threads = run.num_threads().min(sources.len());
    let copies = if graph.is_directed() { 2 } else { 1 };
    let rows = if parallel { copies * (4 * out.num_entries() + 8 * nodes) } else { 0 };
    let dijkstra = distances_to::BYTES * nodes + distances_to::HEAP_BYTES * out.num_entries();
    let state = brandes::BYTES * nodes + if options.weighted { dijkstra } else { 0 };
    run.kernel(KERNEL, 8 * nodes + rows + threads * state, || {
        let out = if parallel { Cow::Owned(simple(out)) } else { Cow::Borrowed(out) };
        let incoming = match parallel && graph.is_directed() {
            true => Cow::Owned(simple(incoming)),
            false if graph.is_directed() => Cow::Borrowed(incoming),
            false => Cow::Borrowed(&*out),
        };
        let mut scores = vec![0.0; nodes];
        let mut states: Vec<State> = (0..threads).map(|_| State::new(nodes, options)).collect();
        for sources in sources.chunks(threads.max(1)) {
            states
                .par_iter_mut()
                .zip(sources)
                .try_for_each(|(state, &source)| state.run(source, &out, &incoming, run))?;
            for state in &states[..sources.len()] {
                state.add_to(&mut scores);
            }
        }
        scale(&mut scores, &sources, graph.is_directed(), options);
        Ok(scores)
    })
}

fn check(graph: &Graph, options: &BetweennessOptions, run: &Run) -> Result<()> {
    let refused = |option, value: String, expected| Err(GraphError::Option { option, value, expected });
    if options.samples == Some(0) {
        return refused("samples", "0".into(), "at least 1");
    }
    if let Some(sources) = &options.sources {
        if sources.is_empty() {
            return refused("sources", "empty".into(), "at least one node");
        }
        let mut seen = HashSet::new();
        for &source in sources {
            graph.check_node(source)?;
            if !seen.insert(source) {
                return refused("sources", format!("a list with {source} twice"), "each node once");
            }
        }
    }
    if options.weighted {
        if !graph.is_weighted() {
            return Err(GraphError::NoWeights { kernel: KERNEL });
        }
        if let Some((weight, _)) = graph.weight_range(run)?.filter(|&(least, _)| least <= 0.0) {
            return Err(GraphError::WeightNotPositive { kernel: KERNEL, weight });
        }
    }
    Ok(())
}

/// What one thread works with.
struct State {
    brandes: Brandes<f64>,
    /// For sources with more shortest paths than a 64-bit float can tell; made when there is one.
    wide: Option<Brandes<Wide>>,
    use_wide: bool,
    dijkstra: Option<Dijkstra>,
    endpoints: bool,
}

impl State {
    fn new(nodes: usize, options: &BetweennessOptions) -> Self {
        Self {
            brandes: Brandes::new(nodes),
            wide: None,
            use_wide: false,
            dijkstra: options.weighted.then(|| Dijkstra::new(nodes)),
            endpoints: options.endpoints,
        }
    }

    fn run(&mut self, source: u32, out: &Csr, incoming: &Csr, run: &Run) -> Result<()> {
        match &mut self.dijkstra {
            None => self.brandes.by_edges(source, out, incoming, run)?,
            Some(dijkstra) => self.brandes.by_weight(source, out, dijkstra, run)?,
        }
        self.use_wide = self.brandes.is_too_large();
        if self.use_wide {
            let wide = self.wide.get_or_insert_with(|| Brandes::new(out.num_nodes()));
            match &mut self.dijkstra {
                None => wide.by_edges(source, out, incoming, run)?,
                Some(dijkstra) => wide.by_weight(source, out, dijkstra, run)?,
            }
        }
        Ok(())
    }

    /// Adds what the last source found.
    fn add_to(&self, scores: &mut [f64]) {
        let (order, dependency) = match &self.wide {
            Some(wide) if self.use_wide => (wide.order(), wide.dependency()),
            _ => (self.brandes.order(), self.brandes.dependency()),
        };
        // A sum with zeros for nodes that were not reached is the same.
        if order.len() > scores.len() / 16 {
            scores.par_chunks_mut(TASK).zip(dependency.par_chunks(TASK)).for_each(|(scores, dependency)| {
                for (score, dependency) in scores.iter_mut().zip(dependency) {
                    *score += dependency;
                }
            });
        } else {
            for &node in order {
                scores[node as usize] += dependency[node as usize];
            }
        }
        if self.endpoints
            && let Some((&source, others)) = order.split_first()
        {
            scores[source as usize] += others.len() as f64;
            for &node in others {
                scores[node as usize] += 1.0;
            }
        }
    }
}

/// Makes what the sources found an estimate for all, as networkx does.
fn scale(scores: &mut [f64], sources: &[u32], directed: bool, options: &BetweennessOptions) {
    let ends = if options.endpoints { scores.len() } else { scores.len().saturating_sub(1) };
    if ends < 2 {
        return;
    }
    // Undirected pairs are counted from both ends.
    let counted = if directed { 1.0 } else { 2.0 };
    let factor = |sources: usize| match (sources, options.normalized) {
        (0, _) => 0.0,
        (_, true) => 1.0 / (sources as f64 * (ends - 1) as f64),
        (_, false) => ends as f64 / (sources as f64 * counted),
    };
    if options.endpoints {
        let factor = factor(sources.len());
        scores.par_iter_mut().for_each(|score| *score *= factor);
        return;
    }
    // Of its own paths a source sees none but as an end, so that one fewer stands for all.
    let of_sources: Vec<f64> =
        sources.iter().map(|&source| scores[source as usize] * factor(sources.len() - 1)).collect();
    let factor = factor(sources.len());
    scores.par_iter_mut().for_each(|score| *score *= factor);
    for (&source, score) in sources.iter().zip(of_sources) {
        scores[source as usize] = score;
    }
}

fn has_parallel(rows: &Csr) -> bool {
    (0..rows.num_nodes() as u32)
        .into_par_iter()
        .with_min_len(TASK)
        .any(|node| rows.neighbors(node).windows(2).any(|pair| pair[0] == pair[1]))
}

/// The rows with one of parallel edges, and without weights.
fn simple(rows: &Csr) -> Csr {
    let mut indices = Vec::with_capacity(rows.num_entries());
    let mut indptr = Vec::with_capacity(rows.num_nodes() + 1);
    indptr.push(0);
    for node in 0..rows.num_nodes() as u32 {
        let neighbors = rows.neighbors(node);
        indices.extend(neighbors.chunk_by(|a, b| a == b).map(|same| same[0]));
        indptr.push(indices.len());
    }
    let entries = indices.len();
    Csr::made(Offsets::of(indptr, entries), indices, None)
}
