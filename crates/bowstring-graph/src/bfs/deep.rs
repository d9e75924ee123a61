//! How does a breadth-first search go through a graph with many short levels, such as one of roads?
//!
//! On one thread, since waking others takes longer than a level does. It notes nothing but distances on
//! its way. Parents follow from them, and are looked up once it is over, on all threads and in the order in
//! which rows lie in memory; this needs the rows of the edges by their ends.

use std::{
    hint::black_box,
    ops::Range,
    sync::atomic::{AtomicI32, Ordering::Relaxed},
};

use arrow::datatypes::ArrowNativeType;

use super::Search;
use crate::{Csr, NodeId, Offsets, Result};

/// Levels after which a graph counts as deep. Those with hubs end before.
pub(super) const DEEP: i32 = 16;
/// Most nodes of a frontier that is followed alone.
pub(super) const SHORT: usize = 1 << 14;
/// Nodes whose neighbours are fetched together.
const AHEAD: usize = 64;
/// Nodes of one task.
const BLOCK: usize = 1 << 12;

/// Where the rows of a frontier's nodes begin and end.
pub(super) type Ranges = Vec<(usize, usize)>;

/// Looks up where the rows of these nodes are, and how many edges they have together.
pub(super) fn ranges(rows: &Csr, nodes: &[NodeId], ranges: &mut Ranges) -> usize {
    fn add<O: ArrowNativeType>(indptr: &[O], nodes: &[NodeId], ranges: &mut Ranges) -> usize {
        let mut edges = 0;
        ranges.clear();
        ranges.extend(nodes.iter().map(|&node| {
            let (from, to) = (indptr[node as usize].as_usize(), indptr[node as usize + 1].as_usize());
            edges += to - from;
            (from, to)
        }));
        edges
    }
    match rows.indptr() {
        Offsets::Narrow(indptr) => add(indptr, nodes, ranges),
        Offsets::Wide(indptr) => add(indptr, nodes, ranges),
    }
}

/// Gives the nodes that the rows of a frontier reach first their distance, and adds them to `found`.
pub(super) fn follow(
    indices: &[NodeId],
    ranges: &[(usize, usize)],
    distances: &[AtomicI32],
    depth: i32,
    found: &mut Vec<NodeId>,
) {
    for ranges in ranges.chunks(AHEAD) {
        // Nothing depends on what is read here, so the processor waits for all of it at once.
        for &(from, _) in ranges {
            black_box(indices.get(from).copied());
        }
        for &(from, to) in ranges {
            for &next in &indices[from..to] {
                let distance = &distances[next as usize];
                if distance.load(Relaxed) < 0 {
                    distance.store(depth, Relaxed);
                    found.push(next);
                }
            }
        }
    }
}

impl Search<'_> {
    /// Looks up the parents of all nodes whose distance tells that they may have none yet.
    pub(super) fn find_parents(&self, backward: &[&Csr]) -> Result<()> {
        self.run.blocks(self.distances.len(), BLOCK, |nodes| {
            for rows in backward {
                match rows.indptr() {
                    Offsets::Narrow(indptr) => self.find_among(indptr, rows.indices(), nodes.clone()),
                    Offsets::Wide(indptr) => self.find_among(indptr, rows.indices(), nodes.clone()),
                }
            }
        })
    }

    fn find_among<O: ArrowNativeType>(&self, indptr: &[O], indices: &[NodeId], nodes: Range<usize>) {
        for node in nodes {
            let distance = self.distances[node].load(Relaxed);
            if distance <= DEEP {
                continue;
            }
            let row = &indices[indptr[node].as_usize()..indptr[node + 1].as_usize()];
            for &other in row {
                if self.distances[other as usize].load(Relaxed) == distance - 1 {
                    // No other thread writes it.
                    let parent = self.parents[node].load(Relaxed).min(other);
                    self.parents[node].store(parent, Relaxed);
                    break;
                }
            }
        }
    }
}
