//! Graph algorithms over compressed sparse rows: from Arrow columns of edges to arrays indexed by node.
//!
//! Start at [`Graph`], which is built from edges once and shared by every algorithm. What an algorithm
//! may use (threads, memory) and how it is asked to stop stands in a [`Run`]. Then any algorithm: each
//! file answers one question, and its header names the method, its source, its cost and its memory.
//!
//! Nodes are dense numbers from 0; the ids of the caller's tables, where they are anything else, are
//! kept beside the graph.

mod batches;
mod bfs;
mod build;
mod columns;
mod communities;
mod csr;
mod dag;
mod dfs;
mod error;
mod graph;
mod label_propagation;
mod leiden;
mod level;
mod local_moving;
mod louvain;
mod modularity;
mod refinement;
mod run;
mod similarity;
mod sssp;
mod tally;
mod weights;

pub use crate::{
    bfs::{Bfs, BfsOptions, bfs},
    build::{BuildOptions, Edges, ParallelEdges, SelfLoops},
    communities::Communities,
    csr::{Csr, NodeId, Offsets},
    dag::{ancestors, descendants, find_cycle, topological_sort},
    dfs::{Dfs, dfs},
    error::{GraphError, Result},
    graph::{Direction, Graph},
    label_propagation::{LabelPropagationOptions, label_propagation},
    leiden::{LeidenOptions, leiden},
    louvain::{LouvainOptions, louvain},
    modularity::modularity,
    run::Run,
    similarity::{common_neighbors, jaccard},
    sssp::{Distances, Sssp, SsspMethod, SsspOptions, sssp},
    weights::Weights,
};
