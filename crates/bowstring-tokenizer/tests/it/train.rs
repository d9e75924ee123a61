//! Are learned tokenizers what the trainers of the `tokenizers` crate learn, the same each time, and of use?

use std::{num::NonZero, sync::Arc};

use arrow::array::{ArrayRef, StringArray};
use bowstring_core::render;
use bowstring_tokenizer::{Algorithm, Backend, Texts, Tokenizer, TrainOptions};
use expect_test::{Expect, expect};
use serde_json::Value;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    TokenizerBuilder, Trainer,
    models::{
        bpe::{BPE, BpeTrainer},
        unigram::{Unigram, UnigramTrainer},
        wordpiece::{WordPiece, WordPieceTrainer},
    },
};

const ALL: [Algorithm; 3] = [Algorithm::Bpe, Algorithm::WordPiece, Algorithm::Unigram];

/// Some lines of words that share their parts, a few of them rare.
fn corpus() -> Vec<String> {
    let starts = ["walk", "talk", "jump", "play", "über", "mål", "日本", "под"];
    let ends = ["", "ing", "ed", "er", "ers", "s", "able", "語", "ход"];
    let rare = ["ÿ", "þ", "ŋœ", "ʒ", "ɐ", "ʘxʘ", "ƕ", "ƣ"];
    let mut lines = Vec::new();
    let mut state = 7_usize;
    for line in 0..600 {
        let mut words = Vec::new();
        for _ in 0..9 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (start, end) = ((state >> 33) % starts.len(), (state >> 41) % ends.len());
            words.push(format!("{}{}", starts[start.min((state >> 50) % 8)], ends[end]));
        }
        if line % 75 == 0 {
            words.push(rare[line / 75].to_owned());
        }
        lines.push(format!("{}, {}.", words[..4].join(" "), words[4..].join(" ")));
    }
    lines
}

fn options(algorithm: Algorithm, threads: usize) -> TrainOptions {
    let size = match algorithm {
        Algorithm::Bpe => 330,
        Algorithm::WordPiece => 130,
        Algorithm::Unigram => 150,
    };
    TrainOptions { threads: NonZero::new(threads), ..TrainOptions::new(algorithm, size) }
}

fn learned(lines: &[String], options: &TrainOptions) -> Tokenizer {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    Tokenizer::train(&Texts::from_slices(&lines), options).expect("a tokenizer")
}

#[test]
fn the_same_texts_give_the_same_tokenizer() {
    let lines = corpus();
    for algorithm in ALL {
        let first = learned(&lines, &options(algorithm, 1));
        for threads in [1, 3] {
            let again = learned(&lines, &options(algorithm, threads));
            assert!(first.json() == again.json(), "{algorithm:?} with {threads} threads");
        }
        let reversed: Vec<String> = lines.iter().rev().cloned().collect();
        assert!(first.json() == learned(&reversed, &options(algorithm, 2)).json(), "{algorithm:?} reversed");
    }
}

#[test]
fn columns_with_nulls_and_chunks_are_read_whole() {
    let lines = corpus();
    let (first, second) = lines.split_at(250);
    let with_nulls = first.iter().map(|line| Some(line.as_str())).chain([None, None]);
    let chunks: [ArrayRef; 2] =
        [Arc::new(StringArray::from_iter(with_nulls)), Arc::new(StringArray::from_iter_values(second))];
    let column = Texts::from_chunks(&chunks).expect("texts");
    for algorithm in ALL {
        let options = options(algorithm, 2);
        let from_column = Tokenizer::train(&column, &options).expect("a tokenizer");
        assert!(from_column.json() == learned(&lines, &options).json(), "{algorithm:?}");
    }
}

