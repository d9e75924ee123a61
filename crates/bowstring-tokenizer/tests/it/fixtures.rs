//! Which real tokenizers are in the repository?

use std::{fs::File, io::Read, path::Path};

use flate2::read::GzDecoder;

/// The names of all of them.
pub(crate) const ALL: &[&str] = &["gpt2", "bert-uncased", "qwen2.5", "t5-4k"];

/// The `tokenizer.json` of a name. Tests are started in the folder of their package.
pub(crate) fn json(name: &str) -> Vec<u8> {
    let path = Path::new("fixtures").join(format!("{name}.json.gz"));
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut json = Vec::new();
    GzDecoder::new(file).read_to_end(&mut json).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    json
}

/// The tokenizer of a name.
pub(crate) fn tokenizer(name: &str) -> bowstring_tokenizer::Tokenizer {
    bowstring_tokenizer::Tokenizer::from_bytes(json(name)).expect("a tokenizer")
}
