//! The workflow engine: documents, validation, parallel execution, reports. It knows [`Step`], but
//! no step kinds.

mod config;
mod connect;
mod cycle;
mod document;
mod entry;
mod explain;
mod fields;
mod params;
mod parse;
mod problem;
mod registry;
mod step;
mod tree;
mod validate;
mod value;
mod workflow;

pub use crate::{
    document::{Document, Parameter},
    params::Params,
    problem::{Location, Problem, Problems},
    registry::{ConfigProblem, Registry, StepType},
    step::{
        FusedMetrics, Fusion, InputSpec, Inputs, Output, Progress, Role, Step, StepContext, StepError,
        StepResult, Work,
    },
    validate::Limits,
    value::{Value, ValueType},
    workflow::{OnFailure, Retry, StepSpec, Workflow},
};
