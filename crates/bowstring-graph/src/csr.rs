//! Compressed sparse rows: who are the neighbours of a node?

use std::{ops::Range, sync::OnceLock};

use arrow::buffer::ScalarBuffer;
use rayon::prelude::*;

use crate::{GraphError, Result, Run, Weights};

/// A node's number, dense from 0. Below 2³¹, so that it is the same as a signed number too.
pub type NodeId = u32;

/// Most nodes of a graph.
pub(crate) const MAX_NODES: u64 = i32::MAX as u64;

/// Nodes of one task.
const BLOCK: usize = 1 << 12;

/// Entries of a line of the cache.
const LINE: usize = 16;

/// Where each node's neighbours begin: one more than there are nodes. 32 bits wide as long as every
/// number is below 2³¹, 64 bits beyond.
#[derive(Clone, Debug)]
pub enum Offsets {
    /// Numbers below 2³¹.
    Narrow(ScalarBuffer<u32>),
    /// Numbers below 2⁶³.
    Wide(ScalarBuffer<u64>),
}

impl Offsets {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Offsets::Narrow(offsets) => offsets.len(),
            Offsets::Wide(offsets) => offsets.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The offset at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> usize {
        match self {
            Offsets::Narrow(offsets) => offsets[index] as usize,
            Offsets::Wide(offsets) => offsets[index] as usize,
        }
    }

    /// The offset at `index`, for messages: whoever gave it may have meant a signed number.
    fn shown(&self, index: usize) -> i64 {
        match self {
            Offsets::Narrow(offsets) => offsets[index].cast_signed().into(),
            Offsets::Wide(offsets) => offsets[index].cast_signed(),
        }
    }

    /// The narrower of both that holds offsets up to `entries`.
    pub(crate) fn of(offsets: Vec<usize>, entries: usize) -> Self {
        if entries as u64 <= MAX_NODES {
            Offsets::Narrow(offsets.into_par_iter().map(|offset| offset as u32).collect::<Vec<_>>().into())
        } else {
            Offsets::Wide(offsets.into_par_iter().map(|offset| offset as u64).collect::<Vec<_>>().into())
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Offsets::Narrow(offsets) => offsets.inner().len(),
            Offsets::Wide(offsets) => offsets.inner().len(),
        }
    }
}

/// What all rows together look like.
#[derive(Clone, Copy, Debug)]
struct Shape {
    distinct: bool,
    /// The squares of the lengths of rows, added up.
    squares: u128,
}

/// Compressed sparse rows: the neighbours of node `v` are `indices[indptr[v]..indptr[v + 1]]`, and the
/// weights of the edges to them stand at the same places. Immutable; clones share their memory.
#[derive(Clone, Debug)]
pub struct Csr {
    indptr: Offsets,
    indices: ScalarBuffer<u32>,
    weights: Option<Weights>,
    sorted: bool,
    shape: OnceLock<Shape>,
    range: OnceLock<Option<(f64, f64)>>,
}

impl Csr {
    /// Takes sparse rows that others made, after one look at all of them. Nothing is copied: whoever
    /// changes the memory afterwards gets wrong numbers or an error, and never a crash.
    ///
    /// # Errors
    /// [`GraphError::MalformedCsr`] when offsets decrease or end elsewhere than the indices, when an
    /// index is no node or when the weights are fewer or more; [`GraphError::WeightNotFinite`];
    /// [`GraphError::TooManyNodes`]; when the work was asked to stop.
    pub fn new(
        indptr: Offsets,
        indices: ScalarBuffer<u32>,
        weights: Option<Weights>,
        run: &Run,
    ) -> Result<Self> {
        run.kernel("checking rows", 0, || {
            check(&indptr, &indices, weights.as_ref())?;
            let mut rows = Self::made(indptr, indices, weights);
            let each = (0..rows.num_nodes() as u32).into_par_iter().with_min_len(BLOCK);
            rows.sorted = rows.is_distinct() || each.all(|node| rows.neighbors(node).is_sorted());
            Ok(rows)
        })
    }

    /// Sparse rows that were made here, with sorted neighbours.
    pub(crate) fn made(
        indptr: Offsets,
        indices: impl Into<ScalarBuffer<u32>>,
        weights: Option<Weights>,
    ) -> Self {
        let (shape, range) = (OnceLock::new(), OnceLock::new());
        Self { indptr, indices: indices.into(), weights, sorted: true, shape, range }
    }

    /// How many nodes there are.
    #[inline]
    pub fn num_nodes(&self) -> usize {
        self.indptr.len() - 1
    }

    /// How many entries there are: one for each edge, two for an undirected one.
    #[inline]
    pub fn num_entries(&self) -> usize {
        self.indices.len()
    }

    /// Where the neighbours of `node` stand in the indices.
    #[inline]
    pub fn range(&self, node: NodeId) -> Range<usize> {
        let node = node as usize;
        self.indptr.get(node)..self.indptr.get(node + 1)
    }

    /// The neighbours of `node`, one entry for each edge.
    #[inline]
    pub fn neighbors(&self, node: NodeId) -> &[NodeId] {
        &self.indices[self.range(node)]
    }

    /// Has the begin of the row of `node` brought from memory, when done for many nodes at once. The answer
    /// means nothing, and is only to be kept from being optimised away.
    #[inline]
    pub(crate) fn touch(&self, node: NodeId) -> u32 {
        let row = self.neighbors(node);
        row.first().copied().unwrap_or(0) ^ row.get(LINE).copied().unwrap_or(0)
    }

