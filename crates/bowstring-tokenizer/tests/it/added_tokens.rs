//! Added tokens beside Hugging Face's library: their white space, their borders, their normalisation.

use std::str::FromStr;

use bowstring_tokenizer::{OffsetUnit, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::tiny;

fn token(content: &str, flags: [bool; 5]) -> Value {
    let [single_word, lstrip, rstrip, normalized, special] = flags;
    json!({"id": 999, "content": content, "single_word": single_word, "lstrip": lstrip, "rstrip": rstrip,
           "normalized": normalized, "special": special})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn they_are_found_as_there(
        flags in prop::collection::vec(prop::array::uniform5(any::<bool>()), 6),
        normalizer in prop::sample::select(vec![
            Value::Null,
            json!({"type": "Sequence", "normalizers": []}),
            json!({"type": "NFC"}),
            json!({"type": "NFD"}),
            json!({"type": "Lowercase"}),
            json!({"type": "Replace", "pattern": {"String": "b"}, "content": "e"}),
        ]),
        text in "([a-cé_ ]|e\u{301}|AB|<x>|<x><y>|ab|word|  |\n|hello|<|>|\u{3000}){0,14}",
    ) {
        let contents = ["<x>", "<x><y>", "ab", "word", "hello", "é"];
        let mut document = tiny::byte_level();
        document["added_tokens"] = contents.iter().zip(flags).map(|(content, flags)| token(content, flags)).collect();
        document["post_processor"] = Value::Null;
        document["normalizer"] = normalizer;
        let text = text.as_str();
        let ours = Tokenizer::from_bytes(tiny::bytes(&document)).expect("a tokenizer");
        let theirs = tokenizers::Tokenizer::from_str(&document.to_string()).expect("a tokenizer");
        let (a, b) = (
            ours.encode(text, None, false, OffsetUnit::Chars).expect("encoded"),
            theirs.encode_char_offsets(text, false).expect("encoded"),
        );
        prop_assert_eq!(a.ids(), b.get_ids());
        prop_assert_eq!(a.tokens(), b.get_tokens());
        prop_assert_eq!(a.offsets(), b.get_offsets());
        prop_assert_eq!(a.word_ids(), b.get_word_ids());
        prop_assert_eq!(ours.ids(text, false).expect("ids"), b.get_ids());
        prop_assert_eq!(ours.vocab_size(true), theirs.get_vocab_size(true));
        for content in contents {
            prop_assert_eq!(ours.token_to_id(content), theirs.token_to_id(content));
        }
        for skip in [false, true] {
            prop_assert_eq!(ours.decode(a.ids(), skip).expect("decoded"), theirs.decode(a.ids(), skip).expect("decoded"));
        }
    }
}
