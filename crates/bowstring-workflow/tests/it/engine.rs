//! The engine on real threads.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Barrier, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bowstring_core::{Cancel, ErrorKind};
use bowstring_workflow::{
    Event, FusedMetrics, Fusion, InputSpec, Inputs, Keep, OnFailure, Output, OutputError, Report, Retry,
    Role, RunError, RunOptions, State, Status, Step, StepContext, StepError, StepResult, StepSpec, Value,
    ValueType, Work, Workflow, run,
};
use tokio::runtime::Runtime;

const TEXT: ValueType = ValueType("text");

type Body = Arc<dyn Fn(Inputs, StepContext) -> Work + Send + Sync>;

/// A step made of a closure.
struct Closure {
    body: Body,
    fusion: Fusion,
}

impl Step for Closure {
    fn inputs(&self) -> InputSpec {
        InputSpec::Many { least: 0, types: vec![TEXT] }
    }

    fn output(&self) -> Option<ValueType> {
        Some(TEXT)
    }

    fn fusion(&self) -> Fusion {
        self.fusion
    }

    fn run(self: Arc<Self>, inputs: Inputs, context: StepContext) -> Work {
        (self.body)(inputs, context)
    }
}

#[derive(Default)]
struct Graph(Vec<StepSpec>);

impl Graph {
    fn add(
        mut self,
        name: &str,
        inputs: &[&str],
        body: impl Fn(Inputs, StepContext) -> Work + Send + Sync + 'static,
    ) -> Self {
        let at = |input: &&str| self.0.iter().position(|step| *step.name == **input).unwrap();
        let inputs: Vec<(String, usize)> =
            inputs.iter().map(|input| ((*input).to_owned(), at(input))).collect();
        self.0.push(StepSpec {
            name: name.into(),
            type_name: "closure".into(),
            step: Arc::new(Closure { body: Arc::new(body), fusion: Fusion::None }),
            depends_on: inputs.iter().map(|(_, at)| *at).collect(),
            inputs,
            retry: None,
            timeout: None,
            resources: BTreeMap::new(),
            on_failure: None,
            location: String::new(),
        });
        self
    }

    /// Changes the step added last.
    fn with(mut self, change: impl FnOnce(&mut StepSpec)) -> Self {
        change(self.0.last_mut().unwrap());
        self
    }

    fn fusion(
        mut self,
        fusion: Fusion,
        body: impl Fn(Inputs, StepContext) -> Work + Send + Sync + 'static,
    ) -> Self {
        self.0.last_mut().unwrap().step = Arc::new(Closure { body: Arc::new(body), fusion });
        self
    }

    fn workflow(self) -> Workflow {
        Workflow { name: "test".into(), description: None, steps: self.0 }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn go(graph: Graph, options: RunOptions<'_>) -> bowstring_workflow::Finished {
    run(&graph.workflow(), options, runtime().handle()).unwrap()
}

fn parallel(max_parallel: usize) -> RunOptions<'static> {
    RunOptions { max_parallel, ..RunOptions::default() }
}

fn text(text: &str) -> StepResult {
    Ok(Output { value: Some(Value::new(TEXT, text.to_owned())), rows: Some(1), ..Output::default() })
}

fn says(word: &'static str) -> impl Fn(Inputs, StepContext) -> Work + Send + Sync {
    move |_, _| Work::blocking(move || text(word))
}

fn sleeps(millis: u64) -> impl Fn(Inputs, StepContext) -> Work + Send + Sync {
    move |_, context| {
        Work::blocking(move || {
            context.cancel.sleep(Duration::from_millis(millis))?;
            text("slept")
        })
    }
}

fn fails(kind: ErrorKind) -> impl Fn(Inputs, StepContext) -> Work + Send + Sync {
    move |_, _| Work::blocking(move || Err(StepError::new(kind, "planned").with_hint("plan otherwise")))
}

fn states(report: &Report) -> Vec<(&str, State)> {
    report.steps.iter().map(|(name, row)| (&**name, row.state)).collect()
}

/// The quickest of up to 30 runs, and how much longer it took than threads that only sleep, in
/// milliseconds. Other work on the machine can only make a run slower, and holds up threads as well:
/// it is tried again until the difference is at most `goal`, and as many steps as may have run at one time.
fn quickest(
    graph: impl Fn() -> Graph,
    max_parallel: usize,
    threads: Vec<Vec<u64>>,
    goal: f64,
) -> (f64, Vec<Report>) {
    let (mut run, mut bare) = (f64::MAX, f64::MAX);
    let (mut peak, mut reports) = (0, Vec::new());
    while reports.is_empty() || ((run - bare > goal || peak < max_parallel) && reports.len() < 150) {
        let report = go(graph(), parallel(max_parallel)).report;
        run = run.min(report.execution_time_ms.as_f64());
        peak = peak.max(report.peak_parallelism);
        reports.push(report);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for sleeps in &threads {
                scope.spawn(|| sleeps.iter().for_each(|ms| std::thread::sleep(Duration::from_millis(*ms))));
            }
        });
        bare = bare.min(start.elapsed().as_secs_f64() * 1e3);
    }
    (run - bare, reports)
}

