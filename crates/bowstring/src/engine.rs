//! How does one get from a document to its report? An engine is made once and runs any number of
//! workflows.

use std::{collections::BTreeMap, sync::Arc};

use bowstring_query::{Session, SessionOptions};
use bowstring_workflow::{
    Document, Event, EventKind, Finished, Limits, Params, Problems, Registry, RunOptions, StepType, Workflow,
    run,
};

use crate::{Result, machine, steps};

/// What an engine may use.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Threads for queries and for steps that await; 0, the default, for the machine's cores.
    pub threads: usize,
    /// Most bytes that queries may hold before they spill to disk, no limit when `None`; and that an
    /// algorithm over a graph may take, as many as the machine has when `None`.
    pub memory: Option<u64>,
}

/// A query session, the step types, and the machine's resources.
#[derive(Clone)]
pub struct Engine {
    session: Session,
    registry: Registry,
    resources: BTreeMap<String, u64>,
    #[cfg(feature = "graph")]
    kernels: bowstring_graph::Run,
    #[cfg(feature = "tokenizer")]
    tokenizers: crate::tokenizer::Library,
}

impl Engine {
    /// An engine with every step type of this crate.
    ///
    /// # Errors
    /// When the operating system refuses the threads or the spill folder.
    pub fn new(options: &EngineOptions) -> Result<Self> {
        #[cfg(feature = "tokenizer")]
        let tokenizers = crate::tokenizer::Library::default();
        let session = SessionOptions {
            threads: options.threads,
            memory: options.memory,
            #[cfg(feature = "tokenizer")]
            functions: crate::tokenizer::functions(&tokenizers, options.threads),
            ..SessionOptions::default()
        };
        let session = Session::new(&session)?;
        let mut resources = machine::resources();
        if options.threads > 0 {
            resources.insert("cpu".into(), options.threads as u64);
        }
        if let Some(memory) = options.memory {
            resources.insert("memory".into(), memory);
        }
        let registry = steps::registry(&session);
        #[cfg(feature = "graph")]
        let (registry, kernels) = {
            // Beyond the machine's memory the system would end the process.
            let memory = resources.get("memory").copied().map(crate::ByteSize);
            let kernels = bowstring_graph::Run::default().with_threads(options.threads)?.with_memory(memory);
            (steps::with_graphs(registry, &session, &kernels), kernels)
        };
        Ok(Self {
            registry,
            session,
            resources,
            #[cfg(feature = "graph")]
            kernels,
            #[cfg(feature = "tokenizer")]
            tokenizers,
        })
    }

    /// Adds a step type; one of the same name is replaced.
    pub fn register(&mut self, step_type: Arc<dyn StepType>) {
        self.registry.register(step_type);
    }

    /// Where frames come from and queries run.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What kernels over graphs may use: the engine's threads and memory.
    #[cfg(feature = "graph")]
    pub fn kernels(&self) -> &bowstring_graph::Run {
        &self.kernels
    }

    /// The tokenizers that queries and steps know by name, and those that they have loaded.
    #[cfg(feature = "tokenizer")]
    pub fn tokenizers(&self) -> &crate::tokenizer::Library {
        &self.tokenizers
    }

    /// The step types.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The totals of the resources that steps may ask for.
    pub fn resources(&self) -> &BTreeMap<String, u64> {
        &self.resources
    }

    /// Checks a document and builds its steps.
    ///
    /// # Errors
    /// All problems of the document at once.
    pub fn validate(&self, document: &Document, params: &Params) -> Result<Workflow, Problems> {
        document.validate(&self.registry, params, &Limits { resources: self.resources.clone() })
    }

    /// Runs a workflow to its end; failures of steps are in the report. The engine's resources stand
    /// in for those of `options`, when these name none; so do its threads for `max_parallel` 0.
    ///
    /// # Errors
    /// When the run cannot begin; then nothing was started.
    pub fn run(&self, workflow: &Workflow, options: RunOptions<'_>) -> Result<Finished> {
        let mut options = self.options(options);
        if tracing::enabled!(tracing::Level::DEBUG) {
            options.observers.push(Box::new(log));
        }
        Ok(run(workflow, options, self.session.runtime())?)
    }

    pub(crate) fn options<'a>(&self, mut options: RunOptions<'a>) -> RunOptions<'a> {
        if options.resources.is_empty() {
            options.resources = self.resources.clone();
        }
        if options.max_parallel == 0 {
            options.max_parallel = self.session.threads();
        }
        options
    }
}

/// An event as a line of the log.
fn log(event: &Event) {
    let run = &*event.run_id;
    match &event.kind {
        EventKind::RunStarted { name, total_steps } => {
            tracing::debug!(run, %name, total_steps, "run started")
        }
        EventKind::StepStarted { step, attempt } => tracing::debug!(run, %step, attempt, "step started"),
        EventKind::StepRetried { step, attempt, wait, error } => {
            tracing::debug!(run, %step, attempt, ?wait, error = error.message, "step failed and is repeated");
        }
        EventKind::StepFinished { step, report } => {
            let error = report.error.as_ref().map(|error| error.message.as_str());
            tracing::debug!(run, %step, state = ?report.state, rows = report.rows, error, "step finished");
        }
        EventKind::RunFinished { status, execution_time } => {
            tracing::debug!(run, ?status, ?execution_time, "run finished");
        }
        _ => {}
    }
}
