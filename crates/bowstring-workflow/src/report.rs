//! What happened in a run? Only what was measured stands here; what was not is null.

use std::{sync::Arc, time::Duration};

use bowstring_core::ErrorKind;
use serde::{Serialize, Serializer, ser::SerializeMap};

/// What happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Unique to the run.
    pub run_id: Arc<str>,
    /// The workflow's name.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// From the start of the run to its end, in milliseconds.
    pub execution_time_ms: Millis,
    /// Steps of the workflow.
    pub total_steps: usize,
    /// Steps that were started, failed ones included.
    pub steps_executed: usize,
    /// Steps whose result came from a cache.
    pub cached_steps: usize,
    /// Steps that failed or timed out.
    pub failed_steps: usize,
    /// Steps that were never started.
    pub skipped_steps: usize,
    /// Most units (a step, or a chain of fused ones) that ran at one time.
    pub peak_parallelism: usize,
    /// The failure that decided how the run ended: the first in time.
    pub error: Option<RunFailure>,
    /// One entry for each step, in the order of declaration.
    #[serde(serialize_with = "as_map")]
    pub steps: Vec<(Arc<str>, StepReport)>,
}

impl Report {
    /// What happened to this step.
    pub fn step(&self, name: &str) -> Option<&StepReport> {
        self.steps.iter().find(|(step, _)| **step == *name).map(|(_, report)| report)
    }

    /// The exit code that the run stands for: 0, or that of the first failure in time.
    pub fn exit_code(&self) -> u8 {
        match (&self.error, self.status) {
            (_, Status::Completed) => 0,
            (Some(failure), _) => failure.error.kind.exit_code(),
            (None, _) => ErrorKind::Cancelled.exit_code(),
        }
    }
}

fn as_map<S: Serializer>(steps: &[(Arc<str>, StepReport)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(steps.len()))?;
    steps.iter().try_for_each(|(name, report)| map.serialize_entry(name, report))?;
    map.end()
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Every step succeeded.
    Completed,
    /// A step failed.
    Failed,
    /// The run was asked to stop before a step failed.
    Cancelled,
}

/// What happened to a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// How it ended.
    pub state: State,
    /// How often it was started.
    pub attempts: u32,
    /// From the moment its inputs were there to its first start, in milliseconds.
    pub queue_ms: Option<Millis>,
    /// The time that its attempts ran, waits between them excluded, in milliseconds.
    pub run_ms: Option<Millis>,
    /// Rows of its output.
    pub rows: Option<u64>,
    /// Bytes of its output, in memory or written.
    pub bytes: Option<u64>,
    /// Most bytes reserved from the memory pool at one time.
    pub peak_memory: Option<u64>,
    /// The step at the end of the chain that this one was fused into.
    pub fused_into: Option<Arc<str>>,
    /// Why it failed.
    pub error: Option<Failure>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It did its work.
    Succeeded,
    /// Its result came from a cache.
    Cached,
    /// It failed in its last attempt.
    Failed,
    /// It was never started.
    Skipped,
    /// It was started, and stopped before it was done.
    Cancelled,
    /// Its last attempt took longer than its timeout.
    TimedOut,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Decides exit code and exception.
    #[serde(serialize_with = "kind_name")]
    pub kind: ErrorKind,
    /// What went wrong, and where.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// The failure that decided how a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunFailure {
    /// The step that failed.
    pub step: Arc<str>,
    /// Why.
    #[serde(flatten)]
    pub error: Failure,
}

fn kind_name<S: Serializer>(kind: &ErrorKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

/// A duration that is written as milliseconds with three decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub Duration);

impl Millis {
    /// Milliseconds, rounded to microseconds.
    pub fn as_f64(self) -> f64 {
        (self.0.as_secs_f64() * 1e6).round() / 1e3
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}
