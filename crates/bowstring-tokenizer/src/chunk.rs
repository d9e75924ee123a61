//! How does a text fall into chunks of at most so many tokens, for retrieval?
//!
//! From its start on, each chunk is as long as fits, and ends at the last paragraph in the second half of
//! what fits; if none ends there, at the last sentence, then at the last white space; else between words,
//! graphemes, characters. The tokens of what lies ahead say how far to look, and the tokens of each chunk
//! by itself, which may differ where it is cut, are counted before it is taken. Linear time, since no more
//! than a few times what fits is looked at for each chunk.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{LargeStringBuilder, RecordBatch, UInt32Array, UInt64Array},
    datatypes::{DataType, Field, Schema},
};

use crate::{
    BatchOptions, OffsetUnit, Result, Texts, Tokenizer, TokenizerError, batch,
    boundaries::{Level, boundaries},
    engine::Scratch,
};

/// What chunks are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkOptions {
    /// The most tokens of a chunk, special ones included if they are counted.
    pub max_tokens: usize,
    /// The most tokens that a chunk repeats of the one before it, at most half of what fits into one.
    pub overlap: usize,
    /// Whether the special tokens of the model count, as they do when each chunk is encoded with them.
    pub add_special_tokens: bool,
}

impl ChunkOptions {
    /// Chunks of at most `max_tokens` tokens, special ones included, without overlap.
    pub fn to(max_tokens: usize) -> Self {
        Self { max_tokens, overlap: 0, add_special_tokens: true }
    }
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunk {
    /// Where it stands, in bytes.
    pub bytes: Range<usize>,
    /// Where it stands, in characters.
    pub chars: Range<usize>,
    /// How many tokens it has when it is encoded by itself.
    pub tokens: usize,
}

impl Tokenizer {
    /// Splits `text` into chunks, which together cover all of it. A chunk begins where the one before it
    /// ends, or earlier by the overlap. An empty text has none. Truncation and padding are not applied.
    ///
    /// # Errors
    /// [`TokenizerError::Option`] when the special tokens alone are too many, or the overlap is too large;
    /// [`TokenizerError::ChunkTooSmall`] when a character has more tokens than a chunk may have; and
    /// [`TokenizerError::Model`].
    pub fn chunk(&self, text: &str, options: &ChunkOptions) -> Result<Vec<Chunk>> {
        let (room, special) = self.room_of_chunk(options)?;
        let mut scratch = self.shared.scratch();
        let chunks = self.chunks(text, room, special, options, &mut scratch);
        self.shared.give_back(scratch);
        chunks
    }

