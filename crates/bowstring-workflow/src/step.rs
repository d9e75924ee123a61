//! What does a step kind have to say and do?

use std::{fmt, path::PathBuf, sync::Arc};

use bowstring_core::{Cancel, Diagnostic, ErrorKind};
use futures::future::BoxFuture;

use crate::value::{Value, ValueType};

/// One configured step, built by its [`StepType`](crate::StepType) and shared by all its attempts.
pub trait Step: Send + Sync {
    /// The inputs it takes.
    fn inputs(&self) -> InputSpec;

    /// How to mend that an input is of this type, which it does not take; `None` where that is not known.
    fn mend_type(&self, _made: ValueType) -> Option<String> {
        None
    }

    /// The type of its output; `None` when it makes none.
    fn output(&self) -> Option<ValueType>;

    /// Whether it can be part of a chain that runs as one plan.
    fn fusion(&self) -> Fusion {
        Fusion::None
    }

    /// Whether its output is its one input as it came, so that a plan can go on behind it.
    fn passes_on(&self) -> bool {
        false
    }

    /// The path it writes, so that two steps that write one path can be refused.
    fn writes(&self) -> Option<PathBuf> {
        None
    }

    /// Names in its config that may be steps (the tables of a query). Those that are steps become
    /// inputs under that name.
    fn references(&self) -> Vec<String> {
        Vec::new()
    }

    /// Begins one attempt. A step with [`Role::Fused`] returns its value without doing the work.
    fn run(self: Arc<Self>, inputs: Inputs, context: StepContext) -> Work;
}

/// The inputs that a step takes. Where a document has no `input` and no `inputs`, a step with one
/// dependency takes that one: as `One`, and as `Many` when it refers to nothing by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputSpec {
    /// No input: a source.
    None,
    /// Exactly one input, of one of these types.
    One(Vec<ValueType>),
    /// Exactly these, by name.
    Named(Vec<(&'static str, Vec<ValueType>)>),
    /// At least `least`, under any names, each of one of these types.
    Many {
        /// The least number of inputs.
        least: usize,
        /// The types that each may have.
        types: Vec<ValueType>,
    },
}

/// How a step takes part in a chain that runs as one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fusion {
    /// Never: its inputs and its output are materialised.
    None,
    /// A bare scan: lazy, and each consumer scans for itself.
    Scan,
    /// Lazy: adds to the plan of its input.
    Lazy,
    /// Ends a chain by consuming its plan, as `write` does.
    Sink,
}

/// Whether a step of a chain hands on a plan or does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It does the work; the rule for every step outside a chain.
    Boundary,
    /// It hands on a lazy value.
    Fused,
}

/// The values that arrive at a step, by input name, in the order of declaration. A single,
/// unnamed input has the name of the step that made it.
#[derive(Clone, Debug, Default)]
pub struct Inputs(pub Vec<(String, Value)>);

impl Inputs {
    /// The input with this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(input, _)| input == name).map(|(_, value)| value)
    }

    /// The first input.
    pub fn first(&self) -> Option<&Value> {
        self.0.first().map(|(_, value)| value)
    }
}

/// The work of one attempt.
pub enum Work {
    /// Runs on a thread of its own among the engine's, and may block it.
    Blocking(Box<dyn FnOnce() -> StepResult + Send>),
    /// Runs on the asynchronous runtime, and must not block.
    Async(BoxFuture<'static, StepResult>),
}

impl Work {
    /// Work that may block its thread.
    pub fn blocking(work: impl FnOnce() -> StepResult + Send + 'static) -> Self {
        Work::Blocking(Box::new(work))
    }

    /// Work that awaits.
    pub fn future(work: impl Future<Output = StepResult> + Send + 'static) -> Self {
        Work::Async(Box::pin(work))
    }
}

/// What an attempt comes to.
pub type StepResult = Result<Output, StepError>;

/// What a step made, and what was measured. Nothing here is estimated: what was not measured is `None`.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The value for the steps that depend on it.
    pub value: Option<Value>,
    /// Rows of the output.
    pub rows: Option<u64>,
    /// Bytes of the output in memory, or written.
    pub bytes: Option<u64>,
    /// Most bytes reserved from the memory pool at one time.
    pub peak_memory: Option<u64>,
    /// For the boundary of a chain: what the plan's metrics say of the steps fused into it.
    pub fused: Vec<FusedMetrics>,
}

/// The measure of a fused step, where one operator of the plan stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FusedMetrics {
    /// The fused step's name.
    pub step: String,
    /// Rows that its operator put out.
    pub rows: Option<u64>,
    /// Time that its operator computed, over all its partitions.
    pub run_time: Option<std::time::Duration>,
}

/// What an attempt may ask of the engine.
#[derive(Clone)]
pub struct StepContext {
    /// The step's name.
    pub step: Arc<str>,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Whether it does the work or hands on a plan.
    pub role: Role,
    /// Cancelled when the run is, and when the attempt's timeout is over.
    pub cancel: Cancel,
    /// Takes progress reports.
    pub progress: Arc<dyn Progress>,
}

/// Takes a running step's progress.
pub trait Progress: Send + Sync {
    /// `done` of `total` (when that is known) rows, bytes or whatever `unit` names.
    fn report(&self, done: u64, total: Option<u64>, unit: &'static str);
}

/// Why an attempt failed. Made with `?` from any [`Diagnostic`].
#[derive(Debug)]
pub struct StepError {
    /// Decides exit code, exception and whether a retry's `on` covers it.
    pub kind: ErrorKind,
    /// What went wrong.
    pub message: String,
    /// Where: file, row, column.
    pub place: Option<String>,
    /// How to mend it.
    pub hint: Option<String>,
    /// The one step of a fused chain that failed, where that can be told.
    pub step: Option<String>,
}

impl StepError {
    /// An error with a message and nothing more.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), place: None, hint: None, step: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl<E: Diagnostic> From<E> for StepError {
    fn from(error: E) -> Self {
        Self {
            kind: error.kind(),
            message: error.to_string(),
            place: error.place(),
            hint: error.hint(),
            step: None,
        }
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
