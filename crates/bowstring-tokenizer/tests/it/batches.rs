//! Columns in, columns out.

use std::{num::NonZero, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, DictionaryArray, Int32Array, LargeStringArray, NullArray, RecordBatch,
        StringArray, StringViewArray,
    },
    datatypes::{DataType, Int32Type, UInt8Type, UInt32Type},
};
use bowstring_core::{Cancel, Diagnostic, ErrorKind, render};
use bowstring_tokenizer::{
    Backend, BatchOptions, ChunkOptions, OffsetUnit, PadTo, Padding, Side, Texts, Tokenizer, TokenizerError,
    Truncation,
};
use expect_test::expect;

use crate::{fixtures, tiny};

fn tokenizer() -> Tokenizer {
    Tokenizer::from_bytes(tiny::bytes(&tiny::byte_level())).expect("a tokenizer")
}

fn encode(tokenizer: &Tokenizer, chunks: &[ArrayRef], options: &BatchOptions) -> RecordBatch {
    let texts = Texts::from_chunks(chunks).expect("texts");
    let mut batches = tokenizer.encode_batch(&texts, options).expect("encoded");
    assert_eq!(batches.len(), 1);
    batches.remove(0)
}

fn lists<T: arrow::datatypes::ArrowPrimitiveType>(column: &ArrayRef) -> Vec<Option<Vec<T::Native>>> {
    let rows = column.as_list::<i32>();
    rows.iter().map(|row| row.map(|row| row.as_primitive::<T>().values().to_vec())).collect()
}

#[test]
fn every_kind_of_text_column_gives_the_same_ids() {
    let rows = [Some("hello world"), None, Some(""), Some("hello <s> wörld"), Some("hello world")];
    let expected: Vec<Option<Vec<u32>>> =
        rows.iter().map(|row| row.map(|text| tokenizer().ids(text, true).expect("ids"))).collect();
    let plain = StringArray::from(rows.to_vec());
    let dictionary: DictionaryArray<Int32Type> = rows.iter().copied().collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(plain.clone()),
        Arc::new(LargeStringArray::from(rows.to_vec())),
        Arc::new(StringViewArray::from(rows.to_vec())),
        Arc::new(dictionary),
    ];
    for column in &columns {
        let batch = encode(&tokenizer(), std::slice::from_ref(column), &BatchOptions::default());
        assert_eq!(lists::<UInt32Type>(batch.column(0)), expected, "{}", column.data_type());
    }
    // Slices with offsets, chunks, empty ones among them, and columns without any value.
    let chunks: Vec<ArrayRef> =
        vec![Arc::new(plain.slice(0, 2)), Arc::new(plain.slice(2, 0)), Arc::new(plain.slice(2, 3))];
    let batch = encode(&tokenizer(), &chunks, &BatchOptions::default());
    assert_eq!(lists::<UInt32Type>(batch.column(0)), expected);
    let nothing: Vec<ArrayRef> = vec![
        Arc::new(NullArray::new(2)),
        Arc::new(DictionaryArray::<Int32Type>::new(
            Int32Array::from(vec![None, None]),
            Arc::new(StringArray::from(Vec::<&str>::new())),
        )),
    ];
    let batch = encode(&tokenizer(), &nothing, &BatchOptions::default());
    assert_eq!(lists::<UInt32Type>(batch.column(0)), vec![None; 4]);
    let batch = encode(&tokenizer(), &[], &BatchOptions::default());
    assert_eq!(batch.num_rows(), 0);
}

