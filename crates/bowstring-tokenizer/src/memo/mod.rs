//! Which ids did this piece of text have the last time?
//!
//! A table of one thread from the raw bytes of a piece to its ids, looked up once for each piece, in
//! buckets of two entries that fill one cache line: a new piece takes the first place, what stood there
//! moves to the second, and what stood second is forgotten. Pieces of at most [`SHORT`] bytes are their own
//! keys; of longer ones, up to [`LONG`] bytes, the key is a hash, and their bytes stand in a store to
//! compare with. Ids that are too many to stand in an entry stand in another store; when a store is full,
//! everything is forgotten, and the table fills again from what the text holds now. The table grows
//! with what it is given, to 20 MB with its stores at the most: a text in many languages has hundreds of
//! thousands of different pieces, and the work that a miss takes is a hundred times that of a look.

mod many;

use std::{fmt, ops::Range};

use bowstring_simd::{large_pages, prefetch};

pub(crate) use many::Many;

/// The longest piece that is its own key.
const SHORT: usize = 15;
/// The longest piece that is remembered.
pub(crate) const LONG: usize = 256;
/// How many ids stand in an entry.
const INLINE: usize = 3;
/// Buckets of two entries, 64 bytes each: at first, and at the most; they grow eightfold, since putting all
/// pieces into new ones takes long.
const BUCKETS: (usize, usize) = (1 << 8, 1 << 17);
/// Bytes of long pieces, and ids of all that do not stand in entries.
const STORE_BYTES: usize = 1 << 22;
const STORE_IDS: usize = 1 << 21;

/// The bytes of a short piece, zeros behind them, and its length in the last byte. Of a long piece its hash,
/// a last byte of [`IS_LONG`] when it is looked for, its length in the two bytes before, and zeros; in an entry
/// the last byte is one less, and the lower four bytes say where it begins in the store.
type Key = [u64; 2];

/// The last byte of the key of a long piece, which no entry has: what is found by its key alone is short.
const IS_LONG: u64 = 0xFF;
/// What the last byte is less by in an entry.
const IN_ENTRY: u64 = 1 << 56;

/// What masks away the bytes behind the first `i`.
const MASKS: [Key; SHORT + 1] = {
    let mut masks = [[0; 2]; SHORT + 1];
    let mut i = 0;
    while i <= SHORT {
        let mask = (1u128 << (8 * i)) - 1;
        masks[i] = [mask as u64, (mask >> 64) as u64];
        i += 1;
    }
    masks
};

/// A piece of no bytes has no key of its own, so that a key of zeros means an empty entry.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    key: Key,
    ids: Ids,
}

/// The ids themselves, or where they stand in the store when they are more than [`INLINE`].
#[derive(Clone, Copy, Debug, Default)]
struct Ids {
    ids: [u32; INLINE],
    len: u32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket([Entry; 2]);

impl Bucket {
    #[inline(always)]
    fn find(&self, key: Key) -> Option<Ids> {
        // Which of them it is cannot be guessed, so there is no branch.
        let entry = &self.0[usize::from(self.0[1].key == key)];
        (entry.key == key).then_some(entry.ids)
    }
}

/// A look that was begun; by default at a piece of no bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Begun(Key);

/// The memo of one thread.
#[derive(Default)]
pub(crate) struct Memo {
    buckets: Vec<Bucket>,
    /// Pieces put into `buckets` since they grew or were emptied.
    inserted: usize,
    bytes: Vec<u8>,
    ids: Vec<u32>,
    /// Where the ids of a piece stand that is only counted.
    counted: Vec<u32>,
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo")
            .field("buckets", &self.buckets.len())
            .field("bytes", &self.bytes.len())
            .field("ids", &self.ids.len())
            .finish_non_exhaustive()
    }
}

