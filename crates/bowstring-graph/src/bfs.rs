//! Breadth-first search: how many hops away is each node, and over which node is it reached?
//!
//! Direction-optimising search (Beamer, Asanović and Patterson 2012): while the frontier is small, its
//! edges are followed forwards; once they are more than a fifteenth of the edges that are left, the nodes
//! not yet reached look for a neighbour in the frontier instead, and stop at the first. O(nodes + edges)
//! time. Memory: 16 bytes a node and three bits; looking backwards over a directed graph needs its
//! incoming rows, which are made the first time and kept with the graph.
//!
//! A parent is the smallest-numbered of the neighbours one hop nearer, so that the result is the same for
//! any number of threads. Short levels run on one thread, since waking others costs more.

use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::Relaxed};

use rayon::prelude::*;

use crate::{Csr, Direction, Graph, GraphError, NodeId, Result, Run};

/// Frontiers with more edges than this run in parallel.
const PARALLEL_EDGES: usize = 1 << 14;
/// Nodes of a frontier in one parallel task.
const TASK_NODES: usize = 64;
/// Words of 64 nodes in one parallel task.
const TASK_WORDS: usize = 64;
/// Look backwards once a frontier has more than this part of the remaining edges.
const ALPHA: usize = 15;
/// Look forwards again once a shrinking frontier has less than this part of the nodes.
const BETA: usize = 18;

/// How a breadth-first search goes.
#[derive(Clone, Debug, Default)]
pub struct BfsOptions {
    /// The most hops from a source; as many as there are when `None`.
    pub max_depth: Option<u32>,
    /// Which edges are followed: forwards ([`Direction::Out`], the default), backwards or both.
    pub direction: Direction,
}

/// What a breadth-first search found; both arrays have one entry for each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bfs {
    /// Hops from the nearest source: 0 for sources, −1 for nodes that are not reached.
    pub distances: Vec<i32>,
    /// The smallest-numbered neighbour that is one hop nearer: −1 for sources and nodes that are not
    /// reached.
    pub parents: Vec<i32>,
}

/// Searches from one or more sources at once.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph};
/// use bowstring_graph::{BfsOptions, Run, bfs};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 0, 1, 4]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 0]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// # let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
///
/// // The edges 0 → 1, 0 → 2, 1 → 3 and 4 → 0.
/// let found = bfs(&graph, &[0], &BfsOptions::default(), &Run::default())?;
/// assert_eq!(found.distances, [0, 1, 1, 2, -1]);
/// assert_eq!(found.parents, [-1, 0, 0, 1, -1]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
///
/// # Errors
/// [`GraphError::Option`] without sources, [`GraphError::UnknownNode`] for a source that is not in the
/// graph; when memory does not suffice, or the work was asked to stop.
pub fn bfs(graph: &Graph, sources: &[NodeId], options: &BfsOptions, run: &Run) -> Result<Bfs> {
    check_sources(graph, sources)?;
    let nodes = graph.num_nodes();
    run.kernel("bfs", nodes * 16 + nodes / 8 * 3, || {
        let max_depth = options.max_depth.map_or(i32::MAX, |depth| depth.min(i32::MAX as u32).cast_signed());
        let search = Search {
            graph,
            direction: options.direction,
            forward: forward(graph, options.direction, run)?,
            distances: filled(nodes, || AtomicI32::new(-1)),
            parents: filled(nodes, || AtomicU32::new(u32::MAX)),
            run,
        };
        search.levels(sources, max_depth)?;
        Ok(Bfs {
            distances: search.distances.into_iter().map(AtomicI32::into_inner).collect(),
            parents: search.parents.into_iter().map(|parent| parent.into_inner().cast_signed()).collect(),
        })
    })
}

/// # Errors
/// When there are no sources, or one is not in the graph.
pub(crate) fn check_sources(graph: &Graph, sources: &[NodeId]) -> Result<()> {
    if sources.is_empty() {
        return Err(GraphError::Option {
            option: "sources",
            value: "empty".into(),
            expected: "one node or more",
        });
    }
    sources.iter().try_for_each(|&source| graph.check_node(source))
}

