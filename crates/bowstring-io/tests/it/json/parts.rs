//! Is a file that is read in parts the same as one that is read at once?

use bowstring_core::{Cancel, render};
use bowstring_io::{CompareOp, Dataset, JsonOptions, Predicate, ReadOptions, Scan};

use crate::texts::Folder;

fn large(rows: usize) -> String {
    (0..rows)
        .map(|row| {
            format!("{{\"row\":{row},\"text\":\"{}\",\"in\":{{\"list\":[{row}]}}}}\n", "x".repeat(row % 90))
        })
        .collect()
}

#[test]
fn a_large_file_is_read_in_parts_whose_rows_are_all_rows_in_order() {
    let rows = 60_000;
    let (_folder, path) = Folder::with("data.ndjson", large(rows).as_bytes());
    let dataset = Dataset::open(&[path], &ReadOptions::default()).unwrap();
    let parts = dataset.split(&Scan::default()).unwrap();
    assert!(parts.len() > 3, "{} parts", parts.len());
    let batch = crate::support::scan(&dataset, &Scan::default()).unwrap();
    assert_eq!(batch.num_rows(), rows);
    let ids = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batch.column(0));
    assert!(ids.values().iter().zip(0..).all(|(id, row)| *id == row));
    let value = std::sync::Arc::new(arrow::array::Int64Array::from(vec![59_990]));
    let predicate = Predicate::Compare(0, CompareOp::GtEq, value);
    let filtered = Scan { predicate: Some(predicate), projection: Some(vec![2]), ..Scan::default() };
    assert_eq!(crate::support::scan(&dataset, &filtered).unwrap().num_rows(), 10);
}

#[test]
fn a_fault_in_a_later_part_has_its_row_and_line() {
    let text = large(60_000) + "\n{\"row\":\"x\"}\n" + &large(10);
    let (folder, path) = Folder::with("data.ndjson", text.as_bytes());
    let json = JsonOptions { infer_rows: 100, ..JsonOptions::default() };
    let dataset = Dataset::open(&[path], &ReadOptions { json, ..ReadOptions::default() }).unwrap();
    let scan = Scan::default();
    let parts = dataset.split(&scan).unwrap();
    let last = dataset.read(parts.last().unwrap(), &scan, &Cancel::new()).unwrap();
    let (good, bad): (Vec<_>, Vec<_>) = last.partition(Result::is_ok);
    assert!(good.iter().flatten().map(|batch| batch.num_rows()).sum::<usize>() > 1000);
    expect_test::expect![[r#"
        value `"x"` does not fit int64, the type inferred for its column
          at data.ndjson, row 60001 (line 60002), column `row`

        hint: give the column's type in `schema`, or infer it from more rows with `infer_rows`
    "#]]
    .assert_eq(&folder.hide(&format!("{}\n", render(bad[0].as_ref().unwrap_err()))));
}

#[test]
fn a_batch_of_many_columns_has_few_rows() {
    let first: Vec<String> = (0..4000).map(|key| format!("\"{key}\":{key}")).collect();
    let text = format!("{{{}}}\n{}", first.join(","), "{}\n".repeat(2000));
    let (_folder, path) = Folder::with("data.ndjson", text.as_bytes());
    let dataset = Dataset::open(&[path], &ReadOptions::default()).unwrap();
    let scan = Scan::default();
    let parts = dataset.split(&scan).unwrap();
    let batches = dataset.read(&parts[0], &scan, &Cancel::new()).unwrap();
    let rows: Vec<usize> = batches.map(|batch| batch.unwrap().num_rows()).collect();
    assert_eq!(rows, [1048, 953]);
}
