//! What stands for an id while ids are numbered? Two words for a text, one for a number.
//!
//! A text of up to 12 bytes is its own key, laid out as in Arrow's views. The key of a longer one is its
//! length, its first bytes and its hash; whether texts with one key are one text is looked at afterwards,
//! when all are numbered, and if ever they are not, all is done again with another hash.

use std::{hash::BuildHasher, ops::Range};

use arrow::{
    array::{Array, ArrayRef, AsArray, GenericStringArray, OffsetSizeTrait, StringArray, StringViewArray},
    datatypes::DataType,
};
use hashbrown::{DefaultHashBuilder, HashTable};
use rayon::prelude::*;

use crate::{
    GraphError, Result, Run,
    ids::{Id, IdColumn, gather, with_integers},
    numbering::{Keys, Numbers, Stretch, TASK},
};

/// Bytes of a text that is its own key.
const INLINE: usize = 12;

/// The key of a text. Below: its length and its first 4 bytes. Above: 8 more bytes, or its hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TextKey {
    below: u64,
    above: u64,
}

/// The bits of a view that a text of so many bytes takes.
const MASKS: [u128; INLINE + 1] = {
    let mut masks = [0; INLINE + 1];
    let mut length = 0;
    while length <= INLINE {
        masks[length] = u128::MAX >> (8 * (INLINE - length));
        length += 1;
    }
    masks
};

impl TextKey {
    /// The key of a text of at most 12 bytes; what lies behind it in the view is of no meaning.
    fn inline(view: u128, length: usize) -> Self {
        let view = view & MASKS[length];
        Self { below: view as u64, above: (view >> 64) as u64 }
    }
}

/// A chunk of texts.
#[derive(Clone, Copy)]
enum Texts<'a> {
    Small(&'a StringArray),
    Large(&'a GenericStringArray<i64>),
    View(&'a StringViewArray),
}

impl<'a> Texts<'a> {
    fn of(array: &'a ArrayRef) -> Option<Self> {
        match array.data_type() {
            DataType::Utf8 => Some(Texts::Small(array.as_string())),
            DataType::LargeUtf8 => Some(Texts::Large(array.as_string())),
            DataType::Utf8View => Some(Texts::View(array.as_string_view())),
            _ => None,
        }
    }

    fn text(self, row: usize) -> &'a [u8] {
        match self {
            Texts::Small(array) => array.value(row).as_bytes(),
            Texts::Large(array) => array.value(row).as_bytes(),
            Texts::View(array) => array.value(row).as_bytes(),
        }
    }
}

/// Texts that are fetched from memory at the same time.
const AHEAD: usize = 64;

/// Whether the long ones of the texts from `row` on are those that have these numbers.
fn same(texts: Texts<'_>, row: usize, firsts: Texts<'_>, numbers: &[u32]) -> bool {
    let mut others: [&[u8]; AHEAD] = [&[]; AHEAD];
    let mut touched = 0;
    for (other, &number) in others.iter_mut().zip(numbers) {
        *other = firsts.text(number as usize);
    }
    for other in &others {
        // The first look at each waits for memory, and waits for all of them at once.
        touched ^= other.first().copied().unwrap_or_default();
    }
    std::hint::black_box(touched);
    (row..row + numbers.len()).zip(&others).all(|(row, other)| {
        let text = texts.text(row);
        text.len() <= INLINE || text == *other
    })
}

/// Columns of texts.
pub(crate) struct TextKeys<'a> {
    columns: &'a [IdColumn<'a>],
    /// The chunks of all columns, and which of them is the first of each column.
    chunks: Vec<Texts<'a>>,
    firsts: Vec<usize>,
    hasher: DefaultHashBuilder,
}

