//! What are the ids of the next hundreds of pieces?
//!
//! Looks of one after the other wait for memory one after the other. Here each is begun when its piece is
//! found, and ended when hundreds are begun, so that they wait together; and those that are not known are
//! named together, so that they are worked out together. The ids of most pieces stand in the table, and are
//! written one after the other; what else there is, the exceptions, is put between them at the end.

use std::ops::Range;

use bowstring_simd::prefetch;

use super::{
    INLINE, IS_LONG, Ids, Key, LONG, MASKS, Memo, STORE_BYTES, STORE_IDS, halves, hash, is_long, key,
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
    /// The bucket of each piece.
    buckets: [u32; MANY],
    /// The ids that stand in the table, one after the other, and how many they are.
    ids: [u32; MANY * INLINE + 4],
    known: usize,
    exceptions: Vec<Exception>,
    /// The exceptions that are not known.
    missing: Vec<u16>,
    /// The ids of those that are not remembered either.
    own: Vec<u32>,
    /// Of long pieces a few bits of the hash, by others: one that comes a second time is remembered. Most
    /// come once.
    seen: Vec<u16>,
}

/// A piece whose ids do not stand in the table.
#[derive(Debug)]
struct Exception {
    piece: u16,
    /// How many of the ids that stand in the table are before it.
    at: u16,
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
            buckets: [0; MANY],
            ids: [0; MANY * INLINE + 4],
            known: 0,
            exceptions: Vec::new(),
            missing: Vec::new(),
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
        self.bounds[0] = start;
    }

    /// Takes the piece of `text` up to `end`, and begins to look for it; whether there is room for no more.
    #[inline(always)]
    pub(crate) fn push(&mut self, memo: &Memo, text: &[u8], start: usize, end: usize) -> bool {
        let at = self.len % MANY;
        let len = end.wrapping_sub(start);
        let (key, hash) = match MASKS.get(len) {
            Some(mask) => {
                let key = match text.get(start..).and_then(|rest| rest.first_chunk::<16>()) {
                    Some(bytes) => masked(halves(bytes), mask, len),
                    None => key(text, start, len),
                };
                (key, hash(key))
            }
            None => {
                let key = match text.get(start..end) {
                    Some(piece) if len <= LONG => long_key(piece),
                    // No piece that is remembered has this one.
                    _ => [0, IS_LONG << 56],
                };
                (key, key[0])
            }
        };
        let bucket = hash as usize & memo.buckets.len().wrapping_sub(1);
        prefetch(&memo.buckets, bucket);
        self.keys[at] = key;
        self.buckets[at] = bucket as u32;
        self.bounds[at + 1] = end;
        self.len = at + 1;
        self.len == MANY
    }

    /// How many of the pieces are not known.
    pub(crate) fn missing(&self) -> usize {
        self.missing.len()
    }

    fn piece(&self, exception: &Exception) -> Range<usize> {
        let piece = usize::from(exception.piece);
        self.bounds[piece]..self.bounds[piece + 1]
    }

    /// Where one stands that is not known, by its number among these.
    #[inline(always)]
    pub(crate) fn missing_piece(&self, number: usize) -> Range<usize> {
        self.piece(&self.exceptions[usize::from(self.missing[number])])
    }

    /// How many ids all of them have.
    pub(crate) fn count(&self) -> usize {
        self.known + self.exceptions.iter().map(|exception| exception.ids.len as usize).sum::<usize>()
    }
}

impl Memo {
    /// Looks up all pieces. Those that are missing then have to be [learnt](Self::learn). Without `IDS` they
    /// are only counted.
    #[inline(always)]
    pub(crate) fn find_all<const IDS: bool>(&mut self, text: &[u8], many: &mut Many) {
        // What was found must not be forgotten before it is read.
        if self.bytes.len() + MANY * LONG > STORE_BYTES || self.ids.len() + MANY * LONG > STORE_IDS {
            self.forget();
        }
        let Many { len, bounds, keys, buckets, ids, known, exceptions, missing, own, .. } = many;
        exceptions.clear();
        missing.clear();
        // One huge piece must not keep its memory for ever.
        own.clear();
        own.shrink_to(MANY * LONG);
        let mut at = 0;
        for (i, (&key, &bucket)) in keys.iter().zip(buckets.iter()).enumerate().take(*len) {
            let found = if is_long(key) {
                self.find_long(key, bucket as usize, &text[bounds[i]..bounds[i + 1]])
            } else {
                self.buckets.get(bucket as usize).and_then(|bucket| bucket.find(key))
            };
            match found {
                Some(found) if !IDS || found.len as usize <= INLINE => {
                    if IDS && let Some(place) = ids.get_mut(at..at + 4) {
                        // Always the same number of words, so that it is one store.
                        place.copy_from_slice(&[found.ids[0], found.ids[1], found.ids[2], 0]);
                    }
                    at += found.len as usize;
                }
                Some(found) => {
                    exceptions.push(Exception { piece: i as u16, at: at as u16, ids: found, own: false });
                }
                None => {
                    missing.push(exceptions.len() as u16);
                    let ids = Ids::default();
                    exceptions.push(Exception { piece: i as u16, at: at as u16, ids, own: false });
                }
            }
        }
        *known = at;
    }

    /// Takes the ids of a piece that is not known, by its number among these.
    #[inline(always)]
    pub(crate) fn learn(&mut self, text: &[u8], many: &mut Many, number: usize, ids: &[u32]) {
        let exception = usize::from(many.missing[number]);
        let piece = &text[many.piece(&many.exceptions[exception])];
        let exception = &mut many.exceptions[exception];
        let key = many.keys[usize::from(exception.piece)];
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
        exception.ids = if keep {
            self.remember(piece, key, ids)
        } else {
            let mut own = Ids { ids: [0; INLINE], len: ids.len() as u32 };
            match own.ids.get_mut(..ids.len()) {
                Some(inline) => inline.copy_from_slice(ids),
                None => {
                    exception.own = true;
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
        for Exception { at, ids, own, .. } in &many.exceptions {
            let at = usize::from(*at);
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
