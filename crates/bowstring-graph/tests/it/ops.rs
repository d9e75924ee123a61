//! Do the graphs that follow from a graph have the right edges, weights and ids?

use std::{collections::BTreeSet, sync::Arc};

use arrow::array::{ArrayRef, AsArray, StringArray};
use bowstring_graph::{Csr, Direction, Graph, Offsets, ParallelEdges, Run, Weights};
use expect_test::expect;
use proptest::prelude::*;

use crate::support::{EdgeList, edge_lists, graph, message, weighted};

/// Source, target and weight of each edge, sorted; undirected ones from the smaller end.
fn edges(graph: &Graph) -> Vec<(u32, u32, i64)> {
    let columns = graph.edges(&Run::default()).unwrap();
    let weight = |edge| columns.weights.as_ref().map_or(1, |weights| weights.get(edge) as i64);
    let ends = columns.source.iter().zip(&columns.target).enumerate();
    ends.map(|(edge, (&from, &to))| (from, to, weight(edge))).collect()
}

fn sorted(edges: impl IntoIterator<Item = (u32, u32, i64)>) -> Vec<(u32, u32, i64)> {
    let mut edges: Vec<_> = edges.into_iter().collect();
    edges.sort_unstable();
    edges
}

impl EdgeList {
    fn triples(&self) -> impl Iterator<Item = (u32, u32, i64)> {
        self.edges.iter().zip(&self.weights).map(|(&(from, to), &weight)| (from, to, weight))
    }
}

/// From the smaller number to the greater.
fn upwards((from, to, weight): (u32, u32, i64)) -> (u32, u32, i64) {
    (from.min(to), from.max(to), weight)
}

fn named(graph: Graph, names: &[&str]) -> Graph {
    let names: ArrayRef = Arc::new(StringArray::from(names.to_vec()));
    graph.with_nodes(&[names], &Run::default()).unwrap()
}

fn names(graph: &Graph) -> Vec<&str> {
    graph.nodes().unwrap().ids().as_string::<i32>().iter().map(Option::unwrap).collect()
}

#[test]
fn a_loop_counts_once_for_each_direction() {
    let edges = [(0, 1), (0, 1), (1, 1), (2, 0)];
    let check = |directed, direction, expected: [u32; 4]| {
        assert_eq!(graph(4, &edges, directed).degree(direction, &Run::default()).unwrap(), expected);
    };
    check(true, Direction::Out, [2, 1, 1, 0]);
    check(true, Direction::In, [1, 3, 0, 0]);
    check(true, Direction::Both, [3, 4, 1, 0]);
    for direction in [Direction::Out, Direction::In, Direction::Both] {
        check(false, direction, [3, 4, 1, 0]);
    }
}

#[test]
fn edges_are_found_whatever_their_order() {
    let rows =
        Csr::new(Offsets::Wide(vec![0, 3, 3, 4].into()), vec![2, 0, 1, 1].into(), None, &Run::default())
            .unwrap();
    for rows in [
        rows.clone(),
        Graph::from_csr(rows, true, &Run::default()).unwrap().sorted_csr(&Run::default()).unwrap().clone(),
    ] {
        let made = Graph::from_csr(rows, true, &Run::default()).unwrap();
        for (from, to, expected) in
            [(0, 0, true), (0, 1, true), (0, 2, true), (1, 0, false), (2, 1, true), (2, 2, false)]
        {
            assert_eq!(made.has_edge(from, to), Ok(expected), "{from} to {to}");
        }
        expect!["usage: node 3 is not in the graph, which has 3"].assert_eq(&message(made.has_edge(0, 3)));
        assert_eq!(edges(&made), [(0, 0, 1), (0, 1, 1), (0, 2, 1), (2, 1, 1)]);
    }
}

#[test]
fn ids_travel_along() {
    let made = named(graph(3, &[(0, 1), (2, 1)], true), &["a", "b", "c"]);
    let run = Run::default();
    assert_eq!(names(&made.reverse(&run).unwrap()), ["a", "b", "c"]);
    assert_eq!(names(&made.to_undirected(ParallelEdges::Keep, &run).unwrap()), ["a", "b", "c"]);
    assert_eq!(names(&made.subgraph(&[2, 0], &run).unwrap()), ["c", "a"]);
    let (relabelled, order) = made.relabel_by_degree(&run).unwrap();
    assert_eq!((names(&relabelled), order), (vec!["b", "a", "c"], vec![1, 0, 2]));
    assert_eq!(edges(&relabelled), [(1, 0, 1), (2, 0, 1)]);
}

#[test]
fn edges_there_and_back_become_one_as_asked() {
    let made = weighted(2, &[(0, 1), (1, 0), (1, 1)], &[3, 5, 7], true);
    let check = |merge, expected: &[(u32, u32, i64)]| {
        let undirected = made.to_undirected(merge, &Run::default()).unwrap();
        assert!(!undirected.is_directed());
        assert_eq!(edges(&undirected), expected);
        let again = undirected.to_undirected(merge, &Run::default()).unwrap();
        assert_eq!(edges(&again), expected);
    };
    check(ParallelEdges::Keep, &[(0, 1, 3), (0, 1, 5), (1, 1, 7)]);
    check(ParallelEdges::First, &[(0, 1, 3), (1, 1, 7)]);
    check(ParallelEdges::Sum, &[(0, 1, 8), (1, 1, 7)]);
    check(ParallelEdges::Max, &[(0, 1, 5), (1, 1, 7)]);
}

