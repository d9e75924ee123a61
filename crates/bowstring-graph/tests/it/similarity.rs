//! Do pairs of nodes share the neighbours that they are said to?

use std::collections::BTreeSet;

use bowstring_core::units::ByteSize;
use bowstring_graph::{GraphError, Run, common_neighbors, jaccard};
use expect_test::expect;
use proptest::prelude::*;

use crate::support::{EdgeList, edge_lists, graph, message, threads};

/// By sets, as networkx does it.
fn reference(list: &EdgeList, directed: bool, a: u32, b: u32) -> (u32, f64) {
    let rows = list.neighbors(directed);
    let set = |node: u32| rows[node as usize].iter().copied().collect::<BTreeSet<u32>>();
    let (left, right) = (set(a), set(b));
    let common = left.intersection(&right).filter(|&&node| node != a && node != b).count();
    let union = left.union(&right).count();
    (common as u32, if union == 0 { 0.0 } else { common as f64 / union as f64 })
}

fn check(list: &EdgeList, directed: bool, pairs: &[(u32, u32)]) {
    let (source, target): (Vec<u32>, Vec<u32>) = pairs.iter().copied().unzip();
    let (common, share): (Vec<u32>, Vec<f64>) =
        pairs.iter().map(|&(a, b)| reference(list, directed, a, b)).unzip();
    let made = graph(list.nodes, &list.edges, directed);
    assert_eq!(common_neighbors(&made, &source, &target, &Run::default()).unwrap(), common);
    assert_eq!(jaccard(&made, &source, &target, &threads(3)).unwrap(), share);
}

#[test]
fn rows_of_very_different_length_are_searched() {
    let mut edges: Vec<(u32, u32)> = (0..1000).map(|node| (0, 3 * node % 2000)).collect();
    edges.extend([(1, 0), (1, 3), (1, 3), (1, 4), (1, 1), (1, 999), (1, 1999), (2, 1998)]);
    let list = EdgeList { nodes: 2000, weights: vec![1; edges.len()], edges };
    check(&list, true, &[(0, 1), (1, 0), (2, 0), (0, 2), (0, 0), (5, 6)]);
}

#[test]
fn pairs_that_are_wrong_are_refused() {
    let made = graph(3, &[(0, 1)], false);
    let run = Run::default();
    expect![[r#"
        data: pair 1 names node 3, but the graph has 3
          at column `target`"#]]
    .assert_eq(&message(jaccard(&made, &[0, 1, 9], &[1, 3, 0], &run)));
    expect![[r#"
        data: pair 0 names node 7, but the graph has 3
          at column `source`"#]]
    .assert_eq(&message(common_neighbors(&made, &[7], &[9], &run)));
    expect!["data: `target` has 1 rows, and `source` has 2"].assert_eq(&message(common_neighbors(
        &made,
        &[0, 1],
        &[0],
        &run,
    )));
    let small = Run::default().with_memory(Some(ByteSize(10)));
    assert!(matches!(jaccard(&made, &[0, 1], &[0, 1], &small), Err(GraphError::Memory { .. })));
}

proptest! {
    #[test]
    fn pairs_share_what_their_sets_share(
        list in edge_lists(30), directed: bool, pairs in prop::collection::vec((0..30_u32, 0..30_u32), 0..600),
    ) {
        let within = pairs.into_iter().map(|(a, b)| (a % list.nodes, b % list.nodes));
        check(&list, directed, &within.collect::<Vec<_>>());
    }
}
