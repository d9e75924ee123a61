//! Can any row of a part match, by what is known of the part?

use arrow::{
    array::{Array, ArrayRef},
    compute::kernels::cmp,
    error::ArrowError,
};

use crate::{ColumnStatistics, CompareOp, Predicate};

/// False when no row of a part with `rows` rows can match; `column` tells what is known of a column.
/// Expects a predicate without [`Predicate::Not`], which always may match.
pub(crate) fn may_match(
    predicate: &Predicate,
    rows: Option<u64>,
    column: &dyn Fn(usize) -> Option<ColumnStatistics>,
) -> bool {
    let only_nulls = |known: &ColumnStatistics| rows.is_some() && known.null_count == rows;
    match predicate {
        Predicate::Compare(_, _, value) if value.is_null(0) => false,
        Predicate::Compare(index, op, value) => column(*index)
            .is_none_or(|known| !only_nulls(&known) && (is_float(value) || within(&known, *op, value))),
        Predicate::IsNull(index) => column(*index).is_none_or(|known| known.null_count != Some(0)),
        Predicate::IsNotNull(index) => column(*index).is_none_or(|known| !only_nulls(&known)),
        Predicate::And(parts) => parts.iter().all(|part| may_match(part, rows, column)),
        Predicate::Or(parts) => parts.iter().any(|part| may_match(part, rows, column)),
        Predicate::Not(_) => true,
    }
}

/// Bounds of floats say nothing of NaN, which compares with every number.
fn is_float(value: &ArrayRef) -> bool {
    value.data_type().is_floating()
}

fn within(known: &ColumnStatistics, op: CompareOp, value: &ArrayRef) -> bool {
    let min = |test: Kernel| known.min.as_ref().is_none_or(|min| may_hold(test, min, value));
    let max = |test: Kernel| known.max.as_ref().is_none_or(|max| may_hold(test, max, value));
    match op {
        CompareOp::Eq => {
            min(|min, value| cmp::lt_eq(&min, &value)) && max(|max, value| cmp::gt_eq(&max, &value))
        }
        CompareOp::NotEq => {
            !known.exact
                || min(|min, value| cmp::neq(&min, &value))
                || max(|max, value| cmp::neq(&max, &value))
        }
        CompareOp::Lt => min(|min, value| cmp::lt(&min, &value)),
        CompareOp::LtEq => min(|min, value| cmp::lt_eq(&min, &value)),
        CompareOp::Gt => max(|max, value| cmp::gt(&max, &value)),
        CompareOp::GtEq => max(|max, value| cmp::gt_eq(&max, &value)),
    }
}

type Kernel = fn(&ArrayRef, &ArrayRef) -> Result<arrow::array::BooleanArray, ArrowError>;

/// Whether a comparison of two single values holds, or cannot be made.
fn may_hold(test: Kernel, bound: &ArrayRef, value: &ArrayRef) -> bool {
    test(bound, value).map_or(true, |truth| truth.is_empty() || truth.is_null(0) || truth.value(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, Int64Array};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn value(value: Option<i64>) -> ArrayRef {
        Arc::new(Int64Array::from(vec![value]))
    }

    fn statistics(rows: &[Option<i64>]) -> ColumnStatistics {
        let bound = |bound: Option<&i64>| bound.map(|bound| value(Some(*bound)));
        ColumnStatistics {
            min: bound(rows.iter().flatten().min()),
            max: bound(rows.iter().flatten().max()),
            exact: true,
            null_count: Some(rows.iter().filter(|row| row.is_none()).count() as u64),
            distinct_count: None,
        }
    }

    fn predicates() -> impl Strategy<Value = Predicate> {
        use CompareOp::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
        let op = prop::sample::select(vec![Eq, NotEq, Lt, LtEq, Gt, GtEq]);
        let leaf = prop_oneof![
            (op, prop::option::weighted(0.9, -3i64..4)).prop_map(|(op, bound)| Predicate::Compare(
                0,
                op,
                value(bound)
            )),
            Just(Predicate::IsNull(0)),
            Just(Predicate::IsNotNull(0)),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Predicate::And),
                prop::collection::vec(inner.clone(), 0..3).prop_map(Predicate::Or),
                inner.prop_map(|inner| Predicate::Not(Box::new(inner))),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_row_that_matches_is_lost(
            predicate in predicates(),
            rows in prop::collection::vec(prop::option::weighted(0.8, -3i64..4), 0..4),
        ) {
            let array: ArrayRef = Arc::new(Int64Array::from(rows.clone()));
            let truth = predicate.evaluate(rows.len(), &|_| Ok(Arc::clone(&array))).expect("the truth");
            let plain = predicate.without_not();
            let same = plain.evaluate(rows.len(), &|_| Ok(Arc::clone(&array))).expect("the truth");
            prop_assert_eq!(&truth, &same);
            let known = statistics(&rows);
            let may = may_match(&plain, Some(rows.len() as u64), &|_| Some(known.clone()));
            prop_assert!(may || truth.true_count() == 0);
        }
    }

    #[test]
    fn parts_that_cannot_match_are_ruled_out() {
        use CompareOp::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
        let known = statistics(&[Some(3), None, Some(5)]);
        let compare = |op, bound| {
            let predicate = Predicate::Compare(0, op, value(Some(bound)));
            may_match(&predicate, Some(3), &|_| Some(known.clone()))
        };
        assert!(!compare(Eq, 2) && compare(Eq, 3) && compare(Eq, 4) && !compare(Eq, 6));
        assert!(!compare(Lt, 3) && compare(Lt, 4) && !compare(LtEq, 2) && compare(LtEq, 3));
        assert!(!compare(Gt, 5) && compare(Gt, 4) && !compare(GtEq, 6) && compare(GtEq, 5));
        let one = statistics(&[Some(3), Some(3)]);
        let not_three = Predicate::Compare(0, NotEq, value(Some(3)));
        assert!(!may_match(&not_three, Some(2), &|_| Some(one.clone())));
        assert!(!may_match(&Predicate::IsNull(0), Some(2), &|_| Some(one.clone())));
        let nulls = statistics(&[None, None]);
        assert!(!may_match(&Predicate::IsNotNull(0), Some(2), &|_| Some(nulls.clone())));
        assert!(!may_match(&not_three, Some(2), &|_| Some(nulls.clone())));
    }

    #[test]
    fn bounds_of_floats_rule_nothing_out() {
        let number: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
        let known =
            ColumnStatistics { min: Some(Arc::clone(&number)), max: Some(number), ..Default::default() };
        let five: ArrayRef = Arc::new(Float64Array::from(vec![5.0]));
        let greater = Predicate::Compare(0, CompareOp::Gt, five);
        assert!(may_match(&greater, Some(9), &|_| Some(known.clone())), "NaN is greater than five");
    }
}
