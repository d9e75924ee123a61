//! Pipelines that find the most probable tokens of words: T5, XLM-RoBERTa, ALBERT, mBART, DeBERTa-v3.
//!
//! Text is taken apart at spaces, and at other characters that become spaces; what a part has of ids follows
//! from its bytes alone, so that it is remembered by them. Two things need more than that: the first part,
//! which may get a mark in front, and the last, when it ends in spaces. What becomes of a part is said by
//! [`Normal`], which tokens it has by [`Unigram`]; O(n) for any text.

use std::ops::Range;

use serde_json::Value;
use tokenizers::{
    NormalizedString, OffsetType, PreTokenizedString, PreTokenizer, PreTokenizerWrapper, Token,
    pre_tokenizers::metaspace::{Metaspace, PrependScheme},
};

use crate::{
    definition::Definition,
    kernel::{Kernel, Piece, Reason, Section, Start},
    memo::Memo,
    precompiled::extends,
    sentence_bpe::MARK,
    unigram::{Lattice, Unigram},
    word_normal::Normal,
};

/// Places are found in stretches of at least so many bytes.
const STRETCH: usize = 256;

/// How far from the asked place a cut is looked for.
const CUT_WITHIN: usize = 1 << 16;

/// The pipeline.
#[derive(Debug)]
pub(crate) struct SentenceUnigram {
    model: Unigram,
    normal: Normal,
    words: Words,
    prefix: PrependScheme,
    /// Each word has a mark in front.
    marked: bool,
    /// What stands between parts: the space, and what always becomes one.
    separators: [bool; 256],
    pre_tokenizer: PreTokenizerWrapper,
    /// The same for sections that are not the beginning of the text.
    pre_tokenizer_inside: PreTokenizerWrapper,
}

/// How words are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    /// At whitespace, which is dropped.
    Whitespace,
    /// Before every mark, which a space is too.
    Marks,
}

/// What a thread keeps.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    memo: Memo,
    work: Work,
}

#[derive(Debug, Default)]
struct Work {
    lattice: Lattice,
    normal: String,
    word: String,
    edge: String,
}

/// A part of a section.
enum Part<'a> {
    /// Something between spaces, which follows a mark.
    Inner(Range<usize>),
    /// Normalised text, with the space in front that it follows, if any.
    Edge(&'a str),
}

impl SentenceUnigram {
    /// The pipeline of `definition`, or why it is none of these.
    pub(crate) fn new(definition: &Definition<'_>) -> Result<Self, Reason> {
        let (words, metaspace) = words(definition.pre_tokenizer.as_ref())?;
        if metaspace.get_replacement() != MARK || !metaspace.get_split() {
            return Err("words are not told apart by marks".into());
        }
        let prefix = metaspace.get_prepend_scheme();
        if words == Words::Whitespace && prefix == PrependScheme::First {
            return Err("only the first of several words is marked".into());
        }
        let normal = Normal::new(definition.normalizer.as_ref(), definition.beyond.longest_in_table)?;
        if normal.prefix && (words == Words::Whitespace || prefix != PrependScheme::Never) {
            return Err("marks are put in front twice".into());
        }
        if words == Words::Whitespace && normal.collapse_to_mark {
            return Err("spaces become marks before words are told apart at spaces".into());
        }
        let model = Unigram::new(definition)?;
        let mut separators = [false; 256];
        for separator in [' ', '\n', '\t'] {
            let mut becomes = String::new();
            normal.word(separator.encode_utf8(&mut [0; 4]), &mut becomes);
            let mut characters = becomes.chars();
            let separates = match (words, characters.next(), characters.next()) {
                (Words::Marks, Some(first), None) => first == ' ',
                (Words::Whitespace, Some(first), None) => first.is_whitespace(),
                _ => false,
            };
            separators[separator as usize] = separates;
        }
        if !separators[usize::from(b' ')] {
            return Err("spaces do not stay spaces".into());
        }
        let wrap = |prefix| {
            let metaspace = PreTokenizerWrapper::Metaspace(Metaspace::new(MARK, prefix, true));
            let parts = vec![
                PreTokenizerWrapper::WhitespaceSplit(tokenizers::pre_tokenizers::whitespace::WhitespaceSplit),
                metaspace.clone(),
            ];
            match words {
                Words::Marks => metaspace,
                Words::Whitespace => {
                    PreTokenizerWrapper::Sequence(tokenizers::pre_tokenizers::sequence::Sequence::new(parts))
                }
            }
        };
        let inside = if prefix == PrependScheme::First { PrependScheme::Never } else { prefix };
        Ok(Self {
            model,
            normal,
            words,
            prefix,
            marked: words == Words::Marks || prefix != PrependScheme::Never,
            separators,
            pre_tokenizer: wrap(prefix),
            pre_tokenizer_inside: wrap(inside),
        })
    }

