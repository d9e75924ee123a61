//! Which bytes of a text does each token stand for?
//!
//! Tokens are counted off against the characters of the text, as many normalised bytes as each has.

use std::ops::Range;

use super::{MARK, SentenceBpe, unknown::Unknown};
use crate::kernel::{Piece, Section};

/// Which bytes of the section the tokens stand for, one after the other.
pub(super) struct Places<'a> {
    kernel: &'a SentenceBpe,
    text: &'a str,
    /// The character that the last token ended in, and how many normalised bytes of it are left.
    character: Range<usize>,
    left: u32,
    /// The mark in front has not been reached.
    prefixed: bool,
    word: Option<u32>,
}

impl<'a> Places<'a> {
    pub(super) fn new(kernel: &'a SentenceBpe, section: Section<'a>) -> Self {
        let prefixed = kernel.begins_with_mark(section);
        Self { kernel, text: section.text, character: 0..0, left: 0, prefixed, word: None }
    }

    /// Goes to the next character, and says which it is.
    fn advance(&mut self) -> Option<char> {
        if std::mem::take(&mut self.prefixed) {
            // It stands for what it was put in front of, which the next character is again.
            self.left = MARK.len_utf8() as u32;
            return Some(MARK);
        }
        let character = self.text[self.character.end..].chars().next()?;
        self.character = self.character.end..self.character.end + character.len_utf8();
        self.left = if character == ' ' { MARK } else { character }.len_utf8() as u32;
        Some(character)
    }

    fn first(&self) -> Range<usize> {
        0..self.text.chars().next().map_or(0, char::len_utf8)
    }

    pub(super) fn next(&mut self, id: u32) -> Piece {
        let prefix = self.prefixed;
        if self.left == 0 {
            let first = self.advance();
            let begins = first.is_some_and(|first| self.kernel.begins_word(first));
            self.word = match self.word {
                Some(word) if begins => Some(word + 1),
                word => word.or(Some(0)),
            };
        }
        let start = if prefix { 0 } else { self.character.start };
        match (&self.kernel.unknown, self.kernel.lengths.get(id as usize)) {
            (Unknown::Token { id: unknown, fused }, _) if *unknown == id => {
                self.left = 0;
                while *fused && self.follows_unknown() {
                    self.advance();
                    self.left = 0;
                }
            }
            (_, Some(&len)) => {
                let mut len = len;
                while len > self.left {
                    len -= self.left;
                    if self.advance().is_none() {
                        break;
                    }
                }
                self.left = self.left.saturating_sub(len);
            }
            (_, None) => {}
        }
        let end = if self.character.is_empty() { self.first().end } else { self.character.end };
        Piece { id, start, end, word: self.word.unwrap_or(0) }
    }

    fn follows_unknown(&self) -> bool {
        let next = self.text[self.character.end..].chars().next();
        next.is_some_and(|next| self.kernel.symbol(next).is_none() && !self.kernel.begins_word(next))
    }
}