#[test]
fn the_incoming_rows_of_a_turned_graph_are_the_rows_that_it_had() {
    let made = graph(3, &[(0, 2), (0, 1)], true);
    let turned = made.reverse(&Run::default()).unwrap();
    let incoming = turned.csc(&Run::default()).unwrap();
    assert!(incoming.indices().inner().ptr_eq(made.csr().indices().inner()));
    // Unsorted rows are not taken as they are.
    let rows =
        Csr::new(Offsets::Wide(vec![0, 2, 2].into()), vec![1, 0].into(), None, &Run::default()).unwrap();
    let turned = Graph::from_csr(rows, true, &Run::default()).unwrap().reverse(&Run::default()).unwrap();
    assert_eq!(turned.csc(&Run::default()).unwrap().neighbors(0), [0, 1]);
}

#[test]
fn nodes_of_a_subgraph_are_there_once() {
    let made = graph(3, &[(0, 1)], true);
    expect![[r#"
        data: the id `1` is in `nodes` twice, in rows 0 and 2
          at column `nodes`"#]]
    .assert_eq(&message(made.subgraph(&[1, 0, 1], &Run::default())));
    expect!["usage: node 3 is not in the graph, which has 3"]
        .assert_eq(&message(made.subgraph(&[3], &Run::default())));
    assert_eq!(made.subgraph(&[], &Run::default()).unwrap().num_nodes(), 0);
}

#[test]
fn weights_keep_their_type() {
    let weights = Weights::F32(vec![0.5, 1.5].into());
    let rows =
        Csr::new(Offsets::Wide(vec![0, 1, 2].into()), vec![1, 0].into(), Some(weights), &Run::default())
            .unwrap();
    let made = Graph::from_csr(rows, true, &Run::default()).unwrap();
    let cut = made.subgraph(&[1, 0], &Run::default()).unwrap();
    assert!(matches!(cut.csr().weights(), Some(Weights::F32(values)) if values[..] == [1.5, 0.5]));
}

proptest! {
    #[test]
    fn edges_are_those_of_the_list(list in edge_lists(30), directed: bool) {
        let made = list.weighted(directed);
        let expected = list.triples().map(|edge| if directed { edge } else { upwards(edge) });
        prop_assert_eq!(sorted(edges(&made)), sorted(expected));
        let turned = made.reverse(&Run::default()).unwrap();
        let expected = list.triples().map(|(from, to, weight)| (to, from, weight));
        prop_assert_eq!(
            sorted(edges(&turned)),
            sorted(expected.map(|edge| if directed { edge } else { upwards(edge) }))
        );
        let undirected = made.to_undirected(ParallelEdges::Keep, &Run::default()).unwrap();
        prop_assert_eq!(sorted(edges(&undirected)), sorted(list.triples().map(upwards)));
        for node in 0..list.nodes {
            for other in 0..list.nodes {
                let there = list.edges.contains(&(node, other));
                let back = !directed && list.edges.contains(&(other, node));
                prop_assert_eq!(made.has_edge(node, other), Ok(there || back));
            }
        }
    }

    #[test]
    fn a_subgraph_has_the_edges_among_its_nodes(
        list in edge_lists(30),
        directed: bool,
        order in Just((0..30).collect::<Vec<u32>>()).prop_shuffle(),
        take in 0..30_usize,
    ) {
        let nodes: Vec<u32> = order.into_iter().filter(|&node| node < list.nodes).take(take).collect();
        let place = |node: u32| nodes.iter().position(|&other| other == node).map(|place| place as u32);
        let expected = list.triples().filter_map(|(from, to, weight)| Some((place(from)?, place(to)?, weight)));
        let expected = sorted(expected.map(|edge| if directed { edge } else { upwards(edge) }));
        let cut = list.weighted(directed).subgraph(&nodes, &Run::default()).unwrap();
        prop_assert_eq!(cut.num_nodes(), nodes.len());
        prop_assert_eq!(cut.num_edges(), expected.len());
        prop_assert_eq!(sorted(edges(&cut)), expected);
        prop_assert!(cut.csr().is_sorted());
    }

    #[test]
    fn nodes_within_some_hops_are_those_reached_step_by_step(list in edge_lists(30), hops in 0..5_u32) {
        for direction in [Direction::Out, Direction::In, Direction::Both] {
            let mut within = BTreeSet::from([0]);
            for _ in 0..hops {
                let next: Vec<u32> = list.edges.iter().flat_map(|&(from, to)| {
                    let out = (direction != Direction::In && within.contains(&from)).then_some(to);
                    let back = (direction != Direction::Out && within.contains(&to)).then_some(from);
                    [out, back].into_iter().flatten().collect::<Vec<_>>()
                }).collect();
                within.extend(next);
            }
            let found = list.weighted(true).k_hop(&[0], hops, direction, &Run::default()).unwrap();
            prop_assert_eq!(found, within.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_graph_built_from_its_edges_is_the_same(list in edge_lists(30)) {
        let made = list.weighted(false);
        let again = edges(&made);
        let ends: Vec<(u32, u32)> = again.iter().map(|&(from, to, _)| (from, to)).collect();
        let weights: Vec<i64> = again.iter().map(|edge| edge.2).collect();
        let rebuilt = weighted(list.nodes, &ends, &weights, false);
        prop_assert_eq!(rebuilt.csr().indices(), made.csr().indices());
    }
}
