//! What tokenizer does a file of tiktoken's ranks describe?
//!
//! Each line has a token in base64 and its rank, which is its id. Bytes of a piece are merged into the token
//! of the lowest rank first, so that all pairs that make a token are merges with its rank; a piece that is
//! a token is taken as it is. It becomes a `tokenizer.json` with that one rule more.

use std::path::Path;

use base64::Engine as _;
use hashbrown::HashMap;
use serde_json::{Value, json};

use crate::{Result, Tokenizer, TokenizerError, alphabet::ALPHABET};

impl Tokenizer {
    /// The tokenizer of a file of tiktoken's ranks, with the `pattern` that cuts text into pieces and the
    /// special tokens, which the file does not have. Text that the pattern leaves out is left out.
    ///
    /// # Errors
    /// [`TokenizerError::System`] when the file cannot be read, [`TokenizerError::Malformed`] with the line
    /// that is not a token and a rank, [`TokenizerError::Unsupported`] when the pattern is not a regular
    /// expression, or none of those that our kernels know.
    pub fn from_tiktoken(
        path: impl AsRef<Path>,
        pattern: &str,
        special_tokens: &[(String, u32)],
    ) -> Result<Self> {
        let path = path.as_ref();
        let text =
            std::fs::read(path).map_err(|source| TokenizerError::System { path: path.to_owned(), source })?;
        let ranks = ranks(&text).map_err(|(line, reason)| TokenizerError::Malformed {
            what: "a file of ranks",
            path: Some(path.to_owned()),
            field: Some(format!("line {line}")),
            reason: reason.to_owned(),
        })?;
        let document = document(&ranks, pattern, special_tokens);
        Self::new(document.to_string().into_bytes(), Some(path))
    }
}

/// Tokens and their ranks, in the order of these.
type Ranks = Vec<(Vec<u8>, u32)>;

/// The tokens of a file with their ranks, or the line that has none and why.
fn ranks(text: &[u8]) -> Result<Ranks, (usize, &'static str)> {
    let mut ranks = Vec::new();
    let mut seen = HashMap::new();
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let mut parts = line.split(|&byte| byte == b' ');
        let (Some(token), Some(rank), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err((number, "it is not a token and a rank with a space between them"));
        };
        let token = base64::engine::general_purpose::STANDARD
            .decode(token)
            .map_err(|_| (number, "the token is not in base64"))?;
        let rank = str::from_utf8(rank).ok().and_then(|rank| rank.parse().ok());
        let rank = rank.ok_or((number, "the rank is not a number"))?;
        if token.is_empty() {
            return Err((number, "the token is empty"));
        }
        if seen.insert(token.clone(), rank).is_some() {
            return Err((number, "the token is there already"));
        }
        ranks.push((token, rank));
    }
    ranks.sort_by_key(|(_, rank)| *rank);
    Ok(ranks)
}

/// The `tokenizer.json` of `ranks`, which are in their order.
fn document(ranks: &[(Vec<u8>, u32)], pattern: &str, special_tokens: &[(String, u32)]) -> Value {
    let written =
        |token: &[u8]| -> String { token.iter().map(|&byte| ALPHABET.chars[usize::from(byte)]).collect() };
    let tokens: HashMap<&[u8], String> =
        ranks.iter().map(|(token, _)| (token.as_slice(), written(token))).collect();
    let merges: Vec<[&str; 2]> = ranks
        .iter()
        .flat_map(|(token, _)| (1..token.len()).map(|at| token.split_at(at)))
        .filter_map(|(left, right)| Some([tokens.get(left)?.as_str(), tokens.get(right)?.as_str()]))
        .collect();
    let ids = ranks.iter().map(|(token, rank)| (written(token), json!(rank)));
    let special = special_tokens.iter().map(|(token, id)| (token.clone(), json!(id)));
    let vocab: serde_json::Map<String, Value> = ids.chain(special).collect();
    let added: Vec<Value> = special_tokens
        .iter()
        .map(|(token, id)| {
            json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        })
        .collect();
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
        "use_regex": false});
    let split =
        json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": true});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, &byte_level]},
        "post_processor": null, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": true, "vocab": vocab, "merges": merges},
        "bowstring": {"needed": true, "ranks_of_tokens": true},
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::{Backend, differential::fixture};

    const PATTERN: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    fn read(ranks: &[u8], special_tokens: &[(String, u32)]) -> Result<Tokenizer> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(ranks).expect("a file");
        Tokenizer::from_tiktoken(file.path(), PATTERN, special_tokens)
    }

    /// GPT-2's ranks.
    fn gpt2() -> Vec<u8> {
        let json: Value =
            serde_json::from_str(&fixture(include_bytes!("../fixtures/gpt2.json.gz"))).expect("a document");
        let mut file = Vec::new();
        for (token, rank) in json["model"]["vocab"].as_object().expect("a map") {
            if let Some(bytes) = ALPHABET.decode(token).filter(|_| token != "<|endoftext|>") {
                let token = base64::engine::general_purpose::STANDARD.encode(bytes.collect::<Vec<u8>>());
                writeln!(file, "{token} {rank}").expect("a line");
            }
        }
        file
    }

    #[test]
    fn ids_are_those_of_the_library() {
        let tokenizer = read(&gpt2(), &[("<|endoftext|>".to_owned(), 50256)]).expect("a tokenizer");
        assert_eq!(tokenizer.backend(), Backend::Fast("byte-level BPE"));
        let json: Value =
            serde_json::from_str(include_str!("../fixtures/other-libraries.json")).expect("a document");
        for case in json["tiktoken"].as_array().expect("a list") {
            let text = case[0].as_str().expect("a text");
            let ids = tokenizer.ids(text, false).expect("ids");
            assert_eq!(json!(ids), case[1], "{text:?}");
            assert_eq!(tokenizer.decode(&ids, false).expect("a text"), text);
        }
    }

    #[test]
    fn lines_that_are_no_ranks_are_named() {
        let wrong = |file: &str| match read(file.as_bytes(), &[]) {
            Err(TokenizerError::Malformed { field, reason, .. }) => {
                format!("{}: {reason}", field.unwrap_or_default())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(wrong("YQ== 0\nYg==\n"), "line 2: it is not a token and a rank with a space between them");
        assert_eq!(wrong("YQ== 0 1"), "line 1: it is not a token and a rank with a space between them");
        assert_eq!(wrong("Y 0"), "line 1: the token is not in base64");
        assert_eq!(wrong("YQ== -1"), "line 1: the rank is not a number");
        assert_eq!(wrong(" 0"), "line 1: it is not a token and a rank with a space between them");
        assert_eq!(wrong("YQ== 0\n\nYQ== 1"), "line 3: the token is there already");
    }

    #[test]
    fn a_pattern_that_no_kernel_knows_is_refused() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&gpt2()).expect("a file");
        let error = Tokenizer::from_tiktoken(file.path(), "[a-z]+", &[]).expect_err("not known");
        assert!(matches!(error, TokenizerError::Unsupported { .. }), "{error:?}");
    }
}