impl Memo {
    /// A memo of those `tokens` that are short, about `count`, each a piece with one id. Where many share a
    /// bucket some are forgotten.
    pub(crate) fn of_tokens<'a>(tokens: impl Iterator<Item = (&'a [u8], u32)>, count: usize) -> Self {
        let buckets = empty(count.next_power_of_two().clamp(BUCKETS.0, BUCKETS.1));
        let mut memo = Self { buckets, ..Self::default() };
        for (token, id) in tokens.filter(|(token, _)| (1..=SHORT).contains(&token.len())) {
            memo.place(Entry { key: key(token, 0, token.len()), ids: Ids { ids: [id, 0, 0], len: 1 } });
        }
        memo
    }

    /// The one id of a piece, if it is known.
    pub(crate) fn token(&self, piece: &[u8]) -> Option<u32> {
        let ids = self.find(piece, 0..piece.len()).ok().filter(|ids| ids.len == 1)?;
        Some(ids.ids[0])
    }

    /// Appends the ids of `text[range]`; `slow` says them when they are not known, by appending them.
    ///
    /// # Panics
    ///
    /// If `range` is not within `text`.
    #[inline(always)]
    pub(crate) fn append(
        &mut self,
        text: &[u8],
        range: Range<usize>,
        out: &mut Vec<u32>,
        slow: impl FnOnce(&[u8], &mut Vec<u32>),
    ) {
        let begun = self.begin(text, &range);
        self.end::<true>(begun, text, range, out, slow);
    }

    /// The same for what is long, has many ids, or is not known.
    #[inline(never)]
    fn append_rare(
        &mut self,
        text: &[u8],
        range: Range<usize>,
        out: &mut Vec<u32>,
        slow: impl FnOnce(&[u8], &mut Vec<u32>),
    ) {
        match self.find(text, range.clone()) {
            Ok(ids) if ids.len as usize <= INLINE => {
                out.extend(ids.ids.iter().take(ids.len as usize));
            }
            Ok(ids) => out.extend_from_slice(self.stored(ids)),
            Err(key) => self.miss(&text[range], key, out, slow),
        }
    }

    /// How many ids `text[range]` has; `slow` says them when they are not known, by appending them.
    ///
    /// # Panics
    ///
    /// If `range` is not within `text`.
    #[inline(always)]
    pub(crate) fn count(
        &mut self,
        text: &[u8],
        range: Range<usize>,
        slow: impl FnOnce(&[u8], &mut Vec<u32>),
    ) -> usize {
        let begun = self.begin(text, &range);
        self.end::<false>(begun, text, range, &mut Vec::new(), slow)
    }

    /// The same for what is long, has many ids, or is not known.
    #[inline(never)]
    fn count_rare(
        &mut self,
        text: &[u8],
        range: Range<usize>,
        slow: impl FnOnce(&[u8], &mut Vec<u32>),
    ) -> usize {
        match self.find(text, range.clone()) {
            Ok(ids) => ids.len as usize,
            Err(key) => {
                let mut out = std::mem::take(&mut self.counted);
                out.clear();
                self.miss(&text[range], key, &mut out, slow);
                let count = out.len();
                // One long piece must not keep its memory for ever.
                out.clear();
                out.shrink_to(LONG);
                self.counted = out;
                count
            }
        }
    }

    /// Begins to look for `text[range]`: says what it is known by, and fetches what is known of it.
    ///
    /// # Panics
    ///
    /// If `range` is not within `text`.
    #[inline(always)]
    pub(crate) fn begin(&self, text: &[u8], range: &Range<usize>) -> Begun {
        let len = range.end.wrapping_sub(range.start);
        let key = match (MASKS.get(len), text.get(range.start..).and_then(<[u8]>::first_chunk::<16>)) {
            (Some(mask), Some(bytes)) => masked(halves(bytes), mask, len),
            (Some(_), None) => key(text, range.start, len),
            (None, _) if len <= LONG => long_key(&text[range.clone()]),
            // No piece that is remembered has this one.
            (None, _) => [0, IS_LONG << 56],
        };
        prefetch(&self.buckets, self.bucket(key));
        Begun(key)
    }

    /// The ids of the piece that was begun to be looked for, `text[range]`, appended if `IDS`, and how many they
    /// are; `slow` says them when they are not known, by appending them.
    #[inline(always)]
    pub(crate) fn end<const IDS: bool>(
        &mut self,
        Begun(key): Begun,
        text: &[u8],
        range: Range<usize>,
        out: &mut Vec<u32>,
        slow: impl FnOnce(&[u8], &mut Vec<u32>),
    ) -> usize {
        let found = self.find_short(key).filter(|ids| !IDS || ids.len as usize <= INLINE);
        match found {
            Some(ids) => {
                let end = out.len() + ids.len as usize;
                if IDS {
                    // Always the same number of words, so that it is one store.
                    out.extend_from_slice(&[ids.ids[0], ids.ids[1], ids.ids[2], 0]);
                    out.truncate(end);
                }
                ids.len as usize
            }
            None if IDS => {
                let before = out.len();
                self.append_rare(text, range, out, slow);
                out.len() - before
            }
            None => self.count_rare(text, range, slow),
        }
    }

    /// The ids of a piece, or what it would be remembered by.
    fn find(&self, text: &[u8], range: Range<usize>) -> Result<Ids, Option<Key>> {
        let len = range.len();
        if len > LONG {
            return Err(None);
        }
        if len > SHORT {
            let piece = &text[range];
            let key = long_key(piece);
            return self.find_long(key, self.bucket(key), piece).ok_or(Some(key));
        }
        let key = key(text, range.start, len);
        self.find_short(key).ok_or(Some(key))
    }

    #[inline(always)]
    fn find_short(&self, key: Key) -> Option<Ids> {
        self.buckets.get(self.bucket(key))?.find(key)
    }

    /// The ids of a long piece in the bucket of its key.
    fn find_long(&self, key: Key, bucket: usize, piece: &[u8]) -> Option<Ids> {
        let entries = &self.buckets.get(bucket)?.0;
        let same = |entry: &&Entry| {
            let start = entry.key[1] as u32 as usize;
            entry.key[0] == key[0]
                && entry.key[1] >> 32 == (key[1] ^ IN_ENTRY) >> 32
                && self.bytes.get(start..start + piece.len()) == Some(piece)
        };
        entries.iter().find(same).map(|entry| entry.ids)
    }

    #[inline(always)]
    fn bucket(&self, key: Key) -> usize {
        let hash = if is_long(key) { key[0] } else { hash(key) };
        // The number of buckets is a power of two, or 0 before the first piece.
        hash as usize & self.buckets.len().wrapping_sub(1)
    }

    fn stored(&self, ids: Ids) -> &[u32] {
        let start = ids.ids[0] as usize;
        self.ids.get(start..start + ids.len as usize).unwrap_or_default()
    }

    /// Appends what `slow` says, and remembers it.
    #[cold]
    #[inline(never)]
    fn miss(
        &mut self,
        piece: &[u8],
        key: Option<Key>,
        out: &mut Vec<u32>,
        slow: impl FnOnce(&[u8], &mut Vec<u32>),
    ) {
        let start = out.len();
        slow(piece, out);
        if let Some(key) = key
            && !piece.is_empty()
        {
            self.remember(piece, key, &out[start..]);
        }
    }

    /// Remembers the ids of a piece that is not known.
    #[inline(always)]
    fn remember(&mut self, piece: &[u8], mut key: Key, ids: &[u32]) -> Ids {
        let ids = if is_long(key) {
            let ids = self.store(piece, ids);
            key[1] ^= IN_ENTRY | (self.bytes.len() - piece.len()) as u64;
            ids
        } else {
            self.store(&[], ids)
        };
        self.insert(Entry { key, ids });
        ids
    }

    /// Puts bytes and ids into the stores, and forgets everything first if they are full.
    fn store(&mut self, bytes: &[u8], ids: &[u32]) -> Ids {
        if self.bytes.len() + bytes.len() > STORE_BYTES || self.ids.len() + ids.len() > STORE_IDS {
            self.forget();
        }
        self.bytes.extend_from_slice(bytes);
        let len = ids.len() as u32;
        let mut inline = [0; INLINE];
        if ids.len() <= INLINE {
            inline[..ids.len()].copy_from_slice(ids);
        } else {
            inline[0] = self.ids.len() as u32;
            self.ids.extend_from_slice(ids);
        }
        Ids { ids: inline, len }
    }

    fn forget(&mut self) {
        self.buckets.fill(Bucket::default());
        self.inserted = 0;
        self.bytes.clear();
        self.ids.clear();
    }

    fn insert(&mut self, entry: Entry) {
        if self.inserted >= self.buckets.len() && self.buckets.len() < BUCKETS.1 {
            let grown = if self.buckets.is_empty() { BUCKETS.0 } else { self.buckets.len() * 8 };
            let old = std::mem::replace(&mut self.buckets, empty(grown.min(BUCKETS.1)));
            self.inserted = 0;
            for Bucket([first, second]) in old {
                for entry in [second, first].into_iter().filter(|entry| entry.key != Key::default()) {
                    self.place(entry);
                }
            }
        }
        self.place(entry);
    }

    fn place(&mut self, entry: Entry) {
        let index = self.bucket(entry.key);
        let Bucket([first, second]) = &mut self.buckets[index];
        *second = std::mem::replace(first, entry);
        self.inserted += 1;
    }
}

