//! Which unit starts next, and what does an attempt's end mean?
//!
//! A state machine without threads and without a clock: whoever drives it says what time it is, in
//! time since the start of the run, and carries out the jobs that it hands out. The real driver is
//! [`crate::run`]; tests drive it with simulated time.
//!
//! There is one queue of ready units, ordered by the longest remaining path and then by declaration,
//! kept in one heap for each distinct need of resources, so that a unit which does not fit holds up
//! none that does.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc, time::Duration};

use bowstring_core::{Cancel, ErrorKind, quoted_list, units::format_duration};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::{
    attempt::{Job, Member, Outcome, Source},
    event::EventKind,
    plan::{Plan, Unit},
    report::{Failure, Millis, Report, RunFailure, State, Status, StepReport},
    step::{Output, Role, StepError},
    value::Value,
    workflow::{OnFailure, Retry, Workflow},
};

/// The values of kept steps; `None` where a step made none.
pub(crate) type KeptValues = Vec<(Arc<str>, Option<Value>)>;

/// Time since the start of the run.
pub(crate) type Time = Duration;

/// What a run is allowed.
pub(crate) struct Limits {
    /// Most units that run at one time.
    pub(crate) slots: usize,
    /// How long a step that was asked to stop may take before it is abandoned.
    pub(crate) grace: Duration,
    /// Decides the jitter of retries.
    pub(crate) seed: u64,
    /// Whether events are gathered.
    pub(crate) record_events: bool,
}

pub(crate) struct Schedule {
    plan: Plan,
    limits: Limits,
    units: Vec<UnitState>,
    ready: Vec<BinaryHeap<(u32, Reverse<usize>)>>,
    num_ready: usize,
    free: Vec<u64>,
    running: usize,
    peak: usize,
    unfinished: usize,
    timers: BinaryHeap<Reverse<(Time, usize, u32, Alarm)>>,
    steps: Vec<StepState>,
    cancel: Cancel,
    stop: Option<Stop>,
    first_failure: Option<RunFailure>,
    rng: SmallRng,
    ended: Option<Time>,
    /// Events since the driver last took them.
    pub(crate) events: Vec<(Time, EventKind)>,
    /// Values that nobody needs any more, for the driver to drop without its lock.
    pub(crate) garbage: Vec<Value>,
}

struct UnitState {
    phase: Phase,
    missing: usize,
    attempts: u32,
    ready_at: Time,
    queued: Option<Duration>,
    ran: Duration,
    last_error: Option<(usize, Failure)>,
}

enum Phase {
    Waiting,
    Ready,
    Running { since: Time, cancel: Cancel, asked: Option<Asked> },
    Backoff,
    Finished,
}

/// Why a running attempt was asked to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Timeout,
    Stop,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Failed,
    Cancelled,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Timeout,
    Retry,
    GiveUp,
}

struct StepState {
    name: Arc<str>,
    spec: Arc<dyn crate::step::Step>,
    inputs: Vec<(String, usize)>,
    consumers: usize,
    kept: bool,
    value: Option<Value>,
    report: Option<StepReport>,
}

/// Whether an attempt's end was taken, or came after the attempt was abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    InTime,
    TooLate,
}

impl Schedule {
    pub(crate) fn new(workflow: &Workflow, plan: Plan, limits: Limits) -> Self {
        let steps = workflow
            .steps
            .iter()
            .enumerate()
            .map(|(at, step)| StepState {
                name: Arc::clone(&step.name),
                spec: Arc::clone(&step.step),
                inputs: step.inputs.clone(),
                consumers: plan.consumers[at],
                kept: plan.kept[at],
                value: None,
                report: None,
            })
            .collect();
        let units = plan.units.iter().map(UnitState::new).collect();
        let mut schedule = Self {
            units,
            ready: vec![BinaryHeap::new(); plan.needs.len()],
            num_ready: 0,
            free: plan.totals.clone(),
            running: 0,
            peak: 0,
            unfinished: plan.units.len(),
            timers: BinaryHeap::new(),
            steps,
            cancel: Cancel::new(),
            stop: None,
            first_failure: None,
            rng: SmallRng::seed_from_u64(limits.seed),
            ended: None,
            events: Vec::new(),
            garbage: Vec::new(),
            plan,
            limits,
        };
        let total_steps = schedule.steps.len();
        schedule.record(Time::ZERO, || EventKind::RunStarted {
            name: workflow.name.as_str().into(),
            total_steps,
        });
        for unit in 0..schedule.units.len() {
            if schedule.units[unit].missing == 0 {
                schedule.make_ready(unit, Time::ZERO);
            }
        }
        schedule.end_if_done(Time::ZERO);
        schedule
    }

