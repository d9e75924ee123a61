//! Which symbols remain when all pairs of a word that can be merged are merged?
//!
//! Byte-pair encoding (Sennrich et al. 2016): of all neighbours that the table knows the pair of the lowest
//! rank is merged, of equal ones the leftmost, until none is left. Short words look through all their
//! pairs each time, O(n²) with a small factor; longer ones keep candidates in a heap, O(n log n) time and
//! about 40 bytes for each symbol. Each merge waits for the looks of the one before, so several short words
//! are merged in turns: while one waits the others go on.

use std::{cmp::Reverse, collections::BinaryHeap};

use bowstring_simd::least;

use crate::merge_table::{Look, MergeTable, NEVER, NO_SYMBOL};

/// Words of at most so many symbols are merged without a heap.
pub(crate) const SHORT: usize = 64;
/// How many words take turns.
const WIDTH: usize = 8;
/// Keys from this one on are of pairs that do not merge.
const NO_KEY: u32 = NEVER << SHORT.ilog2();

/// A part of a word: its id, and how many bytes of the word it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub id: u32,
    pub len: u32,
}

/// Short words that are merged together, by their numbers.
pub(crate) trait Words {
    fn count(&self) -> usize;

    /// Puts one into a lane.
    fn begin(&mut self, number: usize, lane: &mut Lane);

    /// Takes one from the lane in which its symbols are left.
    fn end(&mut self, number: usize, lane: &Lane);
}

/// What merging needs, kept between words.
#[derive(Debug, Default)]
pub(crate) struct MergeScratch {
    lanes: Box<[Lane; WIDTH]>,
    /// The rank of each symbol with the next one.
    next: Vec<u32>,
    links: Vec<Link>,
    heap: BinaryHeap<Reverse<u64>>,
}

/// A short word that is being merged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    /// The rank of the pair that begins at each place before the place, so that the least is the leftmost of
    /// the lowest rank; behind eight of which the last takes what would be before the first.
    keys: [[u32; 8]; 2 * SHORT / 8],
    /// The symbols, behind one that is none; the one after the last place is none as well. There is room for
    /// any number of seven bits.
    symbols: [u32; 2 * SHORT],
    /// The places where symbols are left.
    alive: u64,
    /// How many eights of keys are in use.
    eights: usize,
    /// Which word it is.
    word: usize,
    /// The pairs that the last merge made, and the places where they begin, counted from 1.
    made: [(Look, usize); 2],
}

/// A lane that takes one symbol after the other.
#[derive(Debug)]
pub(crate) struct Filling<'a> {
    symbols: &'a mut [u32; 2 * SHORT],
    len: usize,
}

impl Filling<'_> {
    #[inline(always)]
    pub(crate) fn push(&mut self, symbol: u32) {
        self.symbols[self.len % SHORT + 1] = symbol;
        self.len += 1;
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            keys: [[u32::MAX; 8]; 2 * SHORT / 8],
            symbols: [NO_SYMBOL; 2 * SHORT],
            alive: 0,
            eights: 0,
            word: 0,
            made: [(Look::NONE, 0); 2],
        }
    }
}

