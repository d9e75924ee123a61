//! Kernels on vector registers, each with a scalar twin that any machine runs and tests compare with.

pub mod ascii;
mod least;
mod prefetch;
mod run;

pub use least::least;
pub use prefetch::prefetch;
pub use run::{Work, run};
