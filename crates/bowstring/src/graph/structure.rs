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
    const METHOD: &'static str = "Afforest (Sutton, Ben-Nun and Barak 2018).";
    const COST: &'static str = "O(nodes + edges) time, near O(nodes) in an undirected graph with a large component. 12 bytes for \
        each node.";

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
    const METHOD: &'static str = "The component of the node with most edges forwards and backwards (Fleischer, Hendrickson and Pınar \
        2000; Beamer, Asanović and Patterson 2012), the others by Tarjan's search (1972) as in Pearce 2005.";
    const COST: &'static str = "O(nodes + edges) time, the others than the first component on one thread. 13 bytes for each node, \
        and up to 20 more on long paths.";

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
    const METHOD: &'static str =
        "Peeling (Seidman 1983) in parallel without a barrier (Kabir and Madduri 2017).";
    const COST: &'static str = "O(edges + nodes left at each k, summed) time. 12 bytes for each node.";

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
    const METHOD: &'static str = "Forward algorithm over edges that point at their end of higher degree (Schank and Wagner 2005), with \
        bits (Latapy 2008).";
    const COST: &'static str = "O(edges^1.5) time at worst. 48 bytes for each node, 16 for each edge, and 8 for each node and \
        thread.";

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
    const METHOD: &'static str = "Forward algorithm over edges that point at their end of higher degree (Schank and Wagner 2005), with \
        bits (Latapy 2008).";
    const COST: &'static str = "O(edges^1.5) time at worst. 32 bytes for each node and 16 for each edge.";

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
    const METHOD: &'static str = "Filter-Kruskal (Osipov, Sanders and Singler 2009). Edges of one weight are taken in the order of \
        their ends.";
    const COST: &'static str = "O(edges + nodes · log nodes) time for random weights, O(edges · log edges) at worst. 32 bytes for \
        each node and 16 for each edge.";

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
    const METHOD: &'static str = "Each node is doubled, and copies are joined by a union-find without locks (Sutton, Ben-Nun and Barak \
        2018); an odd cycle comes from a breadth-first search.";
    const COST: &'static str =
        "O(nodes + edges) time, an odd cycle on one thread. Up to 16 bytes for each node.";

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
