//! How does one text become ids, or tokens? It is cut at its added tokens, and the engine says what the
//! sections between them are.

use tokenizers::Encoding;

use crate::{
    OffsetUnit, Result,
    added::{Part, Splitter},
    engine::{Engine, Scratch, complete_encoding, complete_ids},
    kernel::{Piece, Section, Start},
    tokenizer::Shared,
};

impl Shared {
    /// Calls `each` with the added tokens of `text` and what stands between them, in order.
    pub(crate) fn parts(&self, text: &str, mut each: impl FnMut(Part)) {
        let [raw, normalized] = &self.splitters;
        match raw {
            None => within(normalized.as_ref(), text, 0, text.len(), &mut each),
            Some(splitter) => splitter.split(text, |part| match part {
                Part::Text { start, end } => within(normalized.as_ref(), text, start, end, &mut each),
                Part::Token { .. } => each(part),
            }),
        }
    }

    /// Appends the ids of `text`.
    pub(crate) fn append(&self, text: &str, scratch: &mut Scratch, out: &mut Vec<u32>) -> Result<()> {
        match &self.engine {
            Engine::Complete { inner, .. } => complete_ids(inner, text, out),
            Engine::Fast { kernel, .. } => {
                self.parts(text, |part| match part {
                    Part::Token { id, .. } => out.push(id),
                    Part::Text { start, end } => kernel.ids(section(text, start, end), scratch, out),
                });
                Ok(())
            }
        }
    }

    /// How many ids `text` has.
    pub(crate) fn count(&self, text: &str, scratch: &mut Scratch) -> Result<usize> {
        match &self.engine {
            Engine::Complete { inner, .. } => {
                let mut ids = Vec::new();
                complete_ids(inner, text, &mut ids)?;
                Ok(ids.len())
            }
            Engine::Fast { kernel, .. } => {
                let mut count = 0;
                self.parts(text, |part| match part {
                    Part::Token { .. } => count += 1,
                    Part::Text { start, end } => count += kernel.count(section(text, start, end), scratch),
                });
                Ok(count)
            }
        }
    }

    /// Appends where the tokens of `text` begin and end, in bytes.
    pub(crate) fn spans(
        &self,
        text: &str,
        scratch: &mut Scratch,
        out: &mut Vec<(usize, usize)>,
    ) -> Result<()> {
        match &self.engine {
            Engine::Complete { inner, .. } => {
                out.extend_from_slice(complete_encoding(inner, text)?.get_offsets());
            }
            Engine::Fast { kernel, .. } => {
                let mut pieces: Vec<Piece> = Vec::new();
                self.parts(text, |part| match part {
                    Part::Token { start, end, .. } => out.push((start, end)),
                    Part::Text { start: from, end: to } => {
                        pieces.clear();
                        kernel.pieces(section(text, from, to), scratch, &mut pieces);
                        out.extend(pieces.iter().map(|piece| (from + piece.start, from + piece.end)));
                    }
                });
            }
        }
        Ok(())
    }

    /// `text` as tokens.
    pub(crate) fn sequence(
        &self,
        text: &str,
        type_id: u32,
        unit: OffsetUnit,
        scratch: &mut Scratch,
    ) -> Result<Encoding> {
        let mut tokens = Vec::new();
        match &self.engine {
            Engine::Complete { inner, .. } => {
                let encoding = complete_encoding(inner, text)?;
                for (place, (id, (start, end))) in
                    encoding.get_ids().iter().zip(encoding.get_offsets()).enumerate()
                {
                    let word = encoding.get_word_ids()[place].unwrap_or(0);
                    let value = encoding.get_tokens()[place].clone();
                    tokens.push(Token { id: *id, value, start: *start, end: *end, word });
                }
            }
            Engine::Fast { kernel, .. } => {
                let mut word = 0;
                let mut pieces: Vec<Piece> = Vec::new();
                self.parts(text, |part| match part {
                    Part::Token { id, start, end } => {
                        let value = text[start..end].to_owned();
                        tokens.push(Token { id, value, start, end, word });
                        word += 1;
                    }
                    Part::Text { start: from, end: to } => {
                        pieces.clear();
                        let section = section(text, from, to);
                        kernel.pieces(section, scratch, &mut pieces);
                        let first = tokens.len();
                        for Piece { id, start, end, word: own } in &pieces {
                            let value = self.vocabulary.token(*id).unwrap_or_default().to_owned();
                            let (start, end) = (from + start, from + end);
                            tokens.push(Token { id: *id, value, start, end, word: word + own });
                        }
                        for (place, value) in kernel.written(section, &pieces, scratch) {
                            tokens[first + place].value = value;
                        }
                        word += pieces.last().map_or(0, |last| last.word + 1);
                    }
                });
            }
        }
        if unit == OffsetUnit::Chars {
            count_chars(text, &mut tokens);
        }
        Ok(tokens
            .into_iter()
            .map(|token| (token.id, token.value, (token.start, token.end), Some(token.word), type_id))
            .collect())
    }
}

/// A token of a text: its bytes, or characters, and its place among the pieces of the pre-tokeniser.
struct Token {
    id: u32,
    value: String,
    start: usize,
    end: usize,
    word: u32,
}

/// The added tokens within `start..end` that are looked for after normalisation.
fn within(splitter: Option<&Splitter>, text: &str, start: usize, end: usize, each: &mut impl FnMut(Part)) {
    match splitter {
        None if start == end => {}
        None => each(Part::Text { start, end }),
        Some(splitter) => splitter.split(&text[start..end], |part| {
            each(match part {
                Part::Text { start: from, end: to } => Part::Text { start: start + from, end: start + to },
                Part::Token { id, start: from, end: to } => {
                    Part::Token { id, start: start + from, end: start + to }
                }
            });
        }),
    }
}

pub(crate) fn section(text: &str, start: usize, end: usize) -> Section<'_> {
    let at = if start == 0 { Start::Text } else { Start::AddedToken };
    Section { text: &text[start..end], start: at }
}

/// Turns bytes into characters. A token that begins or ends within a character has all of it.
fn count_chars(text: &str, tokens: &mut [Token]) {
    if text.is_ascii() {
        return;
    }
    // The number of the character that each byte belongs to; one more entry for the end.
    let mut number = 0;
    let mut chars: Vec<u32> = Vec::with_capacity(text.len() + 1);
    for byte in text.bytes() {
        number += u32::from((byte as i8) >= -0x40);
        chars.push(number - 1);
    }
    chars.push(number);
    for token in tokens {
        let end = match text.is_char_boundary(token.end) {
            true => chars[token.end],
            false => chars[token.end] + 1,
        };
        token.start = chars[token.start] as usize;
        token.end = end as usize;
    }
}
