//! Which tokens begin at a character of a word?
//!
//! A double array (Aoe 1989) over characters, so that a character of three bytes takes one load, which brings
//! the score of the token that ends there too. Characters are numbered, the most frequent ones first, and
//! children stand at `base + number`. No two nodes have the same base, so that a slot need know no more of
//! its parent than the number that leads to it. Building takes O(characters of all tokens) steps, holes being
//! tried a bounded number of times.

use std::ops::Range;

use bowstring_simd::prefetch;
use hashbrown::HashMap;

use crate::characters::Characters;

/// The score of what is no token.
pub(super) const NEVER: f64 = f64::NEG_INFINITY;

/// The number of characters that are in no token.
const UNKNOWN: u32 = 0;
/// From the lowest bit: the id, the base of the children, and the number that leads to the slot.
const ID_BITS: u32 = 22;
const BASE_BITS: u32 = 24;
const NUMBER_BITS: u32 = 18;
/// No character has this number, and no node this base: nothing follows it.
const HOLE: u32 = (1 << NUMBER_BITS) - 1;
const LEAF: u32 = (1 << BASE_BITS) - 1;
/// How many holes are tried for a set of children before they are put behind all others.
const TRIES: usize = 64;

/// Tokens with their scores.
#[derive(Debug)]
pub(super) struct Trie {
    /// First the root's children, each at its number.
    nodes: Vec<Node>,
    numbers: Characters,
}

/// What has been read so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    packed: u64,
    /// The score of the token that ends here, or [`NEVER`].
    pub score: f64,
}

const NO_NODE: Node = Node::new(HOLE, LEAF, 0, NEVER);

impl Node {
    const fn new(number: u32, base: u32, id: u32, score: f64) -> Self {
        let packed = (number as u64) << (BASE_BITS + ID_BITS) | (base as u64) << ID_BITS | id as u64;
        Self { packed, score }
    }

    /// The id of the token that ends here, if one does.
    #[inline(always)]
    pub(super) fn id(self) -> u32 {
        self.packed as u32 & ((1 << ID_BITS) - 1)
    }

    #[inline(always)]
    fn base(self) -> usize {
        (self.packed >> ID_BITS) as usize & ((1 << BASE_BITS) - 1)
    }

    #[inline(always)]
    fn number(self) -> u32 {
        (self.packed >> (BASE_BITS + ID_BITS)) as u32
    }
}

impl Trie {
    /// The tokens of `tokens`, each with its id, which is its place among the `scores`; those are finite. Of
    /// equal tokens the last one counts. `None` when there are too many to number.
    pub(super) fn new<'a>(
        tokens: impl Iterator<Item = (u32, &'a str)> + Clone,
        scores: &[f64],
    ) -> Option<Self> {
        let numbers = numbers(tokens.clone().map(|(_, token)| token))?;
        let (mut characters, mut ends) = (Vec::new(), Vec::new());
        for (id, token) in tokens {
            characters.extend(token.chars().map(|character| numbers.get(character).unwrap_or(UNKNOWN)));
            ends.push((characters.len(), Some(id).filter(|id| id >> ID_BITS == 0)?));
        }
        let mut start = 0;
        let mut keys: Vec<(&[u32], u32)> = ends
            .into_iter()
            .map(|(end, id)| (&characters[std::mem::replace(&mut start, end)..end], id))
            .collect();
        // Stable, so that of equal tokens the last stays the last.
        keys.sort_by_key(|&(key, _)| key);
        let mut builder = Builder::new(keys, scores);
        builder.build()?;
        Some(Self { nodes: builder.nodes, numbers })
    }

    /// The number of `character`, by which it is known here.
    #[inline(always)]
    pub(super) fn number(&self, character: char) -> u32 {
        self.numbers.get(character).unwrap_or(UNKNOWN)
    }

    /// The node of a character that tokens begin with; elsewhere one that leads to none.
    #[inline(always)]
    pub(super) fn first(&self, number: u32) -> Node {
        let first = self.nodes.get(number as usize).copied().unwrap_or(NO_NODE);
        if first.number() == number { first } else { NO_NODE }
    }

