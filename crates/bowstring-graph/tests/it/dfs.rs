//! Depth-first search, and what is built on it: orders, cycles, up- and downstream.

use bowstring_graph::{
    BfsOptions, Dfs, Graph, Run, ancestors, bfs, descendants, dfs, find_cycle, topological_sort,
};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::support::{edge_lists, graph, message, reversed};

/// The recursive search of the textbook, over the nodes that are `allowed`.
fn reference(rows: &[Vec<u32>], sources: &[u32], allowed: &[bool]) -> Dfs {
    fn visit(rows: &[Vec<u32>], node: u32, allowed: &[bool], finished: &mut i32, found: &mut Dfs) {
        found.discovery[node as usize] = found.order.len() as i32;
        found.order.push(node);
        for &next in &rows[node as usize] {
            if allowed[next as usize] && found.discovery[next as usize] < 0 {
                found.parents[next as usize] = node as i32;
                visit(rows, next, allowed, finished, found);
            }
        }
        found.finish[node as usize] = *finished;
        *finished += 1;
    }
    let none = vec![-1; rows.len()];
    let mut found = Dfs { order: vec![], discovery: none.clone(), finish: none.clone(), parents: none };
    let mut finished = 0;
    for &source in sources {
        if found.discovery[source as usize] < 0 {
            visit(rows, source, allowed, &mut finished, &mut found);
        }
    }
    found
}

proptest! {
    #[test]
    fn it_is_that_of_the_textbook(
        list in edge_lists(24),
        directed: bool,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        max_depth in prop::option::of(0..5_u32),
    ) {
        let sources: Vec<u32> = picks.iter().map(|pick| pick.index(list.nodes as usize) as u32).collect();
        let (rows, graph, run) = (list.neighbors(directed), list.weighted(directed), Run::default());
        let options = BfsOptions { max_depth, ..BfsOptions::default() };
        let reach = bfs(&graph, &sources, &options, &run).unwrap().distances;
        let reach: Vec<bool> = reach.iter().map(|&hops| hops >= 0).collect();
        let found = dfs(&graph, Some(&sources), max_depth, &run).unwrap();
        prop_assert_eq!(&found, &reference(&rows, &sources, &reach));

        let all: Vec<u32> = (0..list.nodes).collect();
        let forest = dfs(&graph, None, None, &run).unwrap();
        prop_assert_eq!(forest, reference(&rows, &all, &vec![true; rows.len()]));
    }

    #[test]
    fn an_order_respects_every_edge_and_a_cycle_is_one(list in edge_lists(12), directed: bool) {
        let (rows, graph, run) = (list.neighbors(directed), list.weighted(directed), Run::default());
        let cycle = find_cycle(&graph, &run).unwrap();
        prop_assert_eq!(cycle.is_none(), acyclic(&rows, directed));
        if let Some(cycle) = &cycle {
            for (place, &node) in cycle.iter().enumerate() {
                let next = cycle[(place + 1) % cycle.len()];
                let edges = rows[node as usize].iter().filter(|&&other| other == next).count();
                // There and back between two nodes takes two edges, when these have no direction.
                let needed = if !directed && cycle.len() == 2 { 2 } else { 1 };
                prop_assert!(edges >= needed);
                prop_assert!(!cycle[..place].contains(&node));
            }
        }
        if directed {
            match topological_sort(&graph, &run) {
                Ok(order) => {
                    prop_assert!(cycle.is_none());
                    prop_assert_eq!(order, smallest_order(&rows));
                }
                Err(error) => {
                    let nodes = cycle.unwrap();
                    let names = nodes.iter().map(u32::to_string).collect();
                    prop_assert_eq!(error, bowstring_graph::GraphError::Cycle { nodes, names });
                }
            }
        }
    }

    #[test]
    fn up_and_downstream_is_what_a_walk_reaches(list in edge_lists(16), directed: bool, pick: prop::sample::Index) {
        let node = pick.index(list.nodes as usize) as u32;
        let (rows, graph, run) = (list.neighbors(directed), list.weighted(directed), Run::default());
        let reached = |rows: &[Vec<u32>]| -> Vec<u32> {
            let mut order = reference(rows, &[node], &vec![true; rows.len()]).order;
            order.retain(|&other| other != node);
            order.sort_unstable();
            order
        };
        prop_assert_eq!(descendants(&graph, node, &run).unwrap(), reached(&rows));
        prop_assert_eq!(ancestors(&graph, node, &run).unwrap(), reached(&reversed(&rows)));
    }
}

/// Whether all nodes go when those without an edge in (of an undirected graph: with one edge at most) go
/// one after the other.
fn acyclic(rows: &[Vec<u32>], directed: bool) -> bool {
    if directed {
        return smallest_order(rows).len() == rows.len();
    }
    let mut rows = rows.to_vec();
    while let Some(leaf) = rows.iter().position(|row| row.len() == 1) {
        let other = rows[leaf].pop().unwrap();
        if other as usize == leaf {
            return false;
        }
        rows[other as usize].retain(|&node| node as usize != leaf);
    }
    rows.iter().all(Vec::is_empty)
}

