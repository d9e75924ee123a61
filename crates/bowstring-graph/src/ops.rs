//! Which graphs and facts follow from a graph without an algorithm? The same edges turned around, without
//! direction, among some nodes only or between nodes in another order; how many edges a node has.

use std::{slice::from_ref, sync::Arc};

use arrow::array::{ArrayRef, UInt32Array};
use rayon::prelude::*;

use crate::{
    BfsOptions, BuildOptions, Csr, Direction, Edges, Graph, GraphError, NodeId, ParallelEdges, Result, Run,
    Weights, bfs,
    build::from_columns,
    weights::{Weight, with_weights},
};

/// Nodes of one task.
const TASK: usize = 1 << 12;

/// The edges of a graph as columns: what it can be built from again.
#[derive(Clone, Debug)]
pub struct EdgeColumns {
    /// Where each edge begins.
    pub source: Vec<NodeId>,
    /// Where each edge ends.
    pub target: Vec<NodeId>,
    /// The weight of each edge, where the graph has any.
    pub weights: Option<Weights>,
}

impl EdgeColumns {
    /// The rows of entries from each source to each target.
    fn rows(self, options: &BuildOptions, run: &Run) -> Result<Csr> {
        let source: ArrayRef = Arc::new(UInt32Array::from(self.source));
        let target: ArrayRef = Arc::new(UInt32Array::from(self.target));
        let weight = self.weights.map(|weights| weights.to_array());
        let edges = Edges {
            source: from_ref(&source),
            target: from_ref(&target),
            weight: weight.as_ref().map(from_ref),
        };
        from_columns(&edges, options, run)
    }
}

impl Graph {
    /// How many edges each node has. A loop counts once for each direction, so twice in an undirected
    /// graph and for [`Direction::Both`]. For edges that end at nodes of a directed graph, its incoming
    /// rows are made.
    ///
    /// # Errors
    /// When memory does not suffice, or the work was asked to stop.
    pub fn degree(&self, direction: Direction, run: &Run) -> Result<Vec<u32>> {
        run.kernel("degree", self.num_nodes() * size_of::<u32>(), || {
            let out = self.csr();
            let into = match direction {
                Direction::Out => out,
                Direction::In | Direction::Both => self.csc(run)?,
            };
            let degree = |node: u32| match (self.is_directed(), direction) {
                (true, Direction::Both) => out.degree(node) + into.degree(node),
                (true, _) => into.degree(node),
                (false, _) => {
                    out.degree(node) + out.neighbors(node).iter().filter(|&&other| other == node).count()
                }
            };
            let nodes = (0..self.num_nodes() as u32).into_par_iter().with_min_len(TASK);
            Ok(nodes.map(|node| u32::try_from(degree(node)).unwrap_or(u32::MAX)).collect())
        })
    }

    /// Whether there is an edge from one node to another; in an undirected graph, between them. Takes
    /// O(log degree) time, O(degree) where the rows came unsorted from elsewhere.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`].
    pub fn has_edge(&self, source: NodeId, target: NodeId) -> Result<bool> {
        self.check_node(target)?;
        let neighbors = self.neighbors(source)?;
        Ok(if self.csr().is_sorted() {
            neighbors.binary_search(&target).is_ok()
        } else {
            neighbors.contains(&target)
        })
    }

    /// The edges, ordered by source and target; an undirected one once, from the smaller number to the
    /// greater. Takes 8 bytes for each edge, 16 with weights, beside the result.
    ///
    /// # Errors
    /// When memory does not suffice, or the work was asked to stop.
    pub fn edges(&self, run: &Run) -> Result<EdgeColumns> {
        let rows = self.sorted_csr(run)?;
        run.kernel("listing edges", 2 * self.num_edges() * entry_bytes(rows), || {
            let directed = self.is_directed();
            let nodes: Vec<u32> = (0..rows.num_nodes() as u32).collect();
            entries(rows, &nodes, |node, other| (directed || node <= other).then_some(other), run)
        })
    }

    /// The graph with every edge turned around. Costs nothing when the incoming rows are there already,
    /// or the graph is undirected.
    ///
    /// # Errors
    /// When memory does not suffice, or the work was asked to stop.
    pub fn reverse(&self, run: &Run) -> Result<Self> {
        if !self.is_directed() {
            return Ok(self.clone());
        }
        let turned = Self::of_rows(self.csc(run)?.clone(), true, run)?.with_incoming(self.csr());
        Ok(turned.with_names_of(self))
    }

    /// The graph without directions. Edges that have the same ends then, such as one there and one back,
    /// stay or become one as `merge` says; where the weights of several count, they do so in the order
    /// of their sources and targets.
    ///
    /// # Errors
    /// [`GraphError::WeightOverflow`]; when memory does not suffice, or the work was asked to stop.
    pub fn to_undirected(&self, merge: ParallelEdges, run: &Run) -> Result<Self> {
        if !self.is_directed() && merge == ParallelEdges::Keep {
            return Ok(self.clone());
        }
        let options = BuildOptions {
            num_nodes: Some(self.num_nodes() as u64),
            directed: false,
            parallel_edges: merge,
            ..BuildOptions::default()
        };
        let rows = self.edges(run)?.rows(&options, run)?;
        Ok(Self::of_rows(rows, false, run)?.with_names_of(self))
    }