    /// Calls `part` with each part of `section`, whose text is `text` without what goes from its ends.
    #[inline(always)]
    fn each(&self, section: Section<'_>, work: &mut Work, mut part: impl FnMut(&str, Part<'_>, &mut Work)) {
        if self.words == Words::Whitespace {
            let text = section.text;
            let mut start = 0;
            while start < text.len() {
                let end = self.end(text, start);
                if start < end {
                    part(text, Part::Inner(start..end), work);
                }
                start = end + 1;
            }
            return;
        }
        let text = self.trim(section, work);
        if text.is_empty() {
            return;
        }
        let mut start = 0;
        loop {
            let end = self.end(text, start);
            let (first, last) = (start == 0, end >= text.len());
            let plain =
                || start < end && text.as_bytes()[start..end].iter().all(|&byte| self.normal.is_plain(byte));
            let inner = if first { self.prefixed(section.start) && plain() } else { !last || plain() };
            let one_of_several = start == end && !first && !(last && self.normal.collapse);
            if one_of_several {
                if !self.normal.collapse {
                    part(text, Part::Edge(" "), work);
                }
            } else if inner {
                part(text, Part::Inner(start..end), work);
            } else {
                let mut edge = std::mem::take(&mut work.edge);
                self.edge(section.start, &text[start..end], first, last, work, &mut edge);
                part(text, Part::Edge(&edge), work);
                work.edge = edge;
            }
            if last {
                return;
            }
            start = end + 1;
        }
    }

    /// Puts into `edge` what the first or the last part becomes.
    fn edge(&self, at: Start, text: &str, first: bool, last: bool, work: &mut Work, edge: &mut String) {
        edge.clear();
        if !first {
            edge.push(' ');
        }
        let from = edge.len();
        self.normal.word(text, edge);
        if last && self.normal.after.right {
            edge.truncate(self.normal.trim_end(&edge[from..]).len() + from);
        }
        if !last && self.normal.collapse {
            edge.truncate(edge.trim_end_matches(' ').len());
        }
        if first {
            let trimmed = self.normal.after.left && at != Start::Cut;
            let left = if trimmed { self.normal.trim_start(edge) } else { edge.as_str() };
            let missing = self.normal.prefix || !left.starts_with([' ', MARK]);
            // What is empty here is followed by a space, or nothing is there at all.
            let mark = missing && self.prefixed(at) && !(left.is_empty() && (last || !self.normal.prefix));
            work.normal.clear();
            work.normal.push_str(if mark { " " } else { "" });
            work.normal.push_str(left);
            std::mem::swap(edge, &mut work.normal);
        }
    }

    fn prefixed(&self, start: Start) -> bool {
        match (self.prefix, start) {
            _ if self.normal.prefix => start != Start::Cut,
            (PrependScheme::Never, _) | (_, Start::Cut) | (PrependScheme::First, Start::AddedToken) => false,
            (PrependScheme::Always, _) | (PrependScheme::First, Start::Text) => true,
        }
    }

    /// The text of `section` without parts at its ends that are spaces in the end, if those go.
    fn trim<'a>(&self, section: Section<'a>, work: &mut Work) -> &'a str {
        let mut text = section.text;
        let inside = section.start == Start::Cut;
        if self.normal.before.left && !inside {
            text = text.trim_start();
        }
        if self.normal.before.right {
            text = text.trim_end();
        }
        let normal = &mut work.normal;
        let mut becomes = |part: &str| {
            normal.clear();
            self.normal.word(part, normal);
            (self.normal.trim_start(normal).is_empty(), self.normal.trim_end(normal).is_empty())
        };
        if self.normal.after.left && !inside {
            while !text.is_empty() {
                let end = self.end(text, 0);
                if !becomes(&text[..end]).0 {
                    break;
                }
                text = text.get(end + 1..).unwrap_or_default();
            }
        }
        if self.normal.after.right {
            while !text.is_empty() {
                let start = self.start(text);
                if !becomes(&text[start..]).1 {
                    break;
                }
                text = &text[..start.saturating_sub(1)];
            }
        }
        text
    }

    /// Where the part ends that begins at `start`: at a separator, or at the end of the text.
    #[inline(always)]
    fn end(&self, text: &str, start: usize) -> usize {
        let bytes = text.as_bytes();
        let mut end = start;
        while let Some(&byte) = bytes.get(end) {
            if self.separators[usize::from(byte)] && self.separates(text, end) {
                return end;
            }
            end += 1;
        }
        end
    }

    /// Where the last part begins.
    fn start(&self, text: &str) -> usize {
        let found = text
            .bytes()
            .enumerate()
            .rev()
            .find(|&(at, byte)| self.separators[usize::from(byte)] && self.separates(text, at));
        found.map_or(0, |(at, _)| at + 1)
    }

    /// Whether the separator at `at` stands by itself, so that the text can be taken apart there.
    #[inline(always)]
    fn separates(&self, text: &str, at: usize) -> bool {
        let bytes = text.as_bytes();
        let extended = bytes.get(at + 1).is_some_and(|next| !next.is_ascii())
            && text[at + 1..].chars().next().is_some_and(extends);
        let ends_line = bytes[at] == b'\n' && at > 0 && bytes[at - 1] == b'\r';
        !extended && !ends_line
    }

    /// Calls `word` with each word of normalised `text`.
    fn each_word(&self, text: &str, buffer: &mut String, mut word: impl FnMut(&str)) {
        match self.words {
            Words::Whitespace => {
                for part in text.split_whitespace() {
                    let unmarked = self.prefix != PrependScheme::Never && !part.starts_with(MARK);
                    self.each_marked(if unmarked { " " } else { "" }, part, buffer, &mut word);
                }
            }
            Words::Marks => self.each_marked("", text, buffer, &mut word),
        }
    }

    /// Calls `word` with each word of `before` and `text`, both of which have spaces as marks only.
    fn each_marked(&self, before: &str, text: &str, buffer: &mut String, word: &mut impl FnMut(&str)) {
        buffer.clear();
        let mut after_space = false;
        for character in before.chars().chain(text.chars()) {
            let space = character == ' ';
            if space && after_space && self.normal.collapse {
                continue;
            }
            after_space = space;
            if (space || character == MARK) && !buffer.is_empty() {
                word(buffer);
                buffer.clear();
            }
            buffer.push(if space { MARK } else { character });
        }
        if !buffer.is_empty() {
            word(buffer);
        }
        // One long word must not keep its memory for ever.
        buffer.shrink_to(1 << 12);
    }

    /// Appends the ids of normalised `text`.
    fn encode(&self, text: &str, word: &mut String, lattice: &mut Lattice, out: &mut Vec<u32>) {
        self.each_word(text, word, |word| self.model.encode(word, lattice, |id, _| out.push(id)));
    }

    /// Appends the ids of an inner part.
    fn inner(&self, part: &str, work: &mut Work, out: &mut Vec<u32>) {
        let Work { lattice, normal, word, .. } = work;
        if self.marked {
            word.clear();
            word.push(MARK);
            self.normal.word(part, word);
            let becomes = &word[MARK.len_utf8()..];
            let one_word = !becomes.chars().any(|character| character == MARK || character.is_whitespace());
            if one_word && (!becomes.is_empty() || self.one_mark_stays()) {
                return self.model.encode(word, lattice, |id, _| out.push(id));
            }
        }
        normal.clear();
        if self.words == Words::Marks {
            normal.push(' ');
        }
        self.normal.word(part, normal);
        if self.words == Words::Marks && self.normal.collapse {
            // The space behind it becomes one with those at its end.
            normal.truncate(normal.trim_end_matches(' ').len());
        }
        self.encode(normal, word, lattice, out);
        normal.shrink_to(1 << 12);
    }

    /// Whether a part that becomes nothing leaves the mark before it.
    fn one_mark_stays(&self) -> bool {
        self.words == Words::Marks && !self.normal.collapse
    }
}

