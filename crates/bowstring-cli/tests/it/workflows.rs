//! Commands over workflow documents.

use expect_test::{Expect, expect};
use serde_json::Value as Json;

use crate::support::{Folder, repository};

/// Reads, filters and aggregates, and writes what is left.
const CHAIN: &str = r#"
  - {name: people, type: read, config: {path: people.parquet}}
  - {name: adults, type: filter, input: people, config: {query: "age > 10"}}
  - {name: counted, type: aggregate, input: adults, config: {aggs: {n: count(*)}}}
  - {name: save, type: write, input: counted, config: {path: out/n.csv}}
"#;

fn check(steps: &str, args: &[&str], expected: &Expect) {
    let folder = Folder::new();
    folder.document("w.yaml", steps);
    expected.assert_eq(&folder.run(args));
}

/// The report of a run as JSON.
fn report(folder: &Folder, args: &[&str]) -> Json {
    let args: Vec<&str> = args.iter().copied().chain(["--format", "json"]).collect();
    serde_json::from_slice(&folder.output(&args).stdout).unwrap()
}

#[test]
fn run_writes_its_report_to_stdout() {
    let folder = Folder::new();
    folder.document("w.yaml", CHAIN);
    let report = report(&folder, &["run", "w.yaml"]);
    let keys: Vec<&String> = report.as_object().unwrap().keys().collect();
    expect![[r#"["run_id", "name", "status", "execution_time_ms", "total_steps", "steps_executed", "cached_steps", "failed_steps", "skipped_steps", "peak_parallelism", "error", "steps"]"#]].assert_eq(&format!("{keys:?}"));
    let keys: Vec<&String> = report["steps"]["save"].as_object().unwrap().keys().collect();
    expect![[r#"["state", "attempts", "queue_ms", "run_ms", "rows", "bytes", "peak_memory", "fused_into", "error"]"#]].assert_eq(&format!("{keys:?}"));
    assert_eq!((&report["status"], &report["steps_executed"]), (&"completed".into(), &4.into()));
    assert_eq!(report["steps"]["save"]["rows"], 1);
    assert_eq!(report["steps"]["people"]["fused_into"], "save");
    assert_eq!(std::fs::read_to_string(folder.path("out/n.csv")).unwrap(), "n\n1\n");
    let table = String::from_utf8(folder.output(&["run", "w.yaml"]).stdout).unwrap();
    assert!(table.starts_with("step     state      rows  bytes"), "{table}");
    assert!(table.contains(" 4 of 4 steps executed, at most 1 at a time\n"), "{table}");
}

#[test]
fn parameters_come_from_the_command_line_before_a_file() {
    let folder = Folder::new();
    let text = "params: {least: {type: int, default: 10}}\nsteps:\n  - {name: a, type: read, config: {path: people.parquet, filter: \"age > ${least}\"}}\n";
    folder.file("w.yaml", text);
    folder.file("p.yaml", "least: 5\n");
    let rows = |args: &[&str]| report(&folder, args)["steps"]["a"]["rows"].clone();
    assert_eq!(rows(&["run", "w.yaml"]), 1);
    assert_eq!(rows(&["run", "w.yaml", "--params", "p.yaml"]), 2);
    assert_eq!(rows(&["run", "w.yaml", "--params", "p.yaml", "--param", "least=100"]), 0);
    expect![[r#"
        exit 2
        error: the workflow has 2 problems

        parameter: leats: there is no parameter `leats`
          hint: did you mean `least`?

        parameter: least: the text `many` is not an int
          hint: write a whole number, as in `100`
    "#]]
    .assert_eq(&folder.run(&["run", "w.yaml", "--param", "leats=1", "--param", "least=many"]));
    expect![[r#"
        exit 2
        error: a parameter needs a value
          at parameter: least

        hint: write `name=value`
    "#]]
    .assert_eq(&folder.run(&["run", "w.yaml", "--param", "least"]));
    expect![[r#"
        exit 4
        error: cannot read `q.yaml`: No such file or directory (os error 2)
    "#]]
    .assert_eq(&folder.run(&["run", "w.yaml", "--params", "q.yaml"]));
}

#[test]
fn a_document_can_come_from_stdin() {
    let folder = Folder::new();
    expect![[r#"
        exit 0
        stdin: valid, 4 steps
    "#]]
    .assert_eq(&folder.run_with(&["validate", "-"], format!("steps:{CHAIN}").as_bytes()));
    expect![[r#"
        exit 2
        error: this is not YAML: while parsing a node, did not find expected node content
          at stdin:2:1
    "#]]
    .assert_eq(&folder.run_with(&["validate", "-"], b"steps: [\n"));
}

#[test]
fn plan_shows_what_is_fused_and_runs_nothing() {
    check(
        CHAIN,
        &["plan", "w.yaml", "--threads", "2"],
        &expect![[r#"
        exit 0
        people (read) → adults (filter) → counted (aggregate) → save (write)
          ProjectionExec: expr=[count(Int64(1))@0 as n]
            AggregateExec: mode=Single, gby=[], aggr=[count(Int64(1))]
              CooperativeExec
                DatasetExec: files=1, partitions=1, projection=[], predicate=age > 10
    "#]],
    );
    let folder = Folder::new();
    folder.document("w.yaml", CHAIN);
    let plan = folder.output(&["plan", "w.yaml", "--format", "json"]).stdout;
    let plan: Json = serde_json::from_slice(&plan).unwrap();
    assert_eq!(plan[0]["steps"][3]["name"], "save");
    assert_eq!(folder.names(), ["people.csv", "people.parquet", "w.yaml"]);
    check(
        &CHAIN.replace("age > 10", "agge > 10"),
        &["plan", "w.yaml"],
        &expect![[r#"
        exit 2
        error: step `adults`: there is no column `agge`
          at people.parquet

        hint: did you mean `age`?
    "#]],
    );
}

#[test]
fn graph_view_draws_in_two_languages() {
    check(
        CHAIN,
        &["graph-view", "w.yaml"],
        &expect![[r#"
        exit 0
        flowchart LR
          s0["people<br/>read"]
          s1["adults<br/>filter"]
          s2["counted<br/>aggregate"]
          s3["save<br/>write"]
          s0 --> s1
          s1 --> s2
          s2 --> s3
    "#]],
    );
    check(
        CHAIN,
        &["graph-view", "w.yaml", "--format", "dot"],
        &expect![[r#"
        exit 0
        digraph "test" {
          rankdir=LR;
          node [shape=box];
          s0 [label="people\nread"];
          s1 [label="adults\nfilter"];
          s2 [label="counted\naggregate"];
          s3 [label="save\nwrite"];
          s0 -> s1;
          s1 -> s2;
          s2 -> s3;
        }
    "#]],
    );
}

#[test]
fn validate_lists_every_problem() {
    check(
        CHAIN,
        &["validate", "w.yaml"],
        &expect![[r#"
        exit 0
        w.yaml: valid, 4 steps
    "#]],
    );
    check(
        "  - {name: a, type: raed, config: {}}\n  - {name: b, type: filter, input: c, config: {qeury: x}}\n",
        &["validate", "w.yaml"],
        &expect![[r#"
            exit 2
            error: the workflow has 3 problems

            w.yaml:3:21: there is no step type `raed`
              hint: did you mean `read`?

            w.yaml:4:36: there is no step `c`

            w.yaml:4:48: unknown key `qeury`
              hint: did you mean `query`?
        "#]],
    );
}

#[test]
fn failures_have_their_exit_codes() {
    let two = |read: &str, path: &str, query: &str| {
        format!(
            "  - {{name: data, type: {read}, config: {{input: {path}}}}}\n  - {{name: high, type: filter, input: data, config: {{query: \"{query}\"}}}}\n"
        )
    };
    let stderr = |steps: &str| {
        let folder = Folder::new();
        folder.document("w.yaml", steps);
        let mut output = folder.output(&["run", "w.yaml"]);
        output.stdout.clear();
        folder.shown(&output)
    };
    expect![[r#"
        exit 0
    "#]]
    .assert_eq(&stderr(&two("read", "people.parquet", "age > 10")));
    expect![[r#"
        exit 4
        error: step `data`: cannot open `nowhere.parquet`: No such file or directory (os error 2)
          in the chain `data` and `high`
    "#]]
    .assert_eq(&stderr(&two("read", "nowhere.parquet", "age > 10")));
    expect![[r#"
        exit 2
        error: there is no step type `raed`
          at w.yaml:3:24

        hint: did you mean `read`?
    "#]]
    .assert_eq(&stderr(&two("raed", "people.parquet", "age > 10")));
    expect![[r#"
        exit 2
        error: step `high`: cannot compare `name`, which is Utf8, with `100`, which is Int64
          at people.parquet
          in the chain `data` and `high`

        hint: say which is meant: `cast(name as bigint)` compares numbers, quotes around a value compare text
    "#]]
    .assert_eq(&stderr(&two("read", "people.parquet", "name > 100")));
    let expectation = "  - {name: data, type: read, config: {path: people.csv}}\n  - {name: sound, type: validate, input: data, config: {not_null: [age]}}\n";
    expect![[r#"
        exit 1
        error: step `sound`: an expectation is not met: not_null: `age` is null in 1 of 3 rows
          at people.csv
    "#]]
    .assert_eq(&stderr(expectation));
    let late = "  - {name: nap, type: sleep, timeout: 20ms, config: {duration: 10s}}\n";
    expect![[r#"
        exit 5
        error: step `nap`: the attempt took longer than its timeout of 20ms

        hint: raise the step's `timeout`
    "#]]
    .assert_eq(&stderr(late));
}

#[test]
fn what_is_no_document_is_refused() {
    let folder = Folder::new();
    for (name, text) in [
        ("tabs.yaml", &b"steps:\n\t- {}\n"[..]),
        ("latin1.yaml", b"name: caf\xe9\n"),
        ("twice.yaml", b"name: a\nname: b\nsteps: []\n"),
        ("version.yaml", b"version: 7\nsteps: [{name: a, type: sleep, config: {duration: 1ms}}]\n"),
        ("empty.yaml", b""),
    ] {
        folder.file(name, text);
    }
    expect![[r#"
        exit 2
        error: a tab stands where indentation is meant
          at tabs.yaml:2:1

        hint: indent with spaces
    "#]]
    .assert_eq(&folder.run(&["run", "tabs.yaml"]));
    expect![[r#"
        exit 2
        error: `latin1.yaml` is not UTF-8

        hint: save the document as UTF-8
    "#]]
    .assert_eq(&folder.run(&["run", "latin1.yaml"]));
    expect![[r#"
        exit 2
        error: the workflow has 2 problems

        twice.yaml:2:1: the key `name` stands twice in this mapping
          hint: remove one of the two

        twice.yaml:3:8: a workflow needs at least one step
    "#]]
    .assert_eq(&folder.run(&["run", "twice.yaml"]));
    expect![[r#"
        exit 2
        error: the number `7` is not a version of workflow documents
          at version.yaml:1:10

        hint: write `version: 1`, or leave it out
    "#]]
    .assert_eq(&folder.run(&["run", "version.yaml"]));
    expect![[r#"
        exit 2
        error: the document is empty
          at empty.yaml:1:1
    "#]]
    .assert_eq(&folder.run(&["run", "empty.yaml"]));
    expect![[r#"
        exit 4
        error: cannot read `.`: Is a directory (os error 21)
    "#]]
    .assert_eq(&folder.run(&["run", "."]));
    expect![[r#"
        exit 2
        error: cannot import steps: this command has no Python

        hint: install the Python package, whose `bowstring` command can: pip install bowstring
    "#]]
    .assert_eq(&folder.run(&["run", "tabs.yaml", "--import", "steps"]));
}

#[test]
fn events_are_written_as_they_happen() {
    let folder = Folder::new();
    folder.document("w.yaml", CHAIN);
    folder.output(&["run", "w.yaml", "--events", "events.jsonl"]);
    let text = std::fs::read_to_string(folder.path("events.jsonl")).unwrap();
    let events: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<String> = events
        .iter()
        .map(|event| {
            format!("{} {}", event["event"].as_str().unwrap(), event["step"].as_str().unwrap_or("-"))
        })
        .collect();
    expect![[r#"
        run_started -
        step_started people
        step_started adults
        step_started counted
        step_started save
        step_progress save
        step_finished people
        step_finished adults
        step_finished counted
        step_finished save
        run_finished -"#]]
    .assert_eq(&told.join("\n"));
    let last = &events[events.len() - 2];
    assert_eq!(last["report"]["state"], "succeeded");
    let run = &events[0]["run_id"];
    assert!(events.iter().all(|event| event["run_id"] == *run));
    assert_eq!(events[0]["timestamp"].as_str().unwrap().len(), "2026-01-01T00:00:00.000000Z".len());
}

#[test]
fn events_that_cannot_be_written_are_told_after_the_run() {
    let folder = Folder::new();
    folder.document("w.yaml", CHAIN);
    let mut output = folder.output(&["run", "w.yaml", "--events", "/dev/full"]);
    assert!(!output.stdout.is_empty());
    output.stdout.clear();
    expect![[r#"
        exit 4
        error: cannot write `/dev/full`: No space left on device (os error 28)
    "#]]
    .assert_eq(&folder.shown(&output));
    expect![[r#"
        exit 4
        error: cannot write `no/folder/events.jsonl`: No such file or directory (os error 2)
    "#]]
    .assert_eq(&folder.run(&["run", "w.yaml", "--events", "no/folder/events.jsonl"]));
}

#[test]
fn the_log_says_what_happens_when_it_is_asked() {
    let folder = Folder::new();
    folder.document("w.yaml", CHAIN);
    let silent = folder.output(&["run", "w.yaml"]);
    assert_eq!(String::from_utf8_lossy(&silent.stderr), "");
    let output = folder.command(&["run", "w.yaml"]).env("BOWSTRING_LOG", "bowstring=debug").output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        log.contains("step finished") && log.contains("step=save") && log.contains("run finished"),
        "{log}"
    );
}

#[test]
fn the_example_runs() {
    let folder = Folder::new();
    let out = format!("out={}", folder.path("out").display());
    let example = repository("examples/debian-packages");
    let mut command = folder.command(&["run", "workflow.yaml", "--format", "json", "--param", &out]);
    let output = command.current_dir(example).output().unwrap();
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["status"], &report["failed_steps"]), (&"completed".into(), &0.into()));
    let text = std::fs::read_to_string(folder.path("out/report.md")).unwrap();
    assert!(text.lines().nth(2).unwrap().starts_with("| libc6 | libs | 13571 | 54.9 |"), "{text}");
}
