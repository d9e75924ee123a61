//! Bowstring in one crate: the other crates under one roof, and every step kind.
//!
//! - Tables: [`io`] reads and writes files, [`query`] has lazy frames and SQL.
//! - Graphs: [`graph`] has the algorithms, and says which of them go by which name.
//! - Model weights: [`quant`] writes them with fewer bits.
//! - Tokenizers: [`tokenizer`] turns text into the ids of language models, in SQL and workflows too.
//! - Workflows: [`workflow`] parses, validates and runs documents; an [`Engine`] knows the step
//!   kinds of this crate and the machine's resources.
//!
//! What fails says so as an [`Error`], whose [kind](Diagnostic::kind) decides exit codes and
//! exceptions.

mod engine;
mod error;
#[cfg(feature = "graph")]
pub mod graph;
mod machine;
mod plan;
#[cfg(feature = "quant")]
pub mod quant;
mod relation;
pub mod steps;
#[cfg(feature = "tokenizer")]
pub mod tokenizer;

pub use bowstring_core::{
    Cancel, Cancelled, Diagnostic, ErrorKind, nearest, quoted_list, render,
    units::{self, ByteSize},
};
pub use bowstring_io as io;
pub use bowstring_query as query;
pub use bowstring_workflow as workflow;

#[cfg(feature = "graph")]
pub use crate::relation::GRAPH;
pub use crate::{
    engine::{Engine, EngineOptions},
    error::{Error, Result},
    machine::resources,
    plan::{PlannedStep, PlannedUnit},
    relation::{FILE, Relation, TABLE},
};
