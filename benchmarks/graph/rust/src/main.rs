//! `graph-kernels LIBRARY KERNEL FOLDER THREADS DELTA ANSWER`: one kernel of a Rust library over a graph
//! that `graphs.py` made. Prints the seconds of each source, or of the best run of a kernel without
//! sources, and writes the answers to ANSWER as little-endian f64, one source behind the other. `run.py`
//! calls it and compares the answers.

use std::{
    env,
    error::Error,
    fs::File,
    io::{BufWriter, Write},
    time::Instant,
};

mod bowstring;
mod input;
mod neo4j;

use input::Input;

/// What is timed, given a source, and how its result reads as numbers.
type Kernel<'a> = Box<dyn Fn(u32) -> Result<Answer, Box<dyn Error>> + 'a>;

/// A result, read when the clock has stopped.
type Answer = Box<dyn FnOnce() -> Vec<f64>>;

const SOURCES: usize = 8;
/// Seconds after which a kernel is repeated no more.
const LONG: f64 = 0.5;

/// PageRank's rules for all contenders.
const DAMPING: f64 = 0.85;
const ITERATIONS: u32 = 20;
const TOLERANCE: f64 = 1e-4;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [library, kernel, folder, threads, delta, answer] = arguments.as_slice() else {
        return Err("usage: graph-kernels LIBRARY KERNEL FOLDER THREADS DELTA ANSWER".into());
    };
    let input = Input::read(folder.as_ref(), delta.parse()?)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
    let run = match library.as_str() {
        "bowstring" => bowstring::kernel(kernel, &input, threads.parse()?)?,
        "neo4j" => neo4j::kernel(kernel, &input, pool)?,
        other => return Err(format!("no library is called {other}").into()),
    };
    let by_source = matches!(kernel.as_str(), "bfs" | "sssp");
    let mut file = BufWriter::new(File::create(answer)?);
    for &source in input.sources.iter().take(if by_source { SOURCES } else { 1 }) {
        let mut spent: Vec<f64> = Vec::new();
        let mut found = None;
        while spent.len() < if by_source { 2 } else { 5 } && spent.iter().sum::<f64>() < LONG {
            let begin = Instant::now();
            let result = run(source)?;
            spent.push(begin.elapsed().as_secs_f64());
            found = Some(result);
        }
        println!("{}", spent.iter().copied().fold(f64::INFINITY, f64::min));
        for number in found.ok_or("nothing ran")?() {
            file.write_all(&number.to_le_bytes())?;
        }
    }
    Ok(file.flush()?)
}
