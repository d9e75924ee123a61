//! Workflows of this crate's step kinds, over real files.

mod failures;
mod fusion;
mod steps;
mod support;
mod write;
