//! Which symbols remain when all pairs of a word that can be merged are merged?
//!
//! Byte-pair encoding (Sennrich et al. 2016): of all neighbours that the table knows the pair of the lowest
//! rank is merged, of equal ones the leftmost, until none is left. Short words look through all their
//! pairs each time, O(n²) with a small factor; longer ones keep candidates in a heap, O(n log n) time and
//! about 40 bytes for each symbol. What takes the time is waiting for the table, so a few bits for
//! each slot tell first that most pairs are not in it.

use std::{cmp::Reverse, collections::BinaryHeap, fmt};

use bowstring_simd::least;

/// Words of at most so many symbols are merged without a heap.
const SHORT: usize = 128;
/// As many bits as a place in a short word has.
const PLACE_BITS: u32 = SHORT.ilog2();

/// The rank of pairs that do not merge, above all others.
const NEVER: u32 = u32::MAX;

/// A part of a word: its id, and how many bytes of the word it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub id: u32,
    pub len: u32,
}

/// What two neighbours become, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merge {
    pub rank: u32,
    pub id: u32,
}

impl Merge {
    const NEVER: Merge = Merge { rank: NEVER, id: 0 };
}

#[derive(Clone, Copy)]
struct Slot {
    pair: [u32; 2],
    merge: Merge,
}

/// Pairs of ids and what they become: open addressing, at most two thirds full.
pub(crate) struct MergeTable {
    slots: Box<[Slot]>,
    /// A bit for each pair by its hash, four times as many as slots.
    known: Box<[u64]>,
    /// Words of at most so many symbols are short.
    short: usize,
    /// How far the hash is shifted so that it is an index.
    shift: u32,
}

impl fmt::Debug for MergeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeTable").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

/// What merging one word needs, kept between words.
#[derive(Debug, Default)]
pub(crate) struct MergeScratch {
    short: Short,
    /// The merge of each symbol with the next one.
    next: Vec<Merge>,
    links: Vec<Link>,
    heap: BinaryHeap<Reverse<u64>>,
}

/// The pairs of a short word, by the places of their left symbols, and the neighbours of its symbols.
#[derive(Debug)]
struct Short {
    /// What each pair becomes.
    ids: [u32; SHORT],
    /// Its rank before its place, so that the least is the leftmost of the lowest rank.
    keys: [[u32; 8]; SHORT / 8],
    before: [u8; SHORT],
    /// The place of the next symbol, or one that is after the last.
    after: [u8; SHORT],
}

impl Default for Short {
    fn default() -> Self {
        Self { ids: [0; SHORT], keys: [[0; 8]; SHORT / 8], before: [0; SHORT], after: [0; SHORT] }
    }
}

/// The neighbours of a symbol that is still there.
#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
}

/// No neighbour.
const NONE: u32 = u32::MAX;

impl MergeTable {
    /// The table of `merges`, `(left, right, merged)` in the order of their ranks; of the same pair twice
    /// the later counts.
    pub(crate) fn new(merges: impl ExactSizeIterator<Item = (u32, u32, u32)>) -> Self {
        Self::ranked((0..NEVER).zip(merges))
    }

    /// The same, but merges that follow each other and make the same token have one rank.
    pub(crate) fn by_token(merges: &[(u32, u32, u32)]) -> Self {
        let mut rank = 0;
        let mut last = None;
        Self::ranked(merges.iter().map(move |&merge| {
            if last.replace(merge.2).is_some_and(|last| last != merge.2) {
                rank += 1;
            }
            (rank, merge)
        }))
    }

    fn ranked(merges: impl ExactSizeIterator<Item = (u32, (u32, u32, u32))>) -> Self {
        let size = (merges.len().max(16) * 3 / 2).next_power_of_two();
        // In short words rank and place share a number.
        let short = if merges.len() < (NEVER >> PLACE_BITS) as usize { SHORT } else { 0 };
        // Symbols are ids, which never reach the largest number, so that it marks empty slots.
        let empty = Slot { pair: [NONE; 2], merge: Merge::NEVER };
        let mut table = Self {
            slots: vec![empty; size].into_boxed_slice(),
            known: vec![0; size / 16].into_boxed_slice(),
            short,
            shift: 64 - size.trailing_zeros(),
        };
        for (rank, (left, right, id)) in merges {
            let hash = hash([left, right]);
            let slot = table.slot([left, right], hash);
            table.slots[slot] = Slot { pair: [left, right], merge: Merge { rank, id } };
            let bit = table.bit(hash);
            table.known[bit / 64] |= 1 << (bit % 64);
        }
        table
    }

