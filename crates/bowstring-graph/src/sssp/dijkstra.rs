//! Dijkstra's algorithm (1959) with a binary heap: O(edges · log nodes) time, on one thread. Memory: up to
//! 16 bytes for each edge that shortens a path, since a node is put into the heap again instead of moved.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{length::Plus, search::Search};
use crate::{NodeId, Result};

/// Nodes between two looks at whether to stop.
const STEPS: usize = 1 << 10;

/// The distance of each node; what lies beyond the cutoff or the farthest target may be left too large.
pub(super) fn distances<L: Plus<W>, W: Copy + Sync>(search: &Search<'_, W>, limit: L) -> Result<Vec<L>> {
    let mut distances = vec![L::UNREACHED; search.nodes];
    let mut heap = BinaryHeap::new();
    for &source in search.sources {
        distances[source as usize] = L::ZERO;
        heap.push(Reverse((L::ZERO, source)));
    }
    let mut missing: Vec<NodeId> = search.targets.to_vec();
    missing.sort_unstable();
    missing.dedup();
    let mut far = limit;
    let mut steps = 0_usize;
    while let Some(Reverse((distance, node))) = heap.pop() {
        if distance > distances[node as usize] {
            continue;
        }
        if distance > far {
            break;
        }
        if let Ok(place) = missing.binary_search(&node) {
            missing.remove(place);
            if missing.is_empty() {
                far = distance;
            }
        }
        steps += 1;
        if steps.is_multiple_of(STEPS) {
            search.run.check()?;
        }
        for rows in &search.rows {
            for (next, weight) in rows.entries(node) {
                let through = distance.plus(weight);
                if through < distances[next as usize] && through <= far {
                    distances[next as usize] = through;
                    heap.push(Reverse((through, next)));
                }
            }
        }
    }
    Ok(distances)
}
