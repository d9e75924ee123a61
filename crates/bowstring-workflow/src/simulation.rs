//! The schedule under simulated time: random graphs whose steps take random times, fail, panic, hang,
//! and are cancelled at random moments. After every move the rules are checked against what a
//! spectator, who keeps books of his own, has seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::resume_unwind,
    sync::Arc,
    time::Duration,
};

use bowstring_core::ErrorKind;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::SliceRandom};

use super::{Limits, Schedule, Taken};
use crate::{
    attempt::{Begun, Outcome},
    plan::Plan,
    report::{Report, State, Status},
    run::Keep,
    step::{Fusion, InputSpec, Inputs, Output, Progress, Step, StepContext, StepError, Work},
    value::{Value, ValueType},
    workflow::{OnFailure, Retry, StepSpec, Workflow},
};

const TABLE: ValueType = ValueType("table");

/// What one attempt of a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    Succeeds,
    Fails(ErrorKind),
    Panics,
}

struct Simulated {
    expected_inputs: usize,
    fusion: Fusion,
    behaviours: Vec<Behaviour>,
    takes: Duration,
    heeds: bool,
}

impl Simulated {
    fn behaviour(&self, attempt: u32) -> Behaviour {
        self.behaviours[attempt as usize % self.behaviours.len()]
    }
}

struct Asks(Arc<Simulated>);

impl Step for Asks {
    fn inputs(&self) -> InputSpec {
        InputSpec::Many { least: 0, types: vec![TABLE] }
    }

    fn output(&self) -> Option<ValueType> {
        Some(TABLE)
    }

    fn fusion(&self) -> Fusion {
        self.0.fusion
    }

    fn run(self: Arc<Self>, inputs: Inputs, context: StepContext) -> Work {
        assert_eq!(inputs.0.len(), self.0.expected_inputs, "every input is there");
        let behaviour = self.0.behaviour(context.attempt);
        Work::blocking(move || match behaviour {
            Behaviour::Succeeds => {
                Ok(Output { value: Some(Value::new(TABLE, 1)), rows: Some(1), ..Output::default() })
            }
            Behaviour::Fails(kind) => Err(StepError::new(kind, "planned")),
            Behaviour::Panics => resume_unwind(Box::new("planned")),
        })
    }
}

struct Case {
    workflow: Workflow,
    steps: Vec<Arc<Simulated>>,
    keep: Keep,
    totals: BTreeMap<String, u64>,
    slots: usize,
    grace: Duration,
    cancelled_at: Option<Duration>,
}