    /// The node one character further, when any token goes on with it.
    #[inline(always)]
    pub(super) fn step(&self, node: Node, number: u32) -> Option<Node> {
        let child = *self.nodes.get(node.base() + number as usize)?;
        (child.number() == number).then_some(child)
    }

    /// Begins to fetch what [`first`](Self::first) says, or [`step`](Self::step).
    #[inline(always)]
    pub(super) fn prefetch(&self, before: Option<Node>, number: u32) {
        prefetch(&self.nodes, before.map_or(0, Node::base) + number as usize);
    }

    /// The token that `text` is.
    pub(super) fn get(&self, text: &str) -> Option<u32> {
        let mut numbers = text.chars().map(|character| self.number(character));
        let first = self.first(numbers.next()?);
        let node = numbers.try_fold(first, |node, number| self.step(node, number))?;
        (node.score > NEVER).then_some(node.id())
    }
}

/// Numbers for the characters of `tokens`, 1 for the most frequent.
fn numbers<'a>(tokens: impl Iterator<Item = &'a str>) -> Option<Characters> {
    let mut counts: HashMap<char, usize> = HashMap::new();
    for character in tokens.flat_map(str::chars) {
        *counts.entry(character).or_default() += 1;
    }
    let mut counts: Vec<(char, usize)> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|&(character, count)| (usize::MAX - count, character));
    let texts: Vec<String> = counts.into_iter().map(|(character, _)| String::from(character)).collect();
    let fits = texts.len() < HOLE as usize;
    fits.then(|| Characters::new(texts.iter().map(String::as_str).zip(UNKNOWN + 1..)))
}

struct Builder<'a> {
    /// The numbers of each token's characters, and its id; sorted by them.
    keys: Vec<(&'a [u32], u32)>,
    scores: &'a [f64],
    nodes: Vec<Node>,
    /// Which bases have been given, and which slots are holes: one bit each.
    taken: Vec<u64>,
    holes: Vec<u64>,
    /// The next hole that is tried is not before this one; after the last one all are tried again.
    next: usize,
}

impl<'a> Builder<'a> {
    fn new(keys: Vec<(&'a [u32], u32)>, scores: &'a [f64]) -> Self {
        Self { keys, scores, nodes: Vec::new(), taken: Vec::new(), holes: Vec::new(), next: 0 }
    }

    /// Places what follows nothing, and then what follows that, and so on.
    fn build(&mut self) -> Option<()> {
        let begin = self.keys.partition_point(|(key, _)| key.is_empty());
        let mut open = vec![(None, begin..self.keys.len(), 0)];
        while let Some((node, range, depth)) = open.pop() {
            self.children(node, range, depth, &mut open)?;
        }
        Some(())
    }

    /// Places what follows `node`, or nothing; the tokens `range` agree in `depth` characters and are longer.
    fn children(
        &mut self,
        node: Option<usize>,
        range: Range<usize>,
        depth: usize,
        open: &mut Vec<(Option<usize>, Range<usize>, usize)>,
    ) -> Option<()> {
        let mut groups: Vec<(u32, Range<usize>)> = Vec::new();
        for (at, &(key, _)) in range.clone().zip(&self.keys[range]) {
            match groups.last_mut() {
                Some((last, group)) if *last == key[depth] => group.end = at + 1,
                _ => groups.push((key[depth], at..at + 1)),
            }
        }
        let (Some(&(least, _)), Some(&(largest, _))) = (groups.first(), groups.last()) else {
            return Some(());
        };
        let base = match node {
            None => 0,
            Some(_) => self.base(least, &groups),
        };
        self.grow(base + largest as usize + 1);
        set(&mut self.taken, base, true);
        let base = u32::try_from(base).ok().filter(|&base| base < LEAF)?;
        if let Some(node) = node {
            let node = &mut self.nodes[node];
            *node = Node::new(node.number(), base, node.id(), node.score);
        }
        for (number, mut group) in groups {
            let slot = (base + number) as usize;
            set(&mut self.holes, slot, false);
            let mut child = Node::new(number, LEAF, 0, NEVER);
            while let Some(&(_, id)) =
                self.keys[group.clone()].first().filter(|(key, _)| key.len() == depth + 1)
            {
                child = Node::new(number, LEAF, id, self.scores[id as usize]);
                group.start += 1;
            }
            self.nodes[slot] = child;
            open.push((Some(slot), group, depth + 1));
        }
        Some(())
    }

    /// A base whose slots for all of `groups` are holes, or are yet to come.
    fn base(&mut self, least: u32, groups: &[(u32, Range<usize>)]) -> usize {
        for _ in 0..TRIES {
            let Some(hole) = next(&self.holes, self.next).or_else(|| next(&self.holes, 0)) else { break };
            self.next = hole + 1;
            let Some(base) = hole.checked_sub(least as usize).filter(|&base| !is(&self.taken, base)) else {
                continue;
            };
            let free = |slot: usize| slot >= self.nodes.len() || is(&self.holes, slot);
            if groups.iter().all(|&(number, _)| free(base + number as usize)) {
                return base;
            }
        }
        self.nodes.len()
    }

    /// Adds holes up to the slot `end`.
    fn grow(&mut self, end: usize) {
        for slot in self.nodes.len()..end {
            self.nodes.push(NO_NODE);
            set(&mut self.holes, slot, true);
        }
    }
}

fn is(bits: &[u64], at: usize) -> bool {
    bits.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 != 0)
}

