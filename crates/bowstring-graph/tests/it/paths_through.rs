//! Betweenness, closeness and harmonic centrality against all pairs of nodes.

use bowstring_core::{Cancel, units::ByteSize};
use bowstring_graph::{
    BetweennessOptions, ClosenessOptions, GraphError, HarmonicOptions, Run, betweenness, closeness, harmonic,
};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::support::{EdgeList, edge_lists, graph, many_edges, message, threads, weighted};

/// The distance between each two nodes (Floyd 1962, Warshall 1962) and the number of shortest paths.
struct Pairs {
    distances: Vec<Vec<Option<i64>>>,
    paths: Vec<Vec<f64>>,
}

fn pairs(list: &EdgeList, directed: bool, weighted: bool) -> Pairs {
    let nodes = list.nodes as usize;
    let mut edges = vec![vec![None; nodes]; nodes];
    for (&(from, to), &weight) in list.edges.iter().zip(&list.weights) {
        let weight = if weighted { weight } else { 1 };
        let both = [(from as usize, to as usize), (to as usize, from as usize)];
        for &(from, to) in &both[..if directed { 1 } else { 2 }] {
            let known: &mut Option<i64> = &mut edges[from][to];
            *known = Some(known.map_or(weight, |known| known.min(weight)));
        }
    }
    let mut distances = edges.clone();
    distances.iter_mut().enumerate().for_each(|(node, row)| row[node] = Some(0));
    for over in 0..nodes {
        for from in 0..nodes {
            for to in 0..nodes {
                if let (Some(first), Some(second)) = (distances[from][over], distances[over][to])
                    && distances[from][to].is_none_or(|known| first + second < known)
                {
                    distances[from][to] = Some(first + second);
                }
            }
        }
    }
    let mut paths = vec![vec![0.0; nodes]; nodes];
    for from in 0..nodes {
        let mut order: Vec<usize> = (0..nodes).filter(|&to| distances[from][to].is_some()).collect();
        order.sort_by_key(|&to| distances[from][to]);
        paths[from][from] = 1.0;
        for &to in &order {
            for last in 0..nodes {
                if let (Some(before), Some(step)) = (distances[from][last], edges[last][to])
                    && to != from
                    && Some(before + step) == distances[from][to]
                {
                    paths[from][to] += paths[from][last];
                }
            }
        }
    }
    Pairs { distances, paths }
}

impl Pairs {
    /// For one source and each node, the parts of the paths to all targets that lead through the node.
    fn through(&self, source: usize, endpoints: bool) -> Vec<f64> {
        let nodes = self.paths.len();
        let part = |node: usize, target: usize| {
            let distance = |from: usize, to: usize| self.distances[from][to];
            let (Some(all), Some(first), Some(second)) =
                (distance(source, target), distance(source, node), distance(node, target))
            else {
                return 0.0;
            };
            let at_end = node == source || node == target;
            if source == target || all != first + second || at_end && !endpoints {
                return 0.0;
            }
            self.paths[source][node] * self.paths[node][target] / self.paths[source][target]
        };
        (0..nodes).map(|node| (0..nodes).map(|target| part(node, target)).sum()).collect()
    }
}

#[track_caller]
fn assert_near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (node, (found, expected)) in found.iter().zip(expected).enumerate() {
        let apart = (found - expected).abs();
        assert!(apart <= 1e-9 * expected.abs().max(1.0), "{found} is not {expected} at node {node}");
    }
}

