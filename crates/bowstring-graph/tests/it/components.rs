//! Are components those of a plain union-find?

use bowstring_graph::{Run, connected_components};
use proptest::prelude::*;

use crate::{
    structure::numbered,
    support::{edge_lists, graph},
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
        prop_assert!(components.sizes().iter().all(|&size| size > 0));
    }
}
