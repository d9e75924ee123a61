//! Behaviour of frames and SQL, one module for each question.

mod errors;
mod extremes;
mod first_rows;
mod frames;
mod functions;
mod limits;
mod scans;
mod selections;
mod sql;
mod support;
mod values;
