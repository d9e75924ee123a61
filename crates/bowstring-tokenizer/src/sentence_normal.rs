//! SentencePiece's byte-pair encoding of text that is normalised first: characters by a table, spaces
//! removed.
//!
//! The text as a whole becomes another one, by the steps that Unigram's words know. There, symbols of the user
//! are tokens, the longest at each place, spaces among them; [`SentenceBpe`] merges what stands between.
//! Alignments lead tokens back to the text. O(n), but slower than merging alone: nothing is remembered of
//! normalised text.

use hashbrown::HashMap;
use tokenizers::{AddedToken, NormalizedString, normalizer::Range};

use crate::{
    added::{Part, Splitter},
    definition::{Added, Definition, Vocab},
    kernel::{Kernel, Piece, Reason, Section},
    sections::section,
    sentence_bpe::{MARK, Scratch, SentenceBpe},
    word_normal::Normal,
};

/// The pipeline.
#[derive(Debug)]
pub(crate) struct SentenceNormal {
    normal: Normal,
    symbols: Option<Splitter>,
    merges: SentenceBpe,
}

impl SentenceNormal {
    /// The pipeline of `definition`, or why it is none of these.
    pub(crate) fn new(definition: &Definition<'_>) -> Result<Self, Reason> {
        let beyond = &definition.beyond;
        let first = beyond.normalized_first.as_ref().ok_or("text is not normalised first")?;
        // Sections between added tokens would be normalised each by itself.
        if !definition.added_tokens.is_empty() {
            return Err("added tokens in text that is normalised as a whole".into());
        }
        let normal = Normal::new(Some(first), beyond)?;
        let merges = SentenceBpe::new(definition)?;
        // They are merged with nothing, so that a mark would be put in front of more than the text.
        if !beyond.symbols.is_empty() && merges.prepends() {
            return Err("a mark is put in front of what stands between symbols of the user".into());
        }
        Ok(Self { normal, symbols: symbols(definition)?, merges })
    }

    /// What `text` becomes; nothing if that cannot be said, which no step known here is able to.
    fn normalized(&self, text: &str) -> NormalizedString {
        let mut normalized = NormalizedString::from(text);
        let mut done = self.normal.align(&mut normalized);
        if self.symbols.is_some() {
            done = done.and_then(|()| normalized.replace(' ', MARK.encode_utf8(&mut [0; 4])));
        }
        match done {
            Ok(()) => normalized,
            Err(_) => NormalizedString::from(""),
        }
    }

    /// Calls `each` with the symbols in normalised `text`, and what stands between them.
    fn parts(&self, text: &str, mut each: impl FnMut(Part)) {
        match &self.symbols {
            Some(symbols) => symbols.split(text, each),
            None if text.is_empty() => {}
            None => each(Part::Text { start: 0, end: text.len() }),
        }
    }
}

/// What finds the symbols of the user.
fn symbols(definition: &Definition<'_>) -> Result<Option<Splitter>, Reason> {
    let symbols = &definition.beyond.symbols;
    let Vocab::Ids(vocab) = &definition.model.vocab else { return Err("the vocabulary has scores".into()) };
    let ids: HashMap<&str, u32> = vocab.iter().map(|(token, id)| (token.0.as_ref(), *id)).collect();
    let mut added = Vec::with_capacity(symbols.len());
    for symbol in symbols {
        let id = *ids.get(symbol.as_str()).ok_or("a symbol of the user is not in the vocabulary")?;
        added.push(Added { id, token: AddedToken::from(symbol.clone(), false) });
    }
    Splitter::new(added.iter()).map_err(Reason::from)
}

impl Kernel for SentenceNormal {
    type Scratch = Scratch;

    fn ids(&self, own: Section<'_>, scratch: &mut Scratch, out: &mut Vec<u32>) {
        let normalized = self.normalized(own.text);
        self.parts(normalized.get(), |part| match part {
            Part::Token { id, .. } => out.push(id),
            Part::Text { start, end } => self.merges.ids(section(normalized.get(), start, end), scratch, out),
        });
    }

    fn count(&self, own: Section<'_>, scratch: &mut Scratch) -> usize {
        let normalized = self.normalized(own.text);
        let mut count = 0;
        self.parts(normalized.get(), |part| {
            count += match part {
                Part::Token { .. } => 1,
                Part::Text { start, end } => {
                    self.merges.count(section(normalized.get(), start, end), scratch)
                }
            }
        });
        count
    }

    fn pieces(&self, own: Section<'_>, scratch: &mut Scratch, out: &mut Vec<Piece>) {
        let normalized = self.normalized(own.text);
        let mut words = 0;
        self.parts(normalized.get(), |part| {
            let first = out.len();
            match part {
                Part::Token { id, start, end } => out.push(Piece { id, start, end, word: words }),
                Part::Text { start, end } => {
                    self.merges.pieces(section(normalized.get(), start, end), scratch, out);
                    for piece in &mut out[first..] {
                        *piece = Piece {
                            start: piece.start + start,
                            end: piece.end + start,
                            word: piece.word + words,
                            ..*piece
                        };
                    }
                }
            }
            words = out[first..].last().map_or(words, |last| last.word + 1);
            for piece in &mut out[first..] {
                let place = normalized.convert_offsets(Range::Normalized(piece.start..piece.end));
                let place = place.unwrap_or_default();
                (piece.start, piece.end) = (place.start, place.end);
            }
        });
    }

    /// Normalised by themselves, parts lose the spaces between them.
    fn cut(&self, _: &str, _: usize) -> Option<usize> {
        None
    }
}
