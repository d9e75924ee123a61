//! Breadth-first search: how many hops away is each node, and over which node is it reached?
//!
//! Direction-optimising search (Beamer, Asanović and Patterson 2012): while the frontier is small, its
//! edges are followed forwards; once they are more than a fifteenth of the edges that are left, the nodes
//! not yet reached look for a neighbour in the frontier instead, and stop at the first. O(nodes + edges)
//! time. Memory: 16 bytes a node and three bits, and at most 256 KiB; looking backwards over a directed
//! graph needs its incoming rows, which are made the first time and kept with the graph.
//!
//! A parent is the smallest-numbered of the neighbours one hop nearer, so that the result is the same for
//! any number of threads. Short levels run on one thread, since waking others costs more.

mod deep;

use std::{
    hint::black_box,
    sync::atomic::{AtomicI32, AtomicU32, Ordering::Relaxed},
};

use arrow::datatypes::ArrowNativeType;
use rayon::prelude::*;

use self::deep::{DEEP, SHORT};
use crate::{Csr, Direction, Graph, GraphError, NodeId, Offsets, Result, Run};

/// Frontiers with more edges than this run in parallel.
const PARALLEL_EDGES: usize = 1 << 14;
/// Nodes of a frontier in one parallel task.
const TASK_NODES: usize = 64;
/// Neighbours that are looked at together.
const BATCH: usize = 64;
/// Nodes whose neighbours are fetched together.
const AHEAD: usize = 32;
/// Fewer neighbours than this are looked at one by one.
const FEW: usize = 16;
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
    run.kernel("bfs", nodes * 16 + nodes / 8 * 3 + nodes.min(SHORT) * 16, || {
        let max_depth = options.max_depth.map_or(i32::MAX, |depth| depth.min(i32::MAX as u32).cast_signed());
        let search = Search {
            graph,
            direction: options.direction,
            forward: forward(graph, options.direction, run)?,
            backward_at_hand: backward_at_hand(graph, options.direction),
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
    by_ends(graph, direction, || graph.sorted_csr(run), || graph.csc(run))
}

/// The same, unless some of them would have to be made.
fn backward_at_hand(graph: &Graph, direction: Direction) -> Option<Vec<&Csr>> {
    let outgoing = || graph.sorted_csr_at_hand().ok_or(());
    by_ends(graph, direction, outgoing, || graph.csc_at_hand().ok_or(())).ok()
}

/// The rows of followed edges by their ends, from the graph's sorted outgoing and incoming rows.
fn by_ends<'a, E>(
    graph: &Graph,
    direction: Direction,
    outgoing: impl FnOnce() -> Result<&'a Csr, E>,
    incoming: impl FnOnce() -> Result<&'a Csr, E>,
) -> Result<Vec<&'a Csr>, E> {
    Ok(match direction {
        _ if !graph.is_directed() => vec![outgoing()?],
        Direction::Out => vec![incoming()?],
        Direction::In => vec![outgoing()?],
        Direction::Both => vec![outgoing()?, incoming()?],
    })
}

/// A vector of `len` such values, made in parallel.
pub(crate) fn filled<T: Send>(len: usize, value: impl Fn() -> T + Send + Sync) -> Vec<T> {
    // Values are made by lines, as the processor writes them.
    const LINE: usize = 32;
    let lines = (0..len.div_ceil(LINE)).into_par_iter().with_min_len(1 << 11);
    let lines: Vec<[T; LINE]> = lines.map(|_| std::array::from_fn(|_| value())).collect();
    let mut values = lines.into_flattened();
    values.truncate(len);
    values
}

struct Search<'a> {
    graph: &'a Graph,
    direction: Direction,
    forward: Vec<&'a Csr>,
    /// The rows of the same edges by their ends, unless they would have to be made.
    backward_at_hand: Option<Vec<&'a Csr>>,
    distances: Vec<AtomicI32>,
    parents: Vec<AtomicU32>,
    run: &'a Run,
}

