//! Communities and similarity, as they are offered by name.

use bowstring_graph::{
    Communities, Graph, GraphError, LabelPropagationOptions, LeidenOptions, LouvainOptions, Run,
    common_neighbors, jaccard, label_propagation, leiden, louvain,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    algorithm::{Algorithm, Arrays, Compute},
    ids::pairs,
    outcome::{Fact, Outcome, column},
};
use crate::{Error, Result};

pub(super) const ALGORITHMS: &[Algorithm] = &[
    Algorithm::of::<LabelPropagation>(),
    Algorithm::of::<Louvain>(),
    Algorithm::of::<Leiden>(),
    Algorithm::of::<Jaccard>(),
    Algorithm::of::<CommonNeighbors>(),
];

fn communities(found: Communities) -> Outcome {
    Outcome::of_nodes(vec![column::labels("community", found.labels)]).with(vec![
        ("communities", Fact::Count(found.count.into())),
        ("modularity", Fact::Number(found.modularity)),
        ("iterations", Fact::Count(found.iterations.into())),
        ("converged", Fact::Flag(found.converged)),
    ])
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LabelPropagation {
    /// Decides between equally frequent labels. Default 0.
    #[serde(default)]
    seed: u64,
    /// The most sweeps over the nodes. Default 100.
    #[schemars(range(min = 1))]
    max_iterations: Option<u32>,
}

impl Compute for LabelPropagation {
    const NAME: &'static str = "label_propagation";
    const DESCRIPTION: &'static str =
        "Label propagation: communities in which each node has the label of most of its neighbours.";
    const METHOD: &'static str =
        "Raghavan, Albert and Kumara 2007, in batches of nodes in an order that the seed gives.";
    const COST: &'static str = "About O(edges) time for the first sweep, less for each further one. 13 bytes for each node, 12 for \
        each node and thread, and the rows of incoming edges of a directed graph.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let defaults = LabelPropagationOptions::default();
        let options = LabelPropagationOptions {
            seed: self.seed,
            max_iterations: self.max_iterations.unwrap_or(defaults.max_iterations),
        };
        Ok(communities(label_propagation(graph, &options, run)?))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Louvain {
    /// Above 1 favours smaller communities, below 1 larger ones. Default 1.
    resolution: Option<f64>,
    /// Decides in which order nodes are looked at. Default 0.
    #[serde(default)]
    seed: u64,
    /// The most levels. Default 100.
    #[schemars(range(min = 1))]
    max_levels: Option<u32>,
    /// A sweep or a level that raises modularity by no more than this is the last. Default 1e-6.
    tolerance: Option<f64>,
}

impl Compute for Louvain {
    const NAME: &'static str = "louvain";
    const DESCRIPTION: &'static str = "Louvain: communities of high modularity.";
    const METHOD: &'static str = "Blondel, Guillaume, Lambiotte and Lefebvre 2008; in directed graphs for the modularity of Leicht and \
        Newman 2008.";
    const COST: &'static str = "About O(edges) time for a sweep, of which there are tens. 49 bytes for each node, 12 for each node \
        and thread, and at most 36 for each entry of the rows; 84 when the graph is directed.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let defaults = LouvainOptions::default();
        let options = LouvainOptions {
            resolution: self.resolution.unwrap_or(defaults.resolution),
            seed: self.seed,
            max_levels: self.max_levels.unwrap_or(defaults.max_levels),
            tolerance: self.tolerance.unwrap_or(defaults.tolerance),
        };
        Ok(communities(louvain(graph, &options, run)?))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Leiden {
    /// Above 1 favours smaller communities, below 1 larger ones. Default 1.
    resolution: Option<f64>,
    /// Decides in which order nodes are looked at. Default 0.
    #[serde(default)]
    seed: u64,
    /// The most levels. Default 100.
    #[schemars(range(min = 1))]
    max_levels: Option<u32>,
    /// How often the whole is done, each time from the result of the time before. Default 3.
    #[schemars(range(min = 1))]
    iterations: Option<u32>,
    /// A sweep or an iteration that raises modularity by no more than this is the last. Default 1e-6.
    tolerance: Option<f64>,
}

impl Compute for Leiden {
    const NAME: &'static str = "leiden";
    const DESCRIPTION: &'static str = "Leiden: communities of high modularity, each connected in itself.";
    const METHOD: &'static str =
        "Traag, Waltman and van Eck 2019; in directed graphs for the modularity of Leicht and Newman 2008.";
    const COST: &'static str = "About O(edges) time for a sweep, of which there are tens. 78 bytes for each node, 12 for each node \
        and thread, and at most 36 for each entry of the rows; 84 when the graph is directed.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let defaults = LeidenOptions::default();
        let options = LeidenOptions {
            resolution: self.resolution.unwrap_or(defaults.resolution),
            seed: self.seed,
            max_levels: self.max_levels.unwrap_or(defaults.max_levels),
            iterations: self.iterations.unwrap_or(defaults.iterations),
            tolerance: self.tolerance.unwrap_or(defaults.tolerance),
        };
        Ok(communities(leiden(graph, &options, run)?))
    }
}

/// The error with the names of the columns of pairs.
fn of_pairs(error: GraphError) -> Error {
    error.in_columns(&[("source", "left"), ("target", "right")]).into()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Jaccard {}

impl Compute for Jaccard {
    const NAME: &'static str = "jaccard";
    const DESCRIPTION: &'static str =
        "Jaccard similarity of pairs of nodes: the share of their neighbours that they have in common.";
    const METHOD: &'static str = "Jaccard 1901; rows are merged, or the longer searched for each neighbour in the shorter (Bentley and \
        Yao 1976).";
    const COST: &'static str = "O(shorter · log(longer / shorter)) to O(both) time for the two rows of a pair. 8 bytes for each pair \
        and 4 for each node.";
    const PAIRS: bool = true;

    fn compute(&self, graph: &Graph, arrays: &Arrays, run: &Run) -> Result<Outcome> {
        let (left, right) = pairs(arrays, graph, run)?;
        let values = jaccard(graph, &left, &right, run).map_err(of_pairs)?;
        Ok(Outcome::listed(vec![
            column::node_list("left", left),
            column::node_list("right", right),
            column::floats("jaccard", values),
        ]))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CommonNeighbors {}

impl Compute for CommonNeighbors {
    const NAME: &'static str = "common_neighbors";
    const DESCRIPTION: &'static str = "The number of neighbours that the nodes of each pair have in common.";
    const METHOD: &'static str =
        "Rows are merged, or the longer searched for each neighbour in the shorter (Bentley and Yao 1976).";
    const COST: &'static str = "O(shorter · log(longer / shorter)) to O(both) time for the two rows of a pair. 4 bytes for each \
        pair.";
    const PAIRS: bool = true;

    fn compute(&self, graph: &Graph, arrays: &Arrays, run: &Run) -> Result<Outcome> {
        let (left, right) = pairs(arrays, graph, run)?;
        let values = common_neighbors(graph, &left, &right, run).map_err(of_pairs)?;
        Ok(Outcome::listed(vec![
            column::node_list("left", left),
            column::node_list("right", right),
            column::counts("common_neighbors", values),
        ]))
    }
}
