//! What ids have all pieces of a text? They are looked up hundreds at a time, and those that are not known
//! are merged several at a time.

use std::cell::RefCell;

use bowstring_simd::{self as simd, Work};

use super::SentenceBpe;
use crate::{
    bpe::{self, Lane, MergeScratch, Symbol},
    memo::{Many, Memo},
};

/// What merging needs.
#[derive(Debug, Default)]
pub(super) struct Merging {
    pub word: Vec<Symbol>,
    pub scratch: MergeScratch,
    /// The pieces of many that are merged in turns.
    short: Vec<u16>,
    ids: Vec<u32>,
}

/// Cuts a text into pieces from `start` on, looks them up, and gives them to `take`; without `IDS` they are
/// only counted.
pub(super) struct Pass<'a, const IDS: bool, F> {
    pub kernel: &'a SentenceBpe,
    pub text: &'a str,
    pub start: usize,
    pub many: &'a mut Many,
    pub memo: &'a mut Memo,
    pub merging: &'a mut Merging,
    pub take: F,
}

impl<const IDS: bool, F: FnMut(&Memo, &Many)> Work for Pass<'_, IDS, F> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let (text, mut start) = (self.text, self.start);
        self.many.begin(start);
        while start < text.len() {
            let end = self.kernel.end(text, start);
            if self.many.push(self.memo, text.as_bytes(), start, end) {
                self.end(end);
            }
            start = end;
        }
        self.end(start);
    }
}

impl<const IDS: bool, F: FnMut(&Memo, &Many)> Pass<'_, IDS, F> {
    /// Ends the looks that were begun; the next piece starts at `next`.
    #[inline(never)]
    fn end(&mut self, next: usize) {
        simd::run(End(self));
        self.many.begin(next);
    }
}

struct End<'p, 'a, const IDS: bool, F>(&'p mut Pass<'a, IDS, F>);

impl<const IDS: bool, F: FnMut(&Memo, &Many)> Work for End<'_, '_, IDS, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Pass { kernel, text, many, memo, merging, take, .. } = self.0;
        memo.find_all::<IDS>(text.as_bytes(), many);
        if many.missing() > 0 {
            kernel.work_out(text, many, memo, merging);
        }
        take(memo, many);
    }
}

impl SentenceBpe {
    /// Works out the pieces that are not known.
    #[inline(always)]
    fn work_out(&self, text: &str, many: &mut Many, memo: &mut Memo, merging: &mut Merging) {
        let mut ids = std::mem::take(&mut merging.ids);
        let mut short = std::mem::take(&mut merging.short);
        short.clear();
        for number in 0..many.missing() {
            let piece = &text[many.missing_piece(number)];
            if piece.len() <= bpe::SHORT {
                short.push(number as u16);
            } else {
                ids.clear();
                self.merge(piece, merging, &mut ids);
                memo.learn(text.as_bytes(), many, number, &ids);
            }
        }
        let Merging { word, scratch, .. } = merging;
        let pieces = RefCell::new(many);
        self.merges.merge_all(
            short.len(),
            scratch,
            |number, lane| {
                let piece = &text[pieces.borrow().missing_piece(usize::from(short[number]))];
                self.begin(piece, word, lane);
            },
            |number, lane| {
                ids.clear();
                ids.extend(lane.left().map(|(_, id)| id));
                memo.learn(text.as_bytes(), &mut pieces.borrow_mut(), usize::from(short[number]), &ids);
            },
        );
        // One long piece must not keep its memory for ever.
        ids.clear();
        ids.shrink_to(1 << 12);
        merging.ids = ids;
        merging.short = short;
    }

    /// Puts a piece into a lane.
    #[inline(always)]
    fn begin(&self, piece: &str, word: &mut Vec<Symbol>, lane: &mut Lane) {
        self.symbols(piece, word);
        let symbols = word.iter().map(|symbol| symbol.id);
        let bytes = piece.as_bytes();
        // Each character of ASCII is one symbol, unless unknown ones are fused.
        if piece.is_ascii() && word.len() == bytes.len() {
            lane.begin(symbols, |place, _, _| {
                let pair = usize::from(bytes[place]) << 7 | usize::from(bytes[place + 1]);
                self.pairs[pair % self.pairs.len()]
            });
        } else {
            lane.begin(symbols, |_, left, right| self.merges.rank(left, right));
        }
    }
}
