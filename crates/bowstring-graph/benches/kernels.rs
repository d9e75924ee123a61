//! How long does a kernel take? `kernels FOLDER KERNEL THREADS RUNS` loads the graph in FOLDER and prints
//! the seconds of each run. The folder holds little-endian arrays, as `benchmarks/graph` makes them:
//! `src.u32` and `dst.u32` (edges), `indptr.u64`, `indices.u32` and `weights.u32` (rows without loops,
//! symmetric unless `meta.json` says that they are directed). Without arguments a small graph stands in and each kernel
//! runs once, so that the test suite runs them all.

use std::{fs, io::Write, path::Path, process::ExitCode, slice::from_ref, sync::Arc, time::Instant};

use arrow::{
    array::{ArrayRef, AsArray, UInt32Array},
    buffer::{Buffer, ScalarBuffer},
    datatypes::UInt32Type,
};
use bowstring_graph::{
    BetweennessOptions, BfsOptions, Bipartite, BuildOptions, ClosenessOptions, Csr, Distances, Edges, Graph,
    HitsOptions, LabelPropagationOptions, LeidenOptions, LouvainOptions, Offsets, PageRankOptions, Result,
    Run, SsspMethod, SsspOptions, TableEdges, Weights, betweenness, bfs, bipartite, closeness,
    connected_components, core_numbers, dfs, hits, jaccard, label_propagation, leiden, louvain,
    minimum_spanning_forest, pagerank, sssp, strongly_connected_components, triangle_count, triangles,
};

/// What kernels run on.
struct Input {
    source: ArrayRef,
    target: ArrayRef,
    /// Where searches begin, one after the other.
    sources: Vec<u32>,
    graph: Graph,
}

impl Input {
    fn begin(&self, round: usize) -> u32 {
        self.sources[round % self.sources.len()]
    }
}

/// A kernel, which is given the number of the run and answers with a number that tells its result.
type Kernel = fn(&Input, usize, &Run) -> Result<u64>;

const KERNELS: &[(&str, Kernel)] = &[
    ("build", |input, _, run| {
        let edges = Edges { source: from_ref(&input.source), target: from_ref(&input.target), weight: None };
        let options = BuildOptions { directed: false, ..BuildOptions::default() };
        Ok(Graph::from_edges(&edges, &options, run)?.csr().num_entries() as u64)
    }),
    ("from_table", |input, _, run| {
        let edges = TableEdges {
            source: from_ref(&input.source),
            target: from_ref(&input.target),
            ..TableEdges::default()
        };
        Ok(Graph::from_table(&edges, &BuildOptions::default(), run)?.num_nodes() as u64)
    }),
    ("csc", |input, _, run| {
        let graph = Graph::from_csr(input.graph.csr().clone(), true, run)?;
        Ok(graph.csc(run)?.num_entries() as u64)
    }),
    ("bfs", |input, round, run| {
        let found = bfs(&input.graph, &[input.begin(round)], &BfsOptions::default(), run)?;
        Ok(found.distances.len() as u64)
    }),
    ("dfs", |input, round, run| {
        Ok(dfs(&input.graph, Some(&[input.begin(round)]), None, run)?.order.len() as u64)
    }),
    ("sssp", |input, round, run| paths(input, round, SsspMethod::Auto, false, run)),
    ("sssp_parents", |input, round, run| paths(input, round, SsspMethod::Auto, true, run)),
    ("delta", |input, round, run| paths(input, round, SsspMethod::DeltaStepping, false, run)),
    ("dijkstra", |input, round, run| paths(input, round, SsspMethod::Dijkstra, false, run)),
    ("louvain", |input, round, run| {
        let options = LouvainOptions { seed: round as u64, ..LouvainOptions::default() };
        Ok(millionths(louvain(&input.graph, &options, run)?.modularity))
    }),
    ("leiden", |input, round, run| {
        let options = LeidenOptions { seed: round as u64, ..LeidenOptions::default() };
        Ok(millionths(leiden(&input.graph, &options, run)?.modularity))
    }),
    ("label_propagation", |input, round, run| {
        let options = LabelPropagationOptions { seed: round as u64, ..LabelPropagationOptions::default() };
        Ok(label_propagation(&input.graph, &options, run)?.count.into())
    }),
    ("jaccard", |input, _, run| {
        let ends = |array: &ArrayRef| array.as_primitive::<UInt32Type>().values().clone();
        let scores = jaccard(&input.graph, &ends(&input.source), &ends(&input.target), run)?;
        Ok(millionths(scores.iter().sum::<f64>() / scores.len() as f64))
    }),
    ("pagerank", |input, _, run| {
        // The rules of the GAP Benchmark Suite.
        let options = PageRankOptions { tolerance: 1e-4, max_iterations: 20, ..PageRankOptions::default() };
        Ok(pagerank(&input.graph, &options, run)?.iterations.into())
    }),
    ("pagerank_20", |input, _, run| {
        let options = PageRankOptions { tolerance: 0.0, max_iterations: 20, ..PageRankOptions::default() };
        Ok(pagerank(&input.graph, &options, run)?.iterations.into())
    }),
    ("hits", |input, _, run| Ok(hits(&input.graph, &HitsOptions::default(), run)?.iterations.into())),
    ("betweenness_8", |input, round, run| {
        let options =
            BetweennessOptions { samples: Some(8), seed: round as u64, ..BetweennessOptions::default() };
        let scores = betweenness(&input.graph, &options, run)?;
        Ok(scores.iter().filter(|score| **score > 0.0).count() as u64)
    }),
    ("closeness_128", |input, _, run| {
        let nodes = (0..input.graph.num_nodes() as u32).take(128).collect();
        let options = ClosenessOptions { nodes: Some(nodes), ..ClosenessOptions::default() };
        Ok(millionths(closeness(&input.graph, &options, run)?.iter().sum()))
    }),
    ("components", |input, _, run| Ok(connected_components(&input.graph, run)?.count.into())),
    ("components_both_ways", |input, _, run| {
        input.graph.csc(run)?;
        Ok(connected_components(&input.graph, run)?.count.into())
    }),
    ("strong", |input, _, run| Ok(strongly_connected_components(&input.graph, run)?.count.into())),
    ("cores", |input, _, run| {
        Ok(core_numbers(&input.graph, run)?.into_iter().max().unwrap_or_default().into())
    }),
    ("triangle_count", |input, _, run| triangle_count(&input.graph, run)),
    ("triangles", |input, _, run| Ok(triangles(&input.graph, run)?.total)),
    ("forest", |input, _, run| Ok(minimum_spanning_forest(&input.graph, run)?.total as u64)),
    ("bipartite", |input, _, run| {
        Ok(match bipartite(&input.graph, run)? {
            Bipartite::Sides(sides) => sides.into_iter().map(u64::from).sum(),
            Bipartite::OddCycle(cycle) => cycle.len() as u64,
        })
    }),
];