impl<'a> TextKeys<'a> {
    /// The columns, whose chunks are texts.
    pub(crate) fn new(columns: &'a [IdColumn<'a>]) -> Self {
        let mut chunks = Vec::new();
        let mut firsts = Vec::new();
        for column in columns {
            firsts.push(chunks.len());
            chunks.extend(column.chunks.iter().filter_map(Texts::of));
        }
        Self { columns, chunks, firsts, hasher: DefaultHashBuilder::default() }
    }

    fn long(&self, text: &[u8]) -> TextKey {
        let start = text.first_chunk().map_or(0, |start| u32::from_le_bytes(*start));
        let length = text.len().min(u32::MAX as usize) as u64;
        TextKey { below: length | u64::from(start) << 32, above: self.hasher.hash_one(text) }
    }

    /// Whether all texts with one number are one text. Keys tell that of those of up to 12 bytes.
    pub(crate) fn tell_apart(&self, stretches: &[Stretch], numbers: &Numbers, run: &Run) -> Result<bool> {
        let is_long = |&(column, row): &(usize, usize)| matches!(self.columns[column].id(row), Id::Text(text) if text.len() > INLINE);
        if !numbers.firsts.par_iter().any(is_long) {
            return Ok(true);
        }
        // Close together in memory, as they are looked at in no order.
        let firsts = gather(self.columns, &numbers.firsts)?;
        let Some(firsts) = Texts::of(&firsts) else { return Ok(true) };
        let mut of_columns = numbers.columns.iter();
        for &column in stretches.iter().flat_map(|stretch| &stretch.columns) {
            let numbers = of_columns.next().map_or(&[][..], Vec::as_slice);
            let tasks = numbers.par_chunks(TASK).enumerate().map(|(task, numbers)| {
                run.check()?;
                let mut rest = numbers;
                let mut pieces = self.columns[column].pieces(task * TASK..task * TASK + numbers.len());
                Ok(pieces.all(|(piece, rows)| {
                    let numbers = rest.split_off(..rows.len()).unwrap_or_default();
                    let texts = self.chunks[self.firsts[column] + piece];
                    let mut blocks = rows.step_by(AHEAD).zip(numbers.chunks(AHEAD));
                    blocks.all(|(row, numbers)| same(texts, row, firsts, numbers))
                }))
            });
            if !tasks.try_reduce(|| true, |one, other| Ok::<_, GraphError>(one && other))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read_offsets<O: OffsetSizeTrait>(
        &self,
        array: &GenericStringArray<O>,
        rows: Range<usize>,
        into: &mut [TextKey],
    ) {
        let bytes = array.value_data();
        let offsets = &array.value_offsets()[rows.start..=rows.end];
        for (ends, key) in offsets.windows(2).zip(into) {
            let (start, end) = (ends[0].as_usize(), ends[1].as_usize());
            let length = end - start;
            *key = if length > INLINE {
                self.long(&bytes[start..end])
            } else {
                // Twelve bytes are read at once where there are so many.
                let mut copy = [0; INLINE];
                let text = match bytes.get(start..start + INLINE) {
                    Some(text) => text,
                    None => {
                        copy[..length].copy_from_slice(&bytes[start..end]);
                        &copy
                    }
                };
                let low = text.first_chunk().map_or(0, |low| u64::from_le_bytes(*low));
                let high = text.last_chunk().map_or(0, |high| u32::from_le_bytes(*high));
                let view = length as u128 | u128::from(low) << 32 | u128::from(high) << 96;
                TextKey::inline(view, length)
            }
        }
    }

    fn hash(&self, key: TextKey) -> u64 {
        self.hasher.hash_one(u128::from(key.below) | u128::from(key.above) << 64)
    }
}

impl Keys for TextKeys<'_> {
    type Key = TextKey;
    type Table = HashTable<(TextKey, u32)>;

    fn read(&self, column: usize, range: Range<usize>, into: &mut [TextKey]) {
        let mut filled = 0;
        for (piece, rows) in self.columns[column].pieces(range) {
            let into = &mut into[filled..filled + rows.len()];
            filled += rows.len();
            match self.chunks[self.firsts[column] + piece] {
                Texts::Small(array) => self.read_offsets(array, rows, into),
                Texts::Large(array) => self.read_offsets(array, rows, into),
                Texts::View(array) => {
                    for ((&view, key), row) in array.views()[rows.clone()].iter().zip(into).zip(rows) {
                        let length = view as u32 as usize;
                        *key = if length > INLINE {
                            self.long(array.value(row).as_bytes())
                        } else {
                            TextKey::inline(view, length)
                        };
                    }
                }
            }
        }
    }

    fn part(&self, key: TextKey, parts: usize) -> u8 {
        part_of_hash(self.hash(key), parts)
    }

    fn table(&self, _: usize) -> Self::Table {
        HashTable::new()
    }

    fn number(&self, table: &mut Self::Table, key: TextKey) -> u32 {
        let fresh = table.len() as u32;
        let entry = table.entry(self.hash(key), |&(other, _)| other == key, |&(key, _)| self.hash(key));
        entry.or_insert((key, fresh)).get().1
    }

    fn seen(table: &Self::Table) -> usize {
        table.len()
    }
}

/// A table takes the lowest and the highest bits of a hash for its own.
fn part_of_hash(hash: u64, parts: usize) -> u8 {
    (hash >> 40) as u8 & (parts - 1) as u8
}

/// Reads numbers as 64-bit words; which of them are signed is known to whoever compares them.
fn read_numbers(column: &IdColumn<'_>, range: Range<usize>, into: &mut [u64]) {
    let mut filled = 0;
    for (chunk, rows) in column.pieces(range) {
        let into = &mut into[filled..filled + rows.len()];
        filled += rows.len();
        let array = &column.chunks[chunk];
        with_integers!(array, values => {
            for (key, &value) in into.iter_mut().zip(&values[rows]) {
                *key = i128::from(value) as u64;
            }
        }, ());
    }
}

