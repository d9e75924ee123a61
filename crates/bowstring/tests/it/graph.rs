//! Do the steps over graphs connect, and say what is wrong?

use bowstring::graph::ALGORITHMS;
#[cfg(target_os = "linux")]
use bowstring::{Engine, EngineOptions};
use expect_test::{Expect, expect};

use crate::support::{Bench, table, text};

/// With `roads.parquet`: towns, and how far it is from one to another.
fn bench() -> Bench {
    let bench = Bench::new();
    let roads = table(&[
        ("from", text(&["york", "york", "leeds", "hull", "bath"].map(Some))),
        ("to", text(&["leeds", "hull", "hull", "york", "bath"].map(Some))),
        ("miles", crate::support::ints(&[25, 38, 60, 38, 0].map(Some))),
    ]);
    bench.parquet("roads.parquet", &roads);
    bench
}

const READ: &str = "- {name: roads, type: read, config: {path: \"${dir}/roads.parquet\"}}\n";
const BUILD: &str =
    "- {name: network, type: graph.build, input: roads, config: {source: from, target: to, weight: miles}}\n";

fn check(steps: &str, step: &str, expected: &Expect) {
    expected.assert_eq(&bench().shown(&format!("{READ}{steps}"), step));
}

#[test]
fn one_graph_serves_several_steps() {
    let steps = format!(
        "{BUILD}\
         - {{name: hops, type: graph.bfs, input: network, config: {{sources: york}}}}\n\
         - {{name: parts, type: graph.connected_components, input: network}}\n\
         - name: both\n  type: sql\n  config:\n    query: >-\n      \
         SELECT hops.node, distance, parent, component FROM hops JOIN parts ON hops.node = parts.node\n      \
         ORDER BY hops.node\n"
    );
    check(
        &steps,
        "both",
        &expect![[r#"
        +-------+----------+--------+-----------+
        | node  | distance | parent | component |
        +-------+----------+--------+-----------+
        | bath  |          |        | 1         |
        | hull  | 1        | york   | 0         |
        | leeds | 1        | york   | 0         |
        | york  | 0        |        | 0         |
        +-------+----------+--------+-----------+"#]],
    );
}

#[test]
fn a_step_takes_a_table_whose_columns_it_names() {
    check(
        "- {name: far, type: graph.sssp, input: roads, config: {sources: [york], source: from, target: to, weight: miles, directed: false}}\n",
        "far",
        &expect![[r#"
            +-------+----------+--------+
            | node  | distance | parent |
            +-------+----------+--------+
            | york  | 0        |        |
            | leeds | 25       | york   |
            | hull  | 38       | york   |
            | bath  |          |        |
            +-------+----------+--------+"#]],
    );
}

#[test]
fn pairs_come_from_a_table_of_their_own() {
    check(
        &format!(
            "{BUILD}\
             - {{name: pairs, type: select, input: roads, config: {{columns: ['\"from\" AS left', '\"to\" AS right']}}}}\n\
             - {{name: alike, type: graph.jaccard, inputs: {{graph: network, pairs: pairs}}}}\n"
        ),
        "alike",
        &expect![[r#"
            +-------+-------+---------+
            | left  | right | jaccard |
            +-------+-------+---------+
            | york  | leeds | 0.5     |
            | york  | hull  | 0.0     |
            | leeds | hull  | 0.0     |
            | hull  | york  | 0.0     |
            | bath  | bath  | 0.0     |
            +-------+-------+---------+"#]],
    );
}

#[test]
fn a_graph_is_no_table_and_a_table_no_graph() {
    check(
        "- {name: ranks, type: graph.pagerank, input: roads}\n",
        "ranks",
        &expect![[r#"
            `graph.pagerank` takes a value of type `graph`, but `roads` makes `table`
              at test.yaml:5:46

            hint: name the columns of the edges in its config: `source` and `target`"#]],
    );
    check(
        &format!(
            "{BUILD}- {{name: ranks, type: graph.pagerank, input: network, config: {{source: from, target: to}}}}\n"
        ),
        "ranks",
        &expect![[r#"
            `graph.pagerank` takes a value of type `table`, but `network` makes `graph`
              at test.yaml:6:46

            hint: leave out `source`, `target` and the other keys of edges: they are for a table"#]],
    );
    check(
        &format!("{BUILD}- {{name: few, type: limit, input: network, config: {{n: 2}}}}\n"),
        "few",
        &expect![[r#"
            `limit` takes a value of type `table`, but `network` makes `graph`
              at test.yaml:6:35"#]],
    );
}

#[test]
fn what_is_wrong_is_said_before_anything_runs() {
    check(
        "- {name: ranks, type: graph.pagerank, input: roads, config: {source: from, dampling: 0.5}}\n",
        "ranks",
        &expect![[r#"
            the workflow has 2 problems

            test.yaml:5:61: the key `target` is missing

            test.yaml:5:76: unknown key `dampling`
              hint: did you mean `damping`?"#]],
    );
}

#[test]
fn what_is_wrong_with_the_data_is_said_with_its_file() {
    check(
        "- {name: ranks, type: graph.pagerank, input: roads, config: {source: form, target: to}}\n",
        "ranks",
        &expect![[r#"
            exit 2: step `ranks` (usage): there is no column `form`
              at DIR/roads.parquet
            hint: did you mean `from`?"#]],
    );
    check(
        "- {name: ranks, type: graph.pagerank, input: roads, config: {source: from, target: miles}}\n",
        "ranks",
        &expect![[r#"
            exit 2: step `ranks` (usage): `miles` is of type Int64, and text like the other ids is needed
              at DIR/roads.parquet"#]],
    );
    check(
        &format!("{BUILD}- {{name: hops, type: graph.bfs, input: network, config: {{sources: yorck}}}}\n"),
        "hops",
        &expect![[r#"
            exit 2: step `hops` (usage): the graph has no node `yorck`
            hint: did you mean `york`?"#]],
    );
    check(
        &format!(
            "{BUILD}- {{name: ranks, type: graph.pagerank, input: network, config: {{damping: 1.5}}}}\n"
        ),
        "ranks",
        &expect!["exit 2: step `ranks` (usage): `damping` is 1.5, and must be between 0 and 1"],
    );
    check(
        &format!(
            "{BUILD}- name: ranks\n  type: graph.pagerank\n  input: network\n  \
             config: {{max_iterations: 1, require_convergence: true}}\n"
        ),
        "ranks",
        &expect![[r#"
            exit 1: step `ranks` (failed): pagerank has not converged after 1 iterations: the residual is 2.125e-1
            hint: allow more iterations, or a larger tolerance"#]],
    );
}

#[test]
#[cfg(target_os = "linux")]
fn kernels_keep_to_the_memory_of_the_machine() {
    let memory = |memory| {
        let engine = Engine::new(&EngineOptions { memory, ..EngineOptions::default() }).unwrap();
        engine.kernels().memory.map(|limit| limit.0)
    };
    assert_eq!(memory(Some(1 << 20)), Some(1 << 20));
    let machine = memory(None).unwrap();
    assert!((1 << 26..1 << 50).contains(&machine), "{machine}");
}

/// Every algorithm that needs no more than a graph runs as a step, and its answer is a table.
#[test]
fn every_algorithm_is_a_step() {
    let config = |name: &str| match name {
        "bfs" | "sssp" => "{sources: york}",
        "k_hop" => "{sources: york, k: 1}",
        "ancestors" | "descendants" => "{node: york}",
        _ => "{}",
    };
    let (mut ran, mut refused) = (0, Vec::new());
    for algorithm in ALGORITHMS.iter().copied().flatten().filter(|algorithm| !algorithm.pairs) {
        let name = algorithm.name;
        let step = format!("- {{name: x, type: graph.{name}, input: network, config: {}}}\n", config(name));
        let shown = bench().shown(&format!("{READ}{BUILD}{step}"), "x");
        if shown.starts_with('+') {
            ran += 1;
        } else {
            refused.push(format!("{name}: {shown}"));
        }
    }
    assert!(ran >= 25, "{ran} ran");
    expect![[r#"
        topological_sort: exit 3: step `x` (data): the graph has the cycle york → leeds → hull → york
        minimum_spanning_forest: exit 2: step `x` (usage): the minimum spanning forest is for undirected graphs
        hint: build it with `directed` false, or call `to_undirected`"#]].assert_eq(&refused.join("\n"));
}
