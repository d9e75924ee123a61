//! How is a new tokenizer learned from texts?
//!
//! Texts are normalised and split into words as the new tokenizer will do it, the words are counted by
//! several threads, and the trainers of the `tokenizers` crate find the vocabulary: merges of the most
//! frequent pairs for BPE (Sennrich et al. 2016) and WordPiece, expectation maximisation for Unigram (Kudo
//! 2018). The same texts give the same tokenizer, whatever the number of threads: what the trainers would
//! otherwise take in the order of a hash table is given to them, or brought, in one order.

use std::{
    collections::BTreeSet,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
};

use ahash::AHashMap;
use bowstring_core::Cancel;
use compact_str::CompactString;
use serde_json::{Value, json};
use tokenizers::{
    AddedToken, NormalizerWrapper, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizerWrapper,
    models::{
        bpe::{BPE, BpeTrainer},
        unigram::{Unigram, UnigramTrainer},
    },
    tokenizer::{NormalizedString, Normalizer, PreTokenizer},
};

use crate::{Result, Texts, Tokenizer, TokenizerError, parallel};

/// What kind of tokenizer is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Byte-level BPE, as GPT-2 has it: every text has tokens.
    Bpe,
    /// WordPiece behind BERT's normaliser.
    WordPiece,
    /// Unigram, as SentencePiece has it, behind NFKC.
    Unigram,
}

/// How a tokenizer is learned.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// The kind of tokenizer.
    pub algorithm: Algorithm,
    /// How many tokens it has at the most, special ones included; fewer when the texts hold no more.
    pub vocab_size: usize,
    /// How often a pair has to be met to be merged. There is none for Unigram.
    pub min_frequency: Option<u64>,
    /// The special tokens, which get the first ids. The unknown token of WordPiece, `[UNK]`, and of
    /// Unigram, `<unk>`, is put before them if it is not among them; with `[CLS]` and `[SEP]`, WordPiece
    /// puts them around texts as BERT does.
    pub special_tokens: Vec<String>,
    /// Whether capitals become small letters.
    pub lowercase: bool,
    /// The most threads for counting words; as many as there are processors when `None`.
    pub threads: Option<NonZero<usize>>,
    /// Asks the counting of words to stop; what follows it cannot be stopped.
    pub cancel: Cancel,
}

impl TrainOptions {
    /// A tokenizer of at most `vocab_size` tokens with the special tokens that are usual for its kind.
    pub fn new(algorithm: Algorithm, vocab_size: usize) -> Self {
        let special_tokens: &[&str] = match algorithm {
            Algorithm::Bpe => &["<|endoftext|>"],
            Algorithm::WordPiece => &["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
            Algorithm::Unigram => &["<unk>", "<s>", "</s>"],
        };
        Self {
            algorithm,
            vocab_size,
            min_frequency: None,
            special_tokens: special_tokens.iter().map(|&token| token.to_owned()).collect(),
            lowercase: algorithm == Algorithm::WordPiece,
            threads: None,
            cancel: Cancel::new(),
        }
    }
}

impl Tokenizer {
    /// Learns a tokenizer from `texts`; nulls say nothing. [`Self::json`] is its `tokenizer.json`.
    ///
    /// # Errors
    /// [`TokenizerError::Option`] when the vocabulary is to be smaller than what it must hold, or an option
    /// does not belong to the kind of tokenizer; [`TokenizerError::Training`] when there is nothing to
    /// learn from, or the trainer fails; and [`TokenizerError::Cancelled`].
    pub fn train(texts: &Texts<'_>, options: &TrainOptions) -> Result<Self> {
        // All parallel work is ours, as it is when a tokenizer is loaded.
        tokenizers::parallelism::set_parallelism(false);
        let parts = Parts::new(options);
        let words = count_words(texts, &parts, options)?;
        if words.is_empty() {
            return Err(failed("there are no words in the texts"));
        }
        let special = special_tokens(options);
        let learned = catch_unwind(AssertUnwindSafe(|| match options.algorithm {
            Algorithm::Bpe => learn_bpe(words, &special, options),
            Algorithm::WordPiece => learn_word_piece(words, &special, options),
            Algorithm::Unigram => learn_unigram(words, &special, options),
        }));
        let model =
            learned.unwrap_or_else(|_| Err(failed("the trainer of the `tokenizers` crate panicked")))?;
        let added: Vec<Value> = (special.iter().enumerate())
            .map(|(id, content)| {
                json!({
                    "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true,
                })
            })
            .collect();
        let document = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
            "normalizer": parts.normalizer, "pre_tokenizer": parts.pre_tokenizer,
            "post_processor": post_processor(options.algorithm, &special), "decoder": parts.decoder,
            "model": model,
        });
        let json = serde_json::to_vec_pretty(&document).map_err(|error| failed(&error.to_string()))?;
        Self::from_bytes(json)
    }
}

