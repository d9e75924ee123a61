//! What is a text once it is encoded, and what is a batch of them?

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{Schema, UInt32Type},
};
use bowstring::{
    query::Table,
    tokenizer::{BatchOptions, Encoding, OffsetUnit, PadTo, Padding, Side, Tokenizer},
};
use pyo3::{IntoPyObjectExt, prelude::*};
use pyo3_arrow::{
    PyArray, PyChunkedArray,
    export::{Arro3Array, Arro3ChunkedArray},
};

use crate::{
    error::{Fault, Result},
    table::PyTable,
    texts::Given,
};

/// A text, or a pair of texts, as tokens.
#[pyclass(module = "bowstring", name = "Encoding", frozen)]
pub(crate) struct PyEncoding {
    encoding: Encoding,
}

impl From<Encoding> for PyEncoding {
    fn from(encoding: Encoding) -> Self {
        Self { encoding }
    }
}

#[pymethods]
impl PyEncoding {
    /// The ids.
    #[getter]
    fn ids(&self) -> Vec<u32> {
        self.encoding.ids().to_vec()
    }

    /// The tokens as the vocabulary writes them.
    #[getter]
    fn tokens(&self) -> Vec<String> {
        self.encoding.tokens().to_vec()
    }

    /// Where each token begins and ends in its text; (0, 0) for special tokens and padding.
    #[getter]
    fn offsets(&self) -> Vec<(usize, usize)> {
        self.encoding.offsets().to_vec()
    }

    /// 1 for tokens, 0 for padding.
    #[getter]
    fn attention_mask(&self) -> Vec<u32> {
        self.encoding.attention_mask().to_vec()
    }

    /// Which text of a pair a token belongs to, as the model counts them.
    #[getter]
    fn type_ids(&self) -> Vec<u32> {
        self.encoding.type_ids().to_vec()
    }

    /// 1 for special tokens and padding.
    #[getter]
    fn special_tokens_mask(&self) -> Vec<u32> {
        self.encoding.special_tokens_mask().to_vec()
    }

    /// Which word of its text a token belongs to; `None` for special tokens and padding.
    #[getter]
    fn word_ids(&self) -> Vec<Option<u32>> {
        self.encoding.word_ids().to_vec()
    }

    /// Which text a token comes from, 0 or 1; `None` for special tokens and padding.
    #[getter]
    fn sequence_ids(&self) -> Vec<Option<usize>> {
        self.encoding.sequence_ids()
    }

    /// What truncation cut off, in parts of the same length.
    #[getter]
    fn overflowing(&self) -> Vec<PyEncoding> {
        self.encoding.overflowing().map(PyEncoding::from).collect()
    }

    fn __len__(&self) -> usize {
        self.encoding.len()
    }

    fn __repr__(&self) -> String {
        format!("Encoding({} tokens)", self.encoding.len())
    }
}

/// The texts of a batch as columns, and one by one.
#[pyclass(module = "bowstring._bowstring", name = "NativeBatch", frozen)]
pub(crate) struct PyBatch {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) texts: Given,
    pub(crate) options: BatchOptions,
    pub(crate) rows: usize,
    pub(crate) batches: Vec<RecordBatch>,
}

impl PyBatch {
    /// The number of ids of a row of the batches, which has as many rows as there are texts.
    fn length(&self, row: usize) -> Option<usize> {
        let mut row = row;
        for batch in &self.batches {
            if row < batch.num_rows() {
                let ids = batch.column(0);
                let length = |array: &ArrayRef| -> Option<usize> {
                    if array.is_null(row) {
                        return None;
                    }
                    let lists = array.as_list_opt::<i32>().map(|lists| lists.value_length(row) as usize);
                    lists.or_else(|| Some(array.as_list_opt::<i64>()?.value_length(row) as usize))
                };
                return length(ids);
            }
            row -= batch.num_rows();
        }
        None
    }
}

#[pymethods]
impl PyBatch {
    fn __len__(&self) -> usize {
        self.rows
    }

