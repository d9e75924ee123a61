//! Is a minimum spanning forest the one of Kruskal's rule on all edges?

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int32Array, UInt32Array};
use bowstring_graph::{BuildOptions, Edges, Graph, Run, SpanningForest, Weights, minimum_spanning_forest};
use expect_test::expect;
use proptest::prelude::*;

use crate::{
    components::smallest,
    structure::{numbered, random_edges},
    support::{EdgeList, edge_lists, graph, message, weighted},
};

fn forest(graph: &Graph) -> SpanningForest {
    minimum_spanning_forest(graph, &Run::default()).unwrap()
}

fn edges(forest: &SpanningForest) -> Vec<(u32, u32)> {
    forest.sources.iter().copied().zip(forest.targets.iter().copied()).collect()
}

/// Kruskal's rule on all edges in order of weight and ends: the edges in the order of their ends, with
/// their weights.
fn expected(list: &EdgeList) -> Vec<(u32, u32, i64)> {
    let ordered = list.edges.iter().zip(&list.weights).map(|(&(a, b), &weight)| (weight, a.min(b), a.max(b)));
    let mut ordered: Vec<_> = ordered.collect();
    ordered.sort_unstable();
    let mut trees: Vec<u32> = (0..list.nodes).collect();
    let mut taken = Vec::new();
    for (weight, a, b) in ordered {
        let (tree, other) = (trees[a as usize], trees[b as usize]);
        if tree != other {
            trees.iter_mut().filter(|label| **label == other).for_each(|label| *label = tree);
            taken.push((a, b, weight));
        }
    }
    taken.sort_unstable();
    taken
}

fn verify(list: &EdgeList) {
    let found = forest(&list.weighted(false));
    let Some(Weights::I64(weights)) = &found.weights else { panic!("{:?}", found.weights) };
    let rows: Vec<(u32, u32, i64)> =
        edges(&found).into_iter().zip(weights.iter()).map(|((a, b), &weight)| (a, b, weight)).collect();
    assert_eq!(rows, expected(list));
    assert_eq!(found.total, rows.iter().map(|row| row.2).sum::<i64>() as f64);
    assert_eq!(found.components.count as usize, list.nodes as usize - rows.len());
}

#[test]
fn edges_of_one_weight_are_taken_in_the_order_of_their_ends() {
    let found = forest(&weighted(3, &[(2, 1), (0, 2), (1, 0)], &[4, 4, 4], false));
    assert_eq!(edges(&found), [(0, 1), (0, 2)]);
    assert_eq!(found.total, 8.0);
}

#[test]
fn a_graph_without_weights_counts_edges() {
    let found = forest(&graph(5, &[(0, 1), (1, 0), (1, 2), (2, 0), (4, 4)], false));
    assert_eq!(edges(&found), [(0, 1), (0, 2)]);
    assert!(found.weights.is_none());
    assert_eq!((found.total, found.components.labels), (2.0, vec![0, 0, 0, 1, 2]));
}

#[test]
fn weights_keep_their_type_and_may_be_negative() {
    let check = |weight: ArrayRef, total: f64, expected: &Weights| {
        let ends = |ends: [u32; 3]| -> ArrayRef { Arc::new(UInt32Array::from(ends.to_vec())) };
        let (source, target) = ([ends([0, 0, 1])], [ends([1, 2, 2])]);
        let list = Edges { source: &source, target: &target, weight: Some(&[weight]) };
        let options = BuildOptions { directed: false, ..BuildOptions::default() };
        let found = forest(&Graph::from_edges(&list, &options, &Run::default()).unwrap());
        assert_eq!(edges(&found), [(0, 2), (1, 2)]);
        assert_eq!((found.total, format!("{:?}", found.weights)), (total, format!("{:?}", Some(expected))));
    };
    check(
        Arc::new(Int32Array::from(vec![7, -2, i32::MIN])),
        f64::from(i32::MIN) - 2.0,
        &Weights::I32(vec![-2, i32::MIN].into()),
    );
    check(
        Arc::new(Float32Array::from(vec![0.5, -0.25, -3.5])),
        -3.75,
        &Weights::F32(vec![-0.25, -3.5].into()),
    );
    check(Arc::new(Float64Array::from(vec![1e300, -0.0, 0.1])), 0.1, &Weights::F64(vec![-0.0, 0.1].into()));
}

#[test]
fn a_directed_graph_is_refused() {
    expect![[r#"
        usage: the minimum spanning forest is for undirected graphs

        hint: build it with `directed` false, or call `to_undirected`"#]]
    .assert_eq(&message(minimum_spanning_forest(&graph(2, &[(0, 1)], true), &Run::default())));
}

#[test]
fn many_edges_are_divided_into_lighter_and_heavier_ones() {
    // Weights of few and of many values, and a heavy edge as the only way to some nodes.
    for values in [1, 10, 1 << 40] {
        let nodes = 2000;
        let mut edges = random_edges(nodes, 120_000, 9);
        let spread = random_edges(u32::MAX, 120_000, 10);
        let mut weights: Vec<i64> =
            spread.iter().map(|&(a, b)| (i64::from(a) << 20 ^ i64::from(b)) % values).collect();
        edges.extend((0..10).map(|leaf| (leaf, nodes + leaf)));
        weights.extend([1 << 50; 10]);
        verify(&EdgeList { nodes: nodes + 15, edges, weights });
    }
}

proptest! {
    #[test]
    fn it_is_the_one_of_kruskal(list in edge_lists(40)) {
        verify(&list);
        let components = forest(&list.weighted(false)).components;
        prop_assert_eq!(components.labels, numbered(&smallest(list.nodes, &list.edges)));
    }
}