/// What stands around the model.
struct Parts {
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
}

impl Parts {
    fn new(options: &TrainOptions) -> Self {
        let lowercase = json!({"type": "Lowercase"});
        match options.algorithm {
            Algorithm::Bpe => {
                let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
                Self {
                    normalizer: if options.lowercase { lowercase } else { Value::Null },
                    pre_tokenizer: byte_level.clone(),
                    decoder: byte_level,
                }
            }
            Algorithm::WordPiece => Self {
                normalizer: json!({
                    "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                    "strip_accents": null, "lowercase": options.lowercase,
                }),
                pre_tokenizer: json!({"type": "BertPreTokenizer"}),
                decoder: json!({"type": "WordPiece", "prefix": PREFIX, "cleanup": true}),
            },
            Algorithm::Unigram => {
                let metaspace = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
                let nfkc = json!({"type": "NFKC"});
                Self {
                    normalizer: match options.lowercase {
                        true => json!({"type": "Sequence", "normalizers": [nfkc, lowercase]}),
                        false => nfkc,
                    },
                    pre_tokenizer: metaspace.clone(),
                    decoder: metaspace,
                }
            }
        }
    }
}

/// What a token that continues a word begins with.
const PREFIX: &str = "##";
/// How many bytes of text a job has, about.
const JOB: usize = 256 << 10;

type Words = AHashMap<CompactString, u64>;

fn failed(reason: &str) -> TokenizerError {
    TokenizerError::Training { reason: reason.to_owned() }
}

/// The special tokens with the unknown token among them, each once.
fn special_tokens(options: &TrainOptions) -> Vec<String> {
    let unknown = match options.algorithm {
        Algorithm::Bpe => None,
        Algorithm::WordPiece => Some("[UNK]"),
        Algorithm::Unigram => Some("<unk>"),
    };
    let missing = unknown.filter(|unknown| options.special_tokens.iter().all(|token| token != unknown));
    let mut known = BTreeSet::new();
    let all = missing.into_iter().map(str::to_owned).chain(options.special_tokens.iter().cloned());
    all.filter(|token| !token.is_empty() && known.insert(token.clone())).collect()
}

