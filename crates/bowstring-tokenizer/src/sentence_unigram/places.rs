//! Which bytes of a text does each token stand for?
//!
//! Counted where a stretch of text is plain, by the library's own alignments elsewhere.

use std::ops::Range;

use tokenizers::{
    NormalizedString, OffsetType, PreTokenizedString, PreTokenizer, Token,
    pre_tokenizers::metaspace::PrependScheme,
};

use super::{SentenceUnigram, Words, Work};
use crate::{
    kernel::{Piece, Section, Start},
    sentence_bpe::MARK,
    unigram::Lattice,
};

impl SentenceUnigram {
    /// Whether places in a part that [`cut`](Kernel::cut) makes are those in the whole.
    pub(super) fn is_local(&self) -> bool {
        let ends = [self.normal.before, self.normal.after];
        !self.normal.prefix && ends.into_iter().all(|ends| !ends.left && !ends.right)
    }

    /// Whether `text` stays what it is but for its spaces, so that places can be counted.
    pub(super) fn is_simple(&self, text: &str) -> bool {
        let simple = |byte| self.normal.is_plain(byte) || self.separators[usize::from(byte)];
        self.is_local() && text.bytes().all(simple)
    }

    /// The tokens of a section that [is simple](Self::is_simple). What stands for a space is where the space
    /// is, of several the last; what was put in front is where the character is that it was put before.
    pub(super) fn simple_pieces(&self, section: Section<'_>, work: &mut Work, out: &mut Vec<Piece>) {
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
    pub(super) fn aligned(
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
