//! Into which well-connected parts does a community fall?
//!
//! The refinement of Leiden (Traag, Waltman and van Eck 2019): within each community every node begins
//! alone; those that are well connected to the rest of it merge once, with the well-connected part that
//! gains most. Only single nodes move, and only to a part that they have an edge to, so parts are
//! connected. In graphs of 2,048 nodes and more the weights between parts that decide what is well
//! connected are those from before a node's batch.

use rayon::prelude::*;

use crate::{
    Csr, Result, Run,
    batches::{Batches, propose},
    level::{Level, Objective, Strength, row, with_values},
    tally::Tallies,
};

/// A node that wants into a part, and the weight of its edges there.
struct Merge {
    node: u32,
    part: u32,
    weight: f64,
}

/// The parts of `count` communities, as labels below the number of nodes, which are visited in batches.
pub(crate) fn refine<S: Strength>(
    level: &Level<S>,
    objective: Objective,
    labels: &[u32],
    count: usize,
    batches: &Batches,
    tallies: &Tallies,
    run: &Run,
) -> Result<Vec<u32>> {
    let nodes = level.num_nodes();
    let communities = level.totals(labels, count);
    let mut parts: Vec<u32> = (0..nodes as u32).collect();
    let mut alone = vec![true; nodes];
    let mut totals = level.strengths.clone();
    // The weight from each part to the rest of its community.
    let mut rest: Vec<f64> = with_values!(level.rows, values => {
        let within = |node: u32| {
            let same = |&(other, _): &(u32, f64)| other != node && labels[other as usize] == labels[node as usize];
            row(&level.rows, values, node).filter(same).map(|(_, weight)| weight).sum()
        };
        (0..nodes as u32).into_par_iter().with_min_len(64).map(within).collect()
    });
    for batch in batches.iter() {
        let merges = with_values!(level.rows, values => propose(batch, tallies, run, |node, tally| {
            let own = labels[node as usize];
            let community = communities[own as usize];
            let connected = |part: u32| {
                let total = totals[part as usize];
                rest[part as usize] >= objective.expected(total, community.minus(total))
            };
            if !alone[node as usize] || !connected(node) {
                return None;
            }
            for (other, weight) in row(&level.rows, values, node) {
                if other != node && labels[other as usize] == own {
                    tally.add(parts[other as usize], weight);
                }
            }
            let strength = level.strengths[node as usize];
            let mut best = None;
            let mut most = 0.0;
            for (part, weight) in tally.drain() {
                let gain = weight - objective.expected(strength, totals[part as usize]);
                if gain >= most && connected(part) && (gain > most || best.is_none()) {
                    most = gain;
                    best = Some(Merge { node, part, weight });
                }
            }
            best
        }))?;
        for Merge { node, part, weight } in merges {
            let (from, to) = (node as usize, part as usize);
            // Others of the batch may have joined the node, or have left the part.
            if !alone[from] || parts[to] != part {
                continue;
            }
            parts[from] = part;
            totals[to] = totals[to].plus(level.strengths[from]);
            rest[to] += rest[from] - 2.0 * weight;
            alone[from] = false;
            alone[to] = false;
        }
    }
    Ok(parts)
}

/// The connected parts of each community, numbered in the order of the smallest node in each.
pub(crate) fn split(rows: &Csr, labels: &[u32], run: &Run) -> Result<Vec<u32>> {
    const UNSEEN: u32 = u32::MAX;
    let mut parts = vec![UNSEEN; labels.len()];
    let mut queue = Vec::new();
    let mut count = 0;
    for start in 0..labels.len() as u32 {
        if parts[start as usize] != UNSEEN {
            continue;
        }
        run.check()?;
        parts[start as usize] = count;
        queue.push(start);
        while let Some(node) = queue.pop() {
            for &other in rows.neighbors(node) {
                if parts[other as usize] == UNSEEN && labels[other as usize] == labels[node as usize] {
                    parts[other as usize] = count;
                    queue.push(other);
                }
            }
        }
        count += 1;
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, UInt32Array};

    use super::*;
    use crate::{BuildOptions, Edges, Graph, batches::Random};

    /// Refines a graph that is one community with all of its nodes in one batch.
    fn check(edges: &[(u32, u32, u32)], expected: &[u32]) {
        let array = |of: fn(&(u32, u32, u32)) -> u32| {
            [Arc::new(UInt32Array::from_iter_values(edges.iter().map(of))) as ArrayRef]
        };
        let (source, target, weight) = (array(|edge| edge.0), array(|edge| edge.1), array(|edge| edge.2));
        let edges = Edges { source: &source, target: &target, weight: Some(&weight) };
        let options = BuildOptions { directed: false, ..BuildOptions::default() };
        let run = Run::default();
        let graph = Graph::from_edges(&edges, &options, &run).unwrap();
        let nodes = graph.num_nodes();
        let level = Level::undirected(&graph);
        let objective = Objective::new("test", 0.1, &level.strengths).unwrap();
        let batches = Batches::of_size(nodes, nodes, &mut Random::new(0));
        let parts = refine(&level, objective, &vec![0; nodes], 1, &batches, &Tallies::new(nodes), &run);
        assert_eq!(parts.unwrap(), expected);
    }

    #[test]
    fn none_joins_a_node_that_has_left() {
        // 0 goes to 1, and the others wanted to 0.
        check(&[(0, 1, 1), (0, 2, 1), (0, 3, 1), (0, 4, 1)], &[1, 1, 2, 3, 4]);
    }

    #[test]
    fn none_leaves_whom_others_have_joined() {
        // 0 and 1 go to 2, which wanted to 3; 3 goes where it wanted to, which is 2.
        check(&[(0, 2, 1), (1, 2, 1), (2, 3, 5)], &[2, 2, 2, 2]);
    }
}
