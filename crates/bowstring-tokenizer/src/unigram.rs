//! Which tokens of a word are together the most probable?
//!
//! The unigram language model (Kudo 2018): of all ways to cut a word into tokens the one whose scores sum to
//! the most, found from left to right by Viterbi's method; O(n · longest token). Of two equal ones the one
//! that was found first stays, and sums are made in Hugging Face's order, so that ties fall as theirs.
//! Characters without a token are unknown; those that follow each other are one.

mod tokens;
mod trie;

use std::ops::Range;

use hashbrown::HashMap;

use self::{
    tokens::{Ways, find},
    trie::Trie,
};
use crate::{
    definition::{Definition, Vocab},
    kernel::Reason,
};

/// How much worse than the worst token an unknown character is.
const UNKNOWN_PENALTY: f64 = 10.0;
/// No score is larger than this, so that no sum is beyond all numbers.
const LARGEST_SCORE: f64 = 1e20;
/// The largest score with which words can be taken apart, and by how much the better of two ways must be
/// better in a piece so that it is in the whole. Pieces stand in parts of at most 1024 bytes, which
/// normalising makes eleven times longer at the most: no sum is beyond 2 million, each addition rounds by less
/// than 2e-10, and all of two ways, here and there, by less than 1e-5.
const LARGEST_STEADY: f64 = 150.0;
const MARGIN: f64 = 1e-4;

/// The model.
#[derive(Debug)]
pub(crate) struct Unigram {
    tokens: Trie,
    unknown: u32,
    unknown_score: f64,
    /// Sums are rounded to single precision.
    single_precision: bool,
    /// Pieces of words can be found by themselves.
    steady: bool,
    /// The tokens of bytes, when each of them has one.
    bytes: Option<Box<[Option<u32>; 256]>>,
}

/// What finding the best way needs, kept between words.
#[derive(Debug, Default)]
pub(crate) struct Lattice {
    ways: Ways,
    found: Vec<(u32, Range<usize>)>,
}

impl Unigram {
    /// The model of `definition`.
    pub(crate) fn new(definition: &Definition<'_>) -> Result<Self, Reason> {
        let model = &definition.model;
        let Vocab::Scores(vocab) = &model.vocab else { return Err("the vocabulary has no scores".into()) };
        if model.kind() != "Unigram" {
            return Err("the model is not Unigram".into());
        }
        let unknown = model.unk_id.ok_or("no token is unknown")?;
        if unknown >= vocab.len() {
            return Err("the unknown token is not in the vocabulary".into());
        }
        let beyond = &definition.beyond;
        let mut matched = vec![true; vocab.len()];
        for &id in &beyond.unmatched {
            *matched.get_mut(id as usize).ok_or("a token that is never matched is not there")? = false;
        }
        let tokens = || {
            let tokens = (0..).zip(vocab.iter().map(|(token, _)| token.0.as_ref()));
            tokens.zip(&matched).filter_map(|(token, &matched)| matched.then_some(token))
        };
        let scores: Vec<f64> = vocab.iter().map(|(_, score)| *score).collect();
        if !scores.iter().all(|score| score.abs() <= LARGEST_SCORE) {
            return Err("a score is no number of usual size".into());
        }
        let trie = Trie::new(tokens(), &scores).ok_or("the vocabulary is too large")?;
        let mut worst = f64::INFINITY;
        for (id, _) in tokens() {
            // The order of numbers that are none does not matter, as there.
            if scores[id as usize] < worst {
                worst = scores[id as usize];
            }
        }
        let bytes = model.byte_fallback.then(|| {
            let names = (0..).zip(vocab.iter().map(|(token, _)| token.0.as_ref()));
            let ids: HashMap<&str, u32> = names.map(|(id, name)| (name, id)).collect();
            let mut bytes = Box::new([None; 256]);
            for (byte, id) in (0..=u8::MAX).zip(bytes.iter_mut()) {
                *id = ids.get(format!("<0x{byte:02X}>").as_str()).copied();
            }
            bytes
        });
        let unknown_score = worst - UNKNOWN_PENALTY;
        let is_steady = |score: f64| score.abs() <= LARGEST_STEADY;
        let steady = !beyond.single_precision
            && is_steady(unknown_score)
            && scores.iter().all(|&score| is_steady(score));
        Ok(Self {
            tokens: trie,
            unknown: unknown as u32,
            unknown_score,
            bytes,
            single_precision: beyond.single_precision,
            steady,
        })
    }

