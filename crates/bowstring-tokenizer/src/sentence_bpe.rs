//! Pipelines that merge whole sentences: SentencePiece's byte-pair encoding, as llama-2, mistral and gemma.
//!
//! Spaces become `▁`, one may be put in front, and merging knows no words. It is cut into pieces all the
//! same, wherever no merge can reach across ([`Joints`]); a piece has the same ids wherever it stands, so
//! they are remembered by its raw bytes. Characters without a token become those of their bytes, or the
//! unknown token. O(n) for text whose pieces are known or short; O(n log n) for one endless piece.

mod places;
mod spaces;
mod unknown;

use std::ops::Range;

use hashbrown::HashMap;

use self::{
    places::Places,
    spaces::{Prefix, Words, spaces},
    unknown::Unknown,
};
use crate::{
    bpe::{Filling, Lane, Symbol},
    characters::Characters,
    code::code_at,
    definition::{Definition, Vocab},
    joints::Joints,
    kernel::{Kernel, Piece, Reason, Section, Start},
    made::made,
    memo::Memo,
    merge_table::{MergeTable, NEVER, NO_SYMBOL},
    merging::{Merging, Working},
};

/// What stands for a space.
pub(crate) const MARK: char = '▁';

/// How far from the asked place a cut is looked for.
const CUT_WITHIN: usize = 1 << 16;

/// The pipeline.
#[derive(Debug)]
pub(crate) struct SentenceBpe {
    merges: MergeTable,
    /// The ranks of the pairs of ASCII, if each character of it is one symbol: if unknown ones are not fused,
    /// and the mark does not become its bytes.
    pairs: Option<Box<[u32; 1 << 14]>>,
    characters: Characters,
    joints: Joints,
    unknown: Unknown,
    prefix: Prefix,
    words: Words,
    /// The short pieces that become one token.
    tokens: Memo,
    /// How many bytes of the normalised text the token of each id stands for.
    lengths: Vec<u32>,
}

/// What a thread keeps.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    working: Working,
    /// The first piece of a section, with the mark in front.
    head: String,
}

impl SentenceBpe {
    /// The pipeline of `definition`, or why it is none of these.
    pub(crate) fn new(definition: &Definition<'_>) -> Result<Self, Reason> {
        let (prefix, words) = spaces(definition)?;
        let model = &definition.model;
        if model.kind() != "BPE" {
            return Err("the model is not BPE".into());
        }
        if model.dropout.is_some_and(|dropout| dropout != 0.0) {
            return Err("merges are dropped at random".into());
        }
        if model.ignore_merges {
            return Err("whole words are looked up before merging".into());
        }
        let affixes = [&model.continuing_subword_prefix, &model.end_of_word_suffix];
        if affixes.into_iter().flatten().any(|affix| !affix.is_empty()) {
            return Err("tokens have an affix for their place in the word".into());
        }
        let Vocab::Ids(vocab) = &model.vocab else { return Err("the vocabulary has scores".into()) };
        let tokens = || vocab.iter().map(|(token, id)| (token.0.as_ref(), *id));
        let ids: HashMap<&str, u32> = tokens().collect();
        let characters = Characters::new(tokens());
        let unknown =
            Unknown::new(model.byte_fallback, model.unk_token.as_deref(), model.fuse_unk, &ids, &characters)?;

        let highest = ids.values().copied().max().unwrap_or(0) as usize;
        if highest > 4 * ids.len() + 1024 {
            return Err("ids are far apart".into());
        }
        if highest >= NO_SYMBOL as usize {
            return Err("the vocabulary has an id above 2^20".into());
        }
        let mut lengths = vec![0; highest + 1];
        for (token, &id) in &ids {
            if std::mem::replace(&mut lengths[id as usize], token.len() as u32) != 0 {
                return Err("two tokens share an id".into());
            }
        }
        unknown.set_lengths(&mut lengths);

        let mut merges = Vec::with_capacity(model.merges.0.len());
        let mut pairs = Vec::new();
        let mut merged = String::new();
        for (left, right) in &model.merges.0 {
            merged.clear();
            merged.push_str(&left.0);
            merged.push_str(&right.0);
            let of = |token: &str| ids.get(token).copied().ok_or("a merge needs a token that is not there");
            let merge = (of(&left.0)?, of(&right.0)?, of(&merged)?);
            if [merge.0, merge.1, merge.2].into_iter().any(|id| unknown.has(id)) {
                return Err("tokens of bytes or unknown characters are merged".into());
            }
            merges.push(merge);
            let characters = merged.chars().map(|character| if character == MARK { ' ' } else { character });
            let neighbours = characters.clone().zip(characters.skip(1));
            pairs.extend(neighbours.filter(|&(_, right)| words == Words::Section || right != ' '));
        }
        let mut kernel = Self {
            merges: match definition.beyond.ranks_of_tokens {
                true => MergeTable::by_token(&merges),
                false => MergeTable::new(merges.into_iter()),
            }
            .ok_or("the merges are too many for a table, or chosen to overflow it")?,
            pairs: None,
            characters,
            joints: Joints::new(Vec::new()),
            unknown,
            prefix,
            words,
            tokens: Memo::default(),
            lengths,
        };
        let ascii = || (0..128_u8).map(char::from);
        let both = ascii().flat_map(|left| ascii().map(move |right| (left, right)));
        pairs.extend(both.clone().filter(|&(left, right)| kernel.fuses(left, right)));
        kernel.joints = Joints::new(pairs);
        let becomes_bytes = matches!(kernel.unknown, Unknown::Bytes(_)) && kernel.symbol(MARK).is_none();
        if !kernel.unknown.fuse() && !becomes_bytes {
            let mut pairs = Box::new([0; 1 << 14]);
            for (place, (left, right)) in pairs.iter_mut().zip(both) {
                *place = kernel.rank(left, right);
            }
            kernel.pairs = Some(pairs);
        }
        let tokens: Vec<(Box<str>, u32)> =
            ids.iter().map(|(token, &id)| (token.replace(MARK, " ").into(), id)).collect();
        let known = tokens.iter().zip(made(&kernel, &tokens)).filter(|(_, made)| *made);
        kernel.tokens = Memo::of_tokens(known.map(|((token, id), _)| (token.as_bytes(), *id)), tokens.len());
        Ok(kernel)
    }

