//! Documents: what is read, what is refused, and with which words.

mod build;
mod configs;
mod connections;
mod fields;
mod kinds;
mod params;
mod robust;
mod schema;
mod smoke;
mod text;
mod views;

use bowstring_workflow::{Document, Limits, Params, Problems, Workflow};
use expect_test::Expect;

pub(super) fn limits() -> Limits {
    Limits { resources: [("cpu".to_owned(), 4), ("memory".to_owned(), 1 << 30)].into() }
}

pub(super) fn validate_with(text: &str, params: &Params) -> Result<Workflow, Problems> {
    Document::parse("w.yaml", text)?.validate(&kinds::registry(), params, &limits())
}

/// A workflow as one line for each step: name, type, inputs, and what it waits for.
pub(super) fn summary(workflow: &Workflow) -> String {
    let name = |index: usize| workflow.steps.get(index).map_or("?", |step| &step.name);
    let mut lines = vec![workflow.name.clone()];
    for step in &workflow.steps {
        let inputs: Vec<String> =
            step.inputs.iter().map(|(input, index)| format!("{input}={}", name(*index))).collect();
        let after: Vec<&str> = step.depends_on.iter().map(|index| name(*index)).collect();
        lines.push(format!(
            "{}: {}({}) after [{}]",
            step.name,
            step.type_name,
            inputs.join(", "),
            after.join(", ")
        ));
    }
    lines.join("\n")
}

pub(super) fn shown(result: Result<Workflow, Problems>) -> String {
    match result {
        Ok(workflow) => summary(&workflow),
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

/// What a document comes to: the workflow, or all of its problems.
pub(super) fn check(text: &str, expected: Expect) {
    expected.assert_eq(&shown(validate_with(text, &Params::new())));
}

/// What `steps` (as in `- {name: a, type: union}`, a line each) come to.
pub(super) fn check_steps(steps: &str, expected: Expect) {
    check(&format!("steps:\n{steps}"), expected);
}
