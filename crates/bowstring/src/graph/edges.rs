//! How does an edge table become a graph?

use arrow::{
    array::{Array, ArrayRef, new_empty_array},
    compute::concat,
};
use bowstring_graph::{BuildOptions, Graph, ParallelEdges, Run, SelfLoops, TableEdges};
use bowstring_query::{Frame, Table};
use schemars::JsonSchema;
use serde::Deserialize;

use super::algorithm::Arrays;
use crate::{Error, Result, relation::quoted};

/// Which columns of a table are edges, and what becomes of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EdgeOptions {
    /// The column of the nodes at which edges begin: integers or text.
    pub source: String,
    /// The column of the nodes at which they end, of the same kind.
    pub target: String,
    /// The column of their weights; none when absent.
    pub weight: Option<String>,
    /// Whether edges have a direction. Default true.
    pub directed: Option<bool>,
    /// What becomes of edges with the same ends: they stay (`keep`, the default), or become one with the
    /// `first`, `sum`, `min` or `max` of the weights.
    #[serde(default)]
    pub parallel_edges: ParallelEdgesName,
    /// What becomes of edges from a node to itself: `keep` (the default) or `drop`.
    #[serde(default)]
    pub self_loops: SelfLoopsName,
}

/// The keys of [`EdgeOptions`].
pub const GRAPH_KEYS: [&str; 6] = ["source", "target", "weight", "directed", "parallel_edges", "self_loops"];

/// What becomes of edges with the same ends.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ParallelEdgesName {
    /// They stay.
    #[default]
    Keep,
    /// One with the first weight.
    First,
    /// One with the sum of the weights.
    Sum,
    /// One with the least weight.
    Min,
    /// One with the greatest weight.
    Max,
}

/// What becomes of edges from a node to itself.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SelfLoopsName {
    /// They stay.
    #[default]
    Keep,
    /// They are left out.
    Drop,
}

impl EdgeOptions {
    /// How the graph is built.
    pub fn build(&self) -> BuildOptions {
        BuildOptions {
            directed: self.directed.unwrap_or(true),
            parallel_edges: match self.parallel_edges {
                ParallelEdgesName::Keep => ParallelEdges::Keep,
                ParallelEdgesName::First => ParallelEdges::First,
                ParallelEdgesName::Sum => ParallelEdges::Sum,
                ParallelEdgesName::Min => ParallelEdges::Min,
                ParallelEdgesName::Max => ParallelEdges::Max,
            },
            self_loops: match self.self_loops {
                SelfLoopsName::Keep => SelfLoops::Keep,
                SelfLoopsName::Drop => SelfLoops::Drop,
            },
            ..BuildOptions::default()
        }
    }

    /// Reads the columns of the edges, and no others, and builds the graph.
    ///
    /// # Errors
    /// When a column is not there or cannot be read, or its values make no graph.
    pub fn graph(&self, edges: &Frame, run: &Run) -> Result<Graph> {
        let mut names = vec![&self.source, &self.target];
        names.extend(&self.weight);
        // One column may stand for two.
        let mut wanted: Vec<String> = names.into_iter().map(|name| quoted(name)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let table = edges.select(&wanted)?.collect(&run.cancel)?.table;
        let (source, target) = (column(&table, &self.source)?, column(&table, &self.target)?);
        let weight = self.weight.as_deref().map(|name| column(&table, name)).transpose()?;
        let edges = TableEdges { source: &source, target: &target, weight: weight.as_deref(), nodes: None };
        let names = [
            ("source", self.source.as_str()),
            ("target", self.target.as_str()),
            ("weight", self.weight.as_deref().unwrap_or("weight")),
        ];
        let graph = Graph::from_table(&edges, &self.build(), run);
        graph.map_err(|error| error.in_columns(&names).into())
    }
}

/// The columns `left` and `right` of a table, the nodes of pairs.
///
/// # Errors
/// When a column is not there or cannot be read.
pub fn read_pairs(table: &Frame, run: &Run) -> Result<Arrays> {
    let names = ["left", "right"];
    let table = table.select(&names.map(String::from))?.collect(&run.cancel)?.table;
    let mut arrays = Arrays::new();
    for name in names {
        let chunks = column(&table, name)?;
        let chunks: Vec<&dyn Array> = chunks.iter().map(AsRef::as_ref).collect();
        let joined = match chunks.as_slice() {
            [] => new_empty_array(table.schema().field_with_name(name).map_err(Error::table)?.data_type()),
            several => concat(several).map_err(Error::table)?,
        };
        arrays.insert(name, joined);
    }
    Ok(arrays)
}

/// The chunks of a column.
fn column(table: &Table, name: &str) -> Result<Vec<ArrayRef>> {
    let index = table.schema().index_of(name).map_err(Error::table)?;
    Ok(table.batches().iter().map(|batch| ArrayRef::clone(batch.column(index))).collect())
}
