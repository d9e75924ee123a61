//! When are columns decoded only for the rows that match?
//!
//! To decode the predicate's columns first and the others for the matching rows alone pays when few rows
//! match; otherwise the stepping from row to row costs more than it saves. How many match is estimated
//! from the sizes of the columns: of values that take b bits each when compressed, an equality keeps
//! about one in 2^b.

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch},
    compute::prep_null_mask_filter,
    error::ArrowError,
};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use crate::{CompareOp, Predicate, Result, Scan, parquet_stats::Leaf};

/// Fewer than one row in 2^BITS has to match.
const BITS: f64 = 5.0;

/// A predicate that is checked before the other columns are decoded.
pub(crate) struct Late {
    predicate: Predicate,
    /// The columns that it reads, sorted.
    pub(crate) columns: Vec<usize>,
}

impl Late {
    /// Takes the scan's predicate, when the output has columns that the predicate does not read, and few
    /// rows are likely to match.
    pub(crate) fn of(scan: &mut Scan, width: usize, bits: impl Fn(usize) -> f64) -> Option<Self> {
        let predicate = scan.predicate.as_ref()?;
        let columns = predicate.columns();
        let others = match &scan.projection {
            Some(projection) => projection.iter().any(|column| columns.binary_search(column).is_err()),
            None => columns.len() < width,
        };
        if !others || narrowing(&predicate.without_not(), &bits) < BITS {
            return None;
        }
        Some(Self { predicate: scan.predicate.take()?, columns })
    }

    /// Which rows of a batch of its columns match.
    pub(crate) fn matching(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let column_at = |column| -> Result<ArrayRef> {
            let at = self.columns.binary_search(&column).ok().and_then(|at| batch.columns().get(at));
            at.cloned().ok_or_else(|| ArrowError::SchemaError(format!("column {column} was not read")).into())
        };
        let matching = self.predicate.evaluate(batch.num_rows(), &column_at)?;
        Ok(match matching.null_count() {
            0 => matching,
            _ => prep_null_mask_filter(&matching),
        })
    }
}

/// An estimate of the binary logarithm of how many rows there are for each that matches.
fn narrowing(predicate: &Predicate, bits: &dyn Fn(usize) -> f64) -> f64 {
    let each = |parts: &[Predicate]| -> Vec<f64> { parts.iter().map(|part| narrowing(part, bits)).collect() };
    match predicate {
        Predicate::Compare(column, CompareOp::Eq, _) => bits(*column),
        Predicate::And(parts) => each(parts).iter().sum(),
        // The sum of the fractions that match.
        Predicate::Or(parts) => -each(parts).iter().map(|bits| (-bits).exp2()).sum::<f64>().min(1.0).log2(),
        _ => 0.0,
    }
}

/// Bits that a value of a leaf takes in some row groups.
pub(crate) fn bits_of(metadata: &ParquetMetaData, groups: &[usize], leaf: &Leaf) -> f64 {
    let groups = groups.iter().filter_map(|group| metadata.row_groups().get(*group));
    let chunks = groups.map(RowGroupMetaData::columns).filter_map(|columns| columns.get(leaf.index));
    let (bytes, values) = chunks.fold((0.0, 0.0), |(bytes, values), chunk| {
        (bytes + chunk.compressed_size() as f64, values + chunk.num_values() as f64)
    });
    if values > 0.0 { 8.0 * bytes / values } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use std::sync::Arc;

    fn equal(column: usize) -> Predicate {
        Predicate::Compare(column, CompareOp::Eq, Arc::new(Int64Array::from(vec![1])))
    }

    fn check(predicate: &Predicate, expected: f64) {
        // Column 0 has values of no bits, column 1 of one, and so on.
        let found = narrowing(&predicate.without_not(), &|column| column as f64);
        assert!((found - expected).abs() < 1e-9, "{predicate:?}: {found}");
    }

    #[test]
    fn the_more_bits_a_value_has_the_fewer_rows_match() {
        check(&equal(7), 7.0);
        check(&Predicate::Not(Box::new(equal(7))), 0.0);
        check(&Predicate::IsNull(7), 0.0);
        check(&Predicate::And(vec![equal(7), equal(3), Predicate::IsNotNull(1)]), 10.0);
        check(&Predicate::Or(vec![equal(7), equal(7)]), 6.0);
        check(&Predicate::Or(vec![equal(7), Predicate::IsNull(7)]), 0.0);
        check(&Predicate::Or(vec![equal(7), equal(0)]), 0.0);
    }
}
