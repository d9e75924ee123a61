//! The crate `graph` of neo4j-labs.

use std::{error::Error, sync::atomic::Ordering};

use graph::prelude::*;
use rayon::ThreadPool;

use crate::{Answer, DAMPING, ITERATIONS, Input, Kernel, TOLERANCE};

pub fn kernel<'a>(name: &str, input: &'a Input, pool: ThreadPool) -> Result<Kernel<'a>, Box<dyn Error>> {
    // Several threads get in each other's way when rows that are many entries long are filled.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let rows = || -> DirectedCsrGraph<u32> {
        let edges: Vec<_> = input.entries().map(|(row, node, _)| (row, node)).collect();
        alone.install(|| GraphBuilder::new().csr_layout(CsrLayout::Sorted).edges(edges).build())
    };
    Ok(match name {
        "sssp" => {
            let edges: Vec<_> = input.entries().collect();
            let graph: DirectedCsrGraph<u32, (), f32> = alone.install(|| {
                GraphBuilder::new().csr_layout(CsrLayout::Sorted).edges_with_values(edges).build()
            });
            Box::new(move |source| {
                let config = DeltaSteppingConfig::new(source as usize, input.delta);
                let found = pool.install(|| delta_stepping(&graph, config));
                let nodes = input.num_nodes();
                Ok(Box::new(move || {
                    let distance =
                        |node: usize| found.get(node).map_or(f32::MAX, |it| it.load(Ordering::Relaxed));
                    (0..nodes).map(distance).map(|it| if it == f32::MAX { -1.0 } else { it.into() }).collect()
                }) as Answer)
            })
        }
        "pagerank" | "pagerank20" => {
            let graph = rows();
            let tolerance = if name == "pagerank" { TOLERANCE } else { 0.0 };
            let nodes = input.num_nodes();
            Box::new(move |_| {
                let config = PageRankConfig::new(ITERATIONS as usize, tolerance, DAMPING as f32);
                let (scores, ..) = pool.install(|| page_rank(&graph, config));
                Ok(padded(scores.into_iter().map(f64::from).collect(), nodes, |_| 0.0))
            })
        }
        "components" => {
            let graph = rows();
            let nodes = input.num_nodes();
            Box::new(move |_| {
                let found = pool.install(|| wcc_afforest(&graph, WccConfig::default()).to_vec());
                Ok(padded(found.into_iter().map(f64::from).collect(), nodes, |node| node as f64))
            })
        }
        "triangles" => {
            let edges: Vec<_> = input
                .entries()
                .filter(|(row, node, _)| row < node)
                .map(|(row, node, _)| (row, node))
                .collect();
            let mut graph: UndirectedCsrGraph<u32> = alone
                .install(|| GraphBuilder::new().csr_layout(CsrLayout::Deduplicated).edges(edges).build());
            graph.make_degree_ordered();
            Box::new(move |_| {
                let count = pool.install(|| global_triangle_count(&graph));
                Ok(Box::new(move || vec![count as f64]) as Answer)
            })
        }
        other => return Err(format!("{other} is not among its kernels").into()),
    })
}

/// It knows no node behind the last one that has an edge.
fn padded(mut numbers: Vec<f64>, nodes: usize, of: impl Fn(usize) -> f64 + 'static) -> Answer {
    Box::new(move || {
        numbers.extend((numbers.len()..nodes).map(of));
        numbers
    })
}
