//! What are the ids of the next hundreds of pieces?
//!
//! Looks of one after the other wait for memory one after the other. Here each is begun when its piece is
//! found, and ended when hundreds are begun, so that they wait together; and those that are not known are
//! named together, so that they are worked out together. The ids of most pieces are known, and are written
//! one after the other; those of the others are put between them at the end.

use std::ops::Range;

use bowstring_simd::prefetch;

use super::{
    INLINE, IS_LONG, Ids, Key, LONG, MASKS, Memo, SHORT, STORE_BYTES, STORE_IDS, halves, hash, is_long, key,
    long_key, masked,
};

/// How many pieces are looked up together.
const MANY: usize = 512;
/// How many long pieces are kept in mind that were seen once.
const SEEN: usize = 1 << 15;

/// Consecutive pieces of a text, and what is known of them.
#[derive(Debug)]
pub(crate) struct Many {
    len: usize,
    /// Where the first piece begins and each ends.
    bounds: [usize; MANY + 1],
    keys: [Key; MANY],
    /// The hash of each piece, of which the bucket is a part.
    hashes: [u32; MANY],
    /// The ids that are known, one after the other, and how many they are; behind them is always room for as
    /// many as stand in the entries of all pieces.
    ids: Vec<u32>,
    known: usize,
    missing: Vec<Missing>,
    /// The ends of texts among the pieces.
    texts: Vec<End>,
    /// The ids of those that are not remembered when they are known either.
    own: Vec<u32>,
    /// Of long pieces a few bits of the hash, by others: one that comes a second time is remembered. Most
    /// come once.
    seen: Vec<u16>,
}

/// How many ids stand in the entries of all pieces, with what is written beyond the last.
const ROOM: usize = MANY * INLINE + 4;

/// Where a text ends.
#[derive(Debug)]
struct End {
    /// How many pieces are before it, and how many of the known ids.
    piece: u16,
    at: u32,
}

/// A piece that is not known.
#[derive(Debug)]
struct Missing {
    piece: u16,
    /// How many of the known ids are before it.
    at: u32,
    ids: Ids,
    /// Whether its ids stand in `own`.
    own: bool,
}

impl Default for Many {
    fn default() -> Self {
        Self {
            len: 0,
            bounds: [0; MANY + 1],
            keys: [Key::default(); MANY],
            hashes: [0; MANY],
            ids: vec![0; ROOM],
            known: 0,
            missing: Vec::new(),
            texts: Vec::new(),
            own: Vec::new(),
            seen: Vec::new(),
        }
    }
}

impl Many {
    /// Begins anew with pieces from `start` on.
    #[inline(always)]
    pub(crate) fn begin(&mut self, start: usize) {
        self.len = 0;
        self.texts.clear();
        self.bounds[0] = start;
    }

    /// Says that a text ends where the last piece does.
    #[inline(always)]
    pub(crate) fn end_text(&mut self) {
        self.texts.push(End { piece: self.len as u16, at: 0 });
    }

    /// Takes more pieces of `text` until there is room for no more, and begins to look for them; those that are
    /// left, unless there were fewer.
    #[inline(always)]
    pub(crate) fn take<P: Iterator<Item = (usize, usize)>>(
        &mut self,
        memo: &Memo,
        text: &[u8],
        mut pieces: P,
    ) -> Option<P> {
        let Self { bounds, keys, hashes, .. } = self;
        let buckets = memo.buckets.as_slice();
        let mask = buckets.len().wrapping_sub(1);
        for len in self.len..MANY {
            let Some((start, end)) = pieces.next() else {
                self.len = len;
                return None;
            };
            let size = end.wrapping_sub(start);
            let hash = if let Some(mask) = MASKS.get(size)
                && let Some(bytes) = text.get(start..).and_then(<[u8]>::first_chunk)
            {
                let key = masked(halves(bytes), mask, size);
                keys[len] = key;
                hash(key)
            } else {
                rare(text, start, end, &mut keys[len])
            };
            prefetch(buckets, hash as usize & mask);
            hashes[len] = hash as u32;
            bounds[len + 1] = end;
        }
        self.len = MANY;
        Some(pieces)
    }

    /// Where the last piece ends.
    pub(crate) fn last(&self) -> usize {
        self.bounds[self.len]
    }

    /// How many of the pieces are not known.
    pub(crate) fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Where one stands that is not known, by its number among these.
    #[inline(always)]
    pub(crate) fn missing_piece(&self, number: usize) -> Range<usize> {
        let piece = usize::from(self.missing[number].piece);
        self.bounds[piece]..self.bounds[piece + 1]
    }

    /// The id of one that is not known, by its number among these, if it is one of `tokens`.
    #[inline(always)]
    pub(crate) fn missing_token(&self, number: usize, tokens: &Memo) -> Option<u32> {
        let piece = usize::from(self.missing[number].piece);
        let (key, hash) = (self.keys[piece], self.hashes[piece]);
        let bucket = tokens.buckets.get(hash as usize & tokens.buckets.len().wrapping_sub(1))?;
        bucket.find(key).filter(|ids| ids.len == 1).map(|ids| ids.ids[0])
    }

    /// How many ids all of them have.
    pub(crate) fn count(&self) -> usize {
        self.known + self.missing.iter().map(|missing| missing.ids.len as usize).sum::<usize>()
    }