    /// Whether any section gets a mark in front.
    pub(crate) fn prepends(&self) -> bool {
        self.prefix != Prefix::Never
    }

    /// Appends a section to `text`, with the mark in front where there is one.
    fn read(&self, section: Section<'_>, text: &mut String) {
        if self.begins_with_mark(section) {
            text.push(' ');
        }
        text.push_str(section.text);
    }

    /// Calls `piece` with each piece of `section`: the text that it stands in, and where.
    #[inline(always)]
    fn each_piece(&self, section: Section<'_>, head: &mut String, mut piece: impl FnMut(&str, Range<usize>)) {
        let start = self.head(section, head, &mut piece);
        self.pieces_from(section.text, start).for_each(|(start, end)| piece(section.text, start..end));
    }

    /// Calls `piece` with those that have the mark in front which is not in the text, and says where the text
    /// goes on.
    fn head(
        &self,
        section: Section<'_>,
        head: &mut String,
        mut piece: impl FnMut(&str, Range<usize>),
    ) -> usize {
        if !self.begins_with_mark(section) {
            return 0;
        }
        let start = self.end(section.text, 0);
        head.clear();
        head.push(' ');
        head.push_str(&section.text[..start]);
        let end = self.end(head, 0);
        piece(head, 0..end);
        if end < head.len() {
            piece(head, end..head.len());
        }
        // One long piece must not keep its memory for ever.
        head.shrink_to(1 << 12);
        start
    }

    fn begins_with_mark(&self, section: Section<'_>) -> bool {
        let missing = || !section.text.starts_with(is_mark);
        !section.text.is_empty()
            && section.start != Start::Cut
            && match self.prefix {
                Prefix::Never => false,
                Prefix::Always => true,
                Prefix::Missing => missing(),
                Prefix::MissingFirst => section.start == Start::Text && missing(),
            }
    }

    /// Where the piece ends that begins at `start`, which is before the end of `text`.
    #[inline(always)]
    fn end(&self, text: &str, start: usize) -> usize {
        let bytes = text.as_bytes();
        let mut end = start + 1;
        let mut left = bytes[start];
        while let Some(&right) = bytes.get(end) {
            if (left | right) & 0x80 != 0 {
                return self.end_of_any(text, end);
            }
            if !self.joints.ascii(left, right) {
                return end;
            }
            left = right;
            end += 1;
        }
        end
    }

    /// As [`Self::end`], when all before the character that ends at `from`, or is not ended there, is ASCII.
    #[inline(always)]
    fn end_of_any(&self, text: &str, from: usize) -> usize {
        let bytes = text.as_bytes();
        let mut end = from - 1;
        let mut left = None;
        while let Some((right, len)) = code_at(bytes, end) {
            let right = plain(right);
            if left.is_some_and(|left| !self.joined(left, right)) {
                break;
            }
            left = Some(right);
            end += len;
        }
        end
    }

    /// Whether two characters, the mark as a space, may be in one token.
    #[inline(always)]
    fn joined(&self, left: u32, right: u32) -> bool {
        let fuses = || {
            let both = char::from_u32(left).zip(char::from_u32(right));
            both.is_some_and(|(left, right)| self.fuses(left, right))
        };
        let begins_word = self.words == Words::Marks && right == u32::from(' ');
        !begins_word && (self.joints.any(left, right) || self.unknown.fuse() && fuses())
    }

    #[inline(always)]
    fn begins_word(&self, character: char) -> bool {
        self.words == Words::Marks && is_mark(character)
    }

    /// Whether both become one unknown token.
    fn fuses(&self, left: char, right: char) -> bool {
        self.unknown.fuse()
            && !self.begins_word(right)
            && self.symbol(left).is_none()
            && self.symbol(right).is_none()
    }

