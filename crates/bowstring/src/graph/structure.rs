//! Components, cores, triangles and forests, as they are offered by name.

use bowstring_graph::{
    Bipartite, Components, Graph, Run, bipartite, connected_components, core_numbers,
    minimum_spanning_forest, strongly_connected_components, triangle_count, triangles,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    algorithm::{Algorithm, Arrays, Compute},
    outcome::{Fact, Outcome, column},
};
use crate::Result;

pub(super) const ALGORITHMS: &[Algorithm] = &[
    Algorithm::of::<ConnectedComponents>(),
    Algorithm::of::<StronglyConnectedComponents>(),
    Algorithm::of::<CoreNumbers>(),
    Algorithm::of::<Triangles>(),
    Algorithm::of::<TriangleCount>(),
    Algorithm::of::<MinimumSpanningForest>(),
    Algorithm::of::<BipartiteSides>(),
];

fn components(found: Components) -> Outcome {
    let count = ("components", Fact::Count(found.count.into()));
    Outcome::of_nodes(vec![column::labels("component", found.labels)]).with(vec![count])
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConnectedComponents {}

impl Compute for ConnectedComponents {
    const NAME: &'static str = "connected_components";
    const DESCRIPTION: &'static str =
        "Connected components: which nodes hang together, whatever the direction of edges?";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        Ok(components(connected_components(graph, run)?))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StronglyConnectedComponents {}

impl Compute for StronglyConnectedComponents {
    const NAME: &'static str = "strongly_connected_components";
    const DESCRIPTION: &'static str =
        "Strongly connected components: which nodes reach each other along the edges?";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        Ok(components(strongly_connected_components(graph, run)?))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CoreNumbers {}

impl Compute for CoreNumbers {
    const NAME: &'static str = "core_numbers";
    const DESCRIPTION: &'static str =
        "Core numbers: the greatest k for which a node lies in a part where all have k neighbours.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        Ok(Outcome::of_nodes(vec![column::labels("core", core_numbers(graph, run)?)]))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Triangles {}

impl Compute for Triangles {
    const NAME: &'static str = "triangles";
    const DESCRIPTION: &'static str =
        "Triangles: how many does each node lie in, and how many could it at most?";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let found = triangles(graph, run)?;
        let columns =
            vec![column::totals("triangles", found.per_node), column::floats("clustering", found.clustering)];
        Ok(Outcome::of_nodes(columns).with(vec![
            ("total", Fact::Count(found.total)),
            ("transitivity", Fact::Number(found.transitivity)),
        ]))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TriangleCount {}

impl Compute for TriangleCount {
    const NAME: &'static str = "triangle_count";
    const DESCRIPTION: &'static str =
        "The number of triangles of the whole graph, which is faster than that of each node.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let total = triangle_count(graph, run)?;
        let columns = vec![column::totals("triangles", vec![total])];
        Ok(Outcome::listed(columns).with(vec![("total", Fact::Count(total))]))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MinimumSpanningForest {}

impl Compute for MinimumSpanningForest {
    const NAME: &'static str = "minimum_spanning_forest";
    const DESCRIPTION: &'static str =
        "Minimum spanning forest: the lightest edges that connect what is connected.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let found = minimum_spanning_forest(graph, run)?;
        let mut columns =
            vec![column::node_list("source", found.sources), column::node_list("target", found.targets)];
        columns.extend(found.weights.map(|weights| column::weights("weight", weights)));
        let mut outcome = Outcome::listed(columns).with(vec![
            ("total_weight", Fact::Number(found.total)),
            ("components", Fact::Count(found.components.count.into())),
        ]);
        outcome.lists.push(column::labels("component", found.components.labels));
        Ok(outcome)
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BipartiteSides {}

impl Compute for BipartiteSides {
    const NAME: &'static str = "bipartite";
    const DESCRIPTION: &'static str =
        "Whether nodes have two sides with no edge within either: the sides, or an odd cycle.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let is_bipartite = |holds| vec![("is_bipartite", Fact::Flag(holds))];
        Ok(match bipartite(graph, run)? {
            Bipartite::Sides(sides) => {
                let sides = sides.into_iter().map(u32::from).collect();
                Outcome::of_nodes(vec![column::labels("side", sides)]).with(is_bipartite(true))
            }
            Bipartite::OddCycle(cycle) => {
                Outcome::listed(vec![column::node_list("node", cycle)]).with(is_bipartite(false))
            }
        })
    }
}
