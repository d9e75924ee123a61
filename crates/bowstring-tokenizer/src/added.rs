//! Where in a text do added tokens stand?
//!
//! Of several that begin at one place the longest counts (Aho and Corasick 1975, leftmost-longest);
//! O(text). Tokens may have to be words of their own, and may take the white space beside them.

use aho_corasick::{AhoCorasick, MatchKind};
use regex::Regex;
use tokenizers::AddedToken;

use crate::definition::Added;

/// Finds added tokens.
#[derive(Debug)]
pub(crate) struct Splitter {
    automaton: AhoCorasick,
    tokens: Vec<(u32, AddedToken)>,
    word: Option<Regex>,
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
    /// The reason when they are too many for an automaton.
    pub(crate) fn new<'a>(tokens: impl Iterator<Item = &'a Added>) -> Result<Option<Self>, String> {
        let mut tokens: Vec<(u32, AddedToken)> =
            tokens.map(|added| (added.id, added.token.clone())).collect();
        tokens.sort_by(|left, right| left.1.content.cmp(&right.1.content));
        if tokens.is_empty() {
            return Ok(None);
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(tokens.iter().map(|(_, token)| &token.content))
            .map_err(|error| error.to_string())?;
        let word = if tokens.iter().any(|(_, token)| token.single_word) {
            Some(Regex::new(r"^\w$").map_err(|error| error.to_string())?)
        } else {
            None
        };
        Ok(Some(Self { automaton, tokens, word }))
    }

    /// Calls `each` with the parts of `text`, in order; texts are never empty.
    pub(crate) fn split(&self, text: &str, mut each: impl FnMut(Part)) {
        let mut done = 0;
        for found in self.automaton.find_iter(text) {
            let (id, token) = &self.tokens[found.pattern().as_usize()];
            let (mut start, mut end) = (found.start(), found.end());
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

    fn is_word(&self, c: char) -> bool {
        self.word.as_ref().is_some_and(|word| word.is_match(c.encode_utf8(&mut [0; 4])))
    }
}