#[test]
fn betweenness_of_small_graphs() {
    let check = |nodes, edges: &[(u32, u32)], directed, options: BetweennessOptions, expected: &[f64]| {
        assert_near(
            &betweenness(&graph(nodes, edges, directed), &options, &Run::default()).unwrap(),
            expected,
        );
    };
    let exact = BetweennessOptions::default;
    let counted = || BetweennessOptions { normalized: false, ..exact() };
    let path = [(0, 1), (1, 2), (2, 3)];
    check(4, &path, false, counted(), &[0.0, 2.0, 2.0, 0.0]);
    check(4, &path, true, counted(), &[0.0, 2.0, 2.0, 0.0]);
    check(4, &path, false, exact(), &[0.0, 2.0 / 3.0, 2.0 / 3.0, 0.0]);
    check(4, &path, true, exact(), &[0.0, 1.0 / 3.0, 1.0 / 3.0, 0.0]);
    check(4, &path, false, BetweennessOptions { endpoints: true, ..counted() }, &[3.0, 5.0, 5.0, 3.0]);
    // Two ways around a square, one of them over a parallel edge and past a loop.
    check(4, &[(0, 1), (0, 1), (1, 1), (1, 3), (0, 2), (2, 3)], false, counted(), &[0.5, 0.5, 0.5, 0.5]);
    // Of two samples, one is at the end of all paths from itself.
    let two = BetweennessOptions { sources: Some(vec![0, 1]), ..counted() };
    check(4, &path, false, two, &[0.0, 3.0, 1.5, 0.0]);
    let one = BetweennessOptions { sources: Some(vec![1]), ..exact() };
    check(4, &path, false, one, &[0.0, 0.0, 0.5, 0.0]);
    check(1, &[(0, 0)], false, exact(), &[0.0]);
    check(2, &[(0, 1)], false, exact(), &[0.0, 0.0]);
    check(0, &[], false, exact(), &[]);
}

/// Squares one after another: between their ends there are 2 paths to the power of their number.
fn squares(count: u32) -> Vec<(u32, u32)> {
    let square = |at: u32| {
        let corner = 3 * at;
        [(corner, corner + 1), (corner, corner + 2), (corner + 1, corner + 3), (corner + 2, corner + 3)]
    };
    (0..count).flat_map(square).collect()
}

#[test]
fn numbers_of_paths_may_be_beyond_floats() {
    let count = 3000_u32;
    let nodes = 3 * count + 1;
    let edges = squares(count);
    let through = |node: u32| match (node / 3, node % 3) {
        (0, 0) => 0.0,
        // Paths to all nodes behind a corner lead through it, and half of them through a side.
        (_, 0) => f64::from(nodes - 1 - node),
        (square, _) => f64::from(nodes - 3 * (square + 1)) / 2.0,
    };
    let expected: Vec<f64> = (0..nodes).map(|node| through(node) * f64::from(nodes - 1)).collect();
    let options = BetweennessOptions { sources: Some(vec![0]), normalized: false, ..Default::default() };
    assert_near(&betweenness(&graph(nodes, &edges, true), &options, &Run::default()).unwrap(), &expected);
    let weights = vec![7; edges.len()];
    let options = BetweennessOptions { weighted: true, ..options };
    let found = betweenness(&weighted(nodes, &edges, &weights, true), &options, &Run::default());
    assert_near(&found.unwrap(), &expected);
}

#[test]
fn closeness_of_small_graphs() {
    let check = |edges: &[(u32, u32)], directed, options: ClosenessOptions, expected: &[f64]| {
        assert_near(&closeness(&graph(4, edges, directed), &options, &Run::default()).unwrap(), expected);
    };
    let plain = ClosenessOptions::default;
    check(&[(0, 1), (1, 2)], true, plain(), &[0.0, 1.0 / 3.0, 4.0 / 9.0, 0.0]);
    let wf_improved = false;
    check(&[(0, 1), (1, 2)], true, ClosenessOptions { wf_improved, ..plain() }, &[0.0, 1.0, 2.0 / 3.0, 0.0]);
    check(&[(0, 1), (1, 2), (2, 3)], false, plain(), &[0.5, 0.75, 0.75, 0.5]);
    let nodes = Some(vec![2, 0, 2]);
    check(&[(0, 1), (1, 2)], true, ClosenessOptions { nodes, ..plain() }, &[4.0 / 9.0, 0.0, 4.0 / 9.0]);
}

#[test]
fn many_nodes_may_be_equally_far() {
    let leaves = 1000_u32;
    let edges: Vec<(u32, u32)> = (1..=leaves).map(|leaf| (0, leaf)).collect();
    let star = graph(leaves + 1, &edges, false);
    let mut expected = vec![f64::from(leaves) / f64::from(2 * leaves - 1); leaves as usize + 1];
    expected[0] = 1.0;
    assert_near(&closeness(&star, &ClosenessOptions::default(), &Run::default()).unwrap(), &expected);
}

