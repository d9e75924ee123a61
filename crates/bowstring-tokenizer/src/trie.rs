//! Which tokens begin at a place, and which of them is the longest?
//!
//! A double array (Aoe 1989) with children at `base ^ byte`, so that those of one node share a block of
//! 256 slots. No two nodes have the same base, so that a slot need know no more of its parent than the byte
//! that leads to it: 64 bits a slot with the number of the string that ends there, and a step is one load.
//! Building takes O(bytes of all tokens) steps, holes being tried a bounded number of times.

use std::{hint::select_unpredictable, ops::Range};

const NONE: u32 = u32::MAX;
const BLOCK: usize = 256;
/// How many holes are tried for a set of children before a block is added.
const TRIES: usize = 256;

/// A hole, or the root, to which no byte leads; the base of the children, 0 if there are none; the byte that
/// leads to the slot.
const HOLE: u32 = 1 << 31;
const BASE_SHIFT: u32 = 8;
const BASE: u32 = (1 << 22) - 1;
const BYTE: u32 = 0xFF;

/// A set of byte strings with a number each.
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
}

/// A place in a [`Trie`]: what has been read so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    slot: u32,
    /// The number of the string that ends here, the largest number there is if none does.
    pub id: u32,
}

const NO_NODE: Node = Node { slot: HOLE, id: NONE };

impl Trie {
    /// Of equal strings the last one counts. `None` when there are too many bytes to number, or an id
    /// is `u32::MAX`.
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = (&'a [u8], u32)>) -> Option<Self> {
        let mut sorted: Vec<(&[u8], u32)> = entries.into_iter().collect();
        // Stable, so that of equal strings the last stays the last.
        sorted.sort_by_key(|&(key, _)| key);
        let mut builder = Builder::new();
        let mut open = vec![(0, 0..sorted.len(), 0)];
        while let Some((node, range, depth)) = open.pop() {
            builder.children(&sorted, node, range, depth, &mut open)?;
        }
        Some(Self { nodes: builder.nodes })
    }

    /// Where nothing has been read.
    #[inline]
    pub(crate) fn root(&self) -> Node {
        self.node(0)
    }

    /// The node of a slot.
    #[inline(always)]
    pub(crate) fn node(&self, at: u32) -> Node {
        self.nodes.get(at as usize).copied().unwrap_or(NO_NODE)
    }

    /// The slot of the node one byte further, and the node, when any string goes on with it.
    #[inline(always)]
    fn child(&self, node: Node, byte: u8) -> Option<(u32, Node)> {
        let at = (node.slot >> BASE_SHIFT & BASE) ^ u32::from(byte);
        let child = self.node(at);
        (child.slot & (HOLE | BYTE) == u32::from(byte)).then_some((at, child))
    }

    /// The node one byte further, when any string goes on with it.
    #[inline(always)]
    pub(crate) fn step(&self, node: Node, byte: u8) -> Option<Node> {
        self.child(node, byte).map(|(_, child)| child)
    }

    /// The number of `text`, if it is one of the strings.
    pub(crate) fn get(&self, text: &[u8]) -> Option<u32> {
        self.walk(self.root(), text).map(|node| node.id).filter(|&id| id != NONE)
    }

    /// Where `text` leads from `node`.
    pub(crate) fn walk(&self, node: Node, text: &[u8]) -> Option<Node> {
        text.iter().try_fold(node, |node, &byte| self.step(node, byte))
    }

    /// The longest string that `text` begins with, read on from `node`: its number and its length in
    /// `text`, which is not 0.
    #[inline]
    pub(crate) fn longest(&self, mut node: Node, text: &[u8]) -> Option<(u32, usize)> {
        let (mut id, mut len) = (NONE, 0);
        for (read, &byte) in (1..).zip(text) {
            let Some(next) = self.step(node, byte) else { break };
            node = next;
            // Whether a string ends cannot be guessed.
            id = select_unpredictable(node.id != NONE, node.id, id);
            len = select_unpredictable(node.id != NONE, read, len);
        }
        (len > 0).then_some((id, len))
    }
}

struct Builder {
    nodes: Vec<Node>,
    /// Which bases have been given.
    taken: Vec<bool>,
    /// The next hole and the one before, for each slot that is a hole; a ring through slot 0, which
    /// never is one.
    ring: Vec<(u32, u32)>,
    /// Before the hole that is tried next: those that did not fit are tried again after all others.
    before: u32,
}

impl Builder {
    /// The first block has the root only: nothing follows what has no children, whose base is 0.
    fn new() -> Self {
        Self { nodes: vec![NO_NODE; BLOCK], taken: vec![true; BLOCK], ring: vec![(0, 0); BLOCK], before: 0 }
    }

