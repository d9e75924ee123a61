//! Which steps run as one plan, and what does the report say of them?

use bowstring::workflow::{Keep, RunOptions};
use expect_test::{Expect, expect};

use crate::support::Bench;

const CHAIN: &str = r#"
  - {name: data, type: read, config: {path: "${dir}/people.parquet"}}
  - {name: adults, type: filter, input: data, config: {query: "age > 10"}}
  - {name: named, type: select, input: adults, config: {columns: [name, age]}}
  - {name: summed, type: aggregate, input: named, config: {by: [name], aggs: {years: "sum(age)"}}}
"#;

/// The units of a plan, each with its physical plan.
fn check(steps: &str, keep: Keep, expected: &Expect) {
    let bench = Bench::new();
    let (document, params) = bench.document(steps);
    let workflow = bench.engine.validate(&document, &params).unwrap();
    let options = RunOptions { keep, ..RunOptions::default() };
    let mut text = String::new();
    for unit in bench.engine.plan(&workflow, options).unwrap() {
        let names: Vec<&str> = unit.steps.iter().map(|step| &*step.name).collect();
        text.push_str(&format!("{}\n", names.join(" > ")));
        for line in unit.physical_plan.iter().flat_map(|plan| plan.lines()) {
            text.push_str(&format!("    {line}\n"));
        }
    }
    expected.assert_eq(&bench.masked(&text));
}

