//! SentencePiece's byte-pair encoding of text that is normalised first: characters by a table, spaces
//! removed.
//!
//! The text as a whole becomes another one, by the steps that Unigram's words know, and [`SentenceBpe`]
//! merges that. Alignments lead its tokens back to the text. O(n), but slower than merging alone: nothing
//! is remembered of normalised text.

use tokenizers::{NormalizedString, tokenizer::normalizer::Range};

use crate::{
    definition::Definition,
    kernel::{Kernel, Piece, Reason, Section},
    sentence_bpe::{Scratch, SentenceBpe},
    word_normal::Normal,
};

/// The pipeline.
#[derive(Debug)]
pub(crate) struct SentenceNormal {
    normal: Normal,
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
        let normal = Normal::new(Some(first), beyond.longest_in_table)?;
        Ok(Self { normal, merges: SentenceBpe::new(definition)? })
    }

    /// What `text` becomes; nothing if that cannot be said, which no step known here is able to.
    fn normalized(&self, text: &str) -> NormalizedString {
        let mut normalized = NormalizedString::from(text);
        match self.normal.align(&mut normalized) {
            Ok(()) => normalized,
            Err(_) => NormalizedString::from(""),
        }
    }
}

impl Kernel for SentenceNormal {
    type Scratch = Scratch;

    fn ids(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<u32>) {
        let normalized = self.normalized(section.text);
        if !normalized.is_empty() {
            self.merges.ids(Section { text: normalized.get(), ..section }, scratch, out);
        }
    }

    fn count(&self, section: Section<'_>, scratch: &mut Scratch) -> usize {
        let normalized = self.normalized(section.text);
        if normalized.is_empty() {
            return 0;
        }
        self.merges.count(Section { text: normalized.get(), ..section }, scratch)
    }

    fn pieces(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<Piece>) {
        let normalized = self.normalized(section.text);
        if normalized.is_empty() {
            return;
        }
        let first = out.len();
        self.merges.pieces(Section { text: normalized.get(), ..section }, scratch, out);
        for piece in out.iter_mut().skip(first) {
            let place = normalized.convert_offsets(Range::Normalized(piece.start..piece.end));
            let place = place.unwrap_or_default();
            (piece.start, piece.end) = (place.start, place.end);
        }
    }

    /// Normalised by themselves, parts lose the spaces between them.
    fn cut(&self, _: &str, _: usize) -> Option<usize> {
        None
    }
}
