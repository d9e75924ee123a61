//! Which nodes has a thread found, by bucket of their distance?

use crate::NodeId;

/// Nearest buckets, each of which has a list of its own; all others share one.
const NEAR: usize = 1 << 10;
/// A thread goes on by itself with fewer nodes than this in the current bucket.
const FUSE: usize = 1 << 12;

/// The nodes that a thread has found, by bucket.
#[derive(Default)]
pub(super) struct Buckets {
    /// The bucket that the first of `near` stands for.
    base: u64,
    /// Which of `near` is the current one; those before it are empty.
    current: usize,
    near: Vec<Vec<NodeId>>,
    /// What lies beyond `NEAR` buckets from `base`.
    far: Vec<NodeId>,
    /// The least bucket of `far`, as when they were put there.
    far_first: u64,
}

impl Buckets {
    /// Makes `bucket`, before which nothing is left, the current one.
    pub(super) fn begin(&mut self, bucket: u64) {
        self.current = (bucket - self.base).min(NEAR as u64) as usize;
    }

    /// Adds a node, whose bucket is not before the current one.
    #[inline]
    pub(super) fn put(&mut self, bucket: u64, node: NodeId) {
        let place = bucket - self.base;
        if place < NEAR as u64 {
            let place = place as usize;
            if place >= self.near.len() {
                self.near.resize_with(place + 1, Vec::new);
            }
            self.near[place].push(node);
        } else {
            self.far_first = if self.far.is_empty() { bucket } else { self.far_first.min(bucket) };
            self.far.push(node);
        }
    }

    /// The first bucket that has nodes.
    pub(super) fn first(&self) -> Option<u64> {
        let near = self.near.iter().skip(self.current).position(|nodes| !nodes.is_empty());
        match near {
            Some(place) => Some(self.base + (self.current + place) as u64),
            None => (!self.far.is_empty()).then_some(self.far_first),
        }
    }

    /// Moves the nodes of `bucket`, before which there are none, to `into`. `now` tells the bucket in
    /// which a node is by now.
    pub(super) fn take(&mut self, bucket: u64, into: &mut Vec<NodeId>, now: impl Fn(NodeId) -> u64) {
        if bucket - self.base >= NEAR as u64 {
            self.base = bucket;
            self.current = 0;
            for node in std::mem::take(&mut self.far) {
                // What has come nearer since was put there too.
                let place = now(node);
                if place >= bucket {
                    self.put(place, node);
                }
            }
        }
        if let Some(nodes) = self.near.get_mut((bucket - self.base) as usize) {
            into.append(nodes);
        }
    }

    /// Gives the nodes of the current bucket for `nodes`, when there are any, but few.
    pub(super) fn swap_current(&mut self, nodes: &mut Vec<NodeId>) -> bool {
        let Some(current) = self.near.get_mut(self.current) else { return false };
        if current.is_empty() || current.len() >= FUSE {
            return false;
        }
        nodes.clear();
        std::mem::swap(current, nodes);
        true
    }
}
