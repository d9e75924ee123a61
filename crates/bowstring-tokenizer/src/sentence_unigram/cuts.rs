//! Where can a part be taken apart so that its pieces have the ids of the whole?
//!
//! Between two characters that stand side by side in no token, so that every way through the word stops
//! there. Both must stay what they are when the text is normalised, as those do of which [`Normal::keeps`] is
//! true beside others of the kind, form no grapheme with each other, and be tokens, since unknown
//! characters become one. What follows has sums
//! with those of what precedes in them, which are rounded elsewhere: [`Unigram::encode_apart`] says when
//! that may matter.

use std::{fmt, ops::Range};

use crate::{
    definition::{Definition, Vocab},
    joints::Joints,
    sentence_bpe::MARK,
    unigram::Unigram,
    word_normal::Normal,
};

/// Beyond it, no character is loose.
const PLANE: usize = 1 << 16;
/// Parts can be taken apart beside the character.
const LOOSE: u8 = 1;
/// Beyond ASCII, the character is hardly ever apart from others of this kind: it is a letter of a script
/// that has spaces between words.
const LETTER: u8 = 2;
/// Normalising does not change the character, nor those of the kind beside it.
const KEPT: u8 = 4;
/// It is kept, and neither a space nor a mark.
const WORD: u8 = 8;
/// The first letter of Thai, before which all scripts are of that kind.
const UNSPACED: char = '\u{E00}';
/// Longer parts are not taken apart, so that sums stay small.
const LONGEST: usize = 1 << 10;

/// Between which characters parts are taken apart.
pub(super) struct Cuts {
    /// Whether a piece begins with the second of two characters of ASCII.
    ascii: Box<[bool; 1 << 14]>,
    /// The kind of each character of the first plane.
    kinds: Box<[u8; PLANE]>,
    joints: Joints,
}

impl fmt::Debug for Cuts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cuts").field("joints", &self.joints).finish_non_exhaustive()
    }
}

impl Cuts {
    pub(super) fn new(definition: &Definition<'_>, model: &Unigram, normal: &Normal) -> Self {
        let mut pairs = Vec::new();
        if let Vocab::Scores(vocab) = &definition.model.vocab {
            let mut add = |token: &str| pairs.extend(token.chars().zip(token.chars().skip(1)));
            vocab.iter().for_each(|(token, _)| add(token.0.as_ref()));
            // Written in the text, unknown tokens become one too.
            if let Some((unknown, _)) = vocab.get(model.unknown_id() as usize) {
                add(&unknown.0.repeat(2));
            }
        }
        let joints = Joints::new(pairs);
        let is_loose = |character: char| {
            model.is_steady()
                && character != MARK
                && !character.is_whitespace()
                && model.has(character.encode_utf8(&mut [0; 4]))
        };
        let mut kinds = Box::new([0; PLANE]);
        let plane = (0..PLANE as u32).filter_map(char::from_u32);
        for character in plane.filter(|&character| normal.keeps(character)) {
            let letter = !character.is_ascii() && character < UNSPACED && character.is_alphabetic();
            let kind = &mut kinds[character as usize];
            *kind = if letter { KEPT | LETTER } else { KEPT };
            if is_loose(character) {
                *kind |= LOOSE;
            }
            if character != MARK && !character.is_whitespace() {
                *kind |= WORD;
            }
        }
        let mut cuts = Self { ascii: Box::new([false; 1 << 14]), kinds, joints };
        for (left, right) in (0..128_u8).flat_map(|left| (0..128_u8).map(move |right| (left, right))) {
            cuts.ascii[pair(left, right)] = cuts.between(char::from(left), char::from(right));
        }
        cuts
    }

    #[inline(always)]
    fn kind(&self, character: char) -> u8 {
        self.kinds.get(character as usize).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn between(&self, left: char, right: char) -> bool {
        self.kind(left) & self.kind(right) & (LOOSE | LETTER) == LOOSE
            && !self.joints.any(left as u32, right as u32)
    }

    /// Whether normalising leaves `part` as it is, without a space or a mark.
    pub(super) fn keep_all(&self, part: &str) -> bool {
        part.chars().all(|character| self.kind(character) & WORD != 0)
    }

    /// Whether the character leaves those beside it as they are.
    #[inline(always)]
    fn keeps(&self, character: char) -> bool {
        character.is_ascii() || self.kind(character) & KEPT != 0
    }

    /// Where the first piece of `part` ends.
    #[inline(always)]
    pub(super) fn end(&self, text: &str, part: Range<usize>) -> usize {
        if part.len() > LONGEST {
            return part.end;
        }
        let bytes = &text.as_bytes()[part.clone()];
        for (at, neighbours) in (1..).zip(bytes.windows(2)) {
            let [left, right] = [neighbours[0], neighbours[1]];
            if !(left | right).is_ascii() {
                return self.end_of_any(text, part.start + at - 1, part.end);
            }
            if self.ascii[pair(left, right)] {
                let next = || text[part.start + at + 1..part.end].chars().next();
                if bytes.get(at + 1).is_none_or(u8::is_ascii) || next().is_none_or(|next| self.keeps(next)) {
                    return part.start + at;
                }
            }
        }
        part.end
    }

    /// As [`end`](Self::end), when the piece does not end before the character that follows `from`.
    fn end_of_any(&self, text: &str, from: usize, end: usize) -> usize {
        let mut characters = text[from..end].char_indices().peekable();
        let Some((_, mut left)) = characters.next() else { return end };
        let mut kept = true;
        while let Some((at, right)) = characters.next() {
            let mut next_keeps = || characters.peek().is_none_or(|&(_, next)| self.keeps(next));
            if kept && self.between(left, right) && next_keeps() {
                return from + at;
            }
            kept = self.keeps(left);
            left = right;
        }
        end
    }
}

fn pair(left: u8, right: u8) -> usize {
    usize::from(left & 0x7F) << 7 | usize::from(right & 0x7F)
}
