//! What are the ids of the pieces of a text?
//!
//! A piece is what stands between separators of ASCII, or a part of it between characters that stand alone. Each
//! is begun to be looked up when it is found, and ends when some hundred are begun, so that looks wait for
//! memory together.

use bowstring_simd as simd;

use super::{
    Bert, BertScratch,
    alone::Becomes,
    bounds::{BLOCK, Bounds, bounds},
};
use crate::memo::Begun;

/// About how many pieces are looked up together.
const MANY: usize = 256;

/// Longer stretches are cut where other characters than those of ASCII separate.
const WHOLE: usize = 31;

/// A piece of the text, or nothing where it ends as it starts, and a token that follows it: an id and 1, or 0 if
/// none does.
#[derive(Debug)]
pub(super) struct Look {
    start: usize,
    end: usize,
    begun: Begun,
    token: (u32, u32),
}

impl Bert {
    /// Calls `look` with what stands between separators of ASCII, which may be nothing, whether characters
    /// that stand alone may be in it, and the token of the separator that follows it, in the order of the text;
    /// without `IDS` with no tokens, but it says how many those of separators are.
    #[inline(always)]
    fn walk<const IDS: bool>(
        &self,
        text: &str,
        mut look: impl FnMut(usize, usize, bool, (u32, u32)),
    ) -> usize {
        let bytes = text.as_bytes();
        let (mut start, mut open, mut before, mut base, mut tokens) = (0, false, false, 0, 0);
        while let Some(rest) = bytes.get(base..).filter(|rest| !rest.is_empty()) {
            let Bounds { mut begins, ends, marks, last, mut alone } = bounds(rest, open);
            // The space between two words is no event of its own, and there are few others at which no
            // word ends, so that the processor guesses right what comes.
            let mut events = if IDS { ends | marks } else { ends };
            tokens += if IDS { 0 } else { marks.count_ones() as usize };
            while events != 0 {
                let event = events & events.wrapping_neg();
                let at = base + event.trailing_zeros() as usize;
                let separator = bytes.get(at).filter(|_| IDS);
                let token = separator.map_or((0, 0), |&byte| self.separators[usize::from(byte & 127)]);
                if ends & event != 0 {
                    if !open {
                        start = base + begins.trailing_zeros() as usize;
                        begins &= begins.wrapping_sub(1);
                    }
                    open = false;
                    look(start, at, before | (alone & (event - 1) != 0), token);
                    alone &= !(event - 1);
                    before = false;
                } else {
                    look(at, at, false, token);
                }
                events ^= event;
            }
            if begins != 0 {
                start = base + begins.trailing_zeros() as usize;
            }
            open = last;
            before |= alone != 0;
            base += BLOCK;
        }
        if open {
            look(start, bytes.len(), before, (0, 0));
        }
        tokens
    }

    /// Begins to look up `text[start..end]`, in parts if it is long or `parted`, and ends looks when they are
    /// many: how many ids they have.
    #[inline(always)]
    fn begin<const IDS: bool>(
        &self,
        text: &str,
        (start, end): (usize, usize),
        parted: bool,
        token: (u32, u32),
        (scratch, out): (&mut BertScratch, &mut Vec<u32>),
    ) -> usize {
        let (mut begun, mut from, mut count) = (Begun::default(), start, 0);
        if parted || end - start > WHOLE {
            count = self.begin_parts::<IDS>(text, (start, end), (scratch, out));
            from = end;
        } else if start < end {
            begun = scratch.memo.begin(text.as_bytes(), &(start..end));
        }
        scratch.looks.push(Look { start: from, end, begun, token });
        if scratch.looks.len() >= MANY {
            count += self.end_looks::<IDS>(text, scratch, out);
        }
        count
    }

    /// The same for the parts of `text[start..end]`.
    fn begin_parts<const IDS: bool>(
        &self,
        text: &str,
        (mut start, end): (usize, usize),
        (scratch, out): (&mut BertScratch, &mut Vec<u32>),
    ) -> usize {
        let stretch = &text[start..end];
        let mut count = 0;
        let mut look = |start: usize, end: usize, token: (u32, u32), scratch: &mut BertScratch| {
            let begun = scratch.memo.begin(text.as_bytes(), &(start..end));
            scratch.looks.push(Look { start, end, begun, token });
            if scratch.looks.len() >= MANY {
                count += self.end_looks::<IDS>(text, scratch, out);
            }
        };
        if !stretch.is_ascii() {
            for (at, c) in stretch.char_indices().filter(|(_, c)| !c.is_ascii()) {
                let becomes = self.alone.get(c, |c| {
                    self.normaliser.stands_alone(c).then(|| {
                        let mut ids = Vec::new();
                        self.compute(c.encode_utf8(&mut [0; 4]), &mut scratch.work, &mut ids);
                        ids
                    })
                });
                let at = end - stretch.len() + at;
                match becomes {
                    Becomes::Joined => {}
                    Becomes::Token(id, tokens) => {
                        look(start, at, (id, tokens), scratch);
                        start = at + c.len_utf8();
                    }
                    Becomes::Several => {
                        look(start, at, (0, 0), scratch);
                        start = at + c.len_utf8();
                        look(at, start, (0, 0), scratch);
                    }
                }
            }
        }
        if start < end {
            look(start, end, (0, 0), scratch);
        }
        count
    }

    /// Ends the looks that were begun: appends the ids if `IDS`, and says how many they are.
    #[inline(never)]
    fn end_looks<const IDS: bool>(&self, text: &str, scratch: &mut BertScratch, out: &mut Vec<u32>) -> usize {
        let BertScratch { memo, looks, work } = scratch;
        let mut all = 0;
        for Look { start, end, begun, token: (id, count) } in looks.drain(..) {
            all += count as usize;
            if start < end {
                let compute = |_: &[u8], out: &mut Vec<u32>| self.compute(&text[start..end], work, out);
                all += memo.end::<IDS>(begun, text.as_bytes(), start..end, out, compute);
            }
            if IDS {
                // Without a branch, which would often be guessed wrongly.
                out.push(id);
                out.truncate(out.len() - 1 + count as usize);
            }
        }
        all
    }
}

/// Appends the ids of a text if `IDS`, and says how many they are.
pub(super) struct All<'a, const IDS: bool> {
    pub kernel: &'a Bert,
    pub text: &'a str,
    pub scratch: &'a mut BertScratch,
    pub out: &'a mut Vec<u32>,
}

impl<const IDS: bool> simd::Work for All<'_, IDS> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        let Self { kernel, text, scratch, out } = self;
        let mut count = 0;
        let tokens = kernel.walk::<IDS>(text, |start, end, parted, token| {
            count += kernel.begin::<IDS>(text, (start, end), parted, token, (&mut *scratch, &mut *out));
        });
        tokens + count + kernel.end_looks::<IDS>(text, scratch, out)
    }
}
