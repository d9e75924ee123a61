//! Are components those of a plain union-find?

use bowstring_graph::{Run, connected_components};
use proptest::prelude::*;

use crate::{
    structure::numbered,
    support::{edge_lists, graph, threads},
};

fn check(nodes: u32, edges: &[(u32, u32)], expected: &[u32]) {
    for directed in [true, false] {
        let components = connected_components(&graph(nodes, edges, directed), &Run::default()).unwrap();
        assert_eq!(components.labels, expected);
        let count = expected.iter().max().map_or(0, |greatest| greatest + 1);
        assert_eq!(components.count, count);
    }
}

/// The smallest node that each node is connected to.
pub(crate) fn smallest(nodes: u32, edges: &[(u32, u32)]) -> Vec<u32> {
    let mut labels: Vec<u32> = (0..nodes).collect();
    for _ in 0..nodes {
        for &(from, to) in edges {
            let least = labels[from as usize].min(labels[to as usize]);
            (labels[from as usize], labels[to as usize]) = (least, least);
        }
    }
    labels
}

#[test]
fn labels_are_numbered_by_the_smallest_node() {
    check(0, &[], &[]);
    check(3, &[], &[0, 1, 2]);
    check(1, &[(0, 0)], &[0]);
    check(6, &[(5, 0), (3, 1), (1, 3), (3, 3)], &[0, 1, 2, 1, 3, 0]);
    check(5, &[(4, 3), (3, 2), (2, 1), (1, 0)], &[0, 0, 0, 0, 0]);
}

#[test]
fn sizes_count_nodes() {
    let parts = connected_components(&graph(5, &[(0, 4), (4, 2)], true), &Run::default()).unwrap();
    assert_eq!(parts.sizes(), [3, 1, 1]);
}

proptest! {
    #[test]
    fn they_are_those_of_a_union_find(list in edge_lists(60), directed: bool) {
        let made = graph(list.nodes, &list.edges, directed);
        let components = connected_components(&made, &Run::default()).unwrap();
        let expected = numbered(&smallest(list.nodes, &list.edges));
        prop_assert_eq!(&components.labels, &expected);
        prop_assert_eq!(components.count as usize, components.sizes().len());
        // With incoming rows at hand not all edges are looked at.
        made.csc(&Run::default()).unwrap();
        prop_assert_eq!(&connected_components(&made, &Run::default()).unwrap(), &components);
        prop_assert!(components.sizes().iter().all(|&size| size > 0));
    }
}

#[test]
fn a_giant_component_reaches_those_whose_edges_only_lead_into_it() {
    // A giant ring, and chains that end in it or begin in it, beside many nodes without edges.
    let (ring, chains, length) = (30_000_u32, 2000_u32, 5_u32);
    let mut edges: Vec<(u32, u32)> =
        (0..2 * ring).map(|edge| (edge / 2, (edge / 2 + edge % 2 + 1) % ring)).collect();
    for chain in 0..chains {
        let first = ring + chain * length;
        let links = (first..first + length - 1).map(|node| (node, node + 1));
        let to_ring = (first, chain * 7 % ring);
        let both = links.chain((chain % 3 > 0).then_some(to_ring));
        edges.extend(both.map(|(from, to)| if chain % 2 == 0 { (from, to) } else { (to, from) }));
    }
    let nodes = ring + chains * length + 20_000;
    let mut expected = Vec::new();
    let mut count = 1;
    expected.resize(ring as usize, 0);
    for chain in 0..chains {
        let is_apart = chain % 3 == 0;
        expected.extend([if is_apart { count } else { 0 }; 5]);
        count += u32::from(is_apart);
    }
    expected.extend(count..count + 20_000);
    for directed in [false, true] {
        let made = graph(nodes, &edges, directed);
        for threads in [threads(1), threads(3)] {
            assert!(connected_components(&made, &threads).unwrap().labels == expected, "{directed}");
        }
        made.csc(&Run::default()).unwrap();
        for threads in [threads(1), threads(3)] {
            assert!(
                connected_components(&made, &threads).unwrap().labels == expected,
                "{directed}, both ways"
            );
        }
    }
}
