//! How are edges turned so that each triangle is seen once, and from where that is cheap?
//!
//! Nodes are ranked by descending degree, and each edge points at the end of lower rank: every list is
//! short, at most √(2 · edges), and most entries are among the few hubs (Latapy 2008). Lists in which at
//! least one of 64 lower ranks stands are kept as bits too. Graphs without hubs keep the order of nodes.

use std::cmp::Reverse;

use rayon::prelude::*;

use crate::{Csr, NodeId, Result, Run, simple::Simple};

/// Nodes of one task.
const BLOCK: usize = 1 << 9;

/// A graph with edges from each rank to lower ones.
pub(crate) struct Oriented<'a> {
    /// The node of each rank.
    pub(crate) nodes: Vec<NodeId>,
    /// Neighbours of each node of the simple graph.
    pub(crate) degrees: Vec<u32>,
    /// Whether some nodes have far more neighbours than most.
    pub(crate) has_hubs: bool,
    lists: Lists<'a>,
}

enum Lists<'a> {
    /// The rows of the graph itself, as far as they stand for lower nodes.
    Rows(&'a Csr),
    Own {
        /// Where the list of each rank begins, and its bits, of which there are none unless it is dense.
        starts: Vec<(usize, usize)>,
        lists: Vec<u32>,
        bits: Vec<u64>,
    },
}

impl<'a> Oriented<'a> {
    /// Takes 28 bytes for each node and at most 12 for each edge, and 4 more for each while it is made;
    /// 8 for each node when rows can be used as they are.
    pub(crate) fn new(graph: &Simple<'a>, count: usize, run: &Run) -> Result<Self> {
        run.check()?;
        let degrees: Vec<u32> =
            (0..count as u32).into_par_iter().with_min_len(BLOCK).map(|node| graph.degree(node)).collect();
        let mut nodes: Vec<NodeId> = (0..count as u32).collect();
        let has_hubs = has_hubs(&degrees);
        let lists = if has_hubs {
            nodes.par_sort_unstable_by_key(|&node| (Reverse(degrees[node as usize]), node));
            let mut ranks = vec![0; count];
            for (rank, &node) in nodes.iter().enumerate() {
                ranks[node as usize] = rank as u32;
            }
            Lists::new(graph, &nodes, |node| ranks[node as usize], run)?
        } else if let Some(rows) = graph.rows(&degrees) {
            Lists::Rows(rows)
        } else {
            Lists::new(graph, &nodes, |node| node, run)?
        };
        Ok(Self { nodes, degrees, has_hubs, lists })
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The lower ranks that `rank` points at, ascending.
    #[inline]
    pub(crate) fn list(&self, rank: usize) -> &[u32] {
        match &self.lists {
            Lists::Rows(rows) => {
                let row = rows.neighbors(rank as u32);
                &row[..row.partition_point(|&other| (other as usize) < rank)]
            }
            Lists::Own { starts, lists, .. } => &lists[starts[rank].0..starts[rank + 1].0],
        }
    }

    /// [`Csr::touch`] for the list of `rank`.
    #[inline]
    pub(crate) fn touch(&self, rank: usize) -> u32 {
        match &self.lists {
            Lists::Rows(rows) => rows.touch(rank as u32),
            Lists::Own { .. } => self.list(rank).first().copied().unwrap_or(0),
        }
    }

    /// The same as bits, for a dense list; else empty.
    #[inline]
    pub(crate) fn bits(&self, rank: usize) -> &[u64] {
        match &self.lists {
            Lists::Rows(_) => &[],
            Lists::Own { starts, bits, .. } => &bits[starts[rank].1..starts[rank + 1].1],
        }
    }
}

impl Lists<'_> {
    /// Keeps dense lists as bits too: no more words than the list has entries.
    fn new(
        graph: &Simple<'_>,
        nodes: &[NodeId],
        rank_of: impl Fn(NodeId) -> u32 + Sync,
        run: &Run,
    ) -> Result<Self> {
        let (ends, lists) = lists(graph, nodes, rank_of, run)?;
        let mut starts = Vec::with_capacity(nodes.len() + 1);
        let mut bits: Vec<u64> = Vec::new();
        let mut start = 0;
        for (rank, &end) in ends.iter().enumerate() {
            let (words, first) = (rank.div_ceil(64), bits.len());
            starts.push((start, first));
            if words <= end - start {
                bits.resize(first + words, 0);
                for &other in &lists[start..end] {
                    bits[first + other as usize / 64] |= 1 << (other % 64);
                }
            }
            start = end;
        }
        starts.push((start, bits.len()));
        Ok(Self::Own { starts, lists, bits })
    }
}

/// Whether the neighbours of nodes have far more neighbours than nodes have: only then does an order by
/// degree repay the time that it takes.
fn has_hubs(degrees: &[u32]) -> bool {
    let ends: u64 = degrees.iter().map(|&degree| u64::from(degree)).sum();
    let squares: u128 = degrees.iter().map(|&degree| u128::from(degree) * u128::from(degree)).sum();
    squares * degrees.len() as u128 > 2 * u128::from(ends) * u128::from(ends)
}

/// The lower ranks that each rank is linked with, ascending, and where the list of each ends.
fn lists(
    graph: &Simple<'_>,
    nodes: &[NodeId],
    rank_of: impl Fn(NodeId) -> u32 + Sync,
    run: &Run,
) -> Result<(Vec<usize>, Vec<u32>)> {
    let of_block = |(block, nodes): (usize, &[NodeId])| {
        run.check()?;
        let mut entries = Vec::new();
        let mut ends = Vec::with_capacity(nodes.len());
        for (rank, &node) in (block * BLOCK..).zip(nodes) {
            let start = entries.len();
            graph.each(node, |other| {
                let other = rank_of(other);
                if (other as usize) < rank {
                    entries.push(other);
                }
            });
            entries[start..].sort_unstable();
            ends.push(entries.len());
        }
        Ok((entries, ends))
    };
    let parts: Vec<(Vec<u32>, Vec<usize>)> =
        nodes.par_chunks(BLOCK).enumerate().map(of_block).collect::<Result<_>>()?;
    let mut lists = Vec::with_capacity(parts.iter().map(|(entries, _)| entries.len()).sum());
    let mut all_ends = Vec::with_capacity(nodes.len());
    for (entries, ends) in parts {
        all_ends.extend(ends.into_iter().map(|end| lists.len() + end));
        lists.extend(entries);
    }
    Ok((all_ends, lists))
}
