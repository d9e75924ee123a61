//! What does the engine cost? Runs a graph of steps that add one to the largest of their inputs, with
//! two steps at a time, records and events on, and prints the microseconds a step of each run:
//! `overhead SHAPE RUNS`, with the shapes of `benchmarks/workflow/graphs.py`. Without arguments each
//! shape runs once, so that the test suite checks the answers.

use std::{io::Write, process::ExitCode, sync::Arc, time::Instant};

use bowstring_workflow::{
    Event, InputSpec, Inputs, Keep, Output, RunOptions, Status, Step, StepContext, StepSpec, Value,
    ValueType, Work, Workflow, run,
};

const NUMBER: ValueType = ValueType("number");

struct AddOne;

impl Step for AddOne {
    fn inputs(&self) -> InputSpec {
        InputSpec::Many { least: 0, types: vec![NUMBER] }
    }

    fn output(&self) -> Option<ValueType> {
        Some(NUMBER)
    }

    fn run(self: Arc<Self>, inputs: Inputs, _context: StepContext) -> Work {
        let largest =
            inputs.0.iter().filter_map(|(_, value)| value.downcast::<u64>()).map(|value| *value).max();
        let value = Value::new(NUMBER, largest.unwrap_or(0) + 1);
        Work::blocking(move || Ok(Output { value: Some(value), ..Output::default() }))
    }
}

fn graph(shape: &str) -> Option<(Vec<Vec<usize>>, u64)> {
    match shape {
        "chain" => Some(((0..1000).map(|i: usize| i.checked_sub(1).into_iter().collect()).collect(), 1000)),
        "fan" => Some((vec![Vec::new(); 1000], 1)),
        "layered" => {
            let inputs = |i: usize| match i / 100 {
                0 => Vec::new(),
                layer => (0..3).map(|k| (layer - 1) * 100 + (i % 100 + k * 37) % 100).collect(),
            };
            Some(((0..10_000).map(inputs).collect(), 100))
        }
        _ => None,
    }
}

fn workflow(graph: &[Vec<usize>]) -> Workflow {
    let step: Arc<dyn Step> = Arc::new(AddOne);
    let steps = graph.iter().enumerate().map(|(at, inputs)| StepSpec {
        name: format!("step_{at}").into(),
        type_name: "add_one".into(),
        step: Arc::clone(&step),
        inputs: inputs.iter().map(|input| (format!("step_{input}"), *input)).collect(),
        depends_on: inputs.clone(),
        retry: None,
        timeout: None,
        resources: Default::default(),
        on_failure: None,
        location: String::new(),
    });
    Workflow { name: "overhead".into(), description: None, steps: steps.collect() }
}

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let (shapes, runs) = match arguments.as_slice() {
        [shape, runs] => (vec![shape.as_str()], runs.parse().unwrap_or(1)),
        _ => (vec!["chain", "fan", "layered"], 1),
    };
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()
    else {
        return ExitCode::FAILURE;
    };
    for shape in shapes {
        let Some((graph, depth)) = graph(shape) else { return ExitCode::from(2) };
        let workflow = workflow(&graph);
        for _ in 0..runs {
            let mut events = Vec::new();
            let observer = |event: &Event| {
                let written = serde_json::to_writer(&mut events, event);
                assert!(written.is_ok() && events.write_all(b"\n").is_ok(), "events are written to memory");
            };
            let options = RunOptions {
                max_parallel: 2,
                keep: Keep::Leaves,
                observers: vec![Box::new(observer)],
                ..RunOptions::default()
            };
            let begun = Instant::now();
            let Ok(finished) = run(&workflow, options, runtime.handle()) else { return ExitCode::FAILURE };
            let micros = begun.elapsed().as_secs_f64() * 1e6 / graph.len() as f64;
            let answer = (0..graph.len())
                .filter_map(|at| finished.output(&format!("step_{at}")).ok()?.downcast::<u64>())
                .map(|value| *value)
                .max();
            assert_eq!((finished.report.status, answer), (Status::Completed, Some(depth)));
            assert_eq!(events.iter().filter(|byte| **byte == b'\n').count(), 2 * graph.len() + 2);
            if writeln!(std::io::stdout(), "{micros:.3}").is_err() {
                return ExitCode::SUCCESS;
            }
        }
    }
    ExitCode::SUCCESS
}
