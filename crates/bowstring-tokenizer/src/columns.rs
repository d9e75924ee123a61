//! How do the tokens of a batch become Arrow columns?

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, FixedSizeListArray, GenericListArray, NullBufferBuilder, OffsetSizeTrait,
        PrimitiveArray, RecordBatch, UInt32Array, UInt64Array,
    },
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::{ArrowPrimitiveType, DataType, Field, Schema, UInt8Type, UInt32Type},
};

use crate::{
    BatchOptions, Padding, Result, Side, Texts, Tokenizer, TokenizerError,
    around::Special,
    batch::{self, Ids},
};

impl Tokenizer {
    /// Encodes `texts`, one row for each, truncated and padded: a column `ids`, a list of `UInt32` in each
    /// row, and those others that `options` ask for. Rows that are null stay null. Of masks and type ids
    /// the lists hold `UInt8` and `UInt32`, of offsets pairs of `UInt32`, of word ids `UInt32` or null.
    ///
    /// There is one batch, even for no rows; more only where the ids of a batch are too many for the 32-bit
    /// offsets of its lists.
    ///
    /// # Errors
    /// [`TokenizerError::Model`] when the tokenizer's own parts refuse a text,
    /// those of [`Self::encode`] when one cannot be shortened as asked,
    /// [`TokenizerError::TextTooLong`] for one of 4 GiB or more, and [`TokenizerError::Cancelled`].
    pub fn encode_batch(&self, texts: &Texts<'_>, options: &BatchOptions) -> Result<Vec<RecordBatch>> {
        let table = if options.needs_pieces() || self.around(options.add_special_tokens).is_none() {
            self.of_encodings(texts, options)?
        } else {
            self.of_ids(texts, options)?
        };
        table.batches(options)
    }

    /// The columns that follow from the ids alone.
    fn of_ids(&self, texts: &Texts<'_>, options: &BatchOptions) -> Result<Table> {
        let Ids { ids, lengths } = batch::ids(self, texts, options)?;
        let nulls = nulls((0..texts.len()).map(|row| texts.get(row).is_some()));
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let padded = self.padding().map(|padding| (padding, padding.length(longest)));
        let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));

        let mut table = Table { lengths, nulls: nulls.clone(), ..Table::default() };
        let around = self.around(options.add_special_tokens).cloned().unwrap_or_default();
        let per_row = |column: fn(&Special) -> u32, own: u32, pad: fn(&Padding) -> u32| {
            let mut values = Vec::new();
            for (row, length) in table.lengths.iter().enumerate() {
                if !valid(row) {
                    continue;
                }
                let fill = padded.as_ref().map_or(0, |(_, to)| to.saturating_sub(*length));
                let fill_with = padded.as_ref().map_or(0, |(padding, _)| pad(padding));
                let left = padded.as_ref().is_some_and(|(padding, _)| padding.side == Side::Left);
                let end = values.len() + fill + length;
                if left {
                    values.resize(values.len() + fill, fill_with);
                }
                values.extend(around.before.iter().map(column));
                values.resize(values.len() + length - around.len(), own);
                values.extend(around.after.iter().map(column));
                values.resize(end, fill_with);
            }
            values
        };
        if options.attention_mask {
            table.attention_mask = Some(narrow(&per_row(|_| 1, 1, |_| 0)));
        }
        if options.type_ids {
            table.type_ids =
                Some(per_row(|special| special.type_id, around.type_id, |padding| padding.type_id));
        }
        if options.special_tokens_mask {
            table.special_tokens_mask = Some(narrow(&per_row(|special| special.special, 0, |_| 1)));
        }
        table.ids = ids;
        if let Some((padding, to)) = padded {
            let mut ids = Vec::with_capacity(to * table.lengths.len());
            let mut rest = table.ids.as_slice();
            for (row, length) in table.lengths.iter_mut().enumerate() {
                let (own, after) = rest.split_at(*length);
                rest = after;
                if !nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                    continue;
                }
                let fill = to.saturating_sub(*length);
                if padding.side == Side::Left {
                    ids.resize(ids.len() + fill, padding.id);
                }
                ids.extend_from_slice(own);
                if padding.side == Side::Right {
                    ids.resize(ids.len() + fill, padding.id);
                }
                *length += fill;
            }
            table.ids = ids;
        }
        Ok(table)
    }

    /// The columns for which each token has to be known.
    fn of_encodings(&self, texts: &Texts<'_>, options: &BatchOptions) -> Result<Table> {
        let found = batch::encodings(self, texts, options)?;
        let valid: Vec<bool> = found.iter().map(Option::is_some).collect();
        let mut encodings: Vec<tokenizers::Encoding> =
            found.into_iter().map(Option::unwrap_or_default).collect();
        if valid.iter().all(|valid| *valid) {
            self.pad(&mut encodings)?;
        } else {
            // Nulls have no length, and are not padded.
            let mut present: Vec<tokenizers::Encoding> = (encodings.iter_mut().zip(&valid))
                .filter(|(_, valid)| **valid)
                .map(|(encoding, _)| std::mem::take(encoding))
                .collect();
            self.pad(&mut present)?;
            let places = encodings.iter_mut().zip(&valid).filter(|(_, valid)| **valid);
            for ((place, _), padded) in places.zip(present) {
                *place = padded;
            }
        }
        let mut table = Table::new(options);
        let mut rows_valid = Vec::with_capacity(encodings.len());
        for (sample, (encoding, valid)) in (0_u64..).zip(encodings.iter().zip(valid)) {
            table.push(encoding);
            rows_valid.push(valid);
            if let Some(samples) = &mut table.samples {
                samples.push(sample);
                let parts = encoding.get_overflowing();
                samples.extend(parts.iter().map(|_| sample));
                rows_valid.extend(parts.iter().map(|_| valid));
                parts.iter().for_each(|part| table.push(part));
            }
        }
        table.nulls = nulls(rows_valid.into_iter());
        Ok(table)
    }
}

