//! What are the ids of all pieces of a text, by byte-pair encoding?
//!
//! Pieces are looked up hundreds at a time. Of those that are not known many are tokens as they stand, and
//! the others are merged several at a time.

use bowstring_simd::{self as simd, Work};

use crate::{
    bpe::{self, Lane, MergeScratch, Symbol, Words},
    kernel::Section,
    memo::{Many, Memo},
    merge_table::MergeTable,
};

/// A pipeline of byte-pair encoding.
pub(crate) trait Merging {
    /// The pieces of a text, where each starts and ends, in order.
    type Pieces<'a>: Iterator<Item = (usize, usize)>
    where
        Self: 'a;

    /// The pieces of `text` from `start` on, where one starts.
    fn pieces_from<'a>(&'a self, text: &'a str, start: usize) -> Self::Pieces<'a>;

    fn table(&self) -> &MergeTable;

    /// The short pieces that become one token; not all of them need be there.
    fn tokens(&self) -> &Memo;

    /// The id of a piece that is not merged, unless it is among the [`tokens`](Self::tokens).
    fn whole(&self, piece: &str) -> Option<u32>;

    /// Calls `each` with the symbols of a piece, at most one for each byte.
    fn symbols(&self, piece: &str, each: impl FnMut(Symbol));

    /// Puts a piece of at most [`bpe::SHORT`] symbols into a lane.
    fn begin(&self, piece: &str, lane: &mut Lane);
}

/// What a thread keeps.
#[derive(Debug, Default)]
pub(crate) struct Working {
    memo: Memo,
    many: Box<Many>,
    new: New,
    rows: Rows,
}

/// Sections that stand one after the other, as they are cut into pieces.
#[derive(Debug, Default)]
struct Rows {
    text: String,
    ends: Vec<usize>,
}