/// The rows over which edges are followed in `direction`.
pub(crate) fn forward<'a>(graph: &'a Graph, direction: Direction, run: &Run) -> Result<Vec<&'a Csr>> {
    Ok(match direction {
        _ if !graph.is_directed() => vec![graph.csr()],
        Direction::Out => vec![graph.csr()],
        Direction::In => vec![graph.csc(run)?],
        Direction::Both => vec![graph.csr(), graph.csc(run)?],
    })
}

/// The rows of those edges by their ends, with ascending neighbours.
pub(crate) fn backward<'a>(graph: &'a Graph, direction: Direction, run: &Run) -> Result<Vec<&'a Csr>> {
    Ok(match direction {
        _ if !graph.is_directed() => vec![graph.sorted_csr(run)?],
        Direction::Out => vec![graph.csc(run)?],
        Direction::In => vec![graph.sorted_csr(run)?],
        Direction::Both => vec![graph.sorted_csr(run)?, graph.csc(run)?],
    })
}

/// A vector of `len` such values, made in parallel.
pub(crate) fn filled<T: Send>(len: usize, value: impl Fn() -> T + Send + Sync) -> Vec<T> {
    (0..len).into_par_iter().with_min_len(1 << 16).map(|_| value()).collect()
}

struct Search<'a> {
    graph: &'a Graph,
    direction: Direction,
    forward: Vec<&'a Csr>,
    distances: Vec<AtomicI32>,
    parents: Vec<AtomicU32>,
    run: &'a Run,
}

/// The nodes found in one level, and how many edges they have.
#[derive(Default)]
struct Level {
    nodes: Vec<NodeId>,
    edges: usize,
}