/// The columns of a batch, as flat values; all lists of a row have the same length.
#[derive(Debug, Default)]
struct Table {
    lengths: Vec<usize>,
    nulls: Option<NullBuffer>,
    ids: Vec<u32>,
    attention_mask: Option<Vec<u8>>,
    type_ids: Option<Vec<u32>>,
    special_tokens_mask: Option<Vec<u8>>,
    /// Begin and end, one after the other.
    offsets: Option<Vec<u32>>,
    word_ids: Option<Vec<Option<u32>>>,
    samples: Option<Vec<u64>>,
}

impl Table {
    fn new(options: &BatchOptions) -> Self {
        Self {
            attention_mask: options.attention_mask.then(Vec::new),
            type_ids: options.type_ids.then(Vec::new),
            special_tokens_mask: options.special_tokens_mask.then(Vec::new),
            offsets: options.offsets.map(|_| Vec::new()),
            word_ids: options.word_ids.then(Vec::new),
            samples: options.overflow.then(Vec::new),
            ..Self::default()
        }
    }

    fn push(&mut self, encoding: &tokenizers::Encoding) {
        self.lengths.push(encoding.len());
        self.ids.extend_from_slice(encoding.get_ids());
        if let Some(values) = &mut self.attention_mask {
            values.extend(narrow(encoding.get_attention_mask()));
        }
        if let Some(values) = &mut self.type_ids {
            values.extend_from_slice(encoding.get_type_ids());
        }
        if let Some(values) = &mut self.special_tokens_mask {
            values.extend(narrow(encoding.get_special_tokens_mask()));
        }
        if let Some(values) = &mut self.offsets {
            // Longer texts are refused when the work is shared out.
            values
                .extend(encoding.get_offsets().iter().flat_map(|(start, end)| [*start as u32, *end as u32]));
        }
        if let Some(values) = &mut self.word_ids {
            values.extend_from_slice(encoding.get_word_ids());
        }
    }