    /// Calls `token` with the id of each token of `word`, and what part of it it stands for.
    #[inline]
    pub(crate) fn encode(&self, word: &str, lattice: &mut Lattice, mut token: impl FnMut(u32, Range<usize>)) {
        let unknown = (self.unknown, self.unknown_score);
        match self.single_precision {
            true => find::<true, false>(&self.tokens, word, unknown, &mut lattice.ways),
            false => find::<false, false>(&self.tokens, word, unknown, &mut lattice.ways),
        };
        self.follow(word, lattice, &mut token);
    }

    /// The same for a piece of a word, which stands between places that no token reaches across; says whether
    /// its tokens are certainly those that it has in the word.
    pub(crate) fn encode_apart(
        &self,
        piece: &str,
        lattice: &mut Lattice,
        mut token: impl FnMut(u32, Range<usize>),
    ) -> bool {
        let unknown = (self.unknown, self.unknown_score);
        let margin = find::<false, true>(&self.tokens, piece, unknown, &mut lattice.ways);
        self.follow(piece, lattice, &mut token);
        margin > MARGIN
    }

    /// Calls `token` with the tokens of the best way to the end of `word`.
    #[inline]
    fn follow(&self, word: &str, lattice: &mut Lattice, token: &mut impl FnMut(u32, Range<usize>)) {
        let Lattice { ways, found } = lattice;
        found.clear();
        let mut end = ways.len();
        while end > 0 {
            let (start, id) = ways.last(end);
            match found.last_mut() {
                Some((last, range)) if *last == self.unknown && id == self.unknown => range.start = start,
                _ => found.push((id, start..end)),
            }
            end = start;
        }
        for (id, range) in found.drain(..).rev() {
            let range = ways.bytes(range.start)..ways.bytes(range.end);
            if id == self.unknown {
                self.unknown(word, range, token);
            } else {
                token(id, range);
            }
        }
        // One long word must not keep its memory for ever.
        ways.shrink();
        found.shrink_to(1 << 12);
    }

    /// Whether pieces of words can be found by themselves.
    pub(crate) fn is_steady(&self) -> bool {
        self.steady
    }

    /// Whether `text` is a token.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.tokens.get(text).is_some()
    }

    /// The id of what is unknown.
    pub(crate) fn unknown_id(&self) -> u32 {
        self.unknown
    }

    /// Unknown characters that follow each other: a token after all, those of their bytes, or unknown.
    fn unknown(&self, word: &str, range: Range<usize>, token: &mut impl FnMut(u32, Range<usize>)) {
        if let Some(id) = self.tokens.get(&word[range.clone()]) {
            return token(id, range);
        }
        let bytes = &word.as_bytes()[range.clone()];
        let id = |byte: &u8| self.bytes.as_ref().and_then(|ids| ids[usize::from(*byte)]);
        if bytes.iter().all(|byte| id(byte).is_some()) {
            bytes.iter().filter_map(id).for_each(|id| token(id, range.clone()));
        } else {
            token(self.unknown, range);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use tokenizers::{Model, models::unigram::Unigram as HuggingFace};

    use super::*;

    proptest! {
        #[test]
        fn tokens_are_those_of_hugging_face(
            tokens in prop::collection::vec(("[ab字é]{0,4}|<unk>|<0x6[12]>", -3i8..4), 1..40),
            unknown in 0usize..40,
            byte_fallback: bool,
            words in prop::collection::vec("([ab字é]|<unk>|q|🦀){0,30}", 1..20),
        ) {
            let vocab: Vec<(&str, f64)> =
                tokens.iter().map(|(token, score)| (token.as_str(), f64::from(*score) / 3.0)).collect();
            let unknown = unknown % vocab.len();
            let model = json!({"type": "Unigram", "unk_id": unknown, "vocab": vocab,
                "byte_fallback": byte_fallback});
            let document = json!({"model": &model}).to_string();
            let ours = Unigram::new(&serde_json::from_str(&document).unwrap()).unwrap();
            let theirs: HuggingFace = serde_json::from_str(&model.to_string()).unwrap();
            let mut lattice = Lattice::default();
            for word in &words {
                let mut found = Vec::new();
                ours.encode(word, &mut lattice, |id, range| found.push((id, (range.start, range.end))));
                let expected: Vec<(u32, (usize, usize))> =
                    theirs.tokenize(word).unwrap().iter().map(|token| (token.id, token.offsets)).collect();
                prop_assert_eq!(found, expected, "{}", word);
            }
        }
    }
}
