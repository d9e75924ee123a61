//! Is a division into two sides one, and an odd cycle a proof of the contrary?

use std::collections::BTreeSet;

use bowstring_graph::{Bipartite, Run, bipartite};
use proptest::prelude::*;

use crate::{
    components::smallest,
    structure::random_edges,
    support::{edge_lists, graph},
};

fn check(nodes: u32, edges: &[(u32, u32)], expected: &Bipartite) {
    for directed in [true, false] {
        assert_eq!(&bipartite(&graph(nodes, edges, directed), &Run::default()).unwrap(), expected);
    }
}

/// Checks the answer, whichever it is.
fn verify(nodes: u32, edges: &[(u32, u32)], directed: bool) -> bool {
    match bipartite(&graph(nodes, edges, directed), &Run::default()).unwrap() {
        Bipartite::Sides(sides) => {
            assert_eq!(sides.len(), nodes as usize);
            assert!(edges.iter().all(|&(from, to)| sides[from as usize] != sides[to as usize]));
            let smallest = smallest(nodes, edges);
            assert!((0..nodes as usize).all(|node| smallest[node] as usize != node || sides[node] == 0));
            true
        }
        Bipartite::OddCycle(cycle) => {
            assert_eq!(cycle.len() % 2, 1);
            assert_eq!(cycle.iter().collect::<BTreeSet<_>>().len(), cycle.len());
            let ends: BTreeSet<(u32, u32)> = edges.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).collect();
            let next = cycle.iter().cycle().skip(1);
            assert!(cycle.iter().zip(next).all(|(&from, &to)| ends.contains(&(from, to))));
            false
        }
    }
}

#[test]
fn sides_begin_with_the_smallest_node_of_each_part() {
    check(0, &[], &Bipartite::Sides(vec![]));
    check(2, &[], &Bipartite::Sides(vec![0, 0]));
    check(4, &[(0, 1), (1, 2), (2, 3), (3, 0)], &Bipartite::Sides(vec![0, 1, 0, 1]));
    check(5, &[(3, 1), (1, 3), (4, 2)], &Bipartite::Sides(vec![0, 0, 0, 1, 1]));
}

#[test]
fn an_odd_cycle_is_named_in_order() {
    check(2, &[(0, 1), (1, 1)], &Bipartite::OddCycle(vec![1]));
    check(4, &[(0, 1), (1, 2), (2, 3), (3, 1)], &Bipartite::OddCycle(vec![2, 1, 3]));
    check(6, &[(0, 3), (3, 1), (1, 5), (5, 4), (4, 0)], &Bipartite::OddCycle(vec![1, 3, 0, 4, 5]));
}

#[test]
fn a_large_graph_with_two_sides_has_them() {
    let mut edges: Vec<(u32, u32)> =
        random_edges(20_000, 30_000, 5).into_iter().map(|(from, to)| (from & !1, to | 1)).collect();
    let has_sides = |edges: &[(u32, u32)], directed| {
        let answer = bipartite(&graph(20_000, edges, directed), &Run::default()).unwrap();
        match answer {
            Bipartite::Sides(sides) => {
                assert!(edges.iter().all(|&(from, to)| sides[from as usize] != sides[to as usize]));
                true
            }
            Bipartite::OddCycle(_) => false,
        }
    };
    assert!(has_sides(&edges, true) && has_sides(&edges, false));
    edges.extend([(0, 1), (2, 1), (2, 0)]);
    assert!(!has_sides(&edges, true) && !has_sides(&edges, false));
}

proptest! {
    #[test]
    fn each_answer_is_a_proof(list in edge_lists(12), directed: bool) {
        verify(list.nodes, &list.edges, directed);
    }

    #[test]
    fn a_graph_with_two_sides_is_divided(list in edge_lists(40), directed: bool) {
        let edges: Vec<(u32, u32)> = list.edges.iter().map(|&(from, to)| (from & !1, to | 1)).collect();
        prop_assert!(verify(list.nodes + 1, &edges, directed));
    }
}
