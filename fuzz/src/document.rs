//! What must hold of a workflow document and of a parameter file, whatever its text?

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, sync::LazyLock};

use bowstring_core::{Diagnostic, ErrorKind, render};
use bowstring_workflow::{
    ConfigProblem, Document, InputSpec, Inputs, Limits, Output, Params, Problems, Registry, Step,
    StepContext, ValueType, ViewFormat, Work, Workflow, view,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

const TABLE: ValueType = ValueType("table");

/// The text as a document, as the same document given as a value, and as a parameter file.
pub fn check_document(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = validated(&Document::parse("x.yaml", text), &Params::new());
    if let Err(problems) = &parsed {
        check_problems(problems, text);
    }
    if let Ok(value) = serde_json::from_str::<Json>(text) {
        check_alike(&parsed, &value);
    }
    check_params(text);
}

fn validated(document: &Result<Document, Problems>, params: &Params) -> Result<Workflow, Problems> {
    static LIMITS: LazyLock<Limits> = LazyLock::new(|| Limits {
        resources: BTreeMap::from([("cpu".to_owned(), 4), ("memory".to_owned(), 1 << 30)]),
    });
    let document = document.as_ref().map_err(Problems::clone)?;
    for parameter in document.params() {
        assert!(!parameter.kind.is_empty(), "a parameter without a type");
    }
    let workflow = document.validate(&REGISTRY, params, &LIMITS)?;
    assert!(!workflow.steps.is_empty(), "a workflow without steps");
    for (index, step) in workflow.steps.iter().enumerate() {
        for before in step.depends_on.iter().chain(step.inputs.iter().map(|(_, before)| before)) {
            assert!(*before < workflow.steps.len() && *before != index, "a step waits for none, or itself");
        }
        for (name, amount) in &step.resources {
            assert!(LIMITS.resources.get(name).is_some_and(|total| amount <= total), "more than there is");
        }
    }
    for format in [ViewFormat::Mermaid, ViewFormat::Dot] {
        assert!(!view(&workflow, format).is_empty());
    }
    Ok(workflow)
}

/// Problems are of their kind, placed within the text, and can be shown in a terminal.
fn check_problems(problems: &Problems, text: &str) {
    assert_eq!(problems.kind(), ErrorKind::InvalidWorkflow);
    assert!(problems.iter().len() > 0, "refused without a reason");
    let shown = render(problems);
    assert!(shown.contains("x.yaml"), "the message names no file: {shown}");
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    // In YAML a carriage return ends a line as well.
    let lines = text.split(['\n', '\r']).count() + 1;
    for problem in problems {
        assert!(problem.location.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem}");
        assert!(!problem.message.is_empty(), "a problem without a message");
    }
}

/// JSON text means what the value means that a JSON reader makes of it. A key that stands twice is seen
/// only in the text, and so is what reading stopped at.
fn check_alike(parsed: &Result<Workflow, Problems>, value: &Json) {
    let given = validated(&Document::from_value(value), &Params::new());
    match (parsed, given) {
        (Ok(parsed), Ok(given)) => {
            let names = |workflow: &Workflow| -> Vec<_> {
                workflow.steps.iter().map(|step| (step.name.clone(), step.depends_on.clone())).collect()
            };
            assert_eq!(names(parsed), names(&given));
        }
        (Ok(_), Err(problems)) => panic!("only the value is refused: {problems}"),
        (Err(problems), Ok(_)) => {
            let only_in_text = |message: &str| message.contains("stands twice") || message.contains("nested");
            assert!(
                problems.iter().any(|problem| only_in_text(&problem.message)),
                "only the text: {problems}"
            );
        }
        (Err(_), Err(_)) => {}
    }
}

/// The text as values for a document that has a parameter of each type.
fn check_params(text: &str) {
    static DOCUMENT: LazyLock<Result<Document, Problems>> = LazyLock::new(|| {
        let declared = "params: {s: string, i: int, f: float, b: bool, p: path, l: list}\n";
        let steps =
            "steps:\n  - {name: a, type: read, config: {path: '${p}', by: {x: '${s} ${i}', y: '${f}'}}}\n";
        Document::parse("y.yaml", &format!("{declared}{steps}"))
    });
    match Params::new().file("x.yaml", text) {
        Ok(params) => {
            let named = |problem: &Problems| problem.iter().all(|problem| !problem.message.is_empty());
            assert!(validated(&DOCUMENT, &params).err().as_ref().is_none_or(named));
        }
        Err(problems) => check_problems(&problems, text),
    }
    if let Ok(params) = Params::new().command_line(text) {
        let _either = validated(&DOCUMENT, &params);
    }
}

/// A source, and a step that takes and makes a table, each with a config of several types.
static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::new();
    for (name, inputs) in [("read", InputSpec::None), ("filter", InputSpec::One(vec![TABLE]))] {
        add(&mut registry, name, inputs);
    }
    add(&mut registry, "join", InputSpec::Named(vec![("left", vec![TABLE]), ("right", vec![TABLE])]));
    add(&mut registry, "sql", InputSpec::Many { least: 0, types: vec![TABLE] });
    registry
});

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    path: Option<PathBuf>,
    query: Option<String>,
    n: Option<u64>,
    columns: Option<Vec<String>>,
    by: Option<BTreeMap<String, Json>>,
}

fn add(registry: &mut Registry, name: &'static str, inputs: InputSpec) {
    registry.register_typed(name, "A step that is checked and never run.", move |config: Config| {
        if config.n == Some(0) {
            let message = "must be at least 1".to_owned();
            return Err(vec![ConfigProblem { path: vec!["n".to_owned()], message, hint: None }]);
        }
        Ok(Arc::new(Checked { inputs: inputs.clone(), config }) as Arc<dyn Step>)
    });
}

struct Checked {
    inputs: InputSpec,
    config: Config,
}

impl Step for Checked {
    fn inputs(&self) -> InputSpec {
        self.inputs.clone()
    }

    fn output(&self) -> Option<ValueType> {
        Some(TABLE)
    }

    fn writes(&self) -> Option<PathBuf> {
        self.config.path.clone().filter(|_| self.config.by.is_none())
    }

    fn references(&self) -> Vec<String> {
        let query = self.config.query.as_deref().unwrap_or_default();
        query
            .split_whitespace()
            .map(str::to_owned)
            .chain(self.config.columns.clone().unwrap_or_default())
            .collect()
    }

    fn run(self: Arc<Self>, _: Inputs, _: StepContext) -> Work {
        Work::blocking(|| Ok(Output::default()))
    }
}
