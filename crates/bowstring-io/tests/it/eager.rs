//! Whole files in memory.

use std::{num::NonZero, path::Path, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, Int64Array, ListArray, RecordBatch, StructArray},
    buffer::OffsetBuffer,
    compute::concat_batches,
    datatypes::{DataType, Field},
};
use bowstring_core::Cancel;
use bowstring_io::{
    CompareOp, EagerOptions, ParquetWriteOptions, Predicate, ReadOptions, Result, WriteOptions, read_table,
};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::support::{folder, ints, plain, shown, table, varied, write_all};

fn read(path: &Path, options: &EagerOptions) -> Result<RecordBatch> {
    let (schema, batches) = read_table(&[path.to_owned()], &ReadOptions::default(), options, &Cancel::new())?;
    Ok(concat_batches(&schema, &batches)?)
}

fn small_groups(rows: usize) -> WriteOptions {
    let parquet = ParquetWriteOptions { row_group_rows: rows, ..ParquetWriteOptions::default() };
    WriteOptions { parquet, ..WriteOptions::default() }
}

fn from(column: usize, first: i64) -> Option<Predicate> {
    Some(Predicate::Compare(column, CompareOp::GtEq, Arc::new(Int64Array::from(vec![first]))))
}

fn columns(names: &[&str]) -> EagerOptions {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    EagerOptions { columns: Some(names), ..EagerOptions::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn rows_come_in_the_order_of_the_files_whatever_the_threads(
        files in prop::collection::vec(0usize..200, 1..5),
        group in 1usize..80,
        threads in 1usize..6,
        limit in prop::option::of(0usize..500),
        first in prop::option::of(0i64..500),
    ) {
        let folder = folder();
        let mut next = 0;
        for (index, rows) in files.iter().enumerate() {
            let path = folder.path().join(format!("{index}.parquet"));
            write_all(&path, &[varied(next, *rows)], &small_groups(group)).expect("a file");
            next += *rows as i64;
        }
        let options = EagerOptions {
            filter: first.and_then(|first| from(0, first)),
            limit,
            threads: NonZero::new(threads),
            ..EagerOptions::default()
        };
        let found = read(folder.path(), &options).expect("rows");
        let first = first.unwrap_or(0).min(next);
        let rows = ((next - first) as usize).min(limit.unwrap_or(usize::MAX));
        let expected = varied(first, rows);
        prop_assert_eq!(found.columns(), expected.columns());
    }
}

fn check(batch: &RecordBatch, options: &EagerOptions, expected: Expect) {
    let folder = folder();
    let path = folder.path().join("x.parquet");
    write_all(&path, std::slice::from_ref(batch), &small_groups(2)).expect("a file");
    let of_parquet = shown(folder.path(), read(&path, options));
    expected.assert_eq(&of_parquet);
    // Another format gives the same, but for row groups, which it does not have.
    let path = folder.path().join("x.arrow");
    write_all(&path, std::slice::from_ref(batch), &WriteOptions::default()).expect("a file");
    if options.row_groups.is_none() {
        assert_eq!(shown(folder.path(), read(&path, options)), of_parquet);
    }
}

fn points() -> RecordBatch {
    let number = |first: i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(first..first + 4)) };
    let field = |name: &str, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), true));
    let structure = |columns: Vec<(&str, ArrayRef)>| -> StructArray {
        columns.into_iter().map(|(name, array)| (field(name, &array), array)).collect::<Vec<_>>().into()
    };
    let deep: ArrayRef = Arc::new(structure(vec![("u", number(30)), ("v", number(40))]));
    let point: ArrayRef = Arc::new(structure(vec![("x", number(10)), ("y", number(20)), ("deep", deep)]));
    let item: ArrayRef = Arc::new(structure(vec![("name", number(50)), ("price", number(60))]));
    let lengths = OffsetBuffer::from_lengths([1, 0, 2, 1]);
    let items = ListArray::new(field("item", &item), lengths, item, None);
    table(vec![("id", number(0)), ("point", point), ("items", Arc::new(items)), ("dotted.name", number(70))])
}

