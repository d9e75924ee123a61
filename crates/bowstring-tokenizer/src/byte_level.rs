//! What are the ids of a text by byte-level BPE (GPT-2 and nearly all models since)?
//!
//! The text is cut into pieces by [`Splitter`], the bytes of each piece are symbols, and pairs of symbols
//! are merged by [`MergeTable`]; a [`Memo`] answers for pieces seen before. O(length · log of the longest
//! piece). Vocabularies write each byte as one printable character; here tokens are bytes.

use std::fmt;

use hashbrown::{HashMap, HashTable};

use crate::{
    bpe::{MergeScratch, MergeTable, Symbol},
    definition::{Definition, Vocab},
    kernel::{Kernel, Piece, Reason, Section, Start},
    memo::Memo,
    normal::Form,
    split::{Rules, Splitter},
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
    /// All tokens, if a piece that is a token is not merged but taken as it is.
    whole: Option<Tokens>,
    /// How many bytes the token of each id has.
    lens: Vec<u32>,
}

/// What a thread keeps for one pipeline.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    memo: Memo,
    merging: Merging,
    normalised: String,
    prefixed: String,
}

#[derive(Debug, Default)]
struct Merging {
    word: Vec<Symbol>,
    scratch: MergeScratch,
}

/// The largest id for which lengths are kept in a list.
const MAX_ID: u32 = 1 << 24;

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

        let alphabet = Alphabet::new();
        let mut bytes = [0; 256];
        for (id, c) in bytes.iter_mut().zip(alphabet.chars) {
            *id = *ids.get(c.encode_utf8(&mut [0; 4]) as &str).ok_or("the vocabulary lacks a byte")?;
        }
        let mut lens = Vec::new();
        let mut seen = Vec::new();
        for (token, &id) in &ids {
            if id > MAX_ID {
                return Err("the vocabulary has an id above 2^24".into());
            }
            let index = id as usize;
            if lens.len() <= index {
                lens.resize(index + 1, 0);
                seen.resize(index + 1, false);
            }
            if std::mem::replace(&mut seen[index], true) {
                return Err("two tokens have one id".into());
            }
            lens[index] = alphabet.decode(token).map_or(0, |bytes| bytes.count() as u32);
        }
        let whole = model.ignore_merges.then(|| Tokens::new(&alphabet, &ids));

        let mut triples = Vec::with_capacity(model.merges.0.len());
        let mut joined = String::new();
        for (left, right) in &model.merges.0 {
            joined.clear();
            joined.push_str(&left.0);
            joined.push_str(&right.0);
            let id = |token: &str| {
                ids.get(token).copied().ok_or("a merge has a token that is not in the vocabulary")
            };
            triples.push((id(&left.0)?, id(&right.0)?, id(&joined)?));
        }
        let merges = MergeTable::new(triples.into_iter());
        Ok(Self { form, prefix, splitter: Splitter::new(rules), bytes, merges, whole, lens })
    }

    /// Appends the ids of a piece.
    fn piece(&self, piece: &[u8], merging: &mut Merging, out: &mut Vec<u32>) {
        if let Some(id) = self.whole.as_ref().and_then(|tokens| tokens.get(piece)) {
            out.push(id);
            return;
        }
        let Merging { word, scratch } = merging;
        word.clear();
        word.extend(piece.iter().map(|&byte| Symbol { id: self.bytes[usize::from(byte)], len: 1 }));
        self.merges.merge(word, scratch);
        out.extend(word.iter().map(|symbol| symbol.id));
        // One long piece must not keep its memory for ever.
        word.clear();
        word.shrink_to(1 << 12);
    }

    /// Whether a space is put before this text.
    fn is_prefixed(&self, start: Start, text: &str) -> bool {
        self.prefix && start != Start::Cut && !text.is_empty() && !text.starts_with(' ')
    }

    /// Calls `each` with the text as it is cut, and all else that a piece needs.
    #[inline(always)]
    fn with_text<T>(
        &self,
        section: Section<'_>,
        scratch: &mut Scratch,
        each: impl FnOnce(&str, &mut Memo, &mut Merging) -> T,
    ) -> T {
        let Scratch { memo, merging, normalised, prefixed } = scratch;
        let text = match self.form {
            Some(form) => form.apply(section.text, normalised),
            None => section.text,
        };
        if self.is_prefixed(section.start, text) {
            prefixed.clear();
            prefixed.push(' ');
            prefixed.push_str(text);
            each(prefixed, memo, merging)
        } else {
            each(text, memo, merging)
        }
    }
}

