//! The workflow engine: documents, validation, parallel execution, reports. It knows [`Step`], but
//! no step kinds.

mod registry;
mod step;
mod value;
mod workflow;

pub use crate::{
    registry::{ConfigProblem, Registry, StepType},
    step::{
        FusedMetrics, Fusion, InputSpec, Inputs, Output, Progress, Role, Step, StepContext, StepError,
        StepResult, Work,
    },
    value::{Value, ValueType},
    workflow::{OnFailure, Retry, StepSpec, Workflow},
};
