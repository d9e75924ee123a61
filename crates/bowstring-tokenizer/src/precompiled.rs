//! What does SentencePiece's compiled table of characters make of a text?
//!
//! The table is a double array of byte strings (as darts-clone has it: a unit has 8 bits of label, a leaf
//! flag, and an offset that is xored with the place) that leads to texts, zeros between them. A grapheme
//! of at most five bytes that the table knows a beginning of becomes the text of the shortest one, otherwise
//! each of its characters does, or stays: that is what Hugging Face does. Most characters begin no byte string
//! alone and go on with none, so that they stay what they are; they are known beforehand and copied.
//! SentencePiece itself takes the longest byte string at each place, and none where a symbol of the user stands.

use std::{fmt, sync::LazyLock};

use base64::Engine as _;
use hashbrown::HashSet;
use tokenizers::NormalizedString;
use unicode_normalization_alignments::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use crate::{definition::Beyond, trie::Trie};

/// Graphemes of more bytes are not looked up as a whole.
const LONGEST_GRAPHEME: usize = 5;
/// More places of a table are not looked at to know what it has.
const MOST_PLACES: usize = 1 << 18;
/// Beyond it, no character is known to stand for itself.
const PLANE: usize = 1 << 16;

/// The table.
pub(crate) struct Precompiled {
    units: Vec<u32>,
    texts: String,
    /// The longest byte string counts, wherever it ends, as in SentencePiece itself.
    longest: bool,
    /// What stays as it is if the longest byte string counts: the longest of these at each place.
    symbols: Option<Trie>,
    /// The characters that stand in a byte string after another one, if they are known.
    followers: Option<HashSet<char>>,
    /// Characters that stay what they are among others of these, one bit each.
    inert: Box<[u64]>,
}

impl fmt::Debug for Precompiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Precompiled").field("units", &self.units.len()).finish_non_exhaustive()
    }
}

/// Characters of the first plane that form a grapheme with no other one but marks that follow them.
static ALONE: LazyLock<Box<[u64]>> = LazyLock::new(|| {
    let alone = |character: char| {
        let twice: String = [character, character].iter().collect();
        // A carriage return joins no other but a line feed.
        let joins = twice.graphemes(true).count() == 1 || extends(character) || is_prepended(character);
        !joins && character != '\r'
    };
    bits(alone)
});

/// Those that may be one grapheme with what stands before them, or are marks.
static EXTENDING: LazyLock<Box<[u64]>> = LazyLock::new(|| bits(may_extend));

/// Whether `character` may be one grapheme with what stands before it, or is a mark.
pub(crate) fn extends(character: char) -> bool {
    if (character as usize) < PLANE { bit(&EXTENDING, character) } else { may_extend(character) }
}

fn may_extend(character: char) -> bool {
    let after: String = ['a', character].iter().collect();
    after.graphemes(true).count() == 1 || is_combining_mark(character)
}

fn bits(of: impl Fn(char) -> bool) -> Box<[u64]> {
    let mut bits = vec![0; PLANE / 64].into_boxed_slice();
    for character in (0..PLANE as u32).filter_map(char::from_u32).filter(|&character| of(character)) {
        bits[character as usize / 64] |= 1 << (character as usize % 64);
    }
    bits
}

fn bit(bits: &[u64], character: char) -> bool {
    bits.get(character as usize / 64).is_some_and(|word| word >> (character as usize % 64) & 1 != 0)
}

impl Precompiled {
    /// The table in base64, as a `tokenizer.json` has it, read by the rules `beyond` such a document; `None`
    /// when it is not one.
    pub(crate) fn new(table: &str, beyond: &Beyond) -> Option<Self> {
        let table = base64::engine::general_purpose::STANDARD.decode(table).ok()?;
        let (size, rest) = table.split_first_chunk()?;
        // What is left over of a size that is not a multiple of four belongs to the texts, as there.
        let size = u32::from_le_bytes(*size) as usize / 4 * 4;
        let (units, texts) = rest.split_at_checked(size)?;
        let (units, _) = units.as_chunks();
        let units: Vec<u32> = units.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
        let texts = String::from_utf8(texts.to_vec()).ok()?;
        let symbols = match beyond.symbols.as_slice() {
            [] => None,
            symbols => Some(Trie::new(symbols.iter().map(String::as_bytes).zip(0..))?),
        };
        let longest = beyond.longest_in_table;
        let mut precompiled = Self { units, texts, longest, symbols, followers: None, inert: Box::default() };
        precompiled.followers = precompiled.find_followers();
        if let Some(followers) = &precompiled.followers {
            precompiled.inert = bits(|character| {
                !followers.contains(&character)
                    && precompiled.text(character.encode_utf8(&mut [0; 4])).is_none()
            });
        }
        Some(precompiled)
    }

