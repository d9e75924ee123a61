//! Ids back to text.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, LargeStringArray, LargeStringBuilder},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, UInt32Type},
};
use tokenizers::{Decoder, DecoderWrapper};

use crate::{BatchOptions, Result, Tokenizer, TokenizerError, alphabet::ALPHABET, parallel};

/// How many ids a job of a batch has, about.
const JOB: usize = 64 << 10;

impl Tokenizer {
    /// The text of `ids`; without the special tokens when `skip_special_tokens`. Bytes that are not text
    /// become U+FFFD.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownId`] for an id that no token has, and [`TokenizerError::Decode`] when the
    /// tokenizer's decoder refuses.
    pub fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String> {
        let vocabulary = &self.shared.vocabulary;
        let wanted = |id: &u32| !(skip_special_tokens && vocabulary.is_special(*id));
        let token = |id: &u32| {
            let unknown = || TokenizerError::UnknownId { id: *id, limit: vocabulary.limit(), row: None };
            vocabulary.token(*id).ok_or_else(unknown)
        };
        let Some(decoder) = &self.shared.decoder else {
            let tokens = ids.iter().filter(|id| wanted(id)).map(token).collect::<Result<Vec<_>>>()?;
            return Ok(tokens.join(" "));
        };
        if let DecoderWrapper::ByteLevel(_) = decoder {
            let mut bytes = Vec::with_capacity(4 * ids.len());
            for id in ids.iter().filter(|id| wanted(id)) {
                let token = token(id)?;
                match ALPHABET.decode(token) {
                    Some(token) => bytes.extend(token),
                    None => bytes.extend_from_slice(token.as_bytes()),
                }
            }
            return Ok(String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()));
        }
        let tokens = (ids.iter().filter(|id| wanted(id)))
            .map(|id| token(id).map(str::to_owned))
            .collect::<Result<Vec<_>>>()?;
        decoder.decode(tokens).map_err(|error| TokenizerError::Decode { reason: error.to_string() })
    }

    /// The texts of a column of lists of ids, in parallel; rows that are null stay null. Of `options` only
    /// the threads and the token that stops the work count.
    ///
    /// # Errors
    /// [`TokenizerError::IdsType`] for any other column, [`TokenizerError::NullId`], and those of
    /// [`Self::decode`] with the row.
    pub fn decode_batch(
        &self,
        ids: &ArrayRef,
        skip_special_tokens: bool,
        options: &BatchOptions,
    ) -> Result<LargeStringArray> {
        let lists = large_lists(ids)?;
        let lists = lists.as_list::<i64>();
        let values = lists.values().as_primitive::<UInt32Type>();
        let offsets = lists.value_offsets();
        let mut jobs = Vec::new();
        let mut first = 0;
        for row in 0..lists.len() {
            if offsets[row + 1] - offsets[first] >= JOB as i64 || row + 1 == lists.len() {
                jobs.push(first..row + 1);
                first = row + 1;
            }
        }
        let (texts, _) = parallel::run(
            jobs.len(),
            options.threads,
            &options.cancel,
            |_| (),
            |job, ()| {
                let mut texts = Vec::with_capacity(jobs[job].len());
                for row in jobs[job].clone() {
                    if lists.is_null(row) {
                        texts.push(None);
                        continue;
                    }
                    let range = offsets[row] as usize..offsets[row + 1] as usize;
                    if values.nulls().is_some_and(|nulls| range.clone().any(|place| nulls.is_null(place))) {
                        return Err(TokenizerError::NullId { row });
                    }
                    let text = self.decode(&values.values()[range], skip_special_tokens);
                    texts.push(Some(text.map_err(|error| at_row(error, row))?));
                }
                Ok(texts)
            },
        )?;
        let mut column = LargeStringBuilder::new();
        for text in texts.iter().flatten() {
            column.append_option(text.as_deref());
        }
        Ok(column.finish())
    }

    /// A decoder that is given one id after the other, as a model generates them.
    pub fn decode_stream(&self, skip_special_tokens: bool) -> DecodeStream {
        DecodeStream {
            tokenizer: self.clone(),
            skip_special_tokens,
            ids: Vec::new(),
            prefix: String::new(),
            prefix_ids: 0,
        }
    }
}