/// How often each word is met.
fn count_words(texts: &Texts<'_>, parts: &Parts, options: &TrainOptions) -> Result<Words> {
    let part = |error: serde_json::Error| failed(&error.to_string());
    let normalizer: Option<NormalizerWrapper> =
        serde_json::from_value(parts.normalizer.clone()).map_err(part)?;
    let pre_tokenizer: PreTokenizerWrapper =
        serde_json::from_value(parts.pre_tokenizer.clone()).map_err(part)?;
    let mut jobs = Vec::new();
    let (mut first, mut bytes) = (0, 0);
    for row in 0..texts.len() {
        bytes += texts.get(row).map_or(0, str::len) + 16;
        if bytes >= JOB || row + 1 == texts.len() {
            jobs.push(first..row + 1);
            (first, bytes) = (row + 1, 0);
        }
    }
    let (_, counts) = parallel::run(
        jobs.len(),
        options.threads,
        &options.cancel,
        |_| Words::default(),
        |job, words| {
            for text in jobs[job].clone().filter_map(|row| texts.get(row)) {
                let refused = |error: tokenizers::Error| failed(&error.to_string());
                let mut normal = NormalizedString::from(text);
                if let Some(normalizer) = &normalizer {
                    normalizer.normalize(&mut normal).map_err(refused)?;
                }
                let mut split = PreTokenizedString::from(normal);
                pre_tokenizer.pre_tokenize(&mut split).map_err(refused)?;
                for (word, ..) in split.get_splits(OffsetReferential::Original, OffsetType::Byte) {
                    match words.get_mut(word) {
                        Some(count) => *count += 1,
                        None => drop(words.insert(word.into(), 1)),
                    }
                }
            }
            Ok(())
        },
    )?;
    let mut counts = counts.into_iter();
    let mut all = counts.next().unwrap_or_default();
    for words in counts {
        for (word, count) in words {
            *all.entry(word).or_default() += count;
        }
    }
    Ok(all)
}

/// Refuses a vocabulary that has no room for `needed` tokens.
fn check_room(options: &TrainOptions, needed: usize, expected: &'static str) -> Result<()> {
    if options.vocab_size >= needed {
        return Ok(());
    }
    Err(TokenizerError::Option { option: "vocab_size", value: options.vocab_size.to_string(), expected })
}

/// Merges for `words`, after `first` tokens.
fn merges(words: &Words, first: Vec<String>, prefix: Option<&str>, options: &TrainOptions) -> Result<BPE> {
    let mut trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(options.vocab_size)
        .min_frequency(options.min_frequency.unwrap_or(0))
        // They have the first ids in the order given here.
        .special_tokens(first.into_iter().map(|token| AddedToken::from(token, false)).collect());
    if let Some(prefix) = prefix {
        trainer = trainer.continuing_subword_prefix(prefix.to_owned());
    }
    let mut model = BPE::default();
    trainer.build().do_train(words, &mut model).map_err(|error| failed(&error.to_string()))?;
    Ok(model)
}

fn learn_bpe(words: Words, special: &[String], options: &TrainOptions) -> Result<Value> {
    check_room(options, 256 + special.len(), "at least the 256 bytes and the special tokens")?;
    let mut bytes: Vec<char> =
        tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet().into_iter().collect();
    bytes.sort_unstable();
    let first = special.iter().cloned().chain(bytes.into_iter().map(String::from)).collect();
    let model = merges(&words, first, None, options)?;
    serde_json::to_value(&model).map_err(|error| failed(&error.to_string()))
}

fn learn_word_piece(words: Words, special: &[String], options: &TrainOptions) -> Result<Value> {
    let mut letters = BTreeSet::new();
    let mut continuing = BTreeSet::new();
    for word in words.keys() {
        letters.extend(word.chars());
        continuing.extend(word.chars().skip(1));
    }
    let first: Vec<String> = (special.iter().cloned())
        .chain(letters.into_iter().map(String::from))
        .chain(continuing.into_iter().map(|c| format!("{PREFIX}{c}")))
        .collect();
    check_room(
        options,
        first.len(),
        "at least the characters of the texts, with and without `##`, and the special tokens",
    )?;
    let model = merges(&words, first, Some(PREFIX), options)?;
    let mut vocab: Vec<(String, u32)> = model.get_vocab().into_iter().collect();
    vocab.sort_unstable_by_key(|(_, id)| *id);
    let vocab: serde_json::Map<String, Value> =
        vocab.into_iter().map(|(token, id)| (token, id.into())).collect();
    Ok(json!({
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": PREFIX,
        "max_input_chars_per_word": 100, "vocab": vocab,
    }))
}

