//! What are the ids of a text by byte-level BPE (GPT-2 and nearly all models since)?
//!
//! The text is cut into pieces by [`Splitter`], the bytes of each piece are symbols, and pairs of symbols
//! are merged by [`MergeTable`]; a memo answers for pieces seen before. O(length · log of the longest
//! piece). Vocabularies write each byte as one printable character; here tokens are bytes.

use hashbrown::HashMap;

use crate::{
    alphabet::ALPHABET,
    bpe::{Filling, Lane, Symbol},
    bpe_chars::WholeChars,
    definition::{Definition, Vocab},
    kernel::{Kernel, Piece, Reason, Section, Start},
    made::made,
    memo::Memo,
    merge_table::{MergeTable, NO_SYMBOL},
    merging::{Merging, Working},
    normal::Form,
    split::{Pieces, Rules, Splitter},
};

/// The pipeline.
#[derive(Debug)]
pub(crate) struct ByteLevel {
    form: Option<Form>,
    /// Put a space before text that does not begin with one.
    prefix: bool,
    splitter: Splitter,
    /// The id of each byte.
    bytes: [u32; 256],
    merges: MergeTable,
    /// The rank of each pair of ASCII characters, the first in the higher bits: most lookups, from little
    /// memory.
    pairs: Box<[u32; 1 << 14]>,
    chars: WholeChars,
    /// The short pieces that become one token, but for some that are forgotten.
    tokens: Memo,
    /// If a piece that is a token is not merged but taken as it is, all other tokens.
    whole: HashMap<Box<str>, u32>,
    /// How many bytes the token of each id has.
    lens: Vec<u32>,
}

/// What a thread keeps for one pipeline.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    working: Working,
    normalised: String,
    prefixed: String,
}

/// The largest id that may be a symbol.
const MAX_ID: u32 = NO_SYMBOL - 1;

impl ByteLevel {
    /// The pipeline of `definition`, or why it is not one of these.
    pub(crate) fn new(definition: &Definition<'_>) -> Result<Self, Reason> {
        let model = &definition.model;
        if model.kind() != "BPE" {
            return Err("the model is not BPE".into());
        }
        if model.dropout.is_some_and(|dropout| dropout != 0.0) {
            return Err("merges are dropped at random".into());
        }
        for affix in [&model.continuing_subword_prefix, &model.end_of_word_suffix] {
            if affix.as_ref().is_some_and(|affix| !affix.is_empty()) {
                return Err("symbols have a prefix or a suffix".into());
            }
        }
        let pre_tokenizer = definition.pre_tokenizer.as_ref().ok_or("there is no pre-tokeniser")?;
        let (rules, prefix) = Rules::recognise(pre_tokenizer)?;
        let form = Form::recognise(definition.normalizer.as_ref())?;
        let Vocab::Ids(vocab) = &model.vocab else { return Err("the vocabulary has scores".into()) };
        let ids: HashMap<&str, u32> = vocab.iter().map(|(token, id)| (token.0.as_ref(), *id)).collect();

        let alphabet = &ALPHABET;
        let mut bytes = [0; 256];
        for (id, c) in bytes.iter_mut().zip(alphabet.chars) {
            *id = *ids.get(c.encode_utf8(&mut [0; 4]) as &str).ok_or("the vocabulary lacks a byte")?;
        }
        let mut lens = Vec::new();
        // The tokens by their ids.
        let mut written: Vec<Option<&str>> = Vec::new();
        for (token, &id) in &ids {
            if id > MAX_ID {
                return Err("the vocabulary has an id above 2^20".into());
            }
            let index = id as usize;
            if lens.len() <= index {
                lens.resize(index + 1, 0);
                written.resize(index + 1, None);
            }
            if written[index].replace(token).is_some() {
                return Err("two tokens have one id".into());
            }
            lens[index] = alphabet.decode(token).map_or(0, |bytes| bytes.count() as u32);
        }
        let mut triples = Vec::with_capacity(model.merges.0.len());
        let mut joined = String::new();
        // Most merges make the token of the one before, or the next one.
        let mut last = 0;
        for (left, right) in &model.merges.0 {
            let (left, right) = (&*left.0, &*right.0);
            let id = |token: &str| {
                ids.get(token).copied().ok_or("a merge has a token that is not in the vocabulary")
            };
            let is_made = |&id: &usize| {
                let token = written.get(id).copied().flatten();
                token.and_then(|token| token.strip_prefix(left)) == Some(right)
            };
            let made = match (last..last + 2).find(is_made) {
                Some(made) => made as u32,
                None => {
                    joined.clear();
                    joined.push_str(left);
                    joined.push_str(right);
                    id(&joined)?
                }
            };
            last = made as usize;
            triples.push((id(left)?, id(right)?, made));
        }
        let merges = match definition.beyond.ranks_of_tokens {
            true => MergeTable::by_token(&triples),
            false => MergeTable::new(triples.iter().copied()),
        }
        .ok_or("the merges are too many for a table, or chosen to overflow it")?;
        let mut pairs = Box::new([0; 1 << 14]);
        for (pair, rank) in pairs.iter_mut().enumerate() {
            *rank = merges.rank(bytes[pair >> 7], bytes[pair & 0x7F]);
        }
        let chars = WholeChars::new(&merges, &triples, &bytes, lens.len());
        let splitter = Splitter::new(rules);
        let (tokens, whole) = (Memo::default(), HashMap::new());
        let mut kernel = Self { chars, pairs, form, prefix, splitter, bytes, merges, tokens, whole, lens };
        kernel.know_tokens(&written, model.ignore_merges);
        Ok(kernel)
    }

