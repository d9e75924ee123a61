//! What must hold of a tokenizer that a stranger describes, and of a text that a stranger wrote?
//! Hugging Face's library says what the ids are.

use std::{
    collections::HashSet,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};

use bowstring_core::{Diagnostic, ErrorKind, render};
use bowstring_tokenizer::{BatchOptions, Encoding, OffsetUnit, Texts, Tokenizer, TokenizerError};
use flate2::read::GzDecoder;
use tokenizers::Tokenizer as Reference;

/// What every tokenizer that can be loaded has to encode as the reference does.
const TEXTS: [&str; 6] = [
    "",
    "hello world's  12345 <s>[MASK] ab",
    " \n\n\t x  ",
    "Ünï\u{301}cödé 日本語 ไทย 한국어",
    "👩🏿\u{200d}🚀\0\u{fffd}\u{a0}\u{378}",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa▁▁##b",
];

/// Bytes as a `tokenizer.json`. It is refused for a reason that names it, or gives the reference's ids.
pub fn check_tokenizer(data: &[u8]) {
    let ours = match Tokenizer::from_bytes(data) {
        Ok(ours) => ours,
        Err(error) => return refused(&error),
    };
    let Some(reference) = reference(data) else { return };
    let text = String::from_utf8_lossy(data);
    // Dropout leaves merges out at random.
    if text.contains("dropout") {
        return;
    }
    let tail: String = text.chars().take(200).collect();
    // Which of two tokens with one id the reference means is random.
    let vocabulary = reference.get_vocab(true);
    let is_clear = vocabulary.values().collect::<HashSet<_>>().len() == vocabulary.len();
    for text in TEXTS.into_iter().chain([tail.as_str()]) {
        check(&ours, &reference, text, false);
        if is_clear {
            check_back(&ours, &reference, text);
        }
    }
}

/// A text for one of the tokenizers that the repository ships.
pub fn check_encode(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let (ours, reference) = &SHIPPED[usize::from(choice >> 1) % SHIPPED.len()];
    check(ours, reference, &text, choice & 1 == 1);
    check_back(ours, reference, &text);
}

/// Loads them: once, and before the clock of the first text runs.
pub fn load_shipped() {
    LazyLock::force(&SHIPPED);
}

static SHIPPED: LazyLock<Vec<(Tokenizer, Reference)>> = LazyLock::new(|| {
    let compressed: [&[u8]; 4] = [
        include_bytes!("../../crates/bowstring-tokenizer/fixtures/bert-uncased.json.gz"),
        include_bytes!("../../crates/bowstring-tokenizer/fixtures/gpt2.json.gz"),
        include_bytes!("../../crates/bowstring-tokenizer/fixtures/qwen2.5.json.gz"),
        include_bytes!("../../crates/bowstring-tokenizer/fixtures/t5-4k.json.gz"),
    ];
    let load = |compressed: &[u8]| {
        let mut json = Vec::new();
        GzDecoder::new(compressed).read_to_end(&mut json).expect("gzip");
        let ours = Tokenizer::from_bytes(json.as_slice()).expect("ours");
        let ours = ours.with_truncation(None).expect("no truncation").with_padding(None);
        (ours, reference(&json).expect("the reference"))
    };
    compressed.into_iter().map(load).collect()
});

/// Hugging Face's library, which panics on some contradictions; without truncation and padding.
fn reference(json: &[u8]) -> Option<Reference> {
    let mut loaded = catch_unwind(AssertUnwindSafe(|| Reference::from_bytes(json))).ok()?.ok()?;
    loaded.with_truncation(None).ok()?.with_padding(None);
    Some(loaded)
}

fn refused(error: &TokenizerError) {
    assert!(matches!(error.kind(), ErrorKind::Data | ErrorKind::Usage), "{error}");
    assert!(!render(error).is_empty());
}

/// All of an encoding is the reference's, and ids and their number however they are asked for.
fn check(ours: &Tokenizer, reference: &Reference, text: &str, special: bool) {
    let wanted = catch_unwind(AssertUnwindSafe(|| reference.encode_char_offsets(text, special)));
    let Ok(Ok(wanted)) = wanted else { return };
    // What is asked without truncation; a tokenizer's own may leave no room for its special tokens.
    let Ok(ours) = ours.clone().with_truncation(None).map(|ours| ours.with_padding(None)) else { return };
    let found: Encoding = match ours.encode(text, None, special, OffsetUnit::Chars) {
        Ok(found) => found,
        Err(error) => panic!("only the reference encodes {text:?}: {error}"),
    };
    assert_eq!(found.ids(), wanted.get_ids(), "ids of {text:?}");
    assert_eq!(found.offsets(), wanted.get_offsets(), "offsets of {text:?}");
    assert_eq!(found.word_ids(), wanted.get_word_ids(), "word ids of {text:?}");
    assert_eq!(found.type_ids(), wanted.get_type_ids(), "type ids of {text:?}");
    assert_eq!(found.attention_mask(), wanted.get_attention_mask(), "attention mask of {text:?}");
    assert_eq!(found.special_tokens_mask(), wanted.get_special_tokens_mask(), "special tokens of {text:?}");
    let ids = wanted.get_ids();
    assert_eq!(ours.ids(text, special).ok().as_deref(), Some(ids), "ids alone of {text:?}");
    let options = BatchOptions { add_special_tokens: special, ..BatchOptions::default() };
    let count = ours.count(&Texts::from_slices(&[text]), &options).map(|counts| counts.value(0));
    assert_eq!(count.ok().map(|count| count as usize), Some(ids.len()), "count of {text:?}");
}

/// What the reference writes for a text's ids, as tokens and as text.
fn check_back(ours: &Tokenizer, reference: &Reference, text: &str) {
    let wanted = catch_unwind(AssertUnwindSafe(|| reference.encode_char_offsets(text, true)));
    let Ok(Ok(wanted)) = wanted else { return };
    let Ok(ours) = ours.clone().with_truncation(None).map(|ours| ours.with_padding(None)) else { return };
    let found = ours.encode(text, None, true, OffsetUnit::Chars).ok();
    let tokens = found.as_ref().map(Encoding::tokens);
    assert_eq!(tokens, Some(wanted.get_tokens()), "tokens of {text:?}");
    let ids = wanted.get_ids();
    for skip in [false, true] {
        let back = catch_unwind(AssertUnwindSafe(|| reference.decode(ids, skip)));
        let Ok(Ok(back)) = back else { continue };
        assert_eq!(ours.decode(ids, skip).ok(), Some(back), "text of {ids:?}, {skip}");
    }
}
