//! How is a workflow run on real threads?
//!
//! Engine threads take the next unit themselves as soon as they are done with one, so a chain runs
//! without a switch of threads; they are started only when there is more to do at one time. Steps
//! that await run on the asynchronous runtime. The thread that called [`run`] minds the timers. The
//! lock guards the [`Schedule`] alone and is never held while a step runs.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bowstring_core::{Cancel, Diagnostic, ErrorKind};
use jiff::Timestamp;
use rand::Rng;
use tokio::{runtime::Handle, task::AbortHandle};

use crate::{
    attempt::{Begun, Job, Outcome},
    event::{EventKind, Observer, Queue},
    plan::Plan,
    report::Report,
    schedule::{Limits, Schedule, Taken},
    step::Progress,
    value::Value,
    workflow::Workflow,
};

/// How a workflow is run.
pub struct RunOptions<'a> {
    /// Most steps that run at one time; at least 1. Default: the machine's cores.
    pub max_parallel: usize,
    /// Totals of the resources that steps may ask for.
    pub resources: BTreeMap<String, u64>,
    /// Whose outputs outlive the run. Default: those of the leaves.
    pub keep: Keep,
    /// Asks the run to stop.
    pub cancel: Cancel,
    /// Are told what happens.
    pub observers: Vec<Box<dyn Observer + 'a>>,
    /// How long a step that was asked to stop may take before it is abandoned. Default: 5 s.
    pub grace: Duration,
    /// Decides the jitter of retries; random when `None`.
    pub seed: Option<u64>,
}

impl Default for RunOptions<'_> {
    fn default() -> Self {
        Self {
            max_parallel: std::thread::available_parallelism().map_or(1, usize::from),
            resources: BTreeMap::new(),
            keep: Keep::Leaves,
            cancel: Cancel::new(),
            observers: Vec::new(),
            grace: Duration::from_secs(5),
            seed: None,
        }
    }
}

/// Whose outputs outlive the run. A kept step ends its chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// No step's.
    Nothing,
    /// Those of steps on which no other depends.
    #[default]
    Leaves,
    /// Every step's.
    All,
    /// Those of the steps named.
    Steps(Vec<String>),
}

/// Why a run did not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A step asks for more than there is.
    #[error("step `{step}` asks for {requested} of `{resource}`, but there is {total}")]
    ResourceAboveTotal {
        /// The step.
        step: String,
        /// The resource.
        resource: String,
        /// What it asks for.
        requested: u64,
        /// What there is.
        total: u64,
    },
    /// A step to keep does not exist.
    #[error("there is no step `{step}` whose output could be kept")]
    UnknownKeep {
        /// The name.
        step: String,
        /// The nearest name that exists.
        nearest: Option<String>,
    },
    /// Steps wait for one another.
    #[error("the steps form a cycle")]
    Cycle,
    /// The operating system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl Diagnostic for RunError {
    fn kind(&self) -> ErrorKind {
        match self {
            RunError::ResourceAboveTotal { .. } | RunError::Cycle => ErrorKind::InvalidWorkflow,
            RunError::UnknownKeep { .. } => ErrorKind::Usage,
            RunError::Thread(_) => ErrorKind::Limit,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            RunError::ResourceAboveTotal { resource, .. } => {
                Some(format!("ask for less, or raise the total of `{resource}`"))
            }
            RunError::UnknownKeep { nearest, .. } => {
                nearest.as_ref().map(|nearest| format!("did you mean `{nearest}`?"))
            }
            RunError::Cycle | RunError::Thread(_) => None,
        }
    }
}

/// Why an output cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// There is no such step.
    #[error("the workflow has no step `{step}`")]
    UnknownStep {
        /// The name.
        step: String,
        /// The nearest name that exists.
        nearest: Option<String>,
    },
    /// It was not kept.
    #[error("the output of step `{step}` was not kept")]
    NotKept {
        /// The step.
        step: String,
    },
    /// The step makes no value, or did not succeed.
    #[error("step `{step}` made no output")]
    NoValue {
        /// The step.
        step: String,
    },
}

impl Diagnostic for OutputError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            OutputError::UnknownStep { nearest, .. } => {
                nearest.as_ref().map(|nearest| format!("did you mean `{nearest}`?"))
            }
            OutputError::NotKept { step } => Some(format!("run with `keep` naming `{step}`, or `all`")),
            OutputError::NoValue { .. } => None,
        }
    }
}

/// A run that came to its end.
#[derive(Debug)]
pub struct Finished {
    /// What happened.
    pub report: Report,
    outputs: HashMap<Arc<str>, Option<Value>>,
}

impl Finished {
    /// The output of a step that was kept.
    ///
    /// # Errors
    /// When there is no such step, when it was not kept, and when it made no value.
    pub fn output(&self, step: &str) -> Result<&Value, OutputError> {
        match self.outputs.get(step) {
            Some(Some(value)) => Ok(value),
            Some(None) => Err(OutputError::NoValue { step: step.to_owned() }),
            None if self.report.step(step).is_some() => Err(OutputError::NotKept { step: step.to_owned() }),
            None => {
                let known = self.report.steps.iter().map(|(name, _)| &**name);
                let nearest = bowstring_core::nearest(step, known).map(str::to_owned);
                Err(OutputError::UnknownStep { step: step.to_owned(), nearest })
            }
        }
    }
}

