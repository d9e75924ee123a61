//! Which nodes are in a set that many threads add to?

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::NodeId;

/// A set of nodes, a bit for each.
pub(crate) struct Bits {
    words: Vec<AtomicU64>,
}

impl Bits {
    /// The empty set of nodes below `nodes`.
    pub(crate) fn new(nodes: usize) -> Self {
        Self { words: (0..nodes.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Whether a node is in the set.
    #[inline]
    pub(crate) fn contains(&self, node: NodeId) -> bool {
        self.words[node as usize / 64].load(Relaxed) >> (node % 64) & 1 == 1
    }

    /// Adds a node, and says whether it was not in the set; of many threads one is told so.
    #[inline]
    pub(crate) fn insert(&self, node: NodeId) -> bool {
        let bit = 1 << (node % 64);
        self.words[node as usize / 64].fetch_or(bit, Relaxed) & bit == 0
    }
}
