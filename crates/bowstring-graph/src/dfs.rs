//! Depth-first search: in which order does a walk that always goes on to the next unvisited neighbour
//! enter and leave the nodes?
//!
//! The iterative search of Tarjan (1972), neighbours in ascending order; O(nodes + edges) time on one
//! thread, as depth-first order is sequential by nature. Memory: 17 bytes a node, and 16 for each node of
//! the longest path, with `max_depth` another 16; rows that are not in ascending order are sorted first
//! and kept with the graph.
//!
//! With `max_depth` the search visits exactly the nodes within so many hops of a source. A walk that
//! merely stopped at that depth would miss nodes which it first meets over a detour. Breadth-first
//! distances therefore decide which nodes are within reach, and the search is a full one of the graph
//! between those; so a node can stand deeper in the tree than `max_depth`.

use std::{hint::black_box, ops::Range};

use crate::{
    BfsOptions, Csr, Graph, GraphError, NodeId, Result, Run,
    bfs::{bfs, check_sources},
};

/// Nodes between two looks at whether to stop.
const STEPS: usize = 1 << 8;

/// How many nodes up the path a row is fetched.
const AHEAD: usize = 8;

/// What a depth-first search found. Nodes that it did not visit have −1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dfs {
    /// The visited nodes in the order in which they were entered.
    pub order: Vec<NodeId>,
    /// For each node, how many were entered before it: its place in `order`.
    pub discovery: Vec<i32>,
    /// For each node, how many were left before it. A node `a` is `b` or above it in the tree exactly
    /// when `discovery[a] <= discovery[b]` and `finish[a] >= finish[b]`.
    pub finish: Vec<i32>,
    /// For each node, the one from which it was entered; −1 also for the roots.
    pub parents: Vec<i32>,
}

/// Searches from each source in turn, or from every node in turn when `sources` is `None`, and enters a
/// node once. `max_depth` counts hops from the nearest source, along edges in their direction.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph};
/// use bowstring_graph::{Run, dfs};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2, 3, 0]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4, 3]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// # let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
///
/// // The edges 0 → 1 → 2 → 3 → 4 and 0 → 3: node 4 is two hops away, over the short cut.
/// let found = dfs(&graph, Some(&[0]), Some(2), &Run::default())?;
/// assert_eq!(found.order, [0, 1, 2, 3, 4]);
/// assert_eq!(found.finish, [4, 3, 2, 1, 0]);
/// assert_eq!(found.parents, [-1, 0, 1, 2, 3]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
///
/// # Errors
/// [`GraphError::Option`] for an empty list of sources, and for `max_depth` without sources, as every
/// node is a source then; [`GraphError::UnknownNode`]; when memory does not suffice, or the work was asked
/// to stop.
pub fn dfs(graph: &Graph, sources: Option<&[NodeId]>, max_depth: Option<u32>, run: &Run) -> Result<Dfs> {
    if let Some(sources) = sources {
        check_sources(graph, sources)?;
    } else if let Some(depth) = max_depth {
        return Err(GraphError::Option {
            option: "max_depth",
            value: depth.to_string(),
            expected: "left out without sources",
        });
    }
    let nodes = graph.num_nodes();
    let reach = if max_depth.is_some() { nodes * 16 } else { 0 };
    run.kernel("dfs", nodes * 33 + reach, || {
        let rows = graph.sorted_csr(run)?;
        let mut walk = Walk::new(rows, run);
        if let (Some(sources), Some(depth)) = (sources, max_depth) {
            let options = BfsOptions { max_depth: Some(depth), ..BfsOptions::default() };
            let reach = bfs(graph, sources, &options, run)?.distances;
            // A node out of reach counts as entered.
            walk.entered = reach.iter().map(|distance| *distance < 0).collect();
        }
        let mut visit = |root| walk.visit(root, |_, _, _| false).map(drop);
        match sources {
            Some(sources) => sources.iter().copied().try_for_each(&mut visit)?,
            None => (0..nodes as u32).try_for_each(&mut visit)?,
        }
        Ok(walk.dfs)
    })
}

/// A depth-first search under way.
pub(crate) struct Walk<'a> {
    /// What was found so far.
    pub(crate) dfs: Dfs,
    /// Which nodes are not to be entered any more: apart from the results, and so small that it stays in the
    /// cache.
    entered: Vec<bool>,
    rows: &'a Csr,
    run: &'a Run,
    /// The entries to look at yet, for each node of the path from the root to the current one.
    path: Vec<Range<usize>>,
    finished: i32,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(rows: &'a Csr, run: &'a Run) -> Self {
        let none = || vec![-1; rows.num_nodes()];
        let order = Vec::with_capacity(rows.num_nodes());
        let dfs = Dfs { order, discovery: none(), finish: none(), parents: none() };
        let entered = vec![false; rows.num_nodes()];
        Self { dfs, entered, rows, run, path: Vec::new(), finished: 0 }
    }

    /// Visits what can be reached from `root` and was not entered before. Stops at the first entry to a node
    /// entered before that `closes`, by its place in the rows; returns the node and where the entry leads.
    pub(crate) fn visit(
        &mut self,
        root: NodeId,
        closes: impl Fn(&Dfs, NodeId, usize) -> bool,
    ) -> Result<Option<(NodeId, NodeId)>> {
        if self.entered[root as usize] {
            return Ok(None);
        }
        self.enter(root)?;
        let mut node = root;
        let rows = self.rows;
        while let Some(left) = self.path.last_mut() {
            let others = &rows.indices()[left.clone()];
            let stop = others.iter().enumerate().position(|(place, &other)| {
                !self.entered[other as usize] || closes(&self.dfs, node, left.start + place)
            });
            if let Some(place) = stop {
                let other = others[place];
                if self.entered[other as usize] {
                    return Ok(Some((node, other)));
                }
                left.start += place + 1;
                self.dfs.parents[other as usize] = node.cast_signed();
                self.enter(other)?;
                node = other;
            } else {
                self.path.pop();
                // The rest of a row that the walk comes back to later is fetched while it is at others.
                if let Some(later) = self.path.len().checked_sub(AHEAD) {
                    black_box(rows.indices().get(self.path[later].start).copied());
                }
                self.dfs.finish[node as usize] = self.finished;
                self.finished += 1;
                let parent = self.dfs.parents[node as usize];
                node = if parent < 0 { root } else { parent.cast_unsigned() };
            }
        }
        Ok(None)
    }

    #[inline]
    fn enter(&mut self, node: NodeId) -> Result<()> {
        let time = self.dfs.order.len();
        if time.is_multiple_of(STEPS) {
            self.run.check()?;
        }
        self.entered[node as usize] = true;
        self.dfs.discovery[node as usize] = time as i32;
        self.dfs.order.push(node);
        self.path.push(self.rows.range(node));
        Ok(())
    }
}