/// Steps that take a slot together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanUnit {
    /// Indices into [`Workflow::steps`], in an order in which each step comes after its inputs.
    pub steps: Vec<usize>,
    /// A scan on its own, which several plans share: it reads nothing, and each of them scans for
    /// itself.
    pub lazy: bool,
}

/// The units of a run in the order of declaration: what would be fused with what.
///
/// # Errors
/// As [`run`].
pub fn units(workflow: &Workflow, options: &RunOptions<'_>) -> Result<Vec<PlanUnit>, RunError> {
    let plan = Plan::new(workflow, &options.keep, &options.resources)?;
    Ok(plan.units.into_iter().map(|unit| PlanUnit { steps: unit.members, lazy: unit.lazy }).collect())
}

/// Runs a workflow to its end and returns what happened; that steps failed is no error here. Blocks
/// the calling thread, which must not be one of the runtime's.
///
/// # Errors
/// When the run cannot begin; then nothing was started.
pub fn run(workflow: &Workflow, options: RunOptions<'_>, runtime: &Handle) -> Result<Finished, RunError> {
    let plan = Plan::new(workflow, &options.keep, &options.resources)?;
    let RunOptions { max_parallel, cancel, mut observers, grace, seed, .. } = options;
    let (clock, started) = (Instant::now(), Timestamp::now());
    let run_id: Arc<str> = run_id(started).into();
    let limits = Limits {
        slots: max_parallel.max(1),
        grace,
        seed: seed.unwrap_or_else(|| rand::rng().random()),
        record_events: !observers.is_empty(),
    };
    let slots = limits.slots;
    let events = limits.record_events.then(|| Arc::new(Queue::new(Arc::clone(&run_id), started)));
    let schedule = Schedule::new(workflow, plan, limits);
    let engine = Arc::new(Engine {
        state: Mutex::new(EngineState {
            schedule: Some(schedule),
            workers: 0,
            idle: 0,
            minded: None,
            asynchronous: HashMap::new(),
            spawn_error: None,
        }),
        work: Condvar::new(),
        minder: Condvar::new(),
        clock,
        slots,
        runtime: runtime.clone(),
        events: events.clone(),
    });
    let watcher = {
        let engine = Arc::downgrade(&engine);
        runtime.spawn(async move {
            cancel.cancelled().await;
            if let Some(engine) = engine.upgrade() {
                engine.cancel();
            }
        })
    };
    let schedule = std::thread::scope(|scope| {
        if let Some(events) = &events {
            let telling = std::thread::Builder::new().name("bowstring-events".into());
            let observers = &mut observers;
            telling.spawn_scoped(scope, move || events.deliver(observers)).map_err(RunError::Thread)?;
        }
        let schedule = engine.mind();
        if let Some(events) = &events {
            events.close();
        }
        schedule
    });
    watcher.abort();
    let (report, values) = schedule?.into_report(run_id, workflow.name.clone());
    Ok(Finished { report, outputs: values.into_iter().collect() })
}

/// Sortable by time, and unique among all runs.
fn run_id(started: Timestamp) -> String {
    format!("{}-{:08x}", started.strftime("%Y%m%dT%H%M%SZ"), rand::rng().random::<u32>())
}

struct Engine {
    state: Mutex<EngineState>,
    /// Engine threads wait here for something to do.
    work: Condvar,
    /// The thread that minds the timers waits here.
    minder: Condvar,
    clock: Instant,
    slots: usize,
    runtime: Handle,
    events: Option<Arc<Queue>>,
}

struct EngineState {
    /// `None` once the run is over and its report is being made.
    schedule: Option<Schedule>,
    /// Engine threads that can take work; abandoned ones do not count.
    workers: usize,
    /// Those of them that wait.
    idle: usize,
    /// The alarm that the minder knows of.
    minded: Option<Duration>,
    asynchronous: HashMap<(usize, u32), AbortHandle>,
    spawn_error: Option<std::io::Error>,
}

impl Engine {
    fn lock(&self) -> MutexGuard<'_, EngineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Hands out events, wakes or starts whoever is needed, and lets go of the lock.
    fn release(self: &Arc<Self>, mut state: MutexGuard<'_, EngineState>) {
        let mut garbage = Vec::new();
        if let Some(schedule) = &mut state.schedule {
            if let Some(events) = &self.events {
                events.push(&mut schedule.events);
            }
            garbage = std::mem::take(&mut schedule.garbage);
            let (done, work, alarm) = (schedule.is_done(), schedule.has_work(), schedule.next_alarm());
            if done {
                self.minder.notify_all();
                self.work.notify_all();
            } else {
                if alarm.is_some_and(|alarm| state.minded.is_none_or(|minded| alarm < minded)) {
                    self.minder.notify_all();
                }
                if work && state.idle > 0 {
                    self.work.notify_one();
                } else if work && state.workers < self.slots {
                    self.start_worker(&mut state);
                }
            }
        }
        drop(state);
        drop(garbage);
    }

