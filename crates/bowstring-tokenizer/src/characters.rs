//! Which number has a character: the id of its token, a place in a trie?
//!
//! ASCII stands in a table of its own, the rest in pages of 256 characters, only those that have a number.

use std::fmt;

/// No token, which is no id either.
const NONE: u32 = u32::MAX;
const PAGE: usize = 256;

/// Ids of characters.
pub(crate) struct Characters {
    ascii: [u32; 128],
    /// Which page has the characters `PAGE * i ..`; page 0 is empty.
    pages: Vec<u16>,
    ids: Vec<[u32; PAGE]>,
}

impl fmt::Debug for Characters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Characters").field("pages", &self.ids.len()).finish_non_exhaustive()
    }
}

impl Characters {
    /// The ids of those `tokens` that are one character; of equal ones the last counts.
    pub(crate) fn new<'a>(tokens: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let mut characters = Self { ascii: [NONE; 128], pages: Vec::new(), ids: vec![[NONE; PAGE]] };
        for (token, id) in tokens {
            let mut rest = token.chars();
            if let (Some(character), None) = (rest.next(), rest.next()) {
                characters.insert(character, id);
            }
        }
        characters
    }

    fn insert(&mut self, character: char, id: u32) {
        let code = character as usize;
        if let Some(ascii) = self.ascii.get_mut(code) {
            *ascii = id;
            return;
        }
        let page = code / PAGE;
        if self.pages.len() <= page {
            self.pages.resize(page + 1, 0);
        }
        if self.pages[page] == 0 {
            self.pages[page] = self.ids.len() as u16;
            self.ids.push([NONE; PAGE]);
        }
        self.ids[usize::from(self.pages[page])][code % PAGE] = id;
    }

    /// The id of `character`.
    #[inline]
    pub(crate) fn get(&self, character: char) -> Option<u32> {
        let code = character as usize;
        let id = match self.ascii.get(code) {
            Some(&id) => id,
            None => self.ids[usize::from(*self.pages.get(code / PAGE)?)][code % PAGE],
        };
        (id != NONE).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_have_the_id_that_was_given_last() {
        let tokens =
            [("a", 1), ("ab", 2), ("é", 3), ("字", 4), ("", 5), ("🦀", 6), ("é", 7), ("\u{10FFFF}", 8)];
        let characters = Characters::new(tokens.into_iter());
        let found: Vec<(char, u32)> =
            (0..=0x10FFFF).filter_map(char::from_u32).filter_map(|c| Some((c, characters.get(c)?))).collect();
        assert_eq!(found, [('a', 1), ('é', 7), ('字', 4), ('🦀', 6), ('\u{10FFFF}', 8)]);
    }
}
