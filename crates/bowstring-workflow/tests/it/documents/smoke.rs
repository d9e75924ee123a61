//! Documents that are right.

use bowstring_workflow::{Document, Params};
use expect_test::expect;
use serde_json::json;

use super::{check, kinds::registry, limits, shown};

#[test]
fn the_document_of_the_guide() {
    check(
        r#"
version: 1
name: data_pipeline
params:
  threshold: {type: int, default: 100}
steps:
  - name: read
    type: read
    config: {input: data.parquet}
  - name: large
    type: filter
    config: {query: "value > ${threshold}"}
    depends_on: [read]
  - name: links
    type: graph.build
    input: large
  - name: ranks
    type: graph.rank
    input: links
  - name: save
    type: write
    config: {path: out/ranks.parquet}
    input: ranks
"#,
        expect![[r#"
            data_pipeline
            read: read() after []
            large: filter(read=read) after [read]
            links: graph.build(large=large) after [large]
            ranks: graph.rank(links=links) after [links]
            save: write(ranks=ranks) after [ranks]"#]],
    );
}

#[test]
fn the_dictionary_of_the_earlier_design() {
    let value = json!({"name": "data_pipeline", "steps": [
        {"name": "read", "type": "read", "config": {"input": "data.parquet"}},
        {"name": "filter", "type": "filter", "config": {"query": "value > 100"}, "depends_on": ["read"]},
    ]});
    let document = Document::from_value(&value);
    let result = document.and_then(|document| document.validate(&registry(), &Params::new(), &limits()));
    expect![[r#"
        data_pipeline
        read: read() after []
        filter: filter(read=read) after [read]"#]]
    .assert_eq(&shown(result));
}

#[test]
fn all_problems_at_once() {
    check(
        r#"
version: 2
naem: x
steps:
  - name: a
    type: raed
  - name: b
    type: filter
    config: {qurey: 5}
    depends_on: [a, c]
  - name: c
    type: sort
    config: {by: [], limit: 0, nulls: fist, stable: "true", fraction: "0.5", fill: x, extra: 1}
    input: d
  - name: d
    type: filter
    config: {query: 5}
    input: c
  - {name: d, type: filter, config: {query: ""}, retry: {max_attempts: 0, on: [cancelled, dta]}, timeout: 5, resources: {cpu: 8, gpu: 1, memory: 3 GiB}, on_failure: stop}
"#,
        expect![[r#"
            w.yaml:2:10: the number `2` is not a version of workflow documents
              hint: write `version: 1`, or leave it out
            w.yaml:3:1: unknown key `naem`
              hint: did you mean `name`?
            w.yaml:6:11: there is no step type `raed`
              hint: did you mean `read`?
            w.yaml:9:14: unknown key `qurey`
              hint: did you mean `query`?
            w.yaml:11:11: steps form a cycle: c → d → c
              hint: each of these waits for the one before it
            w.yaml:13:18: the list needs at least 1 item
            w.yaml:13:29: expected at least 1, found the number `0`
            w.yaml:13:39: `fist` is not known here
              hint: did you mean `first`?
            w.yaml:13:53: expected `true` or `false`, found the text `true`
              hint: write it without quotes
            w.yaml:13:71: expected a number, found the text `0.5`
              hint: write it without quotes
            w.yaml:13:84: expected a whole number or a mapping, found the text `x`
            w.yaml:13:87: unknown key `extra`
              hint: there are `by`, `fill`, `fraction`, `limit`, `nulls` and `stable`
            w.yaml:17:21: expected text, found the number `5`
              hint: quote it if it is meant as text
            w.yaml:19:12: there are two steps `d`
              hint: the first one is at w.yaml:15:11
            w.yaml:19:45: the query is empty
              hint: write an expression, as `value > 100`
            w.yaml:19:72: expected a whole number of at least 1, found the number `0`
            w.yaml:19:80: `cancelled` is not a kind of failure to retry
              hint: there are `invalid_workflow`, `usage`, `data`, `not_found`, `storage`, `limit`, `timeout`, `failed` and `internal`
            w.yaml:19:91: `dta` is not a kind of failure to retry
              hint: did you mean `data`?
            w.yaml:19:107: expected a duration, as `90s`, found the number `5`
            w.yaml:19:127: the step asks for 8 of `cpu`, but the run has 4
              hint: ask for less, or give the run more
            w.yaml:19:135: there is no resource `gpu`
              hint: did you mean `cpu`?
            w.yaml:19:146: the step asks for 3.0 GiB of `memory`, but the run has 1.0 GiB
              hint: ask for less, or give the run more
            w.yaml:19:166: `stop` is not a known on_failure
              hint: there are `fail` and `continue`"#]],
    );
}
