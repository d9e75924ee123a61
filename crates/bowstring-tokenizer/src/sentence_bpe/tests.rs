use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::differential::{ADDED, Pair};

const CHARACTERS: [&str; 10] = ["a", "b", "c", "▁", "é", "字", ".", "\n", "🦀", "◌"];

/// A model whose merges are `pairs` of earlier tokens, of which the first are `known` characters.
fn model(known: usize, pairs: &[(usize, usize)], unknown: Value) -> Value {
    let mut tokens: Vec<String> = CHARACTERS[..known].iter().map(ToString::to_string).collect();
    let mut merges = Vec::new();
    for &(left, right) in pairs {
        let (left, right) = (tokens[left % tokens.len()].clone(), tokens[right % tokens.len()].clone());
        let merged = format!("{left}{right}");
        if !tokens.contains(&merged) {
            tokens.push(merged);
        }
        merges.push([left, right]);
    }
    tokens.push("<unk>".into());
    tokens.push(ADDED.into());
    tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    let vocab: BTreeMap<String, usize> = tokens.into_iter().zip(0..).collect();
    let mut model = json!({"type": "BPE", "dropout": null, "vocab": vocab, "merges": merges,
        "continuing_subword_prefix": null, "end_of_word_suffix": null});
    for (key, value) in unknown.as_object().expect("fields") {
        model[key] = value.clone();
    }
    model
}

fn document(normalizer: &Value, pre_tokenizer: &Value, model: &Value) -> String {
    let added = json!({"id": model["vocab"][ADDED], "content": ADDED, "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": true});
    json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [added],
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": null,
        "decoder": null, "model": model})
    .to_string()
}

fn prepend() -> Value {
    json!({"type": "Prepend", "prepend": "▁"})
}

fn replace() -> Value {
    json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})
}

fn sequence(steps: &[Value]) -> Value {
    json!({"type": "Sequence", "normalizers": steps})
}

fn metaspace(scheme: &str, split: bool) -> Value {
    json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split})
}

fn split() -> Value {
    json!({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false})
}

/// Every normaliser and pre-tokeniser that is taken.
fn pipelines() -> Vec<(Value, Value)> {
    vec![
        (sequence(&[prepend(), replace()]), Value::Null),
        (sequence(&[replace(), prepend()]), split()),
        (sequence(&[sequence(&[replace()])]), Value::Null),
        (replace(), split()),
        (Value::Null, metaspace("always", true)),
        (Value::Null, metaspace("first", true)),
        (sequence(&[]), metaspace("never", true)),
        (Value::Null, metaspace("always", false)),
        (Value::Null, metaspace("first", false)),
        (replace(), metaspace("never", false)),
        (sequence(&[prepend(), replace()]), metaspace("first", true)),
        (prepend(), metaspace("always", true)),
    ]
}

