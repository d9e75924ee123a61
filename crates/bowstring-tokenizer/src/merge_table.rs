//! What do two neighbours become, and when?
//!
//! A perfect hash of all pairs that merge, by hashing and displacing (Belazzougui, Botelho and
//! Dietzfelbinger 2009): pairs are put into groups of about four by one hash, and for each group a seed is
//! looked for, the largest groups first, with which a second hash gives its pairs places that are
//! free. A look is one seed, one entry of 8 bytes, and no branch, so that many looks wait for memory at the
//! same time. Built in O(merges) expected time.

use std::fmt;

/// The rank of pairs that do not merge, above all others.
pub(crate) const NEVER: u32 = (1 << RANK_BITS) - 1;
/// A symbol that merges with nothing. All others are below it.
pub(crate) const NO_SYMBOL: u32 = (1 << SYMBOL_BITS) - 1;

const SYMBOL_BITS: u32 = 20;
const RANK_BITS: u32 = 24;
/// An entry that is no pair's: that of a rank at which nothing merges.
const EMPTY: u64 = u64::MAX;
/// Of so many places eight are taken, nearly.
const ROOM: usize = 12;

/// What two neighbours become, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merge {
    pub rank: u32,
    pub id: u32,
}

/// Pairs of symbols, their ranks, and what they become.
pub(crate) struct MergeTable {
    /// A pair in the higher bits, its rank in the lower.
    entries: Box<[u64]>,
    /// The seed of each group.
    seeds: Box<[u16]>,
    /// How far the first hash is shifted so that it is the number of a group.
    shift: u32,
    /// What the pairs of each rank become; the last is for those that do not merge.
    merged: Box<[u32]>,
}

impl fmt::Debug for MergeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeTable").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

impl MergeTable {
    /// The table of `merges`, `(left, right, merged)` in the order of their ranks; of the same pair twice
    /// the later counts. `None` if there are 2²⁴ − 1 merges or more, or symbols of 2²⁰ − 1 or more.
    pub(crate) fn new(merges: impl ExactSizeIterator<Item = (u32, u32, u32)>) -> Option<Self> {
        Self::ranked((0..NEVER).zip(merges))
    }

    /// The same, but merges that follow each other and make the same token have one rank.
    pub(crate) fn by_token(merges: &[(u32, u32, u32)]) -> Option<Self> {
        let mut rank = 0;
        let mut last = None;
        Self::ranked(merges.iter().map(move |&merge| {
            if last.replace(merge.2).is_some_and(|last| last != merge.2) {
                rank += 1;
            }
            (rank, merge)
        }))
    }

    fn ranked(merges: impl ExactSizeIterator<Item = (u32, (u32, u32, u32))>) -> Option<Self> {
        if merges.len() >= NEVER as usize {
            return None;
        }
        let mut entries = Vec::with_capacity(merges.len());
        let mut merged = Vec::with_capacity(merges.len() + 1);
        for (rank, (left, right, id)) in merges {
            if left.max(right).max(id) >= NO_SYMBOL {
                return None;
            }
            entries.push(pair(left, right) << RANK_BITS | u64::from(rank));
            // Ranks come in order, and merges of one rank make one token.
            merged.truncate(rank as usize);
            merged.push(id);
        }
        merged.push(0);
        let groups = Groups::new(entries);
        let mut places = (groups.entries.len() * ROOM).div_ceil(8).max(16);
        let mut seeds = vec![0; groups.starts.len() - 1];
        let entries = loop {
            match groups.displaced(places, &mut seeds) {
                Some(entries) => break entries,
                None => places += places / 8,
            }
        };
        Some(Self { entries, seeds: seeds.into(), shift: groups.shift, merged: merged.into() })
    }

    /// The rank of a pair, [`NEVER`] if it does not merge.
    #[inline(always)]
    pub(crate) fn rank(&self, left: u32, right: u32) -> u32 {
        let pair = pair(left, right);
        let hash = hash(pair);
        let seed = self.seeds[(hash >> self.shift) as usize];
        let entry = self.entries[place(hash, seed, self.entries.len())];
        if entry >> RANK_BITS == pair { entry as u32 & NEVER } else { NEVER }
    }

    /// What pairs of this rank become; any symbol if they do not merge.
    #[inline(always)]
    pub(crate) fn merged(&self, rank: u32) -> u32 {
        self.merged[(rank as usize).min(self.merged.len() - 1)]
    }

    /// Both.
    #[inline(always)]
    pub(crate) fn get(&self, left: u32, right: u32) -> Merge {
        let rank = self.rank(left, right);
        Merge { rank, id: self.merged(rank) }
    }
}

#[inline(always)]
fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << SYMBOL_BITS | u64::from(right)
}

