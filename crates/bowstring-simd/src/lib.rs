//! Kernels on vector registers, each with a scalar twin that any machine runs and tests compare with.

pub mod ascii;
mod large_pages;
mod least;
mod prefetch;
mod run;

pub use large_pages::large_pages;
pub use least::{least, place_of};
pub use prefetch::prefetch;
pub use run::{Recent, Work, run, run_with};