    fn record(&mut self, at: Time, event: impl FnOnce() -> EventKind) {
        if self.limits.record_events {
            self.events.push((at, event()));
        }
    }

    /// Whether nothing runs and nothing will.
    pub(crate) fn is_done(&self) -> bool {
        self.unfinished == 0
    }

    /// Whether a unit may be able to start, so that it is worth asking [`Schedule::next`].
    pub(crate) fn has_work(&self) -> bool {
        self.num_ready > 0 && self.running < self.limits.slots
    }

    /// When [`Schedule::tick`] has something to do next.
    pub(crate) fn next_alarm(&mut self) -> Option<Time> {
        while let Some(Reverse((at, unit, attempt, alarm))) = self.timers.peek().copied() {
            if self.is_current(unit, attempt, alarm) {
                return Some(at);
            }
            self.timers.pop();
        }
        None
    }

    fn is_current(&self, unit: usize, attempt: u32, alarm: Alarm) -> bool {
        let state = &self.units[unit];
        state.attempts == attempt
            && match (&state.phase, alarm) {
                (Phase::Backoff, Alarm::Retry) | (Phase::Running { asked: None, .. }, Alarm::Timeout) => true,
                (Phase::Running { asked, .. }, Alarm::GiveUp) => asked.is_some(),
                _ => false,
            }
    }

    fn make_ready(&mut self, unit: usize, now: Time) {
        let state = &mut self.units[unit];
        state.phase = Phase::Ready;
        state.ready_at = now;
        self.ready[self.plan.units[unit].queue].push((self.plan.units[unit].priority, Reverse(unit)));
        self.num_ready += 1;
    }

    /// Takes the most urgent unit that fits, and counts it as running from now on.
    pub(crate) fn next(&mut self, now: Time) -> Option<Job> {
        if !self.has_work() {
            return None;
        }
        let fits = |queue: &usize| self.plan.needs[*queue].iter().all(|(at, need)| self.free[*at] >= *need);
        let queue = (0..self.ready.len())
            .filter(fits)
            .filter_map(|queue| Some((self.ready[queue].peek()?, queue)))
            .max()
            .map(|(_, queue)| queue)?;
        let (_, Reverse(unit)) = self.ready[queue].pop()?;
        self.num_ready -= 1;
        for (at, need) in &self.plan.needs[queue] {
            self.free[*at] -= need;
        }
        self.running += 1;
        self.peak = self.peak.max(self.running);

        let cancel = self.cancel.child();
        let state = &mut self.units[unit];
        state.attempts += 1;
        let attempt = state.attempts;
        state.queued.get_or_insert(now.saturating_sub(state.ready_at));
        state.phase = Phase::Running { since: now, cancel: cancel.clone(), asked: None };
        if let Some(timeout) = self.plan.units[unit].timeout {
            self.timers.push(Reverse((now.saturating_add(timeout), unit, attempt, Alarm::Timeout)));
        }
        let members = self.members(unit);
        if self.limits.record_events {
            let names = members.iter().map(|member| Arc::clone(&member.name));
            self.events.extend(names.map(|step| (now, EventKind::StepStarted { step, attempt })));
        }
        Some(Job { unit, attempt, cancel, members })
    }

