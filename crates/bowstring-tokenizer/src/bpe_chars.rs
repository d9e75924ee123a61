//! Which characters become one symbol, whatever stands beside them?
//!
//! The bytes of a character begin as symbols of their own. Where each merge within it comes before any
//! merge that the table has for its first symbol with something before it, and for its last with
//! something behind it, nothing from outside can come between: the character may begin as the symbol that
//! it ends as, and the word has fewer symbols and fewer merges. That is so for most characters of the texts
//! that a vocabulary was made from.

use std::fmt;

use crate::merge_table::{MergeTable, NEVER};

/// Characters below this one are looked for, which are those of three bytes at the most.
const CHARS: u32 = 0x1_0000;
/// The entry of characters that are not sure to become one symbol.
const APART: u32 = u32::MAX;

/// The symbol of each character that is sure to become one.
pub(crate) struct WholeChars(Box<[u32]>);

impl fmt::Debug for WholeChars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.iter().filter(|&&id| id != APART).count();
        f.debug_struct("WholeChars").field("whole", &whole).finish_non_exhaustive()
    }
}

impl WholeChars {
    /// The characters of a table that has the merges `(left, right, merged)`, by the symbols of bytes; no
    /// symbol is as large as `symbols`.
    pub(crate) fn new(
        table: &MergeTable,
        merges: &[(u32, u32, u32)],
        bytes: &[u32; 256],
        symbols: usize,
    ) -> Self {
        // The first rank at which a symbol merges with one behind it, and with one before it.
        let mut behind = vec![NEVER; symbols];
        let mut before = vec![NEVER; symbols];
        for &(left, right, _) in merges {
            let rank = table.get(left, right).rank;
            for (first, symbol) in [(&mut behind, left), (&mut before, right)] {
                if let Some(first) = first.get_mut(symbol as usize) {
                    *first = rank.min(*first);
                }
            }
        }
        let first = |ranks: &[u32], symbol: Option<&u32>| {
            symbol.and_then(|&symbol| ranks.get(symbol as usize)).copied().unwrap_or_default()
        };
        let symbol = |c: char| {
            let mut word: Vec<u32> =
                c.encode_utf8(&mut [0; 4]).bytes().map(|byte| bytes[usize::from(byte)]).collect();
            while word.len() > 1 {
                let pairs = word.windows(2).map(|pair| table.get(pair[0], pair[1])).enumerate();
                let (place, merge) = pairs.min_by_key(|&(place, merge)| (merge.rank, place))?;
                if merge.rank >= first(&before, word.first()) || merge.rank >= first(&behind, word.last()) {
                    return None;
                }
                word[place] = merge.id;
                word.remove(place + 1);
            }
            word.pop()
        };
        Self((0..CHARS).map(|code| char::from_u32(code).and_then(symbol).unwrap_or(APART)).collect())
    }

    /// The symbol of the character with this code, if it is sure to become one.
    #[inline(always)]
    pub(crate) fn get(&self, code: u32) -> Option<u32> {
        self.0.get(code as usize).copied().filter(|&id| id != APART)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_whole_when_nothing_comes_between() {
        // é is c3 a9, and è c3 a8; symbols are bytes, and 256 and more.
        let bytes = std::array::from_fn(|byte| byte as u32);
        let check = |merges: &[(u32, u32, u32)], expected: [Option<u32>; 2]| {
            let table = MergeTable::new(merges.iter().copied()).unwrap();
            let chars = WholeChars::new(&table, merges, &bytes, 260);
            assert_eq!([chars.get(0xE9), chars.get(0xE8)], expected, "{merges:?}");
            assert_eq!(chars.get(0x41), Some(0x41));
        };
        check(&[(0xC3, 0xA9, 256)], [Some(256), None]);
        // A space takes the first byte before it is merged, or after.
        check(&[(0x20, 0xC3, 257), (0xC3, 0xA9, 256)], [None, None]);
        check(&[(0xC3, 0xA9, 256), (0x20, 0xC3, 257), (0xC3, 0xA8, 258)], [Some(256), None]);
        // Something behind takes the last byte.
        check(&[(0xA9, 0x20, 257), (0xC3, 0xA9, 256), (0xC3, 0xA8, 258)], [None, Some(258)]);
    }
}
