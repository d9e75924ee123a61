//! One binary for all integration tests of the engine, so that it is linked once.

mod documents;
mod engine;