#[test]
fn small_parts_of_a_large_graph_have_scores_of_their_own() {
    let edges: Vec<(u32, u32)> =
        (0..100).flat_map(|part| [(3 * part, 3 * part + 1), (3 * part + 1, 3 * part + 2)]).collect();
    let options = BetweennessOptions { normalized: false, ..Default::default() };
    let found = betweenness(&graph(300, &edges, false), &options, &Run::default()).unwrap();
    assert_eq!(found, [0.0, 1.0, 0.0].repeat(100));
    let options = BetweennessOptions { endpoints: true, ..options };
    let found = betweenness(&graph(300, &edges, false), &options, &Run::default()).unwrap();
    assert_eq!(found, [2.0, 3.0, 2.0].repeat(100));
}

#[test]
fn results_are_the_same_bytes_for_any_number_of_threads() {
    for directed in [true, false] {
        let graph = many_edges(1500, 4500, directed);
        let all = |run: &Run| {
            let options = BetweennessOptions { samples: Some(20), seed: 3, ..Default::default() };
            let weighted = BetweennessOptions { weighted: true, ..options.clone() };
            let scores = [
                betweenness(&graph, &options, run).unwrap(),
                betweenness(&graph, &weighted, run).unwrap(),
                closeness(&graph, &ClosenessOptions::default(), run).unwrap(),
                harmonic(&graph, &HarmonicOptions::default(), run).unwrap(),
            ];
            scores.map(|scores| scores.into_iter().map(f64::to_bits).collect::<Vec<_>>())
        };
        assert!(all(&threads(1)) == all(&threads(3)));
    }
}

#[test]
fn samples_depend_on_the_seed_alone() {
    let graph = many_edges(100, 300, false);
    let with = |samples, seed| {
        let options = BetweennessOptions { samples, seed, ..Default::default() };
        betweenness(&graph, &options, &Run::default()).unwrap()
    };
    assert_eq!(with(Some(10), 1), with(Some(10), 1));
    assert_ne!(with(Some(10), 1), with(Some(10), 2));
    let exact = with(None, 0);
    assert_near(&with(Some(100), 1), &exact);
    assert_near(&with(Some(9999), 1), &exact);
    // The mean over many samples is the exact score.
    let mut mean = vec![0.0; 100];
    for seed in 0..400 {
        mean.iter_mut().zip(with(Some(20), seed)).for_each(|(mean, score)| *mean += score / 400.0);
    }
    let off: f64 = mean.iter().zip(&exact).map(|(mean, exact)| (mean - exact).abs()).sum();
    assert!(off < 0.02 * exact.iter().sum::<f64>(), "{off}");
}

