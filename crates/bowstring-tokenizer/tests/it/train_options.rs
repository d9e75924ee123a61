//! Does a learned tokenizer keep to what its options say?

use bowstring_core::render;
use bowstring_tokenizer::{Algorithm, OffsetUnit, Texts, Tokenizer, TrainOptions};

const ALL: [Algorithm; 3] = [Algorithm::Bpe, Algorithm::WordPiece, Algorithm::Unigram];

/// `walk` thrice, `talk` twice, `jump` once, capitals among them.
const TEXTS: [&str; 3] = ["walk Walk, walk", "talk TALK", "Jump"];

fn learned(options: &TrainOptions) -> Tokenizer {
    Tokenizer::train(&Texts::from_slices(&TEXTS), options)
        .unwrap_or_else(|error| panic!("{}", render(&error)))
}

fn tokens(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let encoding = tokenizer.encode(text, None, false, OffsetUnit::Bytes).expect("an encoding");
    encoding.tokens().to_vec()
}

#[test]
fn texts_that_hold_no_more_give_fewer_tokens() {
    for algorithm in ALL {
        let many = learned(&TrainOptions::new(algorithm, 5_000)).vocab_size(true);
        assert!(many < 400, "{algorithm:?}: {many}");
        // All pieces of Unigram may be characters, which it cannot do without.
        if algorithm != Algorithm::Unigram {
            let less = learned(&TrainOptions::new(algorithm, many - 1)).vocab_size(true);
            assert_eq!(less, many - 1, "{algorithm:?}");
        }
    }
}

#[test]
fn pairs_that_are_rarer_are_not_merged() {
    for algorithm in [Algorithm::Bpe, Algorithm::WordPiece] {
        let walk = |min_frequency| {
            let options = TrainOptions {
                min_frequency: Some(min_frequency),
                lowercase: true,
                ..TrainOptions::new(algorithm, 5_000)
            };
            let tokenizer = learned(&options);
            ["walk", "talk", "jump"].map(|word| tokens(&tokenizer, word).len() == 1)
        };
        assert_eq!(walk(4), [false, false, false], "{algorithm:?}");
        assert_eq!(walk(1), [true, true, true], "{algorithm:?}");
    }
    // Words at the start of a text have no space before them.
    let least = |min_frequency| TrainOptions {
        min_frequency: Some(min_frequency),
        ..TrainOptions::new(Algorithm::WordPiece, 5_000)
    };
    assert_eq!(
        tokens(&learned(&least(3)), "walk talk jump"),
        ["walk", "t", "##alk", "j", "##u", "##m", "##p"]
    );
    assert_eq!(tokens(&learned(&least(2)), "walk talk jump"), ["walk", "talk", "j", "##u", "##m", "##p"]);
}

#[test]
fn capitals_become_small_letters_when_they_shall() {
    for (algorithm, usual) in
        [(Algorithm::Bpe, false), (Algorithm::WordPiece, true), (Algorithm::Unigram, false)]
    {
        let options = TrainOptions::new(algorithm, 5_000);
        assert_eq!(options.lowercase, usual, "{algorithm:?}");
        for lowercase in [false, true] {
            let tokenizer = learned(&TrainOptions { lowercase, ..options.clone() });
            let same = tokens(&tokenizer, "Walk TALK") == tokens(&tokenizer, "walk talk");
            assert_eq!(same, lowercase, "{algorithm:?}");
            let has_capitals = tokenizer.vocab().any(|(token, _)| token.contains("TALK") || token == "W");
            // All bytes are tokens of byte-level BPE.
            assert_eq!(has_capitals, !lowercase || algorithm == Algorithm::Bpe, "{algorithm:?}");
        }
    }
}

#[test]
fn special_tokens_have_the_first_ids_and_stay_whole() {
    for algorithm in ALL {
        let special: Vec<String> =
            ["<b>", "[UNK]", "<a>", "<unk>"].iter().map(|&token| token.to_owned()).collect();
        let options = TrainOptions { special_tokens: special.clone(), ..TrainOptions::new(algorithm, 5_000) };
        let tokenizer = learned(&options);
        let expected: Vec<(&str, u32)> = special.iter().map(String::as_str).zip(0..).collect();
        assert_eq!(tokenizer.special_tokens(), expected, "{algorithm:?}");
        assert_eq!(tokenizer.ids("<a>walk<b>", false).expect("ids").first(), Some(&2), "{algorithm:?}");
        assert_eq!(tokenizer.ids("<a>walk<b>", false).expect("ids").last(), Some(&0), "{algorithm:?}");
    }
}

#[test]
fn word_piece_puts_its_tokens_around_only_when_it_has_both() {
    let ids = |special: &[&str]| {
        let special_tokens = special.iter().map(|&token| token.to_owned()).collect();
        let options = TrainOptions { special_tokens, ..TrainOptions::new(Algorithm::WordPiece, 5_000) };
        let encoding =
            learned(&options).encode("☃", Some("☃"), true, OffsetUnit::Bytes).expect("an encoding");
        (encoding.ids().to_vec(), encoding.type_ids().to_vec())
    };
    assert_eq!(ids(&["[SEP]", "[CLS]", "[UNK]"]), (vec![1, 2, 0, 2, 0], vec![0, 0, 0, 1, 1]));
    assert_eq!(ids(&["[CLS]", "[UNK]"]).0, [1, 1]);
    assert_eq!(ids(&["[SEP]", "[UNK]"]).0, [1, 1]);
}

#[test]
fn each_kind_reads_text_as_it_says() {
    let all = |algorithm| learned(&TrainOptions::new(algorithm, 5_000));
    let odd = "☃ naïve\u{0} 🎉\t";
    let bpe = all(Algorithm::Bpe);
    assert_eq!(bpe.decode(&bpe.ids(odd, false).expect("ids"), false).expect("a text"), odd);
    let word_piece = all(Algorithm::WordPiece);
    assert_eq!(tokens(&word_piece, "wálk"), ["walk"]);
    let unigram = all(Algorithm::Unigram);
    assert_eq!(tokens(&unigram, "\u{ff37}alk"), tokens(&unigram, "Walk"));
    assert!(!tokens(&unigram, "Walk").contains(&"<unk>".to_owned()));
}

#[test]
fn the_library_reads_what_was_learned() {
    for algorithm in ALL {
        let tokenizer = learned(&TrainOptions::new(algorithm, 5_000));
        let library = tokenizers::Tokenizer::from_bytes(tokenizer.json()).expect("a tokenizer");
        let loaded = Tokenizer::from_bytes(tokenizer.json()).expect("a tokenizer");
        assert_eq!(loaded.json(), tokenizer.json());
        for text in ["Walk, talk and jump", "", "☃ <unk> [CLS]"] {
            let ids = tokenizer.ids(text, true).expect("ids");
            assert_eq!(loaded.ids(text, true).expect("ids"), ids, "{algorithm:?}: {text}");
            assert_eq!(library.encode(text, true).expect("ids").get_ids(), ids, "{algorithm:?}: {text}");
        }
    }
}