    fn members(&self, unit: usize) -> Vec<Member> {
        let Unit { members, lazy, .. } = &self.plan.units[unit];
        let last = members.len() - 1;
        members
            .iter()
            .enumerate()
            .map(|(at, step)| {
                let state = &self.steps[*step];
                let source = |input: &usize| match members[..at].iter().position(|member| member == input) {
                    Some(member) => Some(Source::Member(member)),
                    None => self.steps[*input].value.clone().map(Source::Value),
                };
                Member {
                    name: Arc::clone(&state.name),
                    step: Arc::clone(&state.spec),
                    role: if at < last || *lazy { Role::Fused } else { Role::Boundary },
                    inputs: state
                        .inputs
                        .iter()
                        .filter_map(|(name, input)| Some((name.clone(), source(input)?)))
                        .collect(),
                }
            })
            .collect()
    }

    /// Takes what an attempt came to.
    pub(crate) fn finished(&mut self, unit: usize, attempt: u32, outcome: Outcome, now: Time) -> Taken {
        let state = &mut self.units[unit];
        let Phase::Running { since, asked, .. } = state.phase else { return Taken::TooLate };
        if state.attempts != attempt {
            return Taken::TooLate;
        }
        state.ran += now.saturating_sub(since);
        self.release(unit);
        match (outcome, asked) {
            (_, Some(Asked::Timeout)) => self.timed_out(unit, "", now),
            (Ok(output), _) => self.succeeded(unit, output, now),
            (Err((member, error)), Some(Asked::Stop)) if error.kind == ErrorKind::Cancelled => {
                self.stopped(unit, member, now);
            }
            (Err((member, error)), _) => self.failed_once(unit, member, error, now),
        }
        self.end_if_done(now);
        Taken::InTime
    }

    fn release(&mut self, unit: usize) {
        self.running -= 1;
        for (at, need) in &self.plan.needs[self.plan.units[unit].queue] {
            self.free[*at] += need;
        }
    }

    fn timed_out(&mut self, unit: usize, more: &str, now: Time) {
        let limit = self.plan.units[unit].timeout.unwrap_or_default();
        let last = self.plan.units[unit].members.len() - 1;
        let message = format!("the attempt took longer than its timeout of {}{more}", format_duration(limit));
        let error = StepError::new(ErrorKind::Timeout, message).with_hint("raise the step's `timeout`");
        self.failed_once(unit, last, error, now);
    }

    fn succeeded(&mut self, unit: usize, output: Output, now: Time) {
        self.units[unit].phase = Phase::Finished;
        self.unfinished -= 1;
        let Unit { members, dependants, .. } = &self.plan.units[unit];
        let boundary = self.plan.units[unit].boundary();
        let (members, dependants) = (members.clone(), dependants.clone());
        let Output { value, rows, bytes, peak_memory, fused } = output;
        for &step in members.iter().filter(|step| **step != boundary) {
            let metrics = fused.iter().find(|metrics| *metrics.step == *self.steps[step].name);
            let mut report = self.row(unit, step, State::Succeeded);
            report.rows = metrics.and_then(|metrics| metrics.rows);
            report.run_ms = metrics.and_then(|metrics| metrics.run_time).map(Millis);
            self.report(step, report, now);
        }
        let report = StepReport { rows, bytes, peak_memory, ..self.row(unit, boundary, State::Succeeded) };
        self.report(boundary, report, now);

        let state = &mut self.steps[boundary];
        if state.consumers > 0 || state.kept {
            state.value = value;
        } else {
            self.garbage.extend(value);
        }
        self.let_go_of_inputs(unit);
        for next in dependants {
            let waiting = &mut self.units[next];
            waiting.missing = waiting.missing.saturating_sub(1);
            if waiting.missing == 0 && matches!(waiting.phase, Phase::Waiting) {
                self.make_ready(next, now);
            }
        }
    }

    /// A unit that reached its end needs its inputs no more.
    fn let_go_of_inputs(&mut self, unit: usize) {
        for at in 0..self.plan.units[unit].reads.len() {
            let state = &mut self.steps[self.plan.units[unit].reads[at]];
            state.consumers -= 1;
            if state.consumers == 0 && !state.kept {
                self.garbage.extend(state.value.take());
            }
        }
    }

