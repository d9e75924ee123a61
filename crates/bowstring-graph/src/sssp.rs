//! Shortest paths from one or more sources: how far is each node, and over which node does the way lead?
//!
//! [`SsspMethod`] names the methods and their costs; which one is taken changes neither distances nor
//! parents, except where weights below 0 leave only Bellman and Ford's. A graph without weights is
//! searched breadth first, each edge counting 1. Memory: about 40 bytes a node, or 24 without parents,
//! and what the method keeps for each time that a path gets shorter.
//!
//! Distances are exact sums for integer weights. For floats they are the least of the sums that are formed
//! along the paths from the source on, in `f64`; so they do not depend on the number of threads.

mod bellman_ford;
mod buckets;
mod delta;
mod dijkstra;
mod key;
mod length;
mod parents;
mod search;

use rayon::prelude::*;

use crate::{
    BfsOptions, Direction, Graph, GraphError, NodeId, Result, Run, Weights,
    bfs::{backward, bfs, check_sources, forward},
    sssp::{
        key::Key,
        length::{Length, Plus, Real, Width},
        search::{Kept, Search, weighted},
    },
};

/// How shortest paths are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SsspMethod {
    /// Bellman and Ford's when a weight is below 0, Dijkstra's when there are targets or the graph is
    /// small, delta-stepping else.
    #[default]
    Auto,
    /// Dijkstra's with a heap, on one thread: O(edges · log nodes) time.
    Dijkstra,
    /// Delta-stepping, in parallel: O(nodes + edges) expected time for random weights.
    DeltaStepping,
    /// Bellman and Ford's, on one thread, for weights below 0 too: O(nodes · edges) time at worst.
    BellmanFord,
}

/// How shortest paths are searched.
#[derive(Clone, Debug)]
pub struct SsspOptions {
    /// The method; [`SsspMethod::Auto`] by default.
    pub method: SsspMethod,
    /// When there are any, the search ends with the farthest of them, and nodes farther away count as
    /// unreached. When one of them cannot be reached, and when weights are below 0, nothing is left out.
    pub targets: Vec<NodeId>,
    /// Nodes farther away than this count as unreached; no limit when `None`.
    pub cutoff: Option<f64>,
    /// The width of the buckets of delta-stepping. When `None` it is made from twice the mean weight and
    /// the mean degree behind an edge, both of a sample: the former times 8, divided by the square of the
    /// latter, at most the former and at least a 256th of it. For integers the nearest power of two is
    /// taken.
    pub delta: Option<f64>,
    /// Which edges are followed: forwards ([`Direction::Out`], the default), backwards or both.
    pub direction: Direction,
    /// Whether parents are found too, as by default; distances alone take less time and memory.
    pub parents: bool,
}

impl Default for SsspOptions {
    fn default() -> Self {
        Self {
            method: SsspMethod::Auto,
            targets: Vec::new(),
            cutoff: None,
            delta: None,
            direction: Direction::Out,
            parents: true,
        }
    }
}

/// How far each node is from the nearest source.
#[derive(Clone, Debug, PartialEq)]
pub enum Distances {
    /// In integer weights, or in edges without weights; −1 for nodes that are not reached.
    Int(Vec<i64>),
    /// In floats; +∞ for nodes that are not reached. Also for integer weights when one is below 0, since
    /// −1 is a distance then.
    Float(Vec<f64>),
}

/// What a search for shortest paths found; arrays have one entry for each node.
#[derive(Clone, Debug, PartialEq)]
pub struct Sssp {
    /// How far each node is from the nearest source.
    pub distances: Distances,
    /// The node before it on a shortest path: −1 for sources and nodes that are not reached. Of several
    /// the smallest-numbered one that is nearer itself; where only edges of weight 0 lead to the node,
    /// one over which the fewest of these do. With weights below 0, the first that was found. `None` when
    /// [`SsspOptions::parents`] were not asked for.
    pub parents: Option<Vec<i32>>,
}

impl Sssp {
    /// Whether a path leads to the node; false when there is no such node.
    pub fn is_reached(&self, node: NodeId) -> bool {
        let node = node as usize;
        match &self.distances {
            Distances::Int(distances) => distances.get(node).is_some_and(|&distance| distance >= 0),
            Distances::Float(distances) => {
                distances.get(node).is_some_and(|&distance| distance < f64::INFINITY)
            }
        }
    }

