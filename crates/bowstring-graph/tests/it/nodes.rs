//! Do ids become the nodes that they should, whatever type and chunks they come in?

use std::{collections::HashMap, slice::from_ref, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int64Array, LargeStringArray, StringArray,
        StringViewArray, UInt64Array,
    },
    compute::cast,
    datatypes::{DataType, Int8Type, Int32Type},
};
use bowstring_core::units::ByteSize;
use bowstring_graph::{BuildOptions, Graph, GraphError, Run, TableEdges};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::support::{graph, message, threads};

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn numbers(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn built(source: &[ArrayRef], target: &[ArrayRef], nodes: Option<&[ArrayRef]>) -> Result<Graph, GraphError> {
    let edges = TableEdges { source, target, nodes, weight: None };
    Graph::from_table(&edges, &BuildOptions::default(), &Run::default())
}

/// The ids as text, one after the other, and the edges between them.
fn shown(graph: &Graph) -> (String, Vec<(u32, u32)>) {
    let ids = cast(graph.nodes().unwrap().ids(), &DataType::Utf8).unwrap();
    let ids: Vec<&str> = ids.as_string::<i32>().iter().map(Option::unwrap).collect();
    (ids.join(" "), edges(graph))
}

fn edges(graph: &Graph) -> Vec<(u32, u32)> {
    let rows = 0..graph.num_nodes() as u32;
    rows.flat_map(|node| graph.neighbors(node).unwrap().iter().map(move |&to| (node, to))).collect()
}

#[test]
fn ids_are_numbered_as_they_appear() {
    let made = built(&[texts(&["b", "a", "b"])], &[texts(&["c", "b", "a"])], None).unwrap();
    assert_eq!(shown(&made), ("b c a".into(), vec![(0, 1), (0, 2), (2, 0)]));
    let made = built(&[numbers(&[7, -3])], &[numbers(&[-3, i64::MAX])], None).unwrap();
    assert_eq!(shown(&made), ("7 -3 9223372036854775807".into(), vec![(0, 1), (1, 2)]));
    let made = built(&[], &[], None).unwrap();
    assert_eq!((made.num_nodes(), made.nodes().unwrap().is_empty()), (0, true));
}

#[test]
fn given_nodes_fix_the_order_and_may_have_no_edges() {
    let nodes = [texts(&["z", "a"]), texts(&["m"])];
    let made = built(&[texts(&["a"])], &[texts(&["m"])], Some(&nodes)).unwrap();
    assert_eq!(shown(&made), ("z a m".into(), vec![(1, 2)]));
    let made = built(&[], &[], Some(&[numbers(&[5, 4])])).unwrap();
    assert_eq!((made.num_nodes(), made.nodes().unwrap().index_of_int(4)), (2, Ok(1)));
}

#[test]
fn columns_of_ids_may_differ_in_width_and_layout() {
    let long = "a text of more than twelve bytes";
    let view: ArrayRef = Arc::new(StringViewArray::from(vec![long, "x"]));
    let large: ArrayRef = Arc::new(LargeStringArray::from(vec!["x"]));
    let dictionary: ArrayRef = Arc::new(vec![long].into_iter().collect::<DictionaryArray<Int8Type>>());
    let made = built(&[texts(&[long, "y"])], &[large.clone(), dictionary.clone()], None).unwrap();
    assert_eq!(shown(&made), (format!("{long} x y"), vec![(0, 1), (2, 0)]));
    assert_eq!(made.nodes().unwrap().ids().data_type(), &DataType::LargeUtf8);
    let made = built(from_ref(&view), from_ref(&view), None).unwrap();
    assert_eq!(shown(&made), (format!("{long} x"), vec![(0, 0), (1, 1)]));
    assert_eq!(made.nodes().unwrap().ids().data_type(), &DataType::Utf8View);
    let made = built(from_ref(&dictionary), from_ref(&dictionary), None).unwrap();
    assert_eq!(made.nodes().unwrap().ids().data_type(), &DataType::Utf8);

    let narrow = cast(&numbers(&[1, 2]), &DataType::Int16).unwrap();
    let made = built(from_ref(&narrow), &[numbers(&[2, 1 << 40])], None).unwrap();
    assert_eq!(shown(&made), ("1 2 1099511627776".into(), vec![(0, 1), (1, 2)]));
    assert_eq!(made.nodes().unwrap().ids().data_type(), &DataType::Int64);
    let made = built(from_ref(&narrow), from_ref(&narrow), None).unwrap();
    assert_eq!(made.nodes().unwrap().ids().data_type(), &DataType::Int16);
    let unsigned: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 0]));
    let made = built(from_ref(&unsigned), from_ref(&unsigned), None).unwrap();
    assert_eq!(shown(&made), ("18446744073709551615 0".into(), vec![(0, 0), (1, 1)]));
}