#[test]
fn bad_options_are_refused() {
    let graph = graph(3, &[(0, 1)], true);
    let check = |options: BetweennessOptions, expected: &Expect| {
        expected.assert_eq(&message(betweenness(&graph, &options, &Run::default())));
    };
    let plain = BetweennessOptions::default;
    check(
        BetweennessOptions { samples: Some(0), ..plain() },
        &expect!["usage: `samples` is 0, and must be at least 1"],
    );
    check(
        BetweennessOptions { sources: Some(vec![]), ..plain() },
        &expect!["usage: `sources` is empty, and must be at least one node"],
    );
    check(
        BetweennessOptions { sources: Some(vec![1, 1]), ..plain() },
        &expect!["usage: `sources` is a list with 1 twice, and must be each node once"],
    );
    check(
        BetweennessOptions { sources: Some(vec![3]), ..plain() },
        &expect!["usage: node 3 is not in the graph, which has 3"],
    );
    let weightless = weighted(2, &[(0, 1)], &[0], true);
    let options = BetweennessOptions { weighted: true, ..plain() };
    expect![[r#"
        data: betweenness needs weights greater than 0, and the least one is 0

        hint: drop these edges first, or shift the weights"#]]
    .assert_eq(&message(betweenness(&weightless, &options, &Run::default())));
    let unknown = ClosenessOptions { nodes: Some(vec![4]), ..Default::default() };
    expect!["usage: node 4 is not in the graph, which has 3"].assert_eq(&message(closeness(
        &graph,
        &unknown,
        &Run::default(),
    )));
    let unweighted = HarmonicOptions { weighted: true, nodes: None };
    expect![[r#"
        usage: harmonic centrality needs weights, and the graph has none

        hint: name the column of the weights when the graph is built"#]]
    .assert_eq(&message(harmonic(&graph, &unweighted, &Run::default())));
}

#[test]
fn memory_and_cancellation_are_heeded() {
    let graph = many_edges(1000, 5000, false);
    let small = threads(2).with_memory(Some(ByteSize(60_000)));
    let cancel = Cancel::new();
    cancel.cancel();
    let cancelled = Run::default().with_cancel(cancel);
    for weighted in [false, true] {
        let through = BetweennessOptions { weighted, ..Default::default() };
        let near = ClosenessOptions { weighted, ..Default::default() };
        assert!(matches!(betweenness(&graph, &through, &small), Err(GraphError::Memory { .. })));
        assert!(matches!(closeness(&graph, &near, &small), Err(GraphError::Memory { .. })));
        assert!(matches!(betweenness(&graph, &through, &cancelled), Err(GraphError::Cancelled(_))));
        assert!(matches!(closeness(&graph, &near, &cancelled), Err(GraphError::Cancelled(_))));
    }
}

proptest! {
    #[test]
    fn betweenness_is_the_part_of_all_paths(
        list in edge_lists(14), directed: bool, weighted: bool, endpoints: bool, normalized: bool,
    ) {
        let options = BetweennessOptions { weighted, endpoints, normalized, ..Default::default() };
        let pairs = pairs(&list, directed, weighted);
        let nodes = list.nodes as usize;
        let mut expected = vec![0.0; nodes];
        for source in 0..nodes {
            expected.iter_mut().zip(pairs.through(source, endpoints)).for_each(|(sum, part)| *sum += part);
        }
        let ends = if endpoints { nodes } else { nodes - 1 };
        let factor = match (normalized, directed) {
            _ if ends < 2 => 1.0,
            (true, _) => 1.0 / (ends * (ends - 1)) as f64,
            (false, true) => 1.0,
            (false, false) => 0.5,
        };
        expected.iter_mut().for_each(|score| *score *= factor);
        assert_near(&betweenness(&list.weighted(directed), &options, &Run::default()).unwrap(), &expected);
    }

    #[test]
    fn nearness_is_that_of_all_pairs(list in edge_lists(70), directed: bool, weighted: bool) {
        let pairs = pairs(&list, directed, weighted);
        let nodes = list.nodes as usize;
        let to = |node: usize| (0..nodes).filter_map(|from| pairs.distances[from][node]).collect::<Vec<_>>();
        let near: Vec<f64> = (0..nodes).map(|node| {
            let distances = to(node);
            let others = (distances.len() - 1) as f64;
            let sum = distances.iter().sum::<i64>() as f64;
            if sum > 0.0 { others / sum * others / (nodes - 1) as f64 } else { 0.0 }
        }).collect();
        let inverse: Vec<f64> = (0..nodes).map(|node| {
            to(node).iter().filter(|&&distance| distance > 0).map(|&distance| 1.0 / distance as f64).sum()
        }).collect();
        let graph = list.weighted(directed);
        let options = ClosenessOptions { weighted, ..Default::default() };
        assert_near(&closeness(&graph, &options, &Run::default()).unwrap(), &near);
        let options = HarmonicOptions { weighted, nodes: None };
        assert_near(&harmonic(&graph, &options, &Run::default()).unwrap(), &inverse);
    }
}

/// Searches one after another work with the same arrays.
#[test]
fn a_search_leaves_nothing_behind() {
    // Rings of 7 and a long path, so that searches reach other nodes than those before them.
    let ring = |node: u32| if node % 7 == 6 { node - 6 } else { node + 1 };
    let mut edges: Vec<(u32, u32)> = (0..350).map(|node| (node, ring(node))).collect();
    edges.extend((350..600).map(|node| (node, node + 1)));
    let graph = graph(601, &edges, true);
    let together = closeness(&graph, &ClosenessOptions::default(), &threads(1)).unwrap();
    for node in (0..601).step_by(5) {
        let options = ClosenessOptions { nodes: Some(vec![node]), ..ClosenessOptions::default() };
        assert_eq!(closeness(&graph, &options, &threads(1)).unwrap(), [together[node as usize]]);
    }
}
