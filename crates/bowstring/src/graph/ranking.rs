//! Ranking and centrality, as they are offered by name.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use bowstring_graph::{
    BetweennessOptions, ClosenessOptions, Direction, EigenvectorOptions, Graph, GraphError, HarmonicOptions,
    HitsOptions, KatzOptions, PageRankOptions, Run, betweenness, closeness, degree_centrality, eigenvector,
    harmonic, hits, katz, pagerank,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    algorithm::{Algorithm, Arrays, Compute},
    ids::{DirectionName, NodeId, NodeIds},
    outcome::{Fact, Outcome, column},
};
use crate::{Error, Result};

pub(super) const ALGORITHMS: &[Algorithm] = &[
    Algorithm::of::<PageRank>(),
    Algorithm::of::<Hits>(),
    Algorithm::of::<Eigenvector>(),
    Algorithm::of::<Katz>(),
    Algorithm::of::<Betweenness>(),
    Algorithm::of::<Closeness>(),
    Algorithm::of::<Harmonic>(),
    Algorithm::of::<Degree>(),
    Algorithm::of::<DegreeCentrality>(),
];

/// What is said of an iteration.
fn facts(
    name: &'static str,
    iterations: u32,
    residual: f64,
    converged: bool,
    required: bool,
) -> Result<Vec<(&'static str, Fact)>> {
    if required && !converged {
        return Err(GraphError::NotConverged { kernel: name, iterations, residual }.into());
    }
    Ok(vec![
        ("iterations", Fact::Count(iterations.into())),
        ("residual", Fact::Number(residual)),
        ("converged", Fact::Flag(converged)),
    ])
}

/// The values of an array as floats; the algorithm checks that there is one for each node.
fn floats(arrays: &Arrays, name: &'static str) -> Result<Option<Vec<f64>>> {
    let Some(array) = arrays.get(name) else { return Ok(None) };
    let floats = arrow::compute::cast(array, &DataType::Float64).map_err(Error::table)?;
    if floats.null_count() > 0 {
        let expected = "a number for each node, and no null";
        return Err(GraphError::Option { option: name, value: "null".into(), expected }.into());
    }
    Ok(Some(floats.as_primitive::<Float64Type>().values().to_vec()))
}

/// Id to weight.
type Weights = BTreeMap<String, f64>;

