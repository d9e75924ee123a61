//! Behaviour of frames and SQL, one module for each question.

mod errors;
mod frames;
mod scans;
mod sql;
mod support;
