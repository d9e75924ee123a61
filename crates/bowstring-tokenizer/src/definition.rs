//! What does a `tokenizer.json` say?
//!
//! Only the large parts, vocabulary and merges, and those that decide about the pipeline are read into
//! types of our own, without copying strings that need no unescaping. Components are kept as JSON: what
//! they do is known to the `tokenizers` crate, and to the kernels that recognise them.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};
use tokenizers::{AddedToken, PaddingParams, TruncationParams};

use crate::scores::ScoreReader;

/// A string that borrows from the document where it can.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Text<'a>(pub Cow<'a, str>);

/// A whole document.
#[derive(Debug, Deserialize)]
pub(crate) struct Definition<'a> {
    pub version: Option<String>,
    pub truncation: Option<TruncationParams>,
    pub padding: Option<PaddingParams>,
    #[serde(default)]
    pub added_tokens: Vec<Added>,
    pub normalizer: Option<Value>,
    pub pre_tokenizer: Option<Value>,
    pub post_processor: Option<Value>,
    pub decoder: Option<Value>,
    #[serde(borrow)]
    pub model: Model<'a>,
    /// What files of other formats say that a `tokenizer.json` cannot.
    #[serde(default, rename = "bowstring")]
    pub beyond: Beyond,
}

/// Rules of other formats; only our kernels know them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Beyond {
    /// There are such rules.
    pub needed: bool,
    /// Merges that make the same token have the same rank, so that of two the leftmost comes first.
    pub ranks_of_tokens: bool,
    /// Ids of tokens that stand in no text.
    pub unmatched: Vec<u32>,
    /// Scores are summed in single precision.
    pub single_precision: bool,
    /// Of the byte strings in a table of characters the longest counts, graphemes do not.
    pub longest_in_table: bool,
    /// Texts that normalising leaves as they are, the longest at each place; byte-pair encoding of text that
    /// was [normalised as a whole](Self::normalized_first) takes each of them for its token.
    pub symbols: Vec<String>,
    /// What is done to the text as a whole before the pipeline begins.
    pub normalized_first: Option<Value>,
}

/// A token that is looked for in the text before anything else happens to it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Added {
    pub id: u32,
    #[serde(flatten)]
    pub token: AddedToken,
}

/// The model, whichever it is: `kind` says which, and the fields of the others are empty.
#[derive(Debug, Deserialize)]
pub(crate) struct Model<'a> {
    /// BPE, WordPiece, Unigram or WordLevel; old files leave it out.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(borrow, default)]
    pub vocab: Vocab<'a>,
    #[serde(borrow, default)]
    pub merges: Merges<'a>,
    pub dropout: Option<f32>,
    pub unk_token: Option<String>,
    pub unk_id: Option<usize>,
    pub continuing_subword_prefix: Option<String>,
    pub end_of_word_suffix: Option<String>,
    pub max_input_chars_per_word: Option<usize>,
    #[serde(default)]
    pub fuse_unk: bool,
    #[serde(default)]
    pub byte_fallback: bool,
    #[serde(default)]
    pub ignore_merges: bool,
}

/// Tokens with their ids, or with their scores.
#[derive(Debug)]
pub(crate) enum Vocab<'a> {
    Ids(Vec<(Text<'a>, u32)>),
    /// The id is the place in the list.
    Scores(Vec<(Text<'a>, f64)>),
}

/// Pairs in the order in which they are merged.
#[derive(Debug, Default)]
pub(crate) struct Merges<'a>(pub Vec<(Text<'a>, Text<'a>)>);

impl Default for Vocab<'_> {
    fn default() -> Self {
        Vocab::Ids(Vec::new())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Vocab<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VocabVisitor;
        impl<'de> Visitor<'de> for VocabVisitor {
            type Value = Vocab<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tokens and ids, or a list of tokens and scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocab<'de>, A::Error> {
                let mut ids = Vec::new();
                while let Some(entry) = map.next_entry::<Text<'de>, u32>()? {
                    ids.push(entry);
                }
                Ok(Vocab::Ids(ids))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vocab<'de>, A::Error> {
                let mut scores = Vec::new();
                let reader = ScoreReader::new();
                while let Some((token, score)) = seq.next_element::<(Text<'de>, &'de RawValue)>()? {
                    let score = reader.read(score.get()).ok_or_else(|| {
                        A::Error::custom(format!("the score {} is not a number", score.get()))
                    })?;
                    scores.push((token, score));
                }
                Ok(Vocab::Scores(scores))
            }
        }
        deserializer.deserialize_any(VocabVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Merges<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MergesVisitor;
        impl<'de> Visitor<'de> for MergesVisitor {
            type Value = Merges<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of pairs")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merges<'de>, A::Error> {
                let mut merges = Vec::new();
                while let Some(Merge(left, right)) = seq.next_element()? {
                    merges.push((left, right));
                }
                Ok(Merges(merges))
            }
        }
        deserializer.deserialize_seq(MergesVisitor)
    }
}

/// One merge: `["a", "b"]`, or `"a b"` in older files.
struct Merge<'a>(Text<'a>, Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Merge<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MergeVisitor;
        impl<'de> Visitor<'de> for MergeVisitor {
            type Value = Merge<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("two tokens: a list of two, or one string with a space between them")
            }

            fn visit_borrowed_str<E: serde::de::Error>(self, pair: &'de str) -> Result<Merge<'de>, E> {
                let (left, right) = halves(pair)?;
                Ok(Merge(Text(Cow::Borrowed(left)), Text(Cow::Borrowed(right))))
            }

            fn visit_str<E: serde::de::Error>(self, pair: &str) -> Result<Merge<'de>, E> {
                let (left, right) = halves(pair)?;
                Ok(Merge(Text(Cow::Owned(left.to_owned())), Text(Cow::Owned(right.to_owned()))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merge<'de>, A::Error> {
                let left = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let right = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
                match seq.next_element::<Text<'de>>()? {
                    Some(_) => Err(A::Error::invalid_length(3, &self)),
                    None => Ok(Merge(left, right)),
                }
            }
        }
        deserializer.deserialize_any(MergeVisitor)
    }
}

fn halves<E: serde::de::Error>(pair: &str) -> Result<(&str, &str), E> {
    match pair.split_once(' ') {
        Some((left, right)) if !right.contains(' ') => Ok((left, right)),
        _ => Err(E::custom(format!("the merge `{pair}` is not two tokens with a space between them"))),
    }
}

impl Model<'_> {
    /// Which model it is; for old files by the fields that it has, as Hugging Face does.
    pub(crate) fn kind(&self) -> &str {
        match (&self.kind, &self.vocab) {
            (Some(kind), _) => kind,
            (None, Vocab::Scores(_)) => "Unigram",
            (None, Vocab::Ids(_)) if !self.merges.0.is_empty() => "BPE",
            (None, Vocab::Ids(_)) if self.max_input_chars_per_word.is_some() => "WordPiece",
            (None, Vocab::Ids(_)) => "WordLevel",
        }
    }
}
