//! Graphs written as data, and random ones with loops, parallel edges, isolated nodes and parts that are
//! not connected.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, UInt32Array};
use bowstring_core::{Diagnostic, render};
use bowstring_graph::{BuildOptions, Direction, Edges, Graph, GraphError, Run};
use proptest::prelude::*;

/// An edge list with its nodes, before it is a graph.
#[derive(Clone, Debug)]
pub(crate) struct EdgeList {
    /// How many nodes there are.
    pub(crate) nodes: u32,
    /// Where each edge begins and ends.
    pub(crate) edges: Vec<(u32, u32)>,
    /// The weight of each edge: a whole number of at least 1.
    pub(crate) weights: Vec<i64>,
}

/// Edge lists of 1 to `nodes` nodes.
pub(crate) fn edge_lists(nodes: u32) -> impl Strategy<Value = EdgeList> {
    (1..=nodes).prop_flat_map(move |nodes| {
        let edges = prop::collection::vec(((0..nodes, 0..nodes), 1..20_i64), 0..(3 * nodes as usize + 2));
        edges.prop_map(move |rows| {
            let (edges, weights) = rows.into_iter().unzip();
            EdgeList { nodes, edges, weights }
        })
    })
}

/// The options for so many nodes.
pub(crate) fn options(nodes: u32, directed: bool) -> BuildOptions {
    BuildOptions { num_nodes: Some(nodes.into()), directed, ..BuildOptions::default() }
}

fn ends(edges: &[(u32, u32)]) -> (ArrayRef, ArrayRef) {
    let source = UInt32Array::from_iter_values(edges.iter().map(|edge| edge.0));
    let target = UInt32Array::from_iter_values(edges.iter().map(|edge| edge.1));
    (Arc::new(source), Arc::new(target))
}

/// A graph without weights.
pub(crate) fn graph(nodes: u32, edges: &[(u32, u32)], directed: bool) -> Graph {
    let (source, target) = ends(edges);
    let edges = Edges { source: &[source], target: &[target], weight: None };
    Graph::from_edges(&edges, &options(nodes, directed), &Run::default()).unwrap()
}

/// A graph with integers as weights.
pub(crate) fn weighted(nodes: u32, edges: &[(u32, u32)], weights: &[i64], directed: bool) -> Graph {
    let (source, target) = ends(edges);
    let weight: ArrayRef = Arc::new(Int64Array::from(weights.to_vec()));
    let edges = Edges { source: &[source], target: &[target], weight: Some(&[weight]) };
    Graph::from_edges(&edges, &options(nodes, directed), &Run::default()).unwrap()
}

impl EdgeList {
    /// As a graph with its weights.
    pub(crate) fn weighted(&self, directed: bool) -> Graph {
        weighted(self.nodes, &self.edges, &self.weights, directed)
    }

    /// The neighbours of each node, ascending, one entry for each edge, a loop once.
    pub(crate) fn neighbors(&self, directed: bool) -> Vec<Vec<u32>> {
        let mut rows = vec![Vec::new(); self.nodes as usize];
        for &(from, to) in &self.edges {
            rows[from as usize].push(to);
            if !directed && from != to {
                rows[to as usize].push(from);
            }
        }
        rows.iter_mut().for_each(|row| row.sort_unstable());
        rows
    }
}

/// A run with this many threads.
pub(crate) fn threads(count: usize) -> Run {
    Run::default().with_threads(count).unwrap()
}

/// The message of an error, as a person sees it.
pub(crate) fn message<T: std::fmt::Debug>(result: Result<T, GraphError>) -> String {
    let error = result.unwrap_err();
    let kind = error.kind();
    format!("{kind}: {}", render(&error))
}

/// The neighbours of each node when edges are followed in `direction`, ascending.
pub(crate) fn followed(list: &EdgeList, directed: bool, direction: Direction) -> Vec<Vec<u32>> {
    let rows = list.neighbors(directed);
    match direction {
        _ if !directed => rows,
        Direction::Out => rows,
        Direction::In => reversed(&rows),
        Direction::Both => {
            let mut rows: Vec<Vec<u32>> =
                rows.iter().zip(reversed(&rows)).map(|(out, into)| [out.clone(), into].concat()).collect();
            rows.iter_mut().for_each(|row| row.sort_unstable());
            rows
        }
    }
}

/// The same edges by their ends.
pub(crate) fn reversed(rows: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut into = vec![Vec::new(); rows.len()];
    for (from, row) in rows.iter().enumerate() {
        row.iter().for_each(|&to| into[to as usize].push(from as u32));
    }
    into
}

/// Many edges, of which the nodes with small numbers have most, and some nodes have none.
pub(crate) fn large() -> EdgeList {
    let nodes = 6000_u32;
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut edges = vec![];
    let mut weights = vec![];
    for _ in 0..150_000 {
        let (a, b) = (random() % 5500, random() % 5500);
        edges.push(((a * b / 5500) as u32, (random() % u64::from(nodes - 300)) as u32));
        weights.push((random() % 200) as i64 + 1);
    }
    EdgeList { nodes, edges, weights }
}

/// A random graph of so many nodes and edges with weights, a third of the edges at few of the nodes.
pub(crate) fn many_edges(nodes: u32, edges: usize, directed: bool) -> Graph {
    let mut state = 1_u64;
    let mut next = |bound: u32| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 33) % u64::from(bound)) as u32
    };
    let ends: Vec<(u32, u32)> = (0..edges)
        .map(|edge| (if edge % 3 == 0 { next(nodes.min(7)) } else { next(nodes) }, next(nodes)))
        .collect();
    let weights: Vec<i64> = (0..edges).map(|_| i64::from(next(100)) + 1).collect();
    weighted(nodes, &ends, &weights, directed)
}
