//! Which tokens of a word are together the most probable?
//!
//! The unigram language model (Kudo 2018): of all ways to cut a word into tokens the one whose scores sum to
//! the most, found from left to right by Viterbi's method; O(n · longest token). Of two equal ones the one
//! that was found first stays, and sums are made in Hugging Face's order, so that ties fall as theirs.
//! Characters without a token are unknown; those that follow each other are one.

use std::ops::Range;

use hashbrown::HashMap;

use crate::{
    characters::Characters,
    definition::{Definition, Vocab},
    kernel::Reason,
    trie::{Node, Trie},
};

/// How much worse than the worst token an unknown character is.
const UNKNOWN_PENALTY: f64 = 10.0;

/// The model.
#[derive(Debug)]
pub(crate) struct Unigram {
    trie: Trie,
    /// Where in the trie the strings go on that begin with a character.
    first: Characters,
    scores: Vec<f64>,
    unknown: u32,
    unknown_score: f64,
    /// Sums are rounded to single precision.
    single_precision: bool,
    /// The tokens of bytes, when each of them has one.
    bytes: Option<Box<[Option<u32>; 256]>>,
}

/// The best way to a place in the word.
#[derive(Clone, Copy, Debug)]
struct Best {
    score: f64,
    start: u32,
    id: u32,
}

impl Best {
    const NONE: Best = Best { score: 0.0, start: u32::MAX, id: 0 };
}

/// What finding the best way needs, kept between words.
#[derive(Debug, Default)]
pub(crate) struct Lattice {
    best: Vec<Best>,
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
        let trie = Trie::new(tokens().map(|(id, token): (u32, &str)| (token.as_bytes(), id)))
            .ok_or("the vocabulary is too large")?;
        let starts: Vec<(&str, u32)> = tokens()
            .filter_map(|(_, token)| token.get(..token.chars().next()?.len_utf8()))
            .filter_map(|start| Some((start, trie.walk(Trie::ROOT, start.as_bytes())?.0)))
            .collect();
        let first = Characters::new(starts.into_iter());
        let scores: Vec<f64> = vocab.iter().map(|(_, score)| *score).collect();
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
        Ok(Self {
            trie,
            first,
            scores,
            unknown: unknown as u32,
            unknown_score: worst - UNKNOWN_PENALTY,
            bytes,
            single_precision: beyond.single_precision,
        })
    }

    /// Calls `token` with the id of each token of `word`, and what part of it it stands for.
    #[inline]
    pub(crate) fn encode(&self, word: &str, lattice: &mut Lattice, mut token: impl FnMut(u32, Range<usize>)) {
        let Lattice { best, found } = lattice;
        self.find(word, best);
        found.clear();
        let mut end = word.len();
        while end > 0 {
            let Best { start, id, .. } = best[end];
            let start = start as usize;
            match found.last_mut() {
                Some((last, range)) if *last == self.unknown && id == self.unknown => range.start = start,
                _ => found.push((id, start..end)),
            }
            end = start;
        }
        for (id, range) in found.drain(..).rev() {
            if id == self.unknown {
                self.unknown(word, range, &mut token);
            } else {
                token(id, range);
            }
        }
        // One long word must not keep its memory for ever.
        best.clear();
        best.shrink_to(1 << 12);
        found.shrink_to(1 << 12);
    }

    /// Finds the best way to each place of `word`.
    fn find(&self, word: &str, best: &mut Vec<Best>) {
        best.clear();
        best.resize(word.len() + 1, Best::NONE);
        for (start, character) in word.char_indices() {
            let here = best[start].score;
            let mut single = false;
            let mut reach = |len: usize, id: u32, score: f64| {
                let target = &mut best[start + len];
                let mut score = score + here;
                if self.single_precision {
                    score = f64::from(score as f32);
                }
                if target.start == u32::MAX || score > target.score {
                    *target = Best { score, start: start as u32, id };
                }
            };
            let len = character.len_utf8();
            if let Some(node) = self.first.get(character).map(Node) {
                if let Some(id) = self.trie.id(node) {
                    single = true;
                    reach(len, id, self.scores[id as usize]);
                }
                self.trie.each(node, &word.as_bytes()[start + len..], |more, id| {
                    reach(len + more, id, self.scores[id as usize]);
                });
            }
            if !single {
                reach(len, self.unknown, self.unknown_score);
            }
        }
    }

    /// The id of what is unknown.
    pub(crate) fn unknown_id(&self) -> u32 {
        self.unknown
    }

    /// Unknown characters that follow each other: a token after all, those of their bytes, or unknown.
    fn unknown(&self, word: &str, range: Range<usize>, token: &mut impl FnMut(u32, Range<usize>)) {
        let bytes = &word.as_bytes()[range.clone()];
        if let Some(id) = self.trie.walk(Trie::ROOT, bytes).and_then(|node| self.trie.id(node)) {
            return token(id, range);
        }
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
