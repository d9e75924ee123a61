use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::differential::{ADDED, Pair, fixture};

/// A trained tokenizer in T5's layout, with a token to cut texts at.
static T5: LazyLock<Value> = LazyLock::new(|| {
    let mut document: Value =
        serde_json::from_str(&fixture(include_bytes!("../../fixtures/t5-4k.json.gz"))).expect("a document");
    document["model"]["vocab"].as_array_mut().expect("a list").push(json!([ADDED, -20.0]));
    let id = document["model"]["vocab"].as_array().map_or(0, Vec::len) - 1;
    document["added_tokens"] = json!([{"id": id, "content": ADDED, "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false, "special": true}]);
    document
});

fn document(normalizer: &Value, pre_tokenizer: &Value) -> String {
    let mut document = T5.clone();
    document["normalizer"] = normalizer.clone();
    document["pre_tokenizer"] = pre_tokenizer.clone();
    document.to_string()
}

fn sequence(steps: &[Value]) -> Value {
    json!({"type": "Sequence", "normalizers": steps})
}

fn step(kind: &str) -> Value {
    json!({"type": kind})
}

fn strip(left: bool, right: bool) -> Value {
    json!({"type": "Strip", "strip_left": left, "strip_right": right})
}

fn replace(kind: &str, pattern: &str, content: &str) -> Value {
    json!({"type": "Replace", "pattern": {kind: pattern}, "content": content})
}

fn collapse(content: &str) -> Value {
    replace("Regex", " {2,}", content)
}

fn metaspace(scheme: &str) -> Value {
    json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": true})
}

fn words(scheme: &str) -> Value {
    json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace(scheme)]})
}

/// Normalisers and pre-tokenisers as models have them, and some that only tests have.
fn pipelines() -> Vec<(Value, Value)> {
    let table = T5["normalizer"].clone();
    let quotes = [replace("String", "``", "\""), replace("String", "''", "\"")];
    let accents = [step("NFKD"), step("StripAccents"), step("Lowercase")];
    let albert = sequence(&[&quotes, &accents[..], &[table.clone(), collapse(" ")]].concat());
    vec![
        (table.clone(), words("always")),
        (table.clone(), metaspace("always")),
        (table.clone(), metaspace("first")),
        (table.clone(), words("never")),
        (sequence(&[table.clone(), strip(false, true), collapse("▁")]), metaspace("always")),
        (sequence(&[table.clone(), collapse(" ")]), metaspace("never")),
        (sequence(&[table.clone(), collapse(" ")]), metaspace("first")),
        (sequence(&[table.clone(), collapse(" ")]), words("always")),
        (sequence(&[strip(true, true), table.clone(), collapse(" ")]), metaspace("always")),
        (sequence(&[table.clone(), strip(true, true)]), metaspace("always")),
        (sequence(&[table.clone(), strip(true, true), collapse(" ")]), metaspace("always")),
        (sequence(&[step("NFC"), table]), metaspace("always")),
        (albert.clone(), metaspace("always")),
        (albert, words("always")),
        (step("NFKC"), metaspace("always")),
        (Value::Null, words("always")),
    ]
}

/// Texts of words, spaces of all kinds, marks, and characters that join, vanish or become others.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        " ",
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\u{a0}",
        "\u{3000}",
        "▁",
        "\u{301}",
        "\u{308}\u{301}",
        "¨",
        "\u{200b}",
        "\u{200d}",
        "\u{7f}",
        "\u{ad}",
        "\u{600}",
        "\u{d4e}",
        "ﬁ",
        "①",
        "…",
        "ｶﾞ",
        "가",
        "\u{1100}\u{1161}",
        "🇫🇷",
        "👩🏽\u{200d}🚀",
        "``",
        "'",
        "É",
        "ế",
        "字",
        "。",
        "<unk>",
        ADDED,
    ];
    let part = prop_oneof![
        4 => prop::sample::select(odd.to_vec()).prop_map(String::from),
        3 => "[a-zA-Z0-9.,]{1,8}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop_oneof![
        1 => "[a-zA-Z0-9., \t\n`']{0,40}",
        3 => prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat()),
        1 => ("[a-z ]{0,300}", "[éa\u{ad}\u{301} ]{0,8}", "[a-z ]{0,300}").prop_map(|(a, b, c)| a + &b + &c),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn texts_are_what_hugging_face_makes_of_them(
        (normalizer, pre_tokenizer) in prop::sample::select(pipelines()),
        texts in prop::collection::vec(text(), 1..60),
    ) {
        let mut pair = Pair::new(&document(&normalizer, &pre_tokenizer), SentenceUnigram::new)
            .expect("a pipeline of ours");
        for text in &texts {
            pair.check(text);
        }
    }
}

