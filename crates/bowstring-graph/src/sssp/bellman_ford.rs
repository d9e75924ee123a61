//! Bellman (1958) and Ford's algorithm for weights of which some are below 0: the edges of the nodes that
//! came nearer are relaxed in rounds, until none does. O(nodes · edges) time at worst, on one thread;
//! 24 bytes a node.
//!
//! The tree of the paths found so far has a cycle exactly when the weights along it add up to less than 0
//! (Cherkassky and Goldberg 1999); it is looked through whenever as many nodes came nearer as there are.

use super::search::Search;
use crate::{Direction, GraphError, NodeId, Result};

/// Nodes between two looks at whether to stop.
const STEPS: usize = 1 << 10;

/// The distance of each node, and the node before it on the path that was found. Sources have the distance
/// `zero`, nodes that are not reached `unreached`; `plus` gives `None` when a sum does not fit.
///
/// # Errors
/// [`GraphError::NegativeCycle`], [`GraphError::DistanceOverflow`].
pub(super) fn paths<D: Copy + PartialOrd, W: Copy + Sync>(
    search: &Search<'_, W>,
    zero: D,
    unreached: D,
    plus: impl Fn(D, W) -> Option<D>,
) -> Result<(Vec<D>, Vec<i32>)> {
    let mut distances = vec![unreached; search.nodes];
    let mut parents = vec![-1; search.nodes];
    let mut waits = vec![false; search.nodes];
    let mut round = Vec::new();
    for &source in search.sources {
        if !std::mem::replace(&mut waits[source as usize], true) {
            distances[source as usize] = zero;
            round.push(source);
        }
    }
    let mut next_round = Vec::new();
    let mut nearer = 0;
    while !round.is_empty() {
        for nodes in round.chunks(STEPS) {
            search.run.check()?;
            for &node in nodes {
                waits[node as usize] = false;
                for (next, weight) in search.rows.iter().flat_map(|rows| rows.entries(node)) {
                    let Some(through) = plus(distances[node as usize], weight) else {
                        return Err(GraphError::DistanceOverflow { node: next });
                    };
                    if through < distances[next as usize] {
                        distances[next as usize] = through;
                        parents[next as usize] = node.cast_signed();
                        nearer += 1;
                        if !std::mem::replace(&mut waits[next as usize], true) {
                            next_round.push(next);
                        }
                    }
                }
            }
        }
        if nearer >= search.nodes {
            nearer = 0;
            if let Some(mut nodes) = cycle(&parents) {
                // A parent is where the path comes from, which is against the edge when that is followed
                // backwards.
                if search.direction != Direction::In {
                    nodes.reverse();
                }
                return Err(GraphError::NegativeCycle { names: search.graph.names(&nodes), nodes });
            }
        }
        round.clear();
        std::mem::swap(&mut round, &mut next_round);
    }
    Ok((distances, parents))
}

/// A cycle of parents, each followed by its own; the one through the smallest node from which one is
/// reached.
fn cycle(parents: &[i32]) -> Option<Vec<NodeId>> {
    // The walk by which each node was first reached, counted from 1.
    let mut walks = vec![0_u32; parents.len()];
    for (start, walk) in (0..parents.len()).zip(1..) {
        let mut node = start;
        while walks[node] == 0 {
            walks[node] = walk;
            match usize::try_from(parents[node]) {
                Ok(parent) => node = parent,
                Err(_) => break,
            }
        }
        if walks[node] == walk && parents[node] >= 0 {
            let mut nodes = vec![node as u32];
            let mut at = parents[node] as usize;
            while at != node {
                nodes.push(at as u32);
                at = parents[at] as usize;
            }
            return Some(nodes);
        }
    }
    None
}
