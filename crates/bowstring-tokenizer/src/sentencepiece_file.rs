//! What tokenizer does a SentencePiece `.model` describe?
//!
//! The file is a protocol buffer (`sentencepiece_model.proto`) of pieces with scores, and of how text is
//! normalised. It is turned into a `tokenizer.json` with the few rules that such a document cannot have
//! ([`Beyond`](crate::definition::Beyond)); ids are those of the library's own `encode`. Sums of scores are
//! made word by word there, over the whole text in the library, in single precision both; so that of
//! two ways whose scores are the same but for rounding the library may choose the other one.

mod message;

use std::path::Path;

use base64::Engine as _;
use hashbrown::{HashMap, HashSet};
use prost::Message;
use serde_json::{Value, json};

use self::message::{BPE, Kind, Model, ModelPiece, Normalizer, UNIGRAM};
use crate::{Result, Tokenizer, TokenizerError, kernel::Reason, sentence_bpe::MARK, word_normal::TRIM};

impl Tokenizer {
    /// The tokenizer of a SentencePiece `.model`, byte-pair encoding or unigram.
    ///
    /// Ids are those of the library's `encode`: no special tokens are added, and names of control symbols
    /// in a text are text. Symbols of the user come before all other pieces, and are not normalised. Of two ways
    /// through a word that are equally probable but for rounding, a unigram model takes the same one in every
    /// text; the library rounds over the whole text, and may take the other one.
    ///
    /// # Errors
    /// [`TokenizerError::System`] when the file cannot be read, [`TokenizerError::Malformed`] when it is not
    /// a model, [`TokenizerError::Unsupported`] when ids could not be the library's.
    pub fn from_sentencepiece(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes =
            std::fs::read(path).map_err(|source| TokenizerError::System { path: path.to_owned(), source })?;
        let model = Model::decode(bytes.as_slice()).map_err(|error| TokenizerError::Malformed {
            what: "a SentencePiece model",
            path: Some(path.to_owned()),
            field: None,
            reason: error.to_string(),
        })?;
        let document = document(&model).map_err(|reason| TokenizerError::Unsupported {
            path: Some(path.to_owned()),
            reason: reason.into_owned(),
        })?;
        Self::new(document.to_string().into_bytes(), Some(path))
    }
}

/// The `tokenizer.json` of `model`.
fn document(model: &Model) -> Result<Value, Reason> {
    let trainer = model.trainer.clone().unwrap_or_default();
    let normalizer = model.normalizer.clone().unwrap_or_default();
    if trainer.treat_whitespace_as_suffix() {
        return Err("spaces are put behind words".into());
    }
    if !normalizer.escape_whitespaces() {
        return Err("spaces stay spaces".into());
    }
    let unknown = model.pieces.iter().position(|piece| piece.kind() == Kind::Unknown);
    let unknown = unknown.ok_or("no piece is for what is unknown")?;
    let names: HashSet<&str> = model.pieces.iter().map(ModelPiece::piece).collect();
    if names.len() != model.pieces.len() || names.contains("") {
        return Err("two pieces are the same, or one is empty".into());
    }
    if model.pieces.iter().any(|piece| piece.kind() == Kind::Unused) {
        return Err("some pieces are not to be used".into());
    }
    let unmatched: Vec<usize> = (0..model.pieces.len())
        .filter(|&id| !matches!(model.pieces[id].kind(), Kind::Normal | Kind::UserDefined))
        .collect();
    let parts = match trainer.model_type() {
        UNIGRAM => unigram(model, &normalizer, unknown, trainer.byte_fallback())?,
        BPE => byte_pairs(model, &normalizer, unknown, trainer.byte_fallback())?,
        _ => return Err("it is neither byte-pair encoding nor unigram".into()),
    };
    let strip = normalizer
        .add_dummy_prefix()
        .then(|| json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    let mut decoders = vec![json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "})];
    decoders.extend([json!({"type": "ByteFallback"}), json!({"type": "Fuse"})]);
    decoders.extend(strip);
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": parts.added, "normalizer": parts.normalizer, "pre_tokenizer": parts.pre_tokenizer,
        "post_processor": null, "decoder": {"type": "Sequence", "decoders": decoders}, "model": parts.model,
        "bowstring": {"needed": true, "ranks_of_tokens": true, "unmatched": unmatched,
            "single_precision": true, "longest_in_table": true, "symbols": parts.symbols,
            "normalized_first": parts.first},
    }))
}

/// What differs between the kinds of models.
struct Parts<'a> {
    added: Vec<Value>,
    symbols: Vec<&'a str>,
    first: Value,
    normalizer: Value,
    pre_tokenizer: Value,
    model: Value,
}

/// How much a symbol of the user counts for in the library, for each byte, less this once.
const OF_SYMBOLS: f64 = 0.1;

/// What is done to characters and spaces, one that is put in front among them if anything is done at all.
fn steps(normalizer: &Normalizer) -> Vec<Value> {
    let mut steps = Vec::new();
    // Spaces that stay do so even if nothing else does; among spaces that go this one would go too.
    if normalizer.add_dummy_prefix() && !normalizer.remove_extra_whitespaces() {
        steps.push(json!({"type": "Prepend", "prepend": " "}));
    }
    let table = normalizer.precompiled_charsmap();
    if !table.is_empty() {
        let table = base64::engine::general_purpose::STANDARD.encode(table);
        steps.push(json!({"type": "Precompiled", "precompiled_charsmap": table}));
    }
    if normalizer.remove_extra_whitespaces() {
        steps.push(json!({"type": "Replace", "pattern": {"Regex": TRIM}, "content": ""}));
        steps.push(json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}));
        if normalizer.add_dummy_prefix() {
            steps.push(json!({"type": "Prepend", "prepend": "▁"}));
        }
    }
    steps
}