    /// Splits each text into chunks, one row for each: `row` with the number of its text, `text`, `start`
    /// and `end` in characters or as `batch.offsets` says, and `tokens`. Nulls have none.
    ///
    /// # Errors
    /// As [`Self::chunk`], and [`TokenizerError::Cancelled`].
    pub fn chunk_batch(
        &self,
        texts: &Texts<'_>,
        options: &ChunkOptions,
        batch: &BatchOptions,
    ) -> Result<RecordBatch> {
        let (room, special) = self.room_of_chunk(options)?;
        let found = batch::each_text(self, texts, batch, |text, scratch| {
            self.chunks(text, room, special, options, scratch)
        })?;
        let (mut rows, mut starts, mut ends, mut tokens) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut parts = LargeStringBuilder::new();
        for (row, chunks) in found.into_iter().enumerate() {
            let text = texts.get(row).unwrap_or_default();
            for chunk in chunks.unwrap_or_default() {
                let place = match batch.offsets.unwrap_or_default() {
                    OffsetUnit::Chars => &chunk.chars,
                    OffsetUnit::Bytes => &chunk.bytes,
                };
                rows.push(row as u64);
                starts.push(place.start as u64);
                ends.push(place.end as u64);
                tokens.push(u32::try_from(chunk.tokens).unwrap_or(u32::MAX));
                parts.append_value(&text[chunk.bytes]);
            }
        }
        let column = |name: &str, kind: DataType| Field::new(name, kind, false);
        let schema = Schema::new(vec![
            column("row", DataType::UInt64),
            column("text", DataType::LargeUtf8),
            column("start", DataType::UInt64),
            column("end", DataType::UInt64),
            column("tokens", DataType::UInt32),
        ]);
        RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(UInt64Array::from(rows)),
                Arc::new(parts.finish()),
                Arc::new(UInt64Array::from(starts)),
                Arc::new(UInt64Array::from(ends)),
                Arc::new(UInt32Array::from(tokens)),
            ],
        )
        .map_err(|error| TokenizerError::Model { reason: error.to_string() })
    }

    /// How many tokens of the text a chunk may have, and how many special ones it has besides.
    fn room_of_chunk(&self, options: &ChunkOptions) -> Result<(usize, usize)> {
        let special = if options.add_special_tokens { self.num_special_tokens(false) } else { 0 };
        let room = options.max_tokens.saturating_sub(special);
        if room == 0 {
            return Err(TokenizerError::Option {
                option: "max_tokens",
                value: options.max_tokens.to_string(),
                expected: "a chunk needs room for more than the special tokens",
            });
        }
        if options.overlap > room / 2 {
            return Err(TokenizerError::Option {
                option: "overlap",
                value: options.overlap.to_string(),
                expected: "at most half of what `max_tokens` leaves beside the special tokens",
            });
        }
        Ok((room, special))
    }

    fn chunks(
        &self,
        text: &str,
        room: usize,
        special: usize,
        options: &ChunkOptions,
        scratch: &mut Scratch,
    ) -> Result<Vec<Chunk>> {
        let width = room.saturating_mul(BYTES_PER_TOKEN);
        let mut chunker = Chunker { tokenizer: self, text, scratch, spans: Vec::new(), width };
        let mut chunks: Vec<Chunk> = Vec::new();
        let (mut start, mut past) = (0, 0);
        // The characters before `from`, which is the start of the last chunk.
        let (mut from, mut chars) = (0, 0);
        while past < text.len() {
            let Some((end, tokens)) = chunker.longest(start, past, room)? else {
                if start < past {
                    // What is repeated leaves no room for more.
                    start = past;
                    continue;
                }
                let next = chunker.after(start);
                let tokens = chunker.count(start..next)? + special;
                let max_tokens = options.max_tokens;
                return Err(TokenizerError::ChunkTooSmall { max_tokens, at: start, tokens });
            };
            chars += text[from..start].chars().count();
            from = start;
            let length = text[start..end].chars().count();
            chunks.push(Chunk { bytes: start..end, chars: chars..chars + length, tokens: tokens + special });
            past = end;
            if past < text.len() {
                start = chunker.repeated(start, end, options.overlap)?;
            }
        }
        Ok(chunks)
    }
}

/// How many bytes a token has at the most, as a first guess; then it is as many as in the chunk before.
const BYTES_PER_TOKEN: usize = 6;
/// How many ends of one kind are tried.
const TRIES: usize = 6;
/// How far beyond a place the text is read to know whether it is a boundary.
const LOOK_AHEAD: usize = 128;

struct Chunker<'a> {
    tokenizer: &'a Tokenizer,
    text: &'a str,
    scratch: &'a mut Scratch,
    /// Where the tokens stand that were asked for last.
    spans: Vec<(usize, usize)>,
    /// How many bytes what fits into a chunk probably has.
    width: usize,
}