impl Kernel for SentenceUnigram {
    type Scratch = Scratch;

    fn ids(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<u32>) {
        let Scratch { memo, work } = scratch;
        self.each(section, work, |text, part, work| match part {
            Part::Inner(range) => {
                memo.append(text.as_bytes(), range.clone(), out, |_, out| {
                    self.inner(&text[range], work, out)
                });
            }
            Part::Edge(edge) => self.encode(edge, &mut work.word, &mut work.lattice, out),
        });
    }

    fn count(&self, section: Section<'_>, scratch: &mut Scratch) -> usize {
        let Scratch { memo, work } = scratch;
        let mut count = 0;
        let mut ids = Vec::new();
        self.each(section, work, |text, part, work| match part {
            Part::Inner(range) => {
                count +=
                    memo.count(text.as_bytes(), range.clone(), |_, out| self.inner(&text[range], work, out));
            }
            Part::Edge(edge) => {
                ids.clear();
                self.encode(edge, &mut work.word, &mut work.lattice, &mut ids);
                count += ids.len();
            }
        });
        count
    }

    fn pieces(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<Piece>) {
        let Section { text, mut start } = section;
        let (mut from, mut words) = (0, 0);
        while from < text.len() {
            let rest = &text[from..];
            let mut end = self.cut(rest, STRETCH).filter(|_| self.is_local()).unwrap_or(rest.len());
            let simple = self.is_simple(&rest[..end]);
            if from == 0 && !simple {
                // The library loses count of what vanishes at the very beginning, all places after it too.
                end = rest.len();
            }
            let part = Section { text: &rest[..end], start };
            let before = out.len();
            if simple {
                self.simple_pieces(part, &mut scratch.work, out);
            } else if let Ok(pieces) = self.aligned(part, &mut scratch.work.lattice) {
                // Nothing of this fails: no pattern is compiled, and each part gets its tokens.
                out.extend(pieces.into_iter().map(|(piece, _)| piece));
            }
            let base = words;
            for piece in &mut out[before..] {
                *piece = Piece {
                    start: piece.start + from,
                    end: piece.end + from,
                    word: piece.word + base,
                    ..*piece
                };
                words = piece.word + 1;
            }
            (from, start) = (from + end, Start::Cut);
        }
    }