/// One value for each node, 0 for those that are not named.
fn by_id(weights: &Weights, graph: &Graph) -> Result<Vec<f64>> {
    let mut values = vec![0.0; graph.num_nodes()];
    for (id, weight) in weights {
        values[NodeId::Text(id.clone()).number(graph)? as usize] = *weight;
    }
    Ok(values)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PageRank {
    /// The probability to follow an edge and not to jump, above 0 and below 1. Default 0.85.
    damping: Option<f64>,
    /// It has converged when the scores change by less than this in all. Default 1e-6.
    tolerance: Option<f64>,
    /// Default 100.
    #[schemars(range(min = 1))]
    max_iterations: Option<u32>,
    /// Whether edges count by their weight. Default false.
    #[serde(default)]
    weighted: bool,
    /// Node to the weight with which jumps lead there; all nodes alike when absent.
    personalization: Option<Weights>,
    /// Whether it is an error not to converge. Default false.
    #[serde(default)]
    require_convergence: bool,
}

impl Compute for PageRank {
    const NAME: &'static str = "pagerank";
    const DESCRIPTION: &'static str = "PageRank: how much does the link structure favour each node?";
    const ARRAYS: &'static [&'static str] = &["personalization", "dangling", "start"];

    fn compute(&self, graph: &Graph, arrays: &Arrays, run: &Run) -> Result<Outcome> {
        let defaults = PageRankOptions::default();
        let options = PageRankOptions {
            damping: self.damping.unwrap_or(defaults.damping),
            tolerance: self.tolerance.unwrap_or(defaults.tolerance),
            max_iterations: self.max_iterations.unwrap_or(defaults.max_iterations),
            weighted: self.weighted,
            personalization: match &self.personalization {
                Some(weights) => Some(by_id(weights, graph)?),
                None => floats(arrays, "personalization")?,
            },
            dangling: floats(arrays, "dangling")?,
            start: floats(arrays, "start")?,
        };
        let found = pagerank(graph, &options, run)?;
        let facts =
            facts(Self::NAME, found.iterations, found.residual, found.converged, self.require_convergence)?;
        Ok(Outcome::of_nodes(vec![column::floats("score", found.scores)]).with(facts))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hits {
    /// It has converged when the scores change by less than this in all. Default 1e-8.
    tolerance: Option<f64>,
    /// Default 100.
    #[schemars(range(min = 1))]
    max_iterations: Option<u32>,
    /// Whether edges count by their weight. Default false.
    #[serde(default)]
    weighted: bool,
    /// Whether it is an error not to converge. Default false.
    #[serde(default)]
    require_convergence: bool,
}

impl Compute for Hits {
    const NAME: &'static str = "hits";
    const DESCRIPTION: &'static str = "HITS: which nodes are hubs, and which authorities?";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let defaults = HitsOptions::default();
        let options = HitsOptions {
            tolerance: self.tolerance.unwrap_or(defaults.tolerance),
            max_iterations: self.max_iterations.unwrap_or(defaults.max_iterations),
            weighted: self.weighted,
        };
        let found = hits(graph, &options, run)?;
        let facts =
            facts(Self::NAME, found.iterations, found.residual, found.converged, self.require_convergence)?;
        let columns = vec![column::floats("hub", found.hubs), column::floats("authority", found.authorities)];
        Ok(Outcome::of_nodes(columns).with(facts))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Eigenvector {
    /// It has converged when the scores change by less than this for each node on average. Default 1e-6.
    tolerance: Option<f64>,
    /// Default 100.
    #[schemars(range(min = 1))]
    max_iterations: Option<u32>,
    /// Whether edges count by their weight. Default false.
    #[serde(default)]
    weighted: bool,
    /// Whether it is an error not to converge. Default false.
    #[serde(default)]
    require_convergence: bool,
}

impl Compute for Eigenvector {
    const NAME: &'static str = "eigenvector";
    const DESCRIPTION: &'static str =
        "Eigenvector centrality: a node scores by the scores of those that point at it.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let defaults = EigenvectorOptions::default();
        let options = EigenvectorOptions {
            tolerance: self.tolerance.unwrap_or(defaults.tolerance),
            max_iterations: self.max_iterations.unwrap_or(defaults.max_iterations),
            weighted: self.weighted,
        };
        let found = eigenvector(graph, &options, run)?;
        let facts =
            facts(Self::NAME, found.iterations, found.residual, found.converged, self.require_convergence)?;
        Ok(Outcome::of_nodes(vec![column::floats("score", found.scores)]).with(facts))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Katz {
    /// How much a walk loses with each edge. Default 0.1.
    alpha: Option<f64>,
    /// What each node has of its own. Default 1.
    beta: Option<f64>,
    /// It has converged when the scores change by less than this for each node on average. Default 1e-6.
    tolerance: Option<f64>,
    /// Default 1000.
    #[schemars(range(min = 1))]
    max_iterations: Option<u32>,
    /// Whether scores are divided by their Euclidean length. Default true.
    normalized: Option<bool>,
    /// Whether edges count by their weight. Default false.
    #[serde(default)]
    weighted: bool,
    /// Whether it is an error not to converge. Default false.
    #[serde(default)]
    require_convergence: bool,
}

impl Compute for Katz {
    const NAME: &'static str = "katz";
    const DESCRIPTION: &'static str =
        "Katz centrality: how many walks end at each node, longer ones counting less?";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let defaults = KatzOptions::default();
        let options = KatzOptions {
            alpha: self.alpha.unwrap_or(defaults.alpha),
            beta: self.beta.unwrap_or(defaults.beta),
            normalized: self.normalized.unwrap_or(defaults.normalized),
            tolerance: self.tolerance.unwrap_or(defaults.tolerance),
            max_iterations: self.max_iterations.unwrap_or(defaults.max_iterations),
            weighted: self.weighted,
        };
        let found = katz(graph, &options, run)?;
        let facts =
            facts(Self::NAME, found.iterations, found.residual, found.converged, self.require_convergence)?;
        Ok(Outcome::of_nodes(vec![column::floats("score", found.scores)]).with(facts))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Betweenness {
    /// How many nodes are drawn, from which paths are counted; all when absent, which is exact.
    #[schemars(range(min = 1))]
    samples: Option<usize>,
    /// Decides which are drawn. Default 0.
    #[serde(default)]
    seed: u64,
    /// The nodes from which paths are counted, in place of drawn ones.
    sources: Option<NodeIds>,
    /// Whether scores are divided by the number of pairs. Default true.
    normalized: Option<bool>,
    /// Whether paths are shortest by weight. Default false.
    #[serde(default)]
    weighted: bool,
    /// Whether the ends of a path count. Default false.
    #[serde(default)]
    endpoints: bool,
}

impl Compute for Betweenness {
    const NAME: &'static str = "betweenness";
    const DESCRIPTION: &'static str =
        "Betweenness: on which share of the shortest paths of others does each node lie?";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let sources = self.sources.as_ref().map(|ids| ids.numbers(graph)).transpose()?;
        let options = BetweennessOptions {
            samples: self.samples,
            seed: self.seed,
            sources,
            normalized: self.normalized.unwrap_or(true),
            weighted: self.weighted,
            endpoints: self.endpoints,
        };
        Ok(Outcome::of_nodes(vec![column::floats("score", betweenness(graph, &options, run)?)]))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Closeness {
    /// Whether scores are scaled by the share of nodes that reach the node (Wasserman and Faust). Default
    /// true.
    wf_improved: Option<bool>,
    /// Whether paths are shortest by weight. Default false.
    #[serde(default)]
    weighted: bool,
}

impl Compute for Closeness {
    const NAME: &'static str = "closeness";
    const DESCRIPTION: &'static str =
        "Closeness: the inverse of the mean distance from the nodes that reach a node.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let options = ClosenessOptions {
            wf_improved: self.wf_improved.unwrap_or(true),
            weighted: self.weighted,
            ..ClosenessOptions::default()
        };
        Ok(Outcome::of_nodes(vec![column::floats("score", closeness(graph, &options, run)?)]))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Harmonic {
    /// Whether paths are shortest by weight. Default false.
    #[serde(default)]
    weighted: bool,
}

impl Compute for Harmonic {
    const NAME: &'static str = "harmonic";
    const DESCRIPTION: &'static str =
        "Harmonic centrality: the sum of the inverse distances from all other nodes.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let options = HarmonicOptions { weighted: self.weighted, ..HarmonicOptions::default() };
        Ok(Outcome::of_nodes(vec![column::floats("score", harmonic(graph, &options, run)?)]))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Degree {
    /// Which edges count: those that begin at a node (`out`), end there (`in`), or `both`; in a directed graph
    /// all three when absent.
    kind: Option<DirectionName>,
}

impl Compute for Degree {
    const NAME: &'static str = "degree";
    const DESCRIPTION: &'static str = "How many edges does each node have, and how many begin and end there?";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let degree = |direction| graph.degree(direction, run);
        let mut columns =
            vec![column::counts("degree", degree(self.kind.map_or(Direction::Both, Direction::from))?)];
        if graph.is_directed() && self.kind.is_none() {
            columns.push(column::counts("out", degree(Direction::Out)?));
            columns.push(column::counts("in", degree(Direction::In)?));
        }
        Ok(Outcome::of_nodes(columns))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DegreeCentrality {
    /// Which edges count. Default `both`.
    kind: Option<DirectionName>,
}

impl Compute for DegreeCentrality {
    const NAME: &'static str = "degree_centrality";
    const DESCRIPTION: &'static str =
        "Degree centrality: the degree of each node, divided by the most others.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let direction = self.kind.map_or(Direction::Both, Direction::from);
        Ok(Outcome::of_nodes(vec![column::floats("score", degree_centrality(graph, direction, run)?)]))
    }
}
