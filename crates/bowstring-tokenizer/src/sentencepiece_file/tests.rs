use std::{io::Read, sync::Arc};

use arrow::array::{ArrayRef, StringArray};
use flate2::read::GzDecoder;

use super::{message::Trainer, *};
use crate::{BatchOptions, Texts, differential::fixture};

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

/// `model` with `symbols` of the user: pieces of its own that become such, or more of them.
fn with_symbols(mut model: Model, symbols: &[&str]) -> Model {
    for symbol in symbols {
        model.pieces.retain(|piece| piece.piece() != *symbol || piece.kind() != Kind::UserDefined);
        match model.pieces.iter_mut().find(|piece| piece.piece() == *symbol) {
            Some(piece) => piece.kind = Some(Kind::UserDefined as i32),
            None => model.pieces.push(piece(symbol, 0.0, Kind::UserDefined)),
        }
    }
    model
}

/// A model of `symbols.json`.
fn model_of(case: &Value) -> Model {
    let model = if case["model"] == "bpe" { normalised_byte_pairs() } else { unigram() };
    let symbols: Vec<&str> =
        case["symbols"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let mut model = with_symbols(model, &symbols);
    let normalizer = model.normalizer.as_mut().expect("a normaliser");
    normalizer.add_dummy_prefix = case["add_dummy_prefix"].as_bool();
    normalizer.remove_extra_whitespaces = case["remove_extra_whitespaces"].as_bool();
    if case["table"] == false {
        normalizer.precompiled_charsmap = None;
    }
    model
}

#[test]
fn symbols_of_the_user_come_first_and_stay_as_they_are() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../fixtures/symbols.json")).expect("a document");
    for case in &cases {
        let tokenizer = read(&model_of(case)).expect("a tokenizer");
        let rows = case["ids"].as_array().expect("a list");
        assert!(rows.len() > 60, "{}", case["name"]);
        for row in rows {
            let text = row[0].as_str().expect("a text");
            let ids = tokenizer.ids(text, false).expect("ids");
            assert_eq!(json!(ids), row[1], "{}: {text:?}", case["name"]);
            let encoding =
                tokenizer.encode(text, None, false, crate::OffsetUnit::Bytes).expect("an encoding");
            assert_eq!(encoding.ids(), ids, "{}: {text:?} with places", case["name"]);
            let chunk: [ArrayRef; 1] = [Arc::new(StringArray::from(vec![text]))];
            let texts = Texts::from_chunks(&chunk).expect("texts");
            let counts = tokenizer.count(&texts, &BatchOptions::default()).expect("counts");
            assert_eq!(counts.value(0), ids.len() as u32, "{}: {text:?} counted", case["name"]);
        }
    }
}

#[test]
fn symbols_of_the_user_have_their_places() {
    let table = |model| with_symbols(model, &["\u{fb01}", "▁of", "£"]);
    // Words of a unigram model begin at marks; for merging, each symbol is a word, and so is what stands between.
    for (model, words) in [(table(unigram()), [0, 1, 2, 2]), (table(normalised_byte_pairs()), [1, 2, 4, 5])] {
        let tokenizer = read(&model).expect("a tokenizer");
        let text = " \u{ff46}\u{fb01}\u{3000}of £a";
        let encoding = tokenizer.encode(text, None, false, crate::OffsetUnit::Bytes).expect("an encoding");
        let places =
            encoding.offsets().iter().map(|&(start, end)| &text[start..end]).zip(encoding.word_ids());
        let tokens: Vec<(&str, &str, u32)> = (encoding.ids().iter().zip(places))
            .filter_map(|(&id, (place, word))| Some((tokenizer.id_to_token(id)?, place, (*word)?)))
            .filter(|(token, ..)| ["\u{fb01}", "▁of", "£", "a"].contains(token))
            .collect();
        let [first, second, third, fourth] = words;
        let expected = [
            ("\u{fb01}", "\u{fb01}", first),
            ("▁of", "\u{3000}of", second),
            ("£", "£", third),
            ("a", "a", fourth),
        ];
        assert_eq!(tokens, expected);
        assert_eq!(tokenizer.decode(encoding.ids(), false).expect("a text"), "f\u{fb01} of £a");
    }
}

#[test]
fn tables_may_know_more_than_graphemes() {
    // The only byte string is `ab`, which becomes `x`.
    let unit = |label: u8, offset: u32, leaf: u32| offset << 10 | leaf << 8 | u32::from(label);
    let mut units = vec![0; 256];
    units[0] = unit(0, 1, 0);
    let first = 1 ^ usize::from(b'a');
    units[first] = unit(b'a', 3, 0);
    let second = first ^ 3 ^ usize::from(b'b');
    units[second] = unit(b'b', 4, 1);
    units[second ^ 4] = 1 << 31;
    let mut table = 1024_u32.to_le_bytes().to_vec();
    table.extend(units.iter().flat_map(|unit: &u32| unit.to_le_bytes()));
    table.extend(b"x\0");
    let mut model = unigram();
    model.normalizer = Some(Normalizer { precompiled_charsmap: Some(table), ..Normalizer::default() });
    let tokenizer = read(&model).expect("a tokenizer");
    let ids = |text| tokenizer.ids(text, false).expect("ids");
    assert_eq!(ids("ab cab ba"), ids("x cx ba"));
    assert_eq!(tokenizer.decode(&ids("ab cab ba"), false).expect("a text"), "x cx ba");
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
    let a_space = "a symbol of the user has a space in it, or is empty";
    assert!(unigram(|m| m.pieces.push(piece("a b", 0.0, Kind::UserDefined))).ends_with(a_space));
    assert!(pairs(|m| m.pieces.push(piece("a b", 0.0, Kind::UserDefined))).ends_with(a_space));
    assert_eq!(
        unigram(|m| m.pieces.push(piece("a▁b", 0.0, Kind::UserDefined))),
        "a piece reaches over a space"
    );
    assert_eq!(
        unigram(|m| {
            m.pieces.push(piece("zz", 1.0, Kind::Normal));
            m.pieces.push(piece("<sep>", 0.0, Kind::UserDefined));
        }),
        "a piece counts for as much as the symbols of the user"
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
