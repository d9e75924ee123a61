//! Which rows are wanted? A typed predicate, so that readers need no expression language.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, RecordBatch, Scalar};
use arrow::compute::kernels::{boolean, cmp};
use arrow::datatypes::{DataType, FieldRef, Float16Type, Float32Type, Float64Type, Schema};

use crate::{IoError, Result};

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

impl CompareOp {
    const fn negated(self) -> Self {
        match self {
            CompareOp::Eq => CompareOp::NotEq,
            CompareOp::NotEq => CompareOp::Eq,
            CompareOp::Lt => CompareOp::GtEq,
            CompareOp::LtEq => CompareOp::Gt,
            CompareOp::Gt => CompareOp::LtEq,
            CompareOp::GtEq => CompareOp::Lt,
        }
    }
}

/// A predicate of which parts may be decided before a row is read.
#[derive(Clone, Debug)]
pub(crate) enum Folded {
    /// Kept or not, whatever the row.
    Known(bool),
    /// What is left to be decided.
    Rest(Predicate),
}

type F16 = <Float16Type as ArrowPrimitiveType>::Native;

/// Floats with one zero and one NaN, as the kernels compare bits; anything else as it is.
fn comparable(array: ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float64 => {
            let one = |value: f64| if value.is_nan() { f64::NAN } else { value + 0.0 };
            Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(one))
        }
        DataType::Float32 => {
            let one = |value: f32| if value.is_nan() { f32::NAN } else { value + 0.0 };
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(one))
        }
        DataType::Float16 => {
            let one = |value: F16| if value.is_nan() { F16::NAN } else { value + F16::ZERO };
            Arc::new(array.as_primitive::<Float16Type>().unary::<_, Float16Type>(one))
        }
        _ => array,
    }
}

pub(crate) fn column_of(schema: &Schema, index: usize) -> Result<&FieldRef> {
    schema.fields().get(index).ok_or_else(|| {
        IoError::option("columns", format!("has index {index}, but there are {}", schema.fields().len()))
    })
}

/// A condition on the columns of a dataset, by SQL's three-valued logic: a row is kept when it is
/// true, not when it is null. Of floats, -0.0 equals 0.0, and NaN equals NaN, whatever its sign, and is
/// greater than every other number.
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

    /// The same condition without [`Predicate::Not`], by De Morgan's laws, which hold in three-valued
    /// logic too.
    pub(crate) fn without_not(&self) -> Predicate {
        self.pushed(false)
    }

    fn pushed(&self, negate: bool) -> Predicate {
        let all = |parts: &[Predicate]| parts.iter().map(|part| part.pushed(negate)).collect();
        match self {
            Predicate::Compare(column, op, value) => {
                let op = if negate { op.negated() } else { *op };
                Predicate::Compare(*column, op, Arc::clone(value))
            }
            Predicate::IsNull(column) if negate => Predicate::IsNotNull(*column),
            Predicate::IsNotNull(column) if negate => Predicate::IsNull(*column),
            Predicate::IsNull(_) | Predicate::IsNotNull(_) => self.clone(),
            Predicate::And(parts) if negate => Predicate::Or(all(parts)),
            Predicate::Or(parts) if negate => Predicate::And(all(parts)),
            Predicate::And(parts) => Predicate::And(all(parts)),
            Predicate::Or(parts) => Predicate::Or(all(parts)),
            Predicate::Not(inner) => inner.pushed(!negate),
        }
    }

    /// Decides what does not depend on a file's rows. `resolve` gives a column's new index, or its one
    /// value. Expects a predicate [without not](Self::without_not), where null decides as false does.
    pub(crate) fn fold(&self, resolve: &dyn Fn(usize) -> Result<usize, ArrayRef>) -> Result<Folded> {
        let (parts, neutral) = match self {
            Predicate::Compare(column, op, value) => match resolve(*column) {
                Ok(index) => return Ok(Folded::Rest(Predicate::Compare(index, *op, Arc::clone(value)))),
                Err(constant) => return self.known(&constant),
            },
            Predicate::IsNull(column) => match resolve(*column) {
                Ok(index) => return Ok(Folded::Rest(Predicate::IsNull(index))),
                Err(constant) => return self.known(&constant),
            },
            Predicate::IsNotNull(column) => match resolve(*column) {
                Ok(index) => return Ok(Folded::Rest(Predicate::IsNotNull(index))),
                Err(constant) => return self.known(&constant),
            },
            Predicate::Not(_) => return self.without_not().fold(resolve),
            Predicate::And(parts) => (parts, true),
            Predicate::Or(parts) => (parts, false),
        };
        let mut rest = Vec::new();
        for part in parts {
            match part.fold(resolve)? {
                Folded::Known(known) if known == neutral => {}
                Folded::Known(known) => return Ok(Folded::Known(known)),
                Folded::Rest(part) => rest.push(part),
            }
        }
        Ok(match rest.len() {
            0 => Folded::Known(neutral),
            _ if neutral => Folded::Rest(Predicate::And(rest)),
            _ => Folded::Rest(Predicate::Or(rest)),
        })
    }

    fn known(&self, constant: &ArrayRef) -> Result<Folded> {
        let truth = self.evaluate(1, &|_| Ok(Arc::clone(constant)))?;
        Ok(Folded::Known(truth.iter().any(|row| row == Some(true))))
    }

    /// That every column exists and every value has its column's type.
    pub(crate) fn check(&self, schema: &Schema) -> Result<()> {
        match self {
            Predicate::Compare(column, _, value) => {
                let field = column_of(schema, *column)?;
                if value.len() != 1 || value.data_type() != field.data_type() {
                    let reason = format!(
                        "compares column `{}` of type {} with {} value(s) of type {}",
                        field.name(),
                        field.data_type(),
                        value.len(),
                        value.data_type()
                    );
                    return Err(IoError::option("filter", reason));
                }
                Ok(())
            }
            Predicate::IsNull(column) | Predicate::IsNotNull(column) => {
                column_of(schema, *column).map(|_| ())
            }
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts.iter().try_for_each(|part| part.check(schema))
            }
            Predicate::Not(inner) => inner.check(schema),
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
                let (array, value) = (column_at(*column)?, Scalar::new(comparable(Arc::clone(value))));
                let array = comparable(array);
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
