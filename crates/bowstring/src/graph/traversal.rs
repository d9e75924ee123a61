//! Traversal and shortest paths, as they are offered by name.

use bowstring_graph::{
    BfsOptions, Distances, Graph, Run, SsspMethod, SsspOptions, ancestors, bfs, descendants, dfs, find_cycle,
    sssp, topological_sort,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    algorithm::{Algorithm, Arrays, Compute},
    ids::{DirectionName, NodeId, NodeIds},
    outcome::{ColumnKind, Fact, Outcome, column},
};
use crate::Result;

pub(super) const ALGORITHMS: &[Algorithm] = &[
    Algorithm::of::<Bfs>(),
    Algorithm::of::<Dfs>(),
    Algorithm::of::<Sssp>(),
    Algorithm::of::<KHop>(),
    Algorithm::of::<TopologicalSort>(),
    Algorithm::of::<FindCycle>(),
    Algorithm::of::<Ancestors>(),
    Algorithm::of::<Descendants>(),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bfs {
    /// The nodes to begin at.
    sources: NodeIds,
    /// The most hops; no limit when absent.
    max_depth: Option<u32>,
    /// Which edges are followed. Default `out`.
    #[serde(default)]
    direction: DirectionName,
}

impl Compute for Bfs {
    const NAME: &'static str = "bfs";
    const DESCRIPTION: &'static str =
        "Breadth-first search: how many hops is each node away, and over which node?";
    const METHOD: &'static str = "Direction-optimising search (Beamer, Asanović and Patterson 2012). A parent is the smallest-numbered \
        neighbour that is one hop nearer.";
    const COST: &'static str = "O(nodes + edges) time. 16 bytes for each node, at most 256 KiB more, and the rows of incoming edges \
        of a directed graph.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let options = BfsOptions { max_depth: self.max_depth, direction: self.direction.into() };
        let found = bfs(graph, &self.sources.numbers(graph)?, &options, run)?;
        Ok(Outcome::of_nodes(vec![
            column::hops("distance", found.distances),
            column::nodes("parent", found.parents),
        ]))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Dfs {
    /// The nodes to begin at, one after the other; all nodes, in their order, when absent.
    sources: Option<NodeIds>,
    /// The most hops; no limit when absent.
    max_depth: Option<u32>,
}

impl Compute for Dfs {
    const NAME: &'static str = "dfs";
    const DESCRIPTION: &'static str = "Depth-first search: in which order are nodes found and left?";
    const METHOD: &'static str = "Iterative search over neighbours in ascending order (Tarjan 1972).";
    const COST: &'static str = "O(nodes + edges) time on one thread. 17 bytes for each node, 16 for each node of the longest path, \
        and 16 more for each node with `max_depth`.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let sources = self.sources.as_ref().map(|ids| ids.numbers(graph)).transpose()?;
        let found = dfs(graph, sources.as_deref(), self.max_depth, run)?;
        let mut outcome = Outcome::of_nodes(vec![
            column::hops("discovery", found.discovery),
            column::hops("finish", found.finish),
            column::nodes("parent", found.parents),
        ]);
        outcome.lists.push(column::node_list("order", found.order));
        Ok(outcome)
    }
}

/// How shortest paths are found.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Method {
    #[default]
    Auto,
    Dijkstra,
    DeltaStepping,
    BellmanFord,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sssp {
    /// The nodes to begin at.
    sources: NodeIds,
    /// `dijkstra`, `delta_stepping`, `bellman_ford` (takes negative weights), or `auto`, the default, for
    /// the one that suits the graph.
    #[serde(default)]
    method: Method,
    /// Nodes of which the distances are wanted; those of the others may be missing then.
    targets: Option<NodeIds>,
    /// The greatest distance that is of interest; no limit when absent.
    cutoff: Option<f64>,
    /// Delta-stepping: the width of a bucket; chosen from the weights when absent.
    delta: Option<f64>,
    /// Which edges are followed. Default `out`.
    #[serde(default)]
    direction: DirectionName,
    /// Whether the node before each is found too. Default true; distances alone take less time and memory.
    parents: Option<bool>,
}

impl Compute for Sssp {
    const NAME: &'static str = "sssp";
    const DESCRIPTION: &'static str =
        "Shortest paths by weight: how far is each node from the nearest source, and over which node?";
    const METHOD: &'static str = "Dijkstra 1959 with a binary heap; delta-stepping (Meyer and Sanders 2003); Bellman 1958 and Ford. \
        Without weights a breadth-first search.";
    const COST: &'static str = "Dijkstra: O(edges · log nodes) time on one thread. Delta-stepping: O(nodes + edges) expected time \
        for random weights. Bellman and Ford: O(nodes · edges) time at worst, on one thread. 40 bytes for \
        each node, 24 without parents, and up to 16 for each time that a path gets shorter.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let targets = self.targets.as_ref().map(|ids| ids.numbers(graph)).transpose()?;
        let options = SsspOptions {
            method: match self.method {
                Method::Auto => SsspMethod::Auto,
                Method::Dijkstra => SsspMethod::Dijkstra,
                Method::DeltaStepping => SsspMethod::DeltaStepping,
                Method::BellmanFord => SsspMethod::BellmanFord,
            },
            targets: targets.unwrap_or_default(),
            cutoff: self.cutoff,
            delta: self.delta,
            direction: self.direction.into(),
            parents: self.parents.unwrap_or(true),
        };
        let found = sssp(graph, &self.sources.numbers(graph)?, &options, run)?;
        let distances = match found.distances {
            Distances::Int(values) => column::integers("distance", values, ColumnKind::Distance),
            Distances::Float(values) => column::distances("distance", values),
        };
        let parents = found.parents.map(|parents| column::nodes("parent", parents));
        Ok(Outcome::of_nodes(std::iter::once(distances).chain(parents).collect()))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KHop {
    /// The nodes to begin at.
    sources: NodeIds,
    /// The most hops.
    k: u32,
    /// Which edges are followed. Default `out`.
    #[serde(default)]
    direction: DirectionName,
}

impl Compute for KHop {
    const NAME: &'static str = "k_hop";
    const DESCRIPTION: &'static str = "The nodes within so many hops, the sources among them.";
    const METHOD: &'static str = "Breadth-first search (Beamer, Asanović and Patterson 2012).";
    const COST: &'static str = "O(nodes + edges) time. 16 bytes for each node, at most 256 KiB more, and the rows of incoming edges \
        of a directed graph.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let found = graph.k_hop(&self.sources.numbers(graph)?, self.k, self.direction.into(), run)?;
        Ok(Outcome::listed(vec![column::node_list("node", found)]))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TopologicalSort {}

impl Compute for TopologicalSort {
    const NAME: &'static str = "topological_sort";
    const DESCRIPTION: &'static str = "The nodes in an order in which every edge points forward.";
    const METHOD: &'static str =
        "Kahn 1962 with a heap: of all orders the one that is smallest in lexicographic order.";
    const COST: &'static str =
        "O(edges + nodes · log nodes) time on one thread. Up to 16 bytes for each node.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        Ok(Outcome::listed(vec![column::node_list("node", topological_sort(graph, run)?)]))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FindCycle {}

impl Compute for FindCycle {
    const NAME: &'static str = "find_cycle";
    const DESCRIPTION: &'static str = "The nodes of one cycle, in order; no rows when there is none.";
    const METHOD: &'static str =
        "The first cycle that a depth-first search (Tarjan 1972) from the smallest node on closes.";
    const COST: &'static str = "O(nodes + edges) time on one thread. Up to 33 bytes for each node.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let found = find_cycle(graph, run)?;
        let has_cycle = vec![("has_cycle", Fact::Flag(found.is_some()))];
        Ok(Outcome::listed(vec![column::node_list("node", found.unwrap_or_default())]).with(has_cycle))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ancestors {
    /// The node.
    node: NodeId,
}

impl Compute for Ancestors {
    const NAME: &'static str = "ancestors";
    const DESCRIPTION: &'static str = "The nodes from which a node can be reached, without itself.";
    const METHOD: &'static str =
        "Breadth-first search (Beamer, Asanović and Patterson 2012), against the direction of edges.";
    const COST: &'static str = "O(nodes + edges) time. 16 bytes for each node, at most 256 KiB more, and the rows of incoming edges \
        of a directed graph.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let found = ancestors(graph, self.node.number(graph)?, run)?;
        Ok(Outcome::listed(vec![column::node_list("node", found)]))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Descendants {
    /// The node.
    node: NodeId,
}

impl Compute for Descendants {
    const NAME: &'static str = "descendants";
    const DESCRIPTION: &'static str = "The nodes that can be reached from a node, without itself.";
    const METHOD: &'static str = "Breadth-first search (Beamer, Asanović and Patterson 2012).";
    const COST: &'static str = "O(nodes + edges) time. 16 bytes for each node, at most 256 KiB more, and the rows of incoming edges \
        of a directed graph.";

    fn compute(&self, graph: &Graph, _: &Arrays, run: &Run) -> Result<Outcome> {
        let found = descendants(graph, self.node.number(graph)?, run)?;
        Ok(Outcome::listed(vec![column::node_list("node", found)]))
    }
}
