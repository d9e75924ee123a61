//! Shortest paths.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array, UInt32Array};
use bowstring_graph::{
    Direction, Distances, Edges, Graph, GraphError, Run, Sssp, SsspMethod, SsspOptions, sssp,
};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::support::{EdgeList, edge_lists, graph, large, message, options, threads, weighted};

const METHODS: [SsspMethod; 4] =
    [SsspMethod::Auto, SsspMethod::Dijkstra, SsspMethod::DeltaStepping, SsspMethod::BellmanFord];

/// The edges that are followed, with their weights.
fn arcs(list: &EdgeList, directed: bool, direction: Direction) -> Vec<(usize, usize, i64)> {
    let mut arcs = vec![];
    for (&(from, to), &weight) in list.edges.iter().zip(&list.weights) {
        if !directed || direction != Direction::In {
            arcs.push((from as usize, to as usize, weight));
        }
        if !directed || direction != Direction::Out {
            arcs.push((to as usize, from as usize, weight));
        }
    }
    arcs
}

/// Distances by relaxing all edges until nothing changes, and the parents as they are defined.
fn reference(
    nodes: u32,
    arcs: &[(usize, usize, i64)],
    sources: &[u32],
    far: impl Fn(&[Option<i64>]) -> i64,
) -> (Vec<i64>, Vec<i32>) {
    let mut distances = vec![None; nodes as usize];
    sources.iter().for_each(|&source| distances[source as usize] = Some(0));
    let mut changed = true;
    while changed {
        changed = false;
        for &(from, to, weight) in arcs {
            if let Some(through) = distances[from].map(|distance| distance + weight)
                && distances[to].is_none_or(|distance| through < distance)
            {
                distances[to] = Some(through);
                changed = true;
            }
        }
    }
    let far = far(&distances);
    let distances: Vec<i64> =
        distances.iter().map(|distance| distance.filter(|&d| d <= far).unwrap_or(-1)).collect();
    let tight = |&(from, to, weight): &(usize, usize, i64)| {
        distances[from] >= 0 && distances[to] >= 0 && distances[from] + weight == distances[to]
    };
    // The number of edges of weight 0 at the end of a path, as few as can be.
    let mut hops = vec![u32::MAX; nodes as usize];
    let mut parents = vec![-1; nodes as usize];
    sources.iter().for_each(|&source| hops[source as usize] = 0);
    for &(from, to, _) in arcs.iter().filter(|arc| tight(arc) && arc.2 > 0) {
        if hops[to] == u32::MAX || (from as i32) < parents[to] {
            (hops[to], parents[to]) = (0, from as i32);
        }
    }
    for level in 0..nodes {
        let mut found: Vec<(usize, usize)> = vec![];
        for &(from, to, _) in arcs.iter().filter(|arc| tight(arc) && arc.2 == 0) {
            if hops[from] == level && hops[to] == u32::MAX {
                found.push((to, from));
            }
        }
        if found.is_empty() {
            break;
        }
        found.sort_unstable();
        for (to, from) in found.into_iter().rev() {
            (hops[to], parents[to]) = (level + 1, from as i32);
        }
    }
    (distances, parents)
}

/// The graph of the list with its weights in a type of choice, divided by `by`.
fn of_type(list: &EdgeList, directed: bool, kind: usize, by: f64) -> Graph {
    let weights = list.weights.iter();
    let weight: ArrayRef = match kind {
        0 => Arc::new(Int32Array::from_iter_values(weights.map(|&weight| weight as i32))),
        1 => Arc::new(Int64Array::from_iter_values(weights.copied())),
        2 => Arc::new(Float32Array::from_iter_values(weights.map(|&weight| (weight as f64 / by) as f32))),
        _ => Arc::new(Float64Array::from_iter_values(weights.map(|&weight| weight as f64 / by))),
    };
    let source: ArrayRef = Arc::new(UInt32Array::from_iter_values(list.edges.iter().map(|edge| edge.0)));
    let target: ArrayRef = Arc::new(UInt32Array::from_iter_values(list.edges.iter().map(|edge| edge.1)));
    let edges = Edges { source: &[source], target: &[target], weight: Some(&[weight]) };
    Graph::from_edges(&edges, &options(list.nodes, directed), &Run::default()).unwrap()
}

