//! Are strongly connected components those of nodes that reach each other?

use bowstring_graph::{Run, strongly_connected_components};
use proptest::prelude::*;

use crate::{
    structure::{numbered, random_edges},
    support::{edge_lists, graph},
};

fn check(nodes: u32, edges: &[(u32, u32)], expected: &[u32]) {
    let components = strongly_connected_components(&graph(nodes, edges, true), &Run::default()).unwrap();
    assert_eq!(components.labels, expected);
    assert_eq!(components.count, expected.iter().max().map_or(0, |greatest| greatest + 1));
}

/// The smallest node that each node reaches and is reached by, from the set of what each reaches.
fn smallest(nodes: u32, edges: &[(u32, u32)]) -> Vec<u32> {
    let nodes = nodes as usize;
    let mut reaches: Vec<Vec<bool>> = (0..nodes).map(|a| (0..nodes).map(|b| a == b).collect()).collect();
    for &(from, to) in edges {
        reaches[from as usize][to as usize] = true;
    }
    for middle in 0..nodes {
        let beyond = reaches[middle].clone();
        for row in reaches.iter_mut().filter(|row| row[middle]) {
            row.iter_mut().zip(&beyond).for_each(|(reached, beyond)| *reached |= beyond);
        }
    }
    let mutual = |a: usize| (0..nodes).find(|&b| reaches[a][b] && reaches[b][a]).unwrap();
    (0..nodes).map(|node| mutual(node) as u32).collect()
}

#[test]
fn nodes_that_reach_each_other_are_one() {
    check(0, &[], &[]);
    check(2, &[(0, 1)], &[0, 1]);
    check(2, &[(0, 1), (1, 0), (1, 1)], &[0, 0]);
    check(5, &[(3, 4), (4, 3), (3, 0), (1, 2), (2, 1), (0, 1)], &[0, 1, 1, 2, 2]);
    // Two cycles that share a node, and one that is only reached.
    check(6, &[(0, 1), (1, 0), (0, 2), (2, 0), (2, 3), (3, 4), (4, 5), (5, 3)], &[0, 0, 0, 1, 1, 1]);
}

#[test]
fn an_undirected_graph_has_its_connected_components() {
    let made = graph(4, &[(3, 1), (0, 2)], false);
    assert_eq!(strongly_connected_components(&made, &Run::default()).unwrap().labels, [0, 1, 0, 1]);
}

/// A ring of `size` nodes from 0, a tail of so many that it leads to, and one that leads to it.
fn ring(size: u32, back: bool) -> (Vec<(u32, u32)>, Vec<u32>) {
    let turn = |(from, to)| if back { (to, from) } else { (from, to) };
    let within = (0..size).map(|node| turn((node, (node + 1) % size)));
    let tails = (0..2 * size).map(|node| turn((node, node + size)));
    let labels = (0..3 * size).map(|node| if node < size { 0 } else { node - size + 1 });
    (within.chain(tails).collect(), labels.collect())
}

#[test]
fn long_paths_neither_overflow_nor_take_for_ever() {
    for back in [false, true] {
        let (edges, expected) = ring(100_000, back);
        check(300_000, &edges, &expected);
    }
}

#[test]
fn a_giant_component_is_found_beside_small_ones() {
    // A random graph, beside it pairs of nodes, and edges from and to it.
    let (giant, pairs) = (20_000, 1000);
    let mut edges = random_edges(giant, 200_000, 3);
    edges.extend((0..giant).map(|node| (node, (node * 7 + 1) % giant)));
    edges.extend((0..giant).map(|node| (node, (node + 1) % giant)));
    let mut expected = vec![0; giant as usize];
    for pair in 0..pairs {
        let first = giant + 2 * pair;
        edges.extend([(first, first + 1), (first + 1, first)]);
        edges.push(if pair % 2 == 0 { (first, pair) } else { (pair, first) });
        expected.extend([pair + 1, pair + 1]);
    }
    check(giant + 2 * pairs, &edges, &expected);
}

proptest! {
    #[test]
    fn they_are_those_of_a_closure(list in edge_lists(30)) {
        let made = graph(list.nodes, &list.edges, true);
        let components = strongly_connected_components(&made, &Run::default()).unwrap();
        prop_assert_eq!(components.labels, numbered(&smallest(list.nodes, &list.edges)));
    }

    /// Copies of a small graph side by side are large enough for the parallel search, and each has the
    /// components of the original.
    #[test]
    fn large_graphs_have_them_too(list in edge_lists(20), hub in 0..20_u32) {
        let copies = 5000_u32.div_ceil(list.nodes);
        let shifted = |copy: u32| list.edges.iter().map(move |&(from, to)| (from + copy * list.nodes, to + copy * list.nodes));
        let mut edges: Vec<(u32, u32)> = (0..copies).flat_map(shifted).collect();
        // So that the search begins there.
        edges.extend((0..100).map(|_| (hub % list.nodes, hub % list.nodes)));
        let made = graph(copies * list.nodes, &edges, true);
        let components = strongly_connected_components(&made, &Run::default()).unwrap();
        let one = smallest(list.nodes, &list.edges);
        let all = (0..copies).flat_map(|copy| one.iter().map(move |label| label + copy * list.nodes));
        prop_assert_eq!(components.labels, numbered(&all.collect::<Vec<_>>()));
    }
}