    fn batches(mut self, options: &BatchOptions) -> Result<Vec<RecordBatch>> {
        let rows = self.lengths.len();
        if options.large_list {
            return Ok(vec![self.rows::<i64>(0..rows, 0)?]);
        }
        if i32::try_from(self.ids.len()).is_ok() {
            return Ok(vec![self.rows::<i32>(0..rows, 0)?]);
        }
        let (mut batches, mut first, mut start, mut tokens) = (Vec::new(), 0, 0, 0_usize);
        for row in 0..rows {
            let length = self.lengths[row];
            if tokens + length > i32::MAX as usize {
                batches.push(self.rows::<i32>(first..row, start)?);
                (first, start, tokens) = (row, start + tokens, 0);
            }
            tokens += length;
        }
        batches.push(self.rows::<i32>(first..rows, start)?);
        Ok(batches)
    }

    /// A batch of some rows, whose tokens begin at `start`. What a batch of all rows needs is taken, not
    /// copied.
    fn rows<O: OffsetSizeTrait>(&mut self, rows: Range<usize>, start: usize) -> Result<RecordBatch> {
        let lengths = &self.lengths[rows.clone()];
        let tokens: usize = lengths.iter().sum();
        if O::from_usize(tokens).is_none() {
            let value = format!("{tokens} in one row");
            return Err(TokenizerError::Option {
                option: "ids",
                value,
                expected: "ask for large lists, which have room for more than 2147483647 ids in a row",
            });
        }
        let offsets = OffsetBuffer::<O>::from_lengths(lengths.iter().copied());
        let nulls = self.nulls.as_ref().map(|nulls| nulls.slice(rows.start, rows.len()));
        let list = |values: ArrayRef, nullable: bool| -> ArrayRef {
            let item = Arc::new(Field::new_list_field(values.data_type().clone(), nullable));
            Arc::new(GenericListArray::<O>::new(item, offsets.clone(), values, nulls.clone()))
        };
        let mut columns: Vec<(&str, ArrayRef)> =
            vec![("ids", list(flat::<UInt32Type>(&mut self.ids, start, tokens), false))];
        if let Some(values) = &mut self.attention_mask {
            columns.push(("attention_mask", list(flat::<UInt8Type>(values, start, tokens), false)));
        }
        if let Some(values) = &mut self.type_ids {
            columns.push(("type_ids", list(flat::<UInt32Type>(values, start, tokens), false)));
        }
        if let Some(values) = &mut self.special_tokens_mask {
            columns.push(("special_tokens_mask", list(flat::<UInt8Type>(values, start, tokens), false)));
        }
        if let Some(values) = &mut self.offsets {
            let item = Arc::new(Field::new_list_field(DataType::UInt32, false));
            let pairs =
                FixedSizeListArray::new(item, 2, flat::<UInt32Type>(values, 2 * start, 2 * tokens), None);
            columns.push(("offsets", list(Arc::new(pairs), false)));
        }
        if let Some(values) = &mut self.word_ids {
            let values: UInt32Array = values[start..start + tokens].iter().copied().collect();
            columns.push(("word_ids", list(Arc::new(values), true)));
        }
        if let Some(samples) = &self.samples {
            columns.push(("sample", Arc::new(UInt64Array::from(samples[rows.clone()].to_vec()))));
        }
        let fields: Vec<Field> = (columns.iter())
            .map(|(name, values)| Field::new(*name, values.data_type().clone(), *name != "sample"))
            .collect();
        let columns = columns.into_iter().map(|(_, values)| values).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| TokenizerError::Model { reason: error.to_string() })
    }
}

/// Values as an array; all of them are taken.
fn flat<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>, start: usize, length: usize) -> ArrayRef {
    let values: ScalarBuffer<T::Native> = if length == values.len() {
        std::mem::take(values).into()
    } else {
        values[start..start + length].to_vec().into()
    };
    Arc::new(PrimitiveArray::<T>::new(values, None))
}

fn nulls(valid: impl ExactSizeIterator<Item = bool>) -> Option<NullBuffer> {
    let mut builder = NullBufferBuilder::new(valid.len());
    valid.for_each(|valid| builder.append(valid));
    builder.finish()
}

fn narrow(values: &[u32]) -> Vec<u8> {
    values.iter().map(|value| *value as u8).collect()
}