impl Rows {
    /// Puts sections there, each of which `read` appends as it is cut.
    fn fill(&mut self, sections: &[Section<'_>], mut read: impl FnMut(Section<'_>, &mut String)) {
        self.text.clear();
        self.ends.clear();
        for section in sections {
            read(*section, &mut self.text);
            self.ends.push(self.text.len());
        }
        // So much is read of a short piece, whatever its length.
        self.text.push_str("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }
}

/// What working out new pieces needs.
#[derive(Debug, Default)]
struct New {
    word: Vec<Symbol>,
    scratch: MergeScratch,
    /// The pieces of many that are merged in turns.
    short: Vec<u16>,
    ids: Vec<u32>,
}

impl Working {
    /// Appends the ids of the pieces of `text` from `start` on.
    #[inline(always)]
    pub(crate) fn append(&mut self, kernel: &impl Merging, text: &str, start: usize, out: &mut Vec<u32>) {
        let take = |memo: &Memo, many: &Many| memo.append_all(many, out);
        simd::run(Pass::<true, _, _> { kernel, text, start, ends: &[text.len()], working: self, take });
    }

    /// Appends the ids of several sections, each of which `read` appends to a text as it is cut, and where those
    /// of each end.
    #[inline(always)]
    pub(crate) fn append_sections(
        &mut self,
        kernel: &impl Merging,
        sections: &[Section<'_>],
        read: impl FnMut(Section<'_>, &mut String),
        out: &mut Vec<u32>,
        out_ends: &mut Vec<usize>,
    ) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.fill(sections, read);
        let Rows { text, ends } = &rows;
        let take = |memo: &Memo, many: &Many| {
            out_ends.extend(many.ends().map(|end| out.len() + end));
            memo.append_all(many, out);
        };
        simd::run(Pass::<true, _, _> { kernel, text, start: 0, ends, working: self, take });
        self.rows = rows;
    }

    /// Appends how many ids the first of several sections has, the first two, and so on.
    #[inline(always)]
    pub(crate) fn count_sections(
        &mut self,
        kernel: &impl Merging,
        sections: &[Section<'_>],
        read: impl FnMut(Section<'_>, &mut String),
        counts: &mut Vec<usize>,
    ) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.fill(sections, read);
        let Rows { text, ends } = &rows;
        let mut count = 0;
        let take = |_: &Memo, many: &Many| {
            counts.extend(many.ends().map(|end| count + end));
            count += many.count();
        };
        simd::run(Pass::<false, _, _> { kernel, text, start: 0, ends, working: self, take });
        self.rows = rows;
    }

    /// How many ids they have.
    #[inline(always)]
    pub(crate) fn count(&mut self, kernel: &impl Merging, text: &str, start: usize) -> usize {
        let mut count = 0;
        let take = |_: &Memo, many: &Many| count += many.count();
        simd::run(Pass::<false, _, _> { kernel, text, start, ends: &[text.len()], working: self, take });
        count
    }

    /// Appends the ids of one piece.
    pub(crate) fn append_one(
        &mut self,
        kernel: &impl Merging,
        text: &str,
        start: usize,
        end: usize,
        out: &mut Vec<u32>,
    ) {
        let Self { memo, new, .. } = self;
        memo.append(text.as_bytes(), start..end, out, |_, out| new.merge(kernel, &text[start..end], out));
    }

    /// How many ids one piece has.
    pub(crate) fn count_one(&mut self, kernel: &impl Merging, text: &str, start: usize, end: usize) -> usize {
        let Self { memo, new, .. } = self;
        memo.count(text.as_bytes(), start..end, |_, out| new.merge(kernel, &text[start..end], out))
    }
}

impl New {
    /// Appends the ids of a piece, whatever its length.
    fn merge(&mut self, kernel: &impl Merging, piece: &str, out: &mut Vec<u32>) {
        if let Some(id) = kernel.tokens().token(piece.as_bytes()).or_else(|| kernel.whole(piece)) {
            out.push(id);
            return;
        }
        let Self { word, scratch, .. } = self;
        kernel.symbols(piece, |symbol| word.push(symbol));
        kernel.table().merge(word, scratch);
        out.extend(word.iter().map(|symbol| symbol.id));
        // One long piece must not keep its memory for ever.
        word.clear();
        word.shrink_to(1 << 12);
    }

    /// Whether a piece has few enough symbols for a lane.
    fn is_short(kernel: &impl Merging, piece: &str) -> bool {
        if piece.len() <= bpe::SHORT || piece.len() > 4 * bpe::SHORT {
            return piece.len() <= bpe::SHORT;
        }
        let mut symbols = 0;
        kernel.symbols(piece, |_| symbols += 1);
        symbols <= bpe::SHORT
    }

    /// Works out the pieces that are not known.
    #[inline(always)]
    fn work_out(&mut self, kernel: &impl Merging, text: &str, many: &mut Many, memo: &mut Memo) {
        let mut ids = std::mem::take(&mut self.ids);
        let mut short = std::mem::take(&mut self.short);
        short.clear();
        for number in 0..many.missing() {
            if many.is_known(number) {
                continue;
            }
            let piece = &text[many.missing_piece(number)];
            let known = many.missing_token(number, kernel.tokens());
            if let Some(id) = known.or_else(|| kernel.whole(piece)) {
                memo.learn(text.as_bytes(), many, number, &[id]);
            } else if Self::is_short(kernel, piece) {
                short.push(number as u16);
            } else {
                ids.clear();
                self.merge(kernel, piece, &mut ids);
                memo.learn(text.as_bytes(), many, number, &ids);
            }
        }
        let mut missing = Missing { kernel, text, memo, many, short: &short, ids: &mut ids };
        kernel.table().merge_all(&mut missing, &mut self.scratch);
        // One long piece must not keep its memory for ever.
        ids.clear();
        ids.shrink_to(1 << 12);
        self.ids = ids;
        self.short = short;
    }
}

/// The short pieces that are not known.
struct Missing<'a, K> {
    kernel: &'a K,
    text: &'a str,
    memo: &'a mut Memo,
    many: &'a mut Many,
    /// Their numbers among those that are not known.
    short: &'a [u16],
    ids: &'a mut Vec<u32>,
}

impl<K: Merging> Words for Missing<'_, K> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.short.len()
    }

    #[inline(always)]
    fn begin(&mut self, number: usize, lane: &mut Lane) {
        let piece = self.many.missing_piece(usize::from(self.short[number]));
        self.kernel.begin(&self.text[piece], lane);
    }

    #[inline(always)]
    fn end(&mut self, number: usize, lane: &Lane) {
        self.ids.clear();
        self.ids.extend(lane.left().map(|(_, id)| id));
        self.memo.learn(self.text.as_bytes(), self.many, usize::from(self.short[number]), self.ids);
    }
}

/// Cuts texts, each of which ends at one of `ends`, into pieces, looks them up, and gives them to `take`; without
/// `IDS` they are only counted.
struct Pass<'a, const IDS: bool, K, F> {
    kernel: &'a K,
    text: &'a str,
    start: usize,
    ends: &'a [usize],
    working: &'a mut Working,
    take: F,
}

impl<const IDS: bool, K: Merging, F: FnMut(&Memo, &Many)> Work for Pass<'_, IDS, K, F> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let Self { kernel, text, start, ends, .. } = self;
        self.working.many.begin(start);
        let mut next = start;
        for &end in ends {
            let mut pieces = kernel.pieces_from(&text[..end], next);
            loop {
                let Working { memo, many, .. } = &mut *self.working;
                let Some(rest) = many.take(memo, text.as_bytes(), pieces) else { break };
                pieces = rest;
                let next = self.working.many.last();
                self.end(next);
            }
            self.working.many.end_text();
            next = end;
        }
        self.end(next);
    }
}

impl<const IDS: bool, K: Merging, F: FnMut(&Memo, &Many)> Pass<'_, IDS, K, F> {
    /// Ends the looks that were begun; the next piece starts at `next`.
    #[inline(never)]
    fn end(&mut self, next: usize) {
        simd::run(End(self));
        self.working.many.begin(next);
    }
}

struct End<'p, 'a, const IDS: bool, K, F>(&'p mut Pass<'a, IDS, K, F>);

impl<const IDS: bool, K: Merging, F: FnMut(&Memo, &Many)> Work for End<'_, '_, IDS, K, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Pass { kernel, text, working, take, .. } = self.0;
        let Working { memo, many, new, .. } = &mut **working;
        memo.find_all::<IDS>(text.as_bytes(), many, kernel.tokens());
        if many.missing() > 0 {
            new.work_out(*kernel, text, many, memo);
        }
        take(memo, many);
    }
}
