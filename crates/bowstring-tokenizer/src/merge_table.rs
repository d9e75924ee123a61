//! What do two neighbours become, and when?
//!
//! A hash table of all pairs that merge. A pair is a number of 40 bits, and so is its hash, by a
//! multiplication that no two pairs share the result of; buckets of eight pairs, a cache line each, stand for
//! equal ranges of hashes. A range is so small that the lower 32 bits of a hash tell its pairs, and those of
//! the next ranges, into which pairs overflow, apart. So one line of memory answers for a pair, whether it
//! merges or not, and which line that is takes nothing but arithmetic: it can be fetched ahead. Built in
//! O(merges) expected time.

use std::fmt;

use bowstring_simd::{Recent, large_pages, place_of, prefetch};

/// The rank of pairs that do not merge, above all others.
pub(crate) const NEVER: u32 = (1 << RANK_BITS) - 1;
/// A symbol that merges with nothing. All others are below it.
pub(crate) const NO_SYMBOL: u32 = (1 << SYMBOL_BITS) - 1;

const SYMBOL_BITS: u32 = 20;
const RANK_BITS: u32 = 24;
const PAIR_BITS: u32 = 2 * SYMBOL_BITS;
/// How many pairs have a place in a bucket, and how many have one on average.
const PLACES: usize = 8;
const TAKEN: usize = 4;
/// There are at least so many buckets, and pairs overflow into so many others at the most: the range of
/// all these must be one of 32 bits.
const LEAST_BUCKETS: usize = 1 << 10;
const OVERFLOW: usize = 3;
const _: () = assert!((OVERFLOW + 1) << PAIR_BITS <= LEAST_BUCKETS << 32);
/// How many sizes of a table are tried before it is given up, for pairs that are chosen to overflow.
const GROWTHS: usize = 4;
/// What marks the last rank of a bucket from which pairs overflow.
const OVERFLOWS: u32 = 1 << 31;

/// What two neighbours become, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merge {
    pub rank: u32,
    pub id: u32,
}

/// A look for a pair that was begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    mark: u32,
    bucket: u32,
}

impl Look {
    /// One that finds nothing.
    pub(crate) const NONE: Self = Self { mark: 0, bucket: u32::MAX };
}

/// Pairs whose hashes are in one range. A free place has the rank [`NEVER`].
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Bucket {
    /// The lower 32 bits of their hashes.
    marks: [u32; PLACES],
    ranks: [u32; PLACES],
}

impl Bucket {
    const EMPTY: Self = Self { marks: [0; PLACES], ranks: [NEVER; PLACES] };

    fn overflows(&self) -> bool {
        self.ranks[PLACES - 1] >= OVERFLOWS
    }

    /// The rank of the pair with this mark.
    #[inline(always)]
    fn rank(&self, recent: Option<Recent>, mark: u32) -> u32 {
        // Where places are free, a mark may be that of one; a pair's place is before it.
        self.ranks.get(place_of(recent, &self.marks, mark)).map_or(NEVER, |rank| rank & NEVER)
    }
}

/// Pairs of symbols, their ranks, and what they become.
pub(crate) struct MergeTable {
    /// What the processor has.
    pub recent: Option<Recent>,
    buckets: Vec<Bucket>,
    /// How many lower bits of a rank do not say what the pair becomes.
    bits: u32,
    /// What the pairs of each rank become, if ranks do not say it.
    merged: Box<[u32]>,
}

impl fmt::Debug for MergeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergeTable").field("buckets", &self.buckets.len()).finish_non_exhaustive()
    }
}