    /// The token of one character.
    fn symbol(&self, character: char) -> Option<u32> {
        self.characters.get(if character == ' ' { MARK } else { character })
    }

    /// The rank of two characters, if both are tokens.
    fn rank(&self, left: char, right: char) -> u32 {
        match (self.symbol(left), self.symbol(right)) {
            (Some(left), Some(right)) => self.merges.rank(left, right),
            _ => NEVER,
        }
    }
}

impl Merging for SentenceBpe {
    type Pieces<'a> = Pieces<'a>;

    #[inline(always)]
    fn pieces_from<'a>(&'a self, text: &'a str, start: usize) -> Pieces<'a> {
        Pieces { kernel: self, text, start }
    }

    fn table(&self) -> &MergeTable {
        &self.merges
    }

    #[inline(always)]
    fn whole(&self, _: &str) -> Option<u32> {
        None
    }

    fn tokens(&self) -> &Memo {
        &self.tokens
    }

    #[inline(always)]
    fn symbols(&self, piece: &str, mut each: impl FnMut(Symbol)) {
        let mut was_unknown = false;
        for character in piece.chars() {
            let character = if character == ' ' { MARK } else { character };
            let known = self.characters.get(character);
            match (&self.unknown, known) {
                (_, Some(id)) => each(Symbol { id, len: 1 }),
                (Unknown::Bytes(ids), None) => {
                    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                        each(Symbol { id: ids[usize::from(byte)], len: 1 });
                    }
                }
                (Unknown::Token { fused: true, .. }, None) if was_unknown => {}
                (Unknown::Token { id, .. }, None) => each(Symbol { id: *id, len: 1 }),
            }
            was_unknown = known.is_none();
        }
    }

    #[inline(always)]
    fn begin(&self, piece: &str, lane: &mut Lane) {
        let bytes = piece.as_bytes();
        let symbols = |filling: &mut Filling<'_>| self.symbols(piece, |symbol| filling.push(symbol.id));
        match &self.pairs {
            Some(pairs) if piece.is_ascii() => lane.begin(symbols, |place, _, _| {
                let pair = usize::from(bytes[place]) << 7 | usize::from(bytes[place + 1]);
                pairs[pair % pairs.len()]
            }),
            _ => lane.begin(symbols, |_, left, right| self.merges.rank(left, right)),
        }
    }
}

/// Goes from piece to piece of a text.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    kernel: &'a SentenceBpe,
    text: &'a str,
    /// Where the next one starts.
    start: usize,
}

impl Iterator for Pieces<'_> {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        let start = self.start;
        if start >= self.text.len() {
            return None;
        }
        self.start = self.kernel.end(self.text, start);
        Some((start, self.start))
    }
}

impl Kernel for SentenceBpe {
    type Scratch = Scratch;

    fn ids(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<u32>) {
        let Scratch { working, head } = scratch;
        let start = self.head(section, head, |text, range| {
            working.append_one(self, text, range.start, range.end, out);
        });
        working.append(self, section.text, start, out);
    }

    fn count(&self, section: Section<'_>, scratch: &mut Scratch) -> usize {
        let Scratch { working, head } = scratch;
        let mut count = 0;
        let start = self.head(section, head, |text, range| {
            count += working.count_one(self, text, range.start, range.end);
        });
        count + working.count(self, section.text, start)
    }

    fn ids_of_sections(
        &self,
        sections: &[Section<'_>],
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
        ends: &mut Vec<usize>,
    ) {
        let read = |section: Section<'_>, text: &mut String| self.read(section, text);
        scratch.working.append_sections(self, sections, read, out, ends);
    }

    fn count_of_sections(&self, sections: &[Section<'_>], scratch: &mut Scratch, ends: &mut Vec<usize>) {
        let read = |section: Section<'_>, text: &mut String| self.read(section, text);
        scratch.working.count_sections(self, sections, read, ends);
    }

    fn pieces(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<Piece>) {
        let Scratch { working, head } = scratch;
        let mut ids = Vec::new();
        let mut places = Places::new(self, section);
        self.each_piece(section, head, |text, range| {
            ids.clear();
            working.append_one(self, text, range.start, range.end, &mut ids);
            out.extend(ids.iter().map(|&id| places.next(id)));
        });
    }

    fn cut(&self, text: &str, from: usize) -> Option<usize> {
        let mut left = plain(u32::from(text.get(..from)?.chars().next_back()?));
        for (i, right) in text[from..].char_indices() {
            let right = plain(u32::from(right));
            if !self.joined(left, right) {
                return Some(from + i);
            }
            if i > CUT_WITHIN {
                return None;
            }
            left = right;
        }
        None
    }
}

fn is_mark(character: char) -> bool {
    character == ' ' || character == MARK
}

/// The code of a character, of the mark that of a space.
#[inline(always)]
fn plain(code: u32) -> u32 {
    if code == u32::from(MARK) { u32::from(' ') } else { code }
}

#[cfg(test)]
mod tests;
