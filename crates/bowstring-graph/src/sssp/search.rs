//! What are the methods given, and how do they read the edges of a node?

use std::hint::black_box;

use crate::{Csr, Direction, Graph, NodeId, Run, Weights};

/// The rows of a graph, with their weights.
pub(super) struct Rows<'a, W> {
    csr: &'a Csr,
    weights: &'a [W],
}

impl<'a, W: Copy> Rows<'a, W> {
    /// Where the edges of `node` lead, and their weights.
    #[inline]
    pub(super) fn row(&self, node: NodeId) -> (&'a [NodeId], &'a [W]) {
        let range = self.csr.range(node);
        let weights = &self.weights[range.clone()];
        (&self.csr.indices()[range], weights)
    }

    /// The same, one after the other.
    #[inline]
    pub(super) fn entries(&self, node: NodeId) -> impl Iterator<Item = (NodeId, W)> + use<'a, W> {
        let (neighbors, weights) = self.row(node);
        neighbors.iter().copied().zip(weights.iter().copied())
    }
}

/// What the methods are given.
pub(super) struct Search<'a, W> {
    pub(super) graph: &'a Graph,
    pub(super) nodes: usize,
    pub(super) rows: Vec<Rows<'a, W>>,
    pub(super) sources: &'a [NodeId],
    pub(super) targets: &'a [NodeId],
    pub(super) direction: Direction,
    pub(super) run: &'a Run,
}

impl<W: Copy> Search<'_, W> {
    /// How many edges can be followed.
    pub(super) fn edges(&self) -> usize {
        self.rows.iter().map(|rows| rows.csr.num_entries()).sum()
    }

    /// Brings the edges of these nodes near. Nothing depends on what is read here, so the processor waits
    /// for all of them at once, instead of for one after the other when their turn comes.
    #[inline]
    pub(super) fn fetch(&self, nodes: impl Iterator<Item = NodeId> + Clone) {
        for rows in &self.rows {
            for node in nodes.clone() {
                let (neighbors, weights) = rows.row(node);
                black_box((neighbors.first().copied(), weights.first().copied()));
                black_box((neighbors.last().copied(), weights.last().copied()));
            }
        }
    }

    /// How many of them begin at `node`.
    #[inline]
    pub(super) fn degree(&self, node: NodeId) -> usize {
        self.rows.iter().map(|rows| rows.csr.degree(node)).sum()
    }
}

/// A type in which weights are kept.
pub(super) trait Kept: Copy + Send + Sync {
    /// The weights, when they are of this type.
    fn of(weights: &Weights) -> Option<&[Self]>;
}

macro_rules! kept {
    ($($kind:ty, $variant:ident;)*) => {
        $(impl Kept for $kind {
            fn of(weights: &Weights) -> Option<&[Self]> {
                match weights {
                    Weights::$variant(values) => Some(values),
                    _ => None,
                }
            }
        })*
    };
}
kept! { i32, I32; i64, I64; f32, F32; f64, F64; }

/// The rows whose weights are of the type; all of them, as those of a graph are of one.
pub(super) fn weighted<'a, W: Kept>(rows: Vec<&'a Csr>) -> Vec<Rows<'a, W>> {
    let with = |csr: &'a Csr| Some(Rows { csr, weights: W::of(csr.weights()?)? });
    rows.into_iter().filter_map(with).collect()
}
