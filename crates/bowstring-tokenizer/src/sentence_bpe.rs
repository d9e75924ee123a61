//! Pipelines that merge whole sentences: SentencePiece's byte-pair encoding, as llama-2, mistral and gemma.
//!
//! Spaces become `▁`, one may be put in front, and merging knows no words. It is cut into pieces all the
//! same, wherever no merge can reach across ([`Joints`]); a piece has the same ids wherever it stands, so
//! they are remembered by its raw bytes. Characters without a token become those of their bytes, or the
//! unknown token. O(n) for text whose pieces are known or short; O(n log n) for one endless piece.

use std::ops::Range;

use hashbrown::HashMap;
use tokenizers::{
    NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior,
    normalizers::Replace,
    pre_tokenizers::{metaspace::PrependScheme, split::Split},
};

use crate::{
    bpe::{MergeScratch, Symbol},
    characters::Characters,
    definition::{Definition, Vocab},
    joints::Joints,
    kernel::{Kernel, Piece, Reason, Section, Start},
    memo::Memo,
    merge_table::MergeTable,
};

/// What stands for a space.
pub(crate) const MARK: char = '▁';

/// No id.
const NONE: u32 = u32::MAX;

/// How far from the asked place a cut is looked for.
const CUT_WITHIN: usize = 1 << 16;

/// The pipeline.
#[derive(Debug)]
pub(crate) struct SentenceBpe {
    merges: MergeTable,
    characters: Characters,
    joints: Joints,
    /// The ids of ASCII that is a piece by itself, if it is one.
    alone: [u32; 128],
    unknown: Unknown,
    prefix: Prefix,
    words: Words,
    /// How many bytes of the normalised text the token of each id stands for.
    lengths: Vec<u32>,
}

/// What a character without a token becomes.
#[derive(Debug)]
enum Unknown {
    /// The tokens of its bytes.
    Bytes(Box<[u32; 256]>),
    /// One token for each, or one for all that follow each other.
    Token { id: u32, fused: bool },
}

/// Where a section begins with a mark that is not in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    Never,
    Always,
    /// Unless the text begins with one.
    Missing,
    /// Unless the text begins with one, and only before the caller's text.
    MissingFirst,
}

/// What the pre-tokeniser takes for a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    Section,
    /// Each mark begins one.
    Marks,
}