impl Lane {
    /// Takes a word of at most [`SHORT`] symbols, which `symbols` gives to what it is called with; `rank` says
    /// that of the pair which begins at a place.
    #[inline(always)]
    pub(crate) fn begin(
        &mut self,
        symbols: impl FnOnce(&mut Filling<'_>),
        rank: impl Fn(usize, u32, u32) -> u32,
    ) {
        let mut filling = Filling { symbols: &mut self.symbols, len: 0 };
        symbols(&mut filling);
        let len = filling.len.min(SHORT);
        self.made = [(Look::NONE, 0); 2];
        self.alive = below(len);
        self.eights = len.div_ceil(8);
        self.keys[self.eights] = [u32::MAX; 8];
        for place in 1..len {
            let rank = rank(place - 1, self.symbols[place], self.symbols[place + 1]);
            self.set(place, rank);
        }
        self.set(len, NEVER);
    }

    /// Says the rank of the pair at a place, counted from 1; at 0 there is none.
    #[inline(always)]
    fn set(&mut self, place: usize, rank: u32) {
        let before = (place as u32).wrapping_sub(1) % SHORT as u32;
        let key = (rank << SHORT.ilog2()) | before;
        self.keys.as_flattened_mut()[(place + 7) % (2 * SHORT)] = key;
    }

    /// Merges the next pair; whether there was none.
    #[inline(always)]
    fn step(&mut self, table: &MergeTable) -> bool {
        const ROOM: usize = 2 * SHORT;
        for (look, place) in self.made {
            self.set(place, table.found(look));
        }
        let least = match self.eights {
            1 => least(table.recent, &self.keys[1..2]),
            2 => least(table.recent, &self.keys[1..3]),
            eights => least(table.recent, &self.keys[1..=eights]),
        };
        if least >= NO_KEY {
            return true;
        }
        let place = least as usize % SHORT;
        let symbol = table.merged(least >> SHORT.ilog2());
        let after = self.alive & !0 << place << 1;
        let gone = after.trailing_zeros() as usize;
        let right = (after & after.wrapping_sub(1)).trailing_zeros() as usize + 1;
        let left = SHORT - (self.alive & below(place)).leading_zeros() as usize;
        self.alive ^= after & after.wrapping_neg();
        self.symbols[(place + 1) % ROOM] = symbol;
        let with_right = table.begin(symbol, self.symbols[right % ROOM]);
        let with_left = table.begin(self.symbols[left % ROOM], symbol);
        self.set(gone + 1, NEVER);
        self.made = [(with_right, place + 1), (with_left, left)];
        false
    }

    /// The symbols that are left, with their places.
    #[inline(always)]
    pub(crate) fn left(&self) -> impl Iterator<Item = (usize, u32)> {
        let mut alive = self.alive;
        std::iter::from_fn(move || {
            let place = alive.trailing_zeros() as usize;
            alive &= alive.wrapping_sub(1);
            (place < SHORT).then(|| (place, self.symbols[place + 1]))
        })
    }
}

/// The first `len` places.
#[inline(always)]
fn below(len: usize) -> u64 {
    if len < 64 { (1 << len) - 1 } else { u64::MAX }
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
    /// Merges the symbols of a word until no pair of them is in the table.
    pub(crate) fn merge(&self, word: &mut Vec<Symbol>, scratch: &mut MergeScratch) {
        if word.len() > SHORT {
            self.merge_long(word, scratch);
            return;
        }
        let [lane, ..] = &mut *scratch.lanes;
        let symbols = |filling: &mut Filling<'_>| word.iter().for_each(|symbol| filling.push(symbol.id));
        lane.begin(symbols, |_, left, right| self.rank(left, right));
        while !lane.step(self) {}
        let mut places = lane.left().map(|(place, _)| place).skip(1).chain([word.len()]);
        let mut kept = 0;
        for (place, id) in lane.left() {
            let end = places.next().unwrap_or(word.len());
            let len = word[place..end].iter().map(|symbol| symbol.len).sum();
            word[kept] = Symbol { id, len };
            kept += 1;
        }
        word.truncate(kept);
    }

    /// Merges short words, several at a time.
    #[inline(always)]
    pub(crate) fn merge_all(&self, words: &mut impl Words, scratch: &mut MergeScratch) {
        let lanes = &mut *scratch.lanes;
        let count = words.count();
        let mut busy = count.min(WIDTH);
        let mut next = busy;
        let mut order: [usize; WIDTH] = std::array::from_fn(|i| i);
        for (number, lane) in lanes.iter_mut().enumerate().take(busy) {
            lane.word = number;
            words.begin(number, lane);
        }
        while busy > 0 {
            let mut turn = 0;
            while turn < busy {
                let lane = &mut lanes[order[turn] % WIDTH];
                if lane.step(self) {
                    words.end(lane.word, lane);
                    if next < count {
                        lane.word = next;
                        words.begin(next, lane);
                        next += 1;
                    } else {
                        busy -= 1;
                        order.swap(turn, busy);
                        continue;
                    }
                }
                turn += 1;
            }
        }
    }

    fn merge_long(&self, word: &mut Vec<Symbol>, scratch: &mut MergeScratch) {
        let MergeScratch { next, links, heap, .. } = scratch;
        let last = word.len() as u32 - 1;
        next.clear();
        next.extend(word.windows(2).map(|pair| self.rank(pair[0].id, pair[1].id)));
        next.push(NEVER);
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
                .filter(|(_, rank)| **rank != NEVER)
                .map(|(i, rank)| candidate(*rank, i as u32)),
        );
        let mut queue = BinaryHeap::from(candidates);
        while let Some(Reverse(top)) = queue.pop() {
            let (rank, place) = ((top >> 32) as u32, top as u32);
            let i = place as usize;
            // A symbol that is gone has no merge, and a pair that changed has another one.
            if next[i] != rank {
                continue;
            }
            let gone = links[i].after as usize;
            let after = links[gone].after;
            word[i] = Symbol { id: self.merged(rank), len: word[i].len + word[gone].len };
            word[gone].len = 0;
            next[gone] = NEVER;
            links[i].after = after;
            next[i] = NEVER;
            if after != NONE {
                links[after as usize].before = place;
                next[i] = self.rank(word[i].id, word[after as usize].id);
                if next[i] != NEVER {
                    queue.push(candidate(next[i], place));
                }
            }
            let before = links[i].before;
            if before != NONE {
                let rank = self.rank(word[before as usize].id, word[i].id);
                next[before as usize] = rank;
                if rank != NEVER {
                    queue.push(candidate(rank, before));
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

    /// Words of symbols, and what becomes of them.
    struct All<'a> {
        table: &'a MergeTable,
        words: &'a [Vec<u32>],
        found: Vec<Vec<u32>>,
    }

    impl Words for All<'_> {
        fn count(&self) -> usize {
            self.words.len()
        }

        fn begin(&mut self, number: usize, lane: &mut Lane) {
            let word = &self.words[number];
            let symbols = |filling: &mut Filling<'_>| word.iter().for_each(|&symbol| filling.push(symbol));
            lane.begin(symbols, |_, left, right| self.table.rank(left, right));
        }

        fn end(&mut self, number: usize, lane: &Lane) {
            self.found[number] = lane.left().map(|(_, id)| id).collect();
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
            let table = MergeTable::new(merges.iter().copied()).unwrap();
            let mut expected = symbols(&ids);
            reference(&merges, &mut expected);
            if expected.is_empty() {
                return Ok(());
            }
            let mut scratch = MergeScratch::default();
            let mut word = symbols(&ids);
            table.merge(&mut word, &mut scratch);
            prop_assert_eq!(&word, &expected);
            let mut word = symbols(&ids);
            table.merge_long(&mut word, &mut scratch);
            prop_assert_eq!(&word, &expected);
        }

        #[test]
        fn words_that_take_turns_merge_as_each_alone(
            merges in prop::collection::vec((0u32..12, 0u32..12, 0u32..12), 0..60),
            words in prop::collection::vec(prop::collection::vec(0u32..8, 0..=SHORT), 0..40),
        ) {
            let table = MergeTable::new(merges.iter().copied()).unwrap();
            let mut all = All { table: &table, words: &words, found: vec![Vec::new(); words.len()] };
            table.merge_all(&mut all, &mut MergeScratch::default());
            let found = all.found;
            for (word, found) in words.iter().zip(found) {
                let mut expected = symbols(word);
                reference(&merges, &mut expected);
                let expected: Vec<u32> = expected.iter().map(|symbol| symbol.id).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn of_merges_into_one_token_the_leftmost_comes_first() {
        let merges = [(0, 0, 1), (1, 0, 2), (0, 1, 2)];
        let word = || symbols(&[0, 1, 0]);
        let merged = |table: Option<MergeTable>| {
            let table = table.unwrap();
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
        let table = MergeTable::new(merges.into_iter()).unwrap();
        let mut word = symbols(&vec![0; 1_000_003]);
        table.merge(&mut word, &mut MergeScratch::default());
        let ids: Vec<u32> = word.iter().map(|symbol| symbol.id).collect();
        assert_eq!(ids.len(), 125_002);
        assert_eq!(ids[125_000..], [1, 0]);
    }
}
