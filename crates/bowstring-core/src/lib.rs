//! What every Bowstring crate shares: what kind of failure it was ([`ErrorKind`], [`Diagnostic`]),
//! how work is asked to stop ([`Cancel`]), how sizes and durations are written ([`units`]), and how
//! a mistyped name finds its nearest neighbour ([`nearest`]).
//!
//! An item lives here only when two crates need it.

mod cancel;
mod error;
mod suggest;
pub mod units;

pub use crate::{
    cancel::{Cancel, Cancelled},
    error::{Diagnostic, ErrorKind, render},
    suggest::{nearest, quoted_list},
};
