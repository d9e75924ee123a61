//! Do edges become the sparse rows that they are?

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array, StringArray, UInt64Array};
use bowstring_core::{Cancel, units::ByteSize};
use bowstring_graph::{
    BuildOptions, Csr, Edges, Graph, GraphError, Offsets, ParallelEdges, Run, SelfLoops, Weights,
};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::support::{EdgeList, edge_lists, graph, message, options, threads, weighted};

/// Rows as text: `node: neighbour×weight …`.
fn rows(csr: &Csr) -> String {
    let mut text = String::new();
    for node in 0..csr.num_nodes() as u32 {
        let entries = csr.range(node).map(|entry| match csr.weights() {
            Some(weights) => format!(" {}×{}", csr.indices()[entry], weights.get(entry)),
            None => format!(" {}", csr.indices()[entry]),
        });
        text.push_str(&format!("{node}:{}\n", entries.collect::<String>()));
    }
    text
}

fn int64(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn refused(
    source: ArrayRef,
    target: ArrayRef,
    weight: Option<ArrayRef>,
    options: BuildOptions,
    expected: &Expect,
) {
    let weight = weight.map(|weight| [weight]);
    let edges = Edges {
        source: &[source],
        target: &[target],
        weight: weight.as_ref().map(|weight| weight.as_slice()),
    };
    expected.assert_eq(&message(Graph::from_edges(&edges, &options, &Run::default())));
}

#[test]
fn neighbours_ascend_and_parallel_edges_stay() {
    let made = graph(4, &[(2, 0), (0, 3), (0, 1), (0, 3), (1, 1)], true);
    expect![[r#"
        0: 1 3 3
        1: 1
        2: 0
        3:
    "#]]
    .assert_eq(&rows(made.csr()));
    assert_eq!(made.num_edges(), 5);
    expect![[r#"
        0: 2
        1: 0 1
        2:
        3: 0 0
    "#]]
    .assert_eq(&rows(made.csc(&Run::default()).unwrap()));
}

/// Where most rows are short, rows are sorted one by one, in one way or another by their length.
#[test]
fn a_long_row_among_short_ones_keeps_the_order_of_parallel_edges() {
    let ends = |count: u32| (0..count).map(|edge| (1, edge * 37 % 50));
    for count in [20, 100] {
        let edges: Vec<(u32, u32)> = ends(count).chain([(3, 2), (3, 0), (3, 2)]).collect();
        let weights: Vec<i64> = (0..edges.len() as i64).collect();
        let made = weighted(1000, &edges, &weights, true);
        let mut expected: Vec<(u32, u32, i64)> =
            edges.iter().zip(&weights).map(|(&(from, to), &weight)| (from, to, weight)).collect();
        expected.sort_by_key(|&(from, to, _)| (from, to));
        let rows = made.csr();
        let found: Vec<(u32, u32, i64)> = (0..1000)
            .flat_map(|node| rows.range(node).map(move |entry| (node, entry)))
            .map(|(node, entry)| {
                (node, rows.indices()[entry], rows.weights().map_or(0.0, |weights| weights.get(entry)) as i64)
            })
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn an_undirected_edge_stands_at_both_ends_and_a_loop_once() {
    let made = weighted(3, &[(0, 1), (1, 1), (2, 1)], &[5, 6, 7], false);
    expect![[r#"
        0: 1×5
        1: 0×5 1×6 2×7
        2: 1×7
    "#]]
    .assert_eq(&rows(made.csr()));
    assert_eq!(made.num_edges(), 3);
}

#[test]
fn parallel_edges_become_one_as_asked() {
    let edges = [(0, 1), (1, 0), (0, 1), (0, 0)];
    let check = |parallel_edges, directed, expected: &Expect| {
        let list = EdgeList { nodes: 2, edges: edges.to_vec(), weights: vec![4, 2, 7, 1] };
        let (source, target): (Vec<i64>, Vec<i64>) =
            list.edges.iter().map(|&(from, to)| (i64::from(from), i64::from(to))).unzip();
        let options = BuildOptions { directed, parallel_edges, ..BuildOptions::default() };
        let (source, target, weight) = ([int64(&source)], [int64(&target)], [int64(&list.weights)]);
        let edges = Edges { source: &source, target: &target, weight: Some(&weight) };
        expected.assert_eq(&rows(Graph::from_edges(&edges, &options, &Run::default()).unwrap().csr()));
    };
    check(ParallelEdges::First, true, &expect!["0: 0×1 1×4\n1: 0×2\n"]);
    check(ParallelEdges::Sum, true, &expect!["0: 0×1 1×11\n1: 0×2\n"]);
    check(ParallelEdges::Min, false, &expect!["0: 0×1 1×2\n1: 0×2\n"]);
    check(ParallelEdges::Max, false, &expect!["0: 0×1 1×7\n1: 0×7\n"]);
}

#[test]
fn the_sum_of_edges_without_weight_is_their_number() {
    let options = BuildOptions { parallel_edges: ParallelEdges::Sum, ..BuildOptions::default() };
    let edges = Edges { source: &[int64(&[0, 0, 0])], target: &[int64(&[1, 1, 2])], weight: None };
    let made = Graph::from_edges(&edges, &options, &Run::default()).unwrap();
    expect!["0: 1×2 2×1\n1:\n2:\n"].assert_eq(&rows(made.csr()));
}

#[test]
fn loops_are_left_out_as_asked() {
    let options = BuildOptions { self_loops: SelfLoops::Drop, ..BuildOptions::default() };
    let edges = Edges { source: &[int64(&[0, 1, 1])], target: &[int64(&[0, 0, 1])], weight: None };
    let made = Graph::from_edges(&edges, &options, &Run::default()).unwrap();
    expect!["0:\n1: 0\n"].assert_eq(&rows(made.csr()));
}

#[test]
fn columns_may_come_in_any_chunks_and_integer_types() {
    let source: [ArrayRef; 3] =
        [Arc::new(Int32Array::from(vec![0, 1])), int64(&[]), Arc::new(UInt64Array::from(vec![2, 3]))];
    let target: [ArrayRef; 2] = [int64(&[1, 2, 3]), int64(&[0])];
    let weight: [ArrayRef; 2] =
        [Arc::new(Float32Array::from(vec![0.5])), Arc::new(Float32Array::from(vec![1.0, 2.0, 4.0]))];
    let edges = Edges { source: &source, target: &target, weight: Some(&weight) };
    let made = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default()).unwrap();
    expect!["0: 1×0.5\n1: 2×1\n2: 3×2\n3: 0×4\n"].assert_eq(&rows(made.csr()));
}

#[test]
fn a_graph_without_edges_is_one() {
    for nodes in [0, 5] {
        let made = graph(nodes, &[], true);
        assert_eq!((made.num_nodes(), made.num_edges()), (nodes as usize, 0));
        assert_eq!(made.csc(&Run::default()).unwrap().num_nodes(), nodes as usize);
    }
    let none = Graph::from_edges(
        &Edges { source: &[], target: &[], weight: None },
        &BuildOptions::default(),
        &Run::default(),
    );
    assert_eq!(none.unwrap().num_nodes(), 0);
}

#[test]
fn bad_edges_are_refused_with_their_row() {
    let plain = BuildOptions::default();
    refused(
        int64(&[0, 1, -4]),
        int64(&[0, 0, 0]),
        None,
        plain,
        &expect![[r#"
            data: edge 2 has the negative node -4
              at column `source`

            hint: dense node numbers begin at 0; for ids of any other kind build the graph from a table"#]],
    );
    refused(
        int64(&[0, 1]),
        int64(&[0, 4096]),
        None,
        options(4096, true),
        &expect![[r#"
            data: edge 1 points at node 4096, but the graph has 4096
              at column `target`

            hint: pass a larger `num_nodes`, or leave it out to have it inferred"#]],
    );
    refused(
        int64(&[0, 1 << 31]),
        int64(&[0, 0]),
        None,
        plain,
        &expect!["limit: a graph has at most 2147483647 nodes, and this one has 2147483649"],
    );
    refused(
        Arc::new(Int64Array::from(vec![Some(0), None])),
        int64(&[0, 0]),
        None,
        plain,
        &expect![[r#"
            data: edge 1 has no value
              at column `source`

            hint: drop these edges first, or fill the nulls"#]],
    );
    refused(
        int64(&[0, 1]),
        int64(&[0]),
        None,
        plain,
        &expect!["data: `target` has 1 rows, and `source` has 2"],
    );
    refused(
        Arc::new(StringArray::from(vec!["a"])),
        int64(&[0]),
        None,
        plain,
        &expect![[r#"
            usage: `source` is of type Utf8, and int32, int64, uint32 or uint64 is needed

            hint: for ids of any other kind build the graph from a table"#]],
    );
    refused(
        int64(&[0, 0]),
        int64(&[0, 1]),
        Some(Arc::new(Float64Array::from(vec![1.0, f64::NAN]))),
        plain,
        &expect![[r#"
            data: edge 1 has the weight NaN, which is not finite
              at column `weight`

            hint: drop these edges first, or give them a finite weight"#]],
    );
    refused(
        int64(&[0]),
        int64(&[0]),
        Some(Arc::new(UInt64Array::from(vec![u64::MAX]))),
        plain,
        &expect![[r#"
            data: edge 0 has the weight 18446744073709551615, which is beyond 64-bit integers
              at column `weight`

            hint: cast the weights to float64"#]],
    );
    refused(
        int64(&[3, 3]),
        int64(&[1, 1]),
        Some(int64(&[i64::MAX, 1])),
        BuildOptions { parallel_edges: ParallelEdges::Sum, ..plain },
        &expect![[r#"
            data: the weights of the parallel edges from node 3 to node 1 add up beyond 64-bit integers

            hint: cast the weights to float64"#]],
    );
}

#[test]
fn a_limit_of_memory_is_kept_before_anything_is_allocated() {
    let run = Run::default().with_memory(Some(ByteSize(100)));
    let edges = Edges { source: &[int64(&[0; 50])], target: &[int64(&[1; 50])], weight: None };
    expect![[r#"
        limit: building a graph needs 632 B of memory, and the limit is 100 B

        hint: raise the limit of memory, which is the machine's where none is set"#]]
    .assert_eq(&message(Graph::from_edges(&edges, &BuildOptions::default(), &run)));
}

#[test]
fn work_that_was_cancelled_does_not_begin() {
    let cancel = Cancel::new();
    cancel.cancel();
    let run = Run::default().with_cancel(cancel);
    let edges = Edges { source: &[int64(&[0])], target: &[int64(&[1])], weight: None };
    let result = Graph::from_edges(&edges, &BuildOptions::default(), &run);
    assert!(matches!(result, Err(GraphError::Cancelled(_))));
}

fn csr(indptr: &[u64], indices: &[u32], weights: Option<Weights>) -> Result<Csr, GraphError> {
    Csr::new(Offsets::Wide(indptr.to_vec().into()), indices.to_vec().into(), weights, &Run::default())
}

#[test]
fn malformed_rows_are_refused() {
    let check = |indptr: &[u64], indices: &[u32], expected: &Expect| {
        expected.assert_eq(&message(csr(indptr, indices, None)));
    };
    check(
        &[],
        &[],
        &expect![
            "data: these sparse rows are malformed: `indptr` is empty, and has one more number than there are nodes"
        ],
    );
    check(
        &[1, 1],
        &[0],
        &expect!["data: these sparse rows are malformed: `indptr` begins with 1, not with 0"],
    );
    check(
        &[0, 2, 1],
        &[0],
        &expect!["data: these sparse rows are malformed: `indptr` falls from 2 to 1 at node 1"],
    );
    check(
        &[0, u64::MAX],
        &[0],
        &expect!["data: these sparse rows are malformed: `indptr` ends with -1, and there are 1 indices"],
    );
    check(
        &[0, 2],
        &[0],
        &expect!["data: these sparse rows are malformed: `indptr` ends with 2, and there are 1 indices"],
    );
    check(
        &[0, 1],
        &[u32::MAX],
        &expect![
            "data: these sparse rows are malformed: index -1 at entry 0 is no node, of which there are 1"
        ],
    );
    let weights = Some(Weights::F64(vec![1.0, 2.0].into()));
    expect!["data: these sparse rows are malformed: there are 2 weights for 1 indices"]
        .assert_eq(&message(csr(&[0, 1], &[0], weights)));
}

#[test]
fn rows_called_undirected_are_symmetric() {
    let check = |indptr: &[u64], indices: &[u32], weights: Option<Vec<i64>>| {
        let rows = csr(indptr, indices, weights.map(|weights| Weights::I64(weights.into()))).unwrap();
        Graph::from_csr(rows, false, &Run::default())
    };
    assert_eq!(check(&[0, 2, 3], &[1, 0, 0], None).unwrap().num_edges(), 2);
    let missing = check(&[0, 1, 1], &[1], None);
    assert!(matches!(missing, Err(GraphError::NotSymmetric { from: 0, to: 1 })), "{missing:?}");
    let unequal = check(&[0, 1, 2], &[1, 0], Some(vec![1, 2]));
    assert!(matches!(unequal, Err(GraphError::NotSymmetric { .. })), "{unequal:?}");
}

#[test]
fn a_large_graph_is_the_same_for_any_number_of_threads() {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as i64
    };
    let nodes = 50_000;
    let rows = 1_500_000;
    // A third of all edges begins at few nodes, so that buckets differ in size.
    let source: Vec<i64> =
        (0..rows).map(|row| if row % 3 == 0 { next() % 7 } else { next() % nodes }).collect();
    let target: Vec<i64> = (0..rows).map(|_| next() % nodes).collect();
    let mut expected: Vec<(i64, i64, i64)> =
        source.iter().zip(&target).zip(0..).map(|((&from, &to), row)| (from, to, row)).collect();
    expected.sort_unstable();
    let weight = int64(&(0..rows).collect::<Vec<_>>());
    let edges = Edges { source: &[int64(&source)], target: &[int64(&target)], weight: Some(&[weight]) };
    for count in [1, 3] {
        let made = Graph::from_edges(&edges, &BuildOptions::default(), &threads(count)).unwrap();
        let mut entries = Vec::new();
        for node in 0..made.num_nodes() as u32 {
            for entry in made.csr().range(node) {
                let weight = made.csr().weights().unwrap().get(entry) as i64;
                entries.push((i64::from(node), i64::from(made.csr().indices()[entry]), weight));
            }
        }
        assert!(entries == expected, "with {count} threads");
        let back =
            Graph::from_csr(made.csc(&threads(count)).unwrap().clone(), true, &Run::default()).unwrap();
        assert!(back.csc(&Run::default()).unwrap().indices() == made.csr().indices());
    }
}

proptest! {
    #[test]
    fn rows_are_the_sorted_edges(list in edge_lists(40), directed: bool) {
        let made = list.weighted(directed);
        for (node, expected) in list.neighbors(directed).iter().enumerate() {
            prop_assert_eq!(made.neighbors(node as u32).unwrap(), expected.as_slice());
        }
        prop_assert_eq!(made.num_edges(), list.edges.len());
        let reversed = EdgeList { edges: list.edges.iter().map(|&(from, to)| (to, from)).collect(), ..list.clone() };
        for (node, expected) in reversed.neighbors(directed).iter().enumerate() {
            prop_assert_eq!(made.csc(&Run::default()).unwrap().neighbors(node as u32), expected.as_slice());
        }
    }
}
