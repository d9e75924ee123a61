//! The WordPiece model: how does a word fall into tokens?
//!
//! Greedily: the longest token that the word begins with, then the longest continuing token, and so on
//! (Schuster and Nakajima 2012, as BERT uses it). A word that does not come out even, or is too long, is
//! the unknown token. O(bytes · longest continuation tried) time, which the length limit bounds.

use crate::{
    definition::{Model, Vocab},
    trie::{Node, Trie},
};

/// A vocabulary ready for the greedy match.
#[derive(Debug)]
pub(crate) struct WordPiece {
    trie: Trie,
    /// Where a token that continues a word goes on: after the prefix. `None` when no token has it.
    continuing: Option<Node>,
    unknown: u32,
    longest_word: usize,
}

impl WordPiece {
    pub(crate) fn new(model: &Model<'_>) -> Result<Self, &'static str> {
        if model.kind() != "WordPiece" {
            return Err("the model is not WordPiece");
        }
        let Vocab::Ids(vocab) = &model.vocab else {
            return Err("the vocabulary has scores, not ids");
        };
        let (Some(prefix), Some(unknown), Some(longest_word)) =
            (&model.continuing_subword_prefix, &model.unk_token, model.max_input_chars_per_word)
        else {
            return Err("the WordPiece model does not say its prefix, unknown token and longest word");
        };
        let trie = Trie::new(vocab.iter().map(|(token, id)| (token.0.as_bytes(), *id)))
            .ok_or("the vocabulary is too large")?;
        let unknown = trie.get(unknown.as_bytes()).ok_or("the unknown token is not in the vocabulary")?;
        let continuing = trie.walk(trie.root(), prefix.as_bytes());
        Ok(Self { trie, continuing, unknown, longest_word })
    }

    /// Appends what `make` makes of each token of `word`: its id, and where it starts and ends.
    pub(crate) fn tokens<T>(&self, word: &str, out: &mut Vec<T>, make: impl Fn(u32, usize, usize) -> T) {
        if word.is_empty() {
            return;
        }
        let before = out.len();
        if !self.comes_out_even(word, |id, start, end| out.push(make(id, start, end))) {
            out.truncate(before);
            out.push(make(self.unknown, 0, word.len()));
        }
    }

    fn comes_out_even(&self, word: &str, mut token: impl FnMut(u32, usize, usize)) -> bool {
        if word.len() > self.longest_word && word.chars().count() > self.longest_word {
            return false;
        }
        let mut from = Some(self.trie.root());
        let mut start = 0;
        while let Some(rest) = word.as_bytes().get(start..).filter(|rest| !rest.is_empty()) {
            let Some((id, length)) = from.and_then(|from| self.trie.longest(from, rest)) else {
                return false;
            };
            token(id, start, start + length);
            start += length;
            from = self.continuing;
        }
        true
    }
}