    fn written(&self, section: Section<'_>, pieces: &[Piece], scratch: &mut Scratch) -> Vec<(usize, String)> {
        let unknown = self.model.unknown_id();
        if pieces.iter().all(|piece| piece.id != unknown) {
            return Vec::new();
        }
        let pieces = self.aligned(section, &mut scratch.work.lattice).unwrap_or_default();
        let written = pieces.into_iter().enumerate().filter(|(_, (piece, _))| piece.id == unknown);
        written.map(|(place, (_, text))| (place, text)).collect()
    }

    fn cut(&self, text: &str, from: usize) -> Option<usize> {
        if self.normal.before.left || self.normal.after.left {
            return None;
        }
        let plain = |byte: Option<&u8>| byte.is_some_and(|&byte| self.normal.is_plain(byte));
        let bytes = text.as_bytes();
        let end = bytes.len().min(from.saturating_add(CUT_WITHIN));
        (from.max(1)..end)
            .find(|&at| bytes[at] == b' ' && plain(bytes.get(at - 1)) && plain(bytes.get(at + 1)))
    }
}

impl SentenceUnigram {
    /// Whether places in a part that [`cut`](Kernel::cut) makes are those in the whole.
    fn is_local(&self) -> bool {
        let ends = [self.normal.before, self.normal.after];
        !self.normal.prefix && ends.into_iter().all(|ends| !ends.left && !ends.right)
    }

    /// Whether `text` stays what it is but for its spaces, so that places can be counted.
    fn is_simple(&self, text: &str) -> bool {
        let simple = |byte| self.normal.is_plain(byte) || self.separators[usize::from(byte)];
        self.is_local() && text.bytes().all(simple)
    }

