//! Pipelines of the BERT family: from text to ids of a WordPiece vocabulary.
//!
//! White space and punctuation of ASCII separate words before normalising as they do after it, so a
//! stretch between two of them has ids of its own, whatever stands around. Those of short stretches are
//! remembered by their bytes as they stand in the text; a stretch that is met for the first time, or is
//! long, is normalised, split and matched. Linear in the text, a few cycles a byte for what repeats.

mod alone;
mod bounds;
mod characters;
mod looks;
mod normal;

use bowstring_simd as simd;
use serde_json::Value;

use self::{
    alone::Alone,
    bounds::{is_separator, is_space},
    looks::{All, Look},
    normal::Normaliser,
};
use crate::{
    definition::Definition,
    kernel::{Kernel, Piece, Reason, Section},
    memo::Memo,
    word_piece::WordPiece,
};

/// `BertPreTokenizer` and WordPiece behind a normaliser that changes one character at a time.
#[derive(Debug)]
pub(crate) struct Bert {
    normaliser: Normaliser,
    lowers: bool,
    model: WordPiece,
    /// What each separator of ASCII gives: nothing, or its id.
    separators: [(u32, u32); 128],
    alone: Alone,
}

/// What one thread keeps.
#[derive(Debug, Default)]
pub(crate) struct BertScratch {
    memo: Memo,
    /// What is being looked up, so that looks wait for memory together.
    looks: Vec<Look>,
    work: Work,
}

#[derive(Debug, Default)]
struct Work {
    buffers: (String, String),
    places: Vec<(usize, usize)>,
}

/// How far [`Kernel::cut`] looks.
const CUT_WITHIN: usize = 1 << 16;

impl Bert {
    pub(crate) fn new(definition: &Definition<'_>) -> Result<Self, Reason> {
        let pre_tokenizer = definition.pre_tokenizer.as_ref().and_then(|value| value.get("type"));
        if pre_tokenizer.and_then(Value::as_str) != Some("BertPreTokenizer") {
            return Err("the pre-tokeniser is not BertPreTokenizer".into());
        }
        let normaliser = Normaliser::new(definition.normalizer.as_ref())?;
        let model = WordPiece::new(&definition.model)?;
        let lowers = normaliser.lowers();
        let mut bert = Self { normaliser, lowers, model, separators: [(0, 0); 128], alone: Alone::new() };
        let mut work = Work::default();
        for byte in (0..128_u8).filter(|&byte| is_separator(byte)) {
            let c = char::from(byte);
            if !bert.normaliser.stands_alone(c) {
                return Err("white space or punctuation does not separate words".into());
            }
            let mut ids = Vec::new();
            bert.compute(c.encode_utf8(&mut [0; 4]), &mut work, &mut ids);
            bert.separators[usize::from(byte)] = match ids.as_slice() {
                [] if is_space(byte) => (0, 0),
                &[id] if !is_space(byte) => (id, 1),
                _ => return Err("white space is a token, or punctuation is not one".into()),
            };
        }
        Ok(bert)
    }

    /// Calls `part` with the characters that stand alone, what stands between them, and where each
    /// begins.
    fn parts<'a>(&self, stretch: &'a str, mut part: impl FnMut(&'a str, usize)) {
        let mut start = 0;
        if !stretch.is_ascii() {
            for (at, c) in stretch.char_indices() {
                if c.is_ascii() || !self.normaliser.stands_alone(c) {
                    continue;
                }
                let end = at + c.len_utf8();
                if at > start {
                    part(&stretch[start..at], start);
                }
                part(&stretch[at..end], at);
                start = end;
            }
        }
        if stretch.len() > start {
            part(&stretch[start..], start);
        }
    }

    /// Appends the ids of `stretch`.
    fn compute(&self, stretch: &str, work: &mut Work, out: &mut Vec<u32>) {
        let buffers = &mut work.buffers;
        if stretch.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.model.tokens(self.plain(stretch, &mut buffers.0), out, |id, _, _| id);
        } else {
            self.normaliser.words(stretch, buffers, |word| self.model.tokens(word, out, |id, _, _| id));
        }
    }

    /// Letters and digits of ASCII, normalised: as many bytes.
    fn plain<'a>(&self, word: &str, buffer: &'a mut String) -> &'a str {
        buffer.clear();
        buffer.push_str(word);
        if self.lowers {
            buffer.make_ascii_lowercase();
        }
        buffer
    }

    /// Appends the tokens of `part`, which begins at `offset`, and counts its words.
    fn pieces_of(&self, part: &str, offset: usize, word: &mut u32, work: &mut Work, out: &mut Vec<Piece>) {
        let Work { buffers, places } = work;
        if part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.model.tokens(self.plain(part, &mut buffers.0), out, |id, start, end| Piece {
                id,
                start: offset + start,
                end: offset + end,
                word: *word,
            });
            *word += 1;
            return;
        }
        self.normaliser.aligned(part, (&mut buffers.0, places), |text, places| {
            self.model.tokens(text, out, |id, start, end| {
                let from = places.get(start).map_or(0, |place| place.0);
                let to = places.get(..end).and_then(<[_]>::last).map_or(0, |place| place.1);
                Piece { id, start: offset + from, end: offset + to, word: *word }
            });
            *word += 1;
        });
    }
}

impl Kernel for Bert {
    type Scratch = BertScratch;

    fn ids(&self, section: Section<'_>, scratch: &mut BertScratch, out: &mut Vec<u32>) {
        simd::run(All::<true> { kernel: self, text: section.text, scratch, out });
    }

    fn count(&self, section: Section<'_>, scratch: &mut BertScratch) -> usize {
        simd::run(All::<false> { kernel: self, text: section.text, scratch, out: &mut Vec::new() })
    }

    fn pieces(&self, section: Section<'_>, scratch: &mut BertScratch, out: &mut Vec<Piece>) {
        let work = &mut scratch.work;
        let (mut start, mut word) = (0, 0);
        for (at, byte) in section.text.bytes().enumerate().filter(|&(_, byte)| is_separator(byte)) {
            if at > start {
                let stretch = &section.text[start..at];
                self.parts(stretch, |part, offset| {
                    self.pieces_of(part, start + offset, &mut word, work, out)
                });
            }
            if let (id, 1) = self.separators[usize::from(byte & 127)] {
                out.push(Piece { id, start: at, end: at + 1, word });
                word += 1;
            }
            start = at + 1;
        }
        if let Some(stretch) = section.text.get(start..).filter(|rest| !rest.is_empty()) {
            self.parts(stretch, |part, offset| self.pieces_of(part, start + offset, &mut word, work, out));
        }
    }

    fn cut(&self, text: &str, from: usize) -> Option<usize> {
        let near = text.get(from..)?.char_indices().take(CUT_WITHIN);
        near.map(|(at, c)| (from + at, c)).find_map(|(at, c)| self.normaliser.stands_alone(c).then_some(at))
    }
}

#[cfg(test)]
mod tests;