    /// Finds out which pieces become one token, of all tokens by their ids: those that merging makes, and if a
    /// piece that is a token stays `unmerged`, all of them.
    fn know_tokens(&mut self, written: &[Option<&str>], unmerged: bool) {
        let mut bytes = Vec::new();
        let mut tokens: Vec<(Box<str>, u32)> = Vec::with_capacity(written.len());
        for (id, token) in (0..).zip(written) {
            let Some(token) = token.and_then(|token| ALPHABET.decode(token)) else { continue };
            bytes.clear();
            token.for_each(|byte| bytes.push(byte));
            // No piece is empty, or ends within a character.
            match std::str::from_utf8(&bytes) {
                Ok("") | Err(_) => {}
                Ok(token) => tokens.push((token.into(), id)),
            }
        }
        if !unmerged {
            let mut made = made(self, &tokens).into_iter();
            tokens.retain(|_| made.next() == Some(true));
        }
        self.tokens = Memo::of_tokens(tokens.iter().map(|(token, id)| (token.as_bytes(), *id)), tokens.len());
        if unmerged {
            tokens.retain(|(token, _)| self.tokens.token(token.as_bytes()).is_none());
            self.whole = tokens.into_iter().collect();
        }
    }

    /// Whether a space is put before this text.
    fn is_prefixed(&self, start: Start, text: &str) -> bool {
        self.prefix && start != Start::Cut && !text.is_empty() && !text.starts_with(' ')
    }

    /// Appends a section to `text` as it is cut.
    fn read(&self, section: Section<'_>, normalised: &mut String, text: &mut String) {
        let read = match self.form {
            Some(form) => form.apply(section.text, normalised),
            None => section.text,
        };
        if self.is_prefixed(section.start, read) {
            text.push(' ');
        }
        text.push_str(read);
    }

    /// Calls `each` with the text as it is cut, and all else that a piece needs.
    #[inline(always)]
    fn with_text<T>(
        &self,
        section: Section<'_>,
        scratch: &mut Scratch,
        each: impl FnOnce(&str, &mut Working) -> T,
    ) -> T {
        let Scratch { working, normalised, prefixed, .. } = scratch;
        let text = match self.form {
            Some(form) => form.apply(section.text, normalised),
            None => section.text,
        };
        if self.is_prefixed(section.start, text) {
            prefixed.clear();
            prefixed.push(' ');
            prefixed.push_str(text);
            each(prefixed, working)
        } else {
            each(text, working)
        }
    }
}

impl Merging for ByteLevel {
    type Pieces<'a> = Pieces<'a>;

