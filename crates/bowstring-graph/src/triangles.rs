//! Triangles: how often are two neighbours of a node neighbours of each other?
//!
//! Each edge points at its end of higher degree, and the lists of two such neighbours are intersected
//! in whichever way is cheapest: the shorter is looked up in the bits of the longer, or bits are
//! compared 64 at a time (forward algorithm, Schank and Wagner 2005, with bits as in Latapy 2008). In
//! graphs without hubs edges point at the lower node, so that the rows serve as they are; rows of a few
//! entries are gone along beside each other, and short lists are told apart by a filter of bits that stays
//! in the cache. Whether there are hubs and parallel edges is found out once and kept with the graph.
//! O(edges^1.5) time at worst on graphs with hubs, and far less mostly; 32 bytes for each node and 16 for each
//! edge, and when triangles are counted for each node 16 more for each node and 8 for each node and thread.

use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use arrow::datatypes::ArrowNativeType;
use rayon::prelude::*;

use crate::{Graph, NodeId, Offsets, Result, Run, oriented::Oriented, simple::Simple};

/// Ranks that a thread takes at a time.
const BLOCK: usize = 64;

/// How many bits are looked up in the time in which two words are compared.
const WORD: usize = 2;

/// Most entries of a row that is compared with others entry by entry.
const TINY: usize = 8;

/// Most entries of a list for which a filter pays.
const SHORT: usize = 64;

/// Bits of the filter.
const FILTER: usize = 1 << 11;

/// The triangles of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Triangles {
    /// In how many triangles each node is.
    pub per_node: Vec<u64>,
    /// How many triangles there are.
    pub total: u64,
    /// The part of the pairs of neighbours of each node that are neighbours themselves; 0 for nodes
    /// with fewer than two neighbours.
    pub clustering: Vec<f64>,
    /// The part of the pairs of neighbours of all nodes together that are neighbours; 0 when there are
    /// none.
    pub transitivity: f64,
}

/// The triangles of a graph, of each node, and its clustering coefficients. Loops, parallel edges and
/// the direction of edges do not count.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, Edges, Graph, Run, triangles};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2, 2]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 0, 3]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
/// let triangles = triangles(&graph, &Run::default())?;
/// assert_eq!((triangles.total, triangles.per_node), (1, vec![1, 1, 1, 0]));
/// assert_eq!(triangles.clustering, [1.0, 1.0, 1.0 / 3.0, 0.0]);
/// assert_eq!(triangles.transitivity, 0.6);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
///
/// # Errors
/// When memory does not suffice, or the work was asked to stop.
pub fn triangles(graph: &Graph, run: &Run) -> Result<Triangles> {
    let nodes = graph.num_nodes();
    let bytes = need(graph) + (8 * run.num_threads() + 16) * nodes;
    run.kernel("triangles", bytes, || {
        let simple = Simple::new(graph, run)?;
        let oriented = Oriented::new(&simple, run)?;
        let (total, mut per_node) = search::<true>(&oriented, run)?;
        if let Some(order) = oriented.nodes {
            let of_ranks = std::mem::replace(&mut per_node, vec![0; nodes]);
            for (node, count) in order.into_iter().zip(of_ranks) {
                per_node[node as usize] = count;
            }
        }
        let degrees = simple.degrees();
        let pairs = |degree: u32| u64::from(degree) * u64::from(degree.saturating_sub(1)) / 2;
        let part =
            |triangles: u64, pairs: u64| if pairs == 0 { 0.0 } else { triangles as f64 / pairs as f64 };
        let clustering =
            per_node.par_iter().zip(&degrees).map(|(&count, &degree)| part(count, pairs(degree)));
        let clustering = clustering.collect();
        let all: u64 = degrees.iter().map(|&degree| pairs(degree)).sum();
        Ok(Triangles { per_node, total, clustering, transitivity: part(3 * total, all) })
    })
}

/// How many triangles a graph has: [`Triangles::total`] alone, in less time and memory.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, Edges, Graph, Run, triangle_count};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 0]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
/// assert_eq!(triangle_count(&graph, &Run::default())?, 1);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
///
/// # Errors
/// When memory does not suffice, or the work was asked to stop.
pub fn triangle_count(graph: &Graph, run: &Run) -> Result<u64> {
    run.kernel("triangles", need(graph), || {
        let oriented = Oriented::new(&Simple::new(graph, run)?, run)?;
        Ok(search::<false>(&oriented, run)?.0)
    })
}

fn need(graph: &Graph) -> usize {
    32 * graph.num_nodes() + 16 * graph.num_edges()
}

/// The number of triangles, and for each rank when `EACH`.
fn search<const EACH: bool>(graph: &Oriented<'_>, run: &Run) -> Result<(u64, Vec<u64>)> {
    let next = AtomicUsize::new(0);
    // Where no list is long, sharing out costs as much as the work.
    let block = if graph.has_hubs() { BLOCK } else { 8 * BLOCK };
    let work = || {
        let mut found = Found::<EACH> { total: 0, of_ranks: vec![0; if EACH { graph.len } else { 0 }] };
        let mut marks = vec![0; graph.len.max(FILTER).div_ceil(64)];
        loop {
            let start = next.fetch_add(block, Relaxed);
            if start >= graph.len {
                return Ok(found);
            }
            run.check()?;
            let ranks = start..graph.len.min(start + block);
            match graph.rows().map(|rows| (rows.indptr(), rows.indices())) {
                Some((Offsets::Narrow(indptr), indices)) => {
                    around_all(graph, (indptr, indices), ranks, &mut marks, &mut found, run)?;
                }
                Some((Offsets::Wide(indptr), indices)) => {
                    around_all(graph, (indptr, indices), ranks, &mut marks, &mut found, run)?;
                }
                None => {
                    ranks.into_iter().try_for_each(|rank| around(graph, rank, &mut marks, &mut found, run))?
                }
            }
        }
    };
    let threads = 0..run.num_threads();
    let found = threads.into_par_iter().with_max_len(1).map(|_| work());
    let found = found.try_reduce_with(|a, b| Ok(a.and(&b)));
    found.unwrap_or_else(work).map(|found| (found.total, found.of_ranks))
}

