//! Makes the first inputs of the targets for tokenizers: small ones of each kind of pipeline, and texts for
//! those that the repository ships. `tokenizer_seeds FOLDER`.

use std::{error::Error, fs, path::PathBuf};

use serde_json::{Map, Value, json};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: tokenizer_seeds FOLDER")?;
    let mut count = 0;
    let mut add = |target: &str, bytes: &[u8]| -> Result<()> {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("seed-{count:04}")), bytes)?;
        count += 1;
        Ok(())
    };
    let split = |pattern: &str| {
        json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        ]})
    };
    let metaspace = |prepend: &str| json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": prepend, "split": true});
    let bytes =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let numbered = |tokens: &[&str]| -> Value {
        tokens
            .iter()
            .zip(0..)
            .map(|(token, id)| ((*token).to_owned(), json!(id)))
            .collect::<Map<_, _>>()
            .into()
    };
    let byte_level = json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
        "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": true,
        "vocab": numbered(&["<s>", "a", "b", "h", "e", "l", "o", "1", "2", "Ġ", "Ċ", "Ã", "©", "he", "ll", "hell", "Ġhe"]),
        "merges": [["h", "e"], ["l", "l"], ["he", "ll"], ["Ġ", "he"]]});
    let fallback = json!({"type": "BPE", "dropout": null, "unk_token": "<s>", "fuse_unk": true, "byte_fallback": true,
        "vocab": numbered(&["<s>", "<0x0A>", "<0xC3>", "<0xA9>", "▁", "a", "b", "h", "e", "▁a", "he", "▁▁", "▁▁▁▁"]),
        "merges": ["▁ a", "h e", "▁ ▁", "▁▁ ▁▁"]});
    let greedy = json!({"type": "WordPiece", "unk_token": "<s>", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 20, "vocab": numbered(&["<s>", "a", "##a", "he", "##ll", "##o", "1", "##2", "日"])});
    let unigram = json!({"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab":
        [["<s>", 0.0], ["▁", -2.5], ["a", -3.0], ["▁a", -2.0], ["he", -4.5], ["h", -5.0], ["e", -5.0], ["l", -6.5]]});
    let bert = json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
        "strip_accents": null, "lowercase": true});
    let spaces = json!({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]});
    let surplus = json!({"type": "Sequence", "normalizers": [{"type": "NFKC"},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]});
    let gpt4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let pipelines = [
        (Value::Null, bytes, &byte_level),
        (Value::Null, split(gpt4), &byte_level),
        (json!({"type": "NFC"}), split(gpt4), &byte_level),
        (spaces.clone(), Value::Null, &fallback),
        (Value::Null, metaspace("first"), &fallback),
        (bert, json!({"type": "BertPreTokenizer"}), &greedy),
        (Value::Null, json!({"type": "Whitespace"}), &greedy),
        (surplus, metaspace("always"), &unigram),
        (spaces, metaspace("never"), &unigram),
    ];
    for (normalizer, pre_tokenizer, model) in pipelines {
        let definition = json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [
                {"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": true,
                    "normalized": false, "special": true}],
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": null, "decoder": null,
            "model": model});
        add("tokenizer", definition.to_string().as_bytes())?;
    }
    let texts = [
        "Hello world's  12345\n\n\t x",
        "Ünï\u{301}cödé 日本語 ไทย 한국어 हिन्दी",
        "<|endoftext|> [MASK]<s>",
        "👩🏿\u{200d}🚀 ﬁ ½ İ",
    ];
    for choice in 0..16_u8 {
        for text in texts {
            add("encode", &[&[choice], text.as_bytes()].concat())?;
        }
    }
    println!("{count} seeds in {}", folder.display());
    Ok(())
}