#[test]
fn columns_come_as_they_are_named() {
    check(
        &points(),
        &columns(&["dotted.name", "id"]),
        expect![[r#"
        +-------------+----+
        | dotted.name | id |
        +-------------+----+
        | 70          | 0  |
        | 71          | 1  |
        | 72          | 2  |
        | 73          | 3  |
        +-------------+----+"#]],
    );
    check(
        &points(),
        &columns(&["point.y", "id"]),
        expect![[r#"
        +---------+----+
        | point   | id |
        +---------+----+
        | {y: 20} | 0  |
        | {y: 21} | 1  |
        | {y: 22} | 2  |
        | {y: 23} | 3  |
        +---------+----+"#]],
    );
    check(
        &points(),
        &columns(&["point.deep.v", "point.x"]),
        expect![[r#"
        +------------------------+
        | point                  |
        +------------------------+
        | {x: 10, deep: {v: 40}} |
        | {x: 11, deep: {v: 41}} |
        | {x: 12, deep: {v: 42}} |
        | {x: 13, deep: {v: 43}} |
        +------------------------+"#]],
    );
    check(
        &points(),
        &columns(&["items.price"]),
        expect![[r#"
        +----------------------------+
        | items                      |
        +----------------------------+
        | [{price: 60}]              |
        | []                         |
        | [{price: 61}, {price: 62}] |
        | [{price: 63}]              |
        +----------------------------+"#]],
    );
    check(
        &points(),
        &columns(&["point.x", "point"]),
        expect![[r#"
        +--------------------------------------+
        | point                                |
        +--------------------------------------+
        | {x: 10, y: 20, deep: {u: 30, v: 40}} |
        | {x: 11, y: 21, deep: {u: 31, v: 41}} |
        | {x: 12, y: 22, deep: {u: 32, v: 42}} |
        | {x: 13, y: 23, deep: {u: 33, v: 43}} |
        +--------------------------------------+"#]],
    );
}

#[test]
fn of_columns_of_one_name_the_one_with_the_field_is_meant() {
    let points = points();
    let [id, point] = [0, 1].map(|column| Arc::clone(points.column(column)));
    check(
        &table(vec![("point", id), ("point", point)]),
        &columns(&["point.y"]),
        expect![[r#"
        +---------+
        | point   |
        +---------+
        | {y: 20} |
        | {y: 21} |
        | {y: 22} |
        | {y: 23} |
        +---------+"#]],
    );
}

#[test]
fn fields_that_are_not_named_are_not_in_the_schema() {
    let folder = folder();
    let path = folder.path().join("x.parquet");
    write_all(&path, &[points()], &WriteOptions::default()).expect("a file");
    let found = read(&path, &columns(&["point.deep.u"])).expect("rows");
    let expected = [DataType::Struct(
        vec![Field::new("deep", DataType::Struct(vec![Field::new("u", DataType::Int64, true)].into()), true)]
            .into(),
    )];
    assert!(found.schema().fields().iter().map(|field| field.data_type()).eq(&expected));
}

#[test]
fn an_unknown_column_is_named_with_the_nearest() {
    check(
        &points(),
        &columns(&["pont.x"]),
        expect![[r#"
        usage: there is no column `pont.x`

        hint: did you mean `point.x`?"#]],
    );
    check(
        &points(),
        &columns(&["nothing"]),
        expect![[r#"
        usage: there is no column `nothing`

        hint: there are `id`, `point`, `items` and `dotted.name`"#]],
    );
    check(
        &points(),
        &columns(&["id.x"]),
        expect![[r#"
        usage: there is no column `id.x`

        hint: there are `id`, `point`, `point.x`, `point.y`, `point.deep`, `point.deep.u`, `point.deep.v`, `items`, `items.name`, `items.price` and 1 more"#]],
    );
}

#[test]
fn the_filter_may_read_other_columns_than_are_wanted() {
    check(
        &points(),
        &EagerOptions { filter: from(0, 2), ..columns(&["point.x"]) },
        expect![[r#"
        +---------+
        | point   |
        +---------+
        | {x: 12} |
        | {x: 13} |
        +---------+"#]],
    );
}

#[test]
fn row_groups_come_in_the_order_wanted() {
    let groups = |groups: &[usize]| EagerOptions { row_groups: Some(groups.to_vec()), ..columns(&["id"]) };
    check(
        &points(),
        &groups(&[1, 0]),
        expect![[r#"
        +----+
        | id |
        +----+
        | 2  |
        | 3  |
        | 0  |
        | 1  |
        +----+"#]],
    );
    check(
        &points(),
        &groups(&[]),
        expect![[r#"
        +----+
        | id |
        +----+
        +----+"#]],
    );
    check(
        &points(),
        &EagerOptions { filter: from(0, 1), ..groups(&[0]) },
        expect![[r#"
        +----+
        | id |
        +----+
        | 1  |
        +----+"#]],
    );
    check(
        &points(),
        &EagerOptions { filter: from(0, 2), ..groups(&[0]) },
        expect![[r#"
        +----+
        | id |
        +----+
        +----+"#]],
    );
    check(&points(), &groups(&[2]), expect!["usage: `row_groups` has 2, but there are 2, counted from 0"]);
    let folder = folder();
    for (name, first) in [("a.parquet", 0), ("b.parquet", 10)] {
        let rows = (first..first + 4).map(Some).collect();
        write_all(&folder.path().join(name), &[ints("n", rows)], &small_groups(2)).expect(name);
    }
    let options = EagerOptions { row_groups: Some(vec![3, 0]), ..EagerOptions::default() };
    assert_eq!(
        read(folder.path(), &options).expect("rows"),
        ints("n", vec![Some(12), Some(13), Some(0), Some(1)])
    );
}

#[test]
fn row_groups_of_other_formats_are_refused() {
    let folder = folder();
    let path = folder.path().join("x.arrow");
    write_all(&path, &[ints("n", vec![])], &WriteOptions::default()).expect("a file");
    let options = EagerOptions { row_groups: Some(vec![0]), ..EagerOptions::default() };
    expect!["usage: `row_groups` are of Parquet files, not of ipc"]
        .assert_eq(&shown(folder.path(), read(&path, &options)));
}

#[test]
fn every_type_is_read_back() {
    let folder = folder();
    let batch = varied(0, 100);
    for name in ["x.parquet", "x.arrow"] {
        let path = folder.path().join(name);
        write_all(&path, std::slice::from_ref(&batch), &small_groups(30)).expect(name);
        assert_eq!(plain(&read(&path, &EagerOptions::default()).expect(name)), plain(&batch));
        let empty = varied(0, 0);
        write_all(&path, std::slice::from_ref(&empty), &small_groups(30)).expect(name);
        assert_eq!(
            read(&path, &EagerOptions::default()).expect(name).schema().fields(),
            empty.schema().fields()
        );
    }
}

#[test]
fn cancelled_work_ends() {
    let folder = folder();
    let path = folder.path().join("x.parquet");
    write_all(&path, &[varied(0, 100)], &small_groups(10)).expect("a file");
    let cancel = Cancel::new();
    cancel.cancel();
    let error = read_table(&[path], &ReadOptions::default(), &EagerOptions::default(), &cancel);
    assert_eq!(error.expect_err("it was cancelled").to_string(), "cancelled");
}

#[test]
fn of_several_failures_the_first_in_order_decides() {
    let folder = folder();
    for name in ["a.parquet", "b.parquet", "c.parquet", "d.parquet"] {
        let path = folder.path().join(name);
        write_all(&path, &[varied(0, 100)], &small_groups(100)).expect(name);
        if name > "b" {
            let mut bytes = std::fs::read(&path).expect(name);
            bytes[4..400].fill(0xff);
            std::fs::write(&path, bytes).expect(name);
        }
    }
    for _ in 0..20 {
        let error = read(folder.path(), &EagerOptions::default()).expect_err("pages are damaged").to_string();
        assert!(error.contains("b.parquet"), "{error}");
    }
    let enough = EagerOptions { limit: Some(100), ..EagerOptions::default() };
    assert_eq!(read(folder.path(), &enough).expect("the first file suffices").num_rows(), 100);
}