    /// The characters that stand in a byte string after another one, of the first plane unless the longest counts;
    /// `None` when there are strings that end within a character, or more than any table has.
    fn find_followers(&self) -> Option<HashSet<char>> {
        let mut found = HashSet::new();
        let mut open: Vec<(usize, Vec<u8>)> = Vec::new();
        let first = if self.longest { char::MAX as u32 + 1 } else { PLANE as u32 };
        for character in (0..first).filter_map(char::from_u32) {
            open.extend(self.walk(character.encode_utf8(&mut [0; 4])).map(|at| (at, Vec::new())));
        }
        // Strings that end alike may share what they end in.
        let mut seen = HashSet::new();
        while let Some((at, bytes)) = open.pop() {
            if !seen.insert((at, bytes.clone())) {
                continue;
            }
            // No other bytes are in a text there.
            let continues = if bytes.is_empty() { 1..0xF5 } else { 0x80..0xC0 };
            for byte in continues {
                let child = at ^ usize::from(byte);
                let Some(&unit) = self.units.get(child) else { continue };
                if unit & (1 << 31 | 0xFF) != u32::from(byte) {
                    continue;
                }
                let mut bytes = bytes.clone();
                bytes.push(byte);
                let last = str::from_utf8(&bytes).ok().and_then(|text| text.chars().next());
                if seen.len() > MOST_PLACES || bytes.len() > 4 || (last.is_none() && has_leaf(unit)) {
                    return None;
                }
                if let Some(character) = last {
                    found.insert(character);
                    bytes.clear();
                }
                open.push((child ^ offset(unit), bytes));
            }
        }
        Some(found)
    }

    /// Where the byte strings go on that begin with `part`.
    fn walk(&self, part: &str) -> Option<usize> {
        let mut at = offset(*self.units.first()?);
        for &byte in part.as_bytes() {
            at ^= usize::from(byte);
            let unit = *self.units.get(at)?;
            if unit & (1 << 31 | 0xFF) != u32::from(byte) {
                return None;
            }
            at ^= offset(unit);
        }
        Some(at)
    }

    /// What the shortest beginning of `part` becomes that the table knows.
    fn text<'a>(&'a self, part: &'a str) -> Option<&'a str> {
        self.beginnings(part).next().map(|(_, text)| text)
    }

    /// The beginnings of `part` that the table knows, the shortest first: their lengths, and what they become.
    fn beginnings<'a>(&'a self, part: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        let mut at = self.units.first().map_or(0, |&unit| offset(unit));
        let mut bytes = (1..).zip(part.bytes());
        std::iter::from_fn(move || {
            for (len, byte) in bytes.by_ref().take_while(|&(_, byte)| byte != 0) {
                at ^= usize::from(byte);
                let unit = *self.units.get(at)?;
                if unit & (1 << 31 | 0xFF) != u32::from(byte) {
                    return None;
                }
                at ^= offset(unit);
                if has_leaf(unit) {
                    let start = *self.units.get(at)? & !(1 << 31);
                    let text = self.texts.get(start as usize..)?;
                    return Some((len, text.split_once('\0').map_or(text, |(text, _)| text)));
                }
            }
            None
        })
    }

    /// Whether any byte string of the table begins with `part`, or `part` with one of them.
    pub(crate) fn knows(&self, part: &str) -> bool {
        let Some(&first) = self.units.first() else { return false };
        let mut at = offset(first);
        for &byte in part.as_bytes() {
            at ^= usize::from(byte);
            let Some(&unit) = self.units.get(at) else { return false };
            if unit & (1 << 31 | 0xFF) != u32::from(byte) {
                return false;
            }
            if has_leaf(unit) {
                return true;
            }
            at ^= offset(unit);
        }
        true
    }

    /// Whether `character` stays what it is beside others of which this is true, and is no grapheme with them.
    pub(crate) fn keeps(&self, character: char) -> bool {
        bit(&self.inert, character) && bit(&ALONE, character)
    }

    /// Whether a byte string that counts may have `character` after another one.
    pub(crate) fn reaches_over(&self, character: char) -> bool {
        self.longest && self.followers.as_ref().is_none_or(|followers| followers.contains(&character))
    }

    /// How many bytes at the beginning of `text` stay as they are.
    fn symbol(&self, text: &str) -> Option<usize> {
        let symbols = self.symbols.as_ref()?;
        symbols.longest(symbols.root(), text.as_bytes()).map(|(_, len)| len)
    }

    /// Calls `part` with all parts of `text`, as long as they are one character or grapheme, and what each
    /// becomes if the table knows it.
    fn each<'a>(&'a self, text: &'a str, mut part: impl FnMut(&'a str, Option<&'a str>)) {
        if self.longest {
            let mut rest = text;
            while let Some(character) = rest.chars().next() {
                if let Some(len) = self.symbol(rest) {
                    part(&rest[..len], None);
                    rest = &rest[len..];
                    continue;
                }
                let found = self.beginnings(rest).filter(|&(len, _)| rest.is_char_boundary(len)).last();
                let len = found.map_or(character.len_utf8(), |(len, _)| len);
                part(&rest[..len], found.map(|(_, becomes)| becomes));
                rest = &rest[len..];
            }
            return;
        }
        for grapheme in text.graphemes(true) {
            if grapheme.len() <= LONGEST_GRAPHEME
                && let Some(becomes) = self.text(grapheme)
            {
                part(grapheme, Some(becomes));
                continue;
            }
            for (start, character) in grapheme.char_indices() {
                let character = &grapheme[start..start + character.len_utf8()];
                part(character, self.text(character));
            }
        }
    }

    /// Appends what `text` becomes.
    pub(crate) fn append(&self, text: &str, out: &mut String) {
        let start = out.len();
        if !self.append_one_by_one(text, out) {
            out.truncate(start);
            self.each(text, |part, becomes| out.push_str(becomes.unwrap_or(part)));
        }
    }

    /// Appends what `text` becomes if each character that may change is no grapheme with another one, or only
    /// one that is too long to be looked up, else says no.
    fn append_one_by_one(&self, text: &str, out: &mut String) -> bool {
        let mut copied = 0;
        let mut before = None;
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            if !bit(&self.inert, character) {
                let after = characters.peek().map(|&(_, after)| after);
                let pairs = [(before, Some(character)), (Some(character), after)];
                if self.longest
                    || pairs.into_iter().any(
                        |pair| matches!(pair, (Some(left), Some(right)) if may_be_looked_up(left, right)),
                    )
                {
                    return false;
                }
                let end = at + character.len_utf8();
                out.push_str(&text[copied..at]);
                out.push_str(self.text(&text[at..end]).unwrap_or(&text[at..end]));
                copied = end;
            }
            before = Some(character);
        }
        out.push_str(&text[copied..]);
        true
    }

    /// Makes of `text` what it becomes, with the alignments that Hugging Face gives it.
    pub(crate) fn align(&self, text: &mut NormalizedString) {
        let mut changes: Vec<(char, isize)> = Vec::with_capacity(text.get().len());
        let mut changed = false;
        let before = text.get().to_owned();
        self.each(&before, |part, becomes| {
            let Some(becomes) = becomes else { return changes.extend(part.chars().map(|c| (c, 0))) };
            changed = true;
            changes.extend(becomes.chars().map(|character| (character, 0)));
            let more = becomes.chars().count() as isize - part.chars().count() as isize;
            // Characters that come to the others are counted from the end of all that was said so far.
            changes.iter_mut().rev().take(more.max(0) as usize).for_each(|(_, change)| *change = 1);
            if let (true, Some((_, change))) = (more < 0, changes.last_mut()) {
                *change += more;
            }
        });
        if changed {
            text.transform(changes, 0);
        }
    }
}

