//! Delta-stepping (Meyer and Sanders 2003): nodes are taken in buckets of distances of one width, all of a
//! bucket in parallel and again until none of them gets nearer. O(nodes + edges) expected work for random
//! weights. Memory: 4 bytes for each time that a path gets shorter.
//!
//! Each thread keeps buckets of its own. As in the GAP Benchmark Suite, a thread goes on by itself as long
//! as what it has found for the current bucket is little, and so small frontiers wait for nobody (Zhang et
//! al. 2020, bucket fusion). Distances do not depend on who comes first: each is the least sum along any
//! path.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::{
    Search,
    length::{Length, Plus, Width},
};
use crate::{NodeId, Result, bfs::filled};

/// Nodes that a thread takes from the frontier at once.
const TASK: usize = 64;
/// A frontier of fewer nodes is left to one thread.
const PARALLEL: usize = 1 << 11;
/// A thread goes on by itself with fewer nodes than this in the current bucket.
const FUSE: usize = 1 << 10;
/// Nearest buckets, each of which has a list of its own; all others share one.
const NEAR: usize = 1 << 10;
/// Nodes between two looks at whether to stop.
const STEPS: usize = 1 << 10;

/// The distance of each node; what lies beyond the cutoff or the farthest target may be left too large.
pub(super) fn distances<L: Plus<W>, W: Copy + Sync>(
    search: &Search<'_, W>,
    limit: L,
    width: &Width,
) -> Result<Vec<L>> {
    let distances = filled(search.nodes, || L::UNREACHED.shared());
    let stepping = Stepping { search, limit, width, distances: &distances };
    let mut threads: Vec<Buckets> = (0..rayon::current_num_threads()).map(|_| Buckets::default()).collect();
    let mut frontier = search.sources.to_vec();
    frontier.iter().for_each(|&source| L::store(&distances[source as usize], L::ZERO));
    let mut bucket = 0;
    loop {
        stepping.step(&frontier, bucket, &mut threads)?;
        let Some(next) = threads.iter().filter_map(Buckets::first).min() else { break };
        if next > bucket && stepping.targets_are_before(next) {
            break;
        }
        bucket = next;
        frontier.clear();
        for buckets in &mut threads {
            buckets.take(next, &mut frontier, |node| L::load(&distances[node as usize]).bucket(width));
        }
    }
    Ok(distances.into_iter().map(L::of).collect())
}

struct Stepping<'a, L: Length, W> {
    search: &'a Search<'a, W>,
    limit: L,
    width: &'a Width,
    distances: &'a [L::Shared],
}

impl<L: Plus<W>, W: Copy + Sync> Stepping<'_, L, W> {
    /// Relaxes the edges of the frontier, and of what falls into its bucket as long as that is little.
    fn step(&self, frontier: &[NodeId], bucket: u64, threads: &mut [Buckets]) -> Result<()> {
        if frontier.len() < PARALLEL || threads.len() == 1 {
            let [first, ..] = threads else { return Ok(()) };
            first.begin(bucket);
            self.relax(frontier, bucket, first)?;
            return self.fuse(bucket, first);
        }
        let taken = AtomicUsize::new(0);
        let mut results: Vec<Result<()>> = threads.iter().map(|_| Ok(())).collect();
        rayon::scope(|scope| {
            for (buckets, result) in threads.iter_mut().zip(&mut results) {
                let taken = &taken;
                scope.spawn(move |_| {
                    *result = self.share(frontier, taken, bucket, buckets);
                });
            }
        });
        results.into_iter().collect()
    }

    /// What one of several threads does.
    fn share(
        &self,
        frontier: &[NodeId],
        taken: &AtomicUsize,
        bucket: u64,
        buckets: &mut Buckets,
    ) -> Result<()> {
        buckets.begin(bucket);
        loop {
            let from = taken.fetch_add(TASK, Relaxed);
            let Some(rest) = frontier.get(from..).filter(|rest| !rest.is_empty()) else { break };
            self.relax(&rest[..rest.len().min(TASK)], bucket, buckets)?;
        }
        self.fuse(bucket, buckets)
    }

    fn fuse(&self, bucket: u64, buckets: &mut Buckets) -> Result<()> {
        let mut nodes = Vec::new();
        while buckets.swap_current(&mut nodes) {
            self.relax(&nodes, bucket, buckets)?;
        }
        Ok(())
    }

    /// Lowers the distances behind these nodes, except those that were settled in an earlier bucket.
    fn relax(&self, nodes: &[NodeId], bucket: u64, buckets: &mut Buckets) -> Result<()> {
        for nodes in nodes.chunks(STEPS) {
            self.search.run.check()?;
            for &node in nodes {
                let distance = L::load(&self.distances[node as usize]);
                if distance.bucket(self.width) < bucket {
                    continue;
                }
                for rows in &self.search.rows {
                    for (next, weight) in rows.entries(node) {
                        let through = distance.plus(weight);
                        let shared = &self.distances[next as usize];
                        if through < L::load(shared)
                            && through <= self.limit
                            && through < L::lower(shared, through)
                        {
                            buckets.put(through.bucket(self.width), next);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether there are targets, and all of them lie before this bucket.
    fn targets_are_before(&self, bucket: u64) -> bool {
        let targets = self.search.targets;
        let before = |&target: &NodeId| {
            let distance = L::load(&self.distances[target as usize]);
            distance != L::UNREACHED && distance.bucket(self.width) < bucket
        };
        !targets.is_empty() && targets.iter().all(before)
    }
}

/// The nodes that a thread has found, by bucket.
#[derive(Default)]
struct Buckets {
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
    fn begin(&mut self, bucket: u64) {
        if bucket - self.base >= NEAR as u64 {
            self.base = bucket;
        }
        self.current = (bucket - self.base) as usize;
    }

    #[inline]
    fn put(&mut self, bucket: u64, node: NodeId) {
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
    fn first(&self) -> Option<u64> {
        let near = self.near.iter().skip(self.current).position(|nodes| !nodes.is_empty());
        match near {
            Some(place) => Some(self.base + (self.current + place) as u64),
            None => (!self.far.is_empty()).then_some(self.far_first),
        }
    }

    /// Moves the nodes of `bucket`, before which there are none, to `into`.
    fn take(&mut self, bucket: u64, into: &mut Vec<NodeId>, now: impl Fn(NodeId) -> u64) {
        if bucket - self.base >= NEAR as u64 {
            self.begin(bucket);
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
    fn swap_current(&mut self, nodes: &mut Vec<NodeId>) -> bool {
        let Some(current) = self.near.get_mut(self.current) else { return false };
        if current.is_empty() || current.len() >= FUSE {
            return false;
        }
        nodes.clear();
        std::mem::swap(current, nodes);
        true
    }
}