#[test]
fn what_lies_behind_a_short_text_does_not_matter() {
    // The same texts at the end of their buffer, and in front of others.
    let made = built(&[texts(&["ab", "abc", "", "ab"])], &[texts(&["abcdefghijkl", "", "abc", "ab"])], None);
    assert_eq!(shown(&made.unwrap()), ("ab abcdefghijkl abc ".into(), vec![(0, 0), (0, 1), (2, 3), (3, 2)]));
}

#[test]
fn ids_are_found() {
    let made = built(&[texts(&["bash", "perl-base"])], &[texts(&["libc6", "a text of some length"])], None);
    let made = made.unwrap();
    let nodes = made.nodes().unwrap();
    assert_eq!(nodes.index_of_text("perl-base"), Ok(2));
    assert_eq!(nodes.index_of_text("a text of some length"), Ok(3));
    let found = nodes.index_of_all(&[texts(&["libc6", "bash"]), texts(&["libc6"])], &Run::default());
    assert_eq!(found, Ok(vec![1, 0, 1]));
    expect![[r#"
        usage: the graph has no node `perlbase`

        hint: did you mean `perl-base`?"#]]
    .assert_eq(&message(nodes.index_of_text("perlbase")));
    expect!["usage: the graph has no node `17`"].assert_eq(&message(nodes.index_of_int(17)));
    expect![[r#"
        usage: the graph has no node `lib6`

        hint: did you mean `libc6`?"#]]
    .assert_eq(&message(nodes.index_of_all(&[texts(&["bash", "lib6"])], &Run::default())));
    let made = built(&[numbers(&[9, 8])], &[numbers(&[8, 8])], None).unwrap();
    assert_eq!(made.nodes().unwrap().index_of_int(8), Ok(1));
    expect!["usage: the graph has no node `7`"].assert_eq(&message(made.nodes().unwrap().index_of_int(7)));
}

#[test]
fn a_graph_of_numbers_can_be_given_ids() {
    let plain = graph(3, &[(0, 1), (1, 2)], true);
    assert!(plain.nodes().is_none());
    let named = plain.clone().with_nodes(&[texts(&["x"]), texts(&["y", "z"])], &Run::default()).unwrap();
    assert_eq!(shown(&named), ("x y z".into(), vec![(0, 1), (1, 2)]));
    let check = |ids: ArrayRef, expected: &Expect| {
        expected.assert_eq(&message(plain.clone().with_nodes(&[ids], &Run::default())));
    };
    check(texts(&["x"]), &expect!["usage: there are 1 ids for 3 nodes"]);
    check(
        texts(&["x", "y", "x"]),
        &expect![[r#"
            data: the id `x` is in `nodes` twice, in rows 0 and 2
              at column `nodes`"#]],
    );
}

#[test]
fn bad_ids_are_refused_with_their_row() {
    let check = |source: ArrayRef, target: ArrayRef, nodes: Option<ArrayRef>, expected: &Expect| {
        let nodes = nodes.as_ref().map(from_ref);
        expected.assert_eq(&message(built(&[source], &[target], nodes)));
    };
    let null: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    check(
        texts(&["a", "b"]),
        null,
        None,
        &expect![[r#"
            data: edge 1 has no value
              at column `target`

            hint: drop these edges first, or fill the nulls"#]],
    );
    check(
        texts(&["a"]),
        numbers(&[1]),
        None,
        &expect!["usage: `target` is of type Int64, and text like the other ids is needed"],
    );
    check(
        numbers(&[1]),
        texts(&["a"]),
        None,
        &expect!["usage: `target` is of type Utf8, and integers like the other ids is needed"],
    );
    check(
        Arc::new(BooleanArray::from(vec![true])),
        numbers(&[1]),
        None,
        &expect!["usage: `source` is of type Boolean, and integers, text or a dictionary of those is needed"],
    );
    check(
        numbers(&[-1]),
        Arc::new(UInt64Array::from(vec![u64::MAX])),
        None,
        &expect![
            "usage: `target` is of type UInt64 with ids beyond int64, and int64 as in the other columns is needed"
        ],
    );
    check(texts(&["a"]), texts(&["a", "b"]), None, &expect!["data: `target` has 2 rows, and `source` has 1"]);
    check(
        texts(&["alpha", "beta"]),
        texts(&["beta", "alhpa"]),
        Some(texts(&["alpha", "beta"])),
        &expect![[r#"
            data: edge 1 has the id `alhpa`, which is not among the nodes
              at column `target`

            hint: did you mean `alpha`?"#]],
    );
    check(
        numbers(&[]),
        numbers(&[]),
        Some(numbers(&[3, 1, 1, 3])),
        &expect![[r#"
            data: the id `1` is in `nodes` twice, in rows 1 and 2
              at column `nodes`"#]],
    );
    let edges = TableEdges::default();
    let options = BuildOptions { num_nodes: Some(3), ..BuildOptions::default() };
    expect!["usage: `num_nodes` is 3, and must be left out: the nodes are the ids of the table"]
        .assert_eq(&message(Graph::from_table(&edges, &options, &Run::default())));
    let source = texts(&["a"; 10]);
    let edges = TableEdges { source: from_ref(&source), target: from_ref(&source), ..edges };
    let run = Run::default().with_memory(Some(ByteSize(400)));
    expect![[r#"
        limit: numbering nodes needs 500 B of memory, and the limit is 400 B

        hint: raise the limit of memory, which is the machine's where none is set"#]]
    .assert_eq(&message(Graph::from_table(&edges, &BuildOptions::default(), &run)));
}

/// How a column of ids is laid out.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Small,
    Large,
    View,
    Dictionary,
    Int64,
    UInt32,
    Int8,
    DictionaryOfInt64,
}

/// The ids of these numbers, in one array.
fn laid_out(ids: &[i64], layout: Layout) -> ArrayRef {
    // Some fit into a view, and some do not.
    let text = |id: &i64| if id % 3 == 0 { format!("a long name of node {id}") } else { format!("n{id}") };
    let texts: Vec<String> = ids.iter().map(text).collect();
    match layout {
        Layout::Small => Arc::new(StringArray::from(texts)),
        Layout::Large => Arc::new(LargeStringArray::from(texts)),
        Layout::View => Arc::new(StringViewArray::from_iter_values(texts)),
        Layout::Dictionary => {
            Arc::new(texts.iter().map(String::as_str).collect::<DictionaryArray<Int32Type>>())
        }
        Layout::Int64 => Arc::new(Int64Array::from_iter_values(ids.iter().map(|id| id * 1_000_000_007))),
        Layout::UInt32 => cast(&numbers(ids), &DataType::UInt32).unwrap(),
        Layout::Int8 => cast(&numbers(ids), &DataType::Int8).unwrap(),
        Layout::DictionaryOfInt64 => {
            let kind = DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Int64));
            cast(&numbers(ids), &kind).unwrap()
        }
    }
}

/// In chunks, each a slice of an array with other rows before and behind it.
fn chunked(ids: &[i64], layout: Layout, rows: usize) -> Vec<ArrayRef> {
    ids.chunks(rows)
        .map(|chunk| {
            let around: Vec<i64> = [&[99, 98], chunk, &[97]].concat();
            laid_out(&around, layout).slice(2, chunk.len())
        })
        .collect()
}

fn layouts() -> impl Strategy<Value = (Layout, Layout)> {
    let texts = || prop::sample::select(vec![Layout::Small, Layout::Large, Layout::View, Layout::Dictionary]);
    let narrow = || prop::sample::select(vec![Layout::UInt32, Layout::Int8, Layout::DictionaryOfInt64]);
    prop_oneof![(texts(), texts()), (narrow(), narrow()), Just((Layout::Int64, Layout::Int64))]
}

/// Numbers ids one after the other.
fn reference(rows: &[(i64, i64)]) -> (Vec<i64>, Vec<(u32, u32)>) {
    let (mut known, mut ids) = (HashMap::new(), Vec::new());
    let mut number = |id: i64| {
        *known.entry(id).or_insert_with(|| {
            ids.push(id);
            ids.len() as u32 - 1
        })
    };
    let edges = rows.iter().map(|&(from, to)| (number(from), number(to))).collect();
    (ids, edges)
}

proptest! {
    #[test]
    fn ids_become_the_nodes_that_a_plain_map_gives(
        rows in prop::collection::vec((0..60_i64, 0..60_i64), 1..120),
        (of_source, of_target) in layouts(),
        chunks in (1..50_usize, 1..50_usize),
        given: bool,
    ) {
        let (mut ids, mut expected) = reference(&rows);
        if given {
            // Another order, and two nodes without edges.
            ids.reverse();
            let last = ids.len() as u32 - 1;
            expected.iter_mut().for_each(|edge| *edge = (last - edge.0, last - edge.1));
            ids.extend([80, 81]);
        }
        expected.sort_unstable();
        let (from, to): (Vec<i64>, Vec<i64>) = rows.into_iter().unzip();
        let source = chunked(&from, of_source, chunks.0);
        let target = chunked(&to, of_target, chunks.1);
        let nodes = given.then(|| chunked(&ids, of_target, chunks.0));
        let made = built(&source, &target, nodes.as_deref()).unwrap();
        prop_assert_eq!(edges(&made), expected);
        let found = cast(made.nodes().unwrap().ids(), &DataType::Utf8).unwrap();
        let wanted = cast(&laid_out(&ids, of_source), &DataType::Utf8).unwrap();
        prop_assert_eq!(found.as_string::<i32>(), wanted.as_string::<i32>());
        let again = made.nodes().unwrap().index_of_all(&[laid_out(&ids, of_target)], &Run::default()).unwrap();
        prop_assert_eq!(again, (0..ids.len() as u32).collect::<Vec<_>>());
    }
}

#[test]
fn many_ids_are_the_same_for_any_number_of_threads() {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as i64 % 30_000
    };
    let rows: Vec<(i64, i64)> = (0..300_000).map(|_| (next(), next())).collect();
    let (ids, mut expected) = reference(&rows);
    expected.sort_unstable();
    let (from, to): (Vec<i64>, Vec<i64>) = rows.into_iter().unzip();
    for layout in [Layout::Small, Layout::View, Layout::Dictionary, Layout::Int64, Layout::UInt32] {
        let source = chunked(&from, layout, 100_000);
        let target = chunked(&to, layout, 70_000);
        let wanted = cast(&laid_out(&ids, layout), &DataType::Utf8).unwrap();
        for count in [1, 3] {
            let edges_of = TableEdges { source: &source, target: &target, ..TableEdges::default() };
            let made = Graph::from_table(&edges_of, &BuildOptions::default(), &threads(count)).unwrap();
            let found = cast(made.nodes().unwrap().ids(), &DataType::Utf8).unwrap();
            assert!(found.as_string::<i32>() == wanted.as_string::<i32>(), "{layout:?}, {count} threads");
            assert!(edges(&made) == expected, "{layout:?}, {count} threads");
        }
    }
}