/// Whether two characters that stand side by side may be one grapheme that is looked up as a whole.
fn may_be_looked_up(left: char, right: char) -> bool {
    left.len_utf8() + right.len_utf8() <= LONGEST_GRAPHEME && !(bit(&ALONE, left) && bit(&ALONE, right))
}

fn has_leaf(unit: u32) -> bool {
    unit >> 8 & 1 == 1
}

fn offset(unit: u32) -> usize {
    ((unit >> 10) << ((unit & 1 << 9) >> 6)) as usize
}

fn is_prepended(character: char) -> bool {
    !character.is_ascii() && PREPENDED.iter().any(|range| range.contains(&character))
}

/// Characters that are one grapheme with what follows them, a space even.
pub(crate) const PREPENDED: [std::ops::RangeInclusive<char>; 15] = [
    '\u{600}'..='\u{605}',
    '\u{6DD}'..='\u{6DD}',
    '\u{70F}'..='\u{70F}',
    '\u{890}'..='\u{891}',
    '\u{8E2}'..='\u{8E2}',
    '\u{D4E}'..='\u{D4E}',
    '\u{110BD}'..='\u{110BD}',
    '\u{110CD}'..='\u{110CD}',
    '\u{111C2}'..='\u{111C3}',
    '\u{113D1}'..='\u{113D1}',
    '\u{1193F}'..='\u{1193F}',
    '\u{11941}'..='\u{11941}',
    '\u{11A84}'..='\u{11A89}',
    '\u{11D46}'..='\u{11D46}',
    '\u{11F02}'..='\u{11F02}',
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        definition::{Beyond, Definition},
        differential::fixture,
    };

    proptest! {
        #[test]
        fn one_by_one_comes_to_the_same_as_by_graphemes(
            text in "([a가é각𝒳\u{e3f}-\u{e4d}\u{995}-\u{9d7}\u{300}-\u{315}\u{600}\u{200d}\u{f40}-\u{fbc}①ﬁŉ㍿]|\r\n|\u{1100}\u{1161}){1,8}",
        ) {
            static TABLE: LazyLock<Precompiled> = LazyLock::new(|| {
                let json = fixture(include_bytes!("../fixtures/t5-4k.json.gz"));
                let definition: Definition<'_> = serde_json::from_str(&json).unwrap();
                let normalizer = definition.normalizer.unwrap();
                let table = normalizer["precompiled_charsmap"].as_str().unwrap();
                Precompiled::new(table, &Beyond::default()).unwrap()
            });
            let (mut found, mut expected) = (String::new(), String::new());
            TABLE.append(&text, &mut found);
            TABLE.each(&text, |part, becomes| expected.push_str(becomes.unwrap_or(part)));
            prop_assert_eq!(found, expected);
        }
    }
}
