//! PageRank, HITS, eigenvector and Katz centrality against dense iterations, and degree centrality.

use bowstring_core::{Cancel, units::ByteSize};
use bowstring_graph::{
    Direction, EigenvectorOptions, GraphError, HitsOptions, KatzOptions, PageRankOptions, Run,
    degree_centrality, eigenvector, hits, katz, pagerank,
};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::support::{EdgeList, edge_lists, graph, many_edges, message, threads, weighted};

/// What edges lead from each node to each other, in sum.
fn matrix(list: &EdgeList, directed: bool, weights: bool) -> Vec<Vec<f64>> {
    let nodes = list.nodes as usize;
    let mut matrix = vec![vec![0.0; nodes]; nodes];
    for (&(from, to), &weight) in list.edges.iter().zip(&list.weights) {
        let weight = if weights { weight as f64 } else { 1.0 };
        matrix[from as usize][to as usize] += weight;
        if !directed && from != to {
            matrix[to as usize][from as usize] += weight;
        }
    }
    matrix
}

/// What each column gathers from `values`.
fn pulled(matrix: &[Vec<f64>], values: &[f64]) -> Vec<f64> {
    (0..matrix.len()).map(|to| matrix.iter().zip(values).map(|(row, value)| row[to] * value).sum()).collect()
}

fn transposed(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    (0..matrix.len()).map(|to| matrix.iter().map(|row| row[to]).collect()).collect()
}

fn parts(values: &[f64]) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    values.iter().map(|value| if sum > 0.0 { value / sum } else { 0.0 }).collect()
}

/// One step of the random walk, as the definition says it.
fn walk(matrix: &[Vec<f64>], options: &PageRankOptions, scores: &[f64]) -> Vec<f64> {
    let nodes = matrix.len();
    let teleport = parts(options.personalization.as_deref().unwrap_or(&vec![1.0; nodes]));
    let dangling = options.dangling.as_deref().map_or(teleport.clone(), parts);
    let mut next: Vec<f64> = teleport.iter().map(|part| (1.0 - options.damping) * part).collect();
    for (row, score) in matrix.iter().zip(scores) {
        let total: f64 = row.iter().sum();
        for (to, next) in next.iter_mut().enumerate() {
            let share = if total > 0.0 { row[to] / total } else { dangling[to] };
            *next += options.damping * share * score;
        }
    }
    next
}

fn pagerank_by_definition(matrix: &[Vec<f64>], options: &PageRankOptions) -> Vec<f64> {
    let mut scores = vec![1.0 / matrix.len() as f64; matrix.len()];
    for _ in 0..300 {
        scores = walk(matrix, options, &scores);
    }
    scores
}

#[track_caller]
fn assert_near(found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len());
    for (node, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= within, "{found} is not {expected} at node {node}");
    }
}

#[test]
fn pagerank_of_small_graphs() {
    let check = |nodes, edges: &[(u32, u32)], directed, expected: &Expect| {
        let found = pagerank(&graph(nodes, edges, directed), &PageRankOptions::default(), &Run::default());
        let scores = found.unwrap().scores;
        let text: Vec<String> = scores.iter().map(|score| format!("{score:.4}")).collect();
        expected.assert_eq(&text.join(" "));
    };
    check(3, &[(0, 1), (1, 2), (2, 0)], true, &expect!["0.3333 0.3333 0.3333"]);
    check(3, &[(0, 1), (0, 1), (0, 2), (1, 0), (2, 0)], true, &expect!["0.4865 0.3257 0.1878"]);
    check(2, &[(0, 1)], true, &expect!["0.3509 0.6491"]);
    check(3, &[(0, 1), (1, 2)], false, &expect!["0.2568 0.4865 0.2568"]);
    check(2, &[], true, &expect!["0.5000 0.5000"]);
    check(1, &[(0, 0)], false, &expect!["1.0000"]);
}

