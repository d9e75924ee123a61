//! Each algorithm against a slow and obvious reference, and what bad input gets.

mod bfs;
mod build;
mod communities;
mod dfs;
mod paths_through;
mod ranking;
mod similarity;
mod sssp;
mod support;
