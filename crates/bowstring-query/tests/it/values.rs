//! Do nested values, floats and mixed numbers mean what SQL says?

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use bowstring_core::Cancel;
use bowstring_query::{Frame, JoinKind};
use expect_test::{Expect, expect};

use crate::support::{batch, dataset, frame, ints, pairs, parquet, session, shown, strings};

/// A struct whose second row is null, though its child holds a value there.
fn places() -> RecordBatch {
    let child: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None]));
    let fields = vec![Arc::new(Field::new("x", DataType::Int64, true))];
    let place = StructArray::new(fields.into(), vec![child], Some(NullBuffer::from(vec![true, false, true])));
    batch(&[("id", ints(&[Some(0), Some(1), Some(2)])), ("place", Arc::new(place))])
}

#[test]
fn a_field_of_a_null_struct_is_null() {
    let memory = frame(&session(), &places());
    expect![[r#"
        +----+---+-------+
        | id | x | no    |
        +----+---+-------+
        | 0  | 1 | false |
        | 1  |   | true  |
        | 2  |   | true  |
        +----+---+-------+"#]]
    .assert_eq(&shown(memory.select(&strings(&["id", "place['x'] as x", "place['x'] is null as no"]))));
    expect![[r#"
        +----+
        | id |
        +----+
        | 0  |
        +----+"#]]
    .assert_eq(&shown(memory.filter("place['x'] > 0").and_then(|f| f.select(&strings(&["id"])))));
}

#[test]
fn a_field_of_a_null_struct_in_a_file_of_pyarrow_is_null() {
    let path = std::path::PathBuf::from("tests/fixtures/null_structs.parquet");
    let session = session();
    let file = session.scan(dataset(&[path])).expect("a frame");
    let query = "select id, t.place.x as x, t.place['y'] as y, nested['place']['x'] as deep, nested.place as inner from t";
    expect![[r#"
        +----+---+---+------+--------------+
        | id | x | y | deep | inner        |
        +----+---+---+------+--------------+
        | 0  | 1 | a | 1    | {x: 1, y: a} |
        | 1  |   |   |      |              |
        | 2  |   | c |      | {x: , y: c}  |
        | 3  |   |   |      |              |
        | 4  | 5 |   |      |              |
        +----+---+---+------+--------------+"#]]
    .assert_eq(&shown(session.sql(query, &[("t".to_owned(), file.clone())])));
    expect![[r#"
        +----+
        | id |
        +----+
        | 0  |
        | 1  |
        | 2  |
        | 3  |
        +----+"#]]
    .assert_eq(&shown(
        file.filter("place['x'] is null or nested['place']['y'] = 'a'")
            .and_then(|f| f.select(&strings(&["id"]))),
    ));
}

const NEGATIVE_NAN: f64 = f64::from_bits(0xfff8_0000_0000_0000);

/// Both zeros, both NaNs, an infinity, a number and a null, numbered.
fn floats() -> RecordBatch {
    let values =
        [Some(-0.0), Some(0.0), Some(f64::NAN), Some(NEGATIVE_NAN), Some(f64::INFINITY), Some(1.5), None];
    let numbers = Int64Array::from_iter_values(0..7);
    batch(&[("n", Arc::new(numbers)), ("f", Arc::new(Float64Array::from(values.to_vec())))])
}

fn numbers(frame: &Frame) -> Vec<i64> {
    let table = frame.collect(&Cancel::new()).expect("rows").table;
    let columns =
        table.batches().iter().map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
    columns.flatten().collect()
}

#[test]
fn zeros_are_equal_and_nan_is_above_all_in_memory_and_in_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("floats.parquet");
    parquet(&path, &floats(), 2);
    let session = session();
    for source in [frame(&session, &floats()), session.scan(dataset(&[path])).expect("a frame")] {
        for (condition, expected) in [
            ("f = 0", vec![0, 1]),
            ("f <> 0", vec![2, 3, 4, 5]),
            ("f < 0", vec![]),
            ("f >= 0", vec![0, 1, 2, 3, 4, 5]),
            ("f > 1e300", vec![2, 3, 4]),
            ("f between 0.0 and 2", vec![0, 1, 5]),
            ("f in (0.0, 1.5, 7)", vec![0, 1, 5]),
            ("f = cast('NaN' as double)", vec![2, 3]),
            ("f = f", vec![0, 1, 2, 3, 4, 5]),
            ("f is not distinct from -f", vec![0, 1, 2, 3, 6]),
            ("coalesce(f, 0.5) = 0.5", vec![6]),
            ("case when n = 6 then 0.25 else f end < 1", vec![0, 1, 6]),
        ] {
            let kept = source.filter(condition).expect("a frame");
            assert_eq!(numbers(&kept), expected, "{condition}");
        }
        let sorted = source.sort(&strings(&["f desc", "n desc"])).expect("a frame");
        assert_eq!(numbers(&sorted), [3, 2, 4, 5, 1, 0, 6]);
    }
}

#[test]
fn equal_floats_are_one_group_and_one_key() {
    let source = frame(&session(), &floats());
    let counts = source.aggregate(&strings(&["f"]), &pairs(&[("n", "count(*)")]));
    let counts = counts.and_then(|f| f.sort(&strings(&["f"]))).and_then(|f| f.select(&strings(&["n"])));
    assert_eq!(numbers(&counts.expect("a frame")), [2, 1, 1, 2, 1]);
    let values = source.select(&strings(&["f"])).expect("a frame");
    assert_eq!(
        values.distinct(&[]).expect("a frame").collect(&Cancel::new()).expect("rows").table.num_rows(),
        5
    );
    let distinct = source.aggregate(&[], &pairs(&[("n", "count(distinct f)")])).expect("a frame");
    assert_eq!(numbers(&distinct), [4]);
    let joined = source.join(&source, &pairs(&[("f", "f")]), JoinKind::Inner).expect("a frame");
    assert_eq!(numbers(&joined).len(), 2 * 2 + 2 * 2 + 1 + 1);
}

#[test]
fn the_least_and_the_greatest_float_are_values_of_the_column() {
    let check = |values: &[f64], expected: Expect| {
        let column: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
        let source = frame(&session(), &batch(&[("f", column)]));
        let both = pairs(&[("least", "min(f)"), ("most", "max(f)")]);
        let grouped = source.aggregate(&strings(&["f is null as k"]), &both).expect("a frame");
        let whole = source.aggregate(&[], &both).expect("a frame");
        let found: Vec<String> = [grouped.drop(&strings(&["k"])).expect("a frame"), whole]
            .iter()
            .map(|frame| {
                let table = frame.collect(&Cancel::new()).expect("rows").table;
                let value =
                    |column: usize| table.batches()[0].column(column).as_primitive::<Float64Type>().value(0);
                format!("{:?} {:?}", value(0), value(1))
            })
            .collect();
        assert_eq!(found[0], found[1]);
        expected.assert_eq(&found[0]);
    };
    check(&[f64::INFINITY, f64::INFINITY], expect!["inf inf"]);
    check(&[f64::NEG_INFINITY], expect!["-inf -inf"]);
    check(&[f64::NAN, NEGATIVE_NAN], expect!["NaN NaN"]);
    check(&[1.0, f64::NAN, -3.5], expect!["-3.5 NaN"]);
    check(&[f64::MIN, f64::MAX, -0.0], expect!["-1.7976931348623157e308 1.7976931348623157e308"]);
}

#[test]
fn an_instant_is_the_same_in_every_zone() {
    let values = vec![Some(-1_i64), Some(0), Some(1_729_989_000_000_000), None];
    let moments = arrow::array::TimestampMicrosecondArray::from(values).with_timezone("Europe/Berlin");
    let source = frame(&session(), &batch(&[("at", Arc::new(moments))]));
    for (condition, rows) in [
        ("at = cast('1969-12-31T23:59:59.999999Z' as timestamp with time zone)", 1),
        ("at = cast('2024-10-27T01:30:00+01:00' as timestamp with time zone)", 1),
        ("at >= cast('1970-01-01T00:00:00Z' as timestamptz)", 2),
        ("at = to_timestamp('1970-01-01T00:00:00Z')", 1),
        ("at = timestamp '1970-01-01 01:00:00'", 1),
    ] {
        let kept = source.filter(condition).expect("a frame").collect(&Cancel::new()).expect("rows");
        assert_eq!(kept.table.num_rows(), rows, "{condition}");
    }
}

#[test]
fn narrow_floats_compare_as_wide_ones_do() {
    let wide = frame(&session(), &floats());
    for narrow in ["float32", "arrow_cast(f, 'Float16')"] {
        let source = match narrow {
            "float32" => wide.cast(&pairs(&[("f", narrow)])),
            half => wide.with_columns(&pairs(&[("f", half)])),
        };
        let source = source.expect("a frame");
        assert_eq!(numbers(&source.filter("f = 0").expect("a frame")), [0, 1], "{narrow}");
        assert_eq!(numbers(&source.filter("f > 1").expect("a frame")), [2, 3, 4, 5], "{narrow}");
        let sorted = source.sort(&strings(&["f", "n"])).expect("a frame");
        assert_eq!(numbers(&sorted), [0, 1, 5, 4, 2, 3, 6], "{narrow}");
        let distinct = source.select(&strings(&["f"])).and_then(|f| f.distinct(&[])).expect("a frame");
        assert_eq!(distinct.collect(&Cancel::new()).expect("rows").table.num_rows(), 5, "{narrow}");
        let most = source.aggregate(&[], &pairs(&[("most", "max(f) = cast('NaN' as double)")]));
        let shown = shown(most.and_then(|f| f.filter("most")));
        assert!(shown.contains("true"), "{narrow}: {shown}");
    }
}

#[test]
fn a_join_on_a_condition_shows_it_in_its_plan() {
    let session = session();
    let source = frame(&session, &batch(&[("n", ints(&[Some(1), Some(2), Some(3)]))]));
    let query = "select a.n, b.n as other from t a join t b on a.n < b.n order by a.n, b.n";
    let joined = session.sql(query, &[("t".to_owned(), source)]).expect("a frame");
    let plan = joined.explain(true, &Cancel::new()).expect("a plan");
    assert!(plan.contains("n@0 < n@1") || plan.contains("n@1 > n@0"), "{plan}");
    assert_eq!(numbers(&joined), [1, 1, 2]);
    let metrics = joined.collect(&Cancel::new()).expect("rows").metrics;
    let join = metrics.operators.iter().find(|operator| operator.name.contains("Join")).expect("a join");
    assert_eq!(join.rows, Some(3));
}
