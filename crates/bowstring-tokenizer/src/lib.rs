//! Text to the ids of language models, and back: `tokenizer.json` with Hugging Face's ids.

mod bpe;
mod definition;
mod kernel;
mod memo;
