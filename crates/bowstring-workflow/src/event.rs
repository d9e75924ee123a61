//! What happens in a run, as it happens, and who is told?
//!
//! Events are gathered while the scheduler's lock is held and delivered by a thread of their own, so
//! that a slow observer delays nobody, and may itself run a workflow.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::report::{Failure, Millis, Status, StepReport};

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, in UTC.
    pub timestamp: Timestamp,
    /// In which run.
    pub run_id: Arc<str>,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The run began.
    RunStarted {
        /// The workflow's name.
        name: Arc<str>,
        /// Its number of steps.
        total_steps: usize,
    },
    /// An attempt of a step began.
    StepStarted {
        /// The step.
        step: Arc<str>,
        /// 1 for the first.
        attempt: u32,
    },
    /// A running step told how far it is.
    StepProgress {
        /// The step.
        step: Arc<str>,
        /// Units done.
        done: u64,
        /// Units in all, when that is known.
        total: Option<u64>,
        /// What is counted.
        unit: &'static str,
    },
    /// An attempt failed and will be repeated.
    StepRetried {
        /// The step.
        step: Arc<str>,
        /// The attempt that failed.
        attempt: u32,
        /// The wait before the next.
        wait: Duration,
        /// Why it failed.
        error: Failure,
    },
    /// A step came to its end, or will never start.
    StepFinished {
        /// The step.
        step: Arc<str>,
        /// Its row of the report.
        report: StepReport,
    },
    /// The run ended.
    RunFinished {
        /// How.
        status: Status,
        /// How long it took.
        execution_time: Duration,
    },
}

impl EventKind {
    /// The name in the stream of events.
    pub fn name(&self) -> &'static str {
        match self {
            EventKind::RunStarted { .. } => "run_started",
            EventKind::StepStarted { .. } => "step_started",
            EventKind::StepProgress { .. } => "step_progress",
            EventKind::StepRetried { .. } => "step_retried",
            EventKind::StepFinished { .. } => "step_finished",
            EventKind::RunFinished { .. } => "run_finished",
        }
    }

    /// The step that it is about.
    pub fn step(&self) -> Option<&Arc<str>> {
        match self {
            EventKind::StepStarted { step, .. }
            | EventKind::StepProgress { step, .. }
            | EventKind::StepRetried { step, .. }
            | EventKind::StepFinished { step, .. } => Some(step),
            EventKind::RunStarted { .. } | EventKind::RunFinished { .. } => None,
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("event", self.kind.name())?;
        map.serialize_entry("timestamp", &format_args!("{:.6}", self.timestamp))?;
        map.serialize_entry("run_id", &self.run_id)?;
        if let Some(step) = self.kind.step() {
            map.serialize_entry("step", step)?;
        }
        match &self.kind {
            EventKind::RunStarted { name, total_steps } => {
                map.serialize_entry("name", name)?;
                map.serialize_entry("total_steps", total_steps)?;
            }
            EventKind::StepStarted { attempt, .. } => map.serialize_entry("attempt", attempt)?,
            EventKind::StepProgress { done, total, unit, .. } => {
                map.serialize_entry("done", done)?;
                map.serialize_entry("total", total)?;
                map.serialize_entry("unit", unit)?;
            }
            EventKind::StepRetried { attempt, wait, error, .. } => {
                map.serialize_entry("attempt", attempt)?;
                map.serialize_entry("wait_ms", &Millis(*wait))?;
                map.serialize_entry("error", error)?;
            }
            EventKind::StepFinished { report, .. } => map.serialize_entry("report", report)?,
            EventKind::RunFinished { status, execution_time } => {
                map.serialize_entry("status", status)?;
                map.serialize_entry("execution_time_ms", &Millis(*execution_time))?;
            }
        }
        map.end()
    }
}

/// Is told what happens. Called from one thread of its own, in the order of events; the run waits at
/// its end until everything was told.
pub trait Observer: Send {
    /// Takes an event.
    fn observe(&mut self, event: &Event);
}

impl<F: FnMut(&Event) + Send> Observer for F {
    fn observe(&mut self, event: &Event) {
        self(event);
    }
}

/// Where events wait until they are told: nothing is gathered when nobody listens.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    started: Timestamp,
    run_id: Arc<str>,
}

#[derive(Default)]
struct Waiting {
    events: Vec<(Duration, EventKind)>,
    closed: bool,
}

/// Events that come within this time of the first are told together, so that a run of very many very
/// short steps is not slowed by waking the observers' thread for each.
const TOGETHER: Duration = Duration::from_millis(4);

impl Queue {
    pub(crate) fn new(run_id: Arc<str>, started: Timestamp) -> Self {
        Self { waiting: Mutex::default(), changed: Condvar::new(), started, run_id }
    }

    /// Adds events that happened so long after the start of the run; `events` is left empty.
    pub(crate) fn push(&self, events: &mut Vec<(Duration, EventKind)>) {
        if events.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.events.is_empty();
        waiting.events.append(events);
        drop(waiting);
        if first {
            self.changed.notify_one();
        }
    }

    pub(crate) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_one();
    }

    /// Tells `observers` everything until the queue is closed and empty.
    pub(crate) fn deliver(&self, observers: &mut [Box<dyn Observer + '_>]) {
        loop {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = self
                .changed
                .wait_while(waiting, |waiting| waiting.events.is_empty() && !waiting.closed)
                .unwrap_or_else(PoisonError::into_inner);
            let (mut waiting, _) = self
                .changed
                .wait_timeout_while(waiting, TOGETHER, |waiting| !waiting.closed)
                .unwrap_or_else(PoisonError::into_inner);
            let (events, closed) = (std::mem::take(&mut waiting.events), waiting.closed);
            drop(waiting);
            if events.is_empty() && closed {
                return;
            }
            for (at, kind) in events {
                let after = SignedDuration::try_from(at).unwrap_or(SignedDuration::MAX);
                let timestamp = self.started.checked_add(after).unwrap_or(Timestamp::MAX);
                let event = Event { timestamp, run_id: Arc::clone(&self.run_id), kind };
                observers.iter_mut().for_each(|observer| observer.observe(&event));
            }
        }
    }
}
