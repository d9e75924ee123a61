//! Where in a text do added tokens stand?
//!
//! The leftmost one counts, of several that begin at one place the longest. A place is looked at only when
//! its first two bytes are those of a token, so that O(text) is little; what is looked at takes up to as
//! many steps as the longest token has bytes. Tokens may have to be words of their own, and may take the white
//! space beside them.

use regex::Regex;
use tokenizers::AddedToken;

use crate::{definition::Added, trie::Trie};

/// Finds added tokens.
#[derive(Debug)]
pub(crate) struct Splitter {
    beginnings: Beginnings,
    trie: Trie,
    tokens: Vec<(u32, AddedToken)>,
    word: Option<Regex>,
}

/// The first two bytes of the tokens.
#[derive(Debug)]
struct Beginnings {
    /// All first bytes, when they are so few that the processor's widest registers find them.
    few: Vec<u8>,
    /// Whether a token begins with the byte.
    first: Box<[bool; 256]>,
    /// Whether a token begins with both bytes, a bit for each pair.
    pairs: Box<[u64; 1 << 10]>,
}

/// A part of a text, by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text { start: usize, end: usize },
    Token { id: u32, start: usize, end: usize },
}

impl Splitter {
    /// Looks for `tokens`; `None` when there are none.
    ///
    /// # Errors
    /// The reason when they are too many for a trie.
    pub(crate) fn new<'a>(tokens: impl Iterator<Item = &'a Added>) -> Result<Option<Self>, String> {
        let mut tokens: Vec<(u32, AddedToken)> =
            tokens.map(|added| (added.id, added.token.clone())).collect();
        tokens.sort_by(|left, right| left.1.content.cmp(&right.1.content));
        if tokens.is_empty() {
            return Ok(None);
        }
        let contents = || tokens.iter().map(|(_, token)| token.content.as_bytes());
        // Of equal strings the last counts in a trie, here the first.
        let numbered = (0..).zip(contents()).map(|(number, content)| (content, number));
        let trie = Trie::new(numbered.collect::<Vec<_>>().into_iter().rev());
        let trie = trie.ok_or("there are too many added tokens")?;
        let beginnings = Beginnings::new(contents());
        let word = if tokens.iter().any(|(_, token)| token.single_word) {
            Some(Regex::new(r"^\w$").map_err(|error| error.to_string())?)
        } else {
            None
        };
        Ok(Some(Self { beginnings, trie, tokens, word }))
    }

    /// Calls `each` with the parts of `text`, in order; texts are never empty.
    pub(crate) fn split(&self, text: &str, mut each: impl FnMut(Part)) {
        let (mut done, mut from) = (0, 0);
        while let Some((found, mut start, mut end)) = self.next(text.as_bytes(), from) {
            let Some((id, token)) = self.tokens.get(found) else { return };
            from = end;
            if token.single_word {
                let before = text[..start].chars().next_back();
                let after = text[end..].chars().next();
                if before.is_some_and(|c| self.is_word(c)) || after.is_some_and(|c| self.is_word(c)) {
                    continue;
                }
            }
            if token.lstrip {
                start = text[done.min(start)..start].trim_end().len() + done.min(start);
            }
            if token.rstrip {
                end += text[end..].len() - text[end..].trim_start().len();
            }
            if done < start {
                each(Part::Text { start: done, end: start });
            }
            each(Part::Token { id: *id, start, end });
            done = end;
        }
        if done < text.len() {
            each(Part::Text { start: done, end: text.len() });
        }
    }

    /// The next token at or after `from`: its number, and where it starts and ends.
    #[inline]
    fn next(&self, text: &[u8], mut from: usize) -> Option<(usize, usize, usize)> {
        loop {
            let start = self.beginnings.next(text, from)?;
            if let Some((token, len)) = self.trie.longest(self.trie.root(), &text[start..]) {
                return Some((token as usize, start, start + len));
            }
            from = start + 1;
        }
    }

    fn is_word(&self, c: char) -> bool {
        self.word.as_ref().is_some_and(|word| word.is_match(c.encode_utf8(&mut [0; 4])))
    }
}

impl Beginnings {
    fn new<'a>(tokens: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut first, mut pairs) = (Box::new([false; 256]), Box::new([0; 1 << 10]));
        for token in tokens {
            let Some(&byte) = token.first() else { continue };
            first[usize::from(byte)] = true;
            // Whatever follows a token of one byte.
            for second in token.get(1).map_or(0..=u8::MAX, |&second| second..=second) {
                let (word, bit) = place(byte, second);
                pairs[word] |= 1 << bit;
            }
        }
        let few: Vec<u8> = (0..=u8::MAX).filter(|&byte| first[usize::from(byte)]).collect();
        Self { few, first, pairs }
    }

    /// The next place at or after `from` that begins like a token.
    #[inline]
    fn next(&self, text: &[u8], mut from: usize) -> Option<usize> {
        loop {
            let rest = text.get(from..)?;
            let at = match *self.few {
                [one] => memchr::memchr(one, rest),
                [one, two] => memchr::memchr2(one, two, rest),
                [one, two, three] => memchr::memchr3(one, two, three, rest),
                _ => rest.iter().position(|&byte| self.first[usize::from(byte)]),
            }?;
            from += at;
            // At the end of the text only a token of one byte can stand, which any second byte fits.
            let (word, bit) = place(rest[at], rest.get(at + 1).copied().unwrap_or(0));
            if self.pairs[word] >> bit & 1 != 0 {
                return Some(from);
            }
            from += 1;
        }
    }
}

/// The word of a pair and its bit there.
fn place(first: u8, second: u8) -> (usize, u32) {
    (usize::from(first) << 2 | usize::from(second >> 6), u32::from(second & 63))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All added tokens of `text`, found at each place by trying all of them.
    fn by_hand(tokens: &[String], text: &str) -> Vec<(usize, usize)> {
        let (mut found, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let longest = tokens.iter().filter(|token| text.as_bytes()[at..].starts_with(token.as_bytes()));
            match longest.map(String::len).max() {
                Some(len) => {
                    found.push((at, at + len));
                    at += len;
                }
                None => at += 1,
            }
        }
        found
    }

    fn check(tokens: &[String], text: &str) {
        let added: Vec<Added> = (0..)
            .zip(tokens)
            .map(|(id, token)| Added { id, token: AddedToken::from(token.clone(), false) })
            .collect();
        let splitter = Splitter::new(added.iter()).unwrap().unwrap();
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some((token, start, end)) = splitter.next(text.as_bytes(), from) {
            assert_eq!(splitter.tokens[token].1.content, text[start..end]);
            found.push((start, end));
            from = end;
        }
        assert_eq!(found, by_hand(tokens, text), "{tokens:?} in {text:?}");
    }

    proptest! {
        #[test]
        fn the_leftmost_longest_are_found(
            tokens in prop::collection::vec("[<>\\na▁é]{1,4}", 1..8),
            text in "[<>\\na▁éè‘]{0,40}",
        ) {
            check(&tokens, &text);
        }
    }

    #[test]
    fn the_last_byte_may_be_a_token() {
        check(&["\n".to_owned(), "\n\n".to_owned()], "a\n\n\n");
        check(&["<x".to_owned(), "y".to_owned()], "y<xy<");
    }
}
