//! Each algorithm against a slow and obvious reference, and what bad input gets.

mod bfs;
mod bipartite;
mod build;
mod communities;
mod components;
mod cores;
mod dfs;
mod draw;
mod forest;
mod formats;
mod nodes;
mod ops;
mod paths_through;
mod ranking;
mod similarity;
mod sssp;
mod strong;
mod structure;
mod support;
mod triangles;
