//! What do the statistics of parts say about the whole?

use arrow::{array::ArrayRef, compute::kernels::cmp};

use crate::{ColumnStatistics, Statistics};

/// The statistics of all parts as one table of `width` columns. What one part does not know, the whole
/// does not know.
pub(crate) fn merge(parts: Vec<Statistics>, width: usize) -> Statistics {
    let num_rows = parts.iter().map(|part| part.num_rows).sum();
    let total_bytes = parts.iter().map(|part| part.total_bytes).sum();
    let columns = (0..width).map(|index| {
        let each = parts.iter().filter(|part| part.num_rows != Some(0));
        merge_columns(each.map(|part| part.columns.get(index).cloned().unwrap_or_default()))
    });
    let columns = columns.collect();
    Statistics { num_rows, total_bytes, columns }
}

/// The statistics of one column in all parts; the default when there are none.
pub(crate) fn merge_columns(mut parts: impl Iterator<Item = ColumnStatistics>) -> ColumnStatistics {
    let Some(first) = parts.next() else {
        return ColumnStatistics { null_count: Some(0), ..ColumnStatistics::default() };
    };
    parts.fold(first, |merged, part| ColumnStatistics {
        exact: merged.exact && part.exact,
        min: bound(merged.min, part.min, true),
        max: bound(merged.max, part.max, false),
        null_count: merged.null_count.zip(part.null_count).map(|(left, right)| left + right),
        // Values may be in both parts.
        distinct_count: None,
    })
}

fn bound(left: Option<ArrayRef>, right: Option<ArrayRef>, smaller: bool) -> Option<ArrayRef> {
    let (left, right) = (left?, right?);
    let left_first = cmp::lt_eq(&left, &right).ok()?.value(0);
    Some(if left_first == smaller { left } else { right })
}