#[test]
fn texts_come_back_and_kernels_run() {
    let lines = corpus();
    for (algorithm, backend) in [
        (Algorithm::Bpe, "byte-level BPE"),
        (Algorithm::WordPiece, "BERT WordPiece"),
        (Algorithm::Unigram, "SentencePiece Unigram"),
    ] {
        let tokenizer = learned(&lines, &options(algorithm, 2));
        assert_eq!(tokenizer.backend(), Backend::Fast(backend));
        let size = options(algorithm, 2).vocab_size;
        assert_eq!(tokenizer.vocab_size(true), size, "{algorithm:?}");
        let text = "walking talkers, jumpable play.";
        let ids = tokenizer.ids(text, true).expect("ids");
        assert!(ids.len() < text.len() / 2, "{algorithm:?}: {ids:?}");
        assert_eq!(tokenizer.decode(&ids, true).expect("a text"), text, "{algorithm:?}");
        for (id, token) in options(algorithm, 2).special_tokens.iter().enumerate() {
            assert_eq!(tokenizer.token_to_id(token), Some(id as u32), "{token}");
        }
    }
}

/// The vocabulary that the `tokenizers` crate learns by itself, around the model as we put it.
fn reference<T: Trainer + Sync>(document: &Value, model: T::Model, mut trainer: T, lines: &[String]) -> Value
where
    T::Model: Send + Sync + serde::Serialize,
{
    let part = |name: &str| document[name].clone();
    let mut inner = TokenizerBuilder::<
        T::Model,
        NormalizerWrapper,
        PreTokenizerWrapper,
        PostProcessorWrapper,
        DecoderWrapper,
    >::new()
    .with_model(model)
    .with_normalizer(serde_json::from_value(part("normalizer")).expect("a normaliser"))
    .with_pre_tokenizer(serde_json::from_value(part("pre_tokenizer")).expect("a pre-tokeniser"))
    .with_post_processor(None)
    .with_decoder(None)
    .build()
    .expect("a tokenizer");
    inner.train(&mut trainer, lines.iter()).expect("trained");
    serde_json::to_value(inner.get_model()).expect("JSON")
}

fn special(options: &TrainOptions) -> Vec<AddedToken> {
    options.special_tokens.iter().map(|token| AddedToken::from(token.clone(), true)).collect()
}

#[test]
fn bpe_is_what_the_trainer_learns() {
    let lines = corpus();
    let options = options(Algorithm::Bpe, 2);
    let document: Value = serde_json::from_slice(learned(&lines, &options).json()).expect("JSON");
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(options.vocab_size)
        .special_tokens(special(&options))
        .initial_alphabet(tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet().into_iter().collect())
        .build();
    let expected = reference(&document, BPE::default(), trainer, &lines);
    assert_eq!(document["model"], expected);
    assert!(expected["merges"].as_array().expect("a list").len() > 50);
}

/// The entries of a vocabulary with ids, without these.
fn tokens(vocab: &Value) -> Vec<&str> {
    let mut tokens: Vec<&str> = vocab.as_object().expect("an object").keys().map(String::as_str).collect();
    tokens.sort_unstable();
    tokens
}

#[test]
fn word_piece_has_the_tokens_that_the_trainer_learns() {
    let lines = corpus();
    // Pairs of the same count are merged in the order of their ids, which the trainer gives by chance to
    // tokens that continue words; so all pairs are merged here.
    let options =
        TrainOptions { vocab_size: 5000, min_frequency: Some(2), ..options(Algorithm::WordPiece, 2) };
    let document: Value = serde_json::from_slice(learned(&lines, &options).json()).expect("JSON");
    let trainer = WordPieceTrainer::builder()
        .show_progress(false)
        .vocab_size(options.vocab_size)
        .min_frequency(2)
        .special_tokens(special(&options))
        .build();
    let expected = reference(&document, WordPiece::default(), trainer, &lines);
    let (ours, theirs) = (tokens(&document["model"]["vocab"]), tokens(&expected["vocab"]));
    let differing = ours.iter().filter(|token| theirs.binary_search(token).is_err()).count();
    assert!(differing * 50 <= ours.len(), "{differing} of {}", ours.len());
}

