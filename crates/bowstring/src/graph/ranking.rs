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
    /// It has converged when an iteration changes the scores by no more than this, summed over all nodes.
    /// Default 1e-6.
    tolerance: Option<f64>,
    /// The most iterations. Default 100.
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
    const METHOD: &'static str = "Scores are pulled over incoming edges (Page, Brin, Motwani and Winograd 1999), block by block as in \
        the method of Gauss and Seidel (Arasu et al. 2002), and scaled in the end (Gleich 2015).";
    const COST: &'static str = "O(iterations · (nodes + edges)) time. 16 or 24 bytes for each node, 4 or 8 for each node of a block, \
        and the rows of incoming edges.";
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
    /// It has converged when an iteration changes the hubs by no more than this, summed over all nodes.
    /// Default 1e-8.
    tolerance: Option<f64>,
    /// The most iterations. Default 100.
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
    const METHOD: &'static str = "Power iteration from equal scores (Kleinberg 1999).";
    const COST: &'static str =
        "O(iterations · edges) time. 24 bytes for each node, and the rows of incoming edges.";

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
    /// It has converged when an iteration changes the scores by no more than this, summed over all nodes.
    /// Default 1e-6.
    tolerance: Option<f64>,
    /// The most iterations. Default 100.
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
    const METHOD: &'static str =
        "Power iteration over the matrix plus the identity, from equal scores (Bonacich 1972).";
    const COST: &'static str =
        "O(iterations · edges) time. 16 bytes for each node, and the rows of incoming edges.";

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
    /// What a walk counts less by with each edge, above 0. Default 0.1.
    alpha: Option<f64>,
    /// What each node has of its own, above 0. Default 1.
    beta: Option<f64>,
    /// It has converged when an iteration changes the scores by no more than this, summed over all nodes.
    /// Default 1e-6.
    tolerance: Option<f64>,
    /// The most iterations. Default 1000.
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
    const METHOD: &'static str = "Iteration from 0 (Katz 1953).";
    const COST: &'static str =
        "O(iterations · edges) time. 16 bytes for each node, and the rows of incoming edges.";

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
    const METHOD: &'static str = "Brandes 2001, with samples as in Brandes and Pich 2007.";
    const COST: &'static str = "O(sources · edges) time, with weights O(sources · edges · log edges). 8 bytes for each node, and for \
        each thread 29 bytes for each node; with weights 61 bytes for each node and 16 for each edge. Where \
        there are parallel edges, a copy of the rows without them.";

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
    const METHOD: &'static str = "One by the mean distance (Bavelas 1950, Freeman 1979), scaled as Wasserman and Faust 1994 do; 64 \
        searches at once (Then et al. 2014), with weights each alone (Dijkstra 1959).";
    const COST: &'static str = "O(nodes · edges) time at most, with weights O(nodes · (nodes + edges) · log edges). 24 bytes for \
        each node, and for each thread 36 bytes for each node; with weights 16 bytes for each node and 16 \
        for each edge. The rows of incoming edges.";

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
    const METHOD: &'static str = "The sum of one by each distance (Marchiori and Latora 2000, Boldi and Vigna 2014); 64 searches at \
        once (Then et al. 2014), with weights each alone (Dijkstra 1959).";
    const COST: &'static str = "O(nodes · edges) time at most, with weights O(nodes · (nodes + edges) · log edges). 24 bytes for \
        each node, and for each thread 36 bytes for each node; with weights 16 bytes for each node and 16 \
        for each edge. The rows of incoming edges.";

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
    const METHOD: &'static str =
        "Counted from where the rows begin and end; a loop counts once for each direction.";
    const COST: &'static str = "O(nodes) time, O(edges) where loops are looked for. 4 bytes for each node and kind; for edges that \
        end at nodes, the rows of incoming edges.";

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
    const METHOD: &'static str = "The degree by the number of other nodes (Freeman 1979); parallel edges count each, so a score may \
        exceed 1.";
    const COST: &'static str = "O(nodes) time, O(edges) where loops are looked for. 12 bytes for each node; for edges that end at \
        nodes, the rows of incoming edges.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let direction = self.kind.map_or(Direction::Both, Direction::from);
        Ok(Outcome::of_nodes(vec![column::floats("score", degree_centrality(graph, direction, run)?)]))
    }
}
