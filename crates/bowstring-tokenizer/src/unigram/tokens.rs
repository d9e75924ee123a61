//! Which tokens begin at a place of a word, and what do they make of the best ways to its other places?
//!
//! Whether a byte ends a token and whether the way over it is better is decided without branches, which no
//! processor could guess: what is no token has a score that never wins.

use std::hint::select_unpredictable;

use crate::{
    characters::Characters,
    trie::{Node, Trie},
};

/// The score of what is no token.
const NEVER: f64 = f64::NEG_INFINITY;

/// The tokens of a model.
#[derive(Debug)]
pub(super) struct Tokens {
    trie: Trie,
    /// The score of each token, and behind them that of what is none.
    scores: Vec<f64>,
    /// The slots of the characters that tokens begin with.
    first: Characters,
}

/// The best ways to the places of a word.
#[derive(Debug, Default)]
pub(super) struct Ways {
    scores: Vec<f64>,
    /// Where the last token of each way begins, and its id.
    last: Vec<u64>,
}

impl Tokens {
    /// The tokens of `trie` with their scores, which are finite; `first` are the slots of the characters
    /// that tokens begin with.
    pub(super) fn new(trie: Trie, mut scores: Vec<f64>, first: Characters) -> Self {
        scores.push(NEVER);
        Self { trie, scores, first }
    }

    /// The token that `text` is.
    pub(super) fn get(&self, text: &[u8]) -> Option<u32> {
        self.trie.get(text)
    }

    /// The score of the token that ends at `node`, or one that never wins.
    #[inline(always)]
    fn score(&self, node: Node) -> f64 {
        self.scores[(node.id as usize).min(self.scores.len() - 1)]
    }

    /// Finds the best ways to all places of `word`; a character that is no token has the id and the score
    /// `unknown`. Sums are rounded to single precision if `SINGLE`. Says, if `MARGIN`, how far apart the
    /// closest two ways to one place are.
    pub(super) fn find<const SINGLE: bool, const MARGIN: bool>(
        &self,
        word: &str,
        unknown: (u32, f64),
        ways: &mut Ways,
    ) -> f64 {
        let mut margin = f64::INFINITY;
        let bytes = word.as_bytes();
        let Ways { scores, last } = ways;
        scores.clear();
        scores.resize(bytes.len() + 1, NEVER);
        scores[0] = 0.0;
        last.resize(last.len().max(bytes.len() + 1), 0);
        for (start, character) in word.char_indices() {
            let len = character.len_utf8();
            let way = |id: u32| (start as u64) << 32 | u64::from(id);
            let node = self.first.get(character).map(|at| self.trie.node(at));
            let single = node.map_or(NEVER, |node| self.score(node));
            let (id, score) = match node {
                Some(node) if single > NEVER => (node.id, single),
                _ => unknown,
            };
            let here = scores[start];
            let (scores, last) = (&mut scores[start + len..], &mut last[start + len..]);
            let target = (&mut scores[0], &mut last[0]);
            reach::<SINGLE, MARGIN>(target, here + score, way(id), &mut margin);
            let Some(mut node) = node else { continue };
            let targets = scores[1..].iter_mut().zip(&mut last[1..]);
            for (target, &byte) in targets.zip(&bytes[start + len..]) {
                let Some(next) = self.trie.step(node, byte) else { break };
                node = next;
                reach::<SINGLE, MARGIN>(target, here + self.score(node), way(node.id), &mut margin);
            }
        }
        margin
    }
}

/// Keeps the way to a place if it is better than the one that was known.
#[inline(always)]
fn reach<const SINGLE: bool, const MARGIN: bool>(
    (score, last): (&mut f64, &mut u64),
    sum: f64,
    way: u64,
    margin: &mut f64,
) {
    let sum = if SINGLE { f64::from(sum as f32) } else { sum };
    if MARGIN {
        // What is no token, and what was not reached before, is infinitely far, or no number, which is never
        // the least.
        *margin = margin.min((sum - *score).abs());
    }
    let better = sum > *score;
    *score = select_unpredictable(better, sum, *score);
    *last = select_unpredictable(better, way, *last);
}

impl Ways {
    /// Where the last token on the best way to `end` begins, and its id.
    #[inline]
    pub(super) fn last(&self, end: usize) -> (usize, u32) {
        let way = self.last[end];
        ((way >> 32) as usize, way as u32)
    }

    /// One long word must not keep its memory for ever.
    pub(super) fn shrink(&mut self) {
        if self.last.len() > 1 << 12 {
            *self = Self::default();
        }
    }
}
