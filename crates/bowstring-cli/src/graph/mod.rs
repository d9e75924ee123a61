//! `graph`: algorithms over an edge table.

mod args;
mod compute;
mod options;

pub(crate) use self::{args::GraphCommand, compute::graph};