/// Triangles so far.
struct Found<const EACH: bool> {
    total: u64,
    of_ranks: Vec<u64>,
}

impl<const EACH: bool> Found<EACH> {
    fn and(mut self, other: &Self) -> Self {
        self.total += other.total;
        self.of_ranks.iter_mut().zip(&other.of_ranks).for_each(|(count, other)| *count += other);
        self
    }

    fn corner(&mut self, rank: usize, count: u64) {
        if EACH {
            self.of_ranks[rank] += count;
        }
    }
}

/// The triangles in which `rank` is the greatest. `marks` are zeros, and are so again afterwards.
#[inline]
fn around<const EACH: bool>(
    graph: &Oriented<'_>,
    rank: usize,
    marks: &mut [u64],
    found: &mut Found<EACH>,
    run: &Run,
) -> Result<()> {
    let list = graph.list(rank);
    if list.len() < 2 {
        return Ok(());
    }
    if !graph.has_hubs() && list.len() <= SHORT {
        around_few(graph, rank, marks, found);
        return Ok(());
    }
    if list.len() > SHORT {
        run.check()?;
    }
    for &other in list {
        marks[other as usize / 64] |= 1 << (other % 64);
    }
    let mut all = 0;
    // Nothing stands before the first.
    for (place, &middle) in list.iter().enumerate().skip(1) {
        let (before, middle) = (&list[..place], middle as usize);
        let (bits, below) = (graph.bits(middle), graph.list(middle));
        let count = if bits.is_empty() {
            look_up(below, marks, found)
        } else if place <= WORD * bits.len() {
            look_up(before, bits, found)
        } else if below.len() <= WORD * bits.len() {
            look_up(below, marks, found)
        } else {
            compare(bits, marks, found)
        };
        found.corner(middle, count);
        all += count;
    }
    found.corner(rank, all);
    found.total += all;
    for &other in list {
        marks[other as usize / 64] = 0;
    }
    Ok(())
}

/// The same for all `nodes` of a graph without hubs whose rows serve as they are. Short rows are gone along
/// beside each other.
fn around_all<O: ArrowNativeType, const EACH: bool>(
    graph: &Oriented<'_>,
    (indptr, indices): (&[O], &[NodeId]),
    nodes: Range<usize>,
    marks: &mut [u64],
    found: &mut Found<EACH>,
    run: &Run,
) -> Result<()> {
    let row = |node: usize| &indices[indptr[node].as_usize()..indptr[node + 1].as_usize()];
    for node in nodes {
        let list = row(node);
        if list.len() > TINY {
            around(graph, node, marks, found, run)?;
            continue;
        }
        // Nothing stands before the first.
        for (place, &middle) in list.iter().enumerate().skip(1) {
            let middle = middle as usize;
            if middle >= node {
                break;
            }
            let others = row(middle);
            let mut at = 0;
            for &before in &list[..place] {
                while at < others.len() && others[at] < before {
                    at += 1;
                }
                if at < others.len() && others[at] == before {
                    found.total += 1;
                    found.corner(node, 1);
                    found.corner(middle, 1);
                    found.corner(before as usize, 1);
                }
            }
        }
    }
    Ok(())
}

/// The same for a short list in a graph without hubs, where most lists have nothing in common: most of
/// what is not in the list is told by a filter of few bits, and the lists come from memory all at once.
fn around_few<const EACH: bool>(
    graph: &Oriented<'_>,
    rank: usize,
    marks: &mut [u64],
    found: &mut Found<EACH>,
) {
    let list = graph.list(rank);
    let filter = &mut marks[..FILTER / 64];
    let mut touched = 0;
    for &other in list {
        touched ^= graph.touch(other as usize);
        let bit = other as usize % FILTER;
        filter[bit / 64] |= 1 << (bit % 64);
    }
    std::hint::black_box(touched);
    for (place, &middle) in list.iter().enumerate().skip(1) {
        let before = &list[..place];
        for &other in graph.list(middle as usize) {
            let bit = other as usize % FILTER;
            if filter[bit / 64] >> (bit % 64) & 1 == 1 && before.binary_search(&other).is_ok() {
                found.total += 1;
                found.corner(rank, 1);
                found.corner(middle as usize, 1);
                found.corner(other as usize, 1);
            }
        }
    }
    for &other in list {
        filter[other as usize % FILTER / 64] = 0;
    }
}

/// How many of `ranks` stand in `bits`.
#[inline]
fn look_up<const EACH: bool>(ranks: &[u32], bits: &[u64], found: &mut Found<EACH>) -> u64 {
    let mut count = 0;
    for &rank in ranks {
        let bit = bits[rank as usize / 64] >> (rank % 64) & 1;
        count += bit;
        found.corner(rank as usize, bit);
    }
    count
}

/// How many bits are in both of two sets, of which the first is the shorter.
#[inline]
fn compare<const EACH: bool>(bits: &[u64], marks: &[u64], found: &mut Found<EACH>) -> u64 {
    let mut count = 0;
    for (word, (bits, marks)) in bits.iter().zip(marks).enumerate() {
        let mut both = bits & marks;
        count += u64::from(both.count_ones());
        while EACH && both != 0 {
            found.corner(64 * word + both.trailing_zeros() as usize, 1);
            both &= both - 1;
        }
    }
    count
}