/// What a thread keeps.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    memo: Memo,
    word: Vec<Symbol>,
    merge: MergeScratch,
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
            .ok_or("the vocabulary is larger than a table of merges")?,
            characters,
            joints: Joints::new(Vec::new()),
            alone: [NONE; 128],
            unknown,
            prefix,
            words,
            lengths,
        };
        let ascii = || (0..128_u8).map(char::from);
        let both = ascii().flat_map(|left| ascii().map(move |right| (left, right)));
        pairs.extend(both.filter(|&(left, right)| kernel.fuses(left, right)));
        kernel.joints = Joints::new(pairs);
        for byte in 0..128_u8 {
            let mut ids = Vec::new();
            let text = char::from(byte).to_string();
            kernel.merge(&text, &mut Vec::new(), &mut MergeScratch::default(), &mut ids);
            if let [id] = ids.as_slice() {
                kernel.alone[usize::from(byte)] = *id;
            }
        }
        Ok(kernel)
    }

    /// Calls `piece` with each piece of `section`: the text that it stands in, and where.
    #[inline(always)]
    fn each_piece(&self, section: Section<'_>, head: &mut String, mut piece: impl FnMut(&str, Range<usize>)) {
        let text = section.text;
        let mut start = 0;
        if self.begins_with_mark(section) {
            start = self.end(text, 0);
            head.clear();
            head.push(' ');
            head.push_str(&text[..start]);
            let end = self.end(head, 0);
            piece(head, 0..end);
            if end < head.len() {
                piece(head, end..head.len());
            }
            // One long piece must not keep its memory for ever.
            head.shrink_to(1 << 12);
        }
        while start < text.len() {
            let end = self.end(text, start);
            piece(text, start..end);
            start = end;
        }
    }

    /// The id of a piece of one byte, if it has only one.
    #[inline(always)]
    fn alone(&self, text: &str, range: &Range<usize>) -> Option<u32> {
        let byte = text.as_bytes()[range.start];
        let id = if range.len() == 1 { self.alone[usize::from(byte & 0x7F)] } else { NONE };
        (id != NONE).then_some(id)
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
                return self.end_of_any(text, start, end);
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
    fn end_of_any(&self, text: &str, start: usize, from: usize) -> usize {
        let from = from - 1;
        let mut characters = text[from..].char_indices();
        let Some((_, mut left)) = characters.next() else { return text.len() };
        debug_assert!(from >= start);
        for (i, right) in characters {
            if !self.joined(left, right) {
                return from + i;
            }
            left = right;
        }
        text.len()
    }

    fn joined(&self, left: char, right: char) -> bool {
        let plain = |character| if character == MARK { ' ' } else { character };
        !self.begins_word(right) && (self.joints.any(plain(left), plain(right)) || self.fuses(left, right))
    }

    fn begins_word(&self, character: char) -> bool {
        self.words == Words::Marks && is_mark(character)
    }

    /// Whether both become one unknown token.
    fn fuses(&self, left: char, right: char) -> bool {
        matches!(self.unknown, Unknown::Token { fused: true, .. })
            && !self.begins_word(right)
            && self.symbol(left).is_none()
            && self.symbol(right).is_none()
    }

    /// The token of one character.
    fn symbol(&self, character: char) -> Option<u32> {
        self.characters.get(if character == ' ' { MARK } else { character })
    }

    /// Appends the ids of a piece by merging it.
    fn merge(&self, piece: &str, word: &mut Vec<Symbol>, scratch: &mut MergeScratch, out: &mut Vec<u32>) {
        word.clear();
        let mut was_unknown = false;
        for character in piece.chars() {
            let character = if character == ' ' { MARK } else { character };
            let known = self.characters.get(character);
            match (&self.unknown, known) {
                (_, Some(id)) => word.push(Symbol { id, len: 1 }),
                (Unknown::Bytes(ids), None) => {
                    let mut bytes = [0; 4];
                    let bytes = character.encode_utf8(&mut bytes).bytes();
                    word.extend(bytes.map(|byte| Symbol { id: ids[usize::from(byte)], len: 1 }));
                }
                (Unknown::Token { fused: true, .. }, None) if was_unknown => {}
                (Unknown::Token { id, .. }, None) => word.push(Symbol { id: *id, len: 1 }),
            }
            was_unknown = known.is_none();
        }
        self.merges.merge(word, scratch);
        out.extend(word.iter().map(|symbol| symbol.id));
        // One long piece must not keep its memory for ever.
        word.clear();
        word.shrink_to(1 << 12);
    }
}

impl Kernel for SentenceBpe {
    type Scratch = Scratch;

    fn ids(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<u32>) {
        let Scratch { memo, word, merge, head } = scratch;
        self.each_piece(section, head, |text, range| match self.alone(text, &range) {
            Some(id) => out.push(id),
            None => memo.append(text.as_bytes(), range.clone(), out, |_, out| {
                self.merge(&text[range], word, merge, out)
            }),
        });
    }

    fn count(&self, section: Section<'_>, scratch: &mut Scratch) -> usize {
        let Scratch { memo, word, merge, head } = scratch;
        let mut count = 0;
        self.each_piece(section, head, |text, range| {
            count += match self.alone(text, &range) {
                Some(_) => 1,
                None => memo.count(text.as_bytes(), range.clone(), |_, out| {
                    self.merge(&text[range], word, merge, out)
                }),
            };
        });
        count
    }

    fn pieces(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<Piece>) {
        let Scratch { memo, word, merge, head } = scratch;
        let mut ids = Vec::new();
        let mut places = Places::new(self, section);
        self.each_piece(section, head, |text, range| {
            ids.clear();
            memo.append(text.as_bytes(), range.clone(), &mut ids, |_, out| {
                self.merge(&text[range], word, merge, out)
            });
            out.extend(ids.iter().map(|&id| places.next(id)));
        });
    }

