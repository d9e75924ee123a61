//! What is a graph?

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use rayon::prelude::*;

use crate::{BuildOptions, Csr, Edges, GraphError, NodeId, NodeMap, Result, Run, build, ids::id_at};

/// Which edges of a node are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Those that begin at it.
    #[default]
    Out,
    /// Those that end at it.
    In,
    /// Those that do either.
    Both,
}

/// Nodes 0 to `num_nodes` − 1 and the edges between them. Immutable; clones share their memory.
///
/// The rows of outgoing edges are always there, those of incoming ones are made when an algorithm first
/// needs them. In an undirected graph both are the same: an edge stands in the rows of both its ends, a
/// loop once.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use bowstring_graph::{BuildOptions, Edges, Graph, Run};
///
/// let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 0, 1]));
/// let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 2]));
/// let edges = Edges { source: &[source], target: &[target], weight: None };
/// let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
/// assert_eq!((graph.num_nodes(), graph.num_edges()), (3, 3));
/// assert_eq!(graph.neighbors(0)?, [1, 2]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Graph {
    directed: bool,
    num_edges: usize,
    out: Csr,
    incoming: Arc<OnceLock<Csr>>,
    sorted: Arc<OnceLock<Csr>>,
    nodes: Option<Arc<NodeMap>>,
}

impl Graph {
    /// Builds a graph from columns of dense node numbers.
    ///
    /// # Errors
    /// When a number is negative, null, or not below `num_nodes`; when columns differ in length; when a
    /// weight is not finite; when memory does not suffice.
    pub fn from_edges(edges: &Edges<'_>, options: &BuildOptions, run: &Run) -> Result<Self> {
        let rows = build::from_columns(edges, options, run)?;
        Self::of_rows(rows, options.directed, run)
    }

    /// Takes sparse rows as they are; see [`Csr::new`].
    ///
    /// # Errors
    /// [`GraphError::NotSymmetric`] when `directed` is false and an edge has no equal one back.
    pub fn from_csr(rows: Csr, directed: bool, run: &Run) -> Result<Self> {
        if !directed {
            let columns = build::transpose(&rows, run)?;
            let sorted = sorted(&rows, &columns, run)?;
            run.kernel("comparing rows", 0, || symmetric(&sorted, &columns))?;
        }
        Self::of_rows(rows, directed, run)
    }

    pub(crate) fn of_rows(out: Csr, directed: bool, run: &Run) -> Result<Self> {
        let entries = out.num_entries();
        let num_edges = if directed {
            entries
        } else {
            let nodes = 0..out.num_nodes() as u32;
            let loops_of = |node| out.neighbors(node).iter().filter(|&&other| other == node).count();
            let count = || Ok(nodes.into_par_iter().with_min_len(1 << 12).map(loops_of).sum::<usize>());
            let loops = run.kernel("counting loops", 0, count)?;
            (entries - loops) / 2 + loops
        };
        let (incoming, sorted) = (Arc::default(), Arc::default());
        Ok(Self { directed, num_edges, out, incoming, sorted, nodes: None })
    }

    pub(crate) fn named(self, nodes: NodeMap) -> Self {
        Self { nodes: Some(Arc::new(nodes)), ..self }
    }

    /// With the ids that the nodes of another graph have.
    pub(crate) fn with_names_of(self, other: &Self) -> Self {
        Self { nodes: other.nodes.clone(), ..self }
    }

    /// With these incoming rows, when their neighbours ascend.
    pub(crate) fn with_incoming(self, rows: &Csr) -> Self {
        let incoming = if rows.is_sorted() { Arc::new(OnceLock::from(rows.clone())) } else { Arc::default() };
        Self { incoming, ..self }
    }

    /// The ids of the nodes in the caller's tables; `None` when they are known by their numbers alone.
    pub fn nodes(&self) -> Option<&NodeMap> {
        self.nodes.as_deref()
    }

    /// The ids of these nodes as text, for messages; their numbers where the graph has no ids.
    pub(crate) fn names(&self, nodes: &[NodeId]) -> Vec<String> {
        let name = |&node: &NodeId| match &self.nodes {
            Some(map) => id_at(map.ids(), node as usize).to_string(),
            None => node.to_string(),
        };
        nodes.iter().map(name).collect()
    }

    /// How many nodes there are.
    #[inline]
    pub fn num_nodes(&self) -> usize {
        self.out.num_nodes()
    }

    /// How many edges there are; an undirected one counts once.
    pub fn num_edges(&self) -> usize {
        self.num_edges
    }

