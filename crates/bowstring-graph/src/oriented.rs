//! How are edges turned so that each triangle is seen once, and from where that is cheap?
//!
//! Nodes are ranked by descending degree, and each edge points at the end of lower rank: every list is
//! short, at most √(2 · edges), and most entries are among the few hubs (Latapy 2008). Lists in which at
//! least one of 64 lower ranks stands are kept as bits too. Graphs without hubs keep the order of nodes.

use rayon::prelude::*;

use crate::{Csr, NodeId, Result, Run, simple::Simple};

/// Nodes of one task.
const BLOCK: usize = 1 << 9;

/// A graph with edges from each rank to lower ones.
pub(crate) struct Oriented<'a> {
    /// The node of each rank, unless that is the rank itself.
    pub(crate) nodes: Option<Vec<NodeId>>,
    /// How many nodes there are.
    pub(crate) len: usize,
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
    /// Takes 20 bytes for each node and at most 12 for each edge, and 12 and 4 more while it is made;
    /// nothing when rows can be used as they are.
    pub(crate) fn new(graph: &Simple<'a>, run: &Run) -> Result<Self> {
        run.check()?;
        let len = graph.num_nodes();
        if !graph.has_hubs() {
            let lists = match graph.rows() {
                Some(rows) => Lists::Rows(rows),
                None => Lists::new(graph, |rank| rank, |node| node, run)?,
            };
            return Ok(Self { nodes: None, len, lists });
        }
        let key = |node| u64::from(!graph.entries(node)) << 32 | u64::from(node);
        let mut keys: Vec<u64> = (0..len as u32).into_par_iter().with_min_len(BLOCK).map(key).collect();
        keys.par_sort_unstable();
        let nodes: Vec<NodeId> = keys.into_par_iter().with_min_len(BLOCK).map(|key| key as u32).collect();
        let mut ranks = vec![0; len];
        for (rank, &node) in nodes.iter().enumerate() {
            ranks[node as usize] = rank as u32;
        }
        let lists = Lists::new(graph, |rank| nodes[rank as usize], |node| ranks[node as usize], run)?;
        Ok(Self { nodes: Some(nodes), len, lists })
    }

    /// The rows of the graph, where they serve as they are.
    pub(crate) fn rows(&self) -> Option<&'a Csr> {
        match &self.lists {
            Lists::Rows(rows) => Some(rows),
            Lists::Own { .. } => None,
        }
    }

    /// Whether some nodes have far more neighbours than most.
    pub(crate) fn has_hubs(&self) -> bool {
        self.nodes.is_some()
    }

    /// The lower ranks that `rank` points at, ascending.
    #[inline]
    pub(crate) fn list(&self, rank: usize) -> &[u32] {
        match &self.lists {
            Lists::Rows(rows) => {
                let row = rows.neighbors(rank as u32);
                let lower = |&other: &NodeId| (other as usize) < rank;
                &row[..row.partition_point(lower)]
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
        node_of: impl Fn(u32) -> NodeId + Sync,
        rank_of: impl Fn(NodeId) -> u32 + Sync,
        run: &Run,
    ) -> Result<Self> {
        let (ends, lists) = lists(graph, node_of, rank_of, run)?;
        let mut starts = Vec::with_capacity(ends.len() + 1);
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

/// The lower ranks that each rank is linked with, ascending, and where the list of each ends.
fn lists(
    graph: &Simple<'_>,
    node_of: impl Fn(u32) -> NodeId + Sync,
    rank_of: impl Fn(NodeId) -> u32 + Sync,
    run: &Run,
) -> Result<(Vec<usize>, Vec<u32>)> {
    let nodes = graph.num_nodes();
    let of_block = |block: usize| {
        run.check()?;
        let mut entries = Vec::new();
        let mut ends = Vec::with_capacity(BLOCK);
        for rank in (block * BLOCK) as u32..nodes.min((block + 1) * BLOCK) as u32 {
            let start = entries.len();
            graph.each(node_of(rank), |other| {
                let other = rank_of(other);
                if other < rank {
                    entries.push(other);
                }
            });
            entries[start..].sort_unstable();
            ends.push(entries.len());
        }
        Ok((entries, ends))
    };
    let parts: Vec<(Vec<u32>, Vec<usize>)> =
        (0..nodes.div_ceil(BLOCK)).into_par_iter().map(of_block).collect::<Result<_>>()?;
    let mut lists = Vec::with_capacity(parts.iter().map(|(entries, _)| entries.len()).sum());
    let mut all_ends = Vec::with_capacity(nodes);
    for (entries, ends) in parts {
        all_ends.extend(ends.into_iter().map(|end| lists.len() + end));
        lists.extend(entries);
    }
    Ok((all_ends, lists))
}
