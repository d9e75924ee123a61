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
/// What stands before it and what follows never share a word, nor change each other.
pub(super) const ALONE: u8 = 8;
/// It becomes the same whatever stands around it.
const SIMPLE: u8 = 16;
/// Something of what it becomes separates words.
const SEPARATES: u8 = 32;

const BLOCK: usize = 256;
const BLOCKS: usize = 0x11_0000 / BLOCK;

/// Facts about characters, found out block by block.
pub(super) struct Characters {
    blocks: Vec<OnceLock<Box<Block>>>,
}

/// What a normaliser does to a character.
pub(super) struct Found {
    pub alone: bool,
    /// What it becomes, when it becomes the same whatever stands around it.
    pub image: Option<String>,
    /// Whether something of that separates words.
    pub separates: bool,
}

struct Block {
    facts: [u8; BLOCK],
    /// The images of one character; zero elsewhere.
    single: [char; BLOCK],
    /// Where in `images` the images begin, and the last one ends.
    starts: [u16; BLOCK + 1],
    images: String,
}

impl Characters {
    pub(super) fn new() -> Self {
        Self { blocks: (0..BLOCKS).map(|_| OnceLock::new()).collect() }
    }

    /// The facts about `c`; `find_out` is asked when its block is met for the first time.
    #[inline]
    pub(super) fn facts(&self, c: char, find_out: impl Fn(char) -> Found) -> u8 {
        self.block(c, find_out).map_or(0, |block| block.facts[c as usize % BLOCK])
    }

    /// Appends what becomes of `c`, if that is the same everywhere, and says whether something of it separates
    /// words; else `None`.
    #[inline]
    pub(super) fn append(&self, c: char, find_out: impl Fn(char) -> Found, to: &mut String) -> Option<bool> {
        let block = self.block(c, find_out)?;
        let at = c as usize % BLOCK;
        let facts = block.facts[at];
        if block.single[at] != '\0' {
            to.push(block.single[at]);
        } else if facts & SIMPLE != 0 {
            to.push_str(block.images.get(usize::from(block.starts[at])..usize::from(block.starts[at + 1]))?);
        } else {
            return None;
        }
        Some(facts & SEPARATES != 0)
    }

    #[inline]
    fn block(&self, c: char, find_out: impl Fn(char) -> Found) -> Option<&Block> {
        let cell = self.blocks.get(c as usize / BLOCK)?;
        if let Some(block) = cell.get() {
            return Some(block);
        }
        // Found out before the cell is entered: a process that is forked meanwhile would wait for ever.
        let block = all_of(c as usize / BLOCK, find_out);
        Some(cell.get_or_init(|| block))
    }
}

impl fmt::Debug for Characters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = self.blocks.iter().filter(|block| block.get().is_some()).count();
        f.debug_struct("Characters").field("blocks_met", &met).finish_non_exhaustive()
    }
}

#[cold]
fn all_of(block: usize, find_out: impl Fn(char) -> Found) -> Box<Block> {
    let mut all = Box::new(Block {
        facts: [0; BLOCK],
        single: ['\0'; BLOCK],
        starts: [0; BLOCK + 1],
        images: String::new(),
    });
    for at in 0..BLOCK {
        // Surrogates are not characters, and nobody asks about them.
        if let Some(c) = u32::try_from(block * BLOCK + at).ok().and_then(char::from_u32) {
            let Found { alone, image, separates } = find_out(c);
            all.images.push_str(image.as_deref().unwrap_or_default());
            let mut becomes = image.iter().flat_map(|image| image.chars());
            if let (Some(one), None) = (becomes.next(), becomes.next()) {
                all.single[at] = one;
            }
            let bit = |holds, bit| if holds { bit } else { 0 };
            all.facts[at] = bit(is_dropped(c), DROPPED)
                | bit(c.is_ascii_punctuation() || c.is_punctuation(), PUNCTUATION)
                | bit(c.is_mark_nonspacing(), NONSPACING)
                | bit(alone, ALONE)
                | bit(image.is_some(), SIMPLE)
                | bit(separates, SEPARATES);
        }
        // At most 18 characters of 4 bytes come from one, which 16 bits can count for a block.
        all.starts[at + 1] = all.images.len() as u16;
    }
    all
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
