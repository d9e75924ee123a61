//! Graphs: which algorithms are there, what does each take, and what does it give?
//!
//! An [`Algorithm`] is its name, the options that it takes and what it computes. The steps `graph.*`, the
//! command `bowstring graph` and the Python class are all made from [`ALGORITHMS`].

mod algorithm;
mod communities;
mod edges;
mod files;
mod ids;
mod outcome;
mod picture;
mod ranking;
mod structure;
mod traversal;

pub use bowstring_graph::*;

pub use self::{
    algorithm::{ALGORITHMS, Algorithm, Arrays, Prepared, algorithm},
    edges::{EdgeOptions, GRAPH_KEYS, ParallelEdgesName, SelfLoopsName, read_pairs},
    files::{GraphFormat, export, read_matrix_market},
    ids::node,
    outcome::{Column, ColumnKind, Fact, Outcome, Rows, node_table},
    picture::{Part, Picture},
};