fn eight_sleepers() -> Graph {
    (0..8).fold(Graph::default(), |graph, at| graph.add(&format!("s{at}"), &[], sleeps(50)))
}

#[test]
fn eight_sleepers_sleep_at_one_time() {
    let (over, reports) = quickest(eight_sleepers, 8, vec![vec![50]; 8], 5.0);
    assert!(over <= 5.0, "{over} ms");
    assert_eq!(reports.iter().map(|report| report.peak_parallelism).max(), Some(8));
}

#[test]
fn three_slots_are_all_used_and_never_more() {
    let (over, reports) = quickest(eight_sleepers, 3, vec![vec![50; 3]; 3], 15.0);
    assert!(over <= 15.0, "{over} ms");
    assert_eq!(reports.iter().map(|report| report.peak_parallelism).max(), Some(3));
}

#[test]
fn chains_in_antiphase_do_not_wait_for_one_another() {
    for order in [[90, 10], [10, 90]] {
        let graph = || {
            let mut graph = Graph::default();
            for chain in 0..2 {
                for step in 0..10 {
                    let before = (step > 0).then(|| format!("c{chain}_{}", step - 1));
                    let inputs: Vec<&str> = before.iter().map(String::as_str).collect();
                    graph =
                        graph.add(&format!("c{chain}_{step}"), &inputs, sleeps(order[(chain + step) % 2]));
                }
            }
            graph
        };
        let [long, short] = order;
        let chains = vec![[long, short].repeat(5), [short, long].repeat(5)];
        let (over, _) = quickest(graph, 2, chains, 10.0);
        assert!(over <= 10.0, "{over} ms");
    }
}

#[test]
fn no_lock_is_held_while_steps_run() {
    // The two meet inside their steps, which they can only do when both run.
    let barrier = Arc::new(Barrier::new(2));
    let meets = |barrier: &Arc<Barrier>| {
        let barrier = Arc::clone(barrier);
        move |_, _| {
            let barrier = Arc::clone(&barrier);
            Work::blocking(move || {
                barrier.wait();
                text("met")
            })
        }
    };
    let graph = Graph::default().add("a", &[], meets(&barrier)).add("b", &[], meets(&barrier));
    assert_eq!(go(graph, parallel(2)).report.status, Status::Completed);
}

#[test]
fn blocking_and_awaiting_steps_do_not_starve_one_another() {
    let busy = |_, context: StepContext| {
        Work::blocking(move || {
            let until = Instant::now() + Duration::from_millis(200);
            while Instant::now() < until {
                context.cancel.check()?;
                std::hint::spin_loop();
            }
            text("busy")
        })
    };
    let awaits = |_, _| {
        Work::future(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            text("awaited")
        })
    };
    let graph = || {
        let mut graph = Graph::default().add("busy1", &[], busy).add("busy2", &[], busy);
        let mut before: Option<String> = None;
        for at in 0..5 {
            let name = format!("await{at}");
            graph = graph.add(&name, &before.as_deref().into_iter().collect::<Vec<_>>(), awaits);
            before = Some(name);
        }
        graph
    };
    // 200 ms when they go on side by side, 300 ms when one waits for the other; more when the machine
    // has other work.
    let side_by_side = (0..30).any(|_| {
        let report = go(graph(), parallel(3)).report;
        assert_eq!(report.status, Status::Completed);
        report.execution_time_ms.as_f64() < 280.0
    });
    assert!(side_by_side);
}

