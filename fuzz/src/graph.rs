//! What must hold of a graph, whatever rows, edges or text it is made of?

use std::{slice::from_ref, sync::Arc, sync::LazyLock};

use arrow::array::{ArrayRef, Float32Array, Int64Array, StringArray};
use bowstring_core::{Diagnostic, ErrorKind, render, units::ByteSize};
use bowstring_graph::{
    BfsOptions, BuildOptions, Csr, Direction, Edges, Graph, GraphError, KatzOptions, LeidenOptions, Offsets,
    PageRankOptions, ParallelEdges, Run, SelfLoops, SsspOptions, TableEdges, Weights, bfs, bipartite,
    connected_components, core_numbers, dfs, dot, find_cycle, graphml, katz, leiden, matrix_market,
    minimum_spanning_forest, pagerank, sssp, strongly_connected_components, topological_sort, triangles,
};

/// Two threads, and memory for graphs as small as inputs can describe.
static RUN: LazyLock<Run> = LazyLock::new(|| {
    let run = Run::default().with_memory(Some(ByteSize(64 << 20)));
    run.clone().with_threads(2).unwrap_or(run)
});

/// Bytes as options and then as sparse rows, as edges between numbers and as a table of edges.
pub fn check_graph(data: &[u8]) {
    let Some((&[switches, nodes, cut], numbers)) = data.split_first_chunk() else { return };
    let is_on = |switch: u8| switches & (1 << switch) != 0;
    let (front, back) = numbers.split_at(numbers.len().min(usize::from(cut)));
    // Bytes are small numbers, of which some are out of range.
    let signed = |byte: &u8| i64::from(byte.cast_signed());
    let weight = |byte: &u8| if *byte == 128 { f32::NAN } else { f32::from(byte.cast_signed()) / 4.0 };

    let weights = is_on(0).then(|| Weights::F32(back.iter().map(weight).collect::<Vec<_>>().into()));
    let offsets = if is_on(1) {
        Offsets::Wide(front.iter().map(|byte| signed(byte).cast_unsigned()).collect::<Vec<_>>().into())
    } else {
        Offsets::Narrow(front.iter().map(|byte| u32::from(*byte)).collect::<Vec<_>>().into())
    };
    let indices: Vec<u32> = back.iter().map(|byte| signed(byte) as u32).collect();
    check(
        Csr::new(offsets, indices.into(), weights, &RUN)
            .and_then(|rows| Graph::from_csr(rows, is_on(2), &RUN)),
    );

    let column = |bytes: &[u8]| Arc::new(bytes.iter().map(signed).collect::<Int64Array>()) as ArrayRef;
    let (source, target) = (column(front), column(back));
    let weight: ArrayRef = Arc::new(back.iter().map(weight).collect::<Float32Array>());
    let weight = is_on(0).then(|| from_ref(&weight));
    let merges = [
        ParallelEdges::Keep,
        ParallelEdges::First,
        ParallelEdges::Sum,
        ParallelEdges::Min,
        ParallelEdges::Max,
    ];
    let options = BuildOptions {
        num_nodes: (nodes != 0).then(|| u64::from(nodes)),
        directed: is_on(2),
        parallel_edges: merges[usize::from(switches >> 5) % merges.len()],
        self_loops: if is_on(3) { SelfLoops::Drop } else { SelfLoops::Keep },
    };
    let edges = Edges { source: from_ref(&source), target: from_ref(&target), weight };
    check(Graph::from_edges(&edges, &options, &RUN));

    let text = |bytes: &[u8]| {
        let texts = bytes.iter().map(|byte| "some text".repeat(usize::from(byte % 4)) + &byte.to_string());
        Arc::new(texts.map(Some).collect::<StringArray>()) as ArrayRef
    };
    let columns = if is_on(4) { [text(front), text(back)] } else { [source, target] };
    let nodes = is_on(1).then(|| from_ref(&columns[0]));
    let table = TableEdges { source: from_ref(&columns[0]), target: from_ref(&columns[1]), weight, nodes };
    check(Graph::from_table(&table, &BuildOptions { num_nodes: None, ..options }, &RUN));
}

/// Bytes as a file.
pub fn check_matrix_market(data: &[u8]) {
    check(matrix_market(data, &RUN));
}

/// What is refused is refused for a reason; of what is a graph, everything can be asked.
fn check(made: Result<Graph, GraphError>) {
    match made {
        Ok(graph) => asked(&graph).unwrap_or_else(|error| refused(&error)),
        Err(error) => refused(&error),
    }
}

fn refused(error: &GraphError) {
    assert!(matches!(error.kind(), ErrorKind::Data | ErrorKind::Limit | ErrorKind::Usage), "{error}");
    assert!(!render(error).is_empty());
}

/// Asks a graph everything, and looks whether answers have a place for each node.
fn asked(graph: &Graph) -> Result<(), GraphError> {
    let nodes = graph.num_nodes();
    let length = |found: usize| assert_eq!(found, nodes, "an answer for other nodes");
    length(graph.csc(&RUN)?.num_nodes());
    length(graph.degree(Direction::Both, &RUN)?.len());
    assert_eq!(graph.edges(&RUN)?.source.len(), graph.num_edges());
    length(graph.reverse(&RUN)?.num_nodes());
    length(graph.to_undirected(ParallelEdges::Keep, &RUN)?.num_nodes());
    let (ordered, order) = graph.relabel_by_degree(&RUN)?;
    assert_eq!((ordered.num_edges(), order.len()), (graph.num_edges(), nodes));
    dot(graph, &[], std::io::sink(), &RUN)?;
    graphml(graph, &[], std::io::sink(), &RUN)?;

    length(connected_components(graph, &RUN)?.labels.len());
    length(core_numbers(graph, &RUN)?.len());
    length(triangles(graph, &RUN)?.per_node.len());
    length(dfs(graph, None, None, &RUN)?.order.len());
    bipartite(graph, &RUN)?;
    find_cycle(graph, &RUN)?;
    length(pagerank(graph, &PageRankOptions::default(), &RUN)?.scores.len());
    length(katz(graph, &KatzOptions::default(), &RUN)?.scores.len());
    if nodes > 0 {
        let last = nodes as u32 - 1;
        length(bfs(graph, &[0, last], &BfsOptions::default(), &RUN)?.distances.len());
        assert!(graph.k_hop(&[last], 2, Direction::Both, &RUN)?.contains(&last));
    }
    // What not every graph can be asked is asked on its own, so that a refusal hides nothing.
    let by_kind = [
        topological_sort(graph, &RUN).map(|order| length(order.len())),
        strongly_connected_components(graph, &RUN).map(|found| length(found.labels.len())),
        minimum_spanning_forest(graph, &RUN).map(drop),
        leiden(graph, &LeidenOptions::default(), &RUN).map(|found| length(found.labels.len())),
        match nodes {
            0 => Ok(()),
            _ => sssp(graph, &[0], &SsspOptions::default(), &RUN)
                .map(|found| length(found.parents.map_or(0, |parents| parents.len()))),
        },
    ];
    by_kind.iter().filter_map(|answer| answer.as_ref().err()).for_each(refused);
    Ok(())
}
