//! What ids have the words of a part?

use super::{SentenceUnigram, Words, Work};
use crate::{sentence_bpe::MARK, unigram::Lattice};
use tokenizers::pre_tokenizers::metaspace::PrependScheme;

impl SentenceUnigram {
    /// Calls `word` with each word of normalised `text`.
    pub(super) fn each_word(&self, text: &str, buffer: &mut String, mut word: impl FnMut(&str)) {
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
    pub(super) fn each_marked(
        &self,
        before: &str,
        text: &str,
        buffer: &mut String,
        word: &mut impl FnMut(&str),
    ) {
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
    pub(super) fn encode(&self, text: &str, word: &mut String, lattice: &mut Lattice, out: &mut Vec<u32>) {
        self.each_word(text, word, |word| self.model.encode(word, lattice, |id, _| out.push(id)));
    }

    /// Appends the ids of an inner part.
    pub(super) fn inner(&self, part: &str, work: &mut Work, out: &mut Vec<u32>) {
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

    /// Appends the ids of a piece that follows another one, none if they are not sure to be those of the whole.
    pub(super) fn tail(&self, piece: &str, work: &mut Work, out: &mut Vec<u32>) {
        let Work { lattice, normal, .. } = work;
        normal.clear();
        self.normal.word(piece, normal);
        let begin = out.len();
        let one_word = !normal.chars().any(|character| character == MARK || character.is_whitespace());
        if !one_word || !self.model.encode_apart(normal, lattice, |id, _| out.push(id)) {
            out.truncate(begin);
        }
    }

    /// Whether a part that becomes nothing leaves the mark before it.
    pub(super) fn one_mark_stays(&self) -> bool {
        self.words == Words::Marks && !self.normal.collapse
    }
}
