//! The tokenizer as its callers meet it.

mod differential;
mod fixtures;
