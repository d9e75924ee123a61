//! Datasets of some row groups.

use std::{path::PathBuf, sync::Arc};

use arrow::{
    array::{AsArray, Int64Array, RecordBatch},
    compute::concat_batches,
    datatypes::Int64Type,
};
use bowstring_core::Cancel;
use bowstring_io::{
    CompareOp, Dataset, ParquetWriteOptions, Predicate, ReadOptions, Result, Scan, WriteOptions,
};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::{folder, shown, varied, write_all};

/// A file for each number of rows, whose rows are numbered on from file to file.
fn files(rows: &[usize], group: usize) -> (TempDir, Dataset) {
    let folder = folder();
    let parquet = ParquetWriteOptions { row_group_rows: group, ..ParquetWriteOptions::default() };
    let options = WriteOptions { parquet, ..WriteOptions::default() };
    let mut next = 0;
    for (index, rows) in rows.iter().enumerate() {
        let path = folder.path().join(format!("{index}.parquet"));
        write_all(&path, &[varied(next, *rows)], &options).expect("a file");
        next += *rows as i64;
    }
    let dataset = Dataset::open(&[folder.path().to_owned()], &ReadOptions::default()).expect("a dataset");
    (folder, dataset)
}

/// The rows of each row group.
fn groups(rows: &[usize], group: usize) -> Vec<RecordBatch> {
    let mut next = 0;
    let mut groups = Vec::new();
    for rows in rows {
        let whole = varied(next, *rows);
        groups.extend((0..*rows).step_by(group).map(|at| whole.slice(at, group.min(rows - at))));
        next += *rows as i64;
    }
    groups
}

fn rows_of(dataset: &Dataset, scan: &Scan) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    for part in dataset.split(scan)? {
        batches.extend(dataset.read(&part, scan, &Cancel::new())?.collect::<Result<Vec<_>>>()?);
    }
    Ok(concat_batches(dataset.schema(), &batches)?)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn rows_and_statistics_are_those_of_the_row_groups(
        rows in prop::collection::vec(1usize..60, 1..4),
        group in 1usize..30,
        wanted in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        first in prop::option::of(0i64..150),
    ) {
        let (_folder, dataset) = files(&rows, group);
        let all = groups(&rows, group);
        prop_assert_eq!(dataset.statistics().num_rows, Some(rows.iter().sum::<usize>() as u64));
        let wanted: Vec<usize> = wanted.into_iter().map(|at| at.index(all.len())).collect();
        let expected = concat_batches(dataset.schema(), wanted.iter().map(|at| &all[*at])).expect("one table");
        let chosen = dataset.with_row_groups(&wanted).expect("row groups");
        prop_assert_eq!(rows_of(&chosen, &Scan::default()).expect("rows"), expected.clone());

        let known = chosen.statistics();
        let ids = expected.column(0).as_primitive::<Int64Type>();
        prop_assert_eq!(known.num_rows, Some(expected.num_rows() as u64));
        let bound = |array: Option<Arc<dyn arrow::array::Array>>| {
            array.map(|array| array.as_primitive::<Int64Type>().value(0))
        };
        prop_assert_eq!(bound(known.columns[0].min.clone()), arrow::compute::min(ids));
        prop_assert_eq!(bound(known.columns[0].max.clone()), arrow::compute::max(ids));
        prop_assert_eq!(known.columns[1].null_count, Some(expected.column(1).null_count() as u64));

        // A filter rules out row groups among those that were chosen, and no others.
        let bound = first.unwrap_or(0);
        let value = Arc::new(Int64Array::from(vec![bound]));
        let scan = Scan {
            predicate: first.map(|_| Predicate::Compare(0, CompareOp::GtEq, value)),
            ..Scan::default()
        };
        let ids: Vec<i64> = ids.values().iter().copied().filter(|id| *id >= bound).collect();
        let found = rows_of(&chosen, &scan).expect("rows");
        prop_assert_eq!(found.column(0).as_primitive::<Int64Type>().values().to_vec(), ids);

        // What is chosen can be chosen from again.
        let backwards: Vec<usize> = (0..wanted.len()).rev().collect();
        let again = chosen.with_row_groups(&backwards).expect("row groups");
        let expected: Vec<&RecordBatch> = wanted.iter().rev().map(|at| &all[*at]).collect();
        let expected = concat_batches(dataset.schema(), expected).expect("one table");
        prop_assert_eq!(rows_of(&again, &Scan::default()).expect("rows"), expected);
    }
}

fn check(names: &[&str], wanted: &[usize], expected: &Expect) {
    let (folder, dataset) = files(&[4, 4], 2);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    // Whichever is cut first.
    let rows_first = dataset.with_row_groups(wanted).and_then(|dataset| dataset.narrowed(&names));
    let columns_first = dataset
        .narrowed(&names)
        .and_then(|(dataset, columns)| Ok((dataset.with_row_groups(wanted)?, columns)));
    for narrowed in [rows_first, columns_first] {
        let rows = narrowed
            .and_then(|(dataset, columns)| Ok(rows_of(&dataset, &Scan::default())?.project(&columns)?));
        expected.assert_eq(&shown(folder.path(), rows));
    }
}

#[test]
fn row_groups_and_columns_are_chosen_together() {
    check(
        &["point.number", "id"],
        &[3, 0, 0],
        &expect![[r#"
            +-------------+----+
            | point       | id |
            +-------------+----+
            | {number: 6} | 6  |
            | {number: 7} | 7  |
            | {number: 0} | 0  |
            | {number: 1} | 1  |
            | {number: 0} | 0  |
            | {number: 1} | 1  |
            +-------------+----+"#]],
    );
    check(&["id"], &[0, 4], &expect!["usage: `row_groups` has 4, but there are 4, counted from 0"]);
    check(
        &["point.numbre"],
        &[0],
        &expect![[r#"
            usage: there is no column `point.numbre`

            hint: did you mean `point.number`?"#]],
    );
}

#[test]
fn files_come_in_the_order_of_their_rows() {
    let (folder, dataset) = files(&[4, 4], 2);
    let names = |wanted: &[usize]| -> Vec<PathBuf> {
        let chosen = dataset.with_row_groups(wanted).expect("row groups");
        chosen.files().map(|path| path.strip_prefix(folder.path()).expect("a name").to_owned()).collect()
    };
    let expected = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    assert_eq!(names(&[0, 1, 2]), expected(&["0.parquet", "1.parquet"]));
    assert_eq!(names(&[3, 2]), expected(&["1.parquet"]));
    assert_eq!(names(&[3, 0, 2]), expected(&["1.parquet", "0.parquet", "1.parquet"]));
}
