//! How far is each node from one source by weight? For the kernels that ask for one source after
//! another, and reset only what the last one touched.
//!
//! Dijkstra 1959 with a binary heap; O((nodes + edges) · log edges) for each source.

use std::{cmp::Ordering, collections::BinaryHeap};

use crate::{Csr, Result, Run, weights::Weight, weights::with_weights};

/// Nodes between two looks whether to stop.
const LOOK: usize = 1 << 10;

/// The working arrays for one source at a time.
pub(crate) struct Dijkstra {
    distances: Vec<f64>,
    order: Vec<u32>,
    heap: BinaryHeap<Entry>,
    touched: Vec<u32>,
}

/// Bytes that a [`Dijkstra`] takes for each node, and for each entry of its heap.
pub(crate) const BYTES: usize = 8 + 4 + 4;
pub(crate) const HEAP_BYTES: usize = size_of::<Entry>();

/// A node to look at; the nearest, and of those the smallest, is the greatest.
#[derive(PartialEq)]
struct Entry {
    distance: f64,
    node: u32,
}

impl Eq for Entry {}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        other.distance.total_cmp(&self.distance).then(other.node.cmp(&self.node))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Dijkstra {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            distances: vec![f64::INFINITY; nodes],
            order: Vec::new(),
            heap: BinaryHeap::new(),
            touched: Vec::new(),
        }
    }

    /// The nodes that are reached, nearest first.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// How far `node` is; infinite when it is not reached.
    pub(crate) fn distance(&self, node: u32) -> f64 {
        self.distances[node as usize]
    }

    /// Finds the distances from `source`; weights are at least 0.
    pub(crate) fn from(&mut self, source: u32, rows: &Csr, run: &Run) -> Result<()> {
        for &node in &self.touched {
            self.distances[node as usize] = f64::INFINITY;
        }
        self.touched.clear();
        self.order.clear();
        self.heap.clear();
        self.distances[source as usize] = 0.0;
        self.touched.push(source);
        self.heap.push(Entry { distance: 0.0, node: source });
        match rows.weights() {
            Some(weights) => with_weights!(weights, weights => self.settle(rows, weights, run)),
            None => Ok(()),
        }
    }

    fn settle<W: Weight>(&mut self, rows: &Csr, weights: &[W], run: &Run) -> Result<()> {
        while let Some(Entry { distance, node }) = self.heap.pop() {
            if distance > self.distances[node as usize] {
                continue;
            }
            if self.order.len().is_multiple_of(LOOK) {
                run.check()?;
            }
            self.order.push(node);
            let range = rows.range(node);
            for (&other, weight) in rows.indices()[range.clone()].iter().zip(&weights[range]) {
                let farther = distance + weight.to_f64();
                let known = &mut self.distances[other as usize];
                if farther < *known {
                    if known.is_infinite() {
                        self.touched.push(other);
                    }
                    *known = farther;
                    self.heap.push(Entry { distance: farther, node: other });
                }
            }
        }
        Ok(())
    }

    /// Visits the nodes that come next after `node` on shortest paths, each once.
    pub(crate) fn next_on_paths(&self, node: u32, rows: &Csr, mut visit: impl FnMut(u32)) {
        let Some(weights) = rows.weights() else { return };
        let here = self.distances[node as usize];
        let mut last = None;
        for entry in rows.range(node) {
            let other = rows.indices()[entry];
            if last != Some(other) && here + weights.get(entry) == self.distances[other as usize] {
                last = Some(other);
                visit(other);
            }
        }
    }
}
