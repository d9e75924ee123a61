//! Tables for people.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use bowstring_core::{Diagnostic, ErrorKind};
use bowstring_io::{Dataset, ReadOptions, WriteOptions, Writer};
use expect_test::expect;

#[test]
fn a_table_is_written_as_markdown_and_not_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.md");
    let schema = Arc::new(Schema::new(vec![
        Field::new("na|me", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![Some("a|b"), None, Some("two\nlines")])),
        Arc::new(Int64Array::from(vec![Some(1), Some(-20), None])),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let mut writer = Writer::create(&path, &schema, &WriteOptions::default()).unwrap();
    writer.write(&batch).unwrap();
    assert_eq!(writer.finish().unwrap().rows, 3);
    expect![[r#"
        | na\|me | n |
        | --- | ---: |
        | a\|b | 1 |
        |  | -20 |
        | two<br>lines |  |
    "#]]
    .assert_eq(&std::fs::read_to_string(&path).unwrap());

    let error = Dataset::open(&[path], &ReadOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}
