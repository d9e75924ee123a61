//! Kernels on vector registers, each with a scalar twin that any machine runs and tests compare with.

pub mod ascii;
mod least;

pub use least::least;
