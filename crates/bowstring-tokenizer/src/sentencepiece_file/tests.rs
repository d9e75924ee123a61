use std::io::Read;

use flate2::read::GzDecoder;

use super::{message::Trainer, *};
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
        serde_json::from_str(&fixture(include_bytes!("../../fixtures/t5-4k.json.gz"))).expect("a document");
    let table = json["normalizer"]["precompiled_charsmap"].as_str().expect("a table");
    let table = base64::engine::general_purpose::STANDARD.decode(table).expect("base64");
    let pieces = json["model"]["vocab"].as_array().expect("a list").iter().enumerate().map(|(id, token)| {
        let kind = [Kind::Unknown, Kind::Control, Kind::Control].get(id).copied().unwrap_or(Kind::Normal);
        piece(token[0].as_str().unwrap_or_default(), token[1].as_f64().unwrap_or_default() as f32, kind)
    });
    Model {
        pieces: pieces.collect(),
        trainer: None,
        normalizer: Some(Normalizer { precompiled_charsmap: Some(table), ..Normalizer::default() }),
    }
}

fn byte_pairs() -> Model {
    let mut bytes = Vec::new();
    let compressed = include_bytes!("../../fixtures/bpe-4k.model.gz");
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
        serde_json::from_str(include_str!("../../fixtures/other-libraries.json")).expect("a document");
    for case in json[library].as_array().expect("a list") {
        let (text, ids) = (case[0].as_str().expect("a text"), &case[1]);
        assert_eq!(json!(tokenizer.ids(text, false).expect("ids")), *ids, "{text:?}");
        let encoding = tokenizer.encode(text, None, false, crate::OffsetUnit::Bytes).expect("an encoding");
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
    assert_eq!(unigram(|m| m.pieces.push(piece("▁a▁b", -9.0, Kind::Normal))), "a piece reaches over a space");
    assert_eq!(unigram(|m| m.pieces.push(piece("zz", -9.0, Kind::Unused))), "some pieces are not to be used");
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
    assert_eq!(refused(super::tests::unigram(), |m| m.trainer = Some(suffix)), "spaces are put behind words");
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
    assert!(matches!(error, TokenizerError::Malformed { what: "a SentencePiece model", .. }), "{error:?}");
    let error = Tokenizer::from_sentencepiece(folder.path().join("nothing")).expect_err("no file");
    assert!(matches!(error, TokenizerError::System { .. }), "{error:?}");
}
