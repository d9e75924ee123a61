//! Which token is a character that stands alone?
//!
//! Chinese characters and much punctuation make up words by themselves, whatever stands around them, so that
//! their tokens need not be looked up among pieces of text. Found out block by block, as they are met.

use std::{fmt, sync::OnceLock};

const BLOCK: usize = 256;
const BLOCKS: usize = 0x11_0000 / BLOCK;

/// What is no id: the character has several tokens, has none, or does not stand alone.
const SEVERAL: u32 = u32::MAX - 2;
const NOTHING: u32 = u32::MAX - 1;
const JOINED: u32 = u32::MAX;

/// Tokens of characters.
pub(super) struct Alone {
    blocks: Vec<OnceLock<Box<[u32; BLOCK]>>>,
}

/// What a character becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Becomes {
    /// It may be in a word with others.
    Joined,
    /// At most one token: an id, and 1; or any number, and 0.
    Token(u32, u32),
    /// Several tokens.
    Several,
}

impl Alone {
    pub(super) fn new() -> Self {
        Self { blocks: (0..BLOCKS).map(|_| OnceLock::new()).collect() }
    }

    /// What becomes of `c`; `find_out` is asked for the ids of characters when their block is met for the first
    /// time, and says `None` of those that do not stand alone.
    #[inline(always)]
    pub(super) fn get(&self, c: char, find_out: impl FnMut(char) -> Option<Vec<u32>>) -> Becomes {
        let block = c as usize / BLOCK;
        let Some(cell) = self.blocks.get(block) else { return Becomes::Joined };
        let all = match cell.get() {
            Some(all) => all,
            None => {
                // Found out before the cell is entered: a process that is forked meanwhile would wait for ever.
                let all = all_of(block, find_out);
                cell.get_or_init(|| all)
            }
        };
        match all[c as usize % BLOCK] {
            JOINED => Becomes::Joined,
            SEVERAL => Becomes::Several,
            NOTHING => Becomes::Token(0, 0),
            id => Becomes::Token(id, 1),
        }
    }
}

impl fmt::Debug for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = self.blocks.iter().filter(|block| block.get().is_some()).count();
        f.debug_struct("Alone").field("blocks_met", &met).finish_non_exhaustive()
    }
}

#[cold]
fn all_of(block: usize, mut find_out: impl FnMut(char) -> Option<Vec<u32>>) -> Box<[u32; BLOCK]> {
    let mut all = Box::new([JOINED; BLOCK]);
    for (at, place) in all.iter_mut().enumerate() {
        // Surrogates are not characters, and nobody asks about them.
        let c = u32::try_from(block * BLOCK + at).ok().and_then(char::from_u32);
        *place = match c.and_then(&mut find_out).as_deref() {
            None => JOINED,
            Some([]) => NOTHING,
            Some(&[id]) if id < SEVERAL => id,
            Some(_) => SEVERAL,
        };
    }
    all
}
