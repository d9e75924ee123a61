//! Breadth-first search.

use std::collections::VecDeque;

use bowstring_core::units::ByteSize;
use bowstring_graph::{Bfs, BfsOptions, Direction, Graph, Run, bfs};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::support::{EdgeList, edge_lists, followed, graph, large, message, reversed, threads};

/// The distances and canonical parents by the textbook's queue.
fn reference(rows: &[Vec<u32>], sources: &[u32], max_depth: Option<u32>) -> Bfs {
    let mut distances = vec![-1; rows.len()];
    let mut queue = VecDeque::new();
    for &source in sources {
        if distances[source as usize] < 0 {
            distances[source as usize] = 0;
            queue.push_back(source);
        }
    }
    while let Some(node) = queue.pop_front() {
        let hops: i32 = distances[node as usize];
        if max_depth.is_some_and(|depth| hops as u32 >= depth) {
            continue;
        }
        for &next in &rows[node as usize] {
            if distances[next as usize] < 0 {
                distances[next as usize] = hops + 1;
                queue.push_back(next);
            }
        }
    }
    let into = reversed(rows);
    let parent = |node: usize| {
        let nearer =
            |&&from: &&u32| distances[from as usize] >= 0 && distances[from as usize] + 1 == distances[node];
        into[node].iter().filter(nearer).min().map_or(-1, |&parent| parent as i32)
    };
    let parents = (0..rows.len()).map(parent).collect();
    Bfs { distances, parents }
}

fn with(max_depth: Option<u32>, direction: Direction) -> BfsOptions {
    BfsOptions { max_depth, direction }
}

fn any_direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Out), Just(Direction::In), Just(Direction::Both)]
}

