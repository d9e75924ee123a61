//! What does a workflow look like as a diagram?

use std::fmt::Write as _;

use crate::workflow::{StepSpec, Workflow};

/// The language of a diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewFormat {
    /// Mermaid, which Markdown viewers draw.
    Mermaid,
    /// Graphviz.
    Dot,
}

/// The workflow as a diagram: a box for each step with its name and type, an arrow for each input
/// (with the input's name where it is not the maker's), a dashed one where a step only waits.
pub fn view(workflow: &Workflow, format: ViewFormat) -> String {
    let mut text = match format {
        ViewFormat::Mermaid => "flowchart LR\n".to_owned(),
        ViewFormat::Dot => {
            format!("digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box];\n", dot(&workflow.name))
        }
    };
    for (index, step) in workflow.steps.iter().enumerate() {
        let _infallible = match format {
            ViewFormat::Mermaid => {
                writeln!(text, "  s{index}[\"{}<br/>{}\"]", mermaid(&step.name), mermaid(&step.type_name))
            }
            ViewFormat::Dot => {
                writeln!(text, "  s{index} [label=\"{}\\n{}\"];", dot(&step.name), dot(&step.type_name))
            }
        };
    }
    for (index, step) in workflow.steps.iter().enumerate() {
        for (from, label) in arrows(workflow, step) {
            let _infallible = match (format, label) {
                (ViewFormat::Mermaid, Arrow::Data) => writeln!(text, "  s{from} --> s{index}"),
                (ViewFormat::Mermaid, Arrow::Named(name)) => {
                    writeln!(text, "  s{from} -->|\"{}\"| s{index}", mermaid(name))
                }
                (ViewFormat::Mermaid, Arrow::Wait) => writeln!(text, "  s{from} -.-> s{index}"),
                (ViewFormat::Dot, Arrow::Data) => writeln!(text, "  s{from} -> s{index};"),
                (ViewFormat::Dot, Arrow::Named(name)) => {
                    writeln!(text, "  s{from} -> s{index} [label=\"{}\"];", dot(name))
                }
                (ViewFormat::Dot, Arrow::Wait) => writeln!(text, "  s{from} -> s{index} [style=dashed];"),
            };
        }
    }
    if format == ViewFormat::Dot {
        text.push_str("}\n");
    }
    text
}

enum Arrow<'a> {
    Data,
    Named(&'a str),
    Wait,
}

fn arrows<'a>(workflow: &'a Workflow, step: &'a StepSpec) -> impl Iterator<Item = (usize, Arrow<'a>)> {
    let inputs = step.inputs.iter().map(|(name, from)| {
        let maker = workflow.steps.get(*from).map(|maker| &*maker.name);
        (*from, if maker == Some(name.as_str()) { Arrow::Data } else { Arrow::Named(name) })
    });
    let takes = |from: &usize| step.inputs.iter().any(|(_, input)| input == from);
    let waits = step.depends_on.iter().copied().filter(move |from| !takes(from));
    inputs.chain(waits.map(|from| (from, Arrow::Wait)))
}

/// Text within a quoted Mermaid label: all that has a meaning there is written as its number.
fn mermaid(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => escaped.push(' '),
            c if c.is_alphanumeric() || " -_.,:=→…".contains(c) => escaped.push(c),
            c => {
                let _infallible = write!(escaped, "#{};", u32::from(c));
            }
        }
    }
    escaped
}

/// Text within a quoted string of Graphviz.
fn dot(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => escaped.push(' '),
            '"' | '\\' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}
