//! What is said of a file that is not a tokenizer's, and where a tokenizer is looked for.

use std::{fs, path::Path};

use bowstring_core::{Diagnostic, ErrorKind, render};
use bowstring_tokenizer::{
    Backend, BatchOptions, OffsetUnit, Padding, Texts, Tokenizer, TokenizerError, Truncation,
};
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::tiny;

fn refusal(result: Result<Tokenizer, TokenizerError>) -> (ErrorKind, String) {
    let error = result.expect_err("a refusal");
    (error.kind(), render(&error))
}

/// Loads the tiny tokenizer after `change`, which has to make it invalid.
fn check(change: impl FnOnce(&mut Value), expected: Expect) {
    let mut document = tiny::byte_level();
    change(&mut document);
    let (kind, message) = refusal(Tokenizer::from_bytes(tiny::bytes(&document)));
    assert_eq!(kind, ErrorKind::Data);
    expected.assert_eq(&message);
}

#[test]
fn a_wrong_field_is_named() {
    check(
        |document| document["model"]["vocab"]["he"] = json!("three"),
        expect![[r#"
            tokenizer.json is not valid: invalid type: string "three", expected u32 at line 1 column 3473
              at `model.vocab.he`"#]],
    );
    check(
        |document| document["added_tokens"][1]["special"] = json!(1),
        expect![[r#"
            tokenizer.json is not valid: invalid type: integer `1`, expected a boolean at line 1 column 252
              at `added_tokens[1]`"#]],
    );
    check(
        |document| document["model"]["merges"][2] = json!("a b c"),
        expect![[r#"
            tokenizer.json is not valid: the merge `a b c` is not two tokens with a space between them at line 1 column 3586
              at `model.merges[2]`"#]],
    );
    check(
        |document| drop(document.as_object_mut().and_then(|fields| fields.remove("model"))),
        expect!["tokenizer.json is not valid: missing field `model` at line 1 column 1198"],
    );
    check(
        |document| document["version"] = json!("2.0"),
        expect![[r#"
            tokenizer.json is not valid: version 2.0 is not known
              at `version`"#]],
    );
}

#[test]
fn an_unknown_part_is_named() {
    check(
        |document| document["pre_tokenizer"] = json!({"type": "Telepathy"}),
        expect![[r#"
        tokenizer.json is not valid: `Telepathy` is not known
          at `pre_tokenizer`"#]],
    );
    check(
        |document| document["normalizer"] = json!({"type": "NFX"}),
        expect![[r#"
        tokenizer.json is not valid: `NFX` is not known; did you mean `NFC`?
          at `normalizer`"#]],
    );
    check(
        |document| document["normalizer"] = json!({"type": "Replace", "content": 3}),
        expect![[r#"
        tokenizer.json is not valid: `Replace` cannot be read: invalid type: integer `3`, expected a string
          at `normalizer`"#]],
    );
    check(
        |document| document["decoder"] = json!({"type": "Backwards"}),
        expect![[r#"
        tokenizer.json is not valid: `Backwards` is not known
          at `decoder`"#]],
    );
    check(
        |document| document["post_processor"] = json!({"type": "Shuffle"}),
        expect![[r#"
        tokenizer.json is not valid: `Shuffle` is not known
          at `post_processor`"#]],
    );
    check(
        |document| {
            let parts = json!([{"type": "Digits", "individual_digits": true}, {"type": "Bytelevel"}]);
            document["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": parts});
        },
        expect![[r#"
            tokenizer.json is not valid: `Bytelevel` is not known; did you mean `ByteLevel`?
              at `pre_tokenizer.pretokenizers[1]`"#]],
    );
    check(
        |document| document["model"]["type"] = json!("Oracle"),
        expect![[r#"
        tokenizer.json is not valid: `Oracle` is not known
          at `model`"#]],
    );
}

#[test]
fn a_file_that_ends_early_or_is_none_is_refused() {
    let whole = tiny::bytes(&tiny::byte_level());
    for length in (0..whole.len()).step_by(97) {
        let (kind, _) = refusal(Tokenizer::from_bytes(&whole[..length]));
        assert_eq!(kind, ErrorKind::Data, "cut at {length}");
    }
    let (kind, _) = refusal(Tokenizer::from_bytes([&whole[..], b"{}"].concat()));
    assert_eq!(kind, ErrorKind::Data);
    let (_, message) = refusal(Tokenizer::from_bytes(b"PK\x03\x04"));
    expect!["tokenizer.json is not valid: expected value at line 1 column 1"].assert_eq(&message);
}

#[test]
fn a_folder_brings_its_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let (kind, message) = refusal(Tokenizer::from_directory(path));
    assert_eq!(kind, ErrorKind::NotFound);
    let message = message.replace(&path.display().to_string(), "folder");
    expect![[r#"
        `folder` has no tokenizer in it

        hint: a `tokenizer.json` is looked for there; a SentencePiece `.model` has to be named itself"#]]
    .assert_eq(&message);

    fs::write(path.join("tokenizer.json"), tiny::bytes(&tiny::byte_level())).expect("written");
    let config = json!({
        "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": "<pad>", "model_max_length": 512,
        "chat_template": "{{ messages }}",
    });
    fs::write(path.join("tokenizer_config.json"), config.to_string()).expect("written");
    let tokenizer = Tokenizer::from_directory(path).expect("a tokenizer");
    assert_eq!(tokenizer.config().special_tokens["eos_token"], "</s>");
    assert_eq!(tokenizer.config().special_tokens["pad_token"], "<pad>");
    assert_eq!(tokenizer.config().model_max_length, Some(512));
    assert_eq!(tokenizer.config().chat_templates["default"], "{{ messages }}");

    fs::write(path.join("tokenizer_config.json"), "[]").expect("written");
    let (kind, message) = refusal(Tokenizer::from_directory(path));
    assert_eq!(kind, ErrorKind::Data);
    assert!(message.contains("tokenizer_config.json is not valid: an object is needed"), "{message}");
}

#[test]
fn a_name_is_looked_up_in_the_cache_and_nowhere_else() {
    let cache = tempfile::tempdir().expect("a folder");
    let load = |name: &str| Tokenizer::from_pretrained(name, Some(cache.path()));
    let (kind, message) = refusal(load("org/model"));
    assert_eq!(kind, ErrorKind::NotFound);
    expect![[r#"
        `org/model` is neither a file, nor a folder, nor a model in the local cache

        hint: nothing is downloaded on its own; `hf download org/model tokenizer.json tokenizer_config.json` puts it into the cache"#]]
    .assert_eq(&message);

    let model = cache.path().join("models--org--model");
    let put = |revision: &str| {
        let folder = model.join("snapshots").join(revision);
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("tokenizer.json"), tiny::bytes(&tiny::byte_level())).expect("written");
    };
    put("aaaa");
    load("org/model").expect("the only revision");
    put("bbbb");
    refusal(load("org/model"));
    fs::create_dir_all(model.join("refs")).expect("made");
    fs::write(model.join("refs").join("main"), "bbbb\n").expect("written");
    load("org/model").expect("the main revision");
    for escape in ["../org/model", "/", "org//model", "..", ""] {
        refusal(load(escape));
    }
}

#[test]
fn a_missing_file_is_named() {
    let (kind, message) = refusal(Tokenizer::from_file(Path::new("no/such/tokenizer.json")));
    assert_eq!(kind, ErrorKind::NotFound);
    expect!["cannot read `no/such/tokenizer.json`: No such file or directory (os error 2)"]
        .assert_eq(&message);
}

#[test]
fn truncation_needs_room() {
    let tokenizer = || Tokenizer::from_bytes(tiny::bytes(&tiny::byte_level())).expect("a tokenizer");
    // Without special tokens there is room even for less than they take.
    let short = tokenizer().with_truncation(Some(Truncation::to(1))).expect("room for a token");
    let encoding = short.encode("hello world", None, false, OffsetUnit::Chars).expect("encoded");
    assert_eq!((encoding.tokens(), encoding.overflowing().len()), (&["hello".to_owned()][..], 1));
    assert_eq!(short.ids("hello world", false).expect("ids"), encoding.ids());
    let texts = Texts::from_slices(&["hello world"]);
    let columns = BatchOptions { offsets: Some(OffsetUnit::Chars), ..BatchOptions::default() };
    for error in [
        short.encode("", None, true, OffsetUnit::Chars).err(),
        short.ids("", true).err(),
        short.encode_batch(&texts, &BatchOptions::default()).err(),
        short.encode_batch(&texts, &columns).err(),
    ] {
        let error = error.expect("a refusal");
        assert_eq!(error.kind(), ErrorKind::Usage);
        expect![[r#"
            truncation to 1 tokens leaves no room: the special tokens of a text take 2

            hint: raise `max_length`, or encode with `add_special_tokens=False`"#]]
        .assert_eq(&render(&error));
    }

    let wanted = Truncation { stride: 4, ..Truncation::to(5) };
    let (_, message) = refusal(tokenizer().with_truncation(Some(wanted)));
    expect![[r#"
        a stride of 4 tokens needs more than 3 tokens between the special ones

        hint: lower `stride`, or raise `max_length`"#]]
    .assert_eq(&message);
    // A stride of all that fits leaves room without special tokens, and for texts that are short enough.
    let wanted = Truncation { stride: 3, ..Truncation::to(5) };
    let tight = tokenizer().with_truncation(Some(wanted)).expect("room without special tokens");
    let long = "hello world hello world hello world";
    assert_eq!(tight.ids(long, false).expect("ids").len(), 5);
    assert_eq!(tight.ids("hello world", true).expect("ids").len(), 4);
    let by_tokens = tight.encode(long, None, true, OffsetUnit::Chars).expect_err("no progress");
    assert_eq!(render(&by_tokens), render(&tight.ids(long, true).expect_err("no progress")));
    expect![[r#"
        a stride of 3 tokens needs more than 3 tokens between the special ones

        hint: lower `stride`, or raise `max_length`"#]]
    .assert_eq(&render(&by_tokens));

    // A pair takes three special tokens, which is seen when one comes.
    let tight = tokenizer().with_truncation(Some(Truncation::to(2))).expect("room for none of the text");
    assert_eq!(tight.encode("hello", None, true, OffsetUnit::Chars).expect("encoded").ids(), [265, 266]);
    let error = tight.encode("hello", Some("world"), true, OffsetUnit::Chars).expect_err("no room");
    assert_eq!(error.kind(), ErrorKind::Usage);
}

#[test]
fn what_a_document_says_of_truncation_and_padding_is_kept() {
    let mut document = tiny::byte_level();
    document["truncation"] =
        json!({"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0});
    document["padding"] = json!({"strategy": {"Fixed": 6}, "direction": "Right", "pad_to_multiple_of": null,
                                 "pad_id": 267, "pad_type_id": 0, "pad_token": "<pad>"});
    let tokenizer = Tokenizer::from_bytes(tiny::bytes(&document)).expect("a tokenizer");
    assert_eq!(tokenizer.truncation(), Some(&Truncation::to(4)));
    let padding: &Padding = tokenizer.padding().expect("padding");
    assert_eq!((padding.id, padding.token.as_str()), (267, "<pad>"));
    let encoding = tokenizer
        .encode("hello world hello world hello world", None, true, OffsetUnit::Chars)
        .expect("encoded");
    assert_eq!(encoding.tokens(), ["<s>", "hello", "Ġworld", "</s>", "<pad>", "<pad>"]);
    assert_eq!(encoding.attention_mask(), [1, 1, 1, 1, 0, 0]);
    assert_eq!(encoding.overflowing().len(), 3, "the whole text is in the overflow");
}

#[test]
fn the_backend_says_why() {
    let mut document = tiny::byte_level();
    let backend =
        |document: &Value| Tokenizer::from_bytes(tiny::bytes(document)).expect("a tokenizer").backend();
    assert!(matches!(backend(&document), Backend::Fast(_)), "{:?}", backend(&document));
    document["pre_tokenizer"] = json!({"type": "Whitespace"});
    assert!(matches!(backend(&document), Backend::Complete { .. }), "{:?}", backend(&document));
}

/// `xy` scores a last place less than `x` and `y` together when it is read as PyPI's build of Hugging Face's
/// library does, and the same when it is read exactly.
#[test]
fn scores_are_those_of_hugging_face_on_every_engine() {
    for (normalizer, is_fast) in [("Lowercase", true), ("Nmt", false)] {
        let document = format!(
            r#"{{"normalizer": {{"type": "{normalizer}"}},
                "pre_tokenizer": {{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true}},
                "model": {{"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0],
                    ["xy", -10.631701701925027], ["x", -10], ["y", -0.631701701925027]]}}}}"#
        );
        let tokenizer = Tokenizer::from_bytes(document).expect("a tokenizer");
        assert_eq!(matches!(tokenizer.backend(), Backend::Fast(_)), is_fast, "{:?}", tokenizer.backend());
        assert_eq!(tokenizer.ids("xy", false).expect("ids"), [2, 3], "by {:?}", tokenizer.backend());
    }
}

#[test]
fn templates_of_a_folder_have_names_or_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("written");
    write("tokenizer.json", &tiny::bytes(&tiny::byte_level()));
    let templates = json!([{"name": "default", "template": "d"}, {"name": "rag", "template": "r"}]);
    write("tokenizer_config.json", json!({"chat_template": templates}).to_string().as_bytes());
    let templates =
        || Tokenizer::from_directory(folder.path()).map(|found| found.config().chat_templates.clone());
    let found = templates().expect("templates");
    assert_eq!((found["default"].as_str(), found["rag"].as_str(), found.len()), ("d", "r", 2));

    write("chat_template.jinja", "own file".as_bytes());
    assert_eq!(templates().expect("templates")["default"], "own file");
    write("chat_template.jinja", b"\xff");
    let error = templates().expect_err("no text");
    assert!(matches!(error, TokenizerError::Malformed { what: "chat_template.jinja", .. }), "{error:?}");

    write("chat_template.jinja", b"");
    write("tokenizer_config.json", json!({"chat_template": [{"template": "d"}]}).to_string().as_bytes());
    let error = templates().expect_err("no name");
    assert!(error.to_string().ends_with("each of a list has a `name` and a `template`"), "{error}");
}

#[test]
fn a_name_that_ends_in_model_is_sentencepiece() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.model");
    fs::write(&path, b"\xFF\xFF\xFFno").expect("written");
    let error = Tokenizer::from_pretrained(&path.display().to_string(), None).expect_err("no model");
    assert!(matches!(error, TokenizerError::Malformed { what: "a SentencePiece model", .. }), "{error:?}");
}
