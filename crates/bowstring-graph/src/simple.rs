//! How does a graph look without loops and parallel edges?

use crate::{Csr, Graph, NodeId, Result, Run};

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
    /// Entries of loops in the rows of an undirected graph.
    loops: usize,
}

impl<'a> Simple<'a> {
    pub(crate) fn new(graph: &'a Graph, run: &Run) -> Result<Self> {
        let columns = if graph.is_directed() { Some(graph.csc(run)?) } else { None };
        let rows = graph.sorted_csr(run)?;
        let loops = (2 * graph.num_edges()).saturating_sub(rows.num_entries());
        Ok(Self { rows, columns, loops })
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

    /// The sorted rows of the graph, when nothing but loops has to be left out of them: then entries are
    /// as many as `degrees` and loops say.
    pub(crate) fn rows(&self, degrees: &[u32]) -> Option<&'a Csr> {
        let neighbors: usize = degrees.iter().map(|&degree| degree as usize).sum();
        (self.columns.is_none() && neighbors + self.loops == self.rows.num_entries()).then_some(self.rows)
    }

    /// How many neighbours `node` has.
    #[inline]
    pub(crate) fn degree(&self, node: NodeId) -> u32 {
        let mut degree = 0;
        self.each(node, |_| degree += 1);
        degree
    }
}