proptest! {
    #[test]
    fn it_is_that_of_the_textbook(
        list in edge_lists(24),
        directed: bool,
        direction in any_direction(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        max_depth in prop::option::of(0..5_u32),
    ) {
        let sources: Vec<u32> = picks.iter().map(|pick| pick.index(list.nodes as usize) as u32).collect();
        let expected = reference(&followed(&list, directed, direction), &sources, max_depth);
        let found = bfs(&list.weighted(directed), &sources, &with(max_depth, direction), &Run::default()).unwrap();
        prop_assert_eq!(found, expected);
    }
}

/// A graph of which some levels are so large that they run in parallel and look backwards.
#[test]
fn large_levels_give_the_same_for_any_number_of_threads() {
    for directed in [true, false] {
        let list = large();
        let graph = graph(list.nodes, &list.edges, directed);
        for direction in [Direction::Out, Direction::In, Direction::Both] {
            let rows = followed(&list, directed, direction);
            for max_depth in [None, Some(2)] {
                let expected = reference(&rows, &[0, 17], max_depth);
                for count in [1, 3] {
                    let found = bfs(&graph, &[0, 17], &with(max_depth, direction), &threads(count)).unwrap();
                    assert!(found == expected, "{directed} {direction:?} {max_depth:?} {count} threads");
                }
            }
        }
    }
}

/// Streets of a town, most of them in both directions, of which some lead far away.
fn town() -> EdgeList {
    let (width, nodes) = (50_u32, 2500_u32);
    let far = |node: u32| node.wrapping_mul(2_654_435_761) >> 8;
    let streets = (0..nodes).flat_map(|node| {
        let east = (node % width + 1 < width).then_some(node + 1);
        let south = (node + width < nodes).then_some(node + width);
        let there = east.into_iter().chain(south).map(move |next| (node, next));
        let back = south.filter(|_| node % 7 != 0).map(|next| (next, node));
        let away = (node % 800 == 5).then_some((node, far(node) % nodes));
        there.chain(back).chain(east.filter(|_| node % 3 != 0).map(|next| (next, node))).chain(away)
    });
    EdgeList { nodes, edges: streets.collect(), weights: vec![] }
}

#[test]
fn many_short_levels_give_the_same_whatever_rows_are_at_hand() {
    let list = town();
    for (directed, made) in [(false, false), (true, false), (true, true)] {
        let graph = graph(list.nodes, &list.edges, directed);
        if made {
            graph.csc(&Run::default()).unwrap();
        }
        for direction in [Direction::Out, Direction::In, Direction::Both] {
            let rows = followed(&list, directed, direction);
            for (sources, max_depth) in [(&[624][..], None), (&[1234, 17], None), (&[1275], Some(30))] {
                let expected = reference(&rows, sources, max_depth);
                assert!(expected.distances.iter().max() > Some(&20), "{directed} {direction:?} {sources:?}");
                for count in [1, 3] {
                    let found = bfs(&graph, sources, &with(max_depth, direction), &threads(count)).unwrap();
                    assert!(
                        found == expected,
                        "{directed} {made} {direction:?} {max_depth:?} {count} threads"
                    );
                }
            }
        }
    }
}

#[test]
fn many_short_levels_may_end_in_a_large_one() {
    // A path, and at its end a star whose leaves have another leaf each.
    let (path, leaves) = (40_u32, 20_000_u32);
    let leaf = |leaf: u32| [(path, path + 1 + leaf), (path + 1 + leaf, path + 1 + leaves + leaf)];
    let edges = (0..path).map(|node| (node, node + 1)).chain((0..leaves).flat_map(leaf)).collect();
    let list = EdgeList { nodes: path + 1 + 2 * leaves, edges, weights: vec![] };
    for directed in [false, true] {
        let made = graph(list.nodes, &list.edges, directed);
        let expected = reference(&list.neighbors(directed), &[0], None);
        for count in [1, 3] {
            let found = bfs(&made, &[0], &BfsOptions::default(), &threads(count)).unwrap();
            assert!(found == expected, "{directed} {count} threads");
        }
    }
}

/// A graph of which a level has many edges, but few of those that are left: threads follow them forwards,
/// and several reach the same nodes.
#[test]
fn levels_that_threads_follow_forwards_have_the_least_parents() {
    let nodes = 40_000_u32;
    let spread = |edge: u32| edge.wrapping_mul(2_654_435_761) >> 8;
    let edges: Vec<(u32, u32)> = (0..240_000).map(|edge| (edge % nodes, spread(edge) % nodes)).collect();
    let list = EdgeList { nodes, edges, weights: vec![] };
    let (graph, rows) = (graph(nodes, &list.edges, false), list.neighbors(false));
    for step in [180, 200, 250] {
        let sources: Vec<u32> = (0..nodes).step_by(step).collect();
        let expected = reference(&rows, &sources, None);
        for count in [1, 3] {
            let found = bfs(&graph, &sources, &BfsOptions::default(), &threads(count)).unwrap();
            assert!(found == expected, "from each {step}th with {count} threads");
        }
    }
}

fn refused(graph: &Graph, sources: &[u32], run: &Run, expected: Expect) {
    expected.assert_eq(&message(bfs(graph, sources, &BfsOptions::default(), run)));
}

#[test]
fn bad_input_is_refused_before_work_begins() {
    let graph = graph(3, &[(0, 1)], true);
    refused(&graph, &[], &Run::default(), expect!["usage: `sources` is empty, and must be one node or more"]);
    refused(&graph, &[0, 3], &Run::default(), expect!["usage: node 3 is not in the graph, which has 3"]);
    refused(
        &graph,
        &[0],
        &Run::default().with_memory(Some(ByteSize(20))),
        expect![[r#"
            limit: bfs needs 96 B of memory, and the limit is 20 B

            hint: raise the limit of memory, which is the machine's where none is set"#]],
    );
    let cancelled = Run::default();
    cancelled.cancel.cancel();
    refused(&graph, &[0], &cancelled, expect!["cancelled: cancelled"]);
}

#[test]
fn unsorted_rows_give_the_same_parents() {
    let rows = bowstring_graph::Csr::new(
        bowstring_graph::Offsets::Narrow(vec![0, 2, 3, 4, 4].into()),
        vec![2, 1, 3, 3].into(),
        None,
        &Run::default(),
    );
    let graph = Graph::from_csr(rows.unwrap(), true, &Run::default()).unwrap();
    let found = bfs(&graph, &[0], &BfsOptions::default(), &Run::default()).unwrap();
    assert_eq!(found.parents, [-1, 0, 0, 1]);
}