    fn failed_once(&mut self, unit: usize, member: usize, error: StepError, now: Time) {
        let member = self.culprit(unit, member, error.step.as_deref());
        let failure = self.failure(unit, error);
        let attempts = self.units[unit].attempts;
        let Retry { max_attempts, on, .. } = &self.plan.units[unit].retry;
        let covered = on.is_empty() || on.contains(&failure.kind);
        if self.stop.is_none() && covered && attempts < *max_attempts {
            let wait = self.wait(unit, attempts);
            let boundary = Arc::clone(&self.steps[self.plan.units[unit].boundary()].name);
            let state = &mut self.units[unit];
            state.phase = Phase::Backoff;
            state.last_error = Some((member, failure.clone()));
            self.timers.push(Reverse((now.saturating_add(wait), unit, attempts, Alarm::Retry)));
            self.record(now, || EventKind::StepRetried {
                step: boundary,
                attempt: attempts,
                wait,
                error: failure,
            });
        } else {
            self.failed(unit, member, failure, now);
        }
    }

    /// The member that an error belongs to: the one that it names, else the one that raised it.
    fn culprit(&self, unit: usize, raised_in: usize, named: Option<&str>) -> usize {
        let members = &self.plan.units[unit].members;
        let position = |name: &str| members.iter().position(|step| *self.steps[*step].name == *name);
        named.and_then(position).unwrap_or(raised_in)
    }

    fn failure(&self, unit: usize, error: StepError) -> Failure {
        let StepError { kind, mut message, place, hint, .. } = error;
        if let Some(place) = place {
            message = format!("{message}\n  at {place}");
        }
        let members = &self.plan.units[unit].members;
        if members.len() > 1 {
            let names = members.iter().map(|step| &*self.steps[*step].name);
            message = format!("{message}\n  in the chain {}", quoted_list(names));
        }
        // Only the run itself can be cancelled: a step that says so of its own accord has failed.
        let kind = if kind == ErrorKind::Cancelled { ErrorKind::Failed } else { kind };
        Failure { kind, message, hint }
    }

    /// The wait before the attempt after `attempts`: the backoff, doubled for each further attempt,
    /// at most the longest, changed at random by the fraction that jitter allows.
    fn wait(&mut self, unit: usize, attempts: u32) -> Duration {
        let Retry { backoff, max_backoff, jitter, .. } = self.plan.units[unit].retry;
        let doubled =
            2u32.checked_pow(attempts.saturating_sub(1)).and_then(|factor| backoff.checked_mul(factor));
        let wait = doubled.unwrap_or(max_backoff).min(max_backoff);
        let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
        let factor = 1.0 + jitter * self.rng.random_range(-1.0..=1.0);
        Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(wait)
    }

    fn failed(&mut self, unit: usize, member: usize, failure: Failure, now: Time) {
        let state = match failure.kind {
            ErrorKind::Timeout => State::TimedOut,
            _ => State::Failed,
        };
        let step = self.plan.units[unit].members.get(member).copied().unwrap_or_default();
        let name = Arc::clone(&self.steps[step].name);
        if self.stop != Some(Stop::Cancelled) {
            self.first_failure.get_or_insert_with(|| RunFailure { step: name, error: failure.clone() });
        }
        self.end_unit(unit, member, state, Some(failure), now);
        match self.plan.units[unit].on_failure {
            OnFailure::Continue => self.skip_dependants(unit, now),
            OnFailure::Fail => self.stop(Stop::Failed, now),
        }
    }

    fn stopped(&mut self, unit: usize, member: usize, now: Time) {
        self.end_unit(unit, member, State::Cancelled, None, now);
        self.skip_dependants(unit, now);
    }

