//! Are graphs read and written as their formats say?

use std::{
    io::{BufRead, BufReader, Read, Write},
    sync::Arc,
};

use arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray};
use bowstring_core::Cancel;
use bowstring_graph::{Csr, Graph, GraphError, Offsets, Run, Weights, dot, graphml, matrix_market};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::support::{edge_lists, graph, message, weighted};

fn read(file: &str) -> Result<Graph, GraphError> {
    matrix_market(file.as_bytes(), &Run::default())
}

/// Kind of graph, number of nodes, and its edges with their weights.
fn shown(graph: &Graph) -> String {
    let columns = graph.edges(&Run::default()).unwrap();
    let mut text =
        format!("{} {}:", if graph.is_directed() { "directed" } else { "undirected" }, graph.num_nodes());
    for (edge, (from, to)) in columns.source.iter().zip(&columns.target).enumerate() {
        text.push_str(&format!(" {from}-{to}"));
        if let Some(weights) = &columns.weights {
            text.push_str(&format!("×{}", weights.get(edge)));
        }
    }
    text
}

#[test]
fn matrices_become_graphs() {
    let check = |file: &str, expected: &Expect| expected.assert_eq(&shown(&read(file).unwrap()));
    check(
        "%%MatrixMarket matrix coordinate real general\n% a comment\n\n3 3 3\n1 2 0.5\n3 1 -2e1\n  3\t3 4 \n",
        &expect!["directed 3: 0-1×0.5 2-0×-20 2-2×4"],
    );
    check(
        "%%matrixmarket MATRIX Coordinate Pattern Symmetric\r\n2 2 2\r\n2 1\r\n2 2",
        &expect!["undirected 2: 0-1 1-1"],
    );
    check("%%MatrixMarket matrix coordinate double general\n0 0 0\n", &expect!["directed 0:"]);
}

#[test]
fn integers_stay_what_they_are() {
    let made =
        read("%%MatrixMarket matrix coordinate integer general\n2 2 1\n2 1 9007199254740993\n").unwrap();
    assert!(
        matches!(made.csr().weights(), Some(Weights::I64(values)) if values[..] == [9_007_199_254_740_993])
    );
}

