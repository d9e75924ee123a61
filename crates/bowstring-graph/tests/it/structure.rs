//! What holds for every kernel that looks at the structure of a graph?

use std::collections::HashMap;

use bowstring_core::{Cancel, units::ByteSize};
use bowstring_graph::{
    Graph, GraphError, Result, Run, bipartite, connected_components, core_numbers, minimum_spanning_forest,
    strongly_connected_components, triangle_count, triangles,
};

use crate::support::{graph, threads, weighted};

/// Labels numbered in the order in which they appear.
pub(crate) fn numbered(labels: &[u32]) -> Vec<u32> {
    let mut numbers = HashMap::new();
    let number = |label: &u32| {
        let next = numbers.len() as u32;
        *numbers.entry(*label).or_insert(next)
    };
    labels.iter().map(number).collect()
}

/// So many edges between nodes below `nodes`, the same for the same seed (splitmix64).
pub(crate) fn random_edges(nodes: u32, count: usize, seed: u64) -> Vec<(u32, u32)> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((bits >> 32) * u64::from(nodes)) >> 32) as u32
    };
    (0..count).map(|_| (next(), next())).collect()
}

/// A kernel, and its answer as text.
type Kernel = (&'static str, fn(&Graph, &Run) -> Result<String>);

const KERNELS: [Kernel; 7] = [
    ("components", |graph, run| Ok(format!("{:?}", connected_components(graph, run)?))),
    ("strong", |graph, run| Ok(format!("{:?}", strongly_connected_components(graph, run)?))),
    ("cores", |graph, run| Ok(format!("{:?}", core_numbers(graph, run)?))),
    ("triangles", |graph, run| Ok(format!("{:?}", triangles(graph, run)?))),
    ("count", |graph, run| Ok(format!("{:?}", triangle_count(graph, run)?))),
    ("bipartite", |graph, run| Ok(format!("{:?}", bipartite(graph, run)?))),
    ("forest", |graph, run| match minimum_spanning_forest(graph, run) {
        Err(GraphError::WrongDirection { .. }) => Ok(String::new()),
        forest => Ok(format!("{:?}", forest?)),
    }),
];

#[test]
fn answers_do_not_depend_on_the_number_of_threads() {
    // Hubs, and parts that only a few edges connect.
    let skewed = random_edges(30_000, 90_000, 1).into_iter().map(|(from, to)| (from, to % (from / 3 + 1)));
    let edges: Vec<(u32, u32)> = skewed.collect();
    let weights: Vec<i64> =
        random_edges(50, 90_000, 2).into_iter().map(|(weight, _)| weight.into()).collect();
    for directed in [true, false] {
        let made = weighted(30_100, &edges, &weights, directed);
        for (name, kernel) in KERNELS {
            let one = kernel(&made, &threads(1)).unwrap();
            for count in [2, 4] {
                let fresh = weighted(30_100, &edges, &weights, directed);
                assert!(kernel(&fresh, &threads(count)).unwrap() == one, "{name} with {count} threads");
            }
        }
    }
}

#[test]
fn work_that_was_cancelled_does_not_begin() {
    let cancel = Cancel::new();
    cancel.cancel();
    let run = Run::default().with_cancel(cancel);
    for (name, kernel) in KERNELS {
        let result = kernel(&graph(3, &[(0, 1)], false), &run);
        assert!(matches!(result, Err(GraphError::Cancelled(_))), "{name}: {result:?}");
    }
}

#[test]
fn a_limit_of_memory_is_kept_before_anything_is_allocated() {
    let run = Run::default().with_memory(Some(ByteSize(100)));
    for (name, kernel) in KERNELS {
        let result = kernel(&graph(1000, &[(0, 1)], false), &run);
        assert!(matches!(result, Err(GraphError::Memory { .. })), "{name}: {result:?}");
    }
}

#[test]
fn neighbours_may_come_in_any_order() {
    let run = Run::default();
    let sorted = graph(2000, &random_edges(2000, 8000, 4), false);
    let mut indices = sorted.csr().indices().to_vec();
    for node in 0..2000 {
        indices[sorted.csr().range(node)].reverse();
    }
    let rows =
        bowstring_graph::Csr::new(sorted.csr().indptr().clone(), indices.into(), None, &Run::default())
            .unwrap();
    let turned = Graph::from_csr(rows, false, &run).unwrap();
    assert!(!turned.csr().is_sorted());
    for (name, kernel) in KERNELS.iter().filter(|(name, _)| *name != "bipartite") {
        assert!(kernel(&turned, &run).unwrap() == kernel(&sorted, &run).unwrap(), "{name}");
    }
}