fn case(seed: u64) -> Case {
    let mut rng = SmallRng::seed_from_u64(seed);
    let count = rng.random_range(1..=30);
    // From hardly any dependency to a dense graph.
    let density = rng.random_range(0.0..0.5) * rng.random_range(0.0..1.0);
    let trouble = if rng.random_bool(0.3) { 0.0 } else { rng.random_range(0.0..0.4) };
    let totals = BTreeMap::from([("cpu".to_owned(), 4), ("memory".to_owned(), 1000)]);
    // Declared in an order that is not the order of dependencies.
    let mut rank: Vec<usize> = (0..count).collect();
    rank.shuffle(&mut rng);
    let mut steps = Vec::new();
    let mut specs = Vec::new();
    for at in 0..count {
        let before: Vec<usize> =
            (0..count).filter(|other| rank[*other] < rank[at] && rng.random_bool(density)).collect();
        let data = before.iter().copied().filter(|_| rng.random_bool(0.8)).collect::<Vec<_>>();
        let behaviours = (0..4)
            .map(|_| match rng.random_range(0.0..1.0) {
                chance if chance >= trouble => Behaviour::Succeeds,
                _ if rng.random_bool(0.3) => Behaviour::Panics,
                _ if rng.random_bool(0.5) => Behaviour::Fails(ErrorKind::Storage),
                _ => Behaviour::Fails(ErrorKind::Data),
            })
            .collect();
        let step = Arc::new(Simulated {
            expected_inputs: data.len(),
            fusion: match rng.random_range(0..6) {
                0 if data.is_empty() => Fusion::Scan,
                1..=3 => Fusion::Lazy,
                4 => Fusion::Sink,
                _ => Fusion::None,
            },
            behaviours,
            takes: Duration::from_micros(rng.random_range(0..50_000)),
            heeds: rng.random_bool(0.8),
        });
        let retry = rng.random_bool(0.25).then(|| Retry {
            max_attempts: rng.random_range(1..=4),
            backoff: Duration::from_millis(rng.random_range(0..40)),
            max_backoff: Duration::from_millis(rng.random_range(0..80)),
            jitter: rng.random_range(0.0..=1.0),
            on: if rng.random_bool(0.5) { vec![ErrorKind::Storage, ErrorKind::Timeout] } else { Vec::new() },
        });
        let mut resources = BTreeMap::new();
        if rng.random_bool(0.2) {
            resources.insert("cpu".to_owned(), rng.random_range(0..=4));
        }
        if rng.random_bool(0.2) {
            resources.insert("memory".to_owned(), rng.random_range(0..=1000));
        }
        specs.push(StepSpec {
            name: format!("s{at}").into(),
            type_name: "simulated".into(),
            step: Arc::new(Asks(Arc::clone(&step))),
            inputs: data.iter().map(|input| (format!("s{input}"), *input)).collect(),
            depends_on: before,
            retry,
            timeout: rng.random_bool(0.15).then(|| Duration::from_micros(rng.random_range(0..40_000))),
            resources,
            on_failure: rng.random_bool(0.35).then_some(match rng.random_bool(0.7) {
                true => OnFailure::Continue,
                false => OnFailure::Fail,
            }),
            location: String::new(),
        });
        steps.push(step);
    }
    Case {
        workflow: Workflow { name: "simulated".into(), description: None, steps: specs },
        steps,
        keep: match rng.random_range(0..3) {
            0 => Keep::Nothing,
            1 => Keep::Leaves,
            _ => Keep::All,
        },
        totals,
        slots: rng.random_range(1..=6),
        grace: Duration::from_micros(rng.random_range(0..30_000)),
        cancelled_at: rng.random_bool(0.2).then(|| Duration::from_micros(rng.random_range(0..200_000))),
    }
}

struct Running {
    ends: Duration,
    heeds: bool,
    asked: bool,
    cancel: bowstring_core::Cancel,
    outcome: Outcome,
}

struct Silent;

