//! What is a character to a BERT-style pipeline?
//!
//! By the tables that Hugging Face's `tokenizers` uses, which are of an older Unicode and slow to ask:
//! what they say is kept for the blocks of characters that have been met.

use std::{fmt, sync::OnceLock};

use unicode_categories::UnicodeCategories;

/// Cleaning takes it away.
pub(super) const DROPPED: u8 = 1;
/// A word of its own.
pub(super) const PUNCTUATION: u8 = 2;
/// Mn, an accent.
pub(super) const NONSPACING: u8 = 4;
/// What stands before it and what follows never share a word; the kernel says which these are.
pub(super) const ALONE: u8 = 8;

const BLOCK: usize = 256;
const BLOCKS: usize = 0x11_0000 / BLOCK;

/// Facts about characters, found out block by block.
pub(super) struct Characters {
    blocks: Vec<OnceLock<Box<[u8; BLOCK]>>>,
}

impl Characters {
    pub(super) fn new() -> Self {
        Self { blocks: (0..BLOCKS).map(|_| OnceLock::new()).collect() }
    }

    /// The facts about `c`; `stands_alone` is asked when its block is met for the first time.
    #[inline]
    pub(super) fn get(&self, c: char, stands_alone: impl Fn(char) -> bool) -> u8 {
        let code = c as usize;
        let Some(block) = self.blocks.get(code / BLOCK) else {
            return 0;
        };
        block.get_or_init(|| find_out(code / BLOCK, stands_alone))[code % BLOCK]
    }
}

impl fmt::Debug for Characters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = self.blocks.iter().filter(|block| block.get().is_some()).count();
        f.debug_struct("Characters").field("blocks_met", &met).finish_non_exhaustive()
    }
}

#[cold]
fn find_out(block: usize, stands_alone: impl Fn(char) -> bool) -> Box<[u8; BLOCK]> {
    let mut facts = Box::new([0; BLOCK]);
    for (code, fact) in (block * BLOCK..).zip(facts.iter_mut()) {
        // Surrogates are not characters, and nobody asks about them.
        let Some(c) = u32::try_from(code).ok().and_then(char::from_u32) else { continue };
        let bit = |holds, bit| if holds { bit } else { 0 };
        *fact = bit(is_dropped(c), DROPPED)
            | bit(c.is_ascii_punctuation() || c.is_punctuation(), PUNCTUATION)
            | bit(c.is_mark_nonspacing(), NONSPACING)
            | bit(stands_alone(c), ALONE);
    }
    facts
}

pub(super) fn is_dropped(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        '\0' | '\u{fffd}' => true,
        _ => c.is_other(),
    }
}

/// A Chinese character by BERT's own list of blocks.
pub(super) fn is_chinese(c: char) -> bool {
    matches!(
        u32::from(c),
        0x4e00..=0x9fff
            | 0x3400..=0x4dbf
            | 0x2_0000..=0x2_a6df
            | 0x2_a700..=0x2_b73f
            | 0x2_b740..=0x2_b81f
            | 0x2_b920..=0x2_ceaf
            | 0xf900..=0xfaff
            | 0x2_f800..=0x2_fa1f
    )
}
