//! What do the statistics of parts say about the whole?

use arrow::{array::ArrayRef, compute::kernels::cmp};

use crate::{ColumnStatistics, Statistics};

/// The statistics of all parts as one table of `width` columns. What one part does not know, the whole
/// does not know.
pub(crate) fn merge(parts: Vec<Statistics>, width: usize) -> Statistics {
    let num_rows = parts.iter().map(|part| part.num_rows).sum();
    let total_bytes = parts.iter().map(|part| part.total_bytes).sum();
    let of_column = |index: usize| {
        let filled = parts.iter().filter(|part| part.num_rows != Some(0));
        merge_columns(
            filled.map(|part| (part.num_rows, part.columns.get(index).cloned().unwrap_or_default())),
        )
    };
    Statistics { num_rows, total_bytes, columns: (0..width).map(of_column).collect() }
}

/// The statistics of one column in parts that have rows, each with its number of rows.
pub(crate) fn merge_columns(
    parts: impl Iterator<Item = (Option<u64>, ColumnStatistics)>,
) -> ColumnStatistics {
    let (mut nulls, mut filled) = (Some(0), Vec::new());
    for (rows, part) in parts {
        nulls = nulls.zip(part.null_count).map(|(nulls, own)| nulls + own);
        // Nulls alone say nothing of bounds.
        if rows.is_none() || part.null_count != rows {
            filled.push(part);
        }
    }
    let only = filled.len() == 1;
    let merged = filled.into_iter().reduce(|merged, part| ColumnStatistics {
        exact: merged.exact && part.exact,
        min: bound(merged.min, part.min, true),
        max: bound(merged.max, part.max, false),
        ..ColumnStatistics::default()
    });
    let merged = merged.unwrap_or_default();
    // The same value may be in two parts.
    let distinct_count = merged.distinct_count.filter(|_| only);
    ColumnStatistics { null_count: nulls, distinct_count, ..merged }
}

fn bound(left: Option<ArrayRef>, right: Option<ArrayRef>, smaller: bool) -> Option<ArrayRef> {
    let (left, right) = (left?, right?);
    let left_first = cmp::lt_eq(&left, &right).ok()?.iter().next()??;
    Some(if left_first == smaller { left } else { right })
}
