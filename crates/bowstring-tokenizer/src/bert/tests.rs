use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::differential::Pair;

const UNCASED: (bool, bool, Option<bool>, bool) = (true, true, None, true);

fn bert((clean, chinese, strip, lower): (bool, bool, Option<bool>, bool)) -> Value {
    json!({
        "type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": chinese,
        "strip_accents": strip, "lowercase": lower,
    })
}

fn normalisers() -> Vec<Value> {
    let parts = |parts: &[&str]| {
        let parts: Vec<Value> = parts.iter().map(|kind| json!({"type": kind})).collect();
        json!({"type": "Sequence", "normalizers": parts})
    };
    vec![
        bert(UNCASED),
        bert((true, true, None, false)),
        bert((false, false, Some(true), false)),
        bert((false, true, Some(false), true)),
        bert((true, false, Some(true), true)),
        Value::Null,
        parts(&["NFD", "Lowercase", "StripAccents"]),
        parts(&["NFKD", "StripAccents", "Lowercase"]),
    ]
}

/// A vocabulary that knows some words, most small letters, and little else.
fn document(normalizer: &Value) -> Value {
    let words = ["[UNK]", "the", "##ing", "##he", "3", "##14", "é", "##é", "中", "да", "##да", "i̇", "…", "“"];
    let letters = ('a'..='x').chain('A'..='C').flat_map(|c| [c.to_string(), format!("##{c}")]);
    let marks = (33..127).map(char::from).filter(char::is_ascii_punctuation).map(String::from);
    let mut vocab = serde_json::Map::new();
    for token in words.into_iter().map(str::to_owned).chain(letters).chain(marks.filter(|mark| mark != "~")) {
        let id = vocab.len();
        vocab.entry(token).or_insert(id.into());
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": normalizer, "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": null, "decoder": null,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 20, "vocab": vocab,
        },
    })
}

fn load(document: &Value) -> Result<Bert, Reason> {
    let json = document.to_string();
    Bert::new(&serde_json::from_str(&json).unwrap())
}

fn pair(document: &Value) -> Pair<Bert> {
    Pair::new(&document.to_string(), Bert::new).unwrap()
}

#[test]
fn every_kind_of_character() {
    for normalizer in normalisers() {
        let mut both = pair(&document(&normalizer));
        // Blocks where something happens; each code point by itself is tried outside of this test.
        let ranges = [
            0..0x600,
            0x900..0x940,
            0x1e00..0x2070,
            0x20d0..0x20f0,
            0x2e00..0x3060,
            0xf900..0xf910,
            0xfe00..0xff10,
            0x2_f800..0x2_f808,
        ];
        for c in ranges.into_iter().flatten().filter_map(char::from_u32) {
            both.check(&format!("e{c}\u{323}\u{301} the{c}{c}!"));
        }
    }
}

#[test]
fn long_stretches() {
    for normalizer in normalisers() {
        let mut both = pair(&document(&normalizer));
        for part in ["a", "the", "É", "e\u{301}", "中", "да", "“да”", "\0b", "~", "\u{301}"] {
            for times in [5, 10, 20, 21, 40, 100] {
                both.check(&part.repeat(times));
            }
        }
    }
}

#[test]
fn one_long_stretch_keeps_no_memory() {
    let kernel = load(&document(&bert(UNCASED))).unwrap();
    let mut scratch = BertScratch::default();
    let text = "中文".repeat(1 << 17);
    let section = Section { text: &text, start: crate::kernel::Start::Text };
    let mut ids = Vec::new();
    kernel.ids(section, &mut scratch, &mut ids);
    assert_eq!((ids.len(), kernel.count(section, &mut scratch)), (1 << 18, 1 << 18));
    assert!(scratch.looks.capacity() < 1 << 10, "{}", scratch.looks.capacity());
}

#[test]
fn characters_that_stand_alone_anywhere_in_a_block() {
    for normalizer in [bert(UNCASED), Value::Null, json!({"type": "NFKD"})] {
        let mut both = pair(&document(&normalizer));
        for before in 0..130 {
            for part in ["中", "да中", "“the”", "a…", "བོད་ཡིག", "\u{3000}", "字\u{301}中", "é"]
            {
                both.check(&format!("{}{part}b 中, {part}{part}. ", "a".repeat(before)));
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text(text in any::<String>(), which in 0..8_usize) {
        pair(&document(&normalisers()[which])).check(&text);
    }

    #[test]
    fn text_of_known_parts(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "the", "The", "ing", " ", "\n", "\u{b}", "\0", "\u{7f}", ".", "~", "3", "14", "é", "e\u{301}", "İ",
                "中", "\u{301}", "\u{323}", "\u{344}", "\u{3000}", "\u{85}", "…", "“", "да", "ДА", "ß", "\u{200b}",
                "\u{fffd}", "\u{37e}", "≮", "\u{fa0e}", "\u{ac01}", "\u{302e}", "abcdefghij", "😀", "ﬁ",
            ]),
            0..40,
        ),
        which in 0..8_usize,
    ) {
        pair(&document(&normalisers()[which])).check(&parts.concat());
    }
}

#[test]
fn what_is_not_ours() {
    let with = |path: &str, value: Value| {
        let mut document = document(&bert(UNCASED));
        *document.pointer_mut(path).unwrap() = value;
        load(&document).unwrap_err()
    };
    for (path, value, reason) in [
        ("/normalizer", json!({"type": "NFC"}), "the normaliser is not one of BERT's"),
        (
            "/normalizer",
            json!({"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "NFKC"}]}),
            "the normaliser is not one of BERT's",
        ),
        ("/normalizer", json!({"type": "Sequence"}), "the normaliser is not one of BERT's"),
        ("/normalizer", json!({"type": "BertNormalizer", "clean_text": 3}), "the normaliser is malformed"),
        ("/pre_tokenizer", json!({"type": "Whitespace"}), "the pre-tokeniser is not BertPreTokenizer"),
        ("/pre_tokenizer", Value::Null, "the pre-tokeniser is not BertPreTokenizer"),
        ("/model/type", json!("BPE"), "the model is not WordPiece"),
        ("/model/vocab", json!([["a", 0.5]]), "the vocabulary has scores, not ids"),
        ("/model/unk_token", json!("[unknown]"), "the unknown token is not in the vocabulary"),
        (
            "/model/max_input_chars_per_word",
            Value::Null,
            "the WordPiece model does not say its prefix, unknown token and longest word",
        ),
        ("/model/vocab/the", json!(u32::MAX), "the vocabulary is too large"),
    ] {
        assert_eq!(with(path, value), reason, "{path}");
    }
}

#[test]
fn other_prefixes_and_limits() {
    for (prefix, limit, text) in [
        ("", 20, "thethe 314 xyz"),
        ("%", 20, "thethe"),
        ("##", 0, "a the ."),
        ("##", 3, "the them xxx xxxx éé ééé éééé"),
    ] {
        let mut document = document(&bert(UNCASED));
        document["model"]["continuing_subword_prefix"] = prefix.into();
        document["model"]["max_input_chars_per_word"] = limit.into();
        pair(&document).check(text);
    }
}
