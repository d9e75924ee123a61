//! Which part of a graph is drawn, and into which file?

use std::path::Path;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use bowstring_graph::{Direction, DrawOptions, Graph, PageRankOptions, Run, draw, pagerank, top_ranked};
use bowstring_io::{IoError, WriteMode, write_file};

use crate::{Error, Result};

/// The part of a graph that is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The nodes within so many hops of some nodes, which get a ring.
    Around(Vec<u32>, u32, Direction),
    /// The nodes with the greatest scores.
    Top(usize),
}

/// A picture of a part of a graph.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Which nodes are drawn.
    pub part: Part,
    /// A score for each node of the graph, by which nodes differ in size; their PageRank when `None`.
    pub scores: Option<Vec<f64>>,
    /// A group for each node of the graph, by which nodes differ in colour.
    pub groups: Option<Vec<u32>>,
    /// What is written above.
    pub title: Option<String>,
}

impl Picture {
    /// Draws it into an SVG file, which appears as a whole or not at all. Nodes are labelled with their
    /// ids.
    ///
    /// # Errors
    /// When there are more than 500 nodes or 5,000 edges to draw, when a node is not in the graph, or when
    /// the file cannot be written.
    pub fn write(&self, graph: &Graph, path: &Path, run: &Run) -> Result<()> {
        let ranked: Vec<f64>;
        let scores = match &self.scores {
            Some(scores) => scores,
            None => {
                ranked = pagerank(graph, &PageRankOptions::default(), run)?.scores;
                &ranked
            }
        };
        let (nodes, marked) = match &self.part {
            Part::Whole => ((0..graph.num_nodes() as u32).collect(), [].as_slice()),
            Part::Around(nodes, hops, direction) => {
                (graph.k_hop(nodes, *hops, *direction, run)?, nodes.as_slice())
            }
            Part::Top(count) => (top_ranked(scores, *count), [].as_slice()),
        };
        let labels = labels(graph, &nodes)?;
        let options = DrawOptions {
            nodes: Some(&nodes),
            labels: Some(&labels),
            scores: Some(scores),
            groups: self.groups.as_deref(),
            marked,
            title: self.title.as_deref(),
        };
        let svg = draw(graph, &options, run)?;
        write_file(path, WriteMode::Overwrite, |out| {
            let written = out.write_all(svg.as_bytes());
            let failed = |source| IoError::System { action: "write", path: path.to_owned(), source };
            Ok(written.map_err(failed)?)
        })
    }
}

/// The ids of nodes as text.
fn labels(graph: &Graph, nodes: &[u32]) -> Result<Vec<String>> {
    let Some(ids) = graph.nodes() else {
        return Ok(nodes.iter().map(ToString::to_string).collect());
    };
    let options = FormatOptions::new();
    let shown = ArrayFormatter::try_new(ids.ids(), &options).map_err(Error::table)?;
    nodes.iter().map(|&node| shown.value(node as usize).try_to_string().map_err(Error::table)).collect()
}