/// A small vocabulary in which many ways through a word are equally good but for how sums are rounded, and
/// some characters are unknown.
fn with_ties(normalizer: &Value, pre_tokenizer: &Value) -> String {
    let mut document: Value = serde_json::from_str(&document(normalizer, pre_tokenizer)).expect("a document");
    let mut vocab = vec![json!(["<unk>", 0.0])];
    let scores = [-1.1, -2.3, -0.7, -1.3, -2.9, -1.9, -3.1, -2.7];
    let tokens = ["▁", "a", "b", "x", "xx", "é", ".", "..", "<", "u", "n", "k", ">", "字"];
    vocab.extend(tokens.iter().zip(scores.iter().cycle()).map(|(token, score)| json!([token, score])));
    vocab.push(json!([ADDED, -20.0]));
    document["added_tokens"][0]["id"] = json!(vocab.len() - 1);
    document["model"] = json!({"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": vocab});
    document.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn equal_ways_and_unknown_characters_are_told_apart_as_in_whole_words(
        (normalizer, pre_tokenizer) in prop::sample::select(pipelines()),
        texts in prop::collection::vec("( |[abé.字q\u{301}\u{600}]|[ab.]{1,5}x{3,6}|\\.{2,5}|<unk>|q){0,12}", 1..60),
    ) {
        let mut pair = Pair::new(&with_ties(&normalizer, &pre_tokenizer), SentenceUnigram::new)
            .expect("a pipeline of ours");
        for text in &texts {
            pair.check(text);
        }
    }
}

#[test]
fn parts_are_taken_apart_where_no_token_reaches_across() {
    let document = with_ties(&T5["normalizer"], &words("always"));
    let kernel = SentenceUnigram::new(&serde_json::from_str(&document).expect("a definition"));
    let cuts = kernel.expect("a kernel").cuts;
    let pieces = |part: &str| {
        let mut found = Vec::new();
        let mut start = 0;
        while start < part.len() {
            let end = cuts.end(part, start..part.len());
            found.push(part[start..end].to_owned());
            start = end;
        }
        found
    };
    assert_eq!(pieces("axx..b"), ["a", "xx", "..", "b"]);
    // What is unknown may become one with what is unknown beside it, and marks go with what they stand on.
    assert_eq!(pieces("aqb.x\u{301}x"), ["aqb", ".x\u{301}x"]);
    // What follows may make another character of one.
    assert_eq!(pieces("b.\u{301}b"), ["b.\u{301}b"]);
    assert_eq!(pieces("b\u{600}.a"), ["b\u{600}.a"]);
    assert_eq!(pieces("é字.字字"), ["é", "字", ".", "字", "字"]);
    assert_eq!(pieces(&"ab".repeat(600)), ["ab".repeat(600)]);
}

#[test]
fn every_character_is_what_hugging_face_makes_of_it() {
    let mut pair = Pair::new(&T5.to_string(), SentenceUnigram::new).expect("a pipeline of ours");
    // Other planes have no character that becomes another one.
    let codes = (0..0x10000).chain(0x1D400..0x1D800).chain(0x1F000..0x1FC00).chain(0xE0000..0xE0200);
    let characters: Vec<char> = codes.filter_map(char::from_u32).collect();
    for part in characters.chunks(64) {
        let text: String = part.iter().flat_map(|&character| ['a', character, ' ', character, 'b']).collect();
        pair.check(&text);
    }
}

/// Why a pipeline is none of ours.
fn refused(normalizer: &Value, pre_tokenizer: &Value) -> String {
    let document = document(normalizer, pre_tokenizer);
    let definition = serde_json::from_str(&document).expect("a definition");
    SentenceUnigram::new(&definition).map_or_else(Reason::into_owned, |_| String::from("taken"))
}

#[test]
fn what_is_not_known_is_refused() {
    let table = &T5["normalizer"];
    assert_eq!(refused(table, &words("always")), "taken");
    let other = "the pre-tokeniser is not one of SentencePiece's";
    assert_eq!(refused(table, &Value::Null), other);
    assert_eq!(refused(table, &step("WhitespaceSplit")), other);
    assert_eq!(refused(table, &words("first")), "only the first of several words is marked");
    let mut whole = metaspace("always");
    whole["split"] = json!(false);
    assert_eq!(refused(table, &whole), "words are not told apart by marks");
    let marks = sequence(&[table.clone(), collapse("▁")]);
    assert_eq!(
        refused(&marks, &words("always")),
        "spaces become marks before words are told apart at spaces"
    );
    assert_eq!(refused(&marks, &metaspace("always")), "taken");
    let of = |steps: &[Value]| refused(&sequence(steps), &words("always"));
    assert_eq!(of(&[collapse(" "), table.clone()]), "spaces are changed before characters are");
    assert_eq!(of(&[table.clone(), table.clone()]), "there are two compiled tables");
    assert_eq!(of(&[json!({"type": "Odd"})]), "a normaliser is not known");
    assert_eq!(of(&[step("Nmt")]), "the normaliser does more than is known of words");
    assert_eq!(of(&[replace("Regex", "a+", "b")]), "a pattern is replaced");
    assert_eq!(of(&[replace("String", "a b", "c")]), "more than ASCII is replaced");
    assert_eq!(of(&[replace("String", "é", "e")]), "more than ASCII is replaced");
    assert_eq!(
        of(&[json!({"type": "Precompiled", "precompiled_charsmap": "AAA"})]),
        "the compiled table cannot be read"
    );
}

#[test]
fn texts_without_an_end_take_linear_time() {
    let kernel = SentenceUnigram::new(&serde_json::from_str(&T5.to_string()).expect("a definition"));
    let kernel = kernel.expect("a kernel");
    for part in ["a", " ", "▁", "\u{301}", "字", "\u{1F680}", " \u{301}"] {
        let text = part.repeat(200_000);
        let section = Section { text: &text, start: Start::Text };
        let ids = &mut Vec::new();
        kernel.ids(section, &mut Scratch::default(), ids);
        assert_eq!(ids.len(), kernel.count(section, &mut Scratch::default()), "{part:?}");
        assert!(ids.len() <= 400_000, "{part:?}");
    }
}