/// Distances as those of the integers would be.
fn whole(found: &Sssp, by: f64) -> Vec<i64> {
    match &found.distances {
        Distances::Int(distances) => distances.clone(),
        Distances::Float(distances) => {
            distances.iter().map(|d| if d.is_finite() { (d * by) as i64 } else { -1 }).collect()
        }
    }
}

fn any_direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Out), Just(Direction::In), Just(Direction::Both)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn every_method_finds_the_distances_and_parents_of_the_definition(
        mut list in edge_lists(20),
        directed: bool,
        direction in any_direction(),
        kind in 0..4_usize,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..3),
        targets in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        cutoff in prop::option::of(0..40_i64),
        lighter in 0..12_i64,
        delta in prop_oneof![Just(None), Just(Some(0.01)), Just(Some(3.0)), Just(Some(1e9))],
    ) {
        list.weights.iter_mut().for_each(|weight| *weight = (*weight - lighter).max(0));
        let pick = |picks: &[prop::sample::Index]| -> Vec<u32> {
            picks.iter().map(|pick| pick.index(list.nodes as usize) as u32).collect()
        };
        let (sources, targets) = (pick(&picks), pick(&targets));
        let arcs = arcs(&list, directed, direction);
        let far = |distances: &[Option<i64>]| {
            let limit = cutoff.unwrap_or(i64::MAX);
            let reached: Option<Vec<i64>> = targets.iter().map(|&target| distances[target as usize].filter(|&d| d <= limit)).collect();
            reached.and_then(|reached| reached.into_iter().max()).unwrap_or(limit).min(limit)
        };
        let expected = reference(list.nodes, &arcs, &sources, far);
        // Quarters are exact in floats.
        let graph = of_type(&list, directed, kind, 4.0);
        let by = if kind < 2 { 1.0 } else { 4.0 };
        for method in METHODS {
            let mut options = SsspOptions {
                method,
                targets: targets.clone(),
                cutoff: cutoff.map(|cutoff| (cutoff as f64 + 0.5) / by),
                delta,
                direction,
                parents: true,
            };
            let found = sssp(&graph, &sources, &options, &Run::default()).unwrap();
            options.parents = false;
            let alone = sssp(&graph, &sources, &options, &Run::default()).unwrap();
            prop_assert_eq!((&alone.distances, alone.parents), (&found.distances, None), "{:?}", method);
            prop_assert_eq!((whole(&found, by), found.parents.unwrap()), expected.clone(), "{:?}", method);
        }
    }

    #[test]
    fn without_weights_each_edge_counts_1(
        mut list in edge_lists(20),
        directed: bool,
        target: prop::sample::Index,
        cutoff in prop::option::of(0..4_i64),
    ) {
        list.weights.fill(1);
        let target = target.index(list.nodes as usize) as u32;
        let far = |distances: &[Option<i64>]| {
            let limit = cutoff.unwrap_or(i64::MAX);
            distances[target as usize].filter(|&d| d <= limit).unwrap_or(limit)
        };
        let expected = reference(list.nodes, &arcs(&list, directed, Direction::Out), &[0], far);
        let options = SsspOptions { targets: vec![target], cutoff: cutoff.map(|cutoff| cutoff as f64), ..SsspOptions::default() };
        let found = sssp(&graph(list.nodes, &list.edges, directed), &[0], &options, &Run::default()).unwrap();
        prop_assert_eq!((whole(&found, 1.0), found.parents.unwrap()), expected);
    }

    #[test]
    fn weights_below_0_give_distances_or_a_cycle_that_shows_why_not(
        mut list in edge_lists(12),
        less in 0..9_i64,
        direction in any_direction(),
        kind in 0..4_usize,
    ) {
        list.weights.iter_mut().for_each(|weight| *weight -= less);
        let arcs = arcs(&list, true, direction);
        let run = Run::default();
        let options = SsspOptions { direction, ..SsspOptions::default() };
        let graph = of_type(&list, true, kind, 1.0);
        match sssp(&graph, &[0], &options, &run) {
            Ok(found) => {
                let at = |node: usize| match &found.distances {
                    Distances::Int(distances) => if distances[node] < 0 { f64::INFINITY } else { distances[node] as f64 },
                    Distances::Float(distances) => distances[node],
                };
                prop_assert_eq!(at(0), 0.0);
                for &(from, to, weight) in &arcs {
                    prop_assert!(at(to) <= at(from) + weight as f64);
                }
                for node in 0..list.nodes {
                    match found.path_to(node).unwrap() {
                        None => prop_assert_eq!(at(node as usize), f64::INFINITY),
                        Some(path) => {
                            prop_assert_eq!((path[0], path[path.len() - 1]), (0, node));
                            let least = |pair: &[u32]| least(&arcs, pair[0], pair[1]).unwrap();
                            let length: i64 = path.windows(2).map(least).sum();
                            prop_assert_eq!(at(node as usize), length as f64);
                        }
                    }
                }
            }
            Err(GraphError::NegativeCycle { nodes, .. }) => {
                let next = nodes.iter().cycle().skip(1);
                let mut length = 0;
                for (&from, &to) in nodes.iter().zip(next) {
                    // The edges of the cycle have the direction that they have in the graph.
                    let (from, to) = if direction == Direction::In { (to, from) } else { (from, to) };
                    length += least(&arcs, from, to).unwrap();
                }
                prop_assert!(length < 0);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// The least weight of an edge between two nodes.
fn least(arcs: &[(usize, usize, i64)], from: u32, to: u32) -> Option<i64> {
    arcs.iter().filter(|arc| (arc.0 as u32, arc.1 as u32) == (from, to)).map(|arc| arc.2).min()
}

/// A graph of which some buckets are so large that threads share them, and with more buckets than have
/// lists of their own.
#[test]
fn large_buckets_give_the_same_for_any_number_of_threads() {
    let list = large();
    for directed in [true, false] {
        let expected = reference(list.nodes, &arcs(&list, directed, Direction::Out), &[3], |_| i64::MAX);
        for kind in 0..4 {
            let graph = of_type(&list, directed, kind, 4.0);
            for (count, delta) in [(1, None), (3, None), (3, Some(0.003)), (3, Some(400.0)), (2, Some(8.0))] {
                let options = SsspOptions { delta, ..SsspOptions::default() };
                let found = sssp(&graph, &[3], &options, &threads(count)).unwrap();
                let alone = SsspOptions { parents: false, ..options };
                let alone = sssp(&graph, &[3], &alone, &threads(count)).unwrap();
                let same = alone.distances == found.distances
                    && (whole(&found, 4.0), found.parents.unwrap()) == expected;
                assert!(same, "{directed} {kind} {count} threads {delta:?}");
            }
        }
    }
}

#[test]
fn distances_beyond_32_bits_are_exact() {
    let far = 1_i64 << 40;
    let graph = weighted(4, &[(0, 1), (1, 2), (2, 3)], &[far, 1, far], true);
    for method in METHODS {
        let options = SsspOptions { method, ..SsspOptions::default() };
        let found = sssp(&graph, &[0], &options, &Run::default()).unwrap();
        assert_eq!(found.distances, Distances::Int(vec![0, far, far + 1, 2 * far + 1]));
    }
}

/// Sums of floats are formed along the path, and a weight too small to change one forms no cycle.
#[test]
fn a_weight_that_vanishes_in_a_float_forms_no_cycle_of_parents() {
    let list = EdgeList { nodes: 4, edges: vec![(3, 1), (1, 2), (2, 0)], weights: vec![] };
    let source: ArrayRef = Arc::new(UInt32Array::from_iter_values(list.edges.iter().map(|edge| edge.0)));
    let target: ArrayRef = Arc::new(UInt32Array::from_iter_values(list.edges.iter().map(|edge| edge.1)));
    let weight: ArrayRef = Arc::new(Float64Array::from(vec![1e20, 1.0, 1.0]));
    let edges = Edges { source: &[source], target: &[target], weight: Some(&[weight]) };
    let graph = Graph::from_edges(&edges, &options(4, false), &Run::default()).unwrap();
    for method in METHODS {
        let options = SsspOptions { method, ..SsspOptions::default() };
        let found = sssp(&graph, &[3], &options, &Run::default()).unwrap();
        assert_eq!(found.distances, Distances::Float(vec![1e20, 1e20, 1e20, 0.0]));
        assert_eq!(found.path_to(0).unwrap(), Some(vec![3, 1, 2, 0]));
        assert_eq!(found.parents.unwrap(), [2, 3, 1, -1]);
    }
}

#[test]
fn no_path_leads_to_what_is_not_reached_or_not_there() {
    let found =
        sssp(&weighted(3, &[(0, 1)], &[4], true), &[0], &SsspOptions::default(), &Run::default()).unwrap();
    let paths = [0, 2, 9].map(|node| found.path_to(node).unwrap());
    assert_eq!(paths, [Some(vec![0]), None, None]);
    assert!(found.is_reached(1) && !found.is_reached(2) && !found.is_reached(9));
}

#[test]
fn paths_need_parents() {
    let options = SsspOptions { parents: false, ..SsspOptions::default() };
    let below = weighted(2, &[(0, 1)], &[-4], true);
    for graph in [below, weighted(2, &[(0, 1)], &[4], true), graph(2, &[(0, 1)], true)] {
        let found = sssp(&graph, &[0], &options, &Run::default()).unwrap();
        expect!["usage: `parents` is false, and must be true when paths are wanted"]
            .assert_eq(&message(found.path_to(1)));
    }
}

fn refused(graph: &Graph, sources: &[u32], options: SsspOptions, expected: Expect) {
    expected.assert_eq(&message(sssp(graph, sources, &options, &Run::default())));
}

#[test]
fn bad_input_is_refused() {
    let fine = weighted(3, &[(0, 1), (1, 2)], &[1, 2], true);
    let below = weighted(3, &[(0, 1), (1, 2)], &[1, -2], true);
    let cycle = weighted(3, &[(0, 1), (1, 2), (2, 1)], &[1, 1, -2], true);
    let huge = weighted(3, &[(0, 1), (1, 2)], &[i64::MAX, 1], true);
    let deep = weighted(3, &[(0, 1), (1, 2)], &[i64::MIN, -1], true);
    let d = SsspOptions::default;
    refused(&fine, &[], d(), expect!["usage: `sources` is empty, and must be one node or more"]);
    refused(&fine, &[3], d(), expect!["usage: node 3 is not in the graph, which has 3"]);
    refused(
        &fine,
        &[0],
        SsspOptions { targets: vec![5], ..d() },
        expect!["usage: node 5 is not in the graph, which has 3"],
    );
    refused(
        &fine,
        &[0],
        SsspOptions { cutoff: Some(f64::NAN), ..d() },
        expect!["usage: `cutoff` is NaN, and must be at least 0"],
    );
    refused(
        &fine,
        &[0],
        SsspOptions { cutoff: Some(-1.0), ..d() },
        expect!["usage: `cutoff` is -1, and must be at least 0"],
    );
    refused(
        &fine,
        &[0],
        SsspOptions { delta: Some(0.0), ..d() },
        expect!["usage: `delta` is 0, and must be finite and above 0"],
    );
    refused(
        &below,
        &[0],
        SsspOptions { method: SsspMethod::Dijkstra, ..d() },
        expect![[r#"
        data: dijkstra needs weights of at least 0, and the least one is -2

        hint: `bellman_ford` takes negative weights"#]],
    );
    refused(
        &below,
        &[0],
        SsspOptions { method: SsspMethod::DeltaStepping, ..d() },
        expect![[r#"
        data: delta-stepping needs weights of at least 0, and the least one is -2

        hint: `bellman_ford` takes negative weights"#]],
    );
    refused(
        &below,
        &[0],
        SsspOptions { cutoff: Some(1.0), ..d() },
        expect!["usage: `cutoff` is 1, and must be left out when weights are below 0"],
    );
    refused(&cycle, &[0], d(), expect!["data: the weights along the cycle 2 → 1 → 2 add up to less than 0"]);
    refused(
        &huge,
        &[0],
        d(),
        expect![[r#"
        data: the distance of node 2 is beyond the integers that are kept exactly

        hint: cast the weights to float64"#]],
    );
    refused(
        &deep,
        &[0],
        d(),
        expect![[r#"
        data: the distance of node 2 is beyond the integers that are kept exactly

        hint: cast the weights to float64"#]],
    );
}