    /// Ends a unit that was started and did not succeed. The steps of its chain before `member` were
    /// stopped, those after it never started.
    fn end_unit(&mut self, unit: usize, member: usize, state: State, failure: Option<Failure>, now: Time) {
        self.units[unit].phase = Phase::Finished;
        self.unfinished -= 1;
        for at in 0..self.plan.units[unit].members.len() {
            let step = self.plan.units[unit].members[at];
            let report = match at.cmp(&member) {
                std::cmp::Ordering::Less => self.row(unit, step, State::Cancelled),
                std::cmp::Ordering::Equal => {
                    StepReport { error: failure.clone(), ..self.row(unit, step, state) }
                }
                std::cmp::Ordering::Greater => skipped(),
            };
            self.report(step, report, now);
        }
        self.let_go_of_inputs(unit);
    }

    fn skip_dependants(&mut self, unit: usize, now: Time) {
        let mut stack = self.plan.units[unit].dependants.clone();
        while let Some(next) = stack.pop() {
            if matches!(self.units[next].phase, Phase::Waiting) {
                self.skip(next, now);
                stack.extend(&self.plan.units[next].dependants);
            }
        }
    }

    fn skip(&mut self, unit: usize, now: Time) {
        self.units[unit].phase = Phase::Finished;
        self.unfinished -= 1;
        for at in 0..self.plan.units[unit].members.len() {
            self.report(self.plan.units[unit].members[at], skipped(), now);
        }
        self.let_go_of_inputs(unit);
    }

    /// Asks all that runs to stop, and lets nothing new start.
    fn stop(&mut self, why: Stop, now: Time) {
        if self.stop.is_some() {
            return;
        }
        self.stop = Some(why);
        self.cancel.cancel();
        self.ready.iter_mut().for_each(BinaryHeap::clear);
        self.num_ready = 0;
        let give_up = now.saturating_add(self.limits.grace);
        for unit in 0..self.units.len() {
            let attempts = self.units[unit].attempts;
            match &mut self.units[unit].phase {
                Phase::Running { asked: asked @ None, .. } => {
                    *asked = Some(Asked::Stop);
                    self.timers.push(Reverse((give_up, unit, attempts, Alarm::GiveUp)));
                }
                Phase::Waiting | Phase::Ready | Phase::Backoff if attempts == 0 => self.skip(unit, now),
                Phase::Waiting | Phase::Ready | Phase::Backoff => self.stop_between_attempts(unit, now),
                Phase::Running { .. } | Phase::Finished => {}
            }
        }
    }

    /// A unit that waited for its next attempt ends with what its last one came to.
    fn stop_between_attempts(&mut self, unit: usize, now: Time) {
        let (member, failure) = self.units[unit].last_error.take().unzip();
        self.end_unit(unit, member.unwrap_or_default(), State::Cancelled, failure, now);
    }

    /// The run was asked to stop from outside.
    pub(crate) fn cancel(&mut self, now: Time) {
        if !self.is_done() {
            self.stop(Stop::Cancelled, now);
            self.end_if_done(now);
        }
    }

    /// Does what is due: ends waits, asks attempts over their time to stop, abandons those that did
    /// not heed. Returns the abandoned ones.
    pub(crate) fn tick(&mut self, now: Time) -> Vec<(usize, u32)> {
        let mut abandoned = Vec::new();
        while let Some(at) = self.next_alarm()
            && at <= now
        {
            let Some(Reverse((_, unit, attempt, alarm))) = self.timers.pop() else { break };
            match alarm {
                Alarm::Retry => self.make_ready(unit, now),
                Alarm::Timeout => {
                    if let Phase::Running { cancel, asked, .. } = &mut self.units[unit].phase {
                        *asked = Some(Asked::Timeout);
                        cancel.cancel();
                    }
                    let give_up = now.saturating_add(self.limits.grace);
                    self.timers.push(Reverse((give_up, unit, attempt, Alarm::GiveUp)));
                }
                Alarm::GiveUp => {
                    abandoned.push((unit, attempt));
                    self.abandon(unit, now);
                }
            }
        }
        self.end_if_done(now);
        abandoned
    }

