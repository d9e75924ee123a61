//! What does the optimiser know of a file before it is read?

use bowstring_io::Dataset;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};

/// The dataset's statistics in DataFusion's terms, for all columns.
pub(crate) fn statistics(dataset: &Dataset) -> Statistics {
    let known = dataset.statistics();
    let schema = dataset.schema();
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = count(known.num_rows);
    statistics.total_byte_size = match usize::try_from(known.total_bytes) {
        Ok(bytes) if bytes > 0 => Precision::Inexact(bytes),
        _ => Precision::Absent,
    };
    for ((field, column), into) in
        schema.fields().iter().zip(&known.columns).zip(&mut statistics.column_statistics)
    {
        // Files leave NaN out of a float's bounds, SQL puts it above all others.
        let exact = column.exact && !field.data_type().is_floating();
        let bound = |array: &Option<arrow::array::ArrayRef>| match array
            .as_ref()
            .and_then(|array| ScalarValue::try_from_array(array, 0).ok())
        {
            Some(value) if value.is_null() || value.data_type() != *field.data_type() => Precision::Absent,
            Some(value) if exact => Precision::Exact(value),
            Some(value) => Precision::Inexact(value),
            None => Precision::Absent,
        };
        *into = ColumnStatistics {
            null_count: count(column.null_count),
            min_value: bound(&column.min),
            max_value: bound(&column.max),
            distinct_count: match column.distinct_count.map(usize::try_from) {
                Some(Ok(distinct)) => Precision::Inexact(distinct),
                _ => Precision::Absent,
            },
            ..ColumnStatistics::new_unknown()
        };
    }
    statistics
}

fn count(known: Option<u64>) -> Precision<usize> {
    match known.map(usize::try_from) {
        Some(Ok(count)) => Precision::Exact(count),
        _ => Precision::Absent,
    }
}