#[test]
fn iterations_end_as_asked() {
    let graph = graph(4, &[(0, 1), (1, 2), (2, 0), (0, 3), (3, 1)], true);
    let found = |tolerance, max_iterations| {
        let options = PageRankOptions { tolerance, max_iterations, ..PageRankOptions::default() };
        let found = pagerank(&graph, &options, &Run::default()).unwrap();
        (found.iterations, found.converged, found.residual)
    };
    let (iterations, converged, residual) = found(1e-4, 100);
    assert!(converged && (5..50).contains(&iterations) && residual <= 1e-4);
    assert!(found(1e-10, 100).0 > iterations);
    let (iterations, converged, residual) = found(1e-10, 3);
    assert!(iterations == 3 && !converged && residual > 1e-10);
    assert_eq!(found(0.0, 200).0, 200);
}

#[test]
fn scores_to_begin_with_save_iterations() {
    let graph = many_edges(2000, 10_000, true);
    let options = PageRankOptions { tolerance: 1e-9, ..PageRankOptions::default() };
    let cold = pagerank(&graph, &options, &Run::default()).unwrap();
    let start = cold.scores.iter().map(|score| score * 1e300).collect();
    let warm = pagerank(&graph, &PageRankOptions { start: Some(start), ..options }, &Run::default()).unwrap();
    assert!(cold.iterations > 10 && warm.iterations <= 2);
    assert_near(&warm.scores, &cold.scores, 1e-9);
}

#[test]
fn a_guess_from_the_degrees_saves_iterations() {
    // Those with small numbers know most of the others; two pairs know nobody else, and four nobody.
    let mut edges: Vec<(u32, u32)> =
        (0..60).flat_map(|a| (a + 1..60).map(move |b| (a, b))).filter(|&(a, b)| a + b < 60).collect();
    edges.extend([(60, 61), (63, 62)]);
    let list = EdgeList { nodes: 68, weights: vec![1; edges.len()], edges };
    let graph = list.weighted(false);
    let with = |start, max_iterations| {
        let options =
            PageRankOptions { start, tolerance: 1e-9, max_iterations, ..PageRankOptions::default() };
        pagerank(&graph, &options, &Run::default()).unwrap()
    };
    let expected = pagerank_by_definition(&matrix(&list, false, false), &PageRankOptions::default());
    let guessed = with(None, 200);
    assert!(guessed.converged);
    assert_near(&guessed.scores, &expected, 1e-8);
    let equal = with(Some(vec![1.0; 68]), 200);
    assert!(guessed.iterations < equal.iterations, "{} {}", guessed.iterations, equal.iterations);
    let apart = |found: &[f64]| -> f64 {
        found.iter().zip(&expected).map(|(found, expected)| (found - expected).abs()).sum()
    };
    let (guessed, equal) = (with(None, 1), with(Some(vec![1.0; 68]), 1));
    assert!(apart(&guessed.scores) < 0.3 * apart(&equal.scores));
    assert!(apart(&guessed.scores) < 0.02, "{}", apart(&guessed.scores));
    // Pairs keep the score that they are given.
    assert!((guessed.scores[60] / guessed.scores[64] - 1.0 / 0.15).abs() < 0.1);
}

#[test]
fn a_guess_that_is_of_no_use_costs_few_iterations() {
    // Two parts of 60 nodes, of which one has many more edges.
    let part = |first: u32, most: u32| {
        (0..60)
            .flat_map(move |a| (a + 1..60).map(move |b| (a, b)))
            .filter(move |&(a, b)| (a + b) % 60 < most)
            .map(move |(a, b)| (a + first, b + first))
    };
    let edges: Vec<(u32, u32)> = part(0, 50).chain(part(60, 10)).collect();
    let with = |start| {
        let options = PageRankOptions { start, tolerance: 1e-9, ..PageRankOptions::default() };
        pagerank(&graph(120, &edges, false), &options, &Run::default()).unwrap()
    };
    let (guessed, equal) = (with(None), with(Some(vec![1.0; 120])));
    assert!(
        guessed.converged && guessed.iterations <= equal.iterations + 5,
        "{} {}",
        guessed.iterations,
        equal.iterations
    );
    assert_near(&guessed.scores, &equal.scores, 1e-8);
}