    /// The nodes given and the edges among them; the first node given becomes node 0, and so on, and
    /// keeps its id. O(nodes + edges of the nodes given) time; 4 bytes for each node and at most 8
    /// bytes for each edge of the nodes given, 16 with weights, beside the result.
    ///
    /// # Errors
    /// [`GraphError::UnknownNode`]; [`GraphError::DuplicateId`] for a node given twice; when memory does
    /// not suffice, or the work was asked to stop.
    pub fn subgraph(&self, nodes: &[NodeId], run: &Run) -> Result<Self> {
        let mut places = vec![ABSENT; self.num_nodes()];
        let mut num_entries = 0;
        for (row, &node) in nodes.iter().enumerate() {
            self.check_node(node)?;
            let place = &mut places[node as usize];
            if *place != ABSENT {
                let id = self.names(&[node]).concat();
                return Err(GraphError::DuplicateId { id, first: *place as usize, row });
            }
            *place = row as u32;
            num_entries += self.csr().degree(node);
        }
        let bytes = 4 * places.len() + 2 * num_entries * entry_bytes(self.csr());
        let kept = run.kernel("subgraph", bytes, || {
            let place = |other: u32| Some(places[other as usize]).filter(|&place| place != ABSENT);
            entries(self.csr(), nodes, |_, other| place(other), run)
        })?;
        // The entries of an undirected graph stand in both rows already.
        let options = BuildOptions { num_nodes: Some(nodes.len() as u64), ..BuildOptions::default() };
        let graph = Self::of_rows(kept.rows(&options, run)?, self.is_directed(), run)?;
        Ok(match self.nodes() {
            Some(names) => graph.named(names.select(nodes)?),
            None => graph,
        })
    }

    /// The graph with its nodes numbered by their edges of both directions, the node with most of them
    /// first, and among equals the one that was first; and for each new number the old one.
    ///
    /// # Errors
    /// When memory does not suffice, or the work was asked to stop.
    pub fn relabel_by_degree(&self, run: &Run) -> Result<(Self, Vec<NodeId>)> {
        let degrees = self.degree(Direction::Both, run)?;
        let mut order: Vec<u32> = (0..self.num_nodes() as u32).collect();
        order.par_sort_by_key(|&node| std::cmp::Reverse(degrees[node as usize]));
        Ok((self.subgraph(&order, run)?, order))
    }

    /// The nodes within `hops` hops of the sources, these included, in ascending order. Costs what
    /// [`bfs`] does.
    ///
    /// # Errors
    /// As [`bfs`] says.
    pub fn k_hop(
        &self,
        sources: &[NodeId],
        hops: u32,
        direction: Direction,
        run: &Run,
    ) -> Result<Vec<NodeId>> {
        let found = bfs(self, sources, &BfsOptions { max_depth: Some(hops), direction }, run)?;
        let nodes = (0..self.num_nodes() as u32).into_par_iter();
        Ok(nodes.filter(|&node| found.distances[node as usize] >= 0).collect())
    }
}

/// Stands for nodes that a subgraph does not have.
const ABSENT: u32 = u32::MAX;

/// Bytes of an entry, listed with where its weight lies.
fn entry_bytes(rows: &Csr) -> usize {
    let weight = if rows.weights().is_some() { size_of::<usize>() } else { 0 };
    2 * size_of::<u32>() + weight
}

/// Sources, targets and places of entries.
type Block = (Vec<u32>, (Vec<u32>, Vec<usize>));

/// The entries in the rows of `nodes` whose target `keep` gives a number: from the place of the node in
/// `nodes` to that number.
fn entries(
    rows: &Csr,
    nodes: &[u32],
    keep: impl Fn(u32, u32) -> Option<u32> + Sync,
    run: &Run,
) -> Result<EdgeColumns> {
    let is_weighted = rows.weights().is_some();
    let block = |(block, nodes): (usize, &[u32])| {
        run.check()?;
        let (mut source, mut target, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (place, &node) in (block * TASK..).zip(nodes) {
            for (entry, &other) in rows.range(node).zip(rows.neighbors(node)) {
                if let Some(other) = keep(node, other) {
                    source.push(place as u32);
                    target.push(other);
                    if is_weighted {
                        places.push(entry);
                    }
                }
            }
        }
        Ok((source, (target, places)))
    };
    let blocks: Vec<Block> = nodes.par_chunks(TASK).enumerate().map(block).collect::<Result<_>>()?;
    let (source, rest): (Vec<_>, (Vec<_>, Vec<_>)) = blocks.into_iter().unzip();
    let (target, places) = (rest.0.concat(), rest.1.concat());
    let weights = rows.weights().map(|weights| {
        with_weights!(weights, values => {
            Weight::weights(places.par_iter().map(|&entry| values[entry]).collect())
        })
    });
    Ok(EdgeColumns { source: source.concat(), target, weights })
}
