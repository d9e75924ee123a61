//! Delta-stepping (Meyer and Sanders 2003): nodes are taken in buckets of distances of one width, all of a
//! bucket in parallel and again until none of them gets nearer. O(nodes + edges) expected work for random
//! weights. Memory: 4 bytes for each time that a path gets shorter.
//!
//! Each thread keeps buckets of its own. As in the GAP Benchmark Suite, a thread goes on by itself as long
//! as what it has found for the current bucket is little, and so small frontiers wait for nobody (Zhang et
//! al. 2020, bucket fusion).
//!
//! Where the search explodes, as in social networks, nearly all edges lead to nodes that are reached sooner
//! over others. Where rows by the ends of edges are at hand, edges are then followed only as far as a
//! horizon, so that most cost no look at the node behind them. Once nearly all edges lie before the
//! horizon, the nodes beyond it look for the shortest way back themselves, as in the pruning of
//! Chakaravarthy et al. (2014).
//!
//! Distances do not depend on who comes first: each is the least sum along any path. Nor do parents, where
//! keys hold them: of several the least is kept.

use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use rayon::prelude::*;

use super::{
    buckets::Buckets,
    key::{Bits, Key, NONE},
    length::{Length, Plus, Width},
    search::{Rows, Search},
};
use crate::{NodeId, Result, bfs::filled};

/// Nodes of one parallel task.
const TASK: usize = AHEAD;
/// Nodes of one parallel task that looks at all nodes.
const SWEEP: usize = 1 << 11;
/// A frontier with fewer edges is left to one thread.
const PARALLEL: usize = 1 << 11;
/// Nodes of a frontier of which the edges are counted.
const SAMPLES: usize = 1 << 8;
/// Nodes whose edges are fetched together.
const AHEAD: usize = 32;
/// Such batches between two looks at whether to stop.
const STEPS: usize = 1 << 5;
/// Edges that are looked at together.
const BATCH: usize = 64;
/// Fewer edges than this are looked at one by one.
const FEW: usize = 12;
/// The search explodes when a bucket has more than this part of the edges, and all buckets before it have
/// not more than `PAST` times as many.
const EXPLOSION: usize = 256;
const PAST: usize = 16;
/// How often the horizon is moved before it is given up.
const MOVES: u32 = 6;
/// Nodes beyond the horizon look back once they have less than this part of the edges.
const REST: usize = 6;

/// The key of each node; what lies beyond the cutoff or the farthest target may be left too large.
/// `backward` are the rows of the same edges by their ends, where they are at hand.
/// `horizon` is how many buckets are followed at a time when the search explodes.
pub(super) fn keys<K: Key<Length: Plus<W>>, W: Copy + Sync>(
    search: &Search<'_, W>,
    backward: Option<&[Rows<'_, W>]>,
    limit: K::Length,
    width: &Width,
    horizon: u64,
) -> Result<Vec<K>> {
    let keys = filled(search.nodes, || K::new(K::Length::UNREACHED, NONE).bits().cell());
    let mut stepping: Stepping<'_, K, W> =
        Stepping { search, width, keys: &keys, limit, below: limit.after() };
    let mut threads: Vec<Buckets> = (0..rayon::current_num_threads()).map(|_| Buckets::default()).collect();
    let mut frontier = search.sources.to_vec();
    frontier.iter().for_each(|&source| K::new(K::Length::ZERO, NONE).bits().store(&keys[source as usize]));
    let mut view = View::Near { past: 0 };
    let (mut bucket, mut edges) = (0, 0);
    loop {
        stepping.step(&frontier, edges, bucket, &mut threads)?;
        let mut next = threads.iter().filter_map(Buckets::first).min();
        while let (View::Limited { from, to, moves }, Some(backward)) = (&view, backward)
            && next.is_none_or(|next| next >= *to)
        {
            let (from, to, moves) = (*from, *to, *moves);
            threads.iter_mut().for_each(|buckets| buckets.begin(to));
            let rest = stepping.edges_beyond(K::Length::start(to, width));
            if rest <= search.edges() / REST {
                stepping.below = limit.after();
                stepping.look_back(backward, K::Length::start(to, width), &mut threads)?;
                view = View::All;
            } else if moves == MOVES {
                stepping.below = limit.after();
                stepping.follow_on(from, to, &mut threads)?;
                view = View::All;
            } else {
                let farther = to.saturating_add(horizon);
                stepping.below = K::Length::start(farther, width).min(limit.after());
                stepping.follow_on(from, to, &mut threads)?;
                view = View::Limited { from, to: farther, moves: moves + 1 };
            }
            next = threads.iter().filter_map(Buckets::first).min();
        }
        let Some(next) = next else { break };
        if next > bucket && stepping.targets_are_before(next) {
            break;
        }
        frontier.clear();
        for buckets in &mut threads {
            buckets.take(next, &mut frontier, |node| stepping.distance(node).bucket(width));
        }
        // To look at all of them takes longer than a small frontier does.
        let every = frontier.len().div_ceil(SAMPLES).max(1);
        edges = every * frontier.iter().step_by(every).map(|&node| search.degree(node)).sum::<usize>();
        if let View::Near { past } = &mut view
            && next > bucket
        {
            if backward.is_some() && edges > search.edges() / EXPLOSION && *past < PAST * edges {
                let to = next.saturating_add(horizon);
                stepping.below = K::Length::start(to, width).min(limit.after());
                view = View::Limited { from: next, to, moves: 0 };
            } else {
                *past += edges;
            }
        }
        bucket = next;
    }
    Ok(keys.into_iter().map(|cell| K::of(K::Bits::out_of(cell))).collect())
}

/// How far edges are followed.
enum View {
    /// All the way, as the search has not yet exploded; so many edges were followed.
    Near { past: usize },
    /// From nodes of the bucket `from` on as far as before `to`, which was moved so often.
    Limited { from: u64, to: u64, moves: u32 },
    /// All the way.
    All,
}

type Cell<K> = <<K as Key>::Bits as Bits>::Cell;

struct Stepping<'a, K: Key, W> {
    search: &'a Search<'a, W>,
    width: &'a Width,
    keys: &'a [Cell<K>],
    /// The greatest distance that counts.
    limit: K::Length,
    /// Edges are followed to distances less than this.
    below: K::Length,
}

