//! How does a graph look without loops and parallel edges?

use rayon::prelude::*;

use crate::{Csr, Graph, NodeId, Result, Run};

/// Nodes of one task.
const BLOCK: usize = 1 << 10;

/// The other nodes in the sorted row of `node`, each once.
#[inline]
pub(crate) fn distinct(rows: &Csr, node: NodeId) -> impl Iterator<Item = NodeId> {
    let mut last = node;
    rows.neighbors(node).iter().copied().filter(move |&other| {
        let is_new = other != last && other != node;
        last = other;
        is_new
    })
}

/// The undirected view of a graph, without loops and parallel edges.
pub(crate) struct Simple<'a> {
    rows: &'a Csr,
    /// Rows of incoming edges, where edges have a direction.
    columns: Option<&'a Csr>,
}

impl<'a> Simple<'a> {
    pub(crate) fn new(graph: &'a Graph, run: &Run) -> Result<Self> {
        let columns = if graph.is_directed() { Some(graph.csc(run)?) } else { None };
        let rows = graph.sorted_csr(run)?;
        Ok(Self { rows, columns })
    }

    /// Calls `each` with the neighbours of `node`, ascending, each once.
    #[inline]
    pub(crate) fn each(&self, node: NodeId, mut each: impl FnMut(NodeId)) {
        let Some(columns) = self.columns else {
            return distinct(self.rows, node).for_each(each);
        };
        let mut incoming = distinct(columns, node).peekable();
        for other in distinct(self.rows, node) {
            while let Some(before) = incoming.next_if(|&before| before < other) {
                each(before);
            }
            incoming.next_if_eq(&other);
            each(other);
        }
        incoming.for_each(each);
    }

    /// The sorted rows of the graph, when nothing but loops has to be left out of them.
    pub(crate) fn rows(&self) -> Option<&'a Csr> {
        (self.columns.is_none() && self.rows.is_distinct()).then_some(self.rows)
    }

    pub(crate) fn num_nodes(&self) -> usize {
        self.rows.num_nodes()
    }

    /// How many entries `node` has, loops and parallel edges among them.
    #[inline]
    pub(crate) fn entries(&self, node: NodeId) -> u32 {
        (self.rows.degree(node) + self.columns.map_or(0, |columns| columns.degree(node))) as u32
    }

    /// Whether some nodes have far more neighbours than most.
    pub(crate) fn has_hubs(&self) -> bool {
        self.rows.has_hubs() || self.columns.is_some_and(Csr::has_hubs)
    }

    /// How many neighbours each node has.
    pub(crate) fn degrees(&self) -> Vec<u32> {
        let nodes = (0..self.num_nodes() as u32).into_par_iter().with_min_len(BLOCK);
        match self.rows() {
            Some(rows) => nodes
                .map(|node| {
                    let row = rows.neighbors(node);
                    row.len() as u32 - u32::from(row.binary_search(&node).is_ok())
                })
                .collect(),
            None => nodes
                .map(|node| {
                    let mut degree = 0;
                    self.each(node, |_| degree += 1);
                    degree
                })
                .collect(),
        }
    }
}
