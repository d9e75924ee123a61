//! Which step kinds are there, and what does each take? `docs/reference/steps.md` is made from the
//! configs here.

mod config;
#[cfg(feature = "quant")]
mod dequantize;
#[cfg(feature = "quant")]
mod equalize;
mod evaluate;
#[cfg(feature = "graph")]
mod graph;
#[cfg(feature = "quant")]
mod quantize;
mod read;
mod relational;
mod sleep;
#[cfg(feature = "tokenizer")]
mod tokenize;
mod validate;
mod write;

use std::sync::Arc;

use bowstring_core::Diagnostic;
use bowstring_query::{Frame, PlanMetrics, Session};
use bowstring_workflow::{
    ConfigProblem, Inputs, Output, Registry, Role, StepContext, StepError, StepResult, Value,
};

use crate::relation::{Operator, Relation};

/// Every step type of this crate, whose queries run in `session`.
pub fn registry(session: &Session) -> Registry {
    let mut registry = Registry::new();
    read::register(&mut registry, session);
    relational::register(&mut registry, session);
    validate::register(&mut registry);
    write::register(&mut registry);
    sleep::register(&mut registry);
    #[cfg(feature = "quant")]
    {
        quantize::register(&mut registry, session);
        dequantize::register(&mut registry, session);
        equalize::register(&mut registry);
        evaluate::register(&mut registry, session);
    }
    #[cfg(feature = "tokenizer")]
    tokenize::register(&mut registry, session);
    registry
}

/// The same with the steps `graph.*`, whose kernels use what `run` says.
#[cfg(feature = "graph")]
pub fn with_graphs(mut registry: Registry, session: &Session, run: &bowstring_graph::Run) -> Registry {
    graph::register(&mut registry, session, run);
    registry
}

/// The tables that arrive at a step, by input name.
fn relations(inputs: &Inputs) -> Vec<(String, Relation)> {
    inputs
        .0
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), (*value.downcast::<Relation>()?).clone())))
        .collect()
}

/// The result of a step that adds to the plan of its inputs: the plan itself when the step is fused,
/// else its rows.
fn plan_or_rows(
    session: &Session,
    from: &[(String, Relation)],
    frame: Frame,
    operator: Operator,
    context: &StepContext,
) -> StepResult {
    let mut relation = Relation::lazy(frame);
    for (_, input) in from {
        relation.sources.extend(input.sources.iter().cloned());
        if input.table.is_none() {
            relation.trail.extend(input.trail.iter().cloned());
        }
    }
    relation.trail.push((Arc::clone(&context.step), operator));
    if context.role == Role::Fused {
        return Ok(Output { value: Some(relation.into_value()), ..Output::default() });
    }
    let collected = relation.frame.collect(&context.cancel).map_err(|error| at(error, &relation.sources))?;
    let fused = relation.fused_metrics(&collected.metrics);
    let PlanMetrics { peak_memory, .. } = collected.metrics;
    let table = collected.table;
    let (rows, bytes) = (table.num_rows() as u64, table.num_bytes() as u64);
    let made = Relation { sources: relation.sources, ..Relation::of_table(session, table)? };
    Ok(Output { value: Some(made.into_value()), rows: Some(rows), bytes: Some(bytes), peak_memory, fused })
}

/// An error of a plan, placed at the files that the plan reads when it does not say where it was.
fn at<E: Diagnostic>(error: E, sources: &[Arc<str>]) -> StepError {
    let mut error = StepError::from(error);
    if error.place.is_none()
        && let [first, rest @ ..] = sources
    {
        error.place = Some(match rest.len() {
            0 => first.to_string(),
            more => format!("{first} and {more} more"),
        });
    }
    error
}

/// A problem of a config value.
fn problem(path: &[&str], message: impl Into<String>, hint: Option<String>) -> ConfigProblem {
    ConfigProblem { path: path.iter().map(|key| (*key).to_owned()).collect(), message: message.into(), hint }
}

/// A value that a step hands on as it came.
fn passed_on(relation: &Relation) -> Value {
    relation.clone().into_value()
}
