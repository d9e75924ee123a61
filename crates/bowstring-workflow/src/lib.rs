//! The workflow engine: documents, validation, parallel execution, reports. It knows [`Step`], but
//! no step kinds.

mod attempt;
mod config;
mod connect;
mod cycle;
mod document;
mod entry;
mod event;
mod explain;
mod fields;
mod params;
mod parse;
mod plan;
mod problem;
mod registry;
mod report;
mod run;
mod schedule;
mod step;
mod tree;
mod validate;
mod value;
mod workflow;

pub use crate::{
    document::{Document, Parameter},
    event::{Event, EventKind, Observer},
    params::Params,
    problem::{Location, Problem, Problems},
    registry::{ConfigProblem, Registry, StepType},
    report::{Failure, Millis, Report, RunFailure, State, Status, StepReport},
    run::{Finished, Keep, OutputError, RunError, RunOptions, run, units},
    step::{
        FusedMetrics, Fusion, InputSpec, Inputs, Output, Progress, Role, Step, StepContext, StepError,
        StepResult, Work,
    },
    validate::Limits,
    value::{Value, ValueType},
    workflow::{OnFailure, Retry, StepSpec, Workflow},
};
