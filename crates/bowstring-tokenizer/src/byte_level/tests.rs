use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{differential::Pair, split::tests::examples};

/// Merges of a small model, in the alphabet of vocabularies.
const MERGES: &[(&str, &str)] = &[
    ("h", "e"),
    ("l", "l"),
    ("Ġ", "t"),
    ("he", "ll"),
    ("a", "a"),
    ("aa", "aa"),
    ("hell", "o"),
    ("Ġ", "a"),
    ("Ġ", "Ġ"),
    ("ĠĠ", "ĠĠ"),
    ("'", "s"),
    ("1", "2"),
    ("Ċ", "Ċ"),
    ("Ã", "©"),
    ("ä", "¸"),
    ("ä¸", "Ń"),
    ("r", "e"),
    ("'", "re"),
    ("Ġt", "he"),
    ("Ġ", "Ã©"),
    ("(", "a"),
    ("b", "a"),
    ("ba", "aa"),
    ("Ì", "ģ"),
    ("e", "Ì"),
    ("Ċ", "Ġ"),
    ("!", "!"),
    ("!!", "Ċ"),
];

/// A definition by its parts; the vocabulary has all bytes and merges, and a token that no merges make.
fn definition(pre_tokenizer: &Value, normalizer: &Value, ignore_merges: bool) -> String {
    let mut vocab = serde_json::Map::new();
    let joined = MERGES.iter().map(|(left, right)| format!("{left}{right}"));
    for token in ALPHABET.chars.into_iter().map(String::from).chain(joined).chain(["Ġtha".to_owned()]) {
        let id = vocab.len() + 3;
        vocab.entry(token).or_insert(json!(id));
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": null, "decoder": null,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": ignore_merges, "vocab": vocab, "merges": MERGES,
        },
    })
    .to_string()
}

fn prefixed() -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})
}

/// All pre-tokenisers with different normalisers, and a prefix.
fn definitions() -> Vec<String> {
    let normalizers = [json!(null), json!({"type": "NFC"}), json!({"type": "NFKC"})];
    let mut definitions =
        vec![definition(&prefixed(), &normalizers[0], false), definition(&prefixed(), &normalizers[2], true)];
    for (i, pre_tokenizer) in examples().iter().enumerate() {
        definitions.push(definition(pre_tokenizer, &normalizers[i % 3], i % 2 == 0));
    }
    definitions
}

thread_local! {
    static PAIRS: std::cell::RefCell<Vec<Pair<ByteLevel>>> = definitions()
        .iter()
        .map(|json| Pair::new(json, ByteLevel::new).unwrap())
        .collect::<Vec<_>>()
        .into();
}

fn check(text: &str) {
    PAIRS.with_borrow_mut(|pairs| pairs.iter_mut().for_each(|pair| pair.check(text)));
}

#[test]
fn ids_counts_pieces_and_cuts_are_those_of_hugging_face() {
    for text in [
        "",
        " ",
        "é",
        "hello the  tha aaaaaaa",
        " hello's\n\n  12345 (a)",
        "中é中 \u{301}e\u{301} ﬁ①\u{a0}²\u{2126}",
        "e\u{301}\u{323} 각 a\u{301}",
        "\u{301}",
        "!!\n\n\n a 👍🏽👍🏽",
    ] {
        check(text);
    }
    check(&"a".repeat(3000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_text_has_the_ids_of_hugging_face(
        text in "([ahelotsbr12 '!(\n]{0,4}|[é\u{301}\u{323}中ﬁ①\u{a0}\u{3000}\u{2126}👍]|the|hello|\\PC){0,40}"
    ) {
        check(&text);
    }
}

fn refuse(change: impl FnOnce(&mut Value), reason: &str) {
    let mut json: Value = serde_json::from_str(&definition(&prefixed(), &json!(null), false)).unwrap();
    change(&mut json);
    let json = json.to_string();
    let refused = ByteLevel::new(&serde_json::from_str(&json).unwrap()).unwrap_err();
    assert!(refused.contains(reason), "{refused}");
}

#[test]
fn what_is_not_byte_level_bpe_is_refused() {
    refuse(|json| json["model"]["type"] = json!("WordPiece"), "not BPE");
    refuse(|json| json["model"]["dropout"] = json!(0.1), "random");
    refuse(|json| json["model"]["end_of_word_suffix"] = json!("</w>"), "suffix");
    refuse(|json| json["pre_tokenizer"] = json!(null), "no pre-tokeniser");
    refuse(|json| json["normalizer"] = json!({"type": "Lowercase"}), "normaliser");
    refuse(|json| json["model"]["vocab"]["é"] = json!(3), "one id");
    refuse(|json| json["model"]["vocab"]["é"] = json!(1u32 << 20), "above");
    refuse(|json| json["model"]["merges"] = json!([["x", "y"]]), "merge");
    let without = |json: &mut Value| {
        json["model"]["vocab"].as_object_mut().unwrap().remove("q");
    };
    refuse(without, "lacks a byte");
}

#[test]
fn tokens_that_are_not_merged_are_all_known() {
    let mut json: Value = serde_json::from_str(&definition(&prefixed(), &json!(null), true)).unwrap();
    let vocab = json["model"]["vocab"].as_object_mut().unwrap();
    let letter = |number: u32| char::from(b'a' + (number % 26) as u8);
    let words: Vec<String> = (0..5_000_u32)
        .map(|i| [letter(i), letter(i / 26), letter(i / 676), 'x'].into_iter().collect())
        .collect();
    for word in &words {
        vocab.insert(word.clone(), json!(1_000 + vocab.len()));
    }
    let json = json.to_string();
    let kernel = ByteLevel::new(&serde_json::from_str(&json).unwrap()).unwrap();
    // Some share their bucket with too many others.
    assert!(!kernel.whole.is_empty());
    let mut pair = Pair::new(&json, ByteLevel::new).unwrap();
    for word in &words {
        pair.check(word);
    }
    pair.check(&words.join("1"));
}