/// So many empty buckets.
fn empty(len: usize) -> Vec<Bucket> {
    let mut buckets = Vec::with_capacity(len);
    large_pages(buckets.spare_capacity_mut());
    buckets.resize(len, Bucket::default());
    buckets
}

/// The key of the `len` bytes at `start`, at most [`SHORT`].
fn key(text: &[u8], start: usize, len: usize) -> Key {
    let mut padded = [0; 16];
    padded[..len].copy_from_slice(&text[start..start + len]);
    masked(halves(&padded), &MASKS[len], len)
}

/// The key of the first `len` bytes.
#[inline(always)]
fn masked([low, high]: Key, mask: &Key, len: usize) -> Key {
    [low & mask[0], high & mask[1] | (len as u64) << 56]
}

#[inline(always)]
fn halves(bytes: &[u8; 16]) -> Key {
    let both = u128::from_le_bytes(*bytes);
    [both as u64, (both >> 64) as u64]
}

/// A folded product: both halves of the key reach the low bits.
#[inline(always)]
fn hash([low, high]: Key) -> u64 {
    fold(low ^ 0x9E37_79B9_7F4A_7C15, high ^ 0xD6E8_FEB8_6659_FD93)
}

#[inline(always)]
fn is_long([_, last]: Key) -> bool {
    last >= (IS_LONG << 56) ^ IN_ENTRY
}

