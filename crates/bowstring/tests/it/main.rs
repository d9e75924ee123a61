//! Workflows of this crate's step kinds, over real files.

mod failures;
mod fusion;
#[cfg(feature = "graph")]
mod graph;
#[cfg(feature = "quant")]
mod quant;
mod steps;
mod support;
#[cfg(feature = "tokenizer")]
mod tokenizer;
mod write;
