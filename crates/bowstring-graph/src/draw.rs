//! What does a part of a graph look like?
//!
//! A picture of some nodes and the edges between them, as SVG text. Nodes find their places by a
//! simulation of forces (velocity Verlet with Barnes and Hut's approximation, as in Bostock's d3-force;
//! the `fjadra` crate): edges pull, nodes push. The same input gives the same text.
//!
//! O((nodes · log nodes + edges) · 300) time on one thread, at most a second or so. At most 500 nodes and
//! 5,000 edges.

mod labels;
mod layout;
mod svg;

use std::collections::HashMap;

use crate::{Graph, GraphError, NodeId, Result, Run};

/// Most nodes of a picture.
const MOST_NODES: usize = 500;

/// Most edges of a picture.
const MOST_EDGES: usize = 5_000;

/// Bytes that a picture takes at most, with its text.
const BYTES: usize = 8 << 20;

/// What a picture shows. All of the graph without further ado by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct DrawOptions<'a> {
    /// The nodes to draw, such as those within some hops of one or the [`top_ranked`]; the whole graph
    /// when `None`. A node named twice is drawn once.
    pub nodes: Option<&'a [NodeId]>,
    /// What is written beside each of them, in the order of `nodes`; their numbers when `None`. What is
    /// too long is cut, what has no room is left out; the tooltip has all of it.
    pub labels: Option<&'a [String]>,
    /// A score for each node of the graph. The larger it is, the larger the node's circle and the sooner
    /// its label gets room.
    pub scores: Option<&'a [f64]>,
    /// A group for each node of the graph, such as its component or community. The ten groups with the
    /// most nodes in the picture get a colour each; the others are grey.
    pub groups: Option<&'a [u32]>,
    /// Nodes with a ring, such as those that the picture is about.
    pub marked: &'a [NodeId],
    /// What is written above the picture.
    pub title: Option<&'a str>,
}

/// A node of a picture.
struct Spot {
    node: NodeId,
    label: String,
    score: Option<f64>,
    group: Option<u32>,
    marked: bool,
    /// Where it is, with half the width of its circle, in pixels.
    x: f64,
    y: f64,
    radius: f64,
}

/// Draws nodes and the edges between them, parallel ones once, with arrows when the graph is directed.
/// Gives SVG text.
///
/// # Errors
/// [`GraphError::TooManyToDraw`] for more than 500 nodes, or 5,000 edges between them;
/// [`GraphError::UnknownNode`]; [`GraphError::Option`] when `labels`, `scores` or `groups` do not have
/// one value for each, or a score is not finite.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use bowstring_graph::{BuildOptions, DrawOptions, Edges, Graph, Run, draw};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0, 1]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
/// let labels = ["bash", "libc6", "libgcc-s1"].map(String::from);
/// let options = DrawOptions { labels: Some(&labels), title: Some("bash"), ..DrawOptions::default() };
/// let picture = draw(&graph, &options, &Run::default())?;
/// assert!(picture.starts_with("<svg") && picture.contains(">libgcc-s1</text>"));
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn draw(graph: &Graph, options: &DrawOptions<'_>, run: &Run) -> Result<String> {
    let mut spots = spots(graph, options)?;
    let places: HashMap<NodeId, usize> =
        spots.iter().enumerate().map(|(place, spot)| (spot.node, place)).collect();
    let edges = edges(graph, &spots, &places)?;
    run.kernel("drawing", BYTES, || {
        layout::arrange(&mut spots, &edges, run)?;
        Ok(svg::picture(&spots, &edges, graph.is_directed(), options.title))
    })
}

/// The nodes with the `count` largest scores, largest first, the smaller of equals first. A score that
/// is not a number comes last.
///
/// ```
/// assert_eq!(bowstring_graph::top_ranked(&[0.1, 0.4, 0.4, 0.1], 3), [1, 2, 0]);
/// ```
pub fn top_ranked(scores: &[f64], count: usize) -> Vec<NodeId> {
    let value = |node: NodeId| {
        let score = scores[node as usize];
        if score.is_nan() { f64::NEG_INFINITY } else { score }
    };
    let mut nodes: Vec<NodeId> = (0..scores.len() as u32).collect();
    nodes.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
    nodes.truncate(count);
    nodes
}

/// The nodes of the picture, without places.
fn spots(graph: &Graph, options: &DrawOptions<'_>) -> Result<Vec<Spot>> {
    let all: Vec<NodeId>;
    let nodes = match options.nodes {
        Some(nodes) => nodes,
        None => {
            few("nodes", graph.num_nodes(), MOST_NODES)?;
            all = (0..graph.num_nodes() as u32).collect();
            &all
        }
    };
    for &node in nodes.iter().chain(options.marked) {
        graph.check_node(node)?;
    }
    let check = |option: &'static str, found: Option<usize>, expected: usize, rule: &'static str| match found
    {
        Some(found) if found != expected => {
            Err(GraphError::Option { option, value: format!("{found} long"), expected: rule })
        }
        _ => Ok(()),
    };
    check("labels", options.labels.map(<[_]>::len), nodes.len(), "as long as the nodes to draw are many")?;
    let rule = "as long as the graph has nodes";
    check("scores", options.scores.map(<[_]>::len), graph.num_nodes(), rule)?;
    check("groups", options.groups.map(<[_]>::len), graph.num_nodes(), rule)?;
    let mut seen = HashMap::new();
    let mut spots = Vec::new();
    for (place, &node) in nodes.iter().enumerate() {
        if seen.insert(node, ()).is_some() {
            continue;
        }
        let score = options.scores.map(|scores| scores[node as usize]);
        if let Some(score) = score
            && !score.is_finite()
        {
            let value = format!("{score} at node {node}");
            return Err(GraphError::Option { option: "scores", value, expected: "finite" });
        }
        let label = options.labels.map_or_else(|| node.to_string(), |labels| labels[place].clone());
        let group = options.groups.map(|groups| groups[node as usize]);
        let marked = options.marked.contains(&node);
        spots.push(Spot { node, label, score, group, marked, x: 0.0, y: 0.0, radius: 0.0 });
    }
    few("nodes", spots.len(), MOST_NODES)?;
    Ok(spots)
}

/// The edges between the nodes of the picture, each pair of ends once, as places in `spots`.
fn edges(graph: &Graph, spots: &[Spot], places: &HashMap<NodeId, usize>) -> Result<Vec<(usize, usize)>> {
    let mut edges = Vec::new();
    for (from, spot) in spots.iter().enumerate() {
        let begin = edges.len();
        let others = graph.csr().neighbors(spot.node).iter().filter_map(|other| places.get(other));
        edges.extend(others.filter(|&&to| graph.is_directed() || from <= to).map(|&to| (from, to)));
        edges[begin..].sort_unstable();
        edges.dedup();
    }
    few("edges", edges.len(), MOST_EDGES)?;
    Ok(edges)
}

fn few(what: &'static str, found: usize, most: usize) -> Result<()> {
    if found > most { Err(GraphError::TooManyToDraw { what, found, most }) } else { Ok(()) }
}
