//! What are the methods given, and how do they read the edges of a node?

use std::{hint::black_box, ops::Range};

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
        self.part(self.csr.range(node))
    }

    /// The edges of a part of all, as [`Rows::fetch`] gives it.
    #[inline]
    pub(super) fn part(&self, range: Range<usize>) -> (&'a [NodeId], &'a [W]) {
        (&self.csr.indices()[range.clone()], &self.weights[range])
    }

    /// Looks up where the rows of these nodes begin and end, and brings their edges near. Nothing depends
    /// on what is read here, so the processor waits for all of them at once, instead of for one after the
    /// other when their turn comes.
    #[inline]
    pub(super) fn fetch<L>(&self, nodes: &[(NodeId, L)], ranges: &mut [(usize, usize)]) {
        let indices: &[NodeId] = self.csr.indices();
        for ((node, _), range) in nodes.iter().zip(ranges.iter_mut()) {
            let row = self.csr.range(*node);
            *range = (row.start, row.end);
        }
        for &(start, end) in &ranges[..nodes.len()] {
            let last = end.saturating_sub(1);
            black_box((indices.get(start).copied(), self.weights.get(start).copied()));
            black_box((indices.get(last).copied(), self.weights.get(last).copied()));
        }
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
