//! Tokenizers: what turns text into the ids of language models, and where queries find them.
//!
//! The step `tokenize`, the command `bowstring tokenize` and the SQL functions `tokenize` and `token_count`
//! take tokenizers from the engine's [`Library`].

mod expression;
mod functions;
mod library;

pub use bowstring_tokenizer::*;

pub use self::{expression::Tokenization, library::Library};

pub(crate) use self::functions::functions;