/// What a long piece is looked for by.
fn long_key(piece: &[u8]) -> Key {
    [hash_long(piece), IS_LONG << 56 | (piece.len() as u64) << 32]
}

fn hash_long(piece: &[u8]) -> u64 {
    let mut state = piece.len() as u64;
    let (chunks, rest) = piece.as_chunks::<16>();
    for chunk in chunks {
        let [low, high] = halves(chunk);
        state = hash([low ^ state, high]);
    }
    let [low, high] = key(rest, 0, rest.len());
    hash([low ^ state, high])
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids that no two pieces share: as many as `len` says, from the bytes.
    fn model(piece: &[u8], out: &mut Vec<u32>) {
        let len = piece.iter().map(|&byte| usize::from(byte)).sum::<usize>() % 6;
        let seed =
            piece.iter().fold(7u32, |seed, &byte| seed.wrapping_mul(257).wrapping_add(u32::from(byte)));
        out.extend((0..len as u32).map(|i| seed ^ i));
    }

    /// Asks for every piece, twice as ids and once as a count.
    fn check(memo: &mut Memo, text: &[u8], range: Range<usize>) {
        let mut expected = vec![1, 2];
        model(&text[range.clone()], &mut expected);
        for _ in 0..2 {
            let mut out = vec![1, 2];
            memo.append(text, range.clone(), &mut out, model);
            assert_eq!(out, expected, "{:?}", &text[range.clone()]);
            let mut out = vec![1, 2];
            let begun = memo.begin(text, &range);
            // What is known may change before the end.
            memo.append(text, range.end..text.len().min(range.end + 20), &mut Vec::new(), model);
            let count = memo.end::<false>(begun, text, range.clone(), &mut Vec::new(), model);
            assert_eq!(memo.end::<true>(begun, text, range.clone(), &mut out, model), count);
            assert_eq!((out.len() - 2, &out), (count, &expected), "{:?}", &text[range.clone()]);
        }
        assert_eq!(memo.count(text, range, model), expected.len() - 2);
    }

    fn bytes_held(memo: &Memo) -> usize {
        memo.buckets.capacity() * size_of::<Bucket>()
            + memo.bytes.capacity()
            + (memo.ids.capacity() + memo.counted.capacity()) * 4
    }

    #[test]
    fn every_piece_keeps_its_ids_whatever_is_replaced() {
        let mut memo = Memo::default();
        let mut state = 1u64;
        let text: Vec<u8> = (0..100_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 60) as u8
            })
            .collect();
        for round in 0..2 {
            for start in 0..text.len() - 300 {
                let len = [0, 1, 2, 3, 7, 8, 9, 14, 15, 16, 17, 31, 40][(start + round) % 13];
                check(&mut memo, &text, start..start + len);
            }
        }
        for len in [LONG - 1, LONG, LONG + 1] {
            check(&mut memo, &text, 5..5 + len);
        }
        assert!(bytes_held(&memo) <= 20 << 20, "{}", bytes_held(&memo));
    }

    #[test]
    fn pieces_that_differ_only_in_zeros_behind_them_differ() {
        let text = [0; 40];
        let mut memo = Memo::default();
        for len in 0..40 {
            let mut out = Vec::new();
            memo.append(&text, 0..len, &mut out, |piece, out| out.push(piece.len() as u32));
            assert_eq!(out, [len as u32]);
        }
        for len in 1..40 {
            let mut out = Vec::new();
            memo.append(&text, 0..len, &mut out, |_, _| {});
            assert_eq!(out, [len as u32], "is remembered");
        }
    }

    #[test]
    fn pieces_of_one_bucket_do_not_answer_for_each_other() {
        let mut memo = Memo::default();
        memo.append(b"first", 0..5, &mut Vec::new(), |_, out| out.push(1));
        let of = |memo: &Memo, piece: &[u8]| memo.bucket(key(piece, 0, piece.len()));
        let here = of(&memo, b"first");
        let others: Vec<[u8; 4]> =
            (0..100_000u32).map(u32::to_le_bytes).filter(|piece| of(&memo, piece) == here).take(20).collect();
        for (id, piece) in others.iter().enumerate() {
            let mut out = Vec::new();
            memo.append(piece, 0..4, &mut out, |_, out| out.push(id as u32));
            assert_eq!(out, [id as u32]);
        }
        let mut out = Vec::new();
        memo.append(b"first", 0..5, &mut out, |_, out| out.push(2));
        assert_eq!(out, [2], "two newer pieces stand in its bucket");
    }

    #[test]
    fn one_huge_piece_is_counted_and_not_kept() {
        let text = vec![b'a'; 3 << 20];
        let mut memo = Memo::default();
        let count =
            memo.count(&text, 0..text.len(), |piece, out| out.extend(piece.iter().map(|&b| u32::from(b))));
        assert_eq!(count, text.len());
        assert!(bytes_held(&memo) <= 20 << 20);
    }
}
