//! Small documents, written out.

use serde_json::{Value, json};

/// A byte-pair model of the 256 bytes and a few merges, as GPT-2 writes its own.
pub(crate) fn byte_level() -> Value {
    let mut vocab = serde_json::Map::new();
    let mut next = 0_u32;
    let mut add = |token: String| {
        vocab.entry(token).or_insert_with(|| {
            next += 1;
            Value::from(next - 1)
        });
    };
    let printable = (0x21..=0x7e).chain(0xa1..=0xac).chain(0xae..=0xff);
    for byte in printable {
        add(char::from_u32(byte).into_iter().collect());
    }
    for more in 0..68 {
        add(char::from_u32(256 + more).into_iter().collect());
    }
    let merges = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d", "Ġwor ld"];
    for merge in merges {
        add(merge.replace(' ', ""));
    }
    json!({
        "version": "1.0",
        "added_tokens": [
            added(300, "<s>", true), added(301, "</s>", true), added(302, "<pad>", true), added(303, "tool", false),
        ],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
                     {"SpecialToken": {"id": "</s>", "type_id": 1}}],
            "special_tokens": {
                "<s>": {"id": "<s>", "ids": [265], "tokens": ["<s>"]},
                "</s>": {"id": "</s>", "ids": [266], "tokens": ["</s>"]},
            },
        },
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab,
                  "merges": merges},
    })
}

/// A byte-pair model of sentences with a few merges, that puts a mark in front, as llama-2 writes its own.
pub(crate) fn sentences() -> Value {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).into();
    tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(["▁", "h", "e", "l", "o", "w", "r", "d", "t", "é", "中"].map(String::from));
    let merges = ["h e", "l l", "he ll", "hell o", "▁ hello", "▁ w", "o r", "▁w or", "l d", "▁wor ld", "▁ ▁"];
    tokens.extend(merges.map(|merge| merge.replace(' ', "")));
    let vocab: serde_json::Map<String, Value> = tokens.into_iter().zip((0..).map(Value::from)).collect();
    json!({
        "version": "1.0",
        "added_tokens": [added(0, "<unk>", true), added(1, "<s>", true), added(2, "</s>", true)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ]},
        "pre_tokenizer": null,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": null,
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocab,
                  "merges": merges},
    })
}

/// An entry of the list of added tokens.
pub(crate) fn added(id: u32, content: &str, special: bool) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
           "normalized": false, "special": special})
}

/// The bytes of a document.
pub(crate) fn bytes(document: &Value) -> Vec<u8> {
    serde_json::to_vec(document).expect("JSON")
}
