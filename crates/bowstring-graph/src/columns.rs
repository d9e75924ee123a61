//! How are the columns of an edge table read in place, whatever their integer type and chunks?

use std::ops::Range;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use rayon::prelude::*;

use crate::{GraphError, Result, Weights, csr::MAX_NODES};

/// What a column of dense node numbers can be.
pub(crate) const DENSE: &str = "int32, int64, uint32 or uint64";

/// Rows that are looked at in one go.
pub(crate) const BLOCK: usize = 1 << 10;

/// Rows of one parallel task.
const TASK: usize = 1 << 18;

/// A column of dense node numbers, read where it lies.
pub(crate) struct NodeColumn<'a> {
    chunks: Vec<Chunk<'a>>,
    /// The row at which each chunk begins, and the number of rows.
    starts: Vec<usize>,
}

enum Chunk<'a> {
    I32(&'a [i32]),
    I64(&'a [i64]),
    U32(&'a [u32]),
    U64(&'a [u64]),
}

impl<'a> NodeColumn<'a> {
    /// The column in these chunks, whose values are all there and are no less than 0 and at most
    /// 2³¹ − 2.
    pub(crate) fn new(name: &'static str, arrays: &'a [ArrayRef]) -> Result<Self> {
        let starts = starts(arrays);
        let mut chunks = Vec::with_capacity(arrays.len());
        for (array, start) in arrays.iter().zip(&starts) {
            not_null(name, array, *start)?;
            chunks.push(match array.data_type() {
                DataType::Int32 => Chunk::I32(array.as_primitive::<Int32Type>().values()),
                DataType::Int64 => Chunk::I64(array.as_primitive::<Int64Type>().values()),
                DataType::UInt32 => Chunk::U32(array.as_primitive::<UInt32Type>().values()),
                DataType::UInt64 => Chunk::U64(array.as_primitive::<UInt64Type>().values()),
                found => {
                    let found = found.to_string();
                    return Err(GraphError::ColumnType { column: name.into(), found, expected: DENSE });
                }
            });
        }
        Ok(Self { chunks, starts })
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The greatest number of all; `None` without rows.
    ///
    /// # Errors
    /// When a number is below 0, or not below `nodes`.
    pub(crate) fn greatest(&self, name: &'static str, nodes: Option<usize>) -> Result<Option<u64>> {
        let mut greatest = None;
        for (chunk, &start) in self.chunks.iter().zip(&self.starts) {
            let of_chunk = match chunk {
                Chunk::I32(values) => ends(values),
                Chunk::I64(values) => ends(values),
                Chunk::U32(values) => ends(values),
                Chunk::U64(values) => ends(values),
            };
            let Some((least, most)) = of_chunk else { continue };
            let limit = nodes.map_or(i128::from(MAX_NODES), |nodes| nodes as i128);
            if least < 0 || most >= limit {
                return Err(self.culprit(name, start, chunk, limit, nodes));
            }
            greatest = greatest.max(Some(most as u64));
        }
        Ok(greatest)
    }

    /// The first number of a chunk that is not in the range.
    fn culprit(
        &self,
        column: &'static str,
        start: usize,
        chunk: &Chunk<'_>,
        limit: i128,
        nodes: Option<usize>,
    ) -> GraphError {
        let found = match chunk {
            Chunk::I32(values) => outside(values, limit),
            Chunk::I64(values) => outside(values, limit),
            Chunk::U32(values) => outside(values, limit),
            Chunk::U64(values) => outside(values, limit),
        };
        let (row, node) = found.unwrap_or_default();
        let column = column.into();
        let row = start + row;
        match (i64::try_from(node), nodes) {
            (Ok(node), _) if node < 0 => GraphError::NegativeNode { column, row, node },
            (_, Some(nodes)) => GraphError::NodeOutOfRange { column, row, node, nodes },
            (_, None) => GraphError::TooManyNodes {
                nodes: u64::try_from(node).map_or(u64::MAX, |node| node.saturating_add(1)),
            },
        }
    }

    /// Writes the numbers of the rows in `range` into `into`, which has as many places.
    pub(crate) fn read(&self, range: Range<usize>, into: &mut [u32]) {
        let mut at = range.start;
        let mut chunk = self.starts.partition_point(|&start| start <= at).saturating_sub(1);
        let mut filled = 0;
        while at < range.end {
            let (begin, end) = (self.starts[chunk], self.starts[chunk + 1]);
            let take = (end - at).min(range.end - at);
            let rows = at - begin..at - begin + take;
            let out = &mut into[filled..filled + take];
            match &self.chunks[chunk] {
                Chunk::I32(values) => copy(out, &values[rows], |value| value.cast_unsigned()),
                Chunk::I64(values) => copy(out, &values[rows], |value| value as u32),
                Chunk::U32(values) => copy(out, &values[rows], |value| value),
                Chunk::U64(values) => copy(out, &values[rows], |value| value as u32),
            }
            at += take;
            filled += take;
            chunk += 1;
        }
    }
}

fn copy<T: Copy>(out: &mut [u32], from: &[T], to: impl Fn(T) -> u32) {
    for (out, &value) in out.iter_mut().zip(from) {
        *out = to(value);
    }
}

fn ends<T: Copy + Ord + Send + Sync + Into<i128>>(values: &[T]) -> Option<(i128, i128)> {
    let of_task = |task: &[T]| {
        let first = task[0];
        task.iter().fold((first, first), |(least, most), &value| (least.min(value), most.max(value)))
    };
    let (least, most) =
        values.par_chunks(TASK).map(of_task).reduce_with(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    Some((least.into(), most.into()))
}

fn outside<T: Copy + Into<i128>>(values: &[T], limit: i128) -> Option<(usize, i128)> {
    values.iter().map(|&value| value.into()).enumerate().find(|(_, value)| *value < 0 || *value >= limit)
}

/// The row at which each chunk begins, and the number of rows at the end.
pub(crate) fn starts(arrays: &[ArrayRef]) -> Vec<usize> {
    let mut rows = 0;
    let mut starts = vec![0];
    for array in arrays {
        rows += array.len();
        starts.push(rows);
    }
    starts
}

/// # Errors
/// When a value of the chunk, whose first row is `start`, is null.
pub(crate) fn not_null(column: &'static str, array: &ArrayRef, start: usize) -> Result<()> {
    if array.logical_null_count() == 0 {
        return Ok(());
    }
    let nulls = array.logical_nulls();
    let row = nulls.and_then(|nulls| (0..nulls.len()).find(|&row| nulls.is_null(row)));
    Err(GraphError::NullInEdge { column: column.into(), row: start + row.unwrap_or(0) })
}

/// The weights of a column, in one piece; not copied when it is one chunk of a type that is kept.
pub(crate) fn weights(arrays: &[ArrayRef]) -> Result<Weights> {
    let starts = starts(arrays);
    for (array, start) in arrays.iter().zip(&starts) {
        not_null("weight", array, *start)?;
    }
    let mut kinds = arrays.iter().map(|array| array.data_type());
    let kind = kinds.next().cloned().unwrap_or(DataType::Float64);
    if let Some(other) = kinds.find(|other| **other != kind) {
        let found = format!("{kind} and {other}");
        return Err(GraphError::ColumnType { column: "weight".into(), found, expected: "one type" });
    }
    let weights = match kind {
        DataType::Float32 => Weights::F32(joined::<Float32Type>(arrays)),
        DataType::Float64 => Weights::F64(joined::<Float64Type>(arrays)),
        DataType::Int32 => Weights::I32(joined::<Int32Type>(arrays)),
        DataType::Int64 => Weights::I64(joined::<Int64Type>(arrays)),
        DataType::Int8 => Weights::I32(widened::<Int8Type, i32>(arrays)),
        DataType::Int16 => Weights::I32(widened::<Int16Type, i32>(arrays)),
        DataType::UInt8 => Weights::I32(widened::<UInt8Type, i32>(arrays)),
        DataType::UInt16 => Weights::I32(widened::<UInt16Type, i32>(arrays)),
        DataType::UInt32 => Weights::I64(widened::<UInt32Type, i64>(arrays)),
        DataType::UInt64 => {
            let values = joined::<UInt64Type>(arrays);
            if let Some(row) = values.par_iter().position_first(|&value| i64::try_from(value).is_err()) {
                return Err(GraphError::WeightTooLarge { column: "weight".into(), row, weight: values[row] });
            }
            Weights::I64(values.par_iter().map(|&value| value.cast_signed()).collect::<Vec<_>>().into())
        }
        found => {
            let expected = "a type of integers or floats";
            return Err(GraphError::ColumnType {
                column: "weight".into(),
                found: found.to_string(),
                expected,
            });
        }
    };
    match weights.not_finite() {
        Some((row, weight)) => Err(GraphError::WeightNotFinite { column: "weight".into(), row, weight }),
        None => Ok(weights),
    }
}

fn joined<T: ArrowPrimitiveType>(arrays: &[ArrayRef]) -> arrow::buffer::ScalarBuffer<T::Native> {
    match arrays {
        [one] => one.as_primitive::<T>().values().clone(),
        several => {
            let values = several.iter().flat_map(|array| array.as_primitive::<T>().values().iter().copied());
            values.collect::<Vec<_>>().into()
        }
    }
}

fn widened<T, W>(arrays: &[ArrayRef]) -> arrow::buffer::ScalarBuffer<W>
where
    T: ArrowPrimitiveType,
    W: arrow::datatypes::ArrowNativeType + From<T::Native>,
{
    let values = arrays.iter().flat_map(|array| array.as_primitive::<T>().values().iter().copied());
    values.map(W::from).collect::<Vec<W>>().into()
}