impl Chunker<'_> {
    /// The end of the chunk that begins at `start`, beyond `past`, and how many tokens it has; `None` when
    /// no end is near enough.
    fn longest(&mut self, start: usize, past: usize, room: usize) -> Result<Option<(usize, usize)>> {
        let reach = match self.reach(start, room)? {
            Reach::All(tokens) => return Ok(Some((self.text.len(), tokens))),
            Reach::To(reach) => reach,
        };
        let half = past.max(start + (reach - start) / 2);
        for (level, low) in [
            (Level::Paragraph, half),
            (Level::Sentence, half),
            (Level::Space, half),
            (Level::Word, past),
            (Level::Grapheme, past),
            (Level::Char, past),
        ] {
            for end in self.boundaries(level, start, low, reach).into_iter().rev().take(TRIES) {
                let tokens = self.count(start..end)?;
                if tokens <= room {
                    return Ok(Some((end, tokens)));
                }
            }
        }
        // Cut at once, text may have many more tokens than it has within a longer one.
        let (low, mut end) = (past.max(start), reach);
        loop {
            end = self.text.floor_char_boundary(low + end.saturating_sub(low) / 2);
            let last = end <= low;
            if last {
                end = self.after(low);
            }
            let tokens = self.count(start..end)?;
            if tokens <= room {
                return Ok(Some((end, tokens)));
            }
            if last {
                return Ok(None);
            }
        }
    }

    /// How far `room` tokens reach from `start`, if not to the end.
    fn reach(&mut self, start: usize, room: usize) -> Result<Reach> {
        let mut width = self.width;
        loop {
            let end = self.text.floor_char_boundary(start.saturating_add(width).min(self.text.len()));
            self.tokens(start..end)?;
            let all = end == self.text.len();
            match self.spans.get(room) {
                None if all => return Ok(Reach::All(self.spans.len())),
                Some(&(next, _)) => {
                    self.width = next + next / 8 + LOOK_AHEAD;
                    // White space that is in no token can stand before it.
                    return Ok(Reach::To(self.text.floor_char_boundary(start + next)));
                }
                None => width = width.saturating_mul(2),
            }
        }
    }

    /// Where the chunk after `start..end` begins: so that it repeats whole sentences if it can, else
    /// words.
    fn repeated(&mut self, start: usize, end: usize, overlap: usize) -> Result<usize> {
        if overlap == 0 {
            return Ok(end);
        }
        self.tokens(start..end)?;
        let first = self.spans.get(self.spans.len().saturating_sub(overlap)).map_or(0, |span| span.0);
        for level in [Level::Paragraph, Level::Sentence, Level::Space, Level::Word, Level::Grapheme] {
            // Just before `first` is too early, and `end` repeats nothing.
            let low = (start + first).max(start + 1) - 1;
            let found = self.boundaries(level, start, low, end);
            for from in found.into_iter().filter(|&from| from > start && from < end).take(TRIES) {
                if self.count(from..end)? <= overlap {
                    return Ok(from);
                }
            }
        }
        Ok(end)
    }

    /// The boundaries beyond `low`, up to `high`, of the text from `start` on.
    fn boundaries(&self, level: Level, start: usize, low: usize, high: usize) -> Vec<usize> {
        let ahead = self.text.floor_char_boundary((high + LOOK_AHEAD).min(self.text.len()));
        let whole = ahead == self.text.len();
        let mut found = boundaries(level, &self.text[start..ahead], whole);
        found.retain_mut(|at| {
            *at += start;
            *at > low && *at <= high
        });
        found
    }

    /// The end of the character at `at`.
    fn after(&self, at: usize) -> usize {
        at + self.text[at..].chars().next().map_or(0, char::len_utf8)
    }

    fn count(&mut self, range: Range<usize>) -> Result<usize> {
        self.tokenizer.shared.count(&self.text[range], self.scratch)
    }

    fn tokens(&mut self, range: Range<usize>) -> Result<()> {
        self.spans.clear();
        self.tokenizer.shared.spans(&self.text[range], self.scratch, &mut self.spans)
    }
}

/// How far some tokens reach.
enum Reach {
    /// To the end of the text, which has so many.
    All(usize),
    /// To this byte.
    To(usize),
}