impl Search<'_> {
    fn levels(&self, sources: &[NodeId], max_depth: i32) -> Result<()> {
        let mut level = Level::default();
        for &source in sources {
            if self.distances[source as usize].swap(0, Relaxed) < 0 {
                level.edges += self.degree(source);
                level.nodes.push(source);
            }
        }
        let mut depth = 0;
        let mut left: usize = self.forward.iter().map(|rows| rows.num_entries()).sum();
        while !level.nodes.is_empty() && depth < max_depth {
            self.run.check()?;
            if level.edges > left / ALPHA && level.edges > PARALLEL_EDGES {
                let found = self.look_backward(&level.nodes, &mut depth, max_depth)?;
                level = Level { nodes: found, edges: 0 };
                continue;
            }
            left = left.saturating_sub(level.edges);
            depth += 1;
            level = if level.edges > PARALLEL_EDGES {
                self.follow_in_parallel(&level.nodes, depth)?
            } else {
                self.follow(&level.nodes, depth)
            };
        }
        Ok(())
    }

    fn degree(&self, node: NodeId) -> usize {
        self.forward.iter().map(|rows| rows.degree(node)).sum()
    }

    /// Follows the edges of a frontier, on this thread alone.
    fn follow(&self, frontier: &[NodeId], depth: i32) -> Level {
        let mut found = Level::default();
        for &node in frontier {
            for &next in self.forward.iter().flat_map(|rows| rows.neighbors(node)) {
                let (distance, parent) = (&self.distances[next as usize], &self.parents[next as usize]);
                let reached = distance.load(Relaxed);
                if reached < 0 {
                    distance.store(depth, Relaxed);
                    parent.store(node, Relaxed);
                    found.edges += self.degree(next);
                    found.nodes.push(next);
                } else if reached == depth && parent.load(Relaxed) > node {
                    parent.store(node, Relaxed);
                }
            }
        }
        found
    }

    fn follow_in_parallel(&self, frontier: &[NodeId], depth: i32) -> Result<Level> {
        let claim = |found: &mut Level, node: NodeId| {
            for &next in self.forward.iter().flat_map(|rows| rows.neighbors(node)) {
                let (distance, parent) = (&self.distances[next as usize], &self.parents[next as usize]);
                let mut reached = distance.load(Relaxed);
                if reached < 0 {
                    match distance.compare_exchange(reached, depth, Relaxed, Relaxed) {
                        Ok(_) => {
                            found.edges += self.degree(next);
                            found.nodes.push(next);
                            reached = depth;
                        }
                        Err(now) => reached = now,
                    }
                }
                if reached == depth && parent.load(Relaxed) > node {
                    parent.fetch_min(node, Relaxed);
                }
            }
        };
        let tasks = frontier.par_chunks(TASK_NODES).try_fold(Level::default, |mut found, nodes| {
            self.run.check()?;
            nodes.iter().for_each(|&node| claim(&mut found, node));
            Ok::<_, GraphError>(found)
        });
        tasks.try_reduce(Level::default, |mut a, mut b| {
            a.nodes.append(&mut b.nodes);
            a.edges += b.edges;
            Ok(a)
        })
    }

    /// Lets the nodes not yet reached look for a neighbour in the frontier, level by level, until the
    /// frontier has become small again; returns it.
    fn look_backward(&self, frontier: &[NodeId], depth: &mut i32, max_depth: i32) -> Result<Vec<NodeId>> {
        let backward = backward(self.graph, self.direction, self.run)?;
        let nodes = self.distances.len();
        let mut visited: Vec<u64> = self
            .distances
            .par_chunks(64)
            .with_min_len(TASK_WORDS)
            .map(|word| {
                let bits = word.iter().enumerate();
                let reached = bits
                    .map(|(bit, distance)| u64::from(distance.load(Relaxed) >= 0) << bit)
                    .fold(0, |a, b| a | b);
                // What is beyond the last node needs no search either.
                reached | u64::MAX.checked_shl(word.len() as u32).unwrap_or(0)
            })
            .collect();
        let mut front = vec![0_u64; visited.len()];
        for &node in frontier {
            front[node as usize / 64] |= 1 << (node % 64);
        }
        let mut next = vec![0_u64; visited.len()];
        let mut awake = frontier.len();
        loop {
            *depth += 1;
            let before = awake;
            awake = self.look(&backward, &front, &mut next, &mut visited, *depth)?;
            std::mem::swap(&mut front, &mut next);
            if awake == 0 || *depth >= max_depth || (awake < before && awake <= nodes / BETA) {
                return Ok(members(&front, awake));
            }
        }
    }

    /// One such level: `next` becomes the nodes with a neighbour in `front`, whose number is returned.
    fn look(
        &self,
        backward: &[&Csr],
        front: &[u64],
        next: &mut [u64],
        visited: &mut [u64],
        depth: i32,
    ) -> Result<usize> {
        let task = |(index, (next, visited)): (usize, (&mut [u64], &mut [u64]))| {
            self.run.check()?;
            let mut awake = 0;
            for (word, (next, visited)) in next.iter_mut().zip(visited).enumerate() {
                let first = (index * TASK_WORDS + word) * 64;
                let (mut todo, mut found) = (!*visited, 0_u64);
                while todo != 0 {
                    let bit = todo.trailing_zeros();
                    todo &= todo - 1;
                    let node = first + bit as usize;
                    let mut parent = u32::MAX;
                    for rows in backward {
                        let neighbors = rows.neighbors(node as u32);
                        let inside = |&&other: &&u32| front[other as usize / 64] >> (other % 64) & 1 == 1;
                        parent = parent.min(neighbors.iter().find(inside).copied().unwrap_or(u32::MAX));
                    }
                    if parent != u32::MAX {
                        found |= 1 << bit;
                        self.distances[node].store(depth, Relaxed);
                        self.parents[node].store(parent, Relaxed);
                    }
                }
                awake += found.count_ones() as usize;
                *next = found;
                *visited |= found;
            }
            Ok(awake)
        };
        let tasks = next.par_chunks_mut(TASK_WORDS).zip(visited.par_chunks_mut(TASK_WORDS)).enumerate();
        tasks.map(task).try_reduce(|| 0, |a, b| Ok(a + b))
    }
}

/// The nodes whose bits are set, of which there are `count`.
fn members(bits: &[u64], count: usize) -> Vec<NodeId> {
    let mut nodes = Vec::with_capacity(count);
    for (word, &bits) in bits.iter().enumerate() {
        let mut bits = bits;
        while bits != 0 {
            nodes.push((word * 64) as u32 + bits.trailing_zeros());
            bits &= bits - 1;
        }
    }
    nodes
}