    /// Where the pair stands, or the empty slot where it would.
    #[inline(always)]
    fn slot(&self, pair: [u32; 2], hash: u64) -> usize {
        let mut slot = (hash >> self.shift) as usize;
        loop {
            let found = self.slots[slot].pair;
            if found == pair || found == [NONE; 2] {
                return slot;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    #[inline(always)]
    fn bit(&self, hash: u64) -> usize {
        (hash >> (self.shift - 2)) as usize
    }

    /// What the pair becomes; its rank is the largest number if it stays.
    #[inline(always)]
    pub(crate) fn get(&self, left: u32, right: u32) -> Merge {
        let hash = hash([left, right]);
        let bit = self.bit(hash);
        if self.known[bit / 64] >> (bit % 64) & 1 == 0 {
            return Merge::NEVER;
        }
        self.slots[self.slot([left, right], hash)].merge
    }

    /// Merges the symbols of a word until no pair of them is in the table.
    pub(crate) fn merge(&self, word: &mut Vec<Symbol>, scratch: &mut MergeScratch) {
        self.merge_with(word, scratch, |left, right, _| self.get(left.id, right.id));
    }

    /// The same, where `first` says what the neighbours become that stand in the word from the start, the
    /// left one at the place that is given.
    #[inline]
    pub(crate) fn merge_with(
        &self,
        word: &mut Vec<Symbol>,
        scratch: &mut MergeScratch,
        first: impl Fn(Symbol, Symbol, usize) -> Merge,
    ) {
        if word.len() <= self.short {
            self.merge_short(word, &mut scratch.short, first);
        } else {
            self.merge_long(word, scratch, first);
        }
    }

    #[inline]
    fn merge_short(
        &self,
        word: &mut Vec<Symbol>,
        short: &mut Short,
        first: impl Fn(Symbol, Symbol, usize) -> Merge,
    ) {
        let Short { ids, keys, before, after } = short;
        let key = |merge: Merge, place: usize| match merge.rank {
            NEVER => u32::MAX,
            rank => rank << PLACE_BITS | place as u32,
        };
        let eights = word.len().div_ceil(8).min(SHORT / 8);
        if let Some(last) = eights.checked_sub(1) {
            keys[last] = [u32::MAX; 8];
        }
        for (place, pair) in word.windows(2).enumerate() {
            let merge = first(pair[0], pair[1], place);
            ids[place] = merge.id;
            keys.as_flattened_mut()[place] = key(merge, place);
            after[place] = place as u8 + 1;
            before[place + 1] = place as u8;
        }
        // Before the first and after the last there is none.
        before[0] = SHORT as u8;
        if let Some(last) = word.len().checked_sub(1) {
            keys.as_flattened_mut()[last] = u32::MAX;
            after[last] = SHORT as u8;
        }
        loop {
            let least = least(&keys[..eights]);
            if least == u32::MAX {
                break;
            }
            let keys = keys.as_flattened_mut();
            let place = least as usize % SHORT;
            let gone = usize::from(after[place]) % SHORT;
            let next = usize::from(after[gone]);
            let id = ids[place];
            word[place] = Symbol { id, len: word[place].len + word[gone].len };
            word[gone].len = 0;
            keys[gone] = u32::MAX;
            keys[place] = u32::MAX;
            after[place] = next as u8;
            if let Some(right) = word.get(next) {
                before[next] = place as u8;
                let merge = self.get(id, right.id);
                ids[place] = merge.id;
                keys[place] = key(merge, place);
            }
            let previous = usize::from(before[place]);
            if let Some(left) = word.get(previous) {
                let merge = self.get(left.id, id);
                ids[previous] = merge.id;
                keys[previous] = key(merge, previous);
            }
        }
        word.retain(|symbol| symbol.len != 0);
    }

    fn merge_long(
        &self,
        word: &mut Vec<Symbol>,
        scratch: &mut MergeScratch,
        first: impl Fn(Symbol, Symbol, usize) -> Merge,
    ) {
        let MergeScratch { next, links, heap, .. } = scratch;
        let last = word.len() as u32 - 1;
        next.clear();
        next.extend(word.windows(2).enumerate().map(|(place, pair)| first(pair[0], pair[1], place)));
        next.push(Merge::NEVER);
        links.clear();
        links.extend((0..=last).map(|i| Link {
            before: i.checked_sub(1).unwrap_or(NONE),
            after: if i < last { i + 1 } else { NONE },
        }));
        let mut candidates = std::mem::take(heap).into_vec();
        candidates.clear();
        candidates.extend(
            next.iter()
                .enumerate()
                .filter(|(_, merge)| merge.rank != NEVER)
                .map(|(i, merge)| candidate(merge.rank, i as u32)),
        );
        let mut queue = BinaryHeap::from(candidates);
        while let Some(Reverse(top)) = queue.pop() {
            let (rank, place) = ((top >> 32) as u32, top as u32);
            let i = place as usize;
            // A symbol that is gone has no merge, and a pair that changed has another one.
            if next[i].rank != rank {
                continue;
            }
            let gone = links[i].after as usize;
            let after = links[gone].after;
            word[i] = Symbol { id: next[i].id, len: word[i].len + word[gone].len };
            word[gone].len = 0;
            next[gone] = Merge::NEVER;
            links[i].after = after;
            next[i] = Merge::NEVER;
            if after != NONE {
                links[after as usize].before = place;
                next[i] = self.get(word[i].id, word[after as usize].id);
                if next[i].rank != NEVER {
                    queue.push(candidate(next[i].rank, place));
                }
            }
            let before = links[i].before;
            if before != NONE {
                let merge = self.get(word[before as usize].id, word[i].id);
                next[before as usize] = merge;
                if merge.rank != NEVER {
                    queue.push(candidate(merge.rank, before));
                }
            }
        }
        word.retain(|symbol| symbol.len != 0);
        *heap = queue;
        // One long word must not keep its memory for ever.
        heap.shrink_to(1 << 12);
        links.clear();
        links.shrink_to(1 << 12);
        next.clear();
        next.shrink_to(1 << 12);
    }
}

/// A folded product.
#[inline(always)]
fn hash(pair: [u32; 2]) -> u64 {
    let key = u64::from(pair[0]) << 32 | u64::from(pair[1]);
    let product = u128::from(key ^ 0xD6E8_FEB8_6659_FD93) * 0x9E37_79B9_7F4A_7C15;
    product as u64 ^ (product >> 64) as u64
}

fn candidate(rank: u32, place: u32) -> Reverse<u64> {
    Reverse(u64::from(rank) << 32 | u64::from(place))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One merge at a time, each looked for from the left among all.
    fn reference(merges: &[(u32, u32, u32)], word: &mut Vec<Symbol>) {
        let rank = |pair: &[Symbol]| {
            merges.iter().rposition(|&(left, right, _)| [left, right] == [pair[0].id, pair[1].id])
        };
        loop {
            let best = word
                .windows(2)
                .enumerate()
                .filter_map(|(place, pair)| rank(pair).map(|rank| (rank, place)))
                .min();
            let Some((rank, place)) = best else { return };
            word[place] = Symbol { id: merges[rank].2, len: word[place].len + word[place + 1].len };
            word.remove(place + 1);
        }
    }

    fn symbols(ids: &[u32]) -> Vec<Symbol> {
        ids.iter().map(|&id| Symbol { id, len: 1 + id % 3 }).collect()
    }

    proptest! {
        #[test]
        fn words_merge_as_one_by_one(
            merges in prop::collection::vec((0u32..12, 0u32..12, 0u32..12), 0..60),
            ids in prop::collection::vec(0u32..8, 0..120),
        ) {
            let table = MergeTable::new(merges.iter().copied());
            let mut expected = symbols(&ids);
            reference(&merges, &mut expected);
            if expected.is_empty() {
                return Ok(());
            }
            let mut scratch = MergeScratch::default();
            let first = |left: Symbol, right: Symbol, _| table.get(left.id, right.id);
            let mut word = symbols(&ids);
            table.merge(&mut word, &mut scratch);
            prop_assert_eq!(&word, &expected);
            let mut word = symbols(&ids);
            table.merge_long(&mut word, &mut scratch, first);
            prop_assert_eq!(&word, &expected);
            if ids.len() <= SHORT {
                let mut word = symbols(&ids);
                table.merge_short(&mut word, &mut scratch.short, first);
                prop_assert_eq!(&word, &expected);
            }
        }
    }

    #[test]
    fn of_merges_into_one_token_the_leftmost_comes_first() {
        let merges = [(0, 0, 1), (1, 0, 2), (0, 1, 2)];
        let word = || symbols(&[0, 1, 0]);
        let merged = |table: MergeTable| {
            let mut word = word();
            table.merge(&mut word, &mut MergeScratch::default());
            word.iter().map(|symbol| symbol.id).collect::<Vec<_>>()
        };
        assert_eq!(merged(MergeTable::new(merges.into_iter())), [0, 2]);
        assert_eq!(merged(MergeTable::by_token(&merges)), [2, 0]);
    }

    #[test]
    fn a_long_run_of_one_letter_is_merged_in_little_more_than_linear_time() {
        let merges = [(0, 0, 1), (1, 1, 2), (2, 2, 3)];
        let table = MergeTable::new(merges.into_iter());
        let mut word = symbols(&vec![0; 1_000_003]);
        table.merge(&mut word, &mut MergeScratch::default());
        let ids: Vec<u32> = word.iter().map(|symbol| symbol.id).collect();
        assert_eq!(ids.len(), 125_002);
        assert_eq!(ids[125_000..], [1, 0]);
    }
}