impl Kernel for ByteLevel {
    type Scratch = Scratch;

    fn ids(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<u32>) {
        self.with_text(section, scratch, |text, memo, merging| {
            self.splitter.split(text, |start, end| {
                memo.append(text.as_bytes(), start..end, out, |piece, out| self.piece(piece, merging, out));
            });
        });
    }

    fn count(&self, section: Section<'_>, scratch: &mut Scratch) -> usize {
        self.with_text(section, scratch, |text, memo, merging| {
            let mut count = 0;
            self.splitter.split(text, |start, end| {
                count +=
                    memo.count(text.as_bytes(), start..end, |piece, out| self.piece(piece, merging, out));
            });
            count
        })
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
        let mut word = 0;
        let Scratch { memo, merging, prefixed: buffer, .. } = scratch;
        let text = if prefixed {
            buffer.clear();
            buffer.push(' ');
            buffer.push_str(text);
            buffer
        } else {
            text
        };
        self.splitter.split(text, |start, end| {
            ids.clear();
            memo.append(text.as_bytes(), start..end, &mut ids, |piece, out| self.piece(piece, merging, out));
            let mut place = start;
            for &id in &ids {
                let start = place;
                place += self.lens.get(id as usize).map_or(0, |&len| len as usize);
                let origin = origin(start, place);
                out.push(Piece { id, start: origin.start, end: origin.end, word });
            }
            word += 1;
        });
    }

    fn cut(&self, text: &str, from: usize) -> Option<usize> {
        self.splitter.cut(text, from)
    }
}

/// The characters by which vocabularies write bytes: those that are printable stand for themselves, the
/// others for those from 256 on.
struct Alphabet {
    chars: [char; 256],
}

impl Alphabet {
    fn new() -> Self {
        let mut others = (256..).filter_map(char::from_u32);
        let chars = std::array::from_fn(|byte| {
            let c = char::from(byte as u8);
            match c {
                '!'..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' => c,
                _ => others.next().unwrap_or(c),
            }
        });
        Self { chars }
    }

    /// The bytes that a token stands for, if it is written in this alphabet.
    fn decode(&self, token: &str) -> Option<impl Iterator<Item = u8>> {
        let byte = |c: char| match c {
            '!'..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' => u8::try_from(c as u32).ok(),
            _ => self.chars.iter().position(|&known| known == c).and_then(|byte| u8::try_from(byte).ok()),
        };
        token.chars().all(|c| byte(c).is_some()).then(|| token.chars().filter_map(byte))
    }
}

/// Tokens by their bytes.
struct Tokens {
    bytes: Vec<u8>,
    /// Where each stands in `bytes`, and its id.
    places: HashTable<(u32, u32, u32)>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("tokens", &self.places.len()).finish_non_exhaustive()
    }
}

impl Tokens {
    fn new(alphabet: &Alphabet, ids: &HashMap<&str, u32>) -> Self {
        let mut bytes = Vec::new();
        let mut places = HashTable::with_capacity(ids.len());
        for (token, &id) in ids {
            let Some(token) = alphabet.decode(token) else { continue };
            let start = bytes.len();
            bytes.extend(token);
            let hash = Self::hash(&bytes[start..]);
            let place = (start as u32, bytes.len() as u32, id);
            places.insert_unique(hash, place, |&(start, end, _)| {
                Self::hash(&bytes[start as usize..end as usize])
            });
        }
        Self { bytes, places }
    }

    fn hash(bytes: &[u8]) -> u64 {
        bytes.iter().fold(bytes.len() as u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
        })
    }

    fn get(&self, token: &[u8]) -> Option<u32> {
        let is = |&(start, end, _): &(u32, u32, u32)| self.bytes[start as usize..end as usize] == *token;
        self.places.find(Self::hash(token), is).map(|&(_, _, id)| id)
    }
}