/// The least and the greatest number of all columns; `None` without any.
pub(crate) fn ends(columns: &[IdColumn<'_>]) -> Option<(i128, i128)> {
    let chunks = columns.iter().flat_map(|column| column.chunks);
    let ends = chunks.filter_map(|array| {
        with_integers!(array, values => {
            let ends = values.par_chunks(1 << 16).map(|block| {
                let first = block[0];
                block.iter().fold((first, first), |(least, most), &value| (least.min(value), most.max(value)))
            });
            let (least, most) = ends.reduce_with(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
            Some((i128::from(least), i128::from(most)))
        }, None)
    });
    ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// Columns of numbers that lie anywhere.
pub(crate) struct NumberKeys<'a> {
    columns: &'a [IdColumn<'a>],
    hasher: DefaultHashBuilder,
}

impl<'a> NumberKeys<'a> {
    pub(crate) fn new(columns: &'a [IdColumn<'a>]) -> Self {
        Self { columns, hasher: DefaultHashBuilder::default() }
    }
}

impl Keys for NumberKeys<'_> {
    type Key = u64;
    type Table = HashTable<(u64, u32)>;

    fn read(&self, column: usize, range: Range<usize>, into: &mut [u64]) {
        read_numbers(&self.columns[column], range, into);
    }

    fn part(&self, key: u64, parts: usize) -> u8 {
        part_of_hash(self.hasher.hash_one(key), parts)
    }

    fn table(&self, _: usize) -> Self::Table {
        HashTable::new()
    }

    fn number(&self, table: &mut Self::Table, key: u64) -> u32 {
        let fresh = table.len() as u32;
        let hash = |key: u64| self.hasher.hash_one(key);
        table
            .entry(hash(key), |&(other, _)| other == key, |&(key, _)| hash(key))
            .or_insert((key, fresh))
            .get()
            .1
    }

    fn seen(table: &Self::Table) -> usize {
        table.len()
    }
}

/// Columns of numbers from `least` to `least + span`, few enough for a table with a place for each.
pub(crate) struct CompactKeys<'a> {
    pub(crate) columns: &'a [IdColumn<'a>],
    pub(crate) least: u64,
    pub(crate) span: u64,
}

/// The numbers of a part by their place, and how many there are.
pub(crate) struct Places {
    numbers: Vec<u32>,
    parts: u32,
    seen: u32,
}

/// Stands where no number was seen.
const UNSEEN: u32 = u32::MAX;

impl Keys for CompactKeys<'_> {
    type Key = u32;
    type Table = Places;

    fn read(&self, column: usize, range: Range<usize>, into: &mut [u32]) {
        let mut filled = 0;
        let column = &self.columns[column];
        for (chunk, rows) in column.pieces(range) {
            let into = &mut into[filled..filled + rows.len()];
            filled += rows.len();
            let array = &column.chunks[chunk];
            with_integers!(array, values => {
                for (key, &value) in into.iter_mut().zip(&values[rows]) {
                    // A number that another thread changed meanwhile stays within the span.
                    let offset = (i128::from(value) as u64).wrapping_sub(self.least);
                    *key = offset.min(self.span) as u32;
                }
            }, ());
        }
    }

    fn part(&self, key: u32, parts: usize) -> u8 {
        (key as usize & (parts - 1)) as u8
    }

    fn table(&self, parts: usize) -> Places {
        Places {
            numbers: vec![UNSEEN; (self.span as usize >> parts.trailing_zeros()) + 1],
            parts: parts.trailing_zeros(),
            seen: 0,
        }
    }

    fn number(&self, table: &mut Places, key: u32) -> u32 {
        let number = &mut table.numbers[(key >> table.parts) as usize];
        if *number == UNSEEN {
            *number = table.seen;
            table.seen += 1;
        }
        *number
    }

    fn seen(table: &Places) -> usize {
        table.seen as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_share_a_number_by_mistake_are_told_apart() {
        let chunks: [ArrayRef; 1] = [std::sync::Arc::new(StringArray::from(vec![
            "a text of many bytes",
            "a text of other byte",
            "a text of many bytes",
            "short",
        ]))];
        let columns = [IdColumn::new("source", &chunks).unwrap()];
        let keys = TextKeys::new(&columns);
        let stretches = [Stretch { columns: vec![0], rows: 4 }];
        let check = |of_rows: [u32; 4], firsts: &[usize], expected| {
            let firsts = firsts.iter().map(|&row| (0, row)).collect();
            let numbers = Numbers { columns: vec![of_rows.to_vec()], firsts, after: vec![] };
            assert_eq!(keys.tell_apart(&stretches, &numbers, &Run::default()), Ok(expected));
        };
        check([0, 1, 0, 2], &[0, 1, 3], true);
        check([0, 0, 0, 1], &[0, 3], false);
        check([0, 1, 1, 2], &[0, 1, 3], false);
    }
}
