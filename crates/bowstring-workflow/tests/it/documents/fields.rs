//! The fields of a document and of its steps.

use std::time::Duration;

use bowstring_core::{Diagnostic, ErrorKind, render};
use bowstring_workflow::{Document, Limits, OnFailure, Params, Retry};
use expect_test::expect;
use serde_json::json;

use super::{check, check_steps, kinds::registry, limits, shown, validate_with};

const READ: &str = "steps: [{name: a, type: read, config: {input: x}}]";

#[test]
fn the_top_level() {
    check(
        READ,
        expect![[r#"
        workflow
        a: read() after []"#]],
    );
    check(
        &format!("version: 1\nname: x\ndescription: y\n{READ}"),
        expect![[r#"
        x
        a: read() after []"#]],
    );
    check(
        &format!("version: 1.0\n{READ}"),
        expect![[r#"
        w.yaml:1:10: the number `1.0` is not a version of workflow documents
          hint: write `version: 1`, or leave it out"#]],
    );
    check(
        &format!("version: '1'\n{READ}"),
        expect![[r#"
        w.yaml:1:10: the text `1` is not a version of workflow documents
          hint: write `version: 1`, or leave it out"#]],
    );
    check(
        &format!("name: 5\ndescription: [x]\n{READ}"),
        expect![[r#"
        w.yaml:1:7: expected text, found the number `5`
          hint: quote it if it is meant as text
        w.yaml:2:14: expected text, found a list"#]],
    );
    check(
        &format!("defaults: {{}}\nparam: {{}}\n{READ}"),
        expect![[r#"
        w.yaml:1:1: unknown key `defaults`
          hint: there are `version`, `name`, `description`, `params` and `steps`
        w.yaml:2:1: unknown key `param`
          hint: did you mean `params`?"#]],
    );
    check("name: x", expect!["w.yaml:1:1: a workflow needs `steps`"]);
    check("steps: []", expect!["w.yaml:1:8: a workflow needs at least one step"]);
    check("steps:", expect!["w.yaml:1:6: expected a list of steps, found nothing"]);
    check("steps: {a: b}", expect!["w.yaml:1:8: expected a list of steps, found a mapping"]);
    check("- a", expect!["w.yaml:1:1: expected a mapping, found a list"]);
    check(
        "steps: [a, [], {}]",
        expect![[r#"
        w.yaml:1:9: expected a mapping, found the text `a`
        w.yaml:1:12: expected a mapping, found a list
        w.yaml:1:16: a step needs `name`
        w.yaml:1:16: a step needs `type`"#]],
    );
}

#[test]
fn names() {
    check_steps(
        r#"
  - {name: "", type: read, config: {input: x}}
  - {name: " a", type: read, config: {input: x}}
  - {name: "a\nb", type: read, config: {input: x}}
  - {name: 5, type: read, config: {input: x}}
  - {name: über größe, type: read, config: {input: x}}
  - {type: read, config: {input: x}}
  - {name: t}
  - {name: über größe, type: read, config: {input: x}}
"#,
        expect![[r#"
            w.yaml:3:12: the name of the step is empty
            w.yaml:4:12: the name of the step begins or ends with a space
            w.yaml:5:12: the name of the step has a line break or another control character
            w.yaml:6:12: expected text, found the number `5`
              hint: quote it if it is meant as text
            w.yaml:8:5: a step needs `name`
            w.yaml:9:5: a step needs `type`
            w.yaml:10:12: there are two steps `über größe`
              hint: the first one is at w.yaml:7:12"#]],
    );
    let long = "x".repeat(201);
    check_steps(
        &format!("- {{name: {long}, type: read, config: {{input: x}}}}"),
        expect!["w.yaml:2:10: the name of the step is longer than 200 characters"],
    );
}

#[test]
fn what_is_not_there_yet_is_refused() {
    check_steps(
        "- {name: a, type: read, config: {input: x}, if: x, cache: false, dependson: [], timeuot: 1s}",
        expect![[r#"
            w.yaml:2:45: unknown key `if`
              hint: there are `name`, `type`, `config`, `depends_on`, `input`, `inputs`, `retry`, `timeout`, `resources` and `on_failure`
            w.yaml:2:52: unknown key `cache`
              hint: there are `name`, `type`, `config`, `depends_on`, `input`, `inputs`, `retry`, `timeout`, `resources` and `on_failure`
            w.yaml:2:66: unknown key `dependson`
              hint: did you mean `depends_on`?
            w.yaml:2:81: unknown key `timeuot`
              hint: did you mean `timeout`?"#]],
    );
}

#[test]
fn retry_timeout_resources_and_on_failure_are_read() {
    let text = "
steps:
  - name: a
    type: read
    config: {input: x}
    retry: {max_attempts: 3, backoff: 500ms, max_backoff: 1m 30s, jitter: 0, on: [data, storage]}
    timeout: 90s
    resources: {cpu: 4, memory: 512MiB}
    on_failure: continue
  - {name: b, type: read, config: {input: x}, retry: {}, on_failure: fail, resources: {memory: 1024}}
";
    let workflow = validate_with(text, &Params::new()).unwrap();
    let [a, b] = workflow.steps.as_slice() else { panic!("two steps") };
    let retry = Retry {
        max_attempts: 3,
        backoff: Duration::from_millis(500),
        max_backoff: Duration::from_secs(90),
        jitter: 0.0,
        on: vec![ErrorKind::Data, ErrorKind::Storage],
    };
    assert_eq!(a.retry, Some(retry));
    assert_eq!(a.timeout, Some(Duration::from_secs(90)));
    assert_eq!(a.resources, [("cpu".to_owned(), 4), ("memory".to_owned(), 512 << 20)].into());
    assert_eq!(a.on_failure, Some(OnFailure::Continue));
    assert_eq!(a.location, "w.yaml:3:5");
    assert_eq!(
        (b.retry.clone(), b.timeout, b.on_failure),
        (Some(Retry::default()), None, Some(OnFailure::Fail))
    );
    assert_eq!(b.resources, [("memory".to_owned(), 1024)].into());
}

#[test]
fn retry_timeout_resources_and_on_failure_are_checked() {
    check_steps(
        "
  - name: a
    type: read
    config: {input: x}
    retry: {max_attempts: 1.5, backoff: soon, max_backoff: 5, jitter: 2, on: data, tries: 3}
    timeout: 0s
    resources: [cpu]
    on_failure: contniue
  - name: b
    type: read
    config: {input: x}
    retry: 3
    timeout: -1s
    resources: {cpu: 1.5, memory: much, gpu: 0, memroy: 1}
    on_failure: true
  - name: c
    type: read
    config: {input: x}
    retry: {max_attempts: 5000000000, on: [5, cancelled]}
    resources: {cpu: 5, memory: 2GiB}
",
        expect![[r#"
            w.yaml:6:27: expected a whole number of at least 1, found the number `1.5`
            w.yaml:6:41: `soon` is not a duration: expected number at 0
              hint: write a duration as in `500ms`, `90s` or `1h 30m`
            w.yaml:6:60: expected a duration, as `90s`, found the number `5`
            w.yaml:6:71: expected a number from 0 to 1, found the number `2`
            w.yaml:6:78: expected a list of kinds of failure, found the text `data`
            w.yaml:6:84: unknown key `tries`
              hint: there are `max_attempts`, `backoff`, `max_backoff`, `jitter` and `on`
            w.yaml:7:14: a timeout must be longer than nothing
              hint: leave it out for none
            w.yaml:8:16: expected a mapping, found a list
            w.yaml:9:17: `contniue` is not a known on_failure
              hint: did you mean `continue`?
            w.yaml:13:12: expected a mapping, found the number `3`
            w.yaml:14:14: `-1s` is not a duration: expected number at 0
              hint: write a duration as in `500ms`, `90s` or `1h 30m`
            w.yaml:15:22: expected a whole number of at least 0, found the number `1.5`
            w.yaml:15:35: `much` is not a size: couldn't parse "much" into a ByteSize, cannot parse float from empty string
              hint: write a size as in `512MiB` or `2GB`
            w.yaml:15:46: there is no resource `gpu`
              hint: did you mean `cpu`?
            w.yaml:15:57: there is no resource `memroy`
              hint: did you mean `memory`?
            w.yaml:16:17: expected text, found `true`
              hint: quote it if it is meant as text
            w.yaml:20:13: `max_attempts` may be at most 4294967295
            w.yaml:20:44: expected text, found the number `5`
              hint: quote it if it is meant as text
            w.yaml:20:47: `cancelled` is not a kind of failure to retry
              hint: there are `invalid_workflow`, `usage`, `data`, `not_found`, `storage`, `limit`, `timeout`, `failed` and `internal`
            w.yaml:21:22: the step asks for 5 of `cpu`, but the run has 4
              hint: ask for less, or give the run more
            w.yaml:21:33: the step asks for 2.0 GiB of `memory`, but the run has 1.0 GiB
              hint: ask for less, or give the run more"#]],
    );
}

#[test]
fn a_resource_that_the_run_does_not_have_is_refused() {
    let text = "steps: [{name: a, type: read, config: {input: x}, resources: {cpu: 1}}]";
    let document = Document::parse("w.yaml", text).unwrap();
    let result = document.validate(&registry(), &Params::new(), &Limits::default());
    expect![[r#"
        w.yaml:1:68: there is no resource `cpu`
          hint: there are none to choose from"#]]
    .assert_eq(&shown(result));
}

#[test]
fn one_problem_reads_as_an_error_and_many_as_a_list() {
    let problems = validate_with("steps: [{name: a, type: raed}]", &Params::new()).err().unwrap();
    assert_eq!(problems.kind(), ErrorKind::InvalidWorkflow);
    expect![[r#"
        there is no step type `raed`
          at w.yaml:1:25

        hint: did you mean `read`?"#]]
    .assert_eq(&render(&problems));
    let problems = validate_with("nmae: x\nsteps: [{name: a, type: raed}]", &Params::new()).err().unwrap();
    expect![[r#"
        the workflow has 2 problems

        w.yaml:1:1: unknown key `nmae`
          hint: did you mean `name`?

        w.yaml:2:25: there is no step type `raed`
          hint: did you mean `read`?"#]]
    .assert_eq(&render(&problems));
    let first = problems.to_json().as_array().and_then(|list| list.first().cloned());
    let expected = json!({"source": "w.yaml", "line": 1, "column": 1, "path": "nmae",
        "message": "unknown key `nmae`", "hint": "did you mean `name`?"});
    assert_eq!(first, Some(expected));
}

#[test]
fn a_value_has_paths_for_places() {
    let value =
        json!({"steps": [{"name": "a", "type": "sort", "config": {"by": ["x", 5], "a b": 1}, "input": "b"}]});
    let result =
        Document::from_value(&value).and_then(|d| d.validate(&registry(), &Params::new(), &limits()));
    expect![[r#"
        steps[0].config.by[1]: expected text, found the number `5`
          hint: quote it if it is meant as text
        steps[0].config["a b"]: unknown key `a b`
          hint: there are `by`, `fill`, `fraction`, `limit`, `nulls` and `stable`
        steps[0].input: there is no step `b`"#]]
    .assert_eq(&shown(result));
    let result =
        Document::from_value(&json!(5)).and_then(|d| d.validate(&registry(), &Params::new(), &limits()));
    expect!["the document: expected a mapping, found the number `5`"].assert_eq(&shown(result));
}
