//! In which order are nodes visited, so that many are at a time and the result is the same for any
//! number of threads?
//!
//! Nodes are shuffled and cut into batches whose size depends on the number of nodes alone. What the
//! nodes of a batch want is found in parallel, all seeing what stood before the batch; then it is done
//! in order. Graphs of fewer than 2,048 nodes have batches of one, which is plain sequential work; in
//! larger ones two neighbours rarely fall into the same batch.

use rayon::prelude::*;

use crate::{
    NodeId, Result, Run,
    tally::{Tallies, Tally},
};

/// Batches that a sweep should have.
const BATCHES: usize = 1024;

/// Most nodes of a batch.
const LARGEST: usize = 1 << 13;

/// Nodes that one task takes on.
const GRAIN: usize = 64;

/// The nodes of a graph in batches.
pub(crate) struct Batches {
    order: Vec<NodeId>,
    size: usize,
}

impl Batches {
    pub(crate) fn new(nodes: usize, random: &mut Random) -> Self {
        Self::of_size((nodes / BATCHES).clamp(1, LARGEST), nodes, random)
    }

    /// Batches of `size` nodes, at least one.
    pub(crate) fn of_size(size: usize, nodes: usize, random: &mut Random) -> Self {
        let mut order: Vec<NodeId> = (0..nodes as u32).collect();
        for place in (1..nodes).rev() {
            order.swap(place, random.below(place + 1));
        }
        // Ascending nodes within a batch read the rows from front to back.
        order.par_chunks_mut(size).for_each(<[_]>::sort_unstable);
        Self { order, size }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[NodeId]> {
        self.order.chunks(self.size)
    }
}

/// What the nodes of a batch want, in the order of the batch.
pub(crate) fn propose<T: Send>(
    batch: &[NodeId],
    tallies: &Tallies,
    run: &Run,
    want: impl Fn(NodeId, &mut Tally) -> Option<T> + Sync,
) -> Result<Vec<T>> {
    run.check()?;
    let of_part = |nodes: &[NodeId]| {
        tallies.with(|tally| nodes.iter().filter_map(|&node| want(node, tally)).collect::<Vec<T>>())
    };
    if batch.len() <= GRAIN {
        return Ok(of_part(batch));
    }
    let parts: Vec<Vec<T>> = batch.par_chunks(GRAIN).map(of_part).collect();
    Ok(parts.into_iter().flatten().collect())
}

/// Numbers that look random (splitmix64, Steele, Lea and Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

/// A number that depends on every bit of another.
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