fn learn_unigram(words: Words, special: &[String], options: &TrainOptions) -> Result<Value> {
    if options.min_frequency.is_some() {
        return Err(TokenizerError::Option {
            option: "min_frequency",
            value: options.min_frequency.unwrap_or(0).to_string(),
            expected: "Unigram has no such limit: leave it out",
        });
    }
    let letters: BTreeSet<char> = words.keys().flat_map(|word| word.chars()).collect();
    let expected = "at least the characters of the texts and the special tokens";
    check_room(options, letters.len() + special.len() + 1, expected)?;
    let mut sentences: Vec<(String, u32)> = words
        .into_iter()
        .map(|(word, count)| (word.into_string(), u32::try_from(count).unwrap_or(u32::MAX)))
        .collect();
    sentences.sort_unstable();
    let trainer = UnigramTrainer::builder()
        .show_progress(false)
        .vocab_size(u32::try_from(options.vocab_size).unwrap_or(u32::MAX))
        .special_tokens(special.iter().map(|token| AddedToken::from(token.clone(), true)).collect())
        .unk_token(Some("<unk>".to_owned()))
        .build()
        .map_err(|error| failed(&error.to_string()))?;
    let mut model = Unigram::default();
    trainer.do_train(sentences, &mut model).map_err(|error| failed(&error.to_string()))?;
    let mut vocab: Vec<(String, f64)> = model.iter().cloned().collect();
    let pieces = vocab.get_mut(special.len()..).unwrap_or_default();
    in_one_order(pieces);
    let unknown = special.iter().position(|token| token == "<unk>");
    Ok(json!({"type": "Unigram", "unk_id": unknown, "vocab": vocab, "byte_fallback": false}))
}

/// What the trainer adds for each character that it has lost, one after the other.
const PENALTY: f64 = 0.0001;

/// The trainer gives characters that it has lost on the way the lowest score, a little more for each, and
/// takes them, and pieces of the same score, in the order of a hash table. Here they come in their own.
fn in_one_order(pieces: &mut [(String, f64)]) {
    let lowest = pieces.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
    let mut lost = Vec::new();
    let mut penalty = 0.0;
    let is_one = |piece: &str| piece.chars().nth(1).is_none();
    loop {
        let score = lowest + penalty;
        let before = lost.len();
        lost.extend((0..pieces.len()).filter(|&at| pieces[at].1 == score && is_one(&pieces[at].0)));
        if lost.len() == before {
            break;
        }
        penalty += PENALTY;
    }
    let mut scores: Vec<f64> = lost.iter().map(|&at| pieces[at].1).collect();
    scores.sort_by(f64::total_cmp);
    lost.sort_by(|&left, &right| pieces[left].0.cmp(&pieces[right].0));
    for (at, score) in lost.into_iter().zip(scores) {
        pieces[at].1 = score;
    }
    pieces.sort_by(|left, right| right.1.total_cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
}

/// BERT's special tokens around a text, and around a pair.
fn post_processor(algorithm: Algorithm, special: &[String]) -> Value {
    let id = |token: &str| special.iter().position(|known| known == token);
    let (Algorithm::WordPiece, Some(start), Some(end)) = (algorithm, id("[CLS]"), id("[SEP]")) else {
        return Value::Null;
    };
    let token = |token: &str, kind: u32| json!({"SpecialToken": {"id": token, "type_id": kind}});
    let text = |name: &str, kind: u32| json!({"Sequence": {"id": name, "type_id": kind}});
    let known = |token: &str, id: usize| json!({"id": token, "ids": [id], "tokens": [token]});
    json!({
        "type": "TemplateProcessing",
        "single": [token("[CLS]", 0), text("A", 0), token("[SEP]", 0)],
        "pair": [token("[CLS]", 0), text("A", 0), token("[SEP]", 0), text("B", 1), token("[SEP]", 1)],
        "special_tokens": {"[CLS]": known("[CLS]", start), "[SEP]": known("[SEP]", end)},
    })
}
