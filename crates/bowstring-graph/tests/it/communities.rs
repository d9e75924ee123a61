//! Are communities what their definitions say, and as good as they should be?

use std::{collections::HashMap, sync::Arc};

use arrow::array::{ArrayRef, Float64Array, UInt32Array};
use bowstring_core::{Cancel, units::ByteSize};
use bowstring_graph::{
    Communities, Edges, Graph, GraphError, LabelPropagationOptions, LeidenOptions, LouvainOptions, Run,
    label_propagation, leiden, louvain, modularity,
};
use expect_test::expect;
use proptest::prelude::*;

use crate::support::{EdgeList, edge_lists, graph, message, options, threads, weighted};

const KARATE: &str = include_str!("fixtures/karate.txt");
const MISERABLES: &str = include_str!("fixtures/miserables.txt");

/// Lines of `from to weight`.
fn fixture(text: &str) -> EdgeList {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<Vec<u32>> =
        lines.map(|line| line.split(' ').map(|number| number.parse().unwrap()).collect()).collect();
    EdgeList {
        nodes: rows.iter().map(|row| row[0].max(row[1]) + 1).max().unwrap(),
        edges: rows.iter().map(|row| (row[0], row[1])).collect(),
        weights: rows.iter().map(|row| row[2].into()).collect(),
    }
}

/// The definition, one community after the other.
fn reference(list: &EdgeList, labels: &[u32], directed: bool, resolution: f64) -> f64 {
    let total: f64 = list.weights.iter().map(|&weight| weight as f64).sum();
    if total == 0.0 {
        return 0.0;
    }
    let edges = || list.edges.iter().zip(&list.weights).map(|(edge, &weight)| (*edge, weight as f64));
    let sum = |wanted: &dyn Fn((u32, u32)) -> bool| -> f64 {
        edges().filter(|(edge, _)| wanted(*edge)).map(|(_, weight)| weight).sum()
    };
    let mut communities = labels.to_vec();
    communities.sort_unstable();
    communities.dedup();
    let of = |community: u32| {
        let member = |node: u32| labels[node as usize] == community;
        let within = sum(&|(from, to)| member(from) && member(to));
        let out = sum(&|(from, _)| member(from));
        let into = sum(&|(_, to)| member(to));
        let expected =
            if directed { out * into / (total * total) } else { ((out + into) / (2.0 * total)).powi(2) };
        within / total - resolution * expected
    };
    communities.into_iter().map(of).sum()
}

/// Labels are numbered from 0 in the order of the smallest node of each.
fn check_labels(found: &Communities) {
    let mut next = 0;
    for &label in &found.labels {
        assert!(label <= next, "{:?}", found.labels);
        next = next.max(label + 1);
    }
    assert_eq!(found.count, next);
    let mut sizes = vec![0; next as usize];
    found.labels.iter().for_each(|&label| sizes[label as usize] += 1);
    assert_eq!(found.sizes(), sizes);
}

/// No two communities gain by becoming one.
fn check_merges(list: &EdgeList, found: &Communities, directed: bool, resolution: f64) {
    for gone in 0..found.count {
        for kept in 0..gone {
            let merged: Vec<u32> =
                found.labels.iter().map(|&label| if label == gone { kept } else { label }).collect();
            let gain = reference(list, &merged, directed, resolution) - found.modularity;
            assert!(gain < 1e-6, "{gone} into {kept} gains {gain}: {:?}", found.labels);
        }
    }
}

/// No node gains by moving to another community, or to one of its own.
fn check_moves(list: &EdgeList, found: &Communities, directed: bool, resolution: f64) {
    for node in 0..list.nodes as usize {
        for target in (0..=found.count).filter(|&target| target != found.labels[node]) {
            let mut moved = found.labels.clone();
            moved[node] = target;
            let gain = reference(list, &moved, directed, resolution) - found.modularity;
            assert!(gain < 1e-6, "{node} to {target} gains {gain}: {:?}", found.labels);
        }
    }
}

/// The nodes of each community are connected within it.
fn check_connected(list: &EdgeList, labels: &[u32]) {
    let mut parts: Vec<u32> = (0..list.nodes).collect();
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for &(from, to) in &list.edges {
            let (from, to) = (from as usize, to as usize);
            if labels[from] == labels[to] && parts[from] != parts[to] {
                let least = parts[from].min(parts[to]);
                (parts[from], parts[to], changed) = (least, least, true);
            }
        }
    }
    let mut part_of = HashMap::new();
    for (&label, &part) in labels.iter().zip(&parts) {
        assert_eq!(*part_of.entry(label).or_insert(part), part, "community {label} of {labels:?}");
    }
}