#[test]
fn unigram_has_the_pieces_that_the_trainer_learns() {
    let lines = corpus();
    let options = options(Algorithm::Unigram, 2);
    let document: Value = serde_json::from_slice(learned(&lines, &options).json()).expect("JSON");
    let mut trainer = UnigramTrainer::default();
    trainer.show_progress = false;
    trainer.vocab_size = options.vocab_size as u32;
    trainer.special_tokens = special(&options);
    trainer.unk_token = Some("<unk>".to_owned());
    let expected = reference(&document, Unigram::default(), trainer, &lines);
    let pieces = |model: &Value| {
        let mut pieces: Vec<(String, f64)> = serde_json::from_value(model["vocab"].clone()).expect("pieces");
        pieces.sort_by(|left, right| left.0.cmp(&right.0));
        pieces
    };
    let (ours, theirs) = (pieces(&document["model"]), pieces(&expected));
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        // Characters that were lost share a few scores by chance.
        assert!(ours.0 == theirs.0 && (ours.1 - theirs.1).abs() < 0.01, "{ours:?} {theirs:?}");
    }
}

fn refused(texts: &[&str], options: &TrainOptions, expected: Expect) {
    let error = Tokenizer::train(&Texts::from_slices(texts), options).expect_err("a refusal");
    expected.assert_eq(&render(&error));
}

#[test]
fn what_cannot_be_learned() {
    for algorithm in ALL {
        refused(
            &[],
            &options(algorithm, 2),
            expect!["no tokenizer can be learned: there are no words in the texts"],
        );
        refused(
            &["", ""],
            &options(algorithm, 2),
            expect!["no tokenizer can be learned: there are no words in the texts"],
        );
    }
    refused(
        &["a"],
        &TrainOptions::new(Algorithm::Bpe, 256),
        expect![[r#"
        `vocab_size` cannot be 256

        hint: at least the 256 bytes and the special tokens"#]],
    );
    refused(
        &["abc"],
        &TrainOptions::new(Algorithm::WordPiece, 9),
        expect![[r#"
        `vocab_size` cannot be 9

        hint: at least the characters of the texts, with and without `##`, and the special tokens"#]],
    );
    refused(
        &["abc"],
        &TrainOptions::new(Algorithm::Unigram, 7),
        expect![[r#"
        `vocab_size` cannot be 7

        hint: at least the characters of the texts and the special tokens"#]],
    );
    let frequency = TrainOptions { min_frequency: Some(2), ..TrainOptions::new(Algorithm::Unigram, 20) };
    refused(
        &["abc"],
        &frequency,
        expect![[r#"
        `min_frequency` cannot be 2

        hint: Unigram has no such limit: leave it out"#]],
    );
    let stopped = TrainOptions::new(Algorithm::Bpe, 300);
    stopped.cancel.cancel();
    refused(&["abc"], &stopped, expect!["cancelled"]);
}

#[test]
fn the_unknown_token_is_added_and_tokens_are_put_around() {
    let lines = corpus();
    let bare = TrainOptions { special_tokens: Vec::new(), ..options(Algorithm::WordPiece, 2) };
    let tokenizer = learned(&lines, &bare);
    assert_eq!(tokenizer.token_to_id("[UNK]"), Some(0));
    assert_eq!(tokenizer.ids("☃", true).expect("ids"), [0]);
    let usual = learned(&lines, &options(Algorithm::WordPiece, 2));
    assert_eq!(usual.ids("☃", true).expect("ids"), [2, 1, 3]);
    let twice = vec!["<s>".to_owned(), "<s>".to_owned()];
    let tokenizer =
        learned(&lines, &TrainOptions { special_tokens: twice, ..options(Algorithm::Unigram, 2) });
    assert_eq!(tokenizer.special_tokens(), [("<unk>", 0), ("<s>", 1)]);
}