    /// Adds a block of holes.
    fn grow(&mut self) -> Option<()> {
        let first = self.nodes.len();
        let end = u32::try_from(first + BLOCK).ok().filter(|&end| end <= BASE)?;
        self.nodes.resize(first + BLOCK, NO_NODE);
        self.taken.resize(first + BLOCK, false);
        let last = self.ring[0].1;
        for hole in first as u32..end {
            let before = if hole as usize == first { last } else { hole - 1 };
            self.ring.push((if hole + 1 == end { 0 } else { hole + 1 }, before));
        }
        self.ring[last as usize].0 = first as u32;
        self.ring[0].1 = end - 1;
        Some(())
    }

    /// The slot is a hole no longer.
    fn take(&mut self, slot: u32) {
        let (after, before) = self.ring[slot as usize];
        self.ring[before as usize].0 = after;
        self.ring[after as usize].1 = before;
        if self.before == slot {
            self.before = before;
        }
    }

    /// Places what follows `node`, whose strings are `range` of `sorted` and agree in `depth` bytes.
    fn children(
        &mut self,
        sorted: &[(&[u8], u32)],
        node: u32,
        range: Range<usize>,
        depth: usize,
        open: &mut Vec<(u32, Range<usize>, usize)>,
    ) -> Option<()> {
        let mut at = range.start;
        let mut groups: Vec<(u8, Range<usize>)> = Vec::new();
        while let Some(&(key, id)) = sorted.get(at).filter(|_| at < range.end) {
            match (key.get(depth), groups.last_mut()) {
                (None, _) => self.nodes[node as usize].id = Some(id).filter(|&id| id != NONE)?,
                (Some(byte), Some((last, group))) if last == byte => group.end = at + 1,
                (Some(&byte), _) => groups.push((byte, at..at + 1)),
            }
            at += 1;
        }
        if groups.is_empty() {
            return Some(());
        }
        let base = self.base(&groups)?;
        self.nodes[node as usize].slot |= base << BASE_SHIFT;
        self.taken[base as usize] = true;
        for (byte, group) in groups {
            let child = base ^ u32::from(byte);
            self.take(child);
            self.nodes[child as usize].slot = u32::from(byte);
            open.push((child, group, depth + 1));
        }
        Some(())
    }

    /// A base whose slots for all of `groups` are holes.
    fn base(&mut self, groups: &[(u8, Range<usize>)]) -> Option<u32> {
        let first = u32::from(groups.first()?.0);
        for _ in 0..TRIES {
            let hole = self.ring[self.before as usize].0;
            if hole == 0 {
                self.before = 0;
                continue;
            }
            let base = hole ^ first;
            let free = |slot: u32| self.nodes[slot as usize].slot == HOLE;
            if !self.taken[base as usize] && groups.iter().all(|&(byte, _)| free(base ^ u32::from(byte))) {
                return Some(base);
            }
            self.before = hole;
        }
        let base = self.nodes.len() as u32;
        self.grow()?;
        Some(base)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn longest_by_hand(map: &BTreeMap<Vec<u8>, u32>, text: &[u8]) -> Option<(u32, usize)> {
        (1..=text.len()).rev().find_map(|end| map.get(&text[..end]).map(|&id| (id, end)))
    }

    proptest! {
        #[test]
        fn the_longest_is_found(
            keys in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0), Just(255), 97..100_u8], 0..6), 0..300),
            texts in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0), Just(255), 97..100_u8], 0..9), 0..50),
        ) {
            let map: BTreeMap<Vec<u8>, u32> = keys.iter().cloned().zip(0..).collect();
            let trie = Trie::new(keys.iter().map(Vec::as_slice).zip(0..)).unwrap();
            for text in keys.iter().chain(&texts) {
                prop_assert_eq!(trie.longest(trie.root(), text), longest_by_hand(&map, text));
                let node = trie.walk(trie.root(), text);
                prop_assert_eq!(node.is_some(), text.is_empty() || map.keys().any(|key| key.starts_with(text)));
                prop_assert_eq!(trie.get(text), map.get(text).copied());
            }
        }
    }

    #[test]
    fn every_pair_of_bytes() {
        let keys: Vec<[u8; 2]> = (0..=u16::MAX).map(u16::to_be_bytes).collect();
        let trie = Trie::new(keys.iter().map(<[u8; 2]>::as_slice).zip(0..)).unwrap();
        for (id, key) in (0..).zip(&keys) {
            assert_eq!(trie.longest(trie.root(), key), Some((id, 2)), "{key:?}");
        }
        assert!(trie.nodes.len() < 2 * keys.len(), "{} slots", trie.nodes.len());
    }

    #[test]
    fn the_number_that_means_none_is_refused() {
        assert!(Trie::new([(&b"a"[..], u32::MAX)]).is_none());
    }
}
