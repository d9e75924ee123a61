//! Are triangles those of trying every three nodes?

use std::collections::BTreeSet;

use bowstring_graph::{Run, SsspOptions, sssp, triangle_count, triangles};
use proptest::prelude::*;

use crate::{
    structure::random_edges,
    support::{edge_lists, graph, threads, weighted},
};

fn check(nodes: u32, edges: &[(u32, u32)], per_node: &[u64], clustering: &[f64], transitivity: f64) {
    for directed in [true, false] {
        let made = graph(nodes, edges, directed);
        let found = triangles(&made, &Run::default()).unwrap();
        assert_eq!(found.per_node, per_node);
        assert_eq!(found.total, per_node.iter().sum::<u64>() / 3);
        assert_eq!(found.clustering, clustering);
        assert_eq!(found.transitivity, transitivity);
        assert_eq!(triangle_count(&made, &Run::default()).unwrap(), found.total);
    }
}

#[test]
fn each_corner_counts() {
    check(0, &[], &[], &[], 0.0);
    check(2, &[(0, 1)], &[0, 0], &[0.0, 0.0], 0.0);
    check(3, &[(0, 1), (1, 2)], &[0, 0, 0], &[0.0; 3], 0.0);
    check(3, &[(0, 1), (1, 2), (2, 0)], &[1, 1, 1], &[1.0; 3], 1.0);
    // Two triangles on one edge.
    let third = 2.0 / 3.0;
    check(4, &[(0, 1), (1, 2), (2, 0), (1, 3), (3, 2)], &[1, 2, 2, 1], &[1.0, third, third, 1.0], 0.75);
}

#[test]
fn loops_parallel_edges_and_directions_do_not_count() {
    let edges = [(0, 1), (1, 0), (0, 1), (1, 1), (2, 1), (0, 2), (2, 0), (2, 2)];
    check(3, &edges, &[1, 1, 1], &[1.0; 3], 1.0);
    check(3, &[(0, 1), (1, 1), (2, 1), (0, 2), (2, 2)], &[1, 1, 1], &[1.0; 3], 1.0);
}

#[test]
fn dense_graphs_are_counted_as_sparse_ones_are() {
    // Every node with every other, and around each a star, so that lists of each kind meet.
    for (nodes, leaves) in [(300_u32, 0), (200, 5), (20, 300)] {
        let clique = (0..nodes).flat_map(|a| (0..a).map(move |b| (a, b)));
        let stars = (0..nodes).flat_map(|a| (0..leaves).map(move |leaf| (a, nodes + a * leaves + leaf)));
        let made = graph(nodes * (1 + leaves), &clique.chain(stars).collect::<Vec<_>>(), false);
        let nodes = u64::from(nodes);
        let found = triangles(&made, &Run::default()).unwrap();
        let each = (nodes - 1) * (nodes - 2) / 2;
        assert_eq!(found.total, nodes * each / 3);
        assert_eq!(triangle_count(&made, &Run::default()).unwrap(), found.total);
        let (inner, outer) = found.per_node.split_at(nodes as usize);
        assert!(inner.iter().all(|&count| count == each) && outer.iter().all(|&count| count == 0));
    }
}

#[test]
fn a_graph_without_hubs_is_counted_whether_rows_are_short_or_past_the_filter() {
    // Each node with the next two or three around a ring, which makes one triangle or three of each few in
    // a row; numbers far apart share the bits of the filter, and chords to them make no triangle.
    let nodes = 10_000_u32;
    for (steps, triangles_of_few) in [(&[1, 2, 2048][..], 1), (&[1, 2, 3, 2048, 4100], 3)] {
        let around = |node| steps.iter().map(move |step| (node, (node + step) % nodes));
        let edges: Vec<(u32, u32)> = (0..nodes).flat_map(around).collect();
        let total = u64::from(nodes) * triangles_of_few;
        for directed in [true, false] {
            let made = graph(nodes, &edges, directed);
            let found = triangles(&made, &Run::default()).unwrap();
            assert_eq!((found.total, triangle_count(&made, &Run::default()).unwrap()), (total, total));
            assert!(found.per_node.iter().all(|&count| count == 3 * triangles_of_few));
        }
    }
}

