//! The JSON Schema for editors.

use bowstring_workflow::{Registry, json_schema};
use expect_test::expect;
use serde_json::{Value as Json, json};

use super::kinds::registry;

/// Where in `document` the schema finds something wrong.
fn errors(document: &Json) -> Vec<String> {
    let validator = jsonschema::validator_for(&json_schema(&registry())).unwrap();
    validator.iter_errors(document).map(|error| error.instance_path().to_string()).collect()
}

fn steps(steps: Json) -> Json {
    json!({"steps": steps})
}

#[test]
fn the_schema_is_itself_valid() {
    for registry in [registry(), Registry::new()] {
        let schema = json_schema(&registry);
        assert!(jsonschema::meta::is_valid(&schema), "{schema}");
    }
}

#[test]
fn it_takes_what_the_engine_takes() {
    for document in [
        json!({"name": "data_pipeline", "steps": [
            {"name": "read", "type": "read", "config": {"input": "data.parquet"}},
            {"name": "filter", "type": "filter", "config": {"query": "value > 100"}, "depends_on": ["read"]},
        ]}),
        json!({"version": 1, "description": "x", "params": {"n": {"type": "int", "default": 3}},
            "steps": [{"name": "read", "type": "read", "config": {"input": "${n}"}}]}),
        steps(
            json!([{"name": "a", "type": "sort", "config": {"by": ["x"], "limit": "${n}", "nulls": "first",
            "stable": "${s}", "fraction": 0.5, "fill": {"x": "${n}"}}, "input": "b"}]),
        ),
        steps(
            json!([{"name": "a", "type": "sort", "config": {"by": "${columns}", "fill": 4, "nulls": "${w}"}}]),
        ),
        steps(json!([{"name": "a", "type": "${kind}", "config": null}])),
        steps(
            json!([{"name": "a", "type": "union", "config": null, "retry": {"max_attempts": 3, "backoff": "1s", "jitter": 0,
            "on": ["data"]}, "timeout": "90s", "resources": {"cpu": 2, "memory": "1GiB"}, "on_failure": "continue",
            "inputs": {"a": "x", "b": "y"}}]),
        ),
    ] {
        assert_eq!(errors(&document), Vec::<String>::new(), "{document}");
    }
}

#[test]
fn it_refuses_what_is_wrong_where_it_is_wrong() {
    for (document, place) in [
        (json!({"steps": [], "name": "x"}), "/steps"),
        (json!({"name": "x"}), ""),
        (json!({"version": 2, "steps": [{"name": "a", "type": "union"}]}), "/version"),
        (steps(json!([{"name": "a", "type": "raed"}])), "/steps/0/type"),
        (steps(json!([{"type": "union"}])), "/steps/0"),
        (steps(json!([{"name": "a", "type": "read"}])), "/steps/0"),
        (steps(json!([{"name": "a", "type": "read", "config": {}}])), "/steps/0/config"),
        (
            steps(json!([{"name": "a", "type": "filter", "config": {"query": "x", "more": 1}}])),
            "/steps/0/config",
        ),
        (steps(json!([{"name": "a", "type": "sort", "config": {"by": []}}])), "/steps/0/config/by"),
        (
            steps(json!([{"name": "a", "type": "sort", "config": {"by": ["a"], "limit": "ten"}}])),
            "/steps/0/config/limit",
        ),
        (steps(json!([{"name": "a", "type": "union", "cache": false}])), "/steps/0"),
        (steps(json!([{"name": "a", "type": "union", "input": "a", "inputs": {}}])), "/steps/0"),
        (
            steps(json!([{"name": "a", "type": "union", "config": null, "retry": {"on": ["dta"]}}])),
            "/steps/0/retry",
        ),
    ] {
        let found = errors(&document);
        assert!(
            found.iter().any(|found| found.starts_with(place)) && !found.is_empty(),
            "{document}: {found:?}"
        );
    }
}

#[test]
fn the_config_of_a_step_type() {
    let schema = json_schema(&registry());
    let config = serde_json::to_string_pretty(&schema["$defs"]["config.sort"]["properties"]["limit"]);
    expect![[r##"
        {
          "description": "How many rows.",
          "anyOf": [
            {
              "type": [
                "integer",
                "null"
              ],
              "format": "uint32",
              "minimum": 1,
              "maximum": 4294967295
            },
            {
              "$ref": "#/$defs/parameter"
            }
          ]
        }"##]]
    .assert_eq(&config.unwrap());
    let branch = schema["$defs"]["step"]["allOf"].as_array().and_then(|branches| branches.first());
    expect![[r##"
        {
          "if": {
            "properties": {
              "type": {
                "const": "filter"
              }
            },
            "required": [
              "type"
            ]
          },
          "then": {
            "required": [
              "config"
            ],
            "properties": {
              "config": {
                "$ref": "#/$defs/config.filter"
              }
            }
          }
        }"##]]
    .assert_eq(&serde_json::to_string_pretty(&branch).unwrap());
}
