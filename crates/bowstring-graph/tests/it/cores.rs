//! Are core numbers those of peeling one node at a time?

use bowstring_graph::{Run, core_numbers};
use proptest::prelude::*;

use crate::support::{edge_lists, graph};

fn check(nodes: u32, edges: &[(u32, u32)], directed: bool, expected: &[u32]) {
    assert_eq!(core_numbers(&graph(nodes, edges, directed), &Run::default()).unwrap(), expected);
}

/// The rows without loops and parallel edges; in a directed graph outgoing and incoming ones.
fn rows(nodes: u32, edges: &[(u32, u32)], directed: bool) -> Vec<Vec<u32>> {
    let mut edges: Vec<(u32, u32)> = edges.iter().copied().filter(|(from, to)| from != to).collect();
    if !directed {
        edges = edges.into_iter().map(|(from, to)| (from.min(to), from.max(to))).collect();
    }
    edges.sort_unstable();
    edges.dedup();
    let mut rows = vec![Vec::new(); nodes as usize];
    for (from, to) in edges {
        rows[from as usize].push(to);
        rows[to as usize].push(from);
    }
    rows
}

fn peeled(rows: &[Vec<u32>]) -> Vec<u32> {
    let mut degrees: Vec<usize> = rows.iter().map(Vec::len).collect();
    let mut left: Vec<usize> = (0..rows.len()).collect();
    let mut cores = vec![0; rows.len()];
    let mut core = 0;
    while let Some(place) = (0..left.len()).min_by_key(|&place| degrees[left[place]]) {
        let node = left.swap_remove(place);
        core = core.max(degrees[node]);
        cores[node] = core as u32;
        for &other in &rows[node] {
            degrees[other as usize] -= 1;
        }
        degrees[node] = usize::MAX / 2;
    }
    cores
}

#[test]
fn a_node_is_as_deep_as_what_is_around_it() {
    check(0, &[], false, &[]);
    check(2, &[], false, &[0, 0]);
    // A square with both diagonals, a tail and a node of its own.
    let edges = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3), (3, 4), (4, 5)];
    check(7, &edges, false, &[3, 3, 3, 3, 1, 1, 0]);
    // A star has many edges and is no dense part.
    check(5, &[(0, 1), (0, 2), (0, 3), (0, 4)], false, &[1, 1, 1, 1, 1]);
}

#[test]
fn loops_and_parallel_edges_do_not_count() {
    check(2, &[(0, 1), (0, 1), (1, 0), (1, 1)], false, &[1, 1]);
    check(2, &[(0, 1), (0, 1), (1, 1)], true, &[1, 1]);
}

#[test]
fn an_edge_and_its_way_back_count_two() {
    check(3, &[(0, 1), (1, 0), (1, 2)], true, &[2, 2, 1]);
}

proptest! {
    #[test]
    fn they_are_those_of_peeling(list in edge_lists(40), directed: bool) {
        let made = graph(list.nodes, &list.edges, directed);
        let expected = peeled(&rows(list.nodes, &list.edges, directed));
        prop_assert_eq!(core_numbers(&made, &Run::default()).unwrap(), expected);
    }
}
