//! What does a validated workflow consist of?

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bowstring_core::ErrorKind;

use crate::step::Step;

/// A workflow that can run: every step is built, every connection is resolved and typed, and there
/// is no cycle. Made by validating a document.
#[derive(Clone)]
pub struct Workflow {
    /// The document's name, or `workflow`.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The steps in the order of declaration; connections are indices into it.
    pub steps: Vec<StepSpec>,
}

/// One step of a validated workflow.
#[derive(Clone)]
pub struct StepSpec {
    /// Unique in the workflow.
    pub name: Arc<str>,
    /// The step type's name.
    pub type_name: String,
    /// The built step.
    pub step: Arc<dyn Step>,
    /// Data inputs: input name and index of the step that makes it.
    pub inputs: Vec<(String, usize)>,
    /// All steps that must have succeeded before, data inputs included; sorted, each once.
    pub depends_on: Vec<usize>,
    /// When and how often a failed attempt is repeated; `None` when the document does not say.
    pub retry: Option<Retry>,
    /// The limit of each attempt.
    pub timeout: Option<Duration>,
    /// Declared needs by name (`cpu`, `memory`, or any declared total); what is absent counts as 0.
    pub resources: BTreeMap<String, u64>,
    /// What a failure means for the rest; `None` when the document does not say (then [`OnFailure::Fail`]).
    pub on_failure: Option<OnFailure>,
    /// Where it stands in the document, for messages: `file:line:column`, or a path into a dict.
    pub location: String,
}

/// What the failure of a step means for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Nothing new starts; running steps are cancelled.
    #[default]
    Fail,
    /// Independent branches finish; dependants are skipped.
    Continue,
}

/// When and how often a failed attempt is repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// The first attempt included; at least 1.
    pub max_attempts: u32,
    /// The wait before the second attempt; doubles with each further one.
    pub backoff: Duration,
    /// The longest wait.
    pub max_backoff: Duration,
    /// The fraction by which a wait is randomly lengthened or shortened; 0 for none.
    pub jitter: f64,
    /// The kinds of failure that are retried; empty means all but cancellation.
    pub on: Vec<ErrorKind>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 1,
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(60),
            jitter: 0.1,
            on: Vec::new(),
        }
    }
}