/// Decodes ids one by one. What it gives, put together, is the text of all ids; a character whose bytes
/// are spread over several tokens comes with the last of them.
#[derive(Clone, Debug)]
pub struct DecodeStream {
    tokenizer: Tokenizer,
    skip_special_tokens: bool,
    /// The ids that the next text may depend on: those of the text given last, and those after it.
    ids: Vec<u32>,
    /// The text of these ids that was given already, and how many of them it is the text of.
    prefix: String,
    prefix_ids: usize,
}

/// The most ids that are held back in the hope of a whole character: none has more than four bytes, and no
/// token stands for less than one. After so many, what is before the last U+FFFD is known to be no text.
const MOST_HELD: usize = 8;
/// The ids that an unfinished character can be spread over.
const CHARACTER: usize = 4;

impl DecodeStream {
    /// The text that `id` adds; `None` when it has to wait for more.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`]; the id is then not taken.
    pub fn step(&mut self, id: u32) -> Result<Option<String>> {
        if self.skip_special_tokens && self.tokenizer.shared.vocabulary.is_special(id) {
            return Ok(None);
        }
        self.ids.push(id);
        let whole = match self.decode() {
            Ok(whole) => whole,
            Err(error) => {
                self.ids.pop();
                return Err(error);
            }
        };
        let unfinished = whole.ends_with(char::REPLACEMENT_CHARACTER);
        let held = self.ids.len() - self.prefix_ids;
        if whole.len() <= self.prefix.len() || (unfinished && held < MOST_HELD) {
            return Ok(None);
        }
        let new = self.after_prefix(&whole)?;
        if unfinished {
            self.ids.drain(..self.ids.len() - CHARACTER);
            self.prefix_ids = 0;
            self.prefix = without_last(&self.decode()?).to_owned();
            return Ok(Some(without_last(&new).to_owned()));
        }
        self.ids.drain(..self.prefix_ids);
        self.prefix_ids = self.ids.len();
        self.prefix = self.decode()?;
        Ok(Some(new))
    }

    /// The text of the ids that are still held back, as it is at the end of a text.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn finish(self) -> Result<Option<String>> {
        let whole = self.decode()?;
        if whole.len() <= self.prefix.len() { Ok(None) } else { self.after_prefix(&whole).map(Some) }
    }

    fn decode(&self) -> Result<String> {
        self.tokenizer.decode(&self.ids, self.skip_special_tokens)
    }

    fn after_prefix(&self, whole: &str) -> Result<String> {
        whole.strip_prefix(self.prefix.as_str()).map(str::to_owned).ok_or_else(|| TokenizerError::Decode {
            reason: format!("the text `{}` changed with the tokens after it", self.prefix),
        })
    }
}

/// The text without its last character.
fn without_last(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next_back();
    chars.as_str()
}

fn at_row(error: TokenizerError, row: usize) -> TokenizerError {
    match error {
        TokenizerError::UnknownId { id, limit, .. } => {
            TokenizerError::UnknownId { id, limit, row: Some(row) }
        }
        error => error,
    }
}

/// Lists of any integers as lists of `UInt32` with 64-bit offsets.
fn large_lists(ids: &ArrayRef) -> Result<ArrayRef> {
    let refused = || TokenizerError::IdsType { found: ids.data_type().to_string() };
    let item = match ids.data_type() {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => item,
        _ => return Err(refused()),
    };
    if !item.data_type().is_integer() {
        return Err(refused());
    }
    let wanted = DataType::LargeList(Arc::new(
        item.as_ref().clone().with_data_type(DataType::UInt32).with_nullable(true),
    ));
    let options = CastOptions { safe: false, ..Default::default() };
    cast_with_options(ids, &wanted, &options)
        .map_err(|error| TokenizerError::Decode { reason: error.to_string() })
}