fn set(bits: &mut Vec<u64>, at: usize, bit: bool) {
    if bits.len() <= at / 64 {
        bits.resize(at / 64 + 1, 0);
    }
    let word = &mut bits[at / 64];
    *word = *word & !(1 << (at % 64)) | u64::from(bit) << (at % 64);
}

/// The first bit at or after `from`.
fn next(bits: &[u64], from: usize) -> Option<usize> {
    let first = bits.get(from / 64)? & (u64::MAX << (from % 64));
    let rest = bits.iter().enumerate().skip(from / 64 + 1).map(|(at, &word)| (at, word));
    let (at, word) = std::iter::once((from / 64, first)).chain(rest).find(|&(_, word)| word != 0)?;
    Some(at * 64 + word.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn trie(tokens: &[String]) -> Trie {
        let scores: Vec<f64> = (0..tokens.len()).map(|id| id as f64).collect();
        Trie::new((0..).zip(tokens.iter().map(String::as_str)), &scores).unwrap()
    }

    /// What is read of `text` step by step.
    fn read(trie: &Trie, text: &str) -> Vec<(u32, f64)> {
        let mut numbers = text.chars().map(|character| trie.number(character));
        let Some(number) = numbers.next() else { return Vec::new() };
        let mut node = trie.first(number);
        let mut read = vec![(node.id(), node.score)];
        for number in numbers {
            let Some(next) = trie.step(node, number) else { break };
            node = next;
            read.push((node.id(), node.score));
        }
        read.retain(|&(_, score)| score > NEVER);
        read
    }

    proptest! {
        #[test]
        fn all_tokens_that_a_text_begins_with_are_found(
            tokens in prop::collection::vec("[ab字é🦀]{0,5}|\\PC{1,3}", 0..200),
            texts in prop::collection::vec("[ab字é🦀q]{0,8}", 0..50),
        ) {
            let trie = trie(&tokens);
            let ids: BTreeMap<&str, u32> = tokens.iter().map(String::as_str).zip(0..).collect();
            for text in tokens.iter().chain(&texts) {
                let ends = text.char_indices().map(|(at, character)| at + character.len_utf8());
                let expected: Vec<(u32, f64)> =
                    ends.filter_map(|end| ids.get(&text[..end])).map(|&id| (id, f64::from(id))).collect();
                prop_assert_eq!(read(&trie, text), expected, "{}", text);
                prop_assert_eq!(trie.get(text), ids.get(text.as_str()).copied().filter(|_| !text.is_empty()));
            }
        }
    }

    #[test]
    fn many_tokens_fill_most_slots() {
        let letters = || ('a'..='z').chain('а'..='я').chain('一'..='乿');
        let tokens: Vec<String> =
            letters().flat_map(|one| letters().map(move |other| String::from_iter([one, other]))).collect();
        let trie = trie(&tokens);
        for (id, token) in (0..).zip(&tokens) {
            assert_eq!(trie.get(token), Some(id), "{token}");
        }
        assert!(trie.nodes.len() < 2 * tokens.len(), "{} slots", trie.nodes.len());
    }
}