impl<K: Key<Length: Plus<W>>, W: Copy + Sync> Stepping<'_, K, W> {
    #[inline]
    fn key(&self, node: NodeId) -> K {
        K::of(K::Bits::load(&self.keys[node as usize]))
    }

    #[inline]
    fn distance(&self, node: NodeId) -> K::Length {
        self.key(node).distance()
    }

    /// Follows the edges of the frontier, and of what falls into its bucket as long as that is little.
    fn step(&self, frontier: &[NodeId], edges: usize, bucket: u64, threads: &mut [Buckets]) -> Result<()> {
        threads.iter_mut().for_each(|buckets| buckets.begin(bucket));
        if let [first, others @ ..] = threads
            && (others.is_empty() || edges < PARALLEL)
        {
            self.relax::<false>(frontier, bucket, first)?;
            return self.fuse::<false>(bucket, first);
        }
        let tasks = frontier.len().div_ceil(TASK);
        self.share(
            threads,
            tasks,
            |task, buckets| {
                let nodes = &frontier[task * TASK..];
                self.relax::<true>(&nodes[..nodes.len().min(TASK)], bucket, buckets)
            },
            |buckets| self.fuse::<true>(bucket, buckets),
        )
    }

    /// Lets threads take `tasks` one after the other, and each do `last` when none is left.
    fn share(
        &self,
        threads: &mut [Buckets],
        tasks: usize,
        work: impl Fn(usize, &mut Buckets) -> Result<()> + Sync,
        last: impl Fn(&mut Buckets) -> Result<()> + Sync,
    ) -> Result<()> {
        let taken = AtomicUsize::new(0);
        threads.par_iter_mut().with_max_len(1).try_for_each(|buckets| {
            loop {
                let task = taken.fetch_add(1, Relaxed);
                if task >= tasks {
                    return last(buckets);
                }
                work(task, buckets)?;
            }
        })
    }

    fn fuse<const SHARED: bool>(&self, bucket: u64, buckets: &mut Buckets) -> Result<()> {
        let mut nodes = Vec::new();
        while buckets.swap_current(&mut nodes) {
            self.relax::<SHARED>(&nodes, bucket, buckets)?;
        }
        Ok(())
    }

    /// Follows the edges of these nodes, except those that were settled in an earlier bucket. `SHARED` when
    /// other threads do the same.
    fn relax<const SHARED: bool>(&self, nodes: &[NodeId], bucket: u64, buckets: &mut Buckets) -> Result<()> {
        let mut ahead = [(0, K::Length::ZERO); AHEAD];
        let mut batch = [(0, K::Length::ZERO); BATCH];
        for (index, nodes) in nodes.chunks(AHEAD).enumerate() {
            if index.is_multiple_of(STEPS) {
                self.search.run.check()?;
            }
            let mut count = 0;
            for &node in nodes {
                let distance = self.distance(node);
                ahead[count] = (node, distance);
                count += usize::from(distance.bucket(self.width) >= bucket);
            }
            for rows in &self.search.rows {
                let mut ranges = [(0, 0); AHEAD];
                rows.fetch(&ahead[..count], &mut ranges);
                for (&entry, &(start, end)) in ahead[..count].iter().zip(&ranges) {
                    let row = rows.part(start..end);
                    self.follow::<SHARED>(entry, row, K::Length::ZERO, &mut batch, buckets);
                }
            }
        }
        Ok(())
    }

    /// Lowers the distances behind a node at `distance`, as far as they are not less than `from`.
    #[inline]
    fn follow<const SHARED: bool>(
        &self,
        (node, distance): (NodeId, K::Length),
        (neighbors, weights): (&[NodeId], &[W]),
        from: K::Length,
        batch: &mut [(NodeId, K::Length); BATCH],
        buckets: &mut Buckets,
    ) {
        let below = self.below;
        if neighbors.len() < FEW {
            for (&next, &weight) in neighbors.iter().zip(weights) {
                let through = distance.plus(weight);
                if through >= from && through < below && K::new(through, node) < self.key(next) {
                    self.lower::<SHARED>(next, K::new(through, node), buckets);
                }
            }
            return;
        }
        for (neighbors, weights) in neighbors.chunks(BATCH).zip(weights.chunks(BATCH)) {
            // First what lies within the horizon, which needs no look at the nodes; then what comes
            // nearer. No branch depends on either, so the processor waits for many nodes at once.
            let mut within = 0;
            for (&next, &weight) in neighbors.iter().zip(weights) {
                let through = distance.plus(weight);
                batch[within % BATCH] = (next, through);
                within += usize::from(through >= from) & usize::from(through < below);
            }
            let mut nearer = 0;
            for place in 0..within.min(BATCH) {
                let (next, through) = batch[place];
                batch[nearer % BATCH] = (next, through);
                nearer += usize::from(K::new(through, node) < self.key(next));
            }
            for &(next, through) in &batch[..nearer] {
                self.lower::<SHARED>(next, K::new(through, node), buckets);
            }
        }
    }

    #[inline]
    fn lower<const SHARED: bool>(&self, node: NodeId, key: K, buckets: &mut Buckets) {
        let shared = &self.keys[node as usize];
        let before = K::of(if SHARED { key.bits().lower(shared) } else { K::Bits::load(shared) });
        if !SHARED && key < before {
            key.bits().store(shared);
        }
        let distance = key.distance();
        if distance < before.distance() {
            buckets.put(distance.bucket(self.width), node);
        }
    }

    /// How many edges the nodes have that lie at `horizon` or beyond.
    fn edges_beyond(&self, horizon: K::Length) -> usize {
        let nodes = (0..self.search.nodes as u32).into_par_iter().with_min_len(SWEEP);
        nodes.filter(|&node| self.distance(node) >= horizon).map(|node| self.search.degree(node)).sum()
    }

    /// Follows those edges of the nodes in the buckets `from` to `to` that were left out for the horizon
    /// `to`.
    fn follow_on(&self, from: u64, to: u64, threads: &mut [Buckets]) -> Result<()> {
        let (first, horizon) = (K::Length::start(from, self.width), K::Length::start(to, self.width));
        self.sweep(threads, |nodes, buckets| {
            let mut batch = [(0, K::Length::ZERO); BATCH];
            for node in nodes {
                let distance = self.distance(node);
                if distance >= first && distance < horizon {
                    for rows in &self.search.rows {
                        self.follow::<true>((node, distance), rows.row(node), horizon, &mut batch, buckets);
                    }
                }
            }
        })
    }

    /// Gives the nodes at `horizon` or beyond the shortest way over nodes before it.
    fn look_back(&self, backward: &[Rows<'_, W>], horizon: K::Length, threads: &mut [Buckets]) -> Result<()> {
        let beyond = K::new(self.limit.after(), 0);
        self.sweep(threads, |nodes, buckets| {
            for node in nodes.filter(|&node| self.distance(node) >= horizon) {
                let mut least = beyond;
                for rows in backward {
                    let (neighbors, weights) = rows.row(node);
                    for (&before, &weight) in neighbors.iter().zip(weights) {
                        let distance = self.distance(before);
                        let key = K::new(distance.plus(weight), before);
                        least = if distance < horizon { least.min(key) } else { least };
                    }
                }
                if least < beyond && least < self.key(node) {
                    self.lower::<true>(node, least, buckets);
                }
            }
        })
    }

    /// Lets threads share all nodes.
    fn sweep(
        &self,
        threads: &mut [Buckets],
        work: impl Fn(Range<NodeId>, &mut Buckets) + Sync,
    ) -> Result<()> {
        let nodes = self.search.nodes;
        let task = |task: usize, buckets: &mut Buckets| {
            self.search.run.check()?;
            work((task * SWEEP) as u32..nodes.min((task + 1) * SWEEP) as u32, buckets);
            Ok(())
        };
        self.share(threads, nodes.div_ceil(SWEEP), task, |_| Ok(()))
    }

    /// Whether there are targets, and all of them lie before this bucket.
    fn targets_are_before(&self, bucket: u64) -> bool {
        let targets = self.search.targets;
        let before = |&target: &NodeId| {
            let distance = self.distance(target);
            distance != K::Length::UNREACHED && distance.bucket(self.width) < bucket
        };
        !targets.is_empty() && targets.iter().all(before)
    }
}
