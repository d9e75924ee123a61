//! Bowstring's own kernels, below its Python package.

use std::{error::Error, slice::from_ref, sync::Arc};

use arrow::array::{ArrayRef, UInt32Array};
use bowstring_graph::{
    BetweennessOptions, BfsOptions, BuildOptions, Csr, Distances, Edges, Graph, Offsets, PageRankOptions,
    ParallelEdges, Run, SelfLoops, SsspOptions, Weights, betweenness, bfs, connected_components, pagerank,
    sssp, strongly_connected_components, triangle_count,
};

use crate::{Answer, DAMPING, ITERATIONS, Input, Kernel, TOLERANCE};

pub fn kernel<'a>(name: &str, input: &'a Input, threads: usize) -> Result<Kernel<'a>, Box<dyn Error>> {
    let run = Run::default().with_threads(threads)?;
    let weights = Weights::I32(input.weights.iter().map(|weight| *weight as i32).collect::<Vec<_>>().into());
    let indptr = Offsets::Wide(input.indptr.clone().into());
    let rows = Csr::new(indptr, input.indices.clone().into(), (name == "sssp").then_some(weights), &run)?;
    let graph = Graph::from_csr(rows, input.directed, &run)?;
    Ok(match name {
        "build" => {
            let source: ArrayRef = Arc::new(UInt32Array::from(input.src.clone()));
            let target: ArrayRef = Arc::new(UInt32Array::from(input.dst.clone()));
            let options = BuildOptions {
                num_nodes: Some(input.num_nodes() as u64),
                directed: input.directed,
                parallel_edges: ParallelEdges::First,
                self_loops: SelfLoops::Drop,
            };
            Box::new(move |_| {
                let edges = Edges { source: from_ref(&source), target: from_ref(&target), weight: None };
                let built = Graph::from_edges(&edges, &options, &run)?;
                Ok(Box::new(move || vec![built.csr().num_entries() as f64]) as Answer)
            })
        }
        "bfs" => {
            // What a graph keeps for later is made before, as others make it when they convert.
            graph.csc(&run)?;
            Box::new(move |source| {
                let found = bfs(&graph, &[source], &BfsOptions::default(), &run)?;
                Ok(Box::new(move || found.distances.into_iter().map(f64::from).collect()) as Answer)
            })
        }
        "sssp" => Box::new(move |source| {
            // Distances alone, which is what all others are asked for.
            let options = SsspOptions { parents: false, ..SsspOptions::default() };
            let found = sssp(&graph, &[source], &options, &run)?;
            Ok(Box::new(move || match found.distances {
                Distances::Int(distances) => distances.into_iter().map(|distance| distance as f64).collect(),
                Distances::Float(distances) => distances,
            }) as Answer)
        }),
        "pagerank" | "pagerank20" => {
            graph.csc(&run)?;
            let tolerance = if name == "pagerank" { TOLERANCE } else { 0.0 };
            let options = PageRankOptions {
                damping: DAMPING,
                tolerance,
                max_iterations: ITERATIONS,
                ..PageRankOptions::default()
            };
            Box::new(move |_| {
                let found = pagerank(&graph, &options, &run)?;
                Ok(Box::new(move || found.scores) as Answer)
            })
        }
        "components" => {
            // Rows both ways are made before, as others make them when they convert.
            graph.csc(&run)?;
            Box::new(move |_| {
                let found = connected_components(&graph, &run)?;
                Ok(Box::new(move || found.labels.into_iter().map(f64::from).collect()) as Answer)
            })
        }
        "strong" => {
            graph.csc(&run)?;
            Box::new(move |_| {
                let found = strongly_connected_components(&graph, &run)?;
                Ok(Box::new(move || found.labels.into_iter().map(f64::from).collect()) as Answer)
            })
        }
        "triangles" => Box::new(move |_| {
            let count = triangle_count(&graph, &run)?;
            Ok(Box::new(move || vec![count as f64]) as Answer)
        }),
        "betweenness" => {
            let sources = Some(input.sources.iter().copied().take(4).collect());
            let options = BetweennessOptions { sources, normalized: false, ..BetweennessOptions::default() };
            Box::new(move |_| {
                let found = betweenness(&graph, &options, &run)?;
                Ok(Box::new(move || found) as Answer)
            })
        }
        other => return Err(format!("{other} is not among its kernels").into()),
    })
}
