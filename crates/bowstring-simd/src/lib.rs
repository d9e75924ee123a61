//! Kernels on vector registers, each with a scalar twin that any machine runs and tests compare with.

pub mod ascii;
