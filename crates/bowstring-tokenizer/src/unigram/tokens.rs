//! Which tokens begin at a place of a word, and what do they make of the best ways to its other places?
//!
//! Whether a character ends a token and whether the way over it is better is decided without branches, which no
//! processor could guess: what is no token has a score that never wins.

use std::hint::select_unpredictable;

use super::trie::{NEVER, Trie};

/// The best ways to the places of a word, which are numbered by characters.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// The number of each character, and where it ends.
    characters: Vec<(u32, u32)>,
    scores: Vec<f64>,
    /// Where the last token of each way begins, and its id.
    last: Vec<u64>,
}

/// Finds the best ways to all places of `word` over the tokens of `trie`; a character that is no token has the
/// id and the score `unknown`. Sums are rounded to single precision if `SINGLE`. Says, if `MARGIN`, how far
/// apart the closest two ways to one place are.
pub(super) fn find<const SINGLE: bool, const MARGIN: bool>(
    trie: &Trie,
    word: &str,
    unknown: (u32, f64),
    ways: &mut Ways,
) -> f64 {
    let mut margin = f64::INFINITY;
    let Ways { characters, scores, last } = ways;
    characters.clear();
    characters.extend(
        word.char_indices()
            .map(|(start, character)| (trie.number(character), (start + character.len_utf8()) as u32)),
    );
    // The first steps from all places wait for memory together.
    for pair in characters.windows(2) {
        trie.prefetch(Some(trie.first(pair[0].0)), pair[1].0);
    }
    for three in characters.windows(3) {
        let second = trie.step(trie.first(three[0].0), three[1].0);
        trie.prefetch(second, three[2].0);
    }
    scores.clear();
    scores.resize(characters.len() + 1, NEVER);
    scores[0] = 0.0;
    last.resize(last.len().max(characters.len() + 1), 0);
    for (start, &(number, _)) in characters.iter().enumerate() {
        let way = |id: u32| (start as u64) << 32 | u64::from(id);
        let mut node = trie.first(number);
        let known = node.score > NEVER;
        let (id, score) = if known { (node.id(), node.score) } else { unknown };
        let here = scores[start];
        let mut targets = scores[start + 1..].iter_mut().zip(&mut last[start + 1..]);
        if let Some(target) = targets.next() {
            reach::<SINGLE, MARGIN>(target, here + score, way(id), &mut margin);
        }
        for (target, &(number, _)) in targets.zip(&characters[start + 1..]) {
            let Some(next) = trie.step(node, number) else { break };
            node = next;
            reach::<SINGLE, MARGIN>(target, here + node.score, way(node.id()), &mut margin);
        }
    }
    margin
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
    /// How many characters the word has.
    pub(super) fn len(&self) -> usize {
        self.characters.len()
    }

    /// Where the last token on the best way to the place `end` begins, and its id.
    #[inline]
    pub(super) fn last(&self, end: usize) -> (usize, u32) {
        let way = self.last[end];
        ((way >> 32) as usize, way as u32)
    }

    /// How many bytes of the word stand before a place.
    #[inline]
    pub(super) fn bytes(&self, place: usize) -> usize {
        place.checked_sub(1).map_or(0, |before| self.characters[before].1 as usize)
    }

    /// One long word must not keep its memory for ever.
    pub(super) fn shrink(&mut self) {
        if self.last.len() > 1 << 12 {
            *self = Self::default();
        }
    }
}