    /// The nodes of the path that leads to `node`, from a source to itself; `None` when none does.
    ///
    /// # Errors
    /// [`GraphError::Option`] when parents were not asked for.
    pub fn path_to(&self, node: NodeId) -> Result<Option<Vec<NodeId>>> {
        let Some(parents) = &self.parents else {
            let (option, value) = ("parents", "false".into());
            return Err(GraphError::Option { option, value, expected: "true when paths are wanted" });
        };
        if !self.is_reached(node) {
            return Ok(None);
        }
        let before = |&node: &NodeId| u32::try_from(*parents.get(node as usize)?).ok();
        // The parents are public, and could have been made a cycle.
        let mut path: Vec<NodeId> = std::iter::successors(Some(node), before).take(parents.len()).collect();
        path.reverse();
        Ok(Some(path))
    }
}

/// Finds shortest paths from the nearest of one or more sources to every node, or to some targets.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph};
/// use bowstring_graph::{Distances, Run, SsspOptions, sssp};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 0]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 2]));
/// # let weight: ArrayRef = Arc::new(Int64Array::from(vec![2, 3, 10]));
/// # let edges = Edges { source: &[source], target: &[target], weight: Some(&[weight]) };
/// # let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
///
/// // The edges 0 → 1 of weight 2, 1 → 2 of weight 3 and 0 → 2 of weight 10.
/// let found = sssp(&graph, &[0], &SsspOptions::default(), &Run::default())?;
/// assert_eq!(found.distances, Distances::Int(vec![0, 2, 5]));
/// assert_eq!(found.path_to(2)?, Some(vec![0, 1, 2]));
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
///
/// # Errors
/// [`GraphError::NegativeWeight`] for a method that does not take weights below 0,
/// [`GraphError::NegativeCycle`], [`GraphError::DistanceOverflow`]; [`GraphError::Option`] without sources,
/// for a `cutoff` below 0 or next to weights below 0, and for a `delta` that is not above 0;
/// [`GraphError::UnknownNode`] for a source or a target; when memory does not suffice, or the work was
/// asked to stop.
pub fn sssp(graph: &Graph, sources: &[NodeId], options: &SsspOptions, run: &Run) -> Result<Sssp> {
    check_sources(graph, sources)?;
    options.targets.iter().try_for_each(|&target| graph.check_node(target))?;
    let wrong =
        |option, value: f64, expected| Err(GraphError::Option { option, value: value.to_string(), expected });
    match (options.cutoff, options.delta) {
        (Some(cutoff), _) if cutoff.is_nan() || cutoff < 0.0 => {
            return wrong("cutoff", cutoff, "at least 0");
        }
        (_, Some(delta)) if !(delta.is_finite() && delta > 0.0) => {
            return wrong("delta", delta, "finite and above 0");
        }
        _ => {}
    }
    let Some(weights) = graph.csr().weights() else {
        return unweighted(graph, sources, options, run);
    };
    let (least, most) = graph.weight_range(run)?.unwrap_or_default();
    if least < 0.0 {
        if let Some(kernel) = match options.method {
            SsspMethod::Auto | SsspMethod::BellmanFord => None,
            SsspMethod::Dijkstra => Some("dijkstra"),
            SsspMethod::DeltaStepping => Some("delta-stepping"),
        } {
            return Err(GraphError::NegativeWeight { kernel, weight: least });
        }
        if let Some(cutoff) = options.cutoff {
            return wrong("cutoff", cutoff, "left out when weights are below 0");
        }
    }
    let need = if options.parents { 40 } else { 24 };
    run.kernel("sssp", graph.num_nodes() * need, || {
        // No path has more edges than this, nor needs a number beyond that.
        let narrow = most * (graph.num_nodes() as f64) < f64::from(u32::MAX - 1);
        let job = Job { graph, sources, options, run, least };
        match weights {
            Weights::I32(_) if least < 0.0 => job.signed_integers::<i32>(),
            Weights::I64(_) if least < 0.0 => job.signed_integers::<i64>(),
            Weights::F32(_) if least < 0.0 => job.signed_floats::<f32>(),
            Weights::F64(_) if least < 0.0 => job.signed_floats::<f64>(),
            Weights::I32(_) if narrow => job.integers::<u32, i32>(),
            Weights::I32(_) => job.integers::<u64, i32>(),
            Weights::I64(_) if narrow => job.integers::<u32, i64>(),
            Weights::I64(_) => job.integers::<u64, i64>(),
            Weights::F32(_) => job.floats::<f32>(),
            Weights::F64(_) => job.floats::<f64>(),
        }
    })
}

