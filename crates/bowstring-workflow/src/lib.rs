//! The workflow engine: documents, validation, parallel execution, reports. It knows [`Step`], but
//! no step kinds.

mod attempt;
mod builder;
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
mod schema;
mod step;
mod tree;
mod validate;
mod value;
mod view;
mod workflow;

pub use crate::{
    builder::{Builder, StepBuilder},
    config::config_problems,
    document::{Document, Parameter},
    event::{Event, EventKind, Observer},
    params::Params,
    problem::{Location, Problem, Problems},
    registry::{ConfigProblem, Registry, StepType, from_config},
    report::{Failure, Millis, Report, RunFailure, State, Status, StepReport},
    run::{Finished, Keep, OutputError, PlanUnit, RunError, RunOptions, run, units},
    schema::json_schema,
    step::{
        FusedMetrics, Fusion, InputSpec, Inputs, Output, Progress, Role, Step, StepContext, StepError,
        StepResult, Work,
    },
    validate::Limits,
    value::{Value, ValueType},
    view::{ViewFormat, view},
    workflow::{OnFailure, Retry, StepSpec, Workflow},
};
