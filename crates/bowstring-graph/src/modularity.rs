//! Modularity: how much more weight lies within communities than chance would put there?
//!
//! As networkx defines it: the sum over communities of `L / m − γ · (k / 2m)²` (Newman and Girvan 2004)
//! in undirected graphs, with L the weight within, k the sum of the weighted degrees (a loop counting
//! twice there and once in L) and m the weight of all edges; and of `L / m − γ · out · in / m²` (Leicht
//! and Newman 2008) in directed ones. γ is the resolution (Reichardt and Bornholdt 2006). From −½ to 1 at
//! resolution 1. Weights count where the graph has any, else each edge counts 1.
//!
//! O(nodes + edges) time; 24 bytes for each node. Sums are formed in a fixed order.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::{
    Graph, GraphError, Result, Run,
    communities::{check_resolution, check_weights},
    level::{degrees, row, row_sums, total, with_values},
};

const KERNEL: &str = "modularity";

/// Nodes that one task sums up.
const BLOCK: usize = 1 << 12;

/// The modularity of a division of the nodes; any equal numbers in `labels` stand for one community.
/// 0 when the graph has no weight.
///
/// # Errors
/// [`GraphError::Option`] when there is not one label for each node, or `resolution` is below 0 or not
/// finite; [`GraphError::NegativeWeight`]; [`GraphError::WeightSum`].
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph, Run, modularity};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 2]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 3]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// # let options = BuildOptions { directed: false, ..BuildOptions::default() };
/// // Two pairs of nodes, linked within each.
/// let graph = Graph::from_edges(&edges, &options, &Run::default())?;
/// assert_eq!(modularity(&graph, &[0, 0, 1, 1], 1.0, &Run::default())?, 0.5);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn modularity(graph: &Graph, labels: &[u32], resolution: f64, run: &Run) -> Result<f64> {
    let nodes = graph.num_nodes();
    if labels.len() != nodes {
        let value = format!("{} long", labels.len());
        let expected = "as long as the graph has nodes";
        return Err(GraphError::Option { option: "labels", value, expected });
    }
    check_resolution(resolution)?;
    check_weights(KERNEL, graph, run)?;
    if graph.is_directed() {
        graph.csc(run)?;
    }
    run.kernel(KERNEL, nodes * 24, || {
        let mut numbers = HashMap::new();
        let dense: Vec<u32> = labels
            .iter()
            .map(|label| {
                let next = numbers.len() as u32;
                *numbers.entry(*label).or_insert(next)
            })
            .collect();
        of_dense(KERNEL, graph, &dense, numbers.len(), resolution, run)
    })
}

/// The modularity of labels below `count`.
pub(crate) fn of_dense(
    kernel: &'static str,
    graph: &Graph,
    labels: &[u32],
    count: usize,
    resolution: f64,
    run: &Run,
) -> Result<f64> {
    let rows = graph.csr();
    let (out, into) = if graph.is_directed() {
        (row_sums(rows), Some(row_sums(graph.csc(run)?)))
    } else {
        (degrees(rows), None)
    };
    let total = total(kernel, out.iter().copied())?;
    if total == 0.0 {
        return Ok(0.0);
    }
    let loops = if graph.is_directed() { 1.0 } else { 2.0 };
    let blocks: Vec<usize> = (0..rows.num_nodes()).step_by(BLOCK).collect();
    let within: Vec<f64> = with_values!(rows, values => blocks.into_par_iter().map(|start| {
        run.check()?;
        let mut within = 0.0;
        for node in start..rows.num_nodes().min(start + BLOCK) {
            for (other, weight) in row(rows, values, node as u32) {
                if other as usize == node {
                    within += loops * weight;
                } else if labels[other as usize] == labels[node] {
                    within += weight;
                }
            }
        }
        Ok(within)
    }).collect::<Result<_>>())?;
    let out = by_label(labels, &out, count);
    let into = into.map(|into| by_label(labels, &into, count));
    // Divided before they are multiplied, so that large weights do not overflow.
    let expected =
        out.iter().zip(into.as_ref().unwrap_or(&out)).map(|(out, into)| (out / total) * (into / total));
    Ok(within.iter().sum::<f64>() / total - resolution * expected.sum::<f64>())
}

fn by_label(labels: &[u32], values: &[f64], count: usize) -> Vec<f64> {
    let mut sums = vec![0.0; count];
    for (&label, value) in labels.iter().zip(values) {
        sums[label as usize] += value;
    }
    sums
}
