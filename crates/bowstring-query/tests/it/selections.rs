//! Is what a reader's options ask for what a lazy scan gives?

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, RecordBatch, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::Field;
use bowstring_core::Cancel;
use bowstring_io::Dataset;
use bowstring_query::{Frame, QueryError, Selection};
use expect_test::{Expect, expect};

use crate::support::{batch, dataset, ints, pairs, parquet, session, shown, strings, text};

fn structure(fields: &[(&str, ArrayRef)], nulls: Option<NullBuffer>) -> ArrayRef {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = fields
        .iter()
        .map(|(name, array)| (Field::new(*name, array.data_type().clone(), true), Arc::clone(array)))
        .unzip();
    Arc::new(StructArray::new(fields.into(), arrays, nulls))
}

fn points() -> RecordBatch {
    let number = |first: i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(first..first + 4)) };
    let nulls = NullBuffer::from(vec![true, true, false, true]);
    let point = structure(&[("x", number(10)), ("y", number(20))], Some(nulls));
    let item =
        structure(&[("name", text(&[Some("a"), None, Some("c"), Some("d")])), ("n", number(50))], None);
    let lengths = OffsetBuffer::from_lengths([1, 0, 2, 1]);
    let item_field = Arc::new(Field::new("item", item.data_type().clone(), true));
    let items = ListArray::new(item_field, lengths, item, None);
    let id = ints(&[Some(0), Some(1), Some(2), Some(3)]);
    batch(&[("id", id), ("point", point), ("items", Arc::new(items))])
}

/// Four rows in two row groups.
fn file(folder: &tempfile::TempDir) -> Arc<Dataset> {
    let path = folder.path().join("points.parquet");
    parquet(&path, &points(), 2);
    dataset(&[path])
}

fn selection(columns: &[&str], filter: Option<&str>) -> Selection {
    Selection { columns: Some(strings(columns)), filter: filter.map(str::to_owned), limit: None }
}

fn frame(columns: &[&str], filter: Option<&str>) -> Result<Frame, QueryError> {
    let folder = tempfile::tempdir().expect("a folder");
    let frame = session().scan_selected(&file(&folder), &selection(columns, filter))?;
    // Its rows are taken while the file is there.
    let table = frame.collect(&Cancel::new())?.table;
    assert_eq!(table.schema().as_ref(), frame.schema().as_ref());
    session().table(&table)
}

fn check(columns: &[&str], filter: Option<&str>, expected: &Expect) {
    expected.assert_eq(&shown(frame(columns, filter)));
}

#[test]
fn columns_come_as_they_are_named_with_the_fields_that_are_named() {
    check(
        &["point.y", "id"],
        None,
        &expect![[r#"
            +---------+----+
            | point   | id |
            +---------+----+
            | {y: 20} | 0  |
            | {y: 21} | 1  |
            |         | 2  |
            | {y: 23} | 3  |
            +---------+----+"#]],
    );
    check(
        &["items.n", "items.n"],
        None,
        &expect![[r#"
            +--------------------+
            | items              |
            +--------------------+
            | [{n: 50}]          |
            | []                 |
            | [{n: 51}, {n: 52}] |
            | [{n: 53}]          |
            +--------------------+"#]],
    );
}

#[test]
fn a_filter_may_use_what_is_not_wanted() {
    let rows = expect![[r#"
        +---------+
        | point   |
        +---------+
        | {x: 11} |
        | {x: 13} |
        +---------+"#]];
    check(&["point.x"], Some("point.y > 20"), &rows);
    check(&["point.x"], Some("id % 2 = 1"), &rows);
    check(&["point.x"], Some("id in (1, 3)"), &rows);
    check(&["point.x"], Some("id in (select 1 union select 3)"), &rows);
    check(&["point.x"], Some("point.x > 10 and point is not null"), &rows);
    check(
        &["items.n"],
        Some("array_length(items) = 2 and items[1].name is null"),
        &expect![[
            r#"error: Dot access not supported for non-string expr: Identifier(Ident { value: "name", quote_style: None, span: Span(Location(1,38)..Location(1,42)) })"#
        ]],
    );
}

#[test]
fn a_filter_sees_its_columns_whole() {
    let shape = "arrow_typeof(point) like '%\"y\"%'";
    assert_eq!(frame(&["point.x"], Some(shape)).expect("a frame").schema().fields().len(), 1);
    check(
        &["point.x"],
        Some("point = named_struct('x', 11, 'y', 21)"),
        &expect![[r#"
            +---------+
            | point   |
            +---------+
            | {x: 11} |
            +---------+"#]],
    );
}

#[test]
fn what_does_not_exist_is_named() {
    check(
        &["point.z"],
        None,
        &expect![[r#"
            error: there is no column `point.z`

            hint: did you mean `point.x`?"#]],
    );
    check(&["id"], Some("point.z > 1"), &expect!["error: Field z not found in struct"]);
    check(&[], None, &expect!["error: no column is selected"]);
}

#[test]
fn no_more_of_a_structure_is_read_than_is_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = file(&folder);
    let casts = |filter: Option<&str>| {
        let frame = session().scan_selected(&files, &selection(&["point.x", "items.n"], filter));
        let plan = frame.expect("a frame").explain(false, &Cancel::new()).expect("a plan");
        assert!(plan.contains("DatasetExec: files=1"), "{plan}");
        plan.matches("CAST").count()
    };
    // A structure that the filter uses is read whole and cut after that; the others are cut by the reader.
    assert_eq!(casts(None), 0);
    assert_eq!(casts(Some("id > 1")), 0);
    assert_eq!(casts(Some("point.y > 20")), 1);
}

#[test]
fn a_limit_counts_the_rows_that_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let limited = Selection { limit: Some(1), ..selection(&["id"], Some("id > 1")) };
    expect![[r#"
        +----+
        | id |
        +----+
        | 2  |
        +----+"#]]
    .assert_eq(&shown(session().scan_selected(&file(&folder), &limited)));
}

#[test]
fn counts_and_bounds_are_those_of_the_chosen_row_groups() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = file(&folder);
    let figures = |wanted: &[usize]| {
        let chosen = Arc::new(all.with_row_groups(wanted).expect("row groups"));
        let frame = session().scan_selected(&chosen, &Selection::default()).expect("a frame");
        let figures = pairs(&[("rows", "count(*)"), ("least", "min(id)"), ("most", "max(id)")]);
        let counted = frame.aggregate(&[], &figures).expect("a frame");
        let sql = session().sql("select count(*) as rows from t", &[("t".to_owned(), frame)]);
        let of_sql = sql.expect("a frame").collect(&Cancel::new()).expect("a row").table;
        let of_sql = of_sql.batches()[0].column(0).as_primitive::<arrow::datatypes::Int64Type>().value(0);
        format!("{}\n{of_sql} by sql", shown(Ok(counted)))
    };
    expect![[r#"
        +------+-------+------+
        | rows | least | most |
        +------+-------+------+
        | 2    | 2     | 3    |
        +------+-------+------+
        2 by sql"#]]
    .assert_eq(&figures(&[1]));
    expect![[r#"
        +------+-------+------+
        | rows | least | most |
        +------+-------+------+
        | 6    | 0     | 3    |
        +------+-------+------+
        6 by sql"#]]
    .assert_eq(&figures(&[1, 0, 1]));
    expect![[r#"
        +------+-------+------+
        | rows | least | most |
        +------+-------+------+
        | 0    |       |      |
        +------+-------+------+
        0 by sql"#]]
    .assert_eq(&figures(&[]));
}