    /// A column of this name: one array, or several chunks where there are too many ids for one.
    fn column<'py>(&self, py: Python<'py>, name: &str) -> Result<Option<Bound<'py, PyAny>>> {
        let Some(first) = self.batches.first() else { return Ok(None) };
        let Ok(index) = first.schema().index_of(name) else { return Ok(None) };
        let field = Arc::new(first.schema().field(index).clone());
        let mut chunks: Vec<ArrayRef> =
            self.batches.iter().map(|batch| Arc::clone(batch.column(index))).collect();
        Ok(Some(match (chunks.pop(), chunks.is_empty()) {
            (Some(only), true) => Arro3Array::from(PyArray::new(only, field)).into_bound_py_any(py)?,
            (last, _) => {
                chunks.extend(last);
                let chunked = PyChunkedArray::try_new(chunks, field)?;
                Arro3ChunkedArray::from(chunked).into_bound_py_any(py)?
            }
        }))
    }

    /// The columns as a table.
    fn table(&self) -> Result<PyTable> {
        let schema =
            self.batches.first().map(RecordBatch::schema).unwrap_or_else(|| Arc::new(Schema::empty()));
        Ok(Table::new(schema, self.batches.clone())?.into())
    }

    /// Everything about one of the texts; `None` when it is null.
    fn encoding(&self, py: Python<'_>, row: usize) -> Result<Option<PyEncoding>> {
        py.detach(|| {
            self.texts.with(|texts| {
                let Some(text) = texts.get(row) else { return Ok(None) };
                // As long as it is in its batch.
                let length = self.length(row).filter(|_| !self.options.overflow);
                let padding = self.tokenizer.padding().map(|padding| match (padding.to, length) {
                    (PadTo::Longest, Some(length)) => {
                        Padding { to: PadTo::Length(length), multiple_of: None, ..padding.clone() }
                    }
                    _ => padding.clone(),
                });
                let tokenizer = self.tokenizer.clone().with_padding(padding);
                let unit = self.options.offsets.unwrap_or(OffsetUnit::Chars);
                let encoding = tokenizer.encode(text, None, self.options.add_special_tokens, unit);
                Ok(Some(encoding.map_err(bowstring::Error::from)?.into()))
            })
        })
    }
}

/// Rows of ids in a rectangle, and which of them are tokens.
pub(crate) struct Rectangle {
    pub(crate) rows: usize,
    pub(crate) length: usize,
    pub(crate) ids: Vec<i64>,
    pub(crate) mask: Vec<i64>,
}

impl Rectangle {
    /// The ids of `batches`, each row filled up to one length.
    pub(crate) fn of(batches: &[RecordBatch], padding: &Padding) -> Result<Self> {
        let lists = || batches.iter().filter_map(|batch| batch.column(0).as_list_opt::<i32>());
        let rows = lists().map(|lists| lists.len()).sum();
        let lengths =
            || lists().flat_map(|lists| (0..lists.len()).map(|row| lists.value_length(row) as usize));
        let nulls = lists().flat_map(|lists| (0..lists.len()).map(|row| lists.is_null(row)));
        if let Some(row) = nulls.into_iter().position(|is_null| is_null) {
            return Err(Fault::NoText { name: format!("texts[{row}]") });
        }
        let longest = lengths().max().unwrap_or(0);
        let length = match padding.to {
            PadTo::Longest => longest,
            PadTo::Length(length) => length,
        };
        let length = padding.multiple_of.map_or(length, |multiple| length.next_multiple_of(multiple.get()));
        if longest > length {
            let row = lengths().position(|tokens| tokens > length).unwrap_or(0);
            return Err(Fault::TooLong { row, tokens: lengths().nth(row).unwrap_or(longest), length });
        }
        let mut ids = Vec::with_capacity(rows * length);
        let mut mask = Vec::with_capacity(rows * length);
        for list in lists().flat_map(|lists| lists.iter().flatten()) {
            let own = list.as_primitive::<UInt32Type>().values();
            let (before, after) = match padding.side {
                Side::Left => (length - own.len(), 0),
                Side::Right => (0, length - own.len()),
            };
            let fill =
                |values: &mut Vec<i64>, count: usize, value: i64| values.resize(values.len() + count, value);
            fill(&mut ids, before, padding.id.into());
            ids.extend(own.iter().map(|id| i64::from(*id)));
            fill(&mut ids, after, padding.id.into());
            fill(&mut mask, before, 0);
            fill(&mut mask, own.len(), 1);
            fill(&mut mask, after, 0);
        }
        Ok(Self { rows, length, ids, mask })
    }
}