/// Takes the smallest node without an edge in from those that are left, as long as there is one.
fn smallest_order(rows: &[Vec<u32>]) -> Vec<u32> {
    let mut left: Vec<u32> = (0..rows.len() as u32).collect();
    let mut order = vec![];
    let free = |left: &[u32]| {
        left.iter().position(|node| left.iter().all(|&from| !rows[from as usize].contains(node)))
    };
    while let Some(place) = free(&left) {
        order.push(left.remove(place));
    }
    order
}

/// A search limited by depth in a walk's own way would enter 3 at depth 3 and never reach 4.
#[test]
fn max_depth_visits_exactly_the_nodes_within_so_many_hops() {
    let graph = graph(5, &[(0, 1), (1, 2), (2, 3), (3, 4), (0, 3)], true);
    let visited = |depth| {
        let mut order = dfs(&graph, Some(&[0]), Some(depth), &Run::default()).unwrap().order;
        order.sort_unstable();
        order
    };
    assert_eq!(visited(3), [0, 1, 2, 3, 4]);
    assert_eq!(visited(2), [0, 1, 2, 3, 4]);
    assert_eq!(visited(1), [0, 1, 3]);
    assert_eq!(visited(0), [0]);
}

#[test]
fn a_long_path_takes_no_stack() {
    let edges: Vec<(u32, u32)> = (0..300_000).map(|node| (node, node + 1)).collect();
    let graph = graph(300_001, &edges, true);
    let found = dfs(&graph, Some(&[0]), None, &Run::default()).unwrap();
    assert_eq!((found.order.len(), found.finish[0]), (300_001, 300_000));
}

fn check(edges: &[(u32, u32)], directed: bool, expected: Option<&[u32]>) {
    let nodes = edges.iter().map(|edge| edge.0.max(edge.1) + 1).max().unwrap_or(0);
    let found = find_cycle(&graph(nodes, edges, directed), &Run::default()).unwrap();
    assert_eq!(found.as_deref(), expected, "{edges:?}");
}

#[test]
fn cycles_are_found_in_both_kinds_of_graph() {
    check(&[], true, None);
    check(&[(0, 1), (0, 1)], true, None);
    check(&[(0, 1), (1, 0)], true, Some(&[0, 1]));
    check(&[(0, 0)], true, Some(&[0]));
    check(&[(0, 1), (1, 2)], false, None);
    check(&[(0, 1), (0, 1)], false, Some(&[0, 1]));
    check(&[(0, 1), (1, 1)], false, Some(&[1]));
    check(&[(0, 1), (1, 2), (2, 0)], false, Some(&[0, 1, 2]));
}

fn refused<T: std::fmt::Debug>(result: bowstring_graph::Result<T>, expected: Expect) {
    expected.assert_eq(&message(result));
}

#[test]
fn bad_input_is_refused() {
    let (run, ring): (_, Vec<_>) = (Run::default(), (0..20).map(|node| (node, (node + 1) % 20)).collect());
    let (ring, pair): (Graph, Graph) = (graph(20, &ring, true), graph(2, &[(0, 1)], false));
    refused(
        topological_sort(&graph(2, &[(0, 1), (1, 0)], true), &run),
        expect!["data: the graph has the cycle 0 → 1 → 0"],
    );
    refused(
        topological_sort(&ring, &run),
        expect!["data: the graph has the cycle 0 → 1 → 2 → 3 → 4 → 5 → 6 → 7 → 8 → 9 → 10 → 11 → … (8 more)"],
    );
    refused(
        topological_sort(&pair, &run),
        expect![[r#"
        usage: topological_sort is for directed graphs

        hint: build it with `directed` true"#]],
    );
    refused(
        dfs(&pair, Some(&[]), None, &run),
        expect!["usage: `sources` is empty, and must be one node or more"],
    );
    refused(dfs(&pair, Some(&[2]), None, &run), expect!["usage: node 2 is not in the graph, which has 2"]);
    refused(
        dfs(&pair, None, Some(1), &run),
        expect!["usage: `max_depth` is 1, and must be left out without sources"],
    );
    refused(ancestors(&pair, 7, &run), expect!["usage: node 7 is not in the graph, which has 2"]);
}

#[test]
fn an_empty_graph_has_empty_results() {
    let (empty, run) = (graph(0, &[], true), Run::default());
    assert_eq!(dfs(&empty, None, None, &run).unwrap(), Dfs::default());
    assert_eq!(topological_sort(&empty, &run).unwrap(), [0; 0]);
    assert_eq!(find_cycle(&empty, &run).unwrap(), None);
}