    /// How many ids are before the end of each text.
    #[inline(always)]
    pub(crate) fn ends(&self) -> impl Iterator<Item = usize> {
        let mut missing = self.missing.iter().peekable();
        let mut others = 0;
        self.texts.iter().map(move |end| {
            while let Some(missing) = missing.next_if(|missing| missing.piece < end.piece) {
                others += missing.ids.len as usize;
            }
            end.at as usize + others
        })
    }
}

/// Says the key of a piece that is long, or near the end of the text; its hash.
#[cold]
#[inline(never)]
fn rare(text: &[u8], start: usize, end: usize, place: &mut Key) -> u64 {
    *place = match text.get(start..end) {
        Some(piece) if piece.len() <= SHORT => key(text, start, piece.len()),
        Some(piece) if piece.len() <= LONG => long_key(piece),
        // No piece that is remembered has this one.
        _ => [0, IS_LONG << 56],
    };
    if is_long(*place) { place[0] } else { hash(*place) }
}

impl Memo {
    /// Looks up all pieces. Those that are missing then have to be [learnt](Self::learn). Without `IDS` they
    /// are only counted.
    #[inline(always)]
    pub(crate) fn find_all<const IDS: bool>(&mut self, text: &[u8], many: &mut Many, tokens: &Self) {
        // What was found must not be forgotten before it is read.
        if self.bytes.len() + MANY * LONG > STORE_BYTES || self.ids.len() + MANY * LONG > STORE_IDS {
            self.forget();
        }
        let Many { len, bounds, keys, hashes, ids, known, missing, texts, own, .. } = many;
        missing.clear();
        // One huge piece must not keep its memory for ever.
        own.clear();
        own.shrink_to(MANY * LONG);
        let mut at = 0;
        let mask = self.buckets.len().wrapping_sub(1);
        let len = (*len).min(MANY);
        let mut ends = texts.iter_mut();
        let mut first = 0;
        loop {
            let end = ends.next();
            let stop = end.as_ref().map_or(len, |end| usize::from(end.piece).min(len));
            for i in first..stop {
                let (key, hash) = (keys[i], hashes[i]);
                let bucket = hash as usize & mask;
                let found = if is_long(key) {
                    self.find_long(key, bucket, &text[bounds[i]..bounds[i + 1]])
                } else {
                    self.buckets.get(bucket).and_then(|bucket| bucket.find(key))
                };
                match found {
                    Some(found) if !IDS || found.len as usize <= INLINE => {
                        if IDS && let Some(place) = ids.get_mut(at..at + 4) {
                            // Always the same number of words, so that it is one store.
                            place.copy_from_slice(&[found.ids[0], found.ids[1], found.ids[2], found.len]);
                        }
                        at += found.len as usize;
                    }
                    Some(found) => {
                        let stored = self.stored(found);
                        let end = at + stored.len();
                        if ids.len() < end + ROOM {
                            ids.resize(end + ROOM, 0);
                        }
                        ids[at..end].copy_from_slice(stored);
                        at = end;
                    }
                    None => {
                        prefetch(&tokens.buckets, hash as usize & tokens.buckets.len().wrapping_sub(1));
                        let piece = i as u16;
                        missing.push(Missing { piece, at: at as u32, ids: Ids::default(), own: false });
                    }
                }
            }
            match end {
                Some(end) => end.at = at as u32,
                None => break,
            }
            first = stop;
        }
        *known = at;
    }

    /// Takes the ids of a piece that is not known, by its number among these.
    #[inline(always)]
    pub(crate) fn learn(&mut self, text: &[u8], many: &mut Many, number: usize, ids: &[u32]) {
        let piece = &text[many.missing_piece(number)];
        let missing = &mut many.missing[number];
        let key = many.keys[usize::from(missing.piece)];
        let keep = if piece.len() > LONG {
            false
        } else if is_long(key) {
            if many.seen.is_empty() {
                many.seen = vec![0; SEEN];
            }
            let mark = (key[0] >> 48) as u16 | 1;
            std::mem::replace(&mut many.seen[(key[0] >> 20) as usize % SEEN], mark) == mark
        } else {
            // The same piece may have come twice.
            self.find_short(key).is_none()
        };
        missing.ids = if keep {
            self.remember(piece, key, ids)
        } else {
            let mut own = Ids { ids: [0; INLINE], len: ids.len() as u32 };
            match own.ids.get_mut(..ids.len()) {
                Some(inline) => inline.copy_from_slice(ids),
                None => {
                    missing.own = true;
                    own.ids[0] = many.own.len() as u32;
                    many.own.extend_from_slice(ids);
                }
            }
            own
        };
    }

    /// Appends the ids of all pieces.
    #[inline(always)]
    pub(crate) fn append_all(&self, many: &Many, out: &mut Vec<u32>) {
        out.reserve(many.count());
        let mut done = 0;
        for Missing { at, ids, own, .. } in &many.missing {
            let at = *at as usize;
            out.extend_from_slice(&many.ids[done..at]);
            done = at;
            let start = ids.ids[0] as usize;
            match ids.ids.get(..ids.len as usize) {
                Some(ids) => out.extend(ids),
                None if *own => out.extend_from_slice(&many.own[start..start + ids.len as usize]),
                None => out.extend_from_slice(self.stored(*ids)),
            }
        }
        out.extend_from_slice(&many.ids[done..many.known]);
    }
}