    fn start_worker(self: &Arc<Self>, state: &mut EngineState) {
        let engine = Arc::clone(self);
        let thread = std::thread::Builder::new().name("bowstring-step".into());
        match thread.spawn(move || engine.worker()) {
            Ok(_detached) => state.workers += 1,
            // Fewer threads than slots are enough as long as there is one.
            Err(error) if state.workers == 0 => {
                state.spawn_error = Some(error);
                self.minder.notify_all();
            }
            Err(_) => {}
        }
    }

    /// Minds timers until the run is over, and takes its schedule.
    fn mind(self: &Arc<Self>) -> Result<Schedule, RunError> {
        loop {
            let mut state = self.lock();
            let now = self.now();
            let abandoned = state.schedule.as_mut().map(|schedule| schedule.tick(now)).unwrap_or_default();
            for attempt in abandoned {
                match state.asynchronous.remove(&attempt) {
                    Some(task) => task.abort(),
                    None => state.workers -= 1,
                }
            }
            self.release(state);

            let mut state = self.lock();
            if let Some(error) = state.spawn_error.take() {
                if let Some(schedule) = &mut state.schedule {
                    schedule.cancel(now);
                }
                state.schedule = None;
                return Err(RunError::Thread(error));
            }
            let Some(schedule) = &mut state.schedule else { continue };
            if schedule.is_done() {
                state = self
                    .minder
                    .wait_while(state, |state| state.workers > 0)
                    .unwrap_or_else(PoisonError::into_inner);
                match state.schedule.take() {
                    Some(schedule) => return Ok(schedule),
                    None => continue,
                }
            }
            let alarm = schedule.next_alarm();
            state.minded = alarm;
            drop(match alarm {
                None => self.minder.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(alarm) => {
                    let wait = alarm.saturating_sub(self.now());
                    self.minder.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
            });
        }
    }

    fn cancel(self: &Arc<Self>) {
        let mut state = self.lock();
        let now = self.now();
        if let Some(schedule) = &mut state.schedule {
            schedule.cancel(now);
        }
        self.release(state);
    }

    fn worker(self: Arc<Self>) {
        let mut state = self.lock();
        let mut told = true;
        loop {
            let now = self.now();
            let Some(schedule) = state.schedule.as_mut().filter(|schedule| !schedule.is_done()) else {
                break;
            };
            let Some(job) = schedule.next(now) else {
                if !told {
                    self.release(state);
                    state = self.lock();
                    told = true;
                    continue;
                }
                state.idle += 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            self.release(state);
            told = false;
            let (unit, attempt) = (job.unit, job.attempt);
            match self.begin(job) {
                Begun::Done(outcome) => {
                    state = self.lock();
                    if self.finish(&mut state, unit, attempt, outcome) == Taken::TooLate {
                        // Another thread took this one's place when the attempt was abandoned.
                        return;
                    }
                }
                Begun::Pending(future) => {
                    state = self.lock();
                    let engine = Arc::clone(&self);
                    let task = self.runtime.spawn(async move {
                        let outcome = future.await;
                        let mut state = engine.lock();
                        state.asynchronous.remove(&(unit, attempt));
                        engine.finish(&mut state, unit, attempt, outcome);
                        engine.release(state);
                    });
                    state.asynchronous.insert((unit, attempt), task.abort_handle());
                }
            }
        }
        state.workers -= 1;
        self.release(state);
    }

    fn begin(self: &Arc<Self>, job: Job) -> Begun {
        let progress = |step: &Arc<str>| -> Arc<dyn Progress> {
            match &self.events {
                None => Arc::new(Unheard),
                Some(events) => Arc::new(Told {
                    step: Arc::clone(step),
                    events: Arc::clone(events),
                    clock: self.clock,
                    next: AtomicU64::new(0),
                }),
            }
        };
        job.begin(&progress, &|future| self.runtime.block_on(future))
    }

    fn finish(&self, state: &mut EngineState, unit: usize, attempt: u32, outcome: Outcome) -> Taken {
        let now = self.now();
        match &mut state.schedule {
            Some(schedule) => schedule.finished(unit, attempt, outcome, now),
            None => Taken::TooLate,
        }
    }
}

struct Unheard;

impl Progress for Unheard {
    fn report(&self, _done: u64, _total: Option<u64>, _unit: &'static str) {}
}

/// Tells of a step's progress, at most ten times a second.
struct Told {
    step: Arc<str>,
    events: Arc<Queue>,
    clock: Instant,
    next: AtomicU64,
}

impl Progress for Told {
    fn report(&self, done: u64, total: Option<u64>, unit: &'static str) {
        const APART_MS: u64 = 100;
        let now = self.clock.elapsed();
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let next = self.next.load(Ordering::Relaxed);
        let swap = |next| {
            let after = millis.saturating_add(APART_MS);
            self.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
        };
        if millis >= next && swap(next).is_ok() {
            let step = Arc::clone(&self.step);
            self.events.push(&mut vec![(now, EventKind::StepProgress { step, done, total, unit })]);
        }
    }
}
