//! Nothing that is read makes the engine panic, hang or grow without bound.

use std::time::{Duration, Instant};

use bowstring_workflow::{Builder, Params, StepBuilder, ViewFormat, json_schema, view};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{kinds::registry, limits, validate_with};

const VALID: &str = "
version: 1
name: data_pipeline
params:
  threshold: {type: int, default: 100}
  columns: {type: list, default: [a, b]}
steps:
  - name: read
    type: read
    config: &config {input: data.parquet}
  - name: large
    type: filter
    config: {query: \"value > ${threshold}\"}
    depends_on: [read]
    retry: {max_attempts: 3, backoff: 1s, on: [data]}
    timeout: 90s
    resources: {cpu: 1, memory: 512MiB}
    on_failure: continue
  - {name: sorted, type: sort, config: {by: '${columns}', limit: 5}, input: large}
  - {name: again, type: read, config: *config}
  - {name: both, type: join, inputs: {left: sorted, right: again}}
  - {name: query, type: sql, config: {query: from both}}
  - {name: save, type: write, config: {path: out/x.parquet}, input: query}
";

/// Validates, and makes all that is made of a workflow; every problem must be fit to be shown.
fn digest(text: &str) {
    match validate_with(text, &Params::new()) {
        Ok(workflow) => {
            assert!(!workflow.steps.is_empty());
            assert!(view(&workflow, ViewFormat::Mermaid).lines().count() > workflow.steps.len());
        }
        Err(problems) => {
            assert!(problems.iter().next().is_some(), "an error without a problem");
            for problem in &problems {
                assert!(!problem.message.is_empty() && !problem.message.contains('\n'), "{problem:?}");
                assert!(
                    problem.location.line != Some(0) && problem.location.column != Some(0),
                    "{problem:?}"
                );
            }
        }
    }
}

#[test]
fn the_document_that_is_mutated_is_valid() {
    assert_eq!(validate_with(VALID, &Params::new()).map(|workflow| workflow.steps.len()).ok(), Some(7));
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,8}".prop_map(Json::from),
        proptest::sample::select(vec!["${n}", "read", "a", "b", "1s", "${", "$$", "int"])
            .prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = proptest::sample::select(vec![
            "name",
            "type",
            "config",
            "depends_on",
            "input",
            "inputs",
            "retry",
            "timeout",
            "resources",
            "on_failure",
            "n",
            "a",
            "by",
            "query",
            "default",
            "memory",
            "on",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((key, inner), 0..6).prop_map(|pairs| {
                Json::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        digest(&text);
    }

    #[test]
    fn text_of_yaml_signs_is_read_or_refused(text in "[-:,{}\\[\\]&*!|>'\"%@`#a$\\\\ \t\n0~<]{0,60}") {
        digest(&text);
        digest(&format!("steps:\n  - {text}"));
    }

    #[test]
    fn a_mutated_document_is_read_or_refused(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, "[-:,{}\\[\\]&*!|>'\"#a$ \t\n0]{0,3}"), 1..4),
    ) {
        let mut chars: Vec<char> = VALID.chars().collect();
        for (at, removed, added) in cuts {
            let start = at.index(chars.len());
            let end = (start + removed).min(chars.len());
            chars.splice(start..end, added.chars());
        }
        digest(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn any_value_in_any_place_is_taken_or_refused(step in json(), params in json(), first in json()) {
        let value = json!({"params": params, "steps": [first, step, {"name": "a", "type": "read", "config": {"input": "x"}}]});
        digest(&value.to_string());
    }

    #[test]
    fn what_the_engine_takes_the_schema_takes(config in json(), kind in proptest::sample::select(vec!["sort", "filter", "read", "union"])) {
        let value = json!({"params": {"n": {"type": "int", "default": 3}},
            "steps": [{"name": "a", "type": "read", "config": {"input": "x"}}, {"name": "b", "type": kind, "config": config, "input": "a"}]});
        let document = bowstring_workflow::Document::from_value(&value).unwrap();
        if document.validate(&registry(), &Params::new(), &limits()).is_ok() {
            prop_assert!(jsonschema::is_valid(&json_schema(&registry()), &value), "{}", value);
        }
    }
}

/// `count` steps in layers of 100, each of which takes one of the layer before.
fn layered(count: usize) -> Builder {
    (0..count).fold(Builder::new("large"), |builder, index| {
        let name = format!("step_{index:05}");
        builder.step(match index.checked_sub(100) {
            None => StepBuilder::new(name, "read").config(json!({"input": "data.parquet"})),
            Some(from) => StepBuilder::new(name, "filter")
                .config(json!({"query": format!("value > {index}")}))
                .input(format!("step_{from:05}"))
                .depends_on([format!("step_{:05}", (index / 100 - 1) * 100 + (index * 7) % 100)]),
        })
    })
}

#[test]
fn ten_thousand_steps_are_checked_in_no_time() {
    let document = layered(10_000).document().unwrap();
    let start = Instant::now();
    let workflow = document.validate(&registry(), &Params::new(), &limits()).unwrap();
    let time = start.elapsed();
    assert_eq!(workflow.steps.len(), 10_000);
    // Generous, for a loaded machine and a build that is not optimised; quadratic work takes longer.
    assert!(time < Duration::from_secs(5), "{time:?}");
}

#[test]
fn a_chain_of_fifty_thousand_steps_overflows_no_stack() {
    let steps = (0..50_000).map(|index| {
        let from = (index + 49_999) % 50_000;
        format!("- {{name: s{index}, type: read, config: {{input: x}}, depends_on: [s{from}]}}\n")
    });
    let text = format!("steps:\n{}", steps.collect::<String>());
    let problems = validate_with(&text, &Params::new()).err().unwrap();
    assert_eq!(problems.iter().count(), 1);
    assert!(problems.to_string().starts_with("steps form a cycle: s0 → s1 → s2"), "{problems}");
}