#[test]
fn known_graphs_are_divided_as_well_as_elsewhere() {
    // The best of thirty seeds with networkx 3.6.1, rounded down.
    for (text, plain, with_weights) in [(KARATE, 0.4197, 0.4449), (MISERABLES, 0.5600, 0.56668)] {
        let list = fixture(text);
        let unweighted = graph(list.nodes, &list.edges, false);
        for (made, least) in [(unweighted, plain), (list.weighted(false), with_weights)] {
            let best = |divide: &dyn Fn(u64) -> f64| (0..30).map(divide).fold(f64::MIN, f64::max);
            let run = Run::default();
            let found = best(&|seed| {
                louvain(&made, &LouvainOptions { seed, ..Default::default() }, &run).unwrap().modularity
            });
            assert!(found >= least, "louvain: {found} < {least}");
            let found = best(&|seed| {
                leiden(&made, &LeidenOptions { seed, ..Default::default() }, &run).unwrap().modularity
            });
            assert!(found >= least, "leiden: {found} < {least}");
        }
    }
}

#[test]
fn without_edges_each_node_is_a_community() {
    let empty = graph(3, &[], false);
    let run = Run::default();
    let expected =
        Communities { labels: vec![0, 1, 2], count: 3, modularity: 0.0, iterations: 1, converged: true };
    assert_eq!(louvain(&empty, &LouvainOptions::default(), &run).unwrap(), expected);
    assert_eq!(leiden(&empty, &LeidenOptions::default(), &run).unwrap(), expected);
    assert_eq!(label_propagation(&empty, &LabelPropagationOptions::default(), &run).unwrap(), expected);
    let none = graph(0, &[], true);
    assert!(louvain(&none, &LouvainOptions::default(), &run).unwrap().labels.is_empty());
    assert!(leiden(&none, &LeidenOptions::default(), &run).unwrap().labels.is_empty());
    assert!(label_propagation(&none, &LabelPropagationOptions::default(), &run).unwrap().labels.is_empty());
}

#[test]
fn a_limit_that_is_reached_is_told() {
    let list = fixture(MISERABLES);
    let made = list.weighted(false);
    let run = Run::default();
    let once = louvain(&made, &LouvainOptions { max_levels: 1, ..Default::default() }, &run).unwrap();
    assert!((once.iterations, once.converged) == (1, false), "{once:?}");
    let all = louvain(&made, &LouvainOptions::default(), &run).unwrap();
    assert!(all.iterations > 1 && all.converged && all.modularity > once.modularity, "{all:?}");
    let options = LabelPropagationOptions { max_iterations: 1, ..Default::default() };
    let once = label_propagation(&made, &options, &run).unwrap();
    assert!((once.iterations, once.converged) == (1, false), "{once:?}");
    let options = LeidenOptions { iterations: 1, max_levels: 1, ..Default::default() };
    let once = leiden(&made, &options, &run).unwrap();
    assert!((once.iterations, once.converged) == (1, false), "{once:?}");
    let options = LeidenOptions { iterations: 50, ..Default::default() };
    assert!(leiden(&made, &options, &run).unwrap().converged);
}

