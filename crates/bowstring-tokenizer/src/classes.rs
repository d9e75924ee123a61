//! To which of the classes that pre-tokenisers distinguish does a character belong?
//!
//! The classes are Oniguruma's, which Hugging Face's regular expressions are run by, and the
//! normalisers' of the crate that it normalises by; `classes.in` is made from both by the test below,
//! which fails when either changes. A lookup is two loads from 60 KB, of which a text touches little.

use std::{fmt, sync::LazyLock};

/// What is known about a character: a set of the bits below.
pub(crate) type Class = u8;

/// `\p{Lu}`, `\p{Lt}`, `\p{Lm}` and `\p{Lo}`: letters that may begin a capitalised word.
pub(crate) const UPPER: Class = 1;
/// `\p{Ll}`, `\p{Lm}` and `\p{Lo}`: letters that may go on in one.
pub(crate) const LOWER: Class = 1 << 1;
/// `\p{L}`.
pub(crate) const LETTER: Class = UPPER | LOWER;
/// `\p{M}`.
pub(crate) const MARK: Class = 1 << 2;
/// `\p{N}`.
pub(crate) const NUMBER: Class = 1 << 3;
/// `\p{P}` and `\p{S}`.
pub(crate) const SIGN: Class = 1 << 4;
/// `\s`.
pub(crate) const SPACE: Class = 1 << 5;
/// Texts of such characters alone are in normalisation form C, and such a character never combines with
/// one before it.
pub(crate) const PLAIN_C: Class = 1 << 6;
/// The same for normalisation form KC.
pub(crate) const PLAIN_KC: Class = 1 << 7;

/// The characters at which the class changes, and to what.
pub(crate) const CHANGES: &[(u32, Class)] = &include!("classes.in");

/// Characters of a block share the higher bits.
const BLOCK: usize = 1 << 7;
/// Blocks of all code points.
const BLOCKS: usize = 0x11_0000 / BLOCK;

/// The classes of all characters; equal blocks stand once.
pub(crate) struct Classes {
    blocks: Box<[u16; BLOCKS]>,
    classes: Box<[[Class; BLOCK]]>,
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classes").field("distinct_blocks", &self.classes.len()).finish_non_exhaustive()
    }
}

static CLASSES: LazyLock<Classes> = LazyLock::new(Classes::new);

impl Classes {
    /// The table, which is made at the first call.
    pub(crate) fn get() -> &'static Classes {
        &CLASSES
    }

    fn new() -> Self {
        let mut blocks = Box::new([0; BLOCKS]);
        let mut classes: Vec<[Class; BLOCK]> = Vec::new();
        let mut changes = CHANGES.iter().copied().peekable();
        let mut class = 0;
        let mut last = None;
        for (block, place) in blocks.iter_mut().enumerate() {
            let start = (block * BLOCK) as u32;
            let end = start + BLOCK as u32;
            // Most blocks are the same throughout, and the same as the one before.
            let uniform = changes.peek().is_none_or(|&(at, _)| at >= end);
            if let (true, Some((previous, index))) = (uniform, last)
                && previous == class
            {
                *place = index;
                continue;
            }
            let mut here = [0; BLOCK];
            for (code, slot) in (start..end).zip(&mut here) {
                while let Some((_, next)) = changes.next_if(|&(at, _)| at == code) {
                    class = next;
                }
                *slot = class;
            }
            let index = classes.iter().position(|known| *known == here).unwrap_or_else(|| {
                classes.push(here);
                classes.len() - 1
            });
            *place = index as u16;
            last = uniform.then_some((class, index as u16));
        }
        Self { blocks, classes: classes.into_boxed_slice() }
    }

    /// The class of `c`.
    #[inline(always)]
    pub(crate) fn of(&self, c: char) -> Class {
        self.of_code(c as u32)
    }

    /// The class of the code point `code`; that of number 0 if there is no such code point.
    #[inline(always)]
    pub(crate) fn of_code(&self, code: u32) -> Class {
        let code = code as usize;
        let block = self.blocks.get(code / BLOCK).copied().unwrap_or_default();
        self.classes.get(usize::from(block)).map_or(0, |classes| classes[code % BLOCK])
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, iter::once};

    use expect_test::expect_file;
    use tokenizers::utils::SysRegex;
    use unicode_normalization_alignments::{
        IsNormalized, char::canonical_combining_class, is_nfc_quick, is_nfkc_quick,
    };

    use super::*;

    fn characters() -> impl Iterator<Item = char> {
        (0..=0x10_FFFF).filter_map(char::from_u32)
    }

    /// Sets `bit` for all characters that the regular expression matches.
    fn mark(classes: &mut [Class], bit: Class, pattern: &str) {
        let all: String = characters().collect();
        for (start, end) in SysRegex::new(pattern).unwrap().find_iter(&all) {
            for c in all[start..end].chars() {
                classes[c as usize] |= bit;
            }
        }
    }

    /// The classes as the libraries say them.
    fn reference() -> Vec<Class> {
        let mut classes = vec![0; 0x11_0000];
        mark(&mut classes, UPPER, r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}]+");
        mark(&mut classes, LOWER, r"[\p{Ll}\p{Lm}\p{Lo}]+");
        mark(&mut classes, MARK, r"\p{M}+");
        mark(&mut classes, NUMBER, r"\p{N}+");
        mark(&mut classes, SIGN, r"[\p{P}\p{S}]+");
        mark(&mut classes, SPACE, r"\s+");
        for c in characters() {
            if canonical_combining_class(c) != 0 {
                continue;
            }
            if is_nfc_quick(once(c)) == IsNormalized::Yes {
                classes[c as usize] |= PLAIN_C;
            }
            if is_nfkc_quick(once(c)) == IsNormalized::Yes {
                classes[c as usize] |= PLAIN_KC;
            }
        }
        classes
    }

    #[test]
    fn classes_are_those_of_the_libraries() {
        let reference = reference();
        let mut text = String::from("[\n");
        let mut class = None;
        let mut column = 0;
        for c in characters() {
            if class.replace(reference[c as usize]) != class {
                write!(text, "(0x{:x},{}),", c as u32, reference[c as usize]).unwrap();
                column += 1;
                if column % 8 == 0 {
                    text.push('\n');
                }
            }
        }
        text.push_str("\n]\n");
        expect_file!["./classes.in"].assert_eq(&text);

        for c in characters() {
            assert_eq!(Classes::get().of(c), reference[c as usize], "{c:?}");
        }
    }

    #[test]
    fn every_letter_is_upper_or_lower() {
        let mut letters = vec![0; 0x11_0000];
        mark(&mut letters, LETTER, r"\p{L}+");
        for c in characters() {
            assert_eq!(Classes::get().of(c) & LETTER != 0, letters[c as usize] != 0, "{c:?}");
        }
    }
}