/// Rows of all sizes, so that some are encoded together and some alone, with what is found between sections.
#[test]
fn rows_have_the_ids_that_each_has_alone() {
    let mut state = 1_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let words = [
        " hello",
        "world",
        " ",
        "  ",
        "\n",
        "1234",
        " naïve",
        "é",
        "中文字",
        "🦀",
        "\u{301}",
        "\0",
        "don't",
        "<s>",
        "tool",
        "</s>",
        "[SEP]",
        "<|endoftext|>",
        "▁",
        " antidisestablishmentarianism",
    ];
    let rows: Vec<Option<String>> = (0..6_000)
        .map(|row| {
            let count = match next(20) {
                0 => return None,
                1 => 0,
                _ if row % 1_500 == 700 => 5_000,
                2 => next(400),
                _ => next(9),
            };
            let mut text: String = (0..count).map(|_| words[next(words.len() as u64) as usize]).collect();
            if next(3) == 0 {
                text.push_str(&format!("w{:x}", next(1 << 30)));
            }
            Some(text)
        })
        .collect();
    assert!(rows.iter().flatten().any(|text| text.len() > 20_000));
    let column: Vec<ArrayRef> = vec![Arc::new(StringArray::from(rows.clone()))];
    let texts = Texts::from_chunks(&column).expect("texts");
    let mut tokenizers =
        vec![tokenizer(), Tokenizer::from_bytes(tiny::bytes(&tiny::sentences())).expect("one")];
    tokenizers.extend(fixtures::ALL.iter().map(|name| fixtures::tokenizer(name)));
    for tokenizer in tokenizers {
        assert!(matches!(tokenizer.backend(), Backend::Fast(_)), "{:?}", tokenizer.backend());
        for (add_special_tokens, most) in [(false, None), (true, None), (true, Some(7)), (false, Some(3))] {
            let tokenizer = tokenizer.clone().with_truncation(most.map(Truncation::to)).expect("room");
            let tokenizer = tokenizer.with_padding(None);
            let options = BatchOptions { add_special_tokens, ..BatchOptions::default() };
            let expected: Vec<Option<Vec<u32>>> = (rows.iter())
                .map(|row| row.as_ref().map(|text| tokenizer.ids(text, add_special_tokens).expect("ids")))
                .collect();
            let batch = encode(&tokenizer, &column, &options);
            let found = lists::<UInt32Type>(batch.column(0));
            for ((row, found), expected) in rows.iter().zip(found).zip(&expected) {
                assert_eq!(found, *expected, "{row:?} by {:?}", tokenizer.backend());
            }
            if most.is_none() {
                let counts = tokenizer.count(&texts, &options).expect("counts");
                let lengths = expected.iter().map(|ids| ids.as_ref().map(|ids| ids.len() as u32));
                assert!(counts.iter().eq(lengths), "counts by {:?}", tokenizer.backend());
            }
        }
    }
}

#[test]
fn a_column_that_is_not_text_is_refused() {
    let column: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![1]))];
    let error = Texts::from_chunks(&column).expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::Usage);
    expect![[r#"
        a column of Int32 cannot be tokenised

        hint: string, large_string, string_view and dictionaries of them are taken"#]]
    .assert_eq(&render(&error));
}

#[test]
fn masks_types_offsets_and_words_have_the_shape_of_the_ids() {
    let rows: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec![Some("hello wörld"), None, Some("")]))];
    let padding = Padding {
        to: PadTo::Longest,
        side: Side::Right,
        multiple_of: None,
        id: 267,
        type_id: 7,
        token: "<pad>".into(),
    };
    let tokenizer = tokenizer().with_padding(Some(padding));
    let masks = BatchOptions {
        attention_mask: true,
        type_ids: true,
        special_tokens_mask: true,
        ..BatchOptions::default()
    };
    let all = BatchOptions { offsets: Some(OffsetUnit::Chars), word_ids: true, ..masks.clone() };
    let (few, many) = (encode(&tokenizer, &rows, &masks), encode(&tokenizer, &rows, &all));
    let names: Vec<String> = many.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["ids", "attention_mask", "type_ids", "special_tokens_mask", "offsets", "word_ids"]);
    // What follows from the ids alone is computed on another way than what needs each token.
    for (column, name) in names.iter().enumerate().take(4) {
        assert_eq!(few.column(column), many.column(column), "{name}");
    }
    let encoding = tokenizer.encode("hello wörld", None, true, OffsetUnit::Chars).expect("encoded");
    let ids = lists::<UInt32Type>(many.column(0));
    assert_eq!(ids[0].as_deref(), Some(encoding.ids()));
    assert_eq!(ids[1], None);
    let length = encoding.len();
    let mut padded = vec![265, 266];
    padded.resize(length, 267);
    assert_eq!(ids[2], Some(padded));
    let attention = lists::<UInt8Type>(many.column(1));
    assert_eq!(attention[2].as_ref().map(|mask| mask.iter().map(|on| usize::from(*on)).sum()), Some(2_usize));
    let offsets = many.column(4).as_list::<i32>().value(0);
    let pairs: Vec<(usize, usize)> =
        (offsets.as_fixed_size_list().values().as_primitive::<UInt32Type>().values())
            .chunks(2)
            .map(|pair| (pair[0] as usize, pair[1] as usize))
            .collect();
    assert_eq!(pairs, encoding.offsets());
    let words = many.column(5).as_list::<i32>().value(0);
    let words: Vec<Option<u32>> = words.as_primitive::<UInt32Type>().iter().collect();
    assert_eq!(words, encoding.word_ids());
}