    fn cut(&self, text: &str, from: usize) -> Option<usize> {
        let before = text.get(..from)?.chars().next_back();
        let mut left = before?;
        for (i, right) in text[from..].char_indices() {
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

impl Unknown {
    fn new(
        byte_fallback: bool,
        token: Option<&str>,
        fused: bool,
        ids: &HashMap<&str, u32>,
        characters: &Characters,
    ) -> Result<Self, Reason> {
        if byte_fallback {
            let mut bytes = Box::new([u32::MAX; 256]);
            for (byte, place) in (0..=u8::MAX).zip(bytes.iter_mut()) {
                match ids.get(format!("<0x{byte:02X}>").as_str()) {
                    Some(id) => *place = *id,
                    // These bytes are in no text, and these are not needed.
                    None if matches!(byte, 0xC0 | 0xC1 | 0xF5..) => {}
                    None if byte.is_ascii() && characters.get(char::from(byte)).is_some() => {}
                    None if byte == b' ' => {}
                    None => return Err("a byte has no token".into()),
                }
            }
            return Ok(Self::Bytes(bytes));
        }
        let token = token.ok_or("characters without a token are dropped")?;
        let id = ids.get(token).copied().ok_or("the unknown token is not in the vocabulary")?;
        Ok(Self::Token { id, fused })
    }

    fn has(&self, id: u32) -> bool {
        match self {
            Self::Bytes(ids) => ids.contains(&id),
            Self::Token { id: unknown, .. } => *unknown == id,
        }
    }

    /// The tokens of bytes stand for one byte, the unknown token for what is not known before it is seen.
    fn set_lengths(&self, lengths: &mut [u32]) {
        let (ids, len) = match self {
            Self::Bytes(ids) => (ids.as_slice(), 1),
            Self::Token { id, .. } => (std::slice::from_ref(id), 0),
        };
        for &id in ids {
            if let Some(length) = lengths.get_mut(id as usize) {
                *length = len;
            }
        }
    }
}

fn is_mark(character: char) -> bool {
    character == ' ' || character == MARK
}

/// What the normaliser and the pre-tokeniser do with spaces.
fn spaces(definition: &Definition<'_>) -> Result<(Prefix, Words), Reason> {
    let read = |_| Reason::from("a component is not known");
    let normalizer = definition.normalizer.clone().map(serde_json::from_value).transpose().map_err(read)?;
    let pre_tokenizer =
        definition.pre_tokenizer.clone().map(serde_json::from_value).transpose().map_err(read)?;
    let mark = MARK.to_string();
    let (mut replaced, mut prepended) = (false, false);
    let mut normalizers: Vec<NormalizerWrapper> = normalizer.into_iter().collect();
    while let Some(normalizer) = normalizers.pop() {
        match normalizer {
            NormalizerWrapper::Sequence(sequence) => normalizers.extend(sequence),
            NormalizerWrapper::Prepend(prepend) if prepend.prepend == mark && !prepended => prepended = true,
            NormalizerWrapper::Replace(replace)
                if Replace::new(" ", mark.as_str()).is_ok_and(|spaces| replace == spaces) =>
            {
                replaced = true;
            }
            _ => return Err("the normaliser does more than to mark spaces".into()),
        }
    }
    let before = if prepended { Prefix::Always } else { Prefix::Never };
    match pre_tokenizer {
        None if replaced => Ok((before, Words::Section)),
        Some(PreTokenizerWrapper::Split(split))
            if replaced
                && Split::new(" ", SplitDelimiterBehavior::MergedWithPrevious, false)
                    .is_ok_and(|spaces| split == spaces) =>
        {
            Ok((before, Words::Section))
        }
        Some(PreTokenizerWrapper::Metaspace(metaspace)) if metaspace.get_replacement() == MARK => {
            let prefix = match metaspace.get_prepend_scheme() {
                _ if prepended => before,
                PrependScheme::Never => Prefix::Never,
                PrependScheme::Always => Prefix::Missing,
                PrependScheme::First => Prefix::MissingFirst,
            };
            Ok((prefix, if metaspace.get_split() { Words::Marks } else { Words::Section }))
        }
        None => Err("spaces are not marked".into()),
        Some(_) => Err("the pre-tokeniser splits words".into()),
    }
}

/// Which bytes of the section the tokens stand for, one after the other.
struct Places<'a> {
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
    fn new(kernel: &'a SentenceBpe, section: Section<'a>) -> Self {
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

    fn next(&mut self, id: u32) -> Piece {
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

#[cfg(test)]
mod tests;