#[test]
fn a_panic_is_the_failure_of_its_step_and_nothing_more() {
    let panics = |_, _| Work::blocking(|| std::panic::resume_unwind(Box::new("out of cheese")));
    let awaiting = |_, _| Work::future(async { std::panic::resume_unwind(Box::new("later")) });
    let at_once = |_, _| -> Work { std::panic::resume_unwind(Box::new(7)) };
    let go_on = |step: &mut StepSpec| step.on_failure = Some(OnFailure::Continue);
    let graph = Graph::default()
        .add("blocking", &[], panics)
        .with(go_on)
        .add("awaiting", &[], awaiting)
        .with(go_on)
        .add("at_once", &[], at_once)
        .with(go_on)
        .add("after", &["blocking"], says("never"))
        .add("other", &[], says("done"));
    let report = go(graph, parallel(2)).report;
    assert_eq!(
        states(&report),
        [
            ("blocking", State::Failed),
            ("awaiting", State::Failed),
            ("at_once", State::Failed),
            ("after", State::Skipped),
            ("other", State::Succeeded)
        ]
    );
    let error = report.step("blocking").unwrap().error.clone().unwrap();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Failed, "the step panicked: out of cheese"));
    assert_eq!((report.status, report.exit_code()), (Status::Failed, 1));
}

#[test]
fn a_failure_stops_what_runs_and_starts_nothing_new() {
    let graph = Graph::default()
        .add("fails", &[], |_, _| {
            Work::blocking(|| {
                std::thread::sleep(Duration::from_millis(30));
                Err(StepError::new(ErrorKind::Data, "row 7 is bad"))
            })
        })
        .add("long", &[], sleeps(10_000))
        .add("waiting", &[], says("never"))
        .add("after", &["long"], says("never"));
    let report = go(graph, parallel(2)).report;
    assert_eq!(
        states(&report),
        [
            ("fails", State::Failed),
            ("long", State::Cancelled),
            ("waiting", State::Skipped),
            ("after", State::Skipped)
        ]
    );
    assert!(report.execution_time_ms.as_f64() < 1_000.0);
    assert_eq!((report.steps_executed, report.failed_steps, report.skipped_steps), (2, 1, 2));
    let failure = report.error.clone().unwrap();
    assert_eq!((&*failure.step, failure.error.message.as_str()), ("fails", "row 7 is bad"));
    assert_eq!(report.exit_code(), 3);
}

#[test]
fn a_failed_attempt_is_repeated_after_its_wait_which_holds_no_slot() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let graph = Graph::default()
        .add("flaky", &[], move |_, context| {
            counted.fetch_add(1, Ordering::SeqCst);
            Work::blocking(move || match context.attempt {
                3 => text("at last"),
                _ => Err(StepError::new(ErrorKind::Storage, "not yet")),
            })
        })
        .with(|step| {
            let backoff = Duration::from_millis(40);
            step.retry = Some(Retry { max_attempts: 3, backoff, jitter: 0.0, ..Retry::default() });
        })
        .add("meanwhile", &[], says("done"));
    let report = go(graph, parallel(1)).report;
    assert_eq!((report.status, tries.load(Ordering::SeqCst)), (Status::Completed, 3));
    assert!(report.execution_time_ms.as_f64() >= 120.0, "waits of 40 and 80 ms");
    assert!(report.step("meanwhile").unwrap().queue_ms.unwrap().as_f64() < 30.0, "the wait held a slot");
    assert!(report.step("flaky").unwrap().run_ms.unwrap().as_f64() < 30.0, "waits are not run time");
}

