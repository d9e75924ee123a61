//! Ids back to text, at once and one by one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, Int64Builder, ListBuilder, StringArray, StringBuilder};
use bowstring_core::{Diagnostic, ErrorKind, render};
use bowstring_tokenizer::{BatchOptions, Tokenizer, TokenizerError};
use expect_test::expect;
use proptest::prelude::*;

use crate::{fixtures, tiny};

fn tokenizer() -> Tokenizer {
    Tokenizer::from_bytes(tiny::bytes(&tiny::byte_level())).expect("a tokenizer")
}

#[test]
fn special_tokens_are_left_out_on_request() {
    let ids = tokenizer().ids("hello tool world", true).expect("ids");
    assert_eq!(tokenizer().decode(&ids, false).expect("decoded"), "<s>hello tool world</s>");
    assert_eq!(tokenizer().decode(&ids, true).expect("decoded"), "hello tool world");
}

#[test]
fn an_unknown_id_is_named_with_its_row() {
    let error = tokenizer().decode(&[0, 9_000], true).expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::Data);
    expect!["no token has the id 9000; ids are below 269"].assert_eq(&render(&error));

    let mut rows = ListBuilder::new(Int64Builder::new());
    rows.append_value([Some(0), Some(1)]);
    rows.append_null();
    rows.append_value([Some(9_000)]);
    let column: ArrayRef = Arc::new(rows.finish());
    let error = tokenizer().decode_batch(&column, true, &BatchOptions::default()).expect_err("a refusal");
    expect![[r#"
        no token has the id 9000; ids are below 269
          at row 2"#]]
    .assert_eq(&render(&error));
    let texts =
        tokenizer().decode_batch(&column.slice(0, 2), true, &BatchOptions::default()).expect("decoded");
    assert_eq!(texts.iter().collect::<Vec<_>>(), [Some("!\""), None]);

    let mut rows = ListBuilder::new(Int64Builder::new());
    rows.append_value([Some(0), None]);
    let column: ArrayRef = Arc::new(rows.finish());
    let error = tokenizer().decode_batch(&column, true, &BatchOptions::default()).expect_err("a refusal");
    expect![[r#"
        the list of ids has a null
          at row 0"#]]
    .assert_eq(&render(&error));
    for negative in [-1, 1 << 32] {
        let mut rows = ListBuilder::new(Int64Builder::new());
        rows.append_value([Some(negative)]);
        let column: ArrayRef = Arc::new(rows.finish());
        let error = tokenizer().decode_batch(&column, true, &BatchOptions::default()).expect_err("a refusal");
        assert!(matches!(error, TokenizerError::Decode { .. }), "{negative}: {error:?}");
    }
    let mut words = ListBuilder::new(StringBuilder::new());
    words.append_value([Some("1")]);
    let columns: [ArrayRef; 3] = [
        Arc::new(StringArray::from(vec!["a"])),
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(words.finish()),
    ];
    for column in columns {
        let error = tokenizer().decode_batch(&column, true, &BatchOptions::default()).expect_err("a refusal");
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
}

/// What a stream gives, put together.
fn streamed(tokenizer: &Tokenizer, ids: &[u32], skip: bool) -> String {
    let mut stream = tokenizer.decode_stream(skip);
    let mut text = String::new();
    for id in ids {
        text.extend(stream.step(*id).expect("a step"));
    }
    text.extend(stream.finish().expect("the end"));
    text
}

proptest! {
    #[test]
    fn a_stream_gives_the_whole_text(ids in prop::collection::vec(0_u32..268, 0..60), skip: bool) {
        let tokenizer = tokenizer();
        prop_assert_eq!(streamed(&tokenizer, &ids, skip), tokenizer.decode(&ids, skip).expect("decoded"));
    }
}

#[test]
fn characters_of_several_tokens_come_whole() {
    let tokenizer = fixtures::tokenizer("gpt2");
    let text = "a 👩🏽‍🚀 日本語 \u{10ffff}";
    let mut stream = tokenizer.decode_stream(true);
    let mut given = Vec::new();
    for id in tokenizer.ids(text, false).expect("ids") {
        given.extend(stream.step(id).expect("a step"));
    }
    assert!(given.iter().all(|part| !part.contains(char::REPLACEMENT_CHARACTER)), "{given:?}");
    assert_eq!(given.concat(), text);
}

#[test]
fn bytes_that_are_never_text_are_not_held_back_for_ever() {
    let tokenizer = tokenizer();
    let byte = tokenizer.token_to_id("ÿ").expect("the byte 255");
    let mut stream = tokenizer.decode_stream(false);
    let mut given = 0;
    let mut longest_wait = 0;
    let mut wait = 0;
    for _ in 0..1000 {
        match stream.step(byte).expect("a step") {
            Some(text) => (given, wait) = (given + text.chars().count(), 0),
            None => wait += 1,
        }
        longest_wait = longest_wait.max(wait);
    }
    assert!(longest_wait < 16, "{longest_wait}");
    assert_eq!(given + stream.finish().expect("the end").map_or(0, |text| text.chars().count()), 1000);
}

#[test]
fn a_character_after_bytes_that_are_none_comes_whole() {
    let tokenizer = tokenizer();
    let never = tokenizer.token_to_id("ÿ").expect("the byte 255");
    let face = tokenizer.ids("😀", false).expect("ids");
    for before in 0..20 {
        let ids: Vec<u32> = std::iter::repeat_n(never, before).chain(face.iter().copied()).collect();
        assert_eq!(streamed(&tokenizer, &ids, false), format!("{}😀", "\u{fffd}".repeat(before)));
    }
    // Special tokens that are left out do not part it.
    let special = tokenizer.token_to_id("</s>").expect("a special token");
    let parted: Vec<u32> = face.iter().flat_map(|&id| [id].into_iter().chain([special; 9])).collect();
    assert_eq!(streamed(&tokenizer, &parted, true), "😀");
}

#[test]
fn an_id_that_is_refused_is_not_taken() {
    let tokenizer = tokenizer();
    let mut stream = tokenizer.decode_stream(false);
    assert!(matches!(stream.step(9_000), Err(TokenizerError::UnknownId { id: 9_000, .. })));
    let hello = tokenizer.token_to_id("hello").expect("a token");
    assert_eq!(stream.step(hello).expect("a step").as_deref(), Some("hello"));
}