#[test]
fn a_guess_is_kept_when_nothing_is_left_to_gain() {
    let edges: Vec<(u32, u32)> =
        (0..60).flat_map(|a| (a + 1..60).map(move |b| (a, b))).filter(|&(a, b)| a + b < 60).collect();
    let graph = graph(60, &edges, false);
    let with = |tolerance, max_iterations| {
        let options = PageRankOptions { tolerance, max_iterations, ..PageRankOptions::default() };
        pagerank(&graph, &options, &Run::default()).unwrap().scores
    };
    let expected = with(1e-12, 1000);
    for iterations in 10..40 {
        assert_near(&with(0.0, iterations), &expected, 1e-5);
    }
}

#[test]
fn weights_of_any_size_are_no_trouble() {
    let list = EdgeList {
        nodes: 3,
        edges: vec![(0, 1), (0, 2), (1, 0), (2, 0), (0, 1)],
        weights: vec![i64::MAX, i64::MAX / 2, i64::MAX, 1, i64::MAX],
    };
    let options = PageRankOptions {
        weighted: true,
        tolerance: 1e-13,
        max_iterations: 500,
        ..PageRankOptions::default()
    };
    let found = pagerank(&list.weighted(true), &options, &Run::default()).unwrap();
    assert_near(&found.scores, &pagerank_by_definition(&matrix(&list, true, true), &options), 1e-11);
    assert!((found.scores.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn results_are_the_same_bytes_for_any_number_of_threads() {
    for directed in [true, false] {
        let graph = many_edges(20_000, 60_000, directed);
        let max_iterations = 5;
        let all = |run: &Run| {
            let rough = PageRankOptions { tolerance: 1e-4, ..PageRankOptions::default() };
            let exact = PageRankOptions { weighted: true, max_iterations, ..PageRankOptions::default() };
            let scores = [
                pagerank(&graph, &rough, run).unwrap().scores,
                pagerank(&graph, &exact, run).unwrap().scores,
                hits(&graph, &HitsOptions { max_iterations, ..HitsOptions::default() }, run).unwrap().hubs,
                eigenvector(
                    &graph,
                    &EigenvectorOptions { max_iterations, ..EigenvectorOptions::default() },
                    run,
                )
                .unwrap()
                .scores,
                katz(&graph, &KatzOptions { max_iterations, ..KatzOptions::default() }, run).unwrap().scores,
            ];
            scores.map(|scores| scores.into_iter().map(f64::to_bits).collect::<Vec<_>>())
        };
        assert!(all(&threads(1)) == all(&threads(3)));
    }
}

#[test]
fn rough_and_exact_pageranks_agree_on_a_large_graph() {
    for directed in [true, false] {
        let graph = many_edges(20_000, 60_000, directed);
        let with = |tolerance| {
            let options = PageRankOptions { tolerance, max_iterations: 200, ..PageRankOptions::default() };
            let found = pagerank(&graph, &options, &Run::default()).unwrap();
            assert!(found.converged);
            assert!((found.scores.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            found.scores
        };
        let apart: f64 = with(1e-6).iter().zip(with(1e-13)).map(|(rough, exact)| (rough - exact).abs()).sum();
        assert!(apart < 1e-6 / (1.0 - 0.85), "{apart}");
    }
}

#[test]
fn a_katz_that_grows_without_end_stops() {
    let complete = graph(20, &(0..400).map(|edge| (edge / 20, edge % 20)).collect::<Vec<_>>(), true);
    for normalized in [true, false] {
        let options = KatzOptions { alpha: 1e9, normalized, ..KatzOptions::default() };
        let found = katz(&complete, &options, &Run::default()).unwrap();
        assert!(!found.converged && found.iterations < 1000);
        assert!(found.scores.iter().all(|score| score.is_finite() && *score > 0.0));
    }
}

#[test]
fn degrees_count_as_in_networkx() {
    let edges = [(0, 1), (0, 1), (0, 0), (2, 0)];
    let check = |directed, direction, expected: &[f64]| {
        let found = degree_centrality(&graph(3, &edges, directed), direction, &Run::default()).unwrap();
        assert_eq!(found, expected);
    };
    check(true, Direction::Out, &[1.5, 0.0, 0.5]);
    check(true, Direction::In, &[1.0, 1.0, 0.0]);
    check(true, Direction::Both, &[2.5, 1.0, 0.5]);
    for direction in [Direction::Out, Direction::In, Direction::Both] {
        check(false, direction, &[2.5, 1.0, 0.5]);
    }
    assert_eq!(
        degree_centrality(&graph(1, &[(0, 0)], true), Direction::Both, &Run::default()),
        Ok(vec![1.0])
    );
}

#[test]
fn a_graph_without_nodes_has_no_scores() {
    let none = graph(0, &[], true);
    let run = Run::default();
    let found = pagerank(&none, &PageRankOptions::default(), &run).unwrap();
    assert!(found.scores.is_empty() && found.converged);
    assert!(hits(&none, &HitsOptions::default(), &run).unwrap().hubs.is_empty());
    assert!(eigenvector(&none, &EigenvectorOptions::default(), &run).unwrap().scores.is_empty());
    assert!(katz(&none, &KatzOptions::default(), &run).unwrap().scores.is_empty());
    assert!(degree_centrality(&none, Direction::Both, &run).unwrap().is_empty());
}

#[test]
fn hits_without_edges_are_none() {
    let found = hits(&graph(3, &[], true), &HitsOptions::default(), &Run::default()).unwrap();
    assert!(found.converged);
    assert_eq!((found.hubs, found.authorities), (vec![0.0; 3], vec![0.0; 3]));
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let graph = graph(2, &[(0, 1)], true);
    let run = Run::default();
    let check = |options: PageRankOptions, expected: &Expect| {
        expected.assert_eq(&message(pagerank(&graph, &options, &run)));
    };
    let plain = PageRankOptions::default;
    for damping in [0.0, 1.0, -0.1, f64::NAN] {
        let refused = pagerank(&graph, &PageRankOptions { damping, ..plain() }, &run);
        assert!(matches!(refused, Err(GraphError::Option { option: "damping", .. })), "{damping}");
    }
    check(
        PageRankOptions { damping: 1.5, ..plain() },
        &expect!["usage: `damping` is 1.5, and must be between 0 and 1"],
    );
    check(
        PageRankOptions { tolerance: f64::NAN, ..plain() },
        &expect!["usage: `tolerance` is NaN, and must be at least 0 and finite"],
    );
    check(
        PageRankOptions { max_iterations: 0, ..plain() },
        &expect!["usage: `max_iterations` is 0, and must be at least 1"],
    );
    check(
        PageRankOptions { personalization: Some(vec![1.0]), ..plain() },
        &expect!["data: `personalization` has 1 values, and the graph has 2 nodes"],
    );
    check(
        PageRankOptions { dangling: Some(vec![1.0, -1.0]), ..plain() },
        &expect!["usage: `dangling` is -1, and must be at least 0 and finite for every node"],
    );
    check(
        PageRankOptions { start: Some(vec![0.0, 0.0]), ..plain() },
        &expect!["usage: `start` is 0 for every node, and must be greater than 0 for some node"],
    );
    check(
        PageRankOptions { weighted: true, ..plain() },
        &expect![[r#"
            usage: PageRank needs weights, and the graph has none

            hint: name the column of the weights when the graph is built"#]],
    );
    expect!["usage: `alpha` is -1, and must be greater than 0 and finite"].assert_eq(&message(katz(
        &graph,
        &KatzOptions { alpha: -1.0, ..KatzOptions::default() },
        &run,
    )));
    let negative = weighted(2, &[(0, 1)], &[-3], true);
    expect![[r#"
        data: eigenvector centrality needs weights of at least 0, and the least one is -3

        hint: drop these edges first, or shift the weights"#]]
    .assert_eq(&message(eigenvector(
        &negative,
        &EigenvectorOptions { weighted: true, ..EigenvectorOptions::default() },
        &run,
    )));
}

#[test]
fn memory_and_cancellation_are_heeded() {
    let graph = graph(1000, &[(0, 1)], false);
    let small = Run::default().with_memory(Some(ByteSize(19_999)));
    let enough = Run::default().with_memory(Some(ByteSize(20_000)));
    let options = PageRankOptions::default();
    assert!(matches!(pagerank(&graph, &options, &small), Err(GraphError::Memory { .. })));
    assert!(pagerank(&graph, &options, &enough).is_ok());
    let cancel = Cancel::new();
    cancel.cancel();
    let run = Run::default().with_cancel(cancel);
    assert!(matches!(pagerank(&graph, &options, &run), Err(GraphError::Cancelled(_))));
    assert!(matches!(hits(&graph, &HitsOptions::default(), &run), Err(GraphError::Cancelled(_))));
}

fn distributions(nodes: u32) -> impl Strategy<Value = Option<Vec<f64>>> {
    let values = prop::collection::vec(0..4_u8, nodes as usize);
    prop::option::of(values.prop_map(|values| {
        let mut values: Vec<f64> = values.into_iter().map(f64::from).collect();
        values[0] += 1.0;
        values
    }))
}

proptest! {
    #[test]
    fn pagerank_is_what_the_walk_leaves(
        (list, personalization, dangling) in edge_lists(20).prop_flat_map(|list| {
            let nodes = list.nodes;
            (Just(list), distributions(nodes), distributions(nodes))
        }),
        directed: bool, weighted: bool, damping in 0.05..0.95,
    ) {
        let options = PageRankOptions {
            damping, weighted, personalization, dangling, tolerance: 1e-13, max_iterations: 1000, ..Default::default()
        };
        let matrix = matrix(&list, directed, weighted);
        let found = pagerank(&list.weighted(directed), &options, &Run::default()).unwrap();
        prop_assert!(found.converged);
        assert_near(&found.scores, &pagerank_by_definition(&matrix, &options), 1e-6);
        // One step more changes next to nothing.
        assert_near(&walk(&matrix, &options, &found.scores), &found.scores, 1e-12);
    }

    #[test]
    fn hits_pass_scores_back_and_forth(list in edge_lists(20), directed: bool, weighted: bool) {
        let matrix = matrix(&list, directed, weighted);
        let mut hubs = vec![1.0 / f64::from(list.nodes); list.nodes as usize];
        let mut authorities = Vec::new();
        for _ in 0..30 {
            authorities = parts(&pulled(&matrix, &hubs));
            hubs = parts(&pulled(&transposed(&matrix), &authorities));
        }
        let options = HitsOptions { weighted, tolerance: 0.0, max_iterations: 30 };
        let found = hits(&list.weighted(directed), &options, &Run::default()).unwrap();
        prop_assert_eq!(found.iterations, 30);
        assert_near(&found.hubs, &hubs, 1e-12);
        assert_near(&found.authorities, &authorities, 1e-12);
    }

    #[test]
    fn eigenvector_is_a_power_iteration(list in edge_lists(20), directed: bool, weighted: bool) {
        let matrix = matrix(&list, directed, weighted);
        let mut scores = vec![1.0 / f64::from(list.nodes); list.nodes as usize];
        for _ in 0..30 {
            let next: Vec<f64> = pulled(&matrix, &scores).iter().zip(&scores).map(|(a, b)| a + b).collect();
            let norm = next.iter().map(|score| score * score).sum::<f64>().sqrt();
            scores = next.iter().map(|score| score / norm).collect();
        }
        let options = EigenvectorOptions { weighted, tolerance: 0.0, max_iterations: 30 };
        let found = eigenvector(&list.weighted(directed), &options, &Run::default()).unwrap();
        assert_near(&found.scores, &scores, 1e-12);
    }

    #[test]
    fn katz_solves_its_equation(list in edge_lists(20), directed: bool, weighted: bool) {
        let matrix = matrix(&list, directed, weighted);
        let most = matrix.iter().map(|row| row.iter().sum::<f64>()).fold(1.0, f64::max);
        let options = KatzOptions {
            alpha: 0.5 / most, beta: 2.0, weighted, normalized: false, tolerance: 1e-12, ..KatzOptions::default()
        };
        let found = katz(&list.weighted(directed), &options, &Run::default()).unwrap();
        prop_assert!(found.converged);
        let again: Vec<f64> =
            pulled(&matrix, &found.scores).iter().map(|sum| options.alpha * sum + options.beta).collect();
        assert_near(&again, &found.scores, 1e-10);
    }
}
