//! Graph algorithms over compressed sparse rows: from Arrow columns of edges to arrays indexed by node.
//!
//! Start at [`Graph`], which is built from edges once and shared by every algorithm. What an algorithm
//! may use (threads, memory) and how it is asked to stop stands in a [`Run`]. Then any algorithm: each
//! file answers one question, and its header names the method, its source, its cost and its memory.
//!
//! Nodes are dense numbers from 0; the ids of the caller's tables, where they are anything else, are
//! kept beside the graph.

mod batches;
mod betweenness;
mod bfs;
mod bipartite;
mod bits;
mod brandes;
mod build;
mod closeness;
mod columns;
mod communities;
mod components;
mod cores;
mod csr;
mod dag;
mod degree_centrality;
mod dfs;
mod distances_to;
mod draw;
mod eigenvector;
mod error;
mod export;
mod forest;
mod graph;
mod hits;
mod ids;
mod katz;
mod keys;
mod label_propagation;
mod leiden;
mod level;
mod local_moving;
mod louvain;
mod many_bfs;
mod matrix_market;
mod modularity;
mod nodes;
mod numbering;
mod ops;
mod oriented;
mod pagerank;
mod path_count;
mod pull;
mod refinement;
mod run;
mod sample;
mod similarity;
mod simple;
mod sort;
mod spread;
mod sssp;
mod strong;
mod table;
mod tally;
mod tarjan;
mod triangles;
mod unions;
mod weights;
mod xml;

pub use crate::{
    betweenness::{BetweennessOptions, betweenness},
    bfs::{Bfs, BfsOptions, bfs},
    bipartite::{Bipartite, bipartite},
    build::{BuildOptions, Edges, ParallelEdges, SelfLoops},
    closeness::{ClosenessOptions, HarmonicOptions, closeness, harmonic},
    communities::Communities,
    components::{Components, connected_components},
    cores::core_numbers,
    csr::{Csr, NodeId, Offsets},
    dag::{ancestors, descendants, find_cycle, topological_sort},
    degree_centrality::degree_centrality,
    dfs::{Dfs, dfs},
    draw::{DrawOptions, draw, top_ranked},
    eigenvector::{EigenvectorOptions, Scores, eigenvector},
    error::{GraphError, Result},
    export::{dot, graphml},
    forest::{SpanningForest, minimum_spanning_forest},
    graph::{Direction, Graph},
    hits::{Hits, HitsOptions, hits},
    katz::{KatzOptions, katz},
    label_propagation::{LabelPropagationOptions, label_propagation},
    leiden::{LeidenOptions, leiden},
    louvain::{LouvainOptions, louvain},
    matrix_market::matrix_market,
    modularity::modularity,
    nodes::NodeMap,
    ops::EdgeColumns,
    pagerank::{PageRank, PageRankOptions, pagerank},
    run::Run,
    similarity::{common_neighbors, jaccard},
    sssp::{Distances, Sssp, SsspMethod, SsspOptions, sssp},
    strong::strongly_connected_components,
    table::TableEdges,
    triangles::{Triangles, triangle_count, triangles},
    weights::Weights,
};
