//! Each algorithm against a slow and obvious reference, and what bad input gets.

mod build;
mod support;