#[test]
fn the_resolution_decides_how_large_communities_are() {
    let list = fixture(KARATE);
    let counts = [0.0, 0.5, 1.0, 4.0, 1000.0].map(|resolution| {
        let options = LouvainOptions { resolution, ..Default::default() };
        louvain(&list.weighted(false), &options, &Run::default()).unwrap().count
    });
    assert!(counts.is_sorted() && counts[0] == 1 && counts[4] == 34, "{counts:?}");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let made = graph(2, &[(0, 1)], false);
    let run = Run::default();
    let louvain = |options: LouvainOptions| message(louvain(&made, &options, &run));
    let leiden = |options: LeidenOptions| message(leiden(&made, &options, &run));
    expect!["usage: `resolution` is -1, and must be a finite number of at least 0"]
        .assert_eq(&louvain(LouvainOptions { resolution: -1.0, ..Default::default() }));
    expect!["usage: `tolerance` is NaN, and must be a finite number of at least 0"]
        .assert_eq(&louvain(LouvainOptions { tolerance: f64::NAN, ..Default::default() }));
    expect!["usage: `max_levels` is 0, and must be at least 1"]
        .assert_eq(&louvain(LouvainOptions { max_levels: 0, ..Default::default() }));
    expect!["usage: `resolution` is inf, and must be a finite number of at least 0"]
        .assert_eq(&leiden(LeidenOptions { resolution: f64::INFINITY, ..Default::default() }));
    expect!["usage: `tolerance` is -1, and must be a finite number of at least 0"]
        .assert_eq(&leiden(LeidenOptions { tolerance: -1.0, ..Default::default() }));
    expect!["usage: `iterations` is 0, and must be at least 1"]
        .assert_eq(&leiden(LeidenOptions { iterations: 0, ..Default::default() }));
    expect!["usage: `max_levels` is 0, and must be at least 1"]
        .assert_eq(&leiden(LeidenOptions { max_levels: 0, ..Default::default() }));
    let options = LabelPropagationOptions { max_iterations: 0, ..Default::default() };
    expect!["usage: `max_iterations` is 0, and must be at least 1"]
        .assert_eq(&message(label_propagation(&made, &options, &run)));
    expect!["usage: `labels` is 1 long, and must be as long as the graph has nodes"]
        .assert_eq(&message(modularity(&made, &[0], 1.0, &run)));
    expect!["usage: `resolution` is -1, and must be a finite number of at least 0"]
        .assert_eq(&message(modularity(&made, &[0, 1], -1.0, &run)));
}

