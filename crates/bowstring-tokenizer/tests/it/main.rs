//! The tokenizer as its callers meet it.

mod added_tokens;
mod batches;
mod chat;
mod chunk;
mod decoding;
mod differential;
mod fixtures;
mod loading;
mod tiny;
mod train;
mod train_options;
