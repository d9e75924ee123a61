//! What tokenizer does a SentencePiece `.model` describe?
//!
//! The file is a protocol buffer (`sentencepiece_model.proto`) of pieces with scores, and of how text is
//! normalised. It is turned into a `tokenizer.json` with the few rules that such a document cannot have
//! ([`Beyond`](crate::definition::Beyond)); ids are those of the library's own `encode`. Sums of scores are
//! made word by word there, over the whole text in the library, in single precision both; so that of
//! two ways whose scores are the same but for rounding the library may choose the other one.

use std::path::Path;

use base64::Engine as _;
use hashbrown::{HashMap, HashSet};
use prost::Message;
use serde_json::{Value, json};

use crate::{Result, Tokenizer, TokenizerError, kernel::Reason, word_normal::TRIM};

/// The file. Fields that do not matter here are left out.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<ModelPiece>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<Normalizer>,
}

#[derive(Clone, PartialEq, Message)]
struct ModelPiece {
    #[prost(string, optional, tag = "1")]
    piece: Option<String>,
    #[prost(float, optional, tag = "2")]
    score: Option<f32>,
    #[prost(enumeration = "Kind", optional, tag = "3", default = "Normal")]
    kind: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum Kind {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

#[derive(Clone, PartialEq, Message)]
struct Trainer {
    #[prost(int32, optional, tag = "3", default = "1")]
    model_type: Option<i32>,
    #[prost(bool, optional, tag = "24", default = "false")]
    treat_whitespace_as_suffix: Option<bool>,
    #[prost(bool, optional, tag = "35", default = "false")]
    byte_fallback: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct Normalizer {
    #[prost(bytes = "vec", optional, tag = "2")]
    precompiled_charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3", default = "true")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4", default = "true")]
    remove_extra_whitespaces: Option<bool>,
    #[prost(bool, optional, tag = "5", default = "true")]
    escape_whitespaces: Option<bool>,
}

/// Model types of the library.
const UNIGRAM: i32 = 1;
const BPE: i32 = 2;

impl Tokenizer {
    /// The tokenizer of a SentencePiece `.model`, byte-pair encoding or unigram.
    ///
    /// Ids are those of the library's `encode`: no special tokens are added, and names of control symbols
    /// in a text are text.
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
            "single_precision": true, "longest_in_table": true, "normalized_first": parts.first},
    }))
}

/// What differs between the kinds of models.
struct Parts {
    added: Vec<Value>,
    first: Value,
    normalizer: Value,
    pre_tokenizer: Value,
    model: Value,
}

/// What is done to characters and spaces before a space is put in front.
fn steps(normalizer: &Normalizer) -> Vec<Value> {
    let mut steps = Vec::new();
    let table = normalizer.precompiled_charsmap();
    if !table.is_empty() {
        let table = base64::engine::general_purpose::STANDARD.encode(table);
        steps.push(json!({"type": "Precompiled", "precompiled_charsmap": table}));
    }
    if normalizer.remove_extra_whitespaces() {
        steps.push(json!({"type": "Replace", "pattern": {"Regex": TRIM}, "content": ""}));
        steps.push(json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}));
    }
    steps
}

fn unigram(
    model: &Model,
    normalizer: &Normalizer,
    unknown: usize,
    byte_fallback: bool,
) -> Result<Parts, Reason> {
    let mut steps = steps(normalizer);
    if normalizer.add_dummy_prefix() {
        steps.push(json!({"type": "Prepend", "prepend": "▁"}));
    }
    for piece in &model.pieces {
        match piece.kind() {
            Kind::UserDefined => return Err("symbols of the user come before all others".into()),
            Kind::Normal if piece.piece().chars().skip(1).any(|character| character == '▁') => {
                return Err("a piece reaches over a space".into());
            }
            _ => {}
        }
    }
    let vocab: Vec<(&str, f32)> = model.pieces.iter().map(|piece| (piece.piece(), piece.score())).collect();
    Ok(Parts {
        added: Vec::new(),
        first: Value::Null,
        normalizer: json!({"type": "Sequence", "normalizers": steps}),
        pre_tokenizer: json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true}),
        model: json!({"type": "Unigram", "unk_id": unknown, "vocab": vocab, "byte_fallback": byte_fallback}),
    })
}

