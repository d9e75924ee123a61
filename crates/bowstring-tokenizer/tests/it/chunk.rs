//! Do chunks cover a text, within their limits, and end where a text may well be cut?

use std::{sync::OnceLock, time::Instant};

use arrow::{array::AsArray, datatypes::UInt32Type, datatypes::UInt64Type};
use bowstring_core::Cancel;
use bowstring_tokenizer::{
    BatchOptions, Chunk, ChunkOptions, OffsetUnit, PadTo, Padding, Side, Texts, Tokenizer, TokenizerError,
    Truncation,
};
use proptest::prelude::*;

use crate::fixtures;

fn tokenizer(name: &str) -> &'static Tokenizer {
    static LOADED: [OnceLock<Tokenizer>; fixtures::ALL.len()] =
        [const { OnceLock::new() }; fixtures::ALL.len()];
    let at = fixtures::ALL.iter().position(|known| *known == name).expect("a fixture");
    LOADED[at].get_or_init(|| Tokenizer::from_bytes(fixtures::json(name)).expect("a tokenizer"))
}

fn count(tokenizer: &Tokenizer, text: &str, add_special_tokens: bool) -> usize {
    let options = BatchOptions { add_special_tokens, ..BatchOptions::default() };
    tokenizer.count(&Texts::from_slices(&[text]), &options).expect("counts").value(0) as usize
}

/// The chunks of `text`, after everything that is promised of them was looked at.
fn promised(tokenizer: &Tokenizer, text: &str, options: &ChunkOptions) -> Vec<Chunk> {
    let chunks = tokenizer.chunk(text, options).expect("chunks");
    let (mut start, mut past) = (0, 0);
    for chunk in &chunks {
        let part = &text[chunk.bytes.clone()];
        assert!(chunk.bytes.start <= past && chunk.bytes.end > past, "{chunk:?} after {past}");
        assert!(past == 0 || chunk.bytes.start > start, "{chunk:?} begins no later than {start}");
        assert_eq!(chunk.tokens, count(tokenizer, part, options.add_special_tokens), "{part:?}");
        assert!(chunk.tokens <= options.max_tokens, "{chunk:?}");
        assert!(count(tokenizer, &text[chunk.bytes.start..past], false) <= options.overlap, "{chunk:?}");
        let chars = |at: usize| text[..at].chars().count();
        assert_eq!(chunk.chars, chars(chunk.bytes.start)..chars(chunk.bytes.end));
        (start, past) = (chunk.bytes.start, chunk.bytes.end);
    }
    assert_eq!(past, text.len(), "{text:?} is covered");
    chunks
}

/// The chunks of `text` with a bar between them, what is repeated in brackets.
fn check(options: ChunkOptions, text: &str, expected: &str) {
    let mut shown = String::new();
    let mut past = 0;
    for chunk in promised(tokenizer("bert-uncased"), text, &options) {
        if past > 0 {
            shown.push('|');
        }
        if chunk.bytes.start < past {
            shown.push_str(&format!("[{}]", &text[chunk.bytes.start..past]));
        }
        shown.push_str(&text[past..chunk.bytes.end]);
        past = chunk.bytes.end;
    }
    assert_eq!(shown, expected);
}

fn plain(max_tokens: usize, overlap: usize) -> ChunkOptions {
    ChunkOptions { max_tokens, overlap, add_special_tokens: false }
}

#[test]
fn the_largest_unit_in_the_second_half_ends_a_chunk() {
    check(
        plain(9, 0),
        "One two. Three four.\n\nFive six. Seven eight.",
        "One two. Three four.\n\n|Five six. Seven eight.",
    );
    check(
        plain(8, 0),
        "One two. Three four. Five six. Seven eight.",
        "One two. Three four. |Five six. Seven eight.",
    );
    check(plain(4, 0), "One.\n\nTwo three four five six", "One.\n\nTwo three |four five six");
    check(plain(5, 0), "one two three four five six seven", "one two three four five |six seven");
    check(plain(8, 0), "one two/three/four/five/six", "one two/three/four/five|/six");
    check(plain(3, 0), "one/zzzz", "one/|zzzz");
    check(plain(3, 0), "one two (three four", "one two |(three four");
    check(plain(3, 0), "\u{4e00}\u{4e8c}\u{4e09}\u{56db}", "\u{4e00}\u{4e8c}\u{4e09}|\u{56db}");
    check(plain(2, 0), "zzzzzzzzzzzz", "zzz|zzz|zzz|zzz");
    check(plain(3, 0), "", "");
    check(plain(3, 0), " \n ", " \n ");
}

#[test]
fn a_chunk_that_has_more_tokens_where_it_is_cut_is_shorter() {
    // `table` is one token; without the end of a grapheme that goes on it would be two.
    let chunks = promised(tokenizer("gpt2"), "table\u{fe0f}", &plain(1, 0));
    let ends: Vec<usize> = chunks.iter().map(|chunk| chunk.bytes.end).collect();
    assert_eq!(ends, [3, 4, 5, 8]);
}

#[test]
fn truncation_and_padding_are_not_applied() {
    let bare = tokenizer("bert-uncased");
    let (pad, id) = bare.pad_token(None, None).expect("a token to pad with");
    let padding =
        Padding { to: PadTo::Length(64), side: Side::Right, multiple_of: None, id, type_id: 0, token: pad };
    let other =
        bare.clone().with_truncation(Some(Truncation::to(4))).expect("room").with_padding(Some(padding));
    let text = "One two. Three four. Five six. Seven eight.";
    let chunks = |tokenizer: &Tokenizer| tokenizer.chunk(text, &plain(8, 0)).expect("chunks");
    assert_eq!(chunks(&other), chunks(bare));
}

