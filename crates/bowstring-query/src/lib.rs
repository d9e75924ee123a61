//! Lazy frames and SQL over Bowstring's readers, on Apache DataFusion. Make a [`Session`], turn a
//! dataset or a [`Table`] into a [`Frame`], refine it, and [collect](Frame::collect) or
//! [stream](Frame::stream) it.
//!
//! A frame is checked while it is built: a name or a type that is wrong is an error of the call
//! that brought it in, and nothing is read before a frame is run. `docs/guides/tables.md` lists where this SQL
//! differs from DataFusion's own.

mod compact_exec;
mod dataset_exec;
mod error;
mod execute;
mod fields;
mod floats;
mod frame;
mod function;
mod guard;
mod in_order;
mod metrics;
mod overflow;
mod parse;
mod pieces;
mod pool;
mod predicate;
mod project;
mod read_ahead;
mod relate;
mod row_hash;
mod scan;
mod selection;
mod semantics;
mod session;
mod size;
mod spill;
mod sql;
mod statistics;
mod stream;
mod table;
mod wait;

pub use crate::{
    error::{QueryError, Result},
    frame::Frame,
    function::{Argument, Call, Compute, Function},
    metrics::{Collected, OperatorMetrics, PlanMetrics},
    relate::{JoinKind, SampleSize},
    selection::Selection,
    session::{Session, SessionOptions},
    sql::referenced_tables,
    stream::FrameStream,
    table::Table,
};