    fn abandon(&mut self, unit: usize, now: Time) {
        let state = &mut self.units[unit];
        let Phase::Running { since, asked, .. } = state.phase else { return };
        state.ran += now.saturating_sub(since);
        // The attempt's late result must find nothing that waits for it.
        state.phase = Phase::Backoff;
        self.release(unit);
        let grace = format_duration(self.limits.grace);
        if asked == Some(Asked::Timeout) {
            let more = format!("; asked to stop, it did not within {grace} and was abandoned");
            self.timed_out(unit, &more, now);
        } else {
            let last = self.plan.units[unit].members.len() - 1;
            let message = format!("asked to stop, the step did not within {grace} and was abandoned");
            let failure = Failure { kind: ErrorKind::Cancelled, message, hint: None };
            self.end_unit(unit, last, State::Cancelled, Some(failure), now);
            self.skip_dependants(unit, now);
        }
    }

    fn row(&self, unit: usize, step: usize, state: State) -> StepReport {
        let timing = &self.units[unit];
        let boundary = self.plan.units[unit].boundary();
        let own = boundary == step;
        StepReport {
            state,
            attempts: timing.attempts,
            queue_ms: timing.queued.filter(|_| own).map(Millis),
            run_ms: Some(Millis(timing.ran)).filter(|_| own),
            rows: None,
            bytes: None,
            peak_memory: None,
            fused_into: (!own).then(|| Arc::clone(&self.steps[boundary].name)),
            error: None,
        }
    }

    fn report(&mut self, step: usize, report: StepReport, now: Time) {
        let name = Arc::clone(&self.steps[step].name);
        if self.limits.record_events {
            self.events.push((now, EventKind::StepFinished { step: name, report: report.clone() }));
        }
        self.steps[step].report = Some(report);
    }

    fn end_if_done(&mut self, now: Time) {
        if self.is_done() && self.ended.is_none() {
            self.ended = Some(now);
            let status = self.status();
            self.record(now, || EventKind::RunFinished { status, execution_time: now });
        }
    }

    fn status(&self) -> Status {
        let done = |step: &StepState| {
            step.report.as_ref().is_some_and(|row| matches!(row.state, State::Succeeded | State::Cached))
        };
        if self.first_failure.is_some() {
            Status::Failed
        } else if self.steps.iter().all(done) {
            Status::Completed
        } else {
            Status::Cancelled
        }
    }

    /// The report, and the values that were kept, by step.
    pub(crate) fn into_report(self, run_id: Arc<str>, name: String) -> (Report, KeptValues) {
        let status = self.status();
        let mut values = Vec::new();
        let mut steps = Vec::with_capacity(self.steps.len());
        for state in self.steps {
            if state.kept {
                values.push((Arc::clone(&state.name), state.value));
            }
            steps.push((state.name, state.report.unwrap_or_else(skipped)));
        }
        let count = |states: &[State]| steps.iter().filter(|(_, row)| states.contains(&row.state)).count();
        let report = Report {
            run_id,
            name,
            status,
            execution_time_ms: Millis(self.ended.unwrap_or_default()),
            total_steps: steps.len(),
            steps_executed: steps.iter().filter(|(_, row)| row.attempts > 0).count(),
            cached_steps: count(&[State::Cached]),
            failed_steps: count(&[State::Failed, State::TimedOut]),
            skipped_steps: count(&[State::Skipped]),
            peak_parallelism: self.peak,
            error: self.first_failure,
            steps,
        };
        (report, values)
    }
}

impl UnitState {
    fn new(unit: &Unit) -> Self {
        Self {
            phase: Phase::Waiting,
            missing: unit.waits_for,
            attempts: 0,
            ready_at: Time::ZERO,
            queued: None,
            ran: Duration::ZERO,
            last_error: None,
        }
    }
}

fn skipped() -> StepReport {
    StepReport {
        state: State::Skipped,
        attempts: 0,
        queue_ms: None,
        run_ms: None,
        rows: None,
        bytes: None,
        peak_memory: None,
        fused_into: None,
        error: None,
    }
}

#[cfg(test)]
#[path = "simulation.rs"]
mod simulation;
