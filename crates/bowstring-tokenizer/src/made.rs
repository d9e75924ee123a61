//! Which tokens does merging make of their own symbols?
//!
//! Nearly all: the others are made for something else, or are only part of others. A piece of text that is
//! one of the first need not be merged.

use bowstring_simd::{self as simd, Work};

use crate::{
    bpe::{self, Lane, MergeScratch, Words},
    merging::{Merging, Working},
};

/// Whether each of `tokens`, of text as it is before it becomes symbols, becomes its id when it is merged.
pub(crate) fn made(kernel: &impl Merging, tokens: &[(Box<str>, u32)]) -> Vec<bool> {
    let mut made = vec![false; tokens.len()];
    let (mut working, mut ids) = (Working::default(), Vec::new());
    let mut short = Vec::with_capacity(tokens.len());
    for (number, (token, id)) in tokens.iter().enumerate() {
        if token.len() <= bpe::SHORT {
            short.push(number);
        } else {
            ids.clear();
            working.append_one(kernel, token, 0, token.len(), &mut ids);
            made[number] = ids == [*id];
        }
    }
    simd::run(Short { kernel, tokens, short: &short, made: &mut made });
    made
}

/// Tokens of few symbols.
struct Short<'a, K> {
    kernel: &'a K,
    tokens: &'a [(Box<str>, u32)],
    /// Which of them have few.
    short: &'a [usize],
    made: &'a mut [bool],
}

impl<K: Merging> Work for Short<'_, K> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let kernel = self.kernel;
        kernel.table().merge_all(&mut self, &mut MergeScratch::default());
    }
}

impl<K: Merging> Words for Short<'_, K> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.short.len()
    }

    #[inline(always)]
    fn begin(&mut self, number: usize, lane: &mut Lane) {
        let (token, _) = &self.tokens[self.short[number]];
        self.kernel.begin(token, lane);
    }

    #[inline(always)]
    fn end(&mut self, number: usize, lane: &Lane) {
        let number = self.short[number];
        self.made[number] = lane.left().map(|(_, id)| id).eq([self.tokens[number].1]);
    }
}
