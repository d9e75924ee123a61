//! Which rows are wanted? A typed predicate, so that readers need no expression language.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, Scalar};
use arrow::compute::kernels::{boolean, cmp};

use crate::Result;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal.
    NotEq,
    /// Less.
    Lt,
    /// Less or equal.
    LtEq,
    /// Greater.
    Gt,
    /// Greater or equal.
    GtEq,
}

/// A condition on the columns of a dataset, by SQL's three-valued logic: a row is kept when it is
/// true, not when it is null.
#[derive(Clone, Debug)]
pub enum Predicate {
    /// Column (an index into the dataset's schema) against a value: an array of one row and of the
    /// column's own type.
    Compare(usize, CompareOp, ArrayRef),
    /// The column is null.
    IsNull(usize),
    /// The column is not null.
    IsNotNull(usize),
    /// Every one.
    And(Vec<Predicate>),
    /// At least one.
    Or(Vec<Predicate>),
    /// Not.
    Not(Box<Predicate>),
}

impl Predicate {
    /// The columns it reads, sorted, each once.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        self.collect_columns(&mut columns);
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    fn collect_columns(&self, into: &mut Vec<usize>) {
        match self {
            Predicate::Compare(column, ..) | Predicate::IsNull(column) | Predicate::IsNotNull(column) => {
                into.push(*column);
            }
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts.iter().for_each(|part| part.collect_columns(into));
            }
            Predicate::Not(inner) => inner.collect_columns(into),
        }
    }

    /// The truth of each row. `column_at` gives a column's array by its index in the dataset's schema.
    ///
    /// # Errors
    /// When a comparison's value has another type than its column.
    pub fn evaluate(
        &self,
        rows: usize,
        column_at: &dyn Fn(usize) -> Result<ArrayRef>,
    ) -> Result<BooleanArray> {
        Ok(match self {
            Predicate::Compare(column, op, value) => {
                let (array, value) = (column_at(*column)?, Scalar::new(Arc::clone(value)));
                match op {
                    CompareOp::Eq => cmp::eq(&array, &value)?,
                    CompareOp::NotEq => cmp::neq(&array, &value)?,
                    CompareOp::Lt => cmp::lt(&array, &value)?,
                    CompareOp::LtEq => cmp::lt_eq(&array, &value)?,
                    CompareOp::Gt => cmp::gt(&array, &value)?,
                    CompareOp::GtEq => cmp::gt_eq(&array, &value)?,
                }
            }
            Predicate::IsNull(column) => boolean::is_null(&column_at(*column)?)?,
            Predicate::IsNotNull(column) => boolean::is_not_null(&column_at(*column)?)?,
            Predicate::And(parts) => {
                let mut all = BooleanArray::from(vec![true; rows]);
                for part in parts {
                    all = boolean::and_kleene(&all, &part.evaluate(rows, column_at)?)?;
                }
                all
            }
            Predicate::Or(parts) => {
                let mut any = BooleanArray::from(vec![false; rows]);
                for part in parts {
                    any = boolean::or_kleene(&any, &part.evaluate(rows, column_at)?)?;
                }
                any
            }
            Predicate::Not(inner) => boolean::not(&inner.evaluate(rows, column_at)?)?,
        })
    }

    /// Keeps the rows of `batch`, whose columns are those of `columns` (indices into the dataset's
    /// schema), for which the predicate is true.
    ///
    /// # Errors
    /// As [`Predicate::evaluate`]; also when `batch` lacks a column that the predicate reads.
    pub fn filter(&self, batch: &RecordBatch, columns: &[usize]) -> Result<RecordBatch> {
        let mask = self.evaluate(batch.num_rows(), &|index| {
            columns
                .iter()
                .position(|column| *column == index)
                .map(|at| Arc::clone(batch.column(at)))
                .ok_or_else(|| {
                    arrow::error::ArrowError::InvalidArgumentError(format!(
                        "the predicate reads column {index}, which was not read"
                    ))
                    .into()
                })
        })?;
        Ok(arrow::compute::filter_record_batch(batch, &mask)?)
    }
}