fn byte_pairs(
    model: &Model,
    normalizer: &Normalizer,
    unknown: usize,
    byte_fallback: bool,
) -> Result<Parts, Reason> {
    let first = steps(normalizer);
    let mut added = Vec::new();
    let mut scores: HashMap<&str, f32> = HashMap::new();
    for (id, piece) in model.pieces.iter().enumerate() {
        match piece.kind() {
            Kind::UserDefined if normalizer.add_dummy_prefix() || piece.piece().contains('▁') => {
                return Err("symbols of the user come before all others, spaces among them".into());
            }
            Kind::UserDefined if !first.is_empty() => {
                return Err("symbols of the user stay as they are in text that is normalised".into());
            }
            Kind::UserDefined => added.push(json!({"id": id, "content": piece.piece(), "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false, "special": false})),
            Kind::Normal => drop(scores.insert(piece.piece(), piece.score())),
            _ => {}
        }
    }
    let mut merged: Vec<(&str, f32)> = Vec::new();
    for (&piece, &score) in &scores {
        let mut characters = piece.char_indices();
        if characters.by_ref().count() < 2 {
            continue;
        }
        merged.push((piece, score));
        if piece.chars().any(|character| !scores.contains_key(character.encode_utf8(&mut [0; 4]) as &str)) {
            return Err("a piece has a character that is none itself".into());
        }
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
    let steps = match normalizer.add_dummy_prefix() {
        true => vec![json!({"type": "Prepend", "prepend": "▁"}), replace],
        false => vec![replace],
    };
    let unknown = model.pieces[unknown].piece();
    let first = match first.as_slice() {
        [] => Value::Null,
        _ => json!({"type": "Sequence", "normalizers": first}),
    };
    Ok(Parts {
        added,
        first,
        normalizer: json!({"type": "Sequence", "normalizers": steps}),
        pre_tokenizer: Value::Null,
        model: json!({"type": "BPE", "dropout": null, "unk_token": unknown, "fuse_unk": true,
            "byte_fallback": byte_fallback, "ignore_merges": false, "vocab": vocab, "merges": merges}),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::differential::fixture;

    /// Writes `model` to a file and reads that.
    fn read(model: &Model) -> Result<Tokenizer> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.model");
        std::fs::write(&path, model.encode_to_vec()).expect("a file");
        Tokenizer::from_sentencepiece(&path)
    }

    fn piece(piece: &str, score: f32, kind: Kind) -> ModelPiece {
        ModelPiece { piece: Some(piece.to_owned()), score: Some(score), kind: Some(kind as i32) }
    }

    /// The model that the fixture in T5's layout was made from.
    fn unigram() -> Model {
        let json: Value =
            serde_json::from_str(&fixture(include_bytes!("../fixtures/t5-4k.json.gz"))).expect("a document");
        let table = json["normalizer"]["precompiled_charsmap"].as_str().expect("a table");
        let table = base64::engine::general_purpose::STANDARD.decode(table).expect("base64");
        let pieces =
            json["model"]["vocab"].as_array().expect("a list").iter().enumerate().map(|(id, token)| {
                let kind =
                    [Kind::Unknown, Kind::Control, Kind::Control].get(id).copied().unwrap_or(Kind::Normal);
                piece(
                    token[0].as_str().unwrap_or_default(),
                    token[1].as_f64().unwrap_or_default() as f32,
                    kind,
                )
            });
        Model {
            pieces: pieces.collect(),
            trainer: None,
            normalizer: Some(Normalizer { precompiled_charsmap: Some(table), ..Normalizer::default() }),
        }
    }

    fn byte_pairs() -> Model {
        let mut bytes = Vec::new();
        let compressed = include_bytes!("../fixtures/bpe-4k.model.gz");
        GzDecoder::new(compressed.as_slice()).read_to_end(&mut bytes).expect("a fixture");
        Model::decode(bytes.as_slice()).expect("a model")
    }

    /// The same without symbols of the user, for text that is normalised as that of the unigram model.
    fn normalised_byte_pairs() -> Model {
        let mut model = byte_pairs();
        model.pieces.retain(|piece| piece.kind() != Kind::UserDefined);
        model.normalizer = unigram().normalizer;
        model
    }

    /// Fails unless ids are those of the library.
    fn check(tokenizer: &Tokenizer, library: &str) {
        let json: Value =
            serde_json::from_str(include_str!("../fixtures/other-libraries.json")).expect("a document");
        for case in json[library].as_array().expect("a list") {
            let (text, ids) = (case[0].as_str().expect("a text"), &case[1]);
            assert_eq!(json!(tokenizer.ids(text, false).expect("ids")), *ids, "{text:?}");
            let encoding =
                tokenizer.encode(text, None, false, crate::OffsetUnit::Bytes).expect("an encoding");
            assert_eq!(json!(encoding.ids()), *ids, "{text:?} with places");
        }
    }

    #[test]
    fn ids_are_those_of_the_library() {
        check(&read(&unigram()).expect("a tokenizer"), "unigram");
        check(&read(&byte_pairs()).expect("a tokenizer"), "bpe");
        check(&read(&normalised_byte_pairs()).expect("a tokenizer"), "bpe-normalised");
    }

    #[test]
    fn tokens_of_normalised_text_have_their_places() {
        let tokenizer = read(&normalised_byte_pairs()).expect("a tokenizer");
        let text = "  the \u{ff34}\u{ff48}\u{ff45}\u{3000}\u{fb01}n ";
        let encoding = tokenizer.encode(text, None, false, crate::OffsetUnit::Bytes).expect("an encoding");
        let ids = tokenizer.ids(text, false).expect("ids");
        assert_eq!(encoding.ids(), ids);
        assert_eq!(tokenizer.decode(&ids, false).expect("a text"), "the The fin");
        let places: Vec<&str> = encoding.offsets().iter().map(|&(start, end)| &text[start..end]).collect();
        assert_eq!(places.first().copied(), Some("the"));
        assert_eq!(places.last().copied(), Some("\u{3000}\u{fb01}n"));
    }

    #[test]
    fn spaces_are_put_in_front_removed_and_kept_as_the_file_says() {
        let tokens = |prefix, remove, text: &str| {
            let mut model = unigram();
            let normalizer = model.normalizer.as_mut().expect("a normaliser");
            normalizer.add_dummy_prefix = Some(prefix);
            normalizer.remove_extra_whitespaces = Some(remove);
            let tokenizer = read(&model).expect("a tokenizer");
            let ids = tokenizer.ids(text, false).expect("ids");
            ids.iter().filter_map(|&id| tokenizer.id_to_token(id)).collect::<Vec<_>>().join("|")
        };
        assert_eq!(tokens(true, true, "  a  a "), "▁a|▁a");
        assert_eq!(tokens(false, true, "  a  a "), "a|▁a");
        assert_eq!(tokens(true, false, "  a  a "), "▁|▁|▁a|▁|▁a|▁");
        assert_eq!(tokens(false, false, "  a  a "), "▁|▁a|▁|▁a|▁");
        assert_eq!(tokens(true, true, " \u{3000} "), "");
        assert_eq!(tokens(true, false, " "), "▁|▁");
        assert_eq!(tokens(true, true, "▁"), "");
    }

    #[test]
    fn decoding_gives_the_text_back() {
        let tokenizer = read(&unigram()).expect("a tokenizer");
        let ids = tokenizer.ids("Hello, world! and so on", false).expect("ids");
        assert_eq!(tokenizer.decode(&ids, true).expect("a text"), "Hello, world! and so on");
    }

    /// Why a changed model is refused.
    fn refused(mut model: Model, change: impl FnOnce(&mut Model)) -> String {
        change(&mut model);
        match read(&model) {
            Err(TokenizerError::Unsupported { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_could_not_have_the_same_ids_is_refused() {
        let unigram = |change: fn(&mut Model)| refused(unigram(), change);
        let pairs = |change: fn(&mut Model)| refused(byte_pairs(), change);
        let normalizer = |model: &mut Model| model.normalizer.get_or_insert_default().clone();
        assert_eq!(
            unigram(|m| m.pieces.push(piece("<sep>", 0.0, Kind::UserDefined))),
            "symbols of the user come before all others"
        );
        assert_eq!(
            unigram(|m| m.pieces.push(piece("▁a▁b", -9.0, Kind::Normal))),
            "a piece reaches over a space"
        );
        assert_eq!(
            unigram(|m| m.pieces.push(piece("zz", -9.0, Kind::Unused))),
            "some pieces are not to be used"
        );
        assert_eq!(
            unigram(|m| m.pieces.push(piece("▁the", -9.0, Kind::Normal))),
            "two pieces are the same, or one is empty"
        );
        assert_eq!(unigram(|m| drop(m.pieces.remove(0))), "no piece is for what is unknown");
        assert_eq!(
            unigram(|m| m.trainer = Some(Trainer { model_type: Some(4), ..Trainer::default() })),
            "it is neither byte-pair encoding nor unigram"
        );
        let suffix = Trainer { treat_whitespace_as_suffix: Some(true), ..Trainer::default() };
        assert_eq!(
            refused(super::tests::unigram(), |m| m.trainer = Some(suffix)),
            "spaces are put behind words"
        );
        let kept = |m: &mut Model| {
            m.normalizer = Some(Normalizer { escape_whitespaces: Some(false), ..normalizer(m) });
        };
        assert_eq!(refused(super::tests::unigram(), kept), "spaces stay spaces");
        let removed = |m: &mut Model| {
            m.normalizer = Some(Normalizer { remove_extra_whitespaces: Some(true), ..normalizer(m) });
        };
        let kept = "symbols of the user stay as they are in text that is normalised";
        assert_eq!(refused(byte_pairs(), removed), kept);
        let table = |m: &mut Model| {
            m.normalizer = Some(Normalizer { precompiled_charsmap: Some(vec![1]), ..normalizer(m) });
        };
        assert_eq!(refused(byte_pairs(), table), kept);
        let prefixed = |m: &mut Model| {
            m.normalizer = Some(Normalizer { add_dummy_prefix: Some(true), ..normalizer(m) });
        };
        assert_eq!(
            refused(byte_pairs(), prefixed),
            "symbols of the user come before all others, spaces among them"
        );
        assert_eq!(
            pairs(|m| m.pieces.push(piece("he▁☃", -99_999.0, Kind::Normal))),
            "a piece has a character that is none itself"
        );
        assert_eq!(
            pairs(|m| {
                m.pieces.push(piece("zqz", -99_999.0, Kind::Normal));
                m.pieces.push(piece("qzq", -99_999.0, Kind::Normal));
            }),
            "two pieces have one score"
        );
    }

    #[test]
    fn what_is_no_model_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.model");
        std::fs::write(&path, b"\xFF\xFF\xFFno").expect("a file");
        let error = Tokenizer::from_sentencepiece(&path).expect_err("no model");
        assert!(
            matches!(error, TokenizerError::Malformed { what: "a SentencePiece model", .. }),
            "{error:?}"
        );
        let error = Tokenizer::from_sentencepiece(folder.path().join("nothing")).expect_err("no file");
        assert!(matches!(error, TokenizerError::System { .. }), "{error:?}");
    }
}