#[test]
fn a_chain_is_one_plan_with_filter_and_projection_at_the_scan() {
    check(
        CHAIN,
        Keep::Leaves,
        &expect![[r#"
            data > adults > named > summed
                ProjectionExec: expr=[name@0 as name, CAST(sum(age)@1 AS Int64) as years]
                  AggregateExec: mode=FinalPartitioned, gby=[name@0 as name], aggr=[sum(age)]
                    RepartitionExec: partitioning=Hash([name@0], 2), input_partitions=1
                      AggregateExec: mode=Partial, gby=[name@0 as name], aggr=[sum(age)]
                        DatasetExec: files=1, partitions=1, projection=[name, age], predicate=age > 10
        "#]],
    );
}

#[test]
fn a_kept_step_ends_its_chain() {
    check(
        CHAIN,
        Keep::Steps(vec!["adults".into(), "summed".into()]),
        &expect![[r#"
            data > adults
                CooperativeExec
                  DatasetExec: files=1, partitions=1, projection=[name, age, score], predicate=age > 10
            named > summed
                ProjectionExec: expr=[name@0 as name, CAST(sum(age)@1 AS Int64) as years]
                  AggregateExec: mode=SinglePartitioned, gby=[name@0 as name], aggr=[sum(age)]
                    DataSourceExec: partitions=1, partition_sizes=[0]
        "#]],
    );
}

#[test]
fn a_bare_scan_is_scanned_by_each_consumer_and_other_steps_by_none() {
    check(
        r#"
  - {name: data, type: read, config: {path: "${dir}/people.parquet"}}
  - {name: old, type: filter, input: data, config: {query: "age > 30"}}
  - {name: young, type: filter, input: data, config: {query: "age <= 30"}}
  - {name: names, type: select, input: old, config: {columns: [name]}}
  - {name: ages, type: select, input: old, config: {columns: [age]}}
  - {name: out, type: write, input: young, config: {path: "${dir}/young.parquet"}}
  - {name: nap, type: sleep, config: {duration: 1ms}}"#,
        Keep::Leaves,
        &expect![[r#"
            data
            old
                CooperativeExec
                  DatasetExec: files=1, partitions=1, projection=[name, age, score], predicate=age > 30
            names
                DataSourceExec: partitions=1, partition_sizes=[0]
            ages
                DataSourceExec: partitions=1, partition_sizes=[0]
            young > out
                CooperativeExec
                  DatasetExec: files=1, partitions=1, projection=[name, age, score], predicate=age <= 30
            nap
        "#]],
    );
}

#[test]
fn a_plan_goes_on_behind_a_step_that_hands_its_input_on() {
    check(
        r#"
  - {name: data, type: read, config: {path: "${dir}/people.parquet"}}
  - {name: sound, type: validate, input: data, config: {rows: {min: 1}}}
  - {name: adults, type: filter, input: sound, config: {query: "age > 10"}}"#,
        Keep::Leaves,
        &expect![[r#"
            data
                CooperativeExec
                  DatasetExec: files=1, partitions=1, projection=[name, age, score]
            sound
            adults
                FilterExec: age@1 > 10
                  DataSourceExec: partitions=1, partition_sizes=[0]
        "#]],
    );
}

#[test]
fn a_step_with_its_own_fields_is_a_boundary() {
    check(
        r#"
  - {name: data, type: read, config: {path: "${dir}/people.parquet"}}
  - {name: adults, type: filter, input: data, timeout: 10s, config: {query: "age > 10"}}
  - {name: named, type: select, input: adults, config: {columns: [name]}}"#,
        Keep::Leaves,
        &expect![[r#"
            data > adults
                CooperativeExec
                  DatasetExec: files=1, partitions=1, projection=[name, age, score], predicate=age > 10
            named
                DataSourceExec: partitions=1, partition_sizes=[0]
        "#]],
    );
}

#[test]
fn fused_steps_report_what_their_operators_measured_and_nothing_else() {
    let report = Bench::new().run(CHAIN).report;
    let mut text = String::new();
    for (name, step) in &report.steps {
        let timed = if step.run_ms.is_some() { "timed" } else { "not timed" };
        text.push_str(&format!("{name}: {:?} rows, {timed}, {:?}\n", step.rows, step.fused_into));
    }
    expect![[r#"
        data: None rows, not timed, Some("summed")
        adults: None rows, not timed, Some("summed")
        named: None rows, not timed, Some("summed")
        summed: Some(2) rows, timed, None
    "#]]
    .assert_eq(&text);
    assert_eq!((report.steps_executed, report.peak_parallelism), (4, 1));
}

#[test]
fn a_plan_reads_no_row_and_writes_no_file() {
    let bench = Bench::new();
    let steps = r#"
  - {name: data, type: read, config: {path: "${dir}/people.parquet"}}
  - {name: numbers, type: cast, input: data, config: {columns: {name: int64}}}
  - {name: out, type: write, input: numbers, config: {path: "${dir}/out.parquet"}}"#;
    let (document, params) = bench.document(steps);
    let workflow = bench.engine.validate(&document, &params).unwrap();
    bench.engine.plan(&workflow, RunOptions::default()).unwrap();
    assert!(!bench.path("out.parquet").exists());
    let wrong = steps.replace("{name: int64}", "{nom: int64}");
    let (document, params) = bench.document(&wrong);
    let workflow = bench.engine.validate(&document, &params).unwrap();
    let error = bench.engine.plan(&workflow, RunOptions::default()).unwrap_err();
    expect![[r#"Some("numbers"): there is no column `nom`"#]]
        .assert_eq(&format!("{:?}: {error}", error.step));
}

const SOURCES: &str = r#"
  - {name: people, type: read, config: {path: "${dir}/people.parquet"}}
  - {name: pets, type: read, config: {path: "${dir}/pets.parquet"}}
"#;

/// Chains over both tables, with how many of their fused steps tell their rows.
const CHAINS: [(&str, usize); 7] = [
    (
        r#"
  - {name: grouped, type: aggregate, input: people, config: {by: ["age > 10"], aggs: {n: count(*)}}}
  - {name: sorted, type: sort, input: grouped, config: {by: [n]}}"#,
        2,
    ),
    (
        r"
  - {name: joined, type: join, inputs: {left: people, right: pets}, config: {left_on: [name], right_on: [owner]}}
  - {name: grouped, type: aggregate, input: joined, config: {by: [pet], aggs: {n: count(*)}}}
  - {name: sorted, type: sort, input: grouped, config: {by: [pet]}}",
        2,
    ),
    (
        r#"
  - {name: odd, type: filter, input: people, config: {query: "age % 2 = 1 AND score > random() - 10"}}
  - {name: named, type: select, input: odd, config: {columns: [name]}}"#,
        1,
    ),
    (
        r"
  - {name: joined, type: join, inputs: {left: people, right: pets}, config: {left_on: [name], right_on: [owner], how: left}}
  - {name: owners, type: filter, input: joined, config: {query: pet IS NOT NULL}}
  - {name: named, type: select, input: owners, config: {columns: [name]}}",
        0,
    ),
    (
        r#"
  - {name: sorted, type: sort, input: people, config: {by: ["age desc"]}}
  - {name: first, type: limit, input: sorted, config: {n: 2}}
  - {name: named, type: select, input: first, config: {columns: [name]}}"#,
        0,
    ),
    (
        r"
  - {name: grouped, type: aggregate, input: people, config: {by: [name, age], aggs: {n: count(*)}}}
  - {name: again, type: aggregate, input: grouped, config: {by: [name], aggs: {n: sum(n)}}}
  - {name: known, type: filter, input: again, config: {query: name IS NOT NULL}}",
        0,
    ),
    (
        r"
  - {name: twice, type: union, inputs: {a: people, b: people}}
  - {name: once, type: distinct, input: twice}
  - {name: grouped, type: aggregate, input: once, config: {aggs: {n: count(*)}}}",
        0,
    ),
];

#[test]
fn rows_of_fused_steps_are_those_of_the_same_steps_on_their_own() {
    for (chain, told) in CHAINS {
        let bench = Bench::new();
        let steps = format!("{SOURCES}{chain}");
        let alone = bench.run_keeping(&steps, Keep::All).report;
        let fused = bench.run(&steps).report;
        let mut rows = 0;
        for (name, step) in fused.steps.iter().filter(|(_, step)| step.fused_into.is_some()) {
            if step.rows.is_some() {
                assert_eq!(step.rows, alone.step(name).unwrap().rows, "{name} in {chain}");
                rows += 1;
            }
        }
        assert_eq!(rows, told, "{chain}");
    }
}