#[test]
fn special_tokens_take_their_room() {
    let counted = ChunkOptions { add_special_tokens: true, ..plain(6, 0) };
    check(counted, "one two three four five six", "one two three four |five six");
    let nothing_left = tokenizer("bert-uncased").chunk("x", &ChunkOptions::to(2));
    assert!(matches!(nothing_left, Err(TokenizerError::Option { option: "max_tokens", .. })));
}

#[test]
fn an_overlap_repeats_whole_sentences_or_words() {
    check(
        plain(8, 4),
        "One two. Three four five. Six seven. Eight nine. Ten.",
        "One two. Three four five. |[Three four five. ]Six seven. |[Six seven. ]Eight nine. Ten.",
    );
    check(
        plain(4, 2),
        "one two three four five six seven",
        "one two three four |[three four ]five six |[five six ]seven",
    );
    check(
        plain(10, 5),
        "One two three four five. Six seven. Eight nine.",
        "One two three four five. Six seven. |[Six seven. ]Eight nine.",
    );
    let too_large = tokenizer("bert-uncased").chunk("x", &plain(5, 3));
    assert!(matches!(too_large, Err(TokenizerError::Option { option: "overlap", .. })));
}

#[test]
fn a_character_that_does_not_fit_is_named() {
    let error = tokenizer("gpt2").chunk("ab\u{10ffff}", &plain(2, 0)).expect_err("too small");
    assert!(matches!(error, TokenizerError::ChunkTooSmall { max_tokens: 2, at: 2, tokens: 4 }), "{error:?}");
}

#[test]
fn a_column_has_a_row_for_each_chunk() {
    let texts = [Some("\u{e9}ne two three"), Some(""), None, Some("four")];
    let texts = Texts::from_options(&texts);
    for (unit, ends) in [(OffsetUnit::Chars, [8, 13, 4]), (OffsetUnit::Bytes, [9, 14, 4])] {
        let batch = BatchOptions { offsets: Some(unit), ..BatchOptions::default() };
        let table = tokenizer("bert-uncased").chunk_batch(&texts, &plain(3, 0), &batch).expect("chunks");
        let numbers = |name: &str| table[name].as_primitive::<UInt64Type>().values().to_vec();
        assert_eq!(numbers("row"), [0, 0, 3]);
        assert_eq!(numbers("start"), [0, ends[0], 0]);
        assert_eq!(numbers("end"), ends);
        let parts: Vec<&str> = table["text"].as_string::<i64>().iter().flatten().collect();
        assert_eq!(parts, ["\u{e9}ne two ", "three", "four"]);
        assert_eq!(table["tokens"].as_primitive::<UInt32Type>().values(), &[3, 1, 1]);
    }
    let cancel = Cancel::new();
    cancel.cancel();
    let batch = BatchOptions { cancel, ..BatchOptions::default() };
    let stopped = tokenizer("bert-uncased").chunk_batch(&texts, &plain(3, 0), &batch);
    assert!(matches!(stopped, Err(TokenizerError::Cancelled(_))), "{stopped:?}");
}

#[test]
fn time_is_linear() {
    // Were each chunk looked for in all that follows, eight times as much would take 64 times as long.
    for (name, part) in [
        ("gpt2", "a"),
        ("bert-uncased", "a"),
        ("gpt2", " "),
        ("qwen2.5", " "),
        ("bert-uncased", "word and. "),
        ("gpt2", "\u{301}"),
        ("bert-uncased", "a."),
        ("gpt2", "1.\u{301}"),
        ("gpt2", "\u{1f1e9}"),
        ("gpt2", "\u{1f469}\u{200d}"),
        ("bert-uncased", "\u{1f1e9}"),
    ] {
        let time = |bytes: usize| {
            let text = part.repeat(bytes / part.len());
            let start = Instant::now();
            let chunks = tokenizer(name).chunk(&text, &plain(64, 32)).expect("chunks");
            assert_eq!(chunks.last().expect("a chunk").bytes.end, text.len());
            start.elapsed().as_secs_f64()
        };
        // On a busy machine one measurement says little; what takes 64 times as long always does.
        let short = (0..5).map(|_| time(10_000)).fold(f64::INFINITY, f64::min);
        let long: Vec<f64> = (0..20).map(|_| time(80_000)).take_while(|&long| long > 40.0 * short).collect();
        assert!(long.len() < 20, "{part:?} by {name}: {short} s, and eight times as much {long:?}");
    }
}

proptest! {
    #[test]
    fn promises_hold(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "the ", "word", "Sentences end. ", "Really?! ", "\n", "\n\n", "  ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "3.14",
                "\u{4f60}\u{597d}\u{3002}", "\u{1f469}\u{200d}\u{1f680}", "e\u{301}\u{323}", "\u{3000}", "<|endoftext|>", "[SEP]", "\r\n\r\n",
                "\u{633}\u{644}\u{627}\u{645} ", "\u{10ffff}", "\0", "supercalifragilistic",
            ]),
            0..60,
        ),
        which in 0..fixtures::ALL.len(),
        max_tokens in 6..40_usize,
        overlap in 0..3_usize,
        add_special_tokens: bool,
    ) {
        let overlap = (max_tokens - 2) / 2 * overlap / 2;
        let options = ChunkOptions { max_tokens, overlap, add_special_tokens };
        promised(tokenizer(fixtures::ALL[which]), &parts.concat(), &options);
    }
}