#[test]
fn a_kind_that_retry_does_not_cover_is_not_retried() {
    let graph = Graph::default().add("bad", &[], fails(ErrorKind::Data)).with(|step| {
        step.retry = Some(Retry { max_attempts: 5, on: vec![ErrorKind::Storage], ..Retry::default() });
    });
    assert_eq!(go(graph, parallel(1)).report.step("bad").unwrap().attempts, 1);
}

#[test]
fn a_timeout_interrupts_a_step_that_looks_at_its_token() {
    let graph = Graph::default()
        .add("slow", &[], sleeps(10_000))
        .with(|step| step.timeout = Some(Duration::from_millis(30)));
    let report = go(graph, parallel(1)).report;
    let row = report.step("slow").unwrap();
    assert_eq!((row.state, report.exit_code()), (State::TimedOut, 5));
    assert!(report.execution_time_ms.as_f64() < 500.0);
    assert_eq!(row.error.as_ref().unwrap().message, "the attempt took longer than its timeout of 30ms");
}

#[test]
fn a_step_that_ignores_its_timeout_is_abandoned_and_its_slot_is_free() {
    let deaf = |_, _| {
        Work::blocking(|| {
            std::thread::sleep(Duration::from_secs(4));
            text("late")
        })
    };
    let graph = Graph::default()
        .add("deaf", &[], deaf)
        .with(|step| {
            step.timeout = Some(Duration::from_millis(20));
            step.on_failure = Some(OnFailure::Continue);
        })
        .add("never_awaits", &[], |_, _| Work::future(futures::future::pending()))
        .with(|step| {
            step.timeout = Some(Duration::from_millis(20));
            step.on_failure = Some(OnFailure::Continue);
        })
        .add("next", &[], says("done"));
    let options = RunOptions { grace: Duration::from_millis(20), ..parallel(1) };
    let finished = go(graph, options);
    let report = &finished.report;
    assert!(report.execution_time_ms.as_f64() < 3000.0, "nobody waits for the deaf");
    assert_eq!(report.step("next").unwrap().state, State::Succeeded);
    for name in ["deaf", "never_awaits"] {
        let row = report.step(name).unwrap();
        assert_eq!(row.state, State::TimedOut);
        assert!(row.error.as_ref().unwrap().message.contains("was abandoned"), "{row:?}");
    }
    assert_eq!(finished.output("deaf").unwrap_err(), OutputError::NoValue { step: "deaf".into() });
}

#[test]
fn a_cancelled_run_ends_its_steps_and_says_so() {
    let cancel = Cancel::new();
    let outside = cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        outside.cancel();
    });
    let graph = Graph::default().add("long", &[], sleeps(10_000)).add("after", &["long"], says("never"));
    let report = go(graph, RunOptions { cancel, ..parallel(1) }).report;
    assert_eq!(states(&report), [("long", State::Cancelled), ("after", State::Skipped)]);
    assert_eq!((report.status, report.exit_code()), (Status::Cancelled, 130));
    assert!(report.execution_time_ms.as_f64() < 500.0);
}

#[test]
fn an_output_is_shared_and_freed_when_its_last_consumer_is_done() {
    struct Probe(Mutex<Weak<()>>);
    let probe = Arc::new(Probe(Mutex::new(Weak::new())));
    let (made, seen) = (Arc::clone(&probe), Arc::clone(&probe));
    let reads = |inputs: Inputs, _: StepContext| {
        Work::blocking(move || {
            assert!(inputs.first().unwrap().downcast::<Arc<()>>().is_some());
            text("read")
        })
    };
    let graph = Graph::default()
        .add("make", &[], move |_, _| {
            let made = Arc::clone(&made);
            Work::blocking(move || {
                let value = Arc::new(());
                *made.0.lock().unwrap() = Arc::downgrade(&value);
                Ok(Output { value: Some(Value::new(TEXT, value)), ..Output::default() })
            })
        })
        .add("first", &["make"], reads)
        .add("second", &["make"], reads)
        .add("wait", &["first", "second"], sleeps(20))
        .add("look", &["wait"], move |_, _| {
            let seen = Arc::clone(&seen);
            Work::blocking(move || {
                let alive = seen.0.lock().unwrap().upgrade().is_some();
                text(if alive { "alive" } else { "freed" })
            })
        });
    let finished = go(graph, parallel(2));
    assert_eq!(*finished.output("look").unwrap().downcast::<String>().unwrap(), "freed");
}

