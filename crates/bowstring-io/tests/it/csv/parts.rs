//! Are parts read at once what the whole is, read in one go?

use std::fmt::Write as _;

use arrow::array::{Array, AsArray, RecordBatch};
use bowstring_core::{Cancel, render};
use bowstring_io::{CsvOptions, Dataset, ReadOptions, Scan};
use expect_test::expect;

use crate::{support::scan as read_dataset, texts::Folder};

/// Three megabytes in which half of all newlines are inside quotes.
fn large() -> String {
    let mut text = String::from("id,note\n");
    let mut row = 0;
    while text.len() < 3 << 20 {
        writeln!(text, "{row},\"line {row}\n\"\"{row}\"\",2\"").unwrap();
        row += 1;
    }
    text
}

fn rows_by_the_reference(text: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().from_reader(text);
    let records = reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect());
    records.collect()
}

fn rows_of(batch: &RecordBatch) -> Vec<Vec<String>> {
    let cell = |row: usize, column: usize| {
        let array = batch.column(column).as_string::<i32>();
        if array.is_null(row) { String::new() } else { array.value(row).to_owned() }
    };
    (0..batch.num_rows())
        .map(|row| (0..batch.num_columns()).map(|column| cell(row, column)).collect())
        .collect()
}

fn texts() -> ReadOptions {
    ReadOptions { csv: CsvOptions { infer_rows: 0, ..CsvOptions::default() }, ..ReadOptions::default() }
}

#[test]
fn quoted_newlines_do_not_break_parts() {
    let text = large();
    let (_folder, path) = Folder::with("data.csv", text.as_bytes());
    let dataset = Dataset::open(&[path], &texts()).unwrap();
    assert!(dataset.split(&Scan::default()).unwrap().len() >= 3);
    let batch = read_dataset(&dataset, &Scan::default()).unwrap();
    assert_eq!(rows_of(&batch), rows_by_the_reference(text.as_bytes()));
}

#[test]
fn a_fault_in_a_late_part_names_its_row() {
    let mut text = large();
    let rows = rows_by_the_reference(text.as_bytes()).len();
    text.push_str("last\n");
    let (folder, path) = Folder::with("data.csv", text.as_bytes());
    let dataset = Dataset::open(&[path], &texts()).unwrap();
    let last = dataset.split(&Scan::default()).unwrap().pop().unwrap();
    let error = dataset.read(&last, &Scan::default(), &Cancel::new()).unwrap().find_map(Result::err).unwrap();
    assert!(folder.hide(&render(&error)).contains(&format!("row {} (line {})", rows + 1, 2 * rows + 2)));
    expect![[r#"
        a row has 1 value where 2 are expected
          at data.csv, row 102326 (line 204652)

        hint: mend the row, check `delimiter` and `quote`, or leave such rows out with `on_bad_rows`"#]]
    .assert_eq(&folder.hide(&render(&error)));
}

#[test]
fn a_quote_left_open_is_found_before_parts_are_read() {
    let text = large() + "7,\"open\n" + &"1,2\n".repeat(1 << 20);
    let (folder, path) = Folder::with("data.csv", text.as_bytes());
    let dataset = Dataset::open(&[path], &texts()).unwrap();
    let result = dataset.split(&Scan::default()).err().map(|error| folder.hide(&render(&error)));
    expect![[r#"
        a quoted value is never closed
          at data.csv, row 102326 (line 204652)

        hint: close the quote, or say with `quote` what quotes a value"#]]
    .assert_eq(&result.unwrap_or_default());
}

#[test]
fn a_limit_and_a_projection_read_no_more_than_they_need() {
    let (_folder, path) = Folder::with("data.csv", b"a,b,c\n1,2,3\n4,5,6\n7\n");
    let dataset = Dataset::open(
        &[path],
        &ReadOptions { csv: CsvOptions { infer_rows: 2, ..CsvOptions::default() }, ..ReadOptions::default() },
    )
    .unwrap();
    let scan = Scan { limit: Some(2), projection: Some(vec![2, 0]), ..Scan::default() };
    let batch = read_dataset(&dataset, &scan).unwrap();
    expect![[r#"
        +---+---+
        | c | a |
        +---+---+
        | 3 | 1 |
        | 6 | 4 |
        +---+---+"#]]
    .assert_eq(&crate::texts::table(&batch));
    let none = Scan { limit: Some(2), projection: Some(Vec::new()), ..Scan::default() };
    let counted: usize = dataset
        .split(&none)
        .unwrap()
        .iter()
        .flat_map(|part| dataset.read(part, &none, &Cancel::new()).unwrap())
        .map(|batch| batch.unwrap().num_rows())
        .sum();
    assert_eq!(counted, 2);
}
