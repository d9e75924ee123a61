//! Which tokens begin at a place, and which of them is the longest?
//!
//! A double array (Aoe 1989) with children at `base ^ byte`, so that those of one node share a block of
//! 256 slots. A step is two loads; building takes O(bytes of all tokens) steps, holes being tried a
//! bounded number of times. 12 bytes a slot.

use std::ops::Range;

const NONE: u32 = u32::MAX;
const BLOCK: usize = 256;
/// How many holes are tried for a set of children before a block is added.
const TRIES: usize = 64;

/// A set of byte strings with a number each.
#[derive(Debug)]
pub(crate) struct Trie {
    slots: Vec<Slot>,
}

/// A place in a [`Trie`]: what has been read so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(pub u32);

#[derive(Clone, Copy, Debug)]
struct Slot {
    base: u32,
    parent: u32,
    id: u32,
}

const HOLE: Slot = Slot { base: 0, parent: NONE, id: NONE };

impl Trie {
    pub(crate) const ROOT: Node = Node(0);

    /// Of equal strings the last one counts. `None` when there are too many bytes to number, or an id
    /// is `u32::MAX`.
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = (&'a [u8], u32)>) -> Option<Self> {
        let mut sorted: Vec<(&[u8], u32)> = entries.into_iter().collect();
        // Stable, so that of equal strings the last stays the last.
        sorted.sort_by_key(|&(key, _)| key);
        let mut builder = Builder::new();
        let mut open = vec![(Self::ROOT, 0..sorted.len(), 0)];
        while let Some((node, range, depth)) = open.pop() {
            builder.children(&sorted, node, range, depth, &mut open)?;
        }
        Some(Self { slots: builder.slots })
    }

    /// The node one byte further, when any string goes on with it.
    #[inline]
    pub(crate) fn step(&self, node: Node, byte: u8) -> Option<Node> {
        let child = self.slots.get(node.0 as usize)?.base ^ u32::from(byte);
        let slot = self.slots.get(child as usize)?;
        (slot.parent == node.0).then_some(Node(child))
    }

    /// The number of the string that ends here, if one does.
    #[inline]
    pub(crate) fn id(&self, node: Node) -> Option<u32> {
        self.slots.get(node.0 as usize).map(|slot| slot.id).filter(|&id| id != NONE)
    }

    /// Calls `found` with the length and the number of each string that `text` begins with, read on from
    /// `node`, the shortest first.
    #[inline(always)]
    pub(crate) fn each(&self, node: Node, text: &[u8], mut found: impl FnMut(usize, u32)) {
        let mut at = node.0;
        let Some(slot) = self.slots.get(at as usize) else { return };
        let mut base = slot.base;
        for (len, &byte) in (1..).zip(text) {
            let child = base ^ u32::from(byte);
            let Some(slot) = self.slots.get(child as usize).filter(|slot| slot.parent == at) else { return };
            (at, base) = (child, slot.base);
            if slot.id != NONE {
                found(len, slot.id);
            }
        }
    }

    /// Where `text` leads from `node`.
    pub(crate) fn walk(&self, node: Node, text: &[u8]) -> Option<Node> {
        text.iter().try_fold(node, |node, &byte| self.step(node, byte))
    }

    /// The longest string that `text` begins with, read on from `node`: its number and its length in
    /// `text`, which is not 0.
    #[inline]
    pub(crate) fn longest(&self, mut node: Node, text: &[u8]) -> Option<(u32, usize)> {
        let mut found = None;
        for (at, &byte) in text.iter().enumerate() {
            let Some(next) = self.step(node, byte) else { break };
            node = next;
            if let Some(id) = self.id(node) {
                found = Some((id, at + 1));
            }
        }
        found
    }
}

struct Builder {
    slots: Vec<Slot>,
    /// The next hole and the one before, for each slot that is a hole; a ring through slot 0, which
    /// never is one.
    ring: Vec<(u32, u32)>,
}

impl Builder {
    fn new() -> Self {
        let mut builder = Self { slots: Vec::new(), ring: Vec::new() };
        builder.grow();
        builder.take(0);
        builder
    }