impl MergeTable {
    /// The table of `merges`, `(left, right, merged)` in the order of their ranks; of the same pair twice
    /// the later counts. `None` if there are 2²⁴ − 1 merges or more, or symbols of 2²⁰ − 1 or more, or if
    /// the hashes of more than a few tens of pairs are next to each other.
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
        let merges: Vec<(u32, (u32, u32, u32))> = merges.collect();
        if merges.iter().any(|&(_, (left, right, id))| left.max(right).max(id) >= NO_SYMBOL) {
            return None;
        }
        let (ranks, bits, merged) = match token_bits(&merges) {
            Some(bits) => (tokens_as_ranks(&merges, bits), bits, Vec::new()),
            None => {
                // Ranks come in order, and merges of one rank make one token.
                let mut merged = Vec::new();
                for &(rank, (.., id)) in &merges {
                    merged.truncate(rank as usize);
                    merged.push(id);
                }
                (merges.iter().map(|&(rank, _)| rank).collect(), 0, merged)
            }
        };
        let size = (merges.len() / TAKEN).max(LEAST_BUCKETS);
        let buckets = (0..GROWTHS).find_map(|growth| {
            let pairs = merges.iter().map(|&(_, (left, right, _))| pair(left, right));
            placed(size + growth * size / 2, pairs.zip(ranks.iter().copied()))
        })?;
        Some(Self { recent: Recent::detect(), buckets, bits, merged: merged.into() })
    }

    /// The rank of a pair, [`NEVER`] if it does not merge.
    #[inline(always)]
    pub(crate) fn rank(&self, left: u32, right: u32) -> u32 {
        self.found(look(pair(left, right), self.buckets.len()))
    }

    /// Begins to look for the rank of a pair.
    #[inline(always)]
    pub(crate) fn begin(&self, left: u32, right: u32) -> Look {
        let look = look(pair(left, right), self.buckets.len());
        prefetch(&self.buckets, look.bucket as usize);
        look
    }

    /// The rank that was looked for, [`NEVER`] if the pair does not merge.
    #[inline(always)]
    pub(crate) fn found(&self, look: Look) -> u32 {
        match self.buckets.get(look.bucket as usize) {
            Some(bucket) if bucket.overflows() => self.overflown(look),
            Some(bucket) => bucket.rank(self.recent, look.mark),
            None => NEVER,
        }
    }

    /// The rank of a pair that may have overflown from its bucket.
    #[cold]
    #[inline(never)]
    fn overflown(&self, Look { mark, bucket }: Look) -> u32 {
        let size = self.buckets.len();
        for i in 0..=OVERFLOW {
            let bucket = &self.buckets[(bucket as usize + i) % size];
            let rank = bucket.rank(self.recent, mark);
            if rank != NEVER || !bucket.overflows() {
                return rank;
            }
        }
        NEVER
    }

    /// What pairs of this rank become; any symbol if they do not merge.
    #[inline(always)]
    pub(crate) fn merged(&self, rank: u32) -> u32 {
        if self.merged.is_empty() {
            rank >> self.bits
        } else {
            self.merged.get(rank as usize).copied().unwrap_or_default()
        }
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

/// Where a pair is looked for among so many buckets.
#[inline(always)]
fn look(pair: u64, size: usize) -> Look {
    // An odd number has an inverse: no two pairs have one hash.
    let hash = pair.wrapping_mul(0x9E_3779_B97F) & ((1 << PAIR_BITS) - 1);
    Look { mark: hash as u32, bucket: ((hash * size as u64) >> PAIR_BITS) as u32 }
}

/// Pairs with their ranks in so many buckets; `None` if they overflow too far.
fn placed(size: usize, pairs: impl Iterator<Item = (u64, u32)>) -> Option<Vec<Bucket>> {
    let mut buckets = Vec::with_capacity(size);
    large_pages(buckets.spare_capacity_mut());
    buckets.resize(size, Bucket::EMPTY);
    'pairs: for (pair, rank) in pairs {
        let Look { mark, bucket } = look(pair, size);
        for i in 0..=OVERFLOW {
            let bucket = &mut buckets[(bucket as usize + i) % size];
            let mut places = bucket.marks.iter_mut().zip(&mut bucket.ranks);
            // The pair itself, which then has a rank, or else a free place: those come after all others.
            let place = places.find(|(at, rank)| **rank == NEVER || **at == mark);
            if let Some((at, place)) = place {
                *at = mark;
                *place = *place & OVERFLOWS | rank;
                continue 'pairs;
            }
            bucket.ranks[PLACES - 1] |= OVERFLOWS;
        }
        return None;
    }
    Some(buckets)
}

