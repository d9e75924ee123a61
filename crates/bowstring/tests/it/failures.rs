//! What does a workflow over tables say when something is wrong?

use bowstring::{
    Engine, EngineOptions,
    workflow::{Document, Params, RunOptions, State, Status},
};
use expect_test::{Expect, expect};
use serde_json::json;

use crate::support::{Bench, ending, ints, rows, table};

fn check(steps: &str, expected: &Expect) {
    expected.assert_eq(&Bench::new().shown(steps, "it"));
}

/// The earlier design's dictionary, as it stands in the documentation of that time.
fn two_steps(path: &str, read: &str) -> serde_json::Value {
    json!({
        "name": "two_steps",
        "steps": [
            {"name": "data", "type": read, "config": {"input": path}},
            {"name": "high", "type": "filter", "input": "data", "config": {"query": "value > 100"}},
        ],
    })
}

#[test]
fn the_earlier_two_step_dictionary_runs_as_it_stands() {
    let bench = Bench::new();
    bench.parquet("in.parquet", &table(&[("value", ints(&[Some(99), Some(101), None, Some(500)]))]));
    let document = Document::from_value(&two_steps(&bench.path("in.parquet").display().to_string(), "read"));
    let workflow = bench.engine.validate(&document.unwrap(), &Params::new()).unwrap();
    let finished = bench.engine.run(&workflow, RunOptions::default()).unwrap();
    assert_eq!(finished.report.status, Status::Completed);
    assert_eq!((finished.report.steps_executed, finished.report.failed_steps), (2, 0));
    let read = finished.report.step("data").unwrap();
    assert_eq!(read.fused_into.as_deref(), Some("high"));
    assert_eq!(finished.report.step("high").unwrap().rows, Some(2));
    expect![[r#"
        +-------+
        | value |
        +-------+
        | 101   |
        | 500   |
        +-------+"#]]
    .assert_eq(&rows(&finished, "high"));
}

#[test]
fn a_missing_file_is_named() {
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    let document = Document::from_value(&two_steps("nowhere/in.parquet", "read")).unwrap();
    let workflow = engine.validate(&document, &Params::new()).unwrap();
    let report = engine.run(&workflow, RunOptions::default()).unwrap().report;
    expect![[r#"
        exit 4: step `data` (not_found): cannot open `nowhere/in.parquet`: No such file or directory (os error 2)
          in the chain `data` and `high`"#]].assert_eq(&ending(&report));
    assert_eq!(report.step("data").unwrap().state, State::Failed);
    assert_eq!(report.step("high").unwrap().state, State::Skipped);
}

#[test]
fn an_unknown_step_type_is_answered_with_the_nearest() {
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    let document = Document::from_value(&two_steps("in.parquet", "raed")).unwrap();
    let problems = engine.validate(&document, &Params::new()).err().unwrap();
    expect![[r#"
        there is no step type `raed`
          at steps[0].type

        hint: did you mean `read`?"#]]
    .assert_eq(&bowstring::render(&problems));
}

#[test]
fn text_compared_with_a_number_names_file_step_and_column() {
    check(
        r#"
  - {name: data, type: read, config: {path: "${dir}/people.parquet"}}
  - {name: high, type: filter, input: data, config: {query: "name > 100"}}"#,
        &expect![[r#"
            exit 2: step `high` (usage): cannot compare `name`, which is Utf8, with `100`, which is Int64
              at DIR/people.parquet
              in the chain `data` and `high`
            hint: say which is meant: `cast(name as bigint)` compares numbers, quotes around a value compare text"#]],
    );
}

#[test]
fn an_unknown_column_is_answered_with_the_nearest() {
    check(
        r#"
  - {name: data, type: read, config: {path: "${dir}/people.parquet"}}
  - {name: young, type: filter, input: data, config: {query: "agee < 10"}}
  - {name: it, type: select, input: young, config: {columns: [name]}}"#,
        &expect![[r#"
            exit 2: step `young` (usage): there is no column `agee`
              at DIR/people.parquet
              in the chain `data`, `young` and `it`
            hint: did you mean `age`?"#]],
    );
}

#[test]
fn a_run_time_error_names_the_chain_or_its_step() {
    check(
        r#"
  - {name: data, type: read, config: {path: "${dir}/people.parquet"}}
  - {name: known, type: filter, input: data, config: {query: "name IS NOT NULL"}}
  - {name: numbers, type: cast, input: known, config: {columns: {name: int64}}}
  - {name: it, type: limit, input: numbers, config: {n: 2}}"#,
        &expect![[r#"
            exit 3: step `it` (data): Cannot cast string 'ann' to value of Int64 type
              at DIR/people.parquet
              in the chain `data`, `known`, `numbers` and `it`"#]],
    );
}

#[test]
fn a_corrupt_file_is_bad_data() {
    let bench = Bench::new();
    std::fs::write(bench.path("bad.parquet"), b"PAR1 this is not what it says PAR1").unwrap();
    let read = "  - {name: it, type: read, config: {path: \"${dir}/bad.parquet\"}}";
    expect!["exit 3: step `it` (data): `DIR/bad.parquet` is not a valid parquet file: its footer claims 544438625 bytes, but the file has 34"].assert_eq(&bench.shown(read, "it"));
}

#[test]
fn two_writers_of_one_path_and_wrong_connections_are_refused_together() {
    check(
        r#"
  - {name: data, type: read, config: {path: "${dir}/people.parquet"}}
  - {name: a, type: write, input: data, config: {path: "${dir}/out.parquet"}}
  - {name: b, type: write, input: data, config: {path: "${dir}/out.parquet"}}
  - {name: c, type: filter, input: a, config: {query: "x > 1"}}
  - {name: d, type: filter, input: data, config: {querry: "x > 1"}}
  - {name: e, type: sql, config: {query: "SELEC 1"}}"#,
        &expect![[r#"
            the workflow has 4 problems

            test.yaml:7:49: the steps `a` and `b` write one path: DIR/out.parquet
              hint: give each a path of its own

            test.yaml:8:36: `filter` takes a value of type `table`, but `a` makes `file`

            test.yaml:9:51: unknown key `querry`
              hint: did you mean `query`?

            test.yaml:10:42: cannot parse `SELEC 1`: Expected: an SQL statement, found: SELEC at line 1, column 1"#]],
    );
}