fn unknowns() -> Vec<Value> {
    vec![
        json!({"byte_fallback": true, "unk_token": "<unk>", "fuse_unk": true}),
        json!({"unk_token": "<unk>", "fuse_unk": true}),
        json!({"unk_token": "<unk>", "fuse_unk": false}),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => prop::sample::select(CHARACTERS.as_slice()).prop_map(String::from),
        3 => Just(" ".to_string()),
        1 => Just(ADDED.to_string()),
        1 => any::<char>().prop_map(String::from),
        1 => Just("aaaabababa".to_string()),
        1 => Just("            ".to_string()),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn pieces_merge_as_the_whole_text_does(
        known in 1usize..10,
        pairs in prop::collection::vec((0usize..50, 0usize..50), 1..40),
        unknown in prop::sample::select(unknowns()),
        (normalizer, pre_tokenizer) in prop::sample::select(pipelines()),
        texts in prop::collection::vec(text(), 1..6),
    ) {
        let model = model(known, &pairs, unknown);
        let mut pair = Pair::new(&document(&normalizer, &pre_tokenizer, &model), SentenceBpe::new)
            .expect("a pipeline of ours");
        for text in &texts {
            pair.check(text);
        }
    }
}

/// Why a document is none of ours.
fn refused(change: impl FnOnce(&mut Value)) -> String {
    let model = model(4, &[(0, 1), (3, 4)], json!({"unk_token": "<unk>", "fuse_unk": true}));
    let mut document: Value =
        serde_json::from_str(&document(&replace(), &Value::Null, &model)).expect("a document");
    change(&mut document);
    let text = document.to_string();
    let definition = serde_json::from_str(&text).expect("a definition");
    SentenceBpe::new(&definition).map_or_else(Reason::into_owned, |_| String::from("taken"))
}

#[test]
fn what_is_not_known_is_refused() {
    assert_eq!(refused(|_| {}), "taken");
    assert_eq!(refused(|d| d["normalizer"] = json!(null)), "spaces are not marked");
    assert_eq!(refused(|d| d["normalizer"] = json!({"type": "Odd"})), "a component is not known");
    let more = "the normaliser does more than to mark spaces";
    assert_eq!(refused(|d| d["normalizer"] = json!({"type": "NFC"})), more);
    assert_eq!(refused(|d| d["normalizer"] = sequence(&[prepend(), prepend()])), more);
    let other = json!({"type": "Replace", "pattern": {"Regex": " "}, "content": "▁"});
    assert_eq!(refused(|d| d["normalizer"] = other), more);
    let words = json!({"type": "WhitespaceSplit"});
    assert_eq!(refused(|d| d["pre_tokenizer"] = words), "the pre-tokeniser splits words");
    assert_eq!(refused(|d| d["model"]["dropout"] = json!(0.1)), "merges are dropped at random");
    assert_eq!(
        refused(|d| d["model"]["ignore_merges"] = json!(true)),
        "whole words are looked up before merging"
    );
    assert_eq!(
        refused(|d| d["model"]["end_of_word_suffix"] = json!("</w>")),
        "tokens have an affix for their place in the word"
    );
    assert_eq!(refused(|d| d["model"]["unk_token"] = json!(null)), "characters without a token are dropped");
    assert_eq!(
        refused(|d| d["model"]["unk_token"] = json!("?")),
        "the unknown token is not in the vocabulary"
    );
    assert_eq!(refused(|d| d["model"]["vocab"]["zz"] = json!(0)), "two tokens share an id");
    assert_eq!(refused(|d| d["model"]["vocab"]["zz"] = json!(99_999)), "ids are far apart");
    assert_eq!(
        refused(|d| d["model"]["merges"] = json!([["a", "q"]])),
        "a merge needs a token that is not there"
    );
    assert_eq!(
        refused(|d| {
            d["model"]["merges"] = json!([["a", "<unk>"]]);
            d["model"]["vocab"]["a<unk>"] = json!(400);
        }),
        "tokens of bytes or unknown characters are merged"
    );
    let bytes = |d: &mut Value| {
        d["model"]["byte_fallback"] = json!(true);
        d["model"]["vocab"].as_object_mut().expect("a map").remove("<0xE4>");
    };
    assert_eq!(refused(bytes), "a byte has no token");
}

#[test]
fn texts_without_an_end_take_little_more_than_linear_time() {
    let model = model(4, &[(0, 0), (3, 3), (4, 4), (5, 5)], json!({"unk_token": "<unk>", "fuse_unk": true}));
    let text = document(&sequence(&[prepend(), replace()]), &Value::Null, &model);
    let kernel = SentenceBpe::new(&serde_json::from_str(&text).expect("a definition")).expect("a kernel");
    for letter in ["a", " ", "b", "☃"] {
        let text = letter.repeat(1_000_000);
        let section = Section { text: &text, start: Start::Text };
        let mut scratch = Scratch::default();
        let count = kernel.count(section, &mut scratch);
        let expected = match letter {
            "b" => 1_000_001,
            "☃" => 2,
            _ => 250_001,
        };
        assert_eq!(count, expected, "{letter:?}");
    }
}