    /// Adds a block of holes.
    fn grow(&mut self) -> Option<()> {
        let first = self.slots.len();
        let end = u32::try_from(first + BLOCK).ok().filter(|&end| end != NONE)?;
        self.slots.resize(first + BLOCK, HOLE);
        let last = self.ring.first().map_or(0, |&(_, before)| before);
        for hole in first as u32..end {
            let before = if hole as usize == first { last } else { hole - 1 };
            self.ring.push((if hole + 1 == end { 0 } else { hole + 1 }, before));
        }
        if first > 0 {
            self.ring[last as usize].0 = first as u32;
            self.ring[0].1 = end - 1;
        } else {
            self.ring[0] = (1, end - 1);
        }
        Some(())
    }

    /// The slot is a hole no longer.
    fn take(&mut self, slot: u32) {
        if slot != 0 {
            let (after, before) = self.ring[slot as usize];
            self.ring[before as usize].0 = after;
            self.ring[after as usize].1 = before;
        }
    }

    /// Places what follows `node`, whose strings are `range` of `sorted` and agree in `depth` bytes.
    fn children(
        &mut self,
        sorted: &[(&[u8], u32)],
        node: Node,
        range: Range<usize>,
        depth: usize,
        open: &mut Vec<(Node, Range<usize>, usize)>,
    ) -> Option<()> {
        let mut at = range.start;
        let mut groups: Vec<(u8, Range<usize>)> = Vec::new();
        while let Some(&(key, id)) = sorted.get(at).filter(|_| at < range.end) {
            match (key.get(depth), groups.last_mut()) {
                (None, _) => self.slots[node.0 as usize].id = Some(id).filter(|&id| id != NONE)?,
                (Some(byte), Some((last, group))) if last == byte => group.end = at + 1,
                (Some(&byte), _) => groups.push((byte, at..at + 1)),
            }
            at += 1;
        }
        if groups.is_empty() {
            return Some(());
        }
        let base = self.base(&groups)?;
        self.slots[node.0 as usize].base = base;
        for (byte, group) in groups {
            let child = base ^ u32::from(byte);
            self.take(child);
            self.slots[child as usize].parent = node.0;
            open.push((Node(child), group, depth + 1));
        }
        Some(())
    }

    /// A base whose slots for all of `groups` are holes.
    fn base(&mut self, groups: &[(u8, Range<usize>)]) -> Option<u32> {
        let first = u32::from(groups.first()?.0);
        let mut hole = self.ring[0].0;
        for _ in 0..TRIES {
            if hole == 0 {
                break;
            }
            let base = hole ^ first;
            let free = |slot: u32| slot != 0 && self.slots[slot as usize].parent == NONE;
            if groups.iter().all(|&(byte, _)| free(base ^ u32::from(byte))) {
                return Some(base);
            }
            hole = self.ring[hole as usize].0;
        }
        let base = u32::try_from(self.slots.len()).ok()?;
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
                prop_assert_eq!(trie.longest(Trie::ROOT, text), longest_by_hand(&map, text));
                let node = trie.walk(Trie::ROOT, text);
                prop_assert_eq!(node.is_some(), text.is_empty() || map.keys().any(|key| key.starts_with(text)));
                prop_assert_eq!(node.and_then(|node| trie.id(node)), map.get(text).copied());
            }
        }
    }

    #[test]
    fn every_pair_of_bytes() {
        let keys: Vec<[u8; 2]> = (0..=u16::MAX).map(u16::to_be_bytes).collect();
        let trie = Trie::new(keys.iter().map(<[u8; 2]>::as_slice).zip(0..)).unwrap();
        for (id, key) in (0..).zip(&keys) {
            assert_eq!(trie.longest(Trie::ROOT, key), Some((id, 2)), "{key:?}");
        }
        assert!(trie.slots.len() < 2 * keys.len(), "{} slots", trie.slots.len());
    }

    #[test]
    fn the_number_that_means_none_is_refused() {
        assert!(Trie::new([(&b"a"[..], u32::MAX)]).is_none());
    }
}