/// How many lower bits of a rank are enough to number the merges into each token, if the higher ones can be
/// the token: if tokens come in the order of their merges.
fn token_bits(merges: &[(u32, (u32, u32, u32))]) -> Option<u32> {
    let same = merges.chunk_by(|(_, (.., left)), (_, (.., right))| left == right);
    let bits = same.map(<[_]>::len).max()?.next_power_of_two().ilog2();
    let mut tokens = merges.iter().map(|&(_, (.., id))| id);
    let fits = |id: u32| (u64::from(id) + 1) << bits <= u64::from(NEVER);
    (tokens.clone().is_sorted() && tokens.all(fits)).then_some(bits)
}

/// Ranks in the same order, whose higher bits are the tokens.
fn tokens_as_ranks(merges: &[(u32, (u32, u32, u32))], bits: u32) -> Vec<u32> {
    let same = merges.chunk_by(|(_, (.., left)), (_, (.., right))| left == right);
    let numbered = same.flat_map(|same| {
        let first = same[0].0;
        same.iter().map(move |&(rank, (.., id))| id << bits | (rank - first))
    });
    numbered.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Holds a table against its merges: each pair, of the same the later, has what it becomes, and ranks are in
    /// the order of the merges.
    fn check(merges: &[(u32, u32, u32)], others: impl Iterator<Item = (u32, u32)>) {
        let table = MergeTable::new(merges.iter().copied()).unwrap();
        let expected: HashMap<(u32, u32), (usize, u32)> =
            merges.iter().enumerate().map(|(i, &(left, right, id))| ((left, right), (i, id))).collect();
        let mut ranks = Vec::new();
        for (&(left, right), &(i, id)) in &expected {
            let found = table.get(left, right);
            assert_eq!(found.id, id, "{left} {right}");
            ranks.push((i, found.rank));
        }
        ranks.sort_unstable();
        assert!(ranks.is_sorted_by(|(_, left), (_, right)| left < right));
        assert!(ranks.iter().all(|(_, rank)| *rank < NEVER));
        for pair in others.filter(|pair| !expected.contains_key(pair)) {
            assert_eq!(table.get(pair.0, pair.1).rank, NEVER, "{pair:?}");
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

    /// Tokens in the order of their merges, of which some have many.
    #[test]
    fn ranks_that_say_the_token_are_in_order() {
        let merges: Vec<(u32, u32, u32)> = (0..50_000).map(|i| (i % 251, i / 251, 1_000 + i / 7)).collect();
        assert!(MergeTable::new(merges.iter().copied()).unwrap().merged.is_empty());
        check(&merges, (0..300).flat_map(|left| (150..250).map(move |right| (left, right))));
        let mut others = merges;
        others[40_000].2 = 5;
        assert!(!MergeTable::new(others.iter().copied()).unwrap().merged.is_empty());
        check(&others, std::iter::empty());
    }

    /// Pairs whose hashes are next to each other, more than a bucket takes.
    #[test]
    fn pairs_that_overflow_are_found() {
        let (constant, mask) = (0x9E_3779_B97F_u64, (1 << PAIR_BITS) - 1);
        let mut inverse = 1_u64;
        for _ in 0..6 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(constant.wrapping_mul(inverse))) & mask;
        }
        for (start, count) in [(0, 9), (0, 30), (mask - 40, 20), (5 << 30, 32), (9 << 30, 33)] {
            let pairs = (0..count + 20).map(|i| ((start + 3 * i) & mask).wrapping_mul(inverse) & mask);
            let pairs: Vec<(u32, u32)> =
                pairs.map(|pair| ((pair >> SYMBOL_BITS) as u32, pair as u32 & NO_SYMBOL)).collect();
            let (there, others) = pairs.split_at(count as usize);
            let merges: Vec<_> = (7..).zip(there).map(|(id, &(left, right))| (left, right, id)).collect();
            match count {
                33 => assert!(MergeTable::new(merges.into_iter()).is_none()),
                _ => check(&merges, others.iter().copied()),
            }
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