    /// The tokens of a section that [is simple](Self::is_simple). What stands for a space is where the space
    /// is, of several the last; what was put in front is where the character is that it was put before.
    fn simple_pieces(&self, section: Section<'_>, work: &mut Work, out: &mut Vec<Piece>) {
        let text = section.text;
        let bytes = text.as_bytes();
        let Work { lattice, word: buffer, .. } = work;
        let mut words = 0;
        let mut word = |mark: Option<usize>, part: Range<usize>| {
            buffer.clear();
            buffer.extend(mark.map(|_| MARK));
            let marked = buffer.len();
            buffer.push_str(&text[part.clone()]);
            self.model.encode(buffer, lattice, |id, range| {
                let start = mark
                    .filter(|_| range.start < marked)
                    .unwrap_or(part.start + range.start.saturating_sub(marked));
                let end = match mark {
                    Some(mark) if range.end <= marked => mark + 1,
                    _ => part.start + range.end - marked,
                };
                out.push(Piece { id, start, end, word: words });
            });
            words += 1;
        };
        let mut at = 0;
        while at < bytes.len() {
            let first = at;
            while bytes.get(at).is_some_and(|&byte| self.separators[usize::from(byte)]) {
                at += 1;
            }
            let spaces = first..at;
            let end = self.end(text, at);
            match (self.words, spaces.end.checked_sub(1).filter(|_| !spaces.is_empty())) {
                (Words::Whitespace, _) if at == end => {}
                (Words::Whitespace, _) => word((self.prefix != PrependScheme::Never).then_some(at), at..end),
                (Words::Marks, None) => word(self.prefixed(section.start).then_some(at), at..end),
                (Words::Marks, Some(last)) => {
                    let alone = if self.normal.collapse { last..last } else { spaces.start..last };
                    alone.for_each(|space| word(Some(space), space..space));
                    word(Some(last), at..end);
                }
            }
            at = end;
        }
    }

    /// The tokens of `section` by the library's own alignments, and what of the text each is.
    fn aligned(
        &self,
        section: Section<'_>,
        lattice: &mut Lattice,
    ) -> tokenizers::Result<Vec<(Piece, String)>> {
        let mut text = NormalizedString::from(section.text);
        self.normal.align(&mut text)?;
        let mut text = PreTokenizedString::from(text);
        let pre_tokenizer =
            if section.start == Start::Text { &self.pre_tokenizer } else { &self.pre_tokenizer_inside };
        pre_tokenizer.pre_tokenize(&mut text)?;
        let lattice = std::cell::RefCell::new(lattice);
        text.tokenize(|word| {
            let mut tokens = Vec::new();
            self.model.encode(word.get(), &mut lattice.borrow_mut(), |id, range| {
                tokens.push(Token::new(id, word.get()[range.clone()].to_owned(), (range.start, range.end)));
            });
            Ok(tokens)
        })?;
        let encoding = text.into_encoding(None, 0, OffsetType::Byte)?;
        let places = encoding.get_offsets().iter().zip(encoding.get_word_ids());
        let pieces = encoding.get_ids().iter().zip(places).zip(encoding.get_tokens());
        Ok(pieces
            .map(|((&id, (&(start, end), &word)), text)| {
                (Piece { id, start, end, word: word.unwrap_or(0) }, text.clone())
            })
            .collect())
    }
}

/// The pre-tokeniser's parts, if they are known.
fn words(pre_tokenizer: Option<&Value>) -> Result<(Words, Metaspace), Reason> {
    let other = || Reason::from("the pre-tokeniser is not one of SentencePiece's");
    let pre_tokenizer = pre_tokenizer.ok_or_else(other)?.clone();
    match serde_json::from_value(pre_tokenizer).map_err(|_| other())? {
        PreTokenizerWrapper::Metaspace(metaspace) => Ok((Words::Marks, metaspace)),
        PreTokenizerWrapper::Sequence(sequence) => match sequence.as_ref() {
            [PreTokenizerWrapper::WhitespaceSplit(_), PreTokenizerWrapper::Metaspace(metaspace)] => {
                Ok((Words::Whitespace, metaspace.clone()))
            }
            [PreTokenizerWrapper::Metaspace(metaspace)] => Ok((Words::Marks, metaspace.clone())),
            _ => Err(other()),
        },
        _ => Err(other()),
    }
}

#[cfg(test)]
mod tests;