/// The triangles of each node, by trying every three.
fn per_node(nodes: u32, edges: &[(u32, u32)]) -> Vec<u64> {
    let nodes = nodes as usize;
    let mut linked = vec![false; nodes * nodes];
    for &(from, to) in edges {
        linked[from as usize * nodes + to as usize] = true;
        linked[to as usize * nodes + from as usize] = true;
    }
    let mut per_node = vec![0; nodes];
    for a in 0..nodes {
        for b in (0..a).filter(|b| linked[a * nodes + b]) {
            for c in (0..b).filter(|c| linked[a * nodes + c] && linked[b * nodes + c]) {
                [a, b, c].iter().for_each(|&node| per_node[node] += 1);
            }
        }
    }
    per_node
}

#[test]
fn dense_lists_with_something_in_common_are_compared_by_bits() {
    // Among a few hubs, each with leaves of its own, every second edge or so.
    let (hubs, leaves) = (250_u32, 10);
    let mut edges = random_edges(hubs, 20_000, 6);
    let mut expected = per_node(hubs, &edges);
    edges.extend((0..hubs * leaves).map(|leaf| (leaf / leaves, hubs + leaf)));
    expected.resize((hubs * (1 + leaves)) as usize, 0);
    let made = graph(hubs * (1 + leaves), &edges, false);
    let found = triangles(&made, &Run::default()).unwrap();
    assert_eq!(found.per_node, expected);
    assert_eq!(triangle_count(&made, &Run::default()).unwrap(), found.total);
    assert_eq!(found.total, expected.iter().sum::<u64>() / 3);
}

proptest! {
    #[test]
    fn they_are_those_of_all_threes(list in edge_lists(25), directed: bool) {
        let made = graph(list.nodes, &list.edges, directed);
        let edges: BTreeSet<(u32, u32)> =
            list.edges.iter().flat_map(|&(from, to)| [(from, to), (to, from)]).filter(|(a, b)| a != b).collect();
        let per_node = per_node(list.nodes, &list.edges);
        let found = triangles(&made, &Run::default()).unwrap();
        prop_assert_eq!(&found.per_node, &per_node);
        prop_assert_eq!(triangle_count(&made, &Run::default()).unwrap(), found.total);
        let degree = |node: u32| edges.iter().filter(|edge| edge.0 == node).count() as f64;
        let pairs: Vec<f64> = (0..list.nodes).map(|node| degree(node) * (degree(node) - 1.0) / 2.0).collect();
        for (node, pairs) in pairs.iter().enumerate() {
            let expected = if *pairs == 0.0 { 0.0 } else { per_node[node] as f64 / pairs };
            prop_assert_eq!(found.clustering[node], expected);
        }
        let all: f64 = pairs.iter().sum();
        let expected = if all == 0.0 { 0.0 } else { per_node.iter().sum::<u64>() as f64 / all };
        prop_assert_eq!(found.transitivity, expected);
    }
}

/// What is found out once about rows is found out by whoever comes first, and a thread that waits for its
/// share of that work may take up another's call for the same rows.
#[test]
fn calls_on_the_same_threads_do_not_wait_for_themselves() {
    let edges: Vec<(u32, u32)> = (0..60_000).map(|edge| (edge % 20_000, edge * 7 % 20_000)).collect();
    let weights: Vec<i64> = vec![1; edges.len()];
    let run = threads(2);
    let (sender, ended) = std::sync::mpsc::channel();
    for _ in 0..40 {
        let graph = std::sync::Arc::new(weighted(20_000, &edges, &weights, false));
        for _ in 0..8 {
            let (graph, run, sender) = (graph.clone(), run.clone(), sender.clone());
            std::thread::spawn(move || {
                let paths = sssp(&graph, &[0], &SsspOptions::default(), &run).unwrap();
                sender.send((triangle_count(&graph, &run).unwrap(), paths)).unwrap();
            });
        }
        let mut found =
            (0..8).map(|_| ended.recv_timeout(std::time::Duration::from_secs(60)).expect("calls end"));
        let first = found.next().unwrap();
        assert!(found.all(|other| other == first));
    }
}