#[test]
fn weights_that_cannot_be_used_are_refused() {
    let run = Run::default();
    let negative = weighted(2, &[(0, 1)], &[-3], true);
    expect![[r#"
        data: louvain needs weights of at least 0, and the least one is -3

        hint: drop these edges first, or shift the weights"#]]
    .assert_eq(&message(louvain(&negative, &LouvainOptions::default(), &run)));
    assert!(matches!(
        leiden(&negative, &LeidenOptions::default(), &run),
        Err(GraphError::NegativeWeight { kernel: "leiden", .. })
    ));
    assert!(matches!(
        label_propagation(&negative, &LabelPropagationOptions::default(), &run),
        Err(GraphError::NegativeWeight { kernel: "label propagation", .. })
    ));
    assert!(matches!(
        modularity(&negative, &[0, 0], 1.0, &run),
        Err(GraphError::NegativeWeight { kernel: "modularity", .. })
    ));
    let source: ArrayRef = Arc::new(UInt32Array::from(vec![0, 1]));
    let target: ArrayRef = Arc::new(UInt32Array::from(vec![1, 2]));
    let weight: ArrayRef = Arc::new(Float64Array::from(vec![1e308, 1e308]));
    let edges = Edges { source: &[source], target: &[target], weight: Some(&[weight]) };
    let large = Graph::from_edges(&edges, &options(3, true), &run).unwrap();
    expect![[r#"
        data: louvain needs the sum of the weights, which is beyond 64-bit floats

        hint: scale the weights down"#]]
    .assert_eq(&message(louvain(&large, &LouvainOptions::default(), &run)));
}

#[test]
fn limits_and_cancellation_are_kept() {
    let made = graph(100, &[(0, 1)], false);
    let small = threads(1).with_memory(Some(ByteSize(1000)));
    expect![[r#"
        limit: louvain needs 6.0 KiB of memory, and the limit is 1000 B

        hint: raise the limit of memory, which is the machine's where none is set"#]]
    .assert_eq(&message(louvain(&made, &LouvainOptions::default(), &small)));
    assert!(matches!(leiden(&made, &LeidenOptions::default(), &small), Err(GraphError::Memory { .. })));
    let options = LabelPropagationOptions::default();
    assert!(matches!(label_propagation(&made, &options, &small), Err(GraphError::Memory { .. })));
    assert!(matches!(modularity(&made, &[0; 100], 1.0, &small), Err(GraphError::Memory { .. })));
    let cancel = Cancel::new();
    cancel.cancel();
    let run = Run::default().with_cancel(cancel);
    assert!(matches!(louvain(&made, &LouvainOptions::default(), &run), Err(GraphError::Cancelled(_))));
}

/// A graph large enough that batches have many nodes: rings of 40 with chords, and some edges between.
fn large(directed: bool) -> EdgeList {
    let mut state = 7_u64;
    let mut next = |bound: u32| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 33) as u32) % bound
    };
    let nodes = 20_000;
    let mut edges = Vec::new();
    for node in 0..nodes {
        let ring = node / 40 * 40;
        edges.extend((0..4).map(|_| (node, ring + next(40))));
        if directed || next(2) == 0 {
            edges.push((node, next(nodes)));
        }
    }
    let weights = edges.iter().map(|_| i64::from(next(5)) + 1).collect();
    EdgeList { nodes, edges, weights }
}

#[test]
fn a_large_graph_is_divided_alike_by_any_number_of_threads() {
    for directed in [false, true] {
        let list = large(directed);
        let made = list.weighted(directed);
        let planted: Vec<u32> = (0..list.nodes).map(|node| node / 40).collect();
        let least = reference_fast(&made, &planted) - 0.02;
        let all = |run: &Run| {
            [
                louvain(&made, &LouvainOptions::default(), run).unwrap(),
                leiden(&made, &LeidenOptions::default(), run).unwrap(),
                label_propagation(&made, &LabelPropagationOptions::default(), run).unwrap(),
            ]
        };
        let expected = all(&threads(1));
        for found in &expected {
            check_labels(found);
        }
        assert!(expected[0].modularity > least, "{} {least}", expected[0].modularity);
        assert!(expected[1].modularity > least, "{} {least}", expected[1].modularity);
        check_connected(&list, &expected[1].labels);
        assert_eq!(all(&threads(3)), expected);
        let other = louvain(&made, &LouvainOptions { seed: 1, ..Default::default() }, &threads(2)).unwrap();
        assert!(other.labels != expected[0].labels, "the seed changes nothing");
    }
}

fn reference_fast(made: &Graph, labels: &[u32]) -> f64 {
    modularity(made, labels, 1.0, &Run::default()).unwrap()
}

proptest! {
    #[test]
    fn modularity_is_as_defined(
        list in edge_lists(12), directed: bool, resolution in 0.0..3.0_f64, labels in prop::collection::vec(0..4_u32, 12),
    ) {
        let labels: Vec<u32> = labels[..list.nodes as usize].iter().map(|label| label * 1_000_000_007 % 77).collect();
        let found = modularity(&list.weighted(directed), &labels, resolution, &Run::default()).unwrap();
        let expected = reference(&list, &labels, directed, resolution);
        prop_assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn louvain_leaves_no_merge_that_gains(list in edge_lists(25), directed: bool, seed: u64, resolution in 0.2..2.0_f64) {
        let options = LouvainOptions { seed, resolution, ..Default::default() };
        let found = louvain(&list.weighted(directed), &options, &Run::default()).unwrap();
        check_labels(&found);
        prop_assert!(found.converged);
        prop_assert!((found.modularity - reference(&list, &found.labels, directed, resolution)).abs() < 1e-9);
        check_merges(&list, &found, directed, resolution);
    }

    #[test]
    fn leiden_finds_connected_communities(list in edge_lists(25), directed: bool, seed: u64, resolution in 0.2..2.0_f64, max_levels in 1..4_u32) {
        let made = list.weighted(directed);
        let options = LeidenOptions { seed, resolution, max_levels, ..Default::default() };
        let cut = leiden(&made, &options, &Run::default()).unwrap();
        check_labels(&cut);
        check_connected(&list, &cut.labels);
        let options = LeidenOptions { max_levels: 100, iterations: 50, ..options };
        let found = leiden(&made, &options, &Run::default()).unwrap();
        check_labels(&found);
        check_connected(&list, &found.labels);
        prop_assert!((found.modularity - reference(&list, &found.labels, directed, resolution)).abs() < 1e-9);
        prop_assert!(found.converged);
        check_moves(&list, &found, directed, resolution);
        check_merges(&list, &found, directed, resolution);
    }

    #[test]
    fn propagated_labels_are_the_heaviest_nearby(list in edge_lists(40), directed: bool, seed: u64) {
        let options = LabelPropagationOptions { seed, ..Default::default() };
        let found = label_propagation(&list.weighted(directed), &options, &Run::default()).unwrap();
        check_labels(&found);
        prop_assert!(found.converged);
        for node in 0..list.nodes {
            let mut sums: HashMap<u32, i64> = HashMap::new();
            for (&(from, to), weight) in list.edges.iter().zip(&list.weights) {
                if from == node {
                    *sums.entry(found.labels[to as usize]).or_default() += weight;
                }
                if to == node && (directed || from != to) {
                    *sums.entry(found.labels[from as usize]).or_default() += weight;
                }
            }
            let own = sums.get(&found.labels[node as usize]).copied().unwrap_or(0);
            prop_assert!(sums.values().all(|&sum| sum <= own), "node {node}: {sums:?}");
        }
    }
}
