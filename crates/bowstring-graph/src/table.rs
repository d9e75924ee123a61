//! How does an edge table with ids of any kind become a graph?

use std::{slice::from_ref, sync::Arc};

use arrow::array::{ArrayRef, UInt32Array};

use crate::{BuildOptions, Edges, Graph, GraphError, NodeMap, Result, Run};

/// The columns of an edge table whose nodes have ids of any kind: chunks of integers, of text or of
/// dictionaries of those. The columns may differ in width (int32 and int64) or layout (string, large
/// string, string view, dictionary), but not be text here and numbers there.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableEdges<'a> {
    /// Where each edge begins.
    pub source: &'a [ArrayRef],
    /// Where each edge ends.
    pub target: &'a [ArrayRef],
    /// The weight of each edge: any type of numbers.
    pub weight: Option<&'a [ArrayRef]>,
    /// The ids of all nodes, each once: they fix the order of the nodes, and there may be some without
    /// edges. When `None`, nodes are the ids of the edges in the order in which they first appear, row
    /// by row, the source before the target.
    pub nodes: Option<&'a [ArrayRef]>,
}

impl Graph {
    /// Builds a graph from a table of edges between ids of any kind; [`Self::nodes`] are these ids.
    /// Numbering them takes 25 bytes for each id in the table until the graph is built.
    ///
    /// # Errors
    /// What [`Self::from_edges`] says of weights and memory; [`GraphError::NullInEdge`],
    /// [`GraphError::ColumnType`], [`GraphError::LengthMismatch`]; [`GraphError::DuplicateId`] and
    /// [`GraphError::IdNotInNodes`] when `nodes` are given; [`GraphError::Option`] when `num_nodes` is.
    pub fn from_table(edges: &TableEdges<'_>, options: &BuildOptions, run: &Run) -> Result<Self> {
        if let Some(nodes) = options.num_nodes {
            return Err(GraphError::Option {
                option: "num_nodes",
                value: nodes.to_string(),
                expected: "left out: the nodes are the ids of the table",
            });
        }
        let (nodes, source, target) = NodeMap::of_edges(edges.nodes, edges.source, edges.target, run)?;
        let source: ArrayRef = Arc::new(UInt32Array::from(source));
        let target: ArrayRef = Arc::new(UInt32Array::from(target));
        let dense = Edges { source: from_ref(&source), target: from_ref(&target), weight: edges.weight };
        let options = BuildOptions { num_nodes: Some(nodes.len() as u64), ..*options };
        Ok(Self::from_edges(&dense, &options, run)?.named(nodes))
    }

    /// The same with these ids of its nodes, of any kind that [`TableEdges`] may have.
    ///
    /// # Errors
    /// [`GraphError::NodeCount`] when they are not as many as there are nodes;
    /// [`GraphError::DuplicateId`], [`GraphError::NullInEdge`], [`GraphError::ColumnType`].
    pub fn with_nodes(self, ids: &[ArrayRef], run: &Run) -> Result<Self> {
        let found = ids.iter().map(|chunk| chunk.len()).sum();
        if found != self.num_nodes() {
            return Err(GraphError::NodeCount { found, nodes: self.num_nodes() });
        }
        let nodes = NodeMap::of_ids(ids, run)?;
        Ok(self.named(nodes))
    }
}