/// Each edge counts 1.
fn unweighted(graph: &Graph, sources: &[NodeId], options: &SsspOptions, run: &Run) -> Result<Sssp> {
    let max_depth = options.cutoff.map(|cutoff| cutoff as u32);
    let found = bfs(graph, sources, &BfsOptions { max_depth, direction: options.direction }, run)?;
    // Unreached, −1, is the greatest number without a sign.
    let far = farthest(&options.targets, |target| found.distances[target as usize].cast_unsigned());
    let near = |(&hops, parent): (&i32, i32)| {
        if hops.cast_unsigned() <= far { (i64::from(hops), parent) } else { (-1, -1) }
    };
    let (distances, parents) = found.distances.par_iter().zip(found.parents).map(near).unzip();
    Ok(Sssp { distances: Distances::Int(distances), parents: options.parents.then_some(parents) })
}

/// The greatest distance of a target; without targets that of a node which is not reached.
fn farthest<L: Length>(targets: &[NodeId], distance: impl Fn(NodeId) -> L) -> L {
    targets.iter().map(|&target| distance(target)).max().unwrap_or(L::UNREACHED)
}

/// What is asked for.
struct Job<'a> {
    graph: &'a Graph,
    sources: &'a [NodeId],
    options: &'a SsspOptions,
    run: &'a Run,
    /// The least weight.
    least: f64,
}

/// The largest integer up to which every integer is a float too.
const EXACT: u64 = 1 << 53;
/// Edges that are looked at to learn what is usual.
const SAMPLES: usize = 1 << 10;