#[inline(always)]
fn hash(pair: u64) -> u64 {
    pair.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Where the seed of its group puts the pair with this hash.
#[inline(always)]
fn place(hash: u64, seed: u16, places: usize) -> usize {
    let mixed = (hash ^ u64::from(seed)).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 32;
    ((mixed * places as u64) >> 32) as usize
}

/// Entries of different pairs, by their groups.
struct Groups {
    entries: Vec<u64>,
    /// Where each group begins, and where the last ends.
    starts: Vec<u32>,
    shift: u32,
}

impl Groups {
    fn new(all: Vec<u64>) -> Self {
        let groups = (all.len() / 4).max(2).next_power_of_two();
        let shift = 64 - groups.trailing_zeros();
        let group = |entry: u64| (hash(entry >> RANK_BITS) >> shift) as usize;
        let mut starts = vec![0; groups + 1];
        for &entry in &all {
            starts[group(entry) + 1] += 1;
        }
        for i in 0..groups {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut sorted = vec![EMPTY; all.len()];
        for entry in all {
            let place = &mut next[group(entry)];
            sorted[*place as usize] = entry;
            *place += 1;
        }
        // Of the same pair twice the later stays: within a group they are in their order.
        let mut entries: Vec<u64> = Vec::with_capacity(sorted.len());
        for i in 0..groups {
            let (start, end) = (starts[i] as usize, starts[i + 1] as usize);
            starts[i] = entries.len() as u32;
            for at in start..end {
                let again = |later: &u64| later >> RANK_BITS == sorted[at] >> RANK_BITS;
                if !sorted[at + 1..end].iter().any(again) {
                    entries.push(sorted[at]);
                }
            }
        }
        starts[groups] = entries.len() as u32;
        Self { entries, starts, shift }
    }

    fn group(&self, number: usize) -> &[u64] {
        &self.entries[self.starts[number] as usize..self.starts[number + 1] as usize]
    }

    /// All entries in so many places, by the seeds of the groups, which are found; `None` when one has none.
    fn displaced(&self, places: usize, seeds: &mut [u16]) -> Option<Box<[u64]>> {
        let mut order: Vec<u32> = (0..seeds.len() as u32).collect();
        order.sort_by_key(|&number| std::cmp::Reverse(self.group(number as usize).len()));
        let mut table = vec![EMPTY; places];
        for number in order {
            let entries = self.group(number as usize);
            let fits = |seed: &u16| {
                entries.iter().enumerate().all(|(i, entry)| {
                    let place_of = |entry: &u64| place(hash(entry >> RANK_BITS), *seed, places);
                    let own = place_of(entry);
                    table[own] == EMPTY && entries[..i].iter().all(|other| place_of(other) != own)
                })
            };
            let seed = (0..=u16::MAX).find(fits)?;
            for &entry in entries {
                table[place(hash(entry >> RANK_BITS), seed, places)] = entry;
            }
            seeds[number as usize] = seed;
        }
        Some(table.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn check(merges: &[(u32, u32, u32)], others: impl Iterator<Item = (u32, u32)>) {
        let table = MergeTable::new(merges.iter().copied()).unwrap();
        let expected: HashMap<(u32, u32), Merge> =
            (0..).zip(merges).map(|(rank, &(left, right, id))| ((left, right), Merge { rank, id })).collect();
        for pair in merges.iter().map(|&(left, right, _)| (left, right)).chain(others) {
            let found = table.get(pair.0, pair.1);
            match expected.get(&pair) {
                Some(merge) => assert_eq!(found, *merge, "{pair:?}"),
                None => assert_eq!(found.rank, NEVER, "{pair:?}"),
            }
        }
    }

    #[test]
    fn every_pair_of_many_is_found_and_no_other() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as u32 % 130_000
        };
        for size in [0, 1, 2, 3, 100, 5_000, 300_000] {
            let merges: Vec<(u32, u32, u32)> = (0..size).map(|_| (next(), next(), next())).collect();
            let others: Vec<(u32, u32)> = (0..10_000).map(|_| (next(), next())).collect();
            let ends = [(NO_SYMBOL, 5), (5, NO_SYMBOL), (NO_SYMBOL, NO_SYMBOL), (0, 0)];
            check(&merges, others.into_iter().chain(ends));
        }
    }

    proptest! {
        #[test]
        fn of_the_same_pair_the_later_counts(
            merges in prop::collection::vec((0u32..6, 0u32..6, 0u32..99), 0..80),
        ) {
            check(&merges, (0..7).flat_map(|left| (0..7).map(move |right| (left, right))));
        }
    }

    #[test]
    fn symbols_that_are_too_large_are_refused() {
        let largest = NO_SYMBOL - 1;
        check(&[(largest, largest, largest)], [(largest, 0)].into_iter());
        for merge in [(NO_SYMBOL, 0, 0), (0, NO_SYMBOL, 0), (0, 0, NO_SYMBOL)] {
            assert!(MergeTable::new([merge].into_iter()).is_none());
        }
    }
}