#[test]
fn the_overflow_has_rows_of_its_own() {
    let rows: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec!["hello world hello world", "hello"]))];
    let mut document = tiny::byte_level();
    // All of a text is one piece for the model here, so that nothing is left out before it is cut.
    document["pre_tokenizer"]["use_regex"] = false.into();
    let tokenizer = Tokenizer::from_bytes(tiny::bytes(&document)).expect("a tokenizer");
    let tokenizer = tokenizer.with_truncation(Some(Truncation::to(4))).expect("room");
    let options = BatchOptions { overflow: true, ..BatchOptions::default() };
    let batch = encode(&tokenizer, &rows, &options);
    let samples = batch.column_by_name("sample").expect("the column");
    let samples = samples.as_primitive::<arrow::datatypes::UInt64Type>();
    assert_eq!(samples.values(), &[0, 0, 0, 1]);
    let rows: Vec<usize> = lists::<UInt32Type>(batch.column(0)).iter().flatten().map(Vec::len).collect();
    assert_eq!(rows, [4, 4, 3, 3]);
}

#[test]
fn large_lists_are_made_on_request() {
    let rows: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec!["hello"]))];
    let batch = encode(&tokenizer(), &rows, &BatchOptions { large_list: true, ..BatchOptions::default() });
    assert!(matches!(batch.column(0).data_type(), DataType::LargeList(_)));
}

#[test]
fn any_number_of_threads_and_any_cut_gives_the_same_ids() {
    let tokenizer = fixtures::tokenizer("gpt2");
    let mut text = String::new();
    for number in 0..9_000 {
        text.push_str(&format!("Line {number} says “hello” to {}!\n", number % 977));
    }
    text.push_str(&"a".repeat(1 << 17));
    text.push_str(&" ".repeat(1 << 17));
    let rows = [text.as_str(), "short", "", text.as_str()];
    let texts = Texts::from_slices(&rows);
    let expected = tokenizer.ids(&text, true).expect("ids");
    for threads in [1, 2, 5] {
        let options = BatchOptions { threads: NonZero::new(threads), ..BatchOptions::default() };
        let batches = tokenizer.encode_batch(&texts, &options).expect("encoded");
        let ids = lists::<UInt32Type>(batches[0].column(0));
        assert!(
            ids[0].as_ref() == Some(&expected) && ids[3].as_ref() == Some(&expected),
            "{threads} threads"
        );
        let counts = tokenizer.count(&texts, &options).expect("counted");
        let lengths: Vec<u32> = ids.iter().flatten().map(|ids| ids.len() as u32).collect();
        assert_eq!(counts.values(), &lengths);
    }
}

#[test]
fn a_cancelled_batch_stops() {
    let cancel = Cancel::new();
    cancel.cancel();
    let options = BatchOptions { cancel, ..BatchOptions::default() };
    let error = tokenizer().encode_batch(&Texts::from_slices(&["hello"]), &options).expect_err("cancelled");
    assert!(matches!(error, TokenizerError::Cancelled(_)));
}

/// A page of zeros takes no memory until something else is written to it.
#[cfg(target_pointer_width = "64")]
#[test]
fn a_text_of_4_gib_is_refused() {
    let zeros = vec![0; 1 << 32];
    let text = str::from_utf8(&zeros).expect("zeros are text");
    let rows = ["short", text];
    let (texts, options, tokenizer) = (Texts::from_slices(&rows), BatchOptions::default(), tokenizer());
    let refused = |error: Option<TokenizerError>| {
        let error = error.expect("a refusal");
        assert_eq!(error.kind(), ErrorKind::Limit);
        expect![[r#"
            a text of 4294967296 bytes is too long for a batch, which takes less than 4294967296
              at row 1

            hint: split the text into several rows"#]]
        .assert_eq(&render(&error));
    };
    refused(tokenizer.encode_batch(&texts, &options).err());
    refused(tokenizer.count(&texts, &options).err());
    refused(tokenizer.chunk_batch(&texts, &ChunkOptions::to(9), &options).err());
}