impl Progress for Silent {
    fn report(&self, _done: u64, _total: Option<u64>, _unit: &'static str) {}
}

/// Runs a case to its end, checking the rules at every move, and returns its report as text.
fn play(case: &Case, seed: u64) -> String {
    let plan = Plan::new(&case.workflow, &case.keep, &case.totals).unwrap();
    let limits = Limits { slots: case.slots, grace: case.grace, seed, record_events: true };
    let mut schedule = Schedule::new(&case.workflow, plan, limits);
    let mut running: BTreeMap<(usize, u32), Running> = BTreeMap::new();
    let mut ghosts: BTreeMap<(usize, u32), Running> = BTreeMap::new();
    let mut started: BTreeMap<usize, u32> = BTreeMap::new();
    let mut succeeded: BTreeSet<usize> = BTreeSet::new();
    let mut cancelled_at = case.cancelled_at;
    let mut now = Duration::ZERO;
    let mut moves = 0;
    loop {
        moves += 1;
        assert!(moves < 10_000, "the run ends");
        for attempt in schedule.tick(now) {
            let ghost = running.remove(&attempt).expect("only a running attempt is abandoned");
            assert!(ghost.asked && !ghost.heeds || ghost.ends > now, "who heeds is not abandoned");
            ghosts.insert(attempt, ghost);
        }
        if cancelled_at.is_some_and(|at| at <= now) {
            cancelled_at = None;
            schedule.cancel(now);
        }
        while let Some(job) = schedule.next(now) {
            let unit = job.unit;
            let attempts = started.entry(unit).or_default();
            *attempts += 1;
            assert_eq!(*attempts, job.attempt, "each attempt is made once");
            let members = schedule.plan.units[unit].members.clone();
            for step in &members {
                let spec = &case.workflow.steps[*step];
                let ready = |input: &usize| succeeded.contains(input) || members.contains(input);
                assert!(spec.depends_on.iter().all(ready), "no step starts before its inputs");
                assert!(!succeeded.contains(step), "what succeeded is not run again");
            }
            let takes = members.iter().map(|step| case.steps[*step].takes).sum::<Duration>();
            let heeds = members.iter().all(|step| case.steps[*step].heeds);
            let (cancel, attempt) = (job.cancel.clone(), job.attempt);
            let begun = job.begin(&|_| Arc::new(Silent), &|_| unreachable!("no step here awaits"));
            let Begun::Done(outcome) = begun else { unreachable!("no step here awaits") };
            let entry = Running { ends: now + takes, heeds, asked: false, cancel, outcome };
            running.insert((unit, attempt), entry);

            assert!(running.len() <= case.slots, "never more than the slots");
            for (at, (name, total)) in case.totals.iter().enumerate() {
                let used: u64 = running
                    .keys()
                    .map(|(unit, _)| schedule.plan.units[*unit].boundary())
                    .filter_map(|step| case.workflow.steps[step].resources.get(name))
                    .sum();
                assert!(used <= *total, "never more of {name} than there is");
                assert_eq!(schedule.free[at], total - used, "the books of {name} agree");
            }
        }
        check_nobody_waits_in_vain(case, &schedule, &running, &succeeded, &started);
        for attempt in running.values_mut().filter(|attempt| attempt.cancel.is_cancelled() && !attempt.asked)
        {
            attempt.asked = true;
            if attempt.heeds && attempt.ends > now {
                attempt.ends = now;
                attempt.outcome = Err((0, StepError::from(bowstring_core::Cancelled)));
            }
        }
        if schedule.is_done() {
            break;
        }
        let ends = running.values().map(|attempt| attempt.ends).min();
        let Some(next) = [ends, schedule.next_alarm(), cancelled_at].into_iter().flatten().min() else {
            panic!("the run is stuck")
        };
        now = now.max(next);
        let late: Vec<_> =
            ghosts.iter().filter(|(_, ghost)| ghost.ends <= now).map(|(key, _)| *key).collect();
        for (unit, attempt) in late {
            let Some(ghost) = ghosts.remove(&(unit, attempt)) else { continue };
            let taken = schedule.finished(unit, attempt, ghost.outcome, now);
            assert_eq!(taken, Taken::TooLate, "late results are discarded");
        }
        let ended: Vec<_> =
            running.iter().filter(|(_, attempt)| attempt.ends <= now).map(|(key, _)| *key).collect();
        for (unit, attempt) in ended {
            let Some(ended) = running.remove(&(unit, attempt)) else { continue };
            assert_eq!(schedule.finished(unit, attempt, ended.outcome, now), Taken::InTime);
            let members = schedule.plan.units[unit].members.clone();
            let done = |step: &usize| {
                schedule.steps[*step].report.as_ref().is_some_and(|row| row.state == State::Succeeded)
            };
            succeeded.extend(members.iter().copied().filter(done));
        }
    }
    for ((unit, attempt), ghost) in ghosts {
        let taken = schedule.finished(unit, attempt, ghost.outcome, now);
        assert_eq!(taken, Taken::TooLate, "late results are discarded");
    }
    assert!(running.is_empty(), "nothing runs after the end");
    for step in &schedule.steps {
        assert!(step.kept || step.value.is_none(), "what nobody needs is freed");
    }
    check_events(&schedule, case.steps.len());
    let (report, values) = schedule.into_report("simulated".into(), "simulated".into());
    for (name, value) in values {
        let succeeded = report.step(&name).is_some_and(|row| row.state == State::Succeeded);
        assert_eq!(value.is_some(), succeeded, "a kept output is there when its step succeeded");
    }
    check_report(case, &report, &started);
    serde_json::to_string(&report).unwrap()
}

/// A unit whose inputs are there, and which fits, has been started.
fn check_nobody_waits_in_vain(
    case: &Case,
    schedule: &Schedule,
    running: &BTreeMap<(usize, u32), Running>,
    succeeded: &BTreeSet<usize>,
    started: &BTreeMap<usize, u32>,
) {
    if schedule.stop.is_some() || running.len() == case.slots {
        return;
    }
    for (at, unit) in schedule.plan.units.iter().enumerate().filter(|(at, _)| !started.contains_key(at)) {
        let waits = unit.members.iter().any(|step| {
            let before = &case.workflow.steps[*step].depends_on;
            before.iter().any(|input| !succeeded.contains(input) && !unit.members.contains(input))
        });
        let needs = &schedule.plan.needs[unit.queue];
        let fits = needs.iter().all(|(resource, need)| schedule.free[*resource] >= *need);
        assert!(waits || !fits, "unit {at} could run and does not");
    }
}

fn check_events(schedule: &Schedule, steps: usize) {
    let count = |name| schedule.events.iter().filter(|(_, kind)| kind.name() == name).count();
    assert_eq!((count("run_started"), count("step_finished"), count("run_finished")), (1, steps, 1));
    assert!(schedule.events.is_sorted_by_key(|(at, _)| *at), "events come in the order of time");
    assert_eq!(schedule.events.last().map(|(_, kind)| kind.name()), Some("run_finished"));
}

fn check_report(case: &Case, report: &Report, started: &BTreeMap<usize, u32>) {
    let state = |step: usize| report.steps[step].1.state;
    for (at, (_, row)) in report.steps.iter().enumerate() {
        let spec = &case.workflow.steps[at];
        match row.state {
            State::Succeeded => {
                assert!(spec.depends_on.iter().all(|input| state(*input) == State::Succeeded));
                assert!(row.error.is_none());
            }
            State::Skipped => assert_eq!(row.attempts, 0),
            State::Failed | State::TimedOut => assert!(row.error.is_some() && row.attempts > 0),
            State::Cancelled => assert!(row.attempts > 0),
            State::Cached => unreachable!("nothing is cached"),
        }
    }
    let count = |states: &[State]| report.steps.iter().filter(|(_, row)| states.contains(&row.state)).count();
    assert_eq!(report.failed_steps, count(&[State::Failed, State::TimedOut]));
    assert_eq!(report.skipped_steps, count(&[State::Skipped]));
    assert!(report.peak_parallelism <= case.slots.min(started.len()));
    assert_eq!(report.status == Status::Completed, count(&[State::Succeeded]) == report.total_steps);
    assert_eq!(report.status == Status::Failed, report.error.is_some());
    if report.status == Status::Cancelled {
        assert!(case.cancelled_at.is_some(), "only who was cancelled says so");
    }
    if report.failed_steps == 0 && case.cancelled_at.is_none() {
        assert_eq!(report.status, Status::Completed, "without failures everything is done");
    }
}

#[test]
fn ten_thousand_random_graphs_keep_every_rule_and_repeat_exactly() {
    let mut ends = BTreeMap::new();
    for seed in 0..10_000 {
        let case = case(seed);
        let report = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(&case, seed)));
        let report = report.unwrap_or_else(|_| panic!("seed {seed} breaks a rule"));
        assert_eq!(report, play(&case, seed), "seed {seed} has two reports");
        for what in [
            "\"completed\"",
            "\"failed\"",
            "\"cancelled\"",
            "timed_out",
            "abandoned",
            "panicked",
            "fused_into\":\"s",
        ] {
            *ends.entry(what).or_insert(0) += usize::from(report.contains(what));
        }
    }
    // The cases are worth their name only when each of these happens often.
    assert!(ends.values().all(|times| *times > 300), "{ends:?}");
}
