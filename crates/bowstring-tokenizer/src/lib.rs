//! Text to the ids of language models, and back: `tokenizer.json` with Hugging Face's ids, from and to
//! Arrow.
//!
//! Start at [`Tokenizer`], which is loaded once and shared. [`Tokenizer::encode`] says everything about
//! one text, [`Tokenizer::encode_batch`] the ids of a column, [`Tokenizer::count`] only how many they are.
//!
//! Pipelines of today's models run on kernels of our own, all others on the `tokenizers` crate;
//! [`Tokenizer::backend`] says which. Both give the same ids.

mod added;
mod alphabet;
mod around;
mod batch;
mod bert;
mod boundaries;
mod bpe;
mod bpe_chars;
mod byte_level;
mod characters;
mod chat;
mod chunk;
mod classes;
mod code;
mod columns;
mod components;
mod convert;
mod decode;
mod definition;
#[cfg(test)]
mod differential;
mod encoding;
mod engine;
mod error;
mod joints;
mod kernel;
mod load;
mod made;
mod memo;
mod merge_table;
mod merging;
mod normal;
mod options;
mod pad;
mod parallel;
mod pipelines;
mod precompiled;
mod rows;
mod scores;
mod sections;
mod sentence_bpe;
mod sentence_normal;
mod sentence_unigram;
mod sentencepiece_file;
mod split;
mod texts;
mod tiktoken_file;
mod tiktoken_pattern;
mod tokenizer;
mod train;
mod trie;
mod truncate;
mod unigram;
mod vocabulary;
mod word_normal;
mod word_piece;

pub use crate::{
    chat::ChatOptions,
    chunk::{Chunk, ChunkOptions},
    decode::DecodeStream,
    encoding::Encoding,
    engine::Backend,
    error::{Result, TokenizerError},
    load::Config,
    options::{BatchOptions, OffsetUnit, PadTo, Padding, Side, Truncation, TruncationStrategy},
    texts::Texts,
    tokenizer::Tokenizer,
    train::{Algorithm, TrainOptions},
};