#[test]
fn what_is_no_matrix_of_a_graph_is_refused_with_its_line() {
    let check = |file: &str, expected: &Expect| expected.assert_eq(&message(read(file)));
    let with = |rest: &str| format!("%%MatrixMarket matrix coordinate real general\n{rest}");
    check(
        "",
        &expect![[r#"
        data: this is no graph in the Matrix Market format: the first line does not begin with `%%MatrixMarket matrix`
          at line 1"#]],
    );
    check(
        "1 2\n",
        &expect![[r#"
        data: this is no graph in the Matrix Market format: the first line does not begin with `%%MatrixMarket matrix`
          at line 1"#]],
    );
    check(
        "%%MatrixMarket matrix array real general\n",
        &expect![[r#"
        data: this is no graph in the Matrix Market format: the layout is `array`, and can be `coordinate`
          at line 1"#]],
    );
    check(
        "%%MatrixMarket matrix coordinate complex general\n",
        &expect![[r#"
        data: this is no graph in the Matrix Market format: the field is `complex`, and can be `pattern` or `integer` or `real` or `double`
          at line 1"#]],
    );
    check(
        "%%MatrixMarket matrix coordinate real skew-symmetric\n",
        &expect![[r#"
        data: this is no graph in the Matrix Market format: the symmetry is `skew-symmetric`, and can be `general` or `symmetric`
          at line 1"#]],
    );
    check(
        &with("% nothing else\n"),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: the file ends before the line of sizes
          at line 3"#]],
    );
    check(
        &with("3 3\n"),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: the line of sizes has three numbers: rows, columns and entries
          at line 2"#]],
    );
    check(
        &with("3 2 1\n"),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: the matrix has 3 rows and 2 columns, and that of a graph is square
          at line 2"#]],
    );
    check(
        &with("4294967296 4294967296 0\n"),
        &expect!["limit: a graph has at most 2147483647 nodes, and this one has 4294967296"],
    );
    check(
        &with("3 3 1\n0 1 1\n"),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: rows and columns are counted from 1, and this is 0
          at line 3"#]],
    );
    check(
        &with("3 3 1\n1 4 1\n"),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: 4 is beyond the 3 rows
          at line 3"#]],
    );
    check(
        &with("3 3 1\n1 -1 1\n"),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: `-1` is no number of the kind announced
          at line 3"#]],
    );
    check(
        &with("3 3 1\n1\n"),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: an entry has a row and a column
          at line 3"#]],
    );
    check(
        &with("3 3 1\n1 1\n"),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: the entry has no value
          at line 3"#]],
    );
    check(
        &with("3 3 1\n1 1 nan\n"),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: the value NaN is not finite
          at line 3"#]],
    );
    check(
        &with("3 3 1\n1 1 1 1\n"),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: `1` is one word too many
          at line 3"#]],
    );
    check(
        &with("3 3 2\n1 1 1\n"),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: the file ends after 1 of 2 entries
          at line 4"#]],
    );
    check(
        &with("3 3 0\n\n1 1 1\n"),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: this is one entry more than the 0 announced
          at line 4"#]],
    );
    check(
        &with(&format!("3 3 1\n1 1 1{}\n", " ".repeat(70_000))),
        &expect![[r#"
        data: this is no graph in the Matrix Market format: a line has more than 65536 bytes
          at line 3"#]],
    );
    expect![[r#"
        data: this is no graph in the Matrix Market format: this is no text
          at line 2"#]]
    .assert_eq(&message(matrix_market(
        &b"%%MatrixMarket matrix coordinate pattern general\n\xff 1 1\n"[..],
        &Run::default(),
    )));
}

/// Fails when it is read or written.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the cable is loose"))
    }
}

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the cable is loose"))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn failures_of_the_file_are_told() {
    let reader: Box<dyn BufRead> = Box::new(BufReader::new(Broken));
    expect!["storage: the graph cannot be read: the cable is loose"]
        .assert_eq(&message(matrix_market(reader, &Run::default())));
    let made = graph(1, &[], true);
    expect!["storage: the graph cannot be written: the cable is loose"].assert_eq(&message(graphml(
        &made,
        &[],
        Broken,
        &Run::default(),
    )));
    expect!["storage: the graph cannot be written: the cable is loose"].assert_eq(&message(dot(
        &made,
        &[],
        Broken,
        &Run::default(),
    )));
}

#[test]
fn reading_and_writing_stop_when_asked() {
    let cancel = Cancel::new();
    cancel.cancel();
    let run = Run::default().with_cancel(cancel);
    let made = graph(1, &[], true);
    let file = &b"%%MatrixMarket matrix coordinate pattern general\n1 1 1\n1 1\n"[..];
    assert!(matches!(matrix_market(file, &run), Err(GraphError::Cancelled(_))));
    assert!(matches!(graphml(&made, &[], Vec::new(), &run), Err(GraphError::Cancelled(_))));
    assert!(matches!(dot(&made, &[], Vec::new(), &run), Err(GraphError::Cancelled(_))));
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> Result<(), GraphError>) -> Result<String, GraphError> {
    let mut out = Vec::new();
    write(&mut out).map(|()| String::from_utf8(out).unwrap())
}

/// Two nodes with awkward ids, joined both ways, and columns with awkward values.
fn awkward() -> (Graph, [(&'static str, ArrayRef); 2]) {
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["<a> & \"b\"", "back\\slash"]));
    let weights = Weights::F32(vec![0.5, -1.0].into());
    let rows =
        Csr::new(Offsets::Wide(vec![0, 1, 2].into()), vec![1, 0].into(), Some(weights), &Run::default())
            .unwrap();
    let graph = Graph::from_csr(rows, true, &Run::default()).unwrap();
    let rank: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.25), None]));
    let core: ArrayRef = Arc::new(BooleanArray::from(vec![true, false]));
    (graph.with_nodes(&[ids], &Run::default()).unwrap(), [("the \"rank\"", rank), ("core", core)])
}

#[test]
fn graphml_has_ids_columns_and_weights() {
    let (made, columns) = awkward();
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <graphml xmlns="http://graphml.graphdrawing.org/xmlns">
         <key id="d0" for="node" attr.name="id" attr.type="string"/>
         <key id="d1" for="node" attr.name="the &quot;rank&quot;" attr.type="double"/>
         <key id="d2" for="node" attr.name="core" attr.type="boolean"/>
         <key id="weight" for="edge" attr.name="weight" attr.type="float"/>
         <graph edgedefault="directed">
          <node id="n0"><data key="d0">&lt;a&gt; &amp; &quot;b&quot;</data><data key="d1">0.25</data><data key="d2">true</data></node>
          <node id="n1"><data key="d0">back\slash</data><data key="d2">false</data></node>
          <edge source="n0" target="n1"><data key="weight">0.5</data></edge>
          <edge source="n1" target="n0"><data key="weight">-1</data></edge>
         </graph>
        </graphml>
    "#]].assert_eq(&written(|out| graphml(&made, &columns, out, &Run::default())).unwrap());
    let plain = graph(3, &[(1, 0), (2, 2)], false);
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <graphml xmlns="http://graphml.graphdrawing.org/xmlns">
         <graph edgedefault="undirected">
          <node id="n0"/>
          <node id="n1"/>
          <node id="n2"/>
          <edge source="n0" target="n1"/>
          <edge source="n2" target="n2"/>
         </graph>
        </graphml>
    "#]]
    .assert_eq(&written(|out| graphml(&plain, &[], out, &Run::default())).unwrap());
}

#[test]
fn dot_has_ids_columns_and_weights() {
    let (made, columns) = awkward();
    expect![[r#"
        digraph {
        0 [label="<a> & \"b\"", "the \"rank\""="0.25", "core"="true"]
        1 [label="back\\slash", "core"="false"]
        0 -> 1 [weight=0.5]
        1 -> 0 [weight=-1]
        }
    "#]]
    .assert_eq(&written(|out| dot(&made, &columns, out, &Run::default())).unwrap());
    let plain = weighted(3, &[(1, 0), (2, 2)], &[4, 5], false);
    expect![[r#"
        graph {
        0
        1
        2
        0 -- 1 [weight=4]
        2 -- 2 [weight=5]
        }
    "#]]
    .assert_eq(&written(|out| dot(&plain, &[], out, &Run::default())).unwrap());
}

#[test]
fn columns_have_a_row_for_each_node() {
    let made = graph(3, &[], true);
    let rank: ArrayRef = Arc::new(Float64Array::from(vec![0.5]));
    let columns = [("rank", rank)];
    expect!["data: `rank` has 1 values, and the graph has 3 nodes"]
        .assert_eq(&message(written(|out| graphml(&made, &columns, out, &Run::default()))));
    expect!["data: `rank` has 1 values, and the graph has 3 nodes"]
        .assert_eq(&message(written(|out| dot(&made, &columns, out, &Run::default()))));
}

proptest! {
    #[test]
    fn a_matrix_has_the_edges_of_the_list(list in edge_lists(30), directed: bool) {
        let symmetry = if directed { "general" } else { "symmetric" };
        let mut file = format!("%%MatrixMarket matrix coordinate integer {symmetry}\n");
        file.push_str(&format!("{} {} {}\n", list.nodes, list.nodes, list.edges.len()));
        for ((from, to), weight) in list.edges.iter().zip(&list.weights) {
            file.push_str(&format!("{} {} {weight}\n", from + 1, to + 1));
        }
        prop_assert_eq!(shown(&read(&file).unwrap()), shown(&list.weighted(directed)));
    }
}
