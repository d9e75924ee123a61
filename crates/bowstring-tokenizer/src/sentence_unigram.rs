//! Pipelines that find the most probable tokens of words: T5, XLM-RoBERTa, ALBERT, mBART, DeBERTa-v3.
//!
//! Text is taken apart at spaces, and at other characters that become spaces; what a part has of ids follows
//! from its bytes alone, so that it is remembered by them. Two things need more than that: the first part,
//! which may get a mark in front, and the last, when it ends in spaces. Most parts are taken apart once
//! more, where no token reaches across ([`Cuts`]). What becomes of a part is said by [`Normal`], which tokens
//! it has by [`Unigram`]; O(n) for any text.

mod cuts;
mod parts;
mod places;
mod words;

use std::ops::Range;

use bowstring_simd as simd;
use serde_json::Value;
use tokenizers::{
    PreTokenizerWrapper,
    pre_tokenizers::metaspace::{Metaspace, PrependScheme},
};

use self::{cuts::Cuts, parts::Part};
use crate::{
    definition::Definition,
    kernel::{Kernel, Piece, Reason, Section, Start},
    memo::{Begun, Memo},
    sentence_bpe::MARK,
    unigram::{Lattice, Unigram},
    word_normal::Normal,
};

/// Places are found in stretches of at least so many bytes.
const STRETCH: usize = 256;

/// About how many pieces are looked up together.
const MANY: usize = 256;

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
    cuts: Cuts,
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
    looks: Looks,
    work: Work,
}

/// What is known of pieces, and which are being looked up, so that looks wait for memory together.
#[derive(Debug, Default)]
struct Looks {
    /// Parts, and the first pieces of others.
    memo: Memo,
    /// Pieces that follow others; those without ids have none of their own.
    tails: Memo,
    /// The parts that are being looked up, and their pieces: where each ends.
    parts: Vec<Range<usize>>,
    pieces: Vec<(usize, Begun)>,
}

#[derive(Debug, Default)]
struct Work {
    lattice: Lattice,
    normal: String,
    word: String,
    edge: String,
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
        let normal = Normal::new(definition.normalizer.as_ref(), &definition.beyond)?;
        if normal.prefix && (words == Words::Whitespace || prefix != PrependScheme::Never) {
            return Err("marks are put in front twice".into());
        }
        if words == Words::Whitespace && normal.collapse_to_mark {
            return Err("spaces become marks before words are told apart at spaces".into());
        }
        let model = Unigram::new(definition)?;
        let cuts = Cuts::new(definition, &model, &normal);
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
            separators[separator as usize] = separates && normal.parts(separator);
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
            cuts,
            pre_tokenizer: wrap(prefix),
            pre_tokenizer_inside: wrap(inside),
        })
    }
}

impl Kernel for SentenceUnigram {
    type Scratch = Scratch;

    fn ids(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<u32>) {
        simd::run(All::<true> { kernel: self, section, scratch, out });
    }

    fn count(&self, section: Section<'_>, scratch: &mut Scratch) -> usize {
        let mut edges = Vec::new();
        simd::run(All::<false> { kernel: self, section, scratch, out: &mut edges }) + edges.len()
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
    /// Begins to look up the pieces of the part `range` of `text`.
    #[inline(always)]
    fn begin(&self, text: &str, range: Range<usize>, looks: &mut Looks) {
        let mut end = self.cuts.end(text, range.clone());
        let begun = looks.memo.begin(text.as_bytes(), &(range.start..end));
        looks.pieces.push((end, begun));
        while end < range.end {
            let start = end;
            end = self.cuts.end(text, start..range.end);
            let begun = looks.tails.begin(text.as_bytes(), &(start..end));
            looks.pieces.push((end, begun));
        }
        looks.parts.push(range);
    }

    /// Ends the looks that were begun: appends the ids if `IDS`, and says how many they are.
    #[inline(never)]
    fn end_looks<const IDS: bool>(
        &self,
        text: &str,
        looks: &mut Looks,
        work: &mut Work,
        out: &mut Vec<u32>,
    ) -> usize {
        let Looks { memo, tails, parts, pieces } = looks;
        let bytes = text.as_bytes();
        let mut pieces = pieces.drain(..);
        let mut all = 0;
        for part in parts.drain(..) {
            let before = out.len();
            let Some((mut end, begun)) = pieces.next() else { break };
            let piece = part.start..end;
            let mut count = memo
                .end::<IDS>(begun, bytes, piece.clone(), out, |_, out| self.inner(&text[piece], work, out));
            while end < part.end {
                let start = end;
                let Some((next, begun)) = pieces.next() else { break };
                end = next;
                let more = tails.end::<IDS>(begun, bytes, start..end, out, |_, out| {
                    self.tail(&text[start..end], work, out);
                });
                count += more;
                if more == 0 {
                    while end < part.end
                        && let Some((next, _)) = pieces.next()
                    {
                        end = next;
                    }
                    out.truncate(before);
                    let begun = memo.begin(bytes, &part);
                    count = memo.end::<IDS>(begun, bytes, part.clone(), out, |_, out| {
                        self.inner(&text[part.clone()], work, out);
                    });
                }
            }
            all += count;
        }
        all
    }
}

/// Appends the ids of all parts of a section; without `IDS` only those of edges, and says how many the others
/// have.
struct All<'a, const IDS: bool> {
    kernel: &'a SentenceUnigram,
    section: Section<'a>,
    scratch: &'a mut Scratch,
    out: &'a mut Vec<u32>,
}

impl<const IDS: bool> simd::Work for All<'_, IDS> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        let Self { kernel, section, scratch: Scratch { looks, work }, out } = self;
        let mut count = 0;
        let text = kernel.each(section, work, |text, part, work| match part {
            Part::Inner(range) => {
                kernel.begin(text, range, looks);
                if looks.pieces.len() >= MANY {
                    count += kernel.end_looks::<IDS>(text, looks, work, out);
                }
            }
            Part::Edge(edge) => {
                count += kernel.end_looks::<IDS>(text, looks, work, out);
                kernel.encode(edge, &mut work.word, &mut work.lattice, out);
            }
        });
        count + kernel.end_looks::<IDS>(text, looks, work, out)
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
