//! Times dagx and dagrs on the graphs of `../graphs.py`: `workflow-rust-peers PEER SHAPE RUNS`.
//! Prints the microseconds a step of each run, building of the graph apart. Every step adds one to
//! the largest of its inputs, and the answer is compared with the depth of the graph.

use std::{env, process::ExitCode, sync::Arc, time::Instant};

use dagrs::{Action, Content, DefaultNode, EnvVar, Graph, InChannels, Node, NodeTable, OutChannels, Output};
use dagx::{DagRunner, Task, TaskHandle, task};

const THREADS: usize = 2;

/// For each step, the steps that it depends on; and the number of steps on the longest path.
fn shape(name: &str) -> Option<(Vec<Vec<usize>>, u64)> {
    match name {
        "chain" => Some(((0..1000).map(|i: usize| i.checked_sub(1).into_iter().collect()).collect(), 1000)),
        "fan" => Some((vec![Vec::new(); 1000], 1)),
        "layered" => {
            let step = |i: usize| match i / 100 {
                0 => Vec::new(),
                layer => (0..3).map(|k| (layer - 1) * 100 + (i % 100 + k * 37) % 100).collect(),
            };
            Some(((0..10_000).map(step).collect(), 100))
        }
        _ => None,
    }
}

struct Source;

#[task]
impl Source {
    async fn run(&self) -> u64 {
        1
    }
}

struct After;

#[task]
impl After {
    async fn run(input: &u64) -> u64 {
        input + 1
    }
}

struct AfterThree;

#[task]
impl AfterThree {
    async fn run(a: &u64, b: &u64, c: &u64) -> u64 {
        1 + a.max(b).max(c)
    }
}

fn run_dagx(runtime: &tokio::runtime::Runtime, steps: &[Vec<usize>]) -> Result<(f64, u64), String> {
    let dag = DagRunner::new();
    let mut handles: Vec<TaskHandle<u64>> = Vec::with_capacity(steps.len());
    for inputs in steps {
        let handle = match inputs[..] {
            [] => dag.add_task(Source).into(),
            [a] => dag.add_task(After).depends_on(&handles[a]),
            [a, b, c] => dag.add_task(AfterThree).depends_on((&handles[a], &handles[b], &handles[c])),
            _ => return Err("no task takes that many inputs".into()),
        };
        handles.push(handle);
    }
    let begin = Instant::now();
    runtime
        .block_on(dag.run(|future| {
            runtime.spawn(future);
        }))
        .map_err(|error| error.to_string())?;
    let seconds = begin.elapsed().as_secs_f64();
    let mut depth = 0;
    for handle in handles {
        depth = depth.max(dag.get(handle).map_err(|error| error.to_string())?);
    }
    Ok((seconds, depth))
}

struct Add;

#[async_trait::async_trait]
impl Action for Add {
    async fn run(&self, inputs: &mut InChannels, outputs: &mut OutChannels, _: Arc<EnvVar>) -> Output {
        let received = inputs.map(|content| content.ok().and_then(|content| content.into_inner::<u64>())).await;
        let largest = received.into_iter().flatten().map(|value| *value).max().unwrap_or(0);
        outputs.broadcast(Content::new(largest + 1)).await;
        Output::Out(Some(Content::new(largest + 1)))
    }
}

fn run_dagrs(runtime: &tokio::runtime::Runtime, steps: &[Vec<usize>]) -> Result<(f64, u64), String> {
    let mut table = NodeTable::default();
    let mut graph = Graph::new();
    let mut ids = Vec::with_capacity(steps.len());
    for index in 0..steps.len() {
        let node = DefaultNode::with_action(format!("step{index}"), Add, &mut table);
        ids.push(node.id());
        graph.add_node(node).map_err(|error| format!("{error:?}"))?;
    }
    let mut consumers = vec![Vec::new(); steps.len()];
    for (index, inputs) in steps.iter().enumerate() {
        for input in inputs {
            consumers[*input].push(ids[index]);
        }
    }
    for (index, targets) in consumers.into_iter().enumerate() {
        if !targets.is_empty() {
            graph.add_edge(ids[index], targets).map_err(|error| format!("{error:?}"))?;
        }
    }
    graph.set_env(EnvVar::new(table));
    let begin = Instant::now();
    runtime.block_on(graph.async_start()).map_err(|error| format!("{error:?}"))?;
    let seconds = begin.elapsed().as_secs_f64();
    let results = graph.get_results::<u64>();
    let depth = results.values().flatten().map(|value| **value).max().unwrap_or(0);
    Ok((seconds, depth))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [peer, name, runs] = &arguments[..] else {
        eprintln!("usage: workflow-rust-peers dagx|dagrs chain|fan|layered RUNS");
        return ExitCode::from(2);
    };
    let (Some((steps, depth)), Ok(runs)) = (shape(name), runs.parse::<usize>()) else {
        eprintln!("error: no such graph, or not a number of runs");
        return ExitCode::from(2);
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    for _ in 0..runs {
        let outcome = match peer.as_str() {
            "dagx" => run_dagx(&runtime, &steps),
            "dagrs" => run_dagrs(&runtime, &steps),
            _ => Err(format!("no peer `{peer}`")),
        };
        match outcome {
            Ok((seconds, found)) if found == depth => {
                println!("{:.3}", seconds * 1e6 / steps.len() as f64);
            }
            Ok((_, found)) => {
                eprintln!("error: {peer} found depth {found}, not {depth}");
                return ExitCode::FAILURE;
            }
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