#[test]
fn only_what_is_kept_can_be_had() {
    let graph = || Graph::default().add("a", &[], says("a")).add("b", &["a"], says("b"));
    let check = |keep, step: &str, expected: Result<&str, OutputError>| {
        let finished = go(graph(), RunOptions { keep, ..parallel(1) });
        let output = finished.output(step).map(|value| (*value.downcast::<String>().unwrap()).clone());
        assert_eq!(output, expected.map(str::to_owned));
    };
    let not_kept = |step: &str| Err(OutputError::NotKept { step: step.into() });
    check(Keep::Leaves, "b", Ok("b"));
    check(Keep::Leaves, "a", not_kept("a"));
    check(Keep::All, "a", Ok("a"));
    check(Keep::Steps(vec!["a".into()]), "a", Ok("a"));
    check(Keep::Steps(vec!["a".into()]), "b", not_kept("b"));
    check(Keep::Nothing, "b", not_kept("b"));
    check(Keep::All, "bb", Err(OutputError::UnknownStep { step: "bb".into(), nearest: Some("b".into()) }));

    let options = RunOptions { keep: Keep::Steps(vec!["bb".into()]), ..parallel(1) };
    let error = run(&graph().workflow(), options, runtime().handle()).unwrap_err();
    assert!(matches!(error, RunError::UnknownKeep { nearest: Some(nearest), .. } if nearest == "b"));
}

#[test]
fn resources_bound_what_runs_together_and_hold_up_nobody_else() {
    let needs = |cpu: u64| move |step: &mut StepSpec| _ = step.resources.insert("cpu".into(), cpu);
    let graph = Graph::default()
        .add("big1", &[], sleeps(60))
        .with(needs(3))
        .add("big2", &[], sleeps(60))
        .with(needs(3))
        .add("small", &[], sleeps(10));
    let options = || RunOptions { resources: BTreeMap::from([("cpu".into(), 4)]), ..parallel(8) };
    let report = go(graph, options()).report;
    assert_eq!(report.peak_parallelism, 2);
    assert!(report.execution_time_ms.as_f64() >= 120.0, "the big ones run one after the other");
    assert!(report.step("small").unwrap().queue_ms.unwrap().as_f64() < 60.0);

    let graph = Graph::default().add("huge", &[], says("never")).with(needs(5));
    let error = run(&graph.workflow(), options(), runtime().handle()).unwrap_err();
    assert_eq!(error.to_string(), "step `huge` asks for 5 of `cpu`, but there is 4");
}

#[test]
fn a_chain_of_lazy_steps_runs_as_one() {
    let seen: Arc<Mutex<Vec<(String, Role, usize)>>> = Arc::default();
    let body = |seen: &Arc<Mutex<Vec<_>>>| {
        let seen = Arc::clone(seen);
        move |inputs: Inputs, context: StepContext| {
            seen.lock().unwrap().push((context.step.to_string(), context.role, inputs.0.len()));
            Work::blocking(move || {
                let output = text("rows")?;
                let metrics = |step: &str, rows| FusedMetrics { step: step.into(), rows, run_time: None };
                Ok(Output { fused: vec![metrics("filter", Some(5))], ..output })
            })
        }
    };
    let graph = Graph::default()
        .add("read", &[], says(""))
        .fusion(Fusion::Scan, body(&seen))
        .add("filter", &["read"], says(""))
        .fusion(Fusion::Lazy, body(&seen))
        .add("write", &["filter"], says(""))
        .fusion(Fusion::Sink, body(&seen));
    let report = go(graph, parallel(4)).report;
    assert_eq!(
        *seen.lock().unwrap(),
        [
            ("read".to_owned(), Role::Fused, 0),
            ("filter".to_owned(), Role::Fused, 1),
            ("write".to_owned(), Role::Boundary, 1)
        ]
    );
    assert_eq!((report.steps_executed, report.peak_parallelism), (3, 1));
    let rows = |name| {
        let row = report.step(name).unwrap();
        (row.rows, row.fused_into.as_deref(), row.run_ms.is_some())
    };
    assert_eq!(rows("read"), (None, Some("write"), false));
    assert_eq!(rows("filter"), (Some(5), Some("write"), false));
    assert_eq!(rows("write"), (Some(1), None, true));
}

