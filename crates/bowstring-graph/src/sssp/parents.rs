//! Which node comes before each node on a shortest path?
//!
//! Of the neighbours over which a shortest path leads, the smallest-numbered one that is nearer itself.
//! Where there is none, because edges of weight 0 (or too small to change a float) lead there, paths with
//! the fewest such edges are taken, and of those neighbours the smallest-numbered one. So parents depend
//! on the distances alone, not on the method or on who was first, and never form a cycle. O(nodes +
//! edges); the second part, which is rare, on one thread.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rayon::prelude::*;

use super::{
    length::Plus,
    search::{Rows, Search},
};
use crate::{GraphError, NodeId, Result, bfs::filled};

/// Nodes of one parallel task.
const TASK: usize = 1 << 10;
/// A node without a parent.
const NONE: u32 = u32::MAX;

/// The parents that belong to these distances; `backward` are the rows of the same edges by their ends,
/// where they are at hand.
pub(super) fn parents<L: Plus<W>, W: Copy + Sync>(
    search: &Search<'_, W>,
    backward: Option<&[Rows<'_, W>]>,
    distances: &[L],
) -> Result<Vec<i32>> {
    let mut parents = match backward {
        Some(rows) => looked_for(search, rows, distances)?,
        None => told(search, distances)?,
    };
    let is_source = {
        let mut sources = search.sources.to_vec();
        sources.sort_unstable();
        move |node: NodeId| sources.binary_search(&node).is_ok()
    };
    let orphan = |node: &u32| {
        let index = *node as usize;
        parents[index] == NONE && distances[index] != L::UNREACHED && !is_source(*node)
    };
    let orphans: Vec<NodeId> =
        (0..search.nodes as u32).into_par_iter().with_min_len(TASK).filter(orphan).collect();
    if !orphans.is_empty() {
        adopt(search, distances, &orphans, &mut parents)?;
    }
    Ok(parents.into_iter().map(u32::cast_signed).collect())
}

/// Each node looks for its parent, and stops at the first in rows that ascend.
fn looked_for<L: Plus<W>, W: Copy + Sync>(
    search: &Search<'_, W>,
    backward: &[Rows<'_, W>],
    distances: &[L],
) -> Result<Vec<u32>> {
    let mut parents = vec![NONE; search.nodes];
    let task = |(index, parents): (usize, &mut [u32])| {
        search.run.check()?;
        for (node, parent) in (index * TASK..).zip(parents) {
            let own = distances[node];
            if own == L::UNREACHED || own == L::ZERO {
                continue;
            }
            for rows in backward {
                let leads = |&(from, weight): &(NodeId, W)| {
                    let before = distances[from as usize];
                    before < own && before.plus(weight) == own
                };
                let found = rows.entries(node as u32).find(leads).map_or(NONE, |(from, _)| from);
                *parent = found.min(*parent);
            }
        }
        Ok::<_, GraphError>(())
    };
    parents.par_chunks_mut(TASK).enumerate().try_for_each(task)?;
    Ok(parents)
}

/// Each node tells those that it is the parent of.
fn told<L: Plus<W>, W: Copy + Sync>(search: &Search<'_, W>, distances: &[L]) -> Result<Vec<u32>> {
    let parents = filled(search.nodes, || AtomicU32::new(NONE));
    let task = |(index, own): (usize, &[L])| {
        search.run.check()?;
        for (node, &own) in (index * TASK..).zip(own) {
            if own == L::UNREACHED {
                continue;
            }
            for (next, weight) in search.rows.iter().flat_map(|rows| rows.entries(node as u32)) {
                let (through, behind) = (own.plus(weight), distances[next as usize]);
                if through == behind && own < behind && behind != L::UNREACHED {
                    parents[next as usize].fetch_min(node as u32, Relaxed);
                }
            }
        }
        Ok::<_, GraphError>(())
    };
    distances.par_chunks(TASK).enumerate().try_for_each(task)?;
    Ok(parents.into_iter().map(AtomicU32::into_inner).collect())
}

/// Finds parents for nodes that only neighbours as far away as themselves lead to.
fn adopt<L: Plus<W>, W: Copy + Sync>(
    search: &Search<'_, W>,
    distances: &[L],
    orphans: &[NodeId],
    parents: &mut [u32],
) -> Result<()> {
    let mut waits = vec![false; search.nodes];
    orphans.iter().for_each(|&node| waits[node as usize] = true);
    let settled = |&node: &u32| distances[node as usize] != L::UNREACHED && !waits[node as usize];
    let mut level: Vec<NodeId> = (0..search.nodes as u32).filter(settled).collect();
    while !level.is_empty() {
        let mut next_level = Vec::new();
        for nodes in level.chunks(TASK) {
            search.run.check()?;
            for &node in nodes {
                let own = distances[node as usize];
                for (next, weight) in search.rows.iter().flat_map(|rows| rows.entries(node)) {
                    let index = next as usize;
                    if waits[index] && distances[index] == own && own.plus(weight) == own {
                        if parents[index] == NONE {
                            next_level.push(next);
                        }
                        parents[index] = parents[index].min(node);
                    }
                }
            }
        }
        next_level.iter().for_each(|&node| waits[node as usize] = false);
        level = next_level;
    }
    Ok(())
}