    /// Whether edges have a direction.
    pub fn is_directed(&self) -> bool {
        self.directed
    }

    /// Whether edges have weights.
    pub fn is_weighted(&self) -> bool {
        self.out.weights().is_some()
    }

    /// The rows of outgoing edges; of all edges, when the graph is undirected.
    pub fn csr(&self) -> &Csr {
        &self.out
    }

    /// The rows of incoming edges, with ascending neighbours; made when they are first asked for, in
    /// O(edges). The same as [`Self::csr`] when the graph is undirected.
    ///
    /// # Errors
    /// When memory does not suffice, or the work was asked to stop.
    pub fn csc(&self, run: &Run) -> Result<&Csr> {
        if !self.directed {
            return Ok(&self.out);
        }
        if let Some(incoming) = self.incoming.get() {
            return Ok(incoming);
        }
        let made = build::transpose(&self.out, run)?;
        Ok(self.incoming.get_or_init(|| made))
    }

    /// The rows of [`Self::csc`], unless they would have to be made.
    pub(crate) fn csc_at_hand(&self) -> Option<&Csr> {
        if self.directed { self.incoming.get() } else { Some(&self.out) }
    }

    /// The rows of [`Self::sorted_csr`], unless they would have to be made.
    pub(crate) fn sorted_csr_at_hand(&self) -> Option<&Csr> {
        if self.out.is_sorted() { Some(&self.out) } else { self.sorted.get() }
    }

    /// The rows of outgoing edges with ascending neighbours: those of [`Self::csr`], unless they came
    /// from elsewhere in another order; then they are sorted when first asked for.
    ///
    /// # Errors
    /// When memory does not suffice, or the work was asked to stop.
    pub fn sorted_csr(&self, run: &Run) -> Result<&Csr> {
        if self.out.is_sorted() {
            return Ok(&self.out);
        }
        if let Some(sorted) = self.sorted.get() {
            return Ok(sorted);
        }
        let made = build::transpose(&build::transpose(&self.out, run)?, run)?;
        Ok(self.sorted.get_or_init(|| made))
    }

    /// The least and the greatest weight; `None` without weights or edges. Looked up once.
    pub(crate) fn weight_range(&self, run: &Run) -> Result<Option<(f64, f64)>> {
        run.kernel("looking at weights", 0, || Ok(self.out.weight_range()))
    }

    /// The neighbours of a node at the other ends of its outgoing edges, one entry for each edge.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`].
    pub fn neighbors(&self, node: NodeId) -> Result<&[NodeId]> {
        self.check_node(node)?;
        Ok(self.out.neighbors(node))
    }

    /// # Errors
    /// [`GraphError::UnknownNode`] when there is no such node.
    pub(crate) fn check_node(&self, node: NodeId) -> Result<()> {
        let nodes = self.num_nodes();
        if (node as usize) < nodes {
            return Ok(());
        }
        Err(GraphError::UnknownNode { node: u64::from(node), nodes })
    }
}

/// The rows with ascending neighbours; `columns` are their transposition.
fn sorted<'a>(rows: &'a Csr, columns: &Csr, run: &Run) -> Result<Cow<'a, Csr>> {
    Ok(if rows.is_sorted() { Cow::Borrowed(rows) } else { Cow::Owned(build::transpose(columns, run)?) })
}

/// # Errors
/// [`GraphError::NotSymmetric`] for the first node whose rows differ from its columns.
fn symmetric(rows: &Csr, columns: &Csr) -> Result<()> {
    let differs = |node: &u32| {
        let (out, into) = (rows.range(*node), columns.range(*node));
        rows.neighbors(*node) != columns.neighbors(*node)
            || rows.weights().zip(columns.weights()).is_some_and(|(a, b)| {
                let mut ends = out.zip(into);
                ends.any(|(out, into)| a.get(out) != b.get(into))
            })
    };
    let Some(node) = (0..rows.num_nodes() as u32).into_par_iter().find_first(differs) else {
        return Ok(());
    };
    let (out, into) = (rows.neighbors(node), columns.neighbors(node));
    let place = out.iter().zip(into).position(|(a, b)| a != b).unwrap_or(out.len().min(into.len()));
    let (from, to) = match (out.get(place), into.get(place)) {
        (Some(&to), Some(&from)) if from < to => (from, node),
        (Some(&to), _) => (node, to),
        (None, Some(&from)) => (from, node),
        // The neighbours are the same, and a weight is not.
        (None, None) => (node, out.first().copied().unwrap_or(node)),
    };
    Err(GraphError::NotSymmetric { from, to })
}