impl Search<'_> {
    fn levels(&self, sources: &[NodeId], max_depth: i32) -> Result<()> {
        let (mut frontier, mut found) = (Vec::new(), Vec::new());
        for &source in sources {
            if self.distances[source as usize].swap(0, Relaxed) < 0 {
                frontier.push(source);
            }
        }
        let (mut ranges, mut without_parents) = (deep::Ranges::new(), false);
        let mut depth = 0;
        let mut left: usize = self.forward.iter().map(|rows| rows.num_entries()).sum();
        while !frontier.is_empty() && depth < max_depth {
            self.run.check()?;
            let many = (left / ALPHA).max(PARALLEL_EDGES);
            let is_deep = depth >= DEEP && frontier.len() <= SHORT;
            let alone = match (&self.forward[..], &self.backward_at_hand) {
                (&[rows], Some(_)) if is_deep => Some(rows),
                _ => None,
            };
            let edges = match alone {
                Some(rows) => deep::ranges(rows, &frontier, &mut ranges),
                None => self.edges(&frontier, many),
            };
            if edges > many {
                frontier = self.look_backward(&frontier, &mut depth, max_depth)?;
                continue;
            }
            left = left.saturating_sub(edges);
            depth += 1;
            if edges > PARALLEL_EDGES && rayon::current_num_threads() > 1 {
                frontier = self.follow_in_parallel(&frontier, depth)?;
                continue;
            }
            found.clear();
            match alone {
                Some(rows) => {
                    deep::follow(rows.indices(), &ranges, &self.distances, depth, &mut found);
                    without_parents = true;
                }
                None => self.follow::<false>(&frontier, depth, &mut found),
            }
            std::mem::swap(&mut frontier, &mut found);
        }
        match &self.backward_at_hand {
            Some(backward) if without_parents => self.find_parents(backward),
            _ => Ok(()),
        }
    }

    /// How many edges these nodes have; counted no further than beyond `enough`.
    fn edges(&self, nodes: &[NodeId], enough: usize) -> usize {
        let mut edges = 0;
        for nodes in nodes.chunks(TASK_NODES) {
            for rows in &self.forward {
                edges += nodes.iter().map(|&node| rows.degree(node)).sum::<usize>();
            }
            if edges > enough {
                break;
            }
        }
        edges
    }

    /// Follows the edges of nodes of a frontier, and adds what it reaches first to `found`. `SHARED` when
    /// other threads do the same.
    fn follow<const SHARED: bool>(&self, frontier: &[NodeId], depth: i32, found: &mut Vec<NodeId>) {
        // Not yet reached, −1, is the greatest number without a sign.
        let open = |next: NodeId| {
            self.distances[next as usize].load(Relaxed).cast_unsigned() >= depth.cast_unsigned()
        };
        let mut fresh = [0; BATCH];
        for (place, &node) in frontier.iter().enumerate() {
            if place.is_multiple_of(AHEAD) && frontier.len() > AHEAD {
                // Nothing depends on what is read here, so the processor waits for all of it at once.
                for &node in &frontier[place..frontier.len().min(place + AHEAD)] {
                    for rows in &self.forward {
                        black_box(rows.fetch(node));
                    }
                }
            }
            for rows in &self.forward {
                let neighbors = rows.neighbors(node);
                if neighbors.len() < FEW {
                    for &next in neighbors {
                        if open(next) {
                            self.reach::<SHARED>(node, next, depth, found);
                        }
                    }
                    continue;
                }
                for neighbors in neighbors.chunks(BATCH) {
                    // Sorting out first what needs a look, without branches, lets the processor wait for
                    // many distances at once.
                    let mut count = 0;
                    for &next in neighbors {
                        fresh[count] = next;
                        count += usize::from(open(next));
                    }
                    for &next in &fresh[..count] {
                        self.reach::<SHARED>(node, next, depth, found);
                    }
                }
            }
        }
    }

    #[inline]
    fn reach<const SHARED: bool>(&self, node: NodeId, next: NodeId, depth: i32, found: &mut Vec<NodeId>) {
        let (distance, parent) = (&self.distances[next as usize], &self.parents[next as usize]);
        if SHARED {
            let first =
                distance.load(Relaxed) < 0 && distance.compare_exchange(-1, depth, Relaxed, Relaxed).is_ok();
            if first {
                found.push(next);
            }
            if parent.load(Relaxed) > node {
                parent.fetch_min(node, Relaxed);
            }
        } else if distance.load(Relaxed) < 0 {
            distance.store(depth, Relaxed);
            parent.store(node, Relaxed);
            found.push(next);
        } else if parent.load(Relaxed) > node {
            parent.store(node, Relaxed);
        }
    }

    fn follow_in_parallel(&self, frontier: &[NodeId], depth: i32) -> Result<Vec<NodeId>> {
        let tasks = frontier.par_chunks(TASK_NODES).try_fold(Vec::new, |mut found, nodes| {
            self.run.check()?;
            self.follow::<true>(nodes, depth, &mut found);
            Ok::<_, GraphError>(found)
        });
        tasks.try_reduce(Vec::new, |mut a, mut b| {
            a.append(&mut b);
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
                let (mut linked, mut parents) = (0, [u32::MAX; 64]);
                for rows in backward {
                    linked |= nearer(rows, first, !*visited, front, &mut parents);
                }
                // A node that nothing leads to needs no further look.
                *visited |= !linked;
                let mut found = 0_u64;
                for bit in Bits(linked) {
                    if parents[bit] != u32::MAX {
                        found |= 1 << bit;
                        self.distances[first + bit].store(depth, Relaxed);
                        self.parents[first + bit].store(parents[bit], Relaxed);
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

/// The places of the bits that are set.
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0.wrapping_sub(1);
        (bit < 64).then_some(bit)
    }
}

/// Lowers `parents` to the first neighbour in the frontier of each of the nodes from `first` on whose bit
/// is set in `todo`. Returns which of them have neighbours at all.
#[inline]
fn nearer(rows: &Csr, first: usize, todo: u64, front: &[u64], parents: &mut [u32; 64]) -> u64 {
    let indices = rows.indices();
    match rows.indptr() {
        _ if indices.is_empty() => 0,
        Offsets::Narrow(indptr) => scan(&indptr[first..], indices, todo, front, parents),
        Offsets::Wide(indptr) => scan(&indptr[first..], indices, todo, front, parents),
    }
}

fn scan<O: ArrowNativeType>(
    indptr: &[O],
    indices: &[u32],
    todo: u64,
    front: &[u64],
    parents: &mut [u32; 64],
) -> u64 {
    let inside = |node: u32| front[node as usize / 64] >> (node % 64) & 1;
    // The first neighbour of each node is fetched before any is looked at, so that the processor waits for
    // many of them at once.
    let (mut linked, mut firsts) = (0, [0; 64]);
    for bit in Bits(todo) {
        let (from, to) = (indptr[bit].as_usize(), indptr[bit + 1].as_usize());
        linked |= u64::from(from < to) << bit;
        firsts[bit] = indices[from.min(indices.len() - 1)];
    }
    let mut hits = 0;
    for bit in Bits(linked) {
        hits |= inside(firsts[bit]) << bit;
    }
    for bit in Bits(hits) {
        parents[bit] = parents[bit].min(firsts[bit]);
    }
    for bit in Bits(linked & !hits) {
        let others = &indices[indptr[bit].as_usize() + 1..indptr[bit + 1].as_usize()];
        if let Some(&parent) = others.iter().find(|&&node| inside(node) == 1) {
            parents[bit] = parents[bit].min(parent);
        }
    }
    linked
}

/// The nodes whose bits are set, of which there are `count`.
fn members(bits: &[u64], count: usize) -> Vec<NodeId> {
    let mut nodes = Vec::with_capacity(count);
    for (word, &bits) in bits.iter().enumerate() {
        nodes.extend(Bits(bits).map(|bit| (word * 64 + bit) as u32));
    }
    nodes
}