    /// Reads where the row of `node` begins, even if it is empty: without a branch, so that the processor waits
    /// for the rows of many nodes at once. The answer means nothing.
    #[inline]
    pub(crate) fn fetch(&self, node: NodeId) -> Option<NodeId> {
        let last = self.indices.len().saturating_sub(1);
        self.indices.get(self.indptr.get(node as usize).min(last)).copied()
    }

    /// How many entries `node` has.
    #[inline]
    pub fn degree(&self, node: NodeId) -> usize {
        self.range(node).len()
    }

    /// The node in whose row an entry stands.
    pub(crate) fn row_of(&self, entry: usize) -> NodeId {
        let (mut low, mut high) = (0, self.num_nodes());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.indptr.get(middle + 1) <= entry { low = middle + 1 } else { high = middle }
        }
        low as NodeId
    }

    /// Where each node's neighbours begin.
    pub fn indptr(&self) -> &Offsets {
        &self.indptr
    }

    /// The neighbours of all nodes, one node after the other.
    pub fn indices(&self) -> &ScalarBuffer<u32> {
        &self.indices
    }

    /// The weights of the entries, where the graph has any.
    pub fn weights(&self) -> Option<&Weights> {
        self.weights.as_ref()
    }

    /// Whether the neighbours of every node ascend.
    pub fn is_sorted(&self) -> bool {
        self.sorted
    }

    /// Whether the neighbours of every node ascend and none stands twice. Looked up once.
    pub(crate) fn is_distinct(&self) -> bool {
        self.shape().distinct
    }

    /// Whether some nodes have far more neighbours than most: whether the neighbours of nodes have more
    /// than twice as many as nodes have, on average. Looked up once.
    pub(crate) fn has_hubs(&self) -> bool {
        let (nodes, entries) = (self.num_nodes() as u128, self.num_entries() as u128);
        self.shape().squares * nodes > 2 * entries * entries
    }

    fn shape(&self) -> Shape {
        let of_node = |shape: Shape, node| {
            let row = self.neighbors(node);
            Shape {
                distinct: shape.distinct && row.is_sorted_by(|one, next| one < next),
                squares: shape.squares + (row.len() as u128).pow(2),
            }
        };
        let and = |one: Shape, other: Shape| Shape {
            distinct: one.distinct && other.distinct,
            squares: one.squares + other.squares,
        };
        let none = || Shape { distinct: true, squares: 0 };
        let nodes = (0..self.num_nodes() as u32).into_par_iter().with_min_len(BLOCK);
        once(&self.shape, || nodes.fold(none, of_node).reduce(none, and))
    }

    /// The least and the greatest weight; `None` without weights or edges. Looked up once.
    pub fn weight_range(&self) -> Option<(f64, f64)> {
        once(&self.range, || self.weights.as_ref().and_then(Weights::range))
    }

    /// Bytes that the arrays take.
    pub fn num_bytes(&self) -> usize {
        let weights = self.weights.as_ref();
        let width = weights.and_then(|weights| weights.data_type().primitive_width()).unwrap_or(0);
        self.indptr.bytes() + self.indices.inner().len() + width * self.num_entries()
    }
}

/// The value of the cell, found if there is none. Nobody waits for another to find it: a thread that waits for
/// a part of a parallel search may have taken up a call that asks for the same.
fn once<T: Copy>(cell: &OnceLock<T>, find: impl FnOnce() -> T) -> T {
    if let Some(&found) = cell.get() {
        return found;
    }
    let found = find();
    *cell.get_or_init(|| found)
}

/// # Errors
/// As [`Csr::new`] says, for rows that contradict themselves.
fn check(indptr: &Offsets, indices: &[u32], weights: Option<&Weights>) -> Result<()> {
    let malformed = |problem: String| Err(GraphError::MalformedCsr { problem });
    let Some(nodes) = indptr.len().checked_sub(1) else {
        return malformed("`indptr` is empty, and has one more number than there are nodes".into());
    };
    if nodes as u64 > MAX_NODES {
        return Err(GraphError::TooManyNodes { nodes: nodes as u64 });
    }
    if indptr.get(0) != 0 {
        return malformed(format!("`indptr` begins with {}, not with 0", indptr.shown(0)));
    }
    let falls = (0..nodes).into_par_iter().find_first(|&node| indptr.get(node) > indptr.get(node + 1));
    if let Some(node) = falls {
        return malformed(format!(
            "`indptr` falls from {} to {} at node {node}",
            indptr.shown(node),
            indptr.shown(node + 1)
        ));
    }
    if indptr.get(nodes) != indices.len() {
        return malformed(format!(
            "`indptr` ends with {}, and there are {} indices",
            indptr.shown(nodes),
            indices.len()
        ));
    }
    if let Some(entry) = indices.par_iter().position_first(|&index| index as usize >= nodes) {
        return malformed(format!(
            "index {} at entry {entry} is no node, of which there are {nodes}",
            indices[entry].cast_signed()
        ));
    }
    if let Some(weights) = weights {
        if weights.len() != indices.len() {
            return malformed(format!("there are {} weights for {} indices", weights.len(), indices.len()));
        }
        if let Some((row, weight)) = weights.not_finite() {
            return Err(GraphError::WeightNotFinite { column: "weight".into(), row, weight });
        }
    }
    Ok(())
}