#[test]
fn the_error_of_a_chain_names_its_steps_and_the_one_that_failed() {
    let graph = Graph::default()
        .add("read", &[], says(""))
        .fusion(Fusion::Scan, says("plan"))
        .add("filter", &["read"], says(""))
        .fusion(Fusion::Lazy, says("plan"))
        .add("sort", &["filter"], says(""))
        .fusion(Fusion::Lazy, |_, _| {
            Work::blocking(|| {
                Err(StepError { step: Some("filter".into()), ..StepError::new(ErrorKind::Data, "bad row") })
            })
        });
    let report = go(graph, parallel(1)).report;
    assert_eq!(
        states(&report),
        [("read", State::Cancelled), ("filter", State::Failed), ("sort", State::Skipped)]
    );
    let failure = report.error.unwrap();
    assert_eq!(&*failure.step, "filter");
    assert_eq!(failure.error.message, "bad row\n  in the chain `read`, `filter` and `sort`");
}

#[test]
fn observers_are_told_everything_in_order_and_may_run_workflows_themselves() {
    let told = Mutex::new(Vec::new());
    let observer = |event: &Event| {
        if event.kind.name() == "step_started" {
            let inner = go(Graph::default().add("inner", &[], says("done")), parallel(1));
            assert_eq!(inner.report.status, Status::Completed);
        }
        let line = serde_json::to_value(event).unwrap();
        told.lock().unwrap().push(line);
    };
    let graph = Graph::default().add("a", &[], says("a")).add("b", &["a"], |_, context| {
        Work::blocking(move || {
            context.progress.report(3, Some(10), "rows");
            text("b")
        })
    });
    let options = RunOptions { observers: vec![Box::new(observer)], ..parallel(2) };
    let report = go(graph, options).report;
    let told = told.into_inner().unwrap();
    let brief: Vec<String> = told
        .iter()
        .map(|event| {
            format!("{} {}", event["event"].as_str().unwrap(), event["step"].as_str().unwrap_or("-"))
        })
        .collect();
    assert_eq!(
        brief,
        [
            "run_started -",
            "step_started a",
            "step_finished a",
            "step_started b",
            "step_progress b",
            "step_finished b",
            "run_finished -"
        ]
    );
    assert!(told.iter().all(|event| event["run_id"] == *report.run_id));
    let timestamp = told[0]["timestamp"].as_str().unwrap();
    assert_eq!((timestamp.len(), timestamp.ends_with('Z')), ("2026-01-01T00:00:00.000000Z".len(), true));
    assert_eq!(told[5]["report"], serde_json::to_value(report.step("b").unwrap()).unwrap());
}

#[test]
fn the_report_has_the_documented_keys_in_their_order() {
    let report = go(Graph::default().add("a", &[], fails(ErrorKind::NotFound)), parallel(1)).report;
    let json = serde_json::to_value(&report).unwrap();
    let keys =
        |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        keys(&json),
        "run_id name status execution_time_ms total_steps steps_executed cached_steps failed_steps \
         skipped_steps peak_parallelism error steps"
    );
    assert_eq!(
        keys(&json["steps"]["a"]),
        "state attempts queue_ms run_ms rows bytes peak_memory fused_into error"
    );
    let error = serde_json::json!({"kind": "not_found", "message": "planned", "hint": "plan otherwise"});
    assert_eq!(json["steps"]["a"]["error"], error);
}