/// The symbols of the user, which come before all other pieces and stay as they are in text that is normalised.
fn symbols(model: &Model) -> Vec<&str> {
    let symbols = model.pieces.iter().filter(|piece| piece.kind() == Kind::UserDefined);
    symbols.map(ModelPiece::piece).collect()
}

/// The character of a text that has no more.
fn only(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

fn unigram<'a>(
    model: &'a Model,
    normalizer: &Normalizer,
    unknown: usize,
    byte_fallback: bool,
) -> Result<Parts<'a>, Reason> {
    let symbols = symbols(model);
    let mut vocab = Vec::with_capacity(model.pieces.len());
    for piece in &model.pieces {
        let (text, mut score) = (piece.piece(), f64::from(piece.score()));
        if matches!(piece.kind(), Kind::Normal | Kind::UserDefined) && text.chars().skip(1).any(|c| c == MARK)
        {
            return Err("a piece reaches over a space".into());
        }
        if piece.kind() == Kind::Normal && score > 0.0 && !symbols.is_empty() {
            return Err("a piece counts for as much as the symbols of the user".into());
        }
        if piece.kind() == Kind::UserDefined {
            score = text.len() as f64 * OF_SYMBOLS - OF_SYMBOLS;
        }
        vocab.push((text, score));
    }
    Ok(Parts {
        added: Vec::new(),
        symbols,
        first: Value::Null,
        normalizer: json!({"type": "Sequence", "normalizers": steps(normalizer)}),
        pre_tokenizer: json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true}),
        model: json!({"type": "Unigram", "unk_id": unknown, "vocab": vocab, "byte_fallback": byte_fallback}),
    })
}

fn byte_pairs<'a>(
    model: &'a Model,
    normalizer: &Normalizer,
    unknown: usize,
    byte_fallback: bool,
) -> Result<Parts<'a>, Reason> {
    let prefix = normalizer.add_dummy_prefix();
    let mut symbols = symbols(model);
    // Text that is merged as it stands, symbols in it being found as added tokens are, is merged faster.
    let stands = normalizer.precompiled_charsmap().is_empty() && !normalizer.remove_extra_whitespaces();
    let among_spaces = || symbols.iter().any(|symbol| symbol.contains([' ', MARK]));
    let as_it_stands = stands && (symbols.is_empty() || !prefix && !among_spaces());
    let mut added = Vec::new();
    let mut scores: HashMap<&str, f32> = HashMap::new();
    for (id, piece) in model.pieces.iter().enumerate() {
        match piece.kind() {
            Kind::UserDefined if as_it_stands => added
                .push(json!({"id": id, "content": piece.piece(), "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false, "special": false})),
            Kind::Normal => drop(scores.insert(piece.piece(), piece.score())),
            _ => {}
        }
    }
    let alone: HashSet<char> = symbols.iter().filter_map(|symbol| only(symbol)).collect();
    let mut merged: Vec<(&str, f32)> = Vec::new();
    for (&piece, &score) in &scores {
        let mut characters = piece.char_indices();
        if characters.by_ref().count() < 2 {
            continue;
        }
        // Symbols are merged with nothing.
        if piece.chars().any(|character| alone.contains(&character)) {
            continue;
        }
        if piece.chars().any(|character| !scores.contains_key(character.encode_utf8(&mut [0; 4]) as &str)) {
            return Err("a piece has a character that is none itself".into());
        }
        merged.push((piece, score));
    }
    merged.sort_by(|left, right| right.1.total_cmp(&left.1));
    if merged.windows(2).any(|pair| pair[0].1 == pair[1].1) {
        return Err("two pieces have one score".into());
    }
    let merges: Vec<(&str, &str)> = merged
        .iter()
        .flat_map(|(piece, _)| piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at)))
        .filter(|(left, right)| scores.contains_key(left) && scores.contains_key(right))
        .collect();
    let vocab: serde_json::Map<String, Value> =
        model.pieces.iter().enumerate().map(|(id, piece)| (piece.piece().to_owned(), json!(id))).collect();
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let mut normalizers = vec![replace];
    let mut first = Value::Null;
    if !as_it_stands {
        first = json!({"type": "Sequence", "normalizers": steps(normalizer)});
    } else {
        symbols.clear();
        if prefix {
            normalizers.insert(0, json!({"type": "Prepend", "prepend": "▁"}));
        }
    }
    let unknown = model.pieces[unknown].piece();
    Ok(Parts {
        added,
        symbols,
        first,
        normalizer: json!({"type": "Sequence", "normalizers": normalizers}),
        pre_tokenizer: Value::Null,
        model: json!({"type": "BPE", "dropout": null, "unk_token": unknown, "fuse_unk": true,
            "byte_fallback": byte_fallback, "ignore_merges": false, "vocab": vocab, "merges": merges}),
    })
}

#[cfg(test)]
mod tests;