fn paths(input: &Input, round: usize, method: SsspMethod, parents: bool, run: &Run) -> Result<u64> {
    let options = SsspOptions { method, parents, ..SsspOptions::default() };
    let found = sssp(&input.graph, &[input.begin(round)], &options, run)?;
    Ok(match found.distances {
        Distances::Int(distances) => distances.iter().map(|&distance| distance.max(0) as u64).sum(),
        Distances::Float(distances) => distances.len() as u64,
    })
}

fn millionths(share: f64) -> u64 {
    (share * 1e6) as u64
}

fn numbers<T: arrow::datatypes::ArrowNativeType>(
    folder: &Path,
    name: &str,
) -> std::io::Result<ScalarBuffer<T>> {
    let buffer = Buffer::from_vec(fs::read(folder.join(name))?);
    let length = buffer.len() / size_of::<T>();
    // The bytes of a file are aligned to nothing.
    Ok(buffer.chunks_exact(size_of::<T>()).map(read::<T>).take(length).collect::<Vec<T>>().into())
}

fn read<T: arrow::datatypes::ArrowNativeType>(bytes: &[u8]) -> T {
    let number = bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    T::usize_as(number as usize)
}

fn load(folder: &Path) -> std::io::Result<Input> {
    let array =
        |name| Ok::<_, std::io::Error>(Arc::new(UInt32Array::new(numbers(folder, name)?, None)) as ArrayRef);
    let weights = numbers::<i32>(folder, "weights.u32")?;
    let rows = Csr::new(
        Offsets::Wide(numbers(folder, "indptr.u64")?),
        numbers(folder, "indices.u32")?,
        Some(Weights::I32(weights)),
        &Run::default(),
    );
    let directed = fs::read_to_string(folder.join("meta.json"))?.contains("\"directed\": true");
    let graph = rows.and_then(|rows| Graph::from_csr(rows, directed, &Run::default()));
    Ok(Input {
        source: array("src.u32")?,
        target: array("dst.u32")?,
        sources: numbers::<u32>(folder, "sources.u32")?.to_vec(),
        graph: graph.map_err(std::io::Error::other)?,
    })
}

/// A ring with chords.
fn small() -> Result<Input> {
    let source: ArrayRef = Arc::new(UInt32Array::from_iter_values((0..3000).map(|edge| edge % 1000)));
    let target: ArrayRef =
        Arc::new(UInt32Array::from_iter_values((0..3000).map(|edge| (edge * 7 + 1) % 1000)));
    let edges =
        Edges { source: from_ref(&source), target: from_ref(&target), weight: Some(from_ref(&source)) };
    let options = BuildOptions { directed: false, ..BuildOptions::default() };
    let graph = Graph::from_edges(&edges, &options, &Run::default())?;
    Ok(Input { source, target, sources: vec![0, 7], graph })
}

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let (input, kernel, threads, runs) = match arguments.as_slice() {
        [] => (small().map_err(std::io::Error::other), None, 2, 1),
        [folder, kernel, threads, runs] => {
            let number = |text: &String| text.parse().unwrap_or(1);
            (load(Path::new(folder)), Some(kernel), number(threads), number(runs))
        }
        _ => return ExitCode::from(2),
    };
    let out = || -> std::io::Result<()> {
        let input = input?;
        let run = Run::default().with_threads(threads).map_err(std::io::Error::other)?;
        for (name, work) in KERNELS.iter().filter(|(name, _)| kernel.is_none_or(|kernel| kernel == name)) {
            for round in 0..runs {
                let begin = Instant::now();
                let answer = work(&input, round, &run).map_err(std::io::Error::other)?;
                writeln!(std::io::stdout(), "{name} {:.5} {answer}", begin.elapsed().as_secs_f64())?;
            }
        }
        Ok(())
    };
    match out() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when stderr is closed.
            let _unread = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
