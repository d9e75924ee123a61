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

/// How many ids stand in the entries of all pieces, at the most.
const MOST: usize = (MANY * INLINE).next_power_of_two();

/// Consecutive pieces of a text, and what is known of them.
#[derive(Debug)]
pub(crate) struct Many {
    /// Where the first piece begins.
    start: usize,
    len: usize,
    pieces: [Piece; MANY],
    /// The ids that are known, one after the other, with room for those of one more entry behind them, and how
    /// many they are.
    ids: [u32; MOST + INLINE + 1],
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

/// What a piece is looked for by.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    key: Key,
    /// The bucket is a part of it.
    hash: u64,
    end: usize,
}

/// Where a text ends.
#[derive(Debug)]
struct End {
    /// How many pieces are before it, and how many of the known ids.
    piece: u16,
    at: u32,
}

/// A piece that is not known, or has many ids.
#[derive(Debug)]
struct Missing {
    piece: u16,
    /// How many of the known ids are before it.
    at: u32,
    /// None until it is known.
    ids: Ids,
    /// Whether its ids stand in `own`.
    own: bool,
}

impl Default for Many {
    fn default() -> Self {
        Self {
            start: 0,
            len: 0,
            pieces: [Piece::default(); MANY],
            ids: [0; MOST + INLINE + 1],
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
        self.start = start;
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
        let buckets = memo.buckets.as_slice();
        let mask = buckets.len().wrapping_sub(1);
        let mut places = self.pieces.get_mut(self.len..).unwrap_or_default().iter_mut();
        let room = places.len();
        while let Some(place) = places.next() {
            let Some((start, end)) = pieces.next() else {
                self.len += room - places.len() - 1;
                return None;
            };
            let size = end.wrapping_sub(start);
            if let Some(size_mask) = MASKS.get(size)
                && let Some(bytes) = text.get(start..).and_then(<[u8]>::first_chunk)
            {
                let key = masked(halves(bytes), size_mask, size);
                let hash = hash(key);
                prefetch(buckets, hash as usize & mask);
                *place = Piece { key, hash, end };
            } else {
                *place = rare(text, start, end);
                prefetch(buckets, place.hash as usize & mask);
            }
        }
        self.len += room;
        Some(pieces)
    }

    /// Where the last piece ends.
    pub(crate) fn last(&self) -> usize {
        self.end(self.len)
    }

    /// Where so many pieces end.
    #[inline(always)]
    fn end(&self, pieces: usize) -> usize {
        pieces.checked_sub(1).map_or(self.start, |last| self.pieces[last].end)
    }

    /// How many of the pieces are not known, or have many ids.
    pub(crate) fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Whether one of them is known.
    #[inline(always)]
    pub(crate) fn is_known(&self, number: usize) -> bool {
        self.missing[number].ids.len > 0
    }

    /// Where one stands that is not known, by its number among these.
    #[inline(always)]
    pub(crate) fn missing_piece(&self, number: usize) -> Range<usize> {
        let piece = usize::from(self.missing[number].piece);
        self.end(piece)..self.end(piece + 1)
    }

    /// The id of one that is not known, by its number among these, if it is one of `tokens`.
    #[inline(always)]
    pub(crate) fn missing_token(&self, number: usize, tokens: &Memo) -> Option<u32> {
        let Piece { key, hash, .. } = self.pieces[usize::from(self.missing[number].piece)];
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

/// What a piece is looked for by that is long, or near the end of the text.
#[cold]
#[inline(never)]
fn rare(text: &[u8], start: usize, end: usize) -> Piece {
    let key = match text.get(start..end) {
        Some(piece) if piece.len() <= SHORT => key(text, start, piece.len()),
        Some(piece) if piece.len() <= LONG => long_key(piece),
        // No piece that is remembered has this one.
        _ => [0, IS_LONG << 56],
    };
    let hash = if is_long(key) { key[0] } else { hash(key) };
    Piece { key, hash, end }
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
        let Many { start, len, pieces, ids, known, missing, texts, own, .. } = many;
        missing.clear();
        // One huge piece must not keep its memory for ever.
        own.clear();
        own.shrink_to(MANY * LONG);
        let memo = &*self;
        let buckets = memo.buckets.as_slice();
        let mask = buckets.len().wrapping_sub(1);
        let pieces = pieces.get(..*len).unwrap_or_default();
        let mut ends = texts.iter_mut();
        let (mut first, mut at) = (0, 0);
        loop {
            let end = ends.next();
            let stop = end.as_ref().map_or(pieces.len(), |end| usize::from(end.piece));
            for (i, piece) in (pieces.get(first..stop).unwrap_or_default()).iter().enumerate() {
                let bucket = piece.hash as usize & mask;
                let mut found = buckets.get(bucket).and_then(|bucket| bucket.find(piece.key));
                if found.is_none() && is_long(piece.key) {
                    let start = (first + i).checked_sub(1).map_or(*start, |before| pieces[before].end);
                    found = memo.find_long(piece.key, bucket, &text[start..piece.end]);
                }
                match found {
                    Some(found) if !IDS || found.len as usize <= INLINE => {
                        if IDS && let Some(place) = ids.get_mut(at % MOST..at % MOST + INLINE + 1) {
                            // Always the same number of words, so that it is one store.
                            place.copy_from_slice(&[found.ids[0], found.ids[1], found.ids[2], found.len]);
                        }
                        at += found.len as usize;
                    }
                    _ => {
                        prefetch(&tokens.buckets, piece.hash as usize & tokens.buckets.len().wrapping_sub(1));
                        let (piece, ids) = ((first + i) as u16, found.unwrap_or_default());
                        missing.push(Missing { piece, at: at as u32, ids, own: false });
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
        let key = many.pieces[usize::from(missing.piece)].key;
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