impl Job<'_> {
    fn search<W: Kept>(&self) -> Result<Search<'_, W>> {
        Ok(Search {
            graph: self.graph,
            nodes: self.graph.num_nodes(),
            rows: weighted(forward(self.graph, self.options.direction, self.run)?),
            sources: self.sources,
            targets: &self.options.targets,
            direction: self.options.direction,
            run: self.run,
        })
    }

    fn integers<L: Plus<W> + Into<u64>, W: Kept>(&self) -> Result<Sssp> {
        // What is beyond 63 bits, and is not unreached, becomes less than −1.
        let value = |distance: L| if distance == L::UNREACHED { -1 } else { distance.into().cast_signed() };
        let (distances, parents) = self.paths::<L, W, i64>(value)?;
        if let Some(node) = distances.par_iter().position_first(|&distance| distance < -1) {
            return Err(GraphError::DistanceOverflow { node: node as u32 });
        }
        Ok(Sssp { distances: Distances::Int(distances), parents })
    }

    fn floats<W: Kept>(&self) -> Result<Sssp>
    where
        Real: Plus<W>,
    {
        let (distances, parents) = self.paths::<Real, W, f64>(Real::get)?;
        Ok(Sssp { distances: Distances::Float(distances), parents })
    }

    /// Distances and parents for weights of at least 0.
    fn paths<L: Plus<W>, W: Kept, T: Send>(
        &self,
        value: impl Fn(L) -> T + Send + Sync,
    ) -> Result<(Vec<T>, Option<Vec<i32>>)> {
        let search = self.search::<W>()?;
        let graph = self.graph;
        // Rows that are not at hand are not worth making.
        let backward = if graph.is_directed() && self.options.direction == Direction::Out {
            None
        } else {
            Some(weighted(backward(graph, self.options.direction, self.run)?))
        };
        let limit = self.options.cutoff.map_or(L::UNREACHED, L::at_most);
        let mut distances = match self.method() {
            SsspMethod::BellmanFord => {
                let plus = |distance: L, weight| Some(distance.plus(weight));
                bellman_ford::paths(&search, L::ZERO, L::UNREACHED, plus)?.0
            }
            SsspMethod::DeltaStepping => {
                let (width, horizon) = self.widths();
                let backward = backward.as_deref();
                // Of parents that are as far away as the node itself, the right one is not the least.
                if L::Traced::WITH_PARENT && self.options.parents && self.least > 0.0 {
                    let keys: Vec<L::Traced> = delta::keys(&search, backward, limit, &width, horizon)?;
                    let target = |target: NodeId| keys[target as usize].distance();
                    let far = farthest(search.targets, target).min(limit);
                    let near = |key: &L::Traced| match key.distance() {
                        distance if distance <= far => (value(distance), key.parent()),
                        _ => (value(L::UNREACHED), -1),
                    };
                    let (distances, parents) = keys.par_iter().map(near).unzip();
                    return Ok((distances, Some(parents)));
                }
                delta::keys(&search, backward, limit, &width, horizon)?
            }
            SsspMethod::Auto | SsspMethod::Dijkstra => dijkstra::distances(&search, limit)?,
        };
        let far = farthest(search.targets, |target| distances[target as usize]).min(limit);
        if far != L::UNREACHED {
            let beyond = distances.par_iter_mut().filter(|distance| **distance > far);
            beyond.for_each(|distance| *distance = L::UNREACHED);
        }
        let parents = || parents::parents(&search, backward.as_deref(), &distances);
        let parents = self.options.parents.then(parents).transpose()?;
        Ok((distances.into_par_iter().map(value).collect(), parents))
    }

    /// Which method is taken for weights of at least 0.
    fn method(&self) -> SsspMethod {
        const SMALL: usize = 1 << 12;
        match self.options.method {
            SsspMethod::Auto if !self.options.targets.is_empty() => SsspMethod::Dijkstra,
            SsspMethod::Auto if self.graph.csr().num_entries() < SMALL => SsspMethod::Dijkstra,
            SsspMethod::Auto => SsspMethod::DeltaStepping,
            method => method,
        }
    }

    /// How wide a bucket is, and how many of them are about the eighth of a usual weight.
    fn widths(&self) -> (Width, u64) {
        let rows = self.graph.csr();
        let entries = rows.num_entries();
        let mean = |value: &dyn Fn(usize) -> f64| {
            let samples = if entries == 0 { 0 } else { SAMPLES };
            (0..samples).map(|sample| value(sample * entries / SAMPLES)).sum::<f64>() / SAMPLES as f64
        };
        let weight = mean(&|entry| rows.weights().map_or(0.0, |weights| weights.get(entry)));
        let usual = if weight > 0.0 { 2.0 * weight } else { 1.0 };
        // The more ways lead on from where an edge leads, the fewer may lead into the same bucket.
        let degree = mean(&|entry| rows.degree(rows.indices()[entry]) as f64);
        let delta = usual * (8.0 / (degree * degree)).clamp(1.0 / 256.0, 1.0);
        let delta = self.options.delta.unwrap_or(delta);
        (Width::new(delta), ((usual / 8.0 / delta) as u64).max(1))
    }

    fn signed_integers<W: Kept + Into<i64>>(&self) -> Result<Sssp> {
        let plus = |distance: i64, weight: W| distance.checked_add(weight.into());
        let (distances, parents) = bellman_ford::paths(&self.search::<W>()?, 0, i64::MAX, plus)?;
        let beyond = |&distance: &i64| distance != i64::MAX && distance.unsigned_abs() > EXACT;
        if let Some(node) = distances.iter().position(beyond) {
            return Err(GraphError::DistanceOverflow { node: node as u32 });
        }
        let float = |distance| if distance == i64::MAX { f64::INFINITY } else { distance as f64 };
        let distances = Distances::Float(distances.into_iter().map(float).collect());
        Ok(Sssp { distances, parents: self.options.parents.then_some(parents) })
    }

    fn signed_floats<W: Kept + Into<f64>>(&self) -> Result<Sssp> {
        let plus = |distance: f64, weight: W| Some(distance + weight.into());
        let (distances, parents) = bellman_ford::paths(&self.search::<W>()?, 0.0, f64::INFINITY, plus)?;
        let parents = self.options.parents.then_some(parents);
        Ok(Sssp { distances: Distances::Float(distances), parents })
    }
}
