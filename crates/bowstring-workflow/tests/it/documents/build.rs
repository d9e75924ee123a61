//! Documents made in code.

use bowstring_workflow::{Builder, Document, Parameter, Params, StepBuilder};
use expect_test::{Expect, expect};
use serde_json::json;

use super::{kinds::registry, limits, shown};

fn check(builder: Builder, expected: Expect) {
    let document = builder.document();
    let result = document.and_then(|document| document.validate(&registry(), &Params::new(), &limits()));
    expected.assert_eq(&shown(result));
}

#[test]
fn a_built_document_is_checked_as_a_read_one() {
    let read = || StepBuilder::new("data", "read").config(json!({"input": "${path}"}));
    let builder = Builder::new("built")
        .description("For a test.")
        .param("path", json!({"type": "path", "default": "data.parquet"}))
        .step(read())
        .step(StepBuilder::new("other", "read").config(json!({"input": "x"})))
        .step(StepBuilder::new("both", "join").inputs(json!({"left": "data", "right": "other"})))
        .step(
            StepBuilder::new("kept", "filter")
                .config(json!({"query": "x > 1"}))
                .input("both")
                .depends_on(["other"])
                .field("timeout", "90s")
                .field("retry", json!({"max_attempts": 3})),
        );
    check(
        builder,
        expect![[r#"
        built
        data: read() after []
        other: read() after []
        both: join(left=data, right=other) after [data, other]
        kept: filter(both=both) after [other, both]"#]],
    );
    check(
        Builder::new("built").step(read()).step(StepBuilder::new("big", "filtre").depends_on(["dta"])),
        expect![[r#"
            steps[0].config.input: there is no parameter `path`
              hint: declare it under `params`, or write `$${path}` for the text itself
            steps[1].type: there is no step type `filtre`
              hint: did you mean `filter`?
            steps[1].depends_on[0]: there is no step `dta`
              hint: did you mean `data`?"#]],
    );
    check(
        Builder::new(""),
        expect![[r#"
        name: the name of the workflow is empty
        steps: a workflow needs at least one step"#]],
    );
}

#[test]
fn declared_parameters_can_be_listed() {
    let text = "
params:
  threshold: {type: int, default: 100, description: The least value.}
  path: {type: path}
  wrong: {type: int, default: x}
  odd: 5
steps: []
";
    let document = Document::parse("w.yaml", text).unwrap();
    let threshold = Parameter {
        name: "threshold".to_owned(),
        kind: "int",
        default: Some(json!(100)),
        description: Some("The least value.".to_owned()),
    };
    let path = Parameter { name: "path".to_owned(), kind: "path", default: None, description: None };
    assert_eq!(document.params(), [threshold, path]);
}
