//! The command as its users run it: a process with arguments, streams, signals and an exit code.

mod corpus;
mod graph;
mod quant;
mod reference;
mod signals;
mod support;
mod tables;
mod tokenize;
mod workflows;