    #[inline(always)]
    fn pieces_from<'a>(&'a self, text: &'a str, start: usize) -> Pieces<'a> {
        self.splitter.pieces(text, start)
    }

    fn table(&self) -> &MergeTable {
        &self.merges
    }

    #[inline(always)]
    fn whole(&self, piece: &str) -> Option<u32> {
        self.whole.get(piece).copied()
    }

    fn tokens(&self) -> &Memo {
        &self.tokens
    }

    #[inline(always)]
    fn symbols(&self, piece: &str, mut each: impl FnMut(Symbol)) {
        for c in piece.chars() {
            let len = c.len_utf8() as u32;
            match self.chars.get(u32::from(c)) {
                Some(id) => each(Symbol { id, len }),
                None => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        each(Symbol { id: self.bytes[usize::from(byte)], len: 1 });
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn begin(&self, piece: &str, lane: &mut Lane) {
        if piece.is_ascii() {
            let bytes = piece.as_bytes();
            let symbols = |filling: &mut Filling<'_>| {
                bytes.iter().for_each(|&byte| filling.push(self.bytes[usize::from(byte)]));
            };
            lane.begin(symbols, |place, _, _| {
                let pair = usize::from(bytes[place]) << 7 | usize::from(bytes[place + 1]);
                self.pairs[pair % self.pairs.len()]
            });
        } else {
            let symbols = |filling: &mut Filling<'_>| self.symbols(piece, |symbol| filling.push(symbol.id));
            lane.begin(symbols, |_, left, right| self.merges.rank(left, right));
        }
    }
}

impl Kernel for ByteLevel {
    type Scratch = Scratch;

    fn ids(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<u32>) {
        self.with_text(section, scratch, |text, working| working.append(self, text, 0, out));
    }

    fn count(&self, section: Section<'_>, scratch: &mut Scratch) -> usize {
        self.with_text(section, scratch, |text, working| working.count(self, text, 0))
    }

    fn ids_of_sections(
        &self,
        sections: &[Section<'_>],
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
        ends: &mut Vec<usize>,
    ) {
        let Scratch { working, normalised, .. } = scratch;
        let read = |section: Section<'_>, text: &mut String| self.read(section, normalised, text);
        working.append_sections(self, sections, read, out, ends);
    }

    fn count_of_sections(&self, sections: &[Section<'_>], scratch: &mut Scratch, ends: &mut Vec<usize>) {
        let Scratch { working, normalised, .. } = scratch;
        let read = |section: Section<'_>, text: &mut String| self.read(section, normalised, text);
        working.count_sections(self, sections, read, ends);
    }

    fn pieces(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<Piece>) {
        let aligned = self.form.and_then(|form| form.align(section.text));
        let text = aligned.as_ref().map_or(section.text, |aligned| aligned.text());
        // The space that is put before stands for the first character.
        let prefixed = self.is_prefixed(section.start, text);
        let first = text.chars().next().map_or(0, char::len_utf8);
        let origin = |start: usize, end: usize| {
            let (start, end) = match prefixed {
                true if end == 1 => (0, first),
                true => (start.saturating_sub(1), end - 1),
                false => (start, end),
            };
            // A part of a character stands for all of it.
            let (start, end) = (text.floor_char_boundary(start), text.ceil_char_boundary(end));
            aligned.as_ref().map_or(start..end, |aligned| aligned.original(start..end))
        };
        let mut ids = Vec::new();
        let Scratch { working, prefixed: buffer, .. } = scratch;
        let text = if prefixed {
            buffer.clear();
            buffer.push(' ');
            buffer.push_str(text);
            buffer
        } else {
            text
        };
        for (word, (start, end)) in (0..).zip(self.splitter.pieces(text, 0)) {
            ids.clear();
            working.append_one(self, text, start, end, &mut ids);
            let mut place = start;
            for &id in &ids {
                let start = place;
                place += self.lens.get(id as usize).map_or(0, |&len| len as usize);
                let origin = origin(start, place);
                out.push(Piece { id, start: origin.start, end: origin.end, word });
            }
        }
    }

    fn cut(&self, text: &str, from: usize) -> Option<usize> {
        self.splitter.cut(text, from)
    }
}

#[cfg(test)]
mod tests;
