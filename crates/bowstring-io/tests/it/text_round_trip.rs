//! Does a table that is written as text come back as it was?

use std::sync::Arc;

use arrow::{
    array::Array as _,
    array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
        Int64Array, ListArray, RecordBatch, StringArray, StructArray, Time64MicrosecondArray,
        TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
    },
    datatypes::{DataType, Field, Int64Type, Schema},
};
use bowstring_io::{CsvOptions, Dataset, JsonOptions, ReadOptions, Scan, WriteOptions};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::support::{folder, scan, write_all};

/// A value for each type; a table takes some of them as columns.
#[derive(Clone, Debug)]
struct Row {
    int: Option<i64>,
    float: Option<f64>,
    flag: Option<bool>,
    days: Option<i32>,
    micros: Option<i64>,
    text: Option<String>,
    other: Option<String>,
    items: Option<Vec<Option<i64>>>,
}

fn text() -> impl Strategy<Value = String> {
    let piece = select(vec![
        ",", "\"", "\n", "\r", "\r\n", "\t", " ", "", "\\", "null", "NULL", "é", "😀", "\u{feff}", "#", "'",
        "1", "-", "true", "\u{2028}",
    ]);
    prop_oneof![
        vec(piece, 0..5).prop_map(|pieces| pieces.concat()),
        any::<String>().prop_map(|text| text.replace('\0', "")),
    ]
}

fn row(finite: bool) -> impl Strategy<Value = Row> {
    let float = if finite {
        any::<f64>().prop_filter("finite", |float| float.is_finite()).boxed()
    } else {
        prop_oneof![
            any::<f64>().prop_map(|float| if float.is_nan() { f64::NAN } else { float }),
            select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, f64::MIN_POSITIVE]),
        ]
        .boxed()
    };
    // Years 1 to 9999: the years that four digits write.
    let (days, micros) = (-719_162i32..2_932_896, -62_135_596_800_000_000i64..253_402_300_800_000_000);
    (
        option::of(any::<i64>()),
        option::of(float),
        option::of(any::<bool>()),
        option::of(days),
        option::of(micros),
        option::of(text()),
        option::of(text()),
        option::of(vec(option::of(any::<i64>()), 0..4)),
    )
        .prop_map(|(int, float, flag, days, micros, text, other, items)| Row {
            int,
            float,
            flag,
            days,
            micros,
            text,
            other,
            items,
        })
}

fn columns(rows: &[Row]) -> Vec<ArrayRef> {
    let ints = rows.iter().map(|row| row.int);
    let micros = || rows.iter().map(|row| row.micros);
    let nanos = ints.clone().map(|int| int.map(|int| int / 2));
    let decimals = Decimal128Array::from_iter(ints.clone().map(|int| int.map(i128::from)));
    let time = |micros: Option<i64>| micros.map(|micros| micros.rem_euclid(86_400_000_000));
    vec![
        Arc::new(Int64Array::from_iter(ints.clone())),
        Arc::new(Int8Array::from_iter(ints.clone().map(|int| int.map(|int| int as i8)))),
        Arc::new(UInt64Array::from_iter(ints.clone().map(|int| int.map(|int| int as u64)))),
        Arc::new(decimals.with_precision_and_scale(25, 6).unwrap()),
        Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.float))),
        Arc::new(Float32Array::from_iter(
            rows.iter().map(|row| row.float.filter(|float| float.abs() < 1e38).map(|float| float as f32)),
        )),
        Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.flag))),
        Arc::new(Date32Array::from_iter(rows.iter().map(|row| row.days))),
        Arc::new(Time64MicrosecondArray::from_iter(micros().map(time))),
        Arc::new(TimestampMicrosecondArray::from_iter(micros())),
        Arc::new(TimestampMicrosecondArray::from_iter(micros()).with_timezone("UTC")),
        Arc::new(TimestampNanosecondArray::from_iter(nanos)),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.text.as_deref()))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.other.as_deref()))),
    ]
}

fn nested(rows: &[Row]) -> Vec<ArrayRef> {
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(rows.iter().map(|row| row.items.clone()));
    let texts: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.text.as_deref())));
    let fields =
        vec![Field::new("text", DataType::Utf8, true), Field::new("list", lists.data_type().clone(), true)];
    let lists: ArrayRef = Arc::new(lists);
    let valid: Vec<bool> = rows.iter().map(|row| row.flag.is_some()).collect();
    // What lies under a null struct is not written, so it is null from the beginning.
    let mask = BooleanArray::from(valid.iter().map(|valid| !valid).collect::<Vec<_>>());
    let masked: Vec<ArrayRef> =
        [&texts, &lists].map(|array| arrow::compute::nullif(array, &mask).unwrap()).into();
    let point = StructArray::new(fields.into(), masked, Some(valid.into()));
    vec![lists, Arc::new(point)]
}

fn batch(names: &[String], columns: Vec<ArrayRef>) -> RecordBatch {
    let fields = names.iter().zip(&columns).enumerate().map(|(index, (name, array))| {
        // Names of their own, whatever characters are in them.
        Field::new(format!("{name}_{index:02}"), array.data_type().clone(), true)
    });
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns).unwrap()
}

/// Writes the table, and reads it back with its schema and with one that is inferred.
fn round_trip(name: &str, batch: &RecordBatch) -> (RecordBatch, Option<RecordBatch>) {
    let folder = folder();
    let path = folder.path().join(name);
    let (first, second) = (
        batch.slice(0, batch.num_rows() / 2),
        batch.slice(batch.num_rows() / 2, batch.num_rows() - batch.num_rows() / 2),
    );
    write_all(&path, &[first, second], &WriteOptions::default()).unwrap();
    let schema = Some(batch.schema());
    let options = ReadOptions {
        csv: CsvOptions { schema: schema.clone(), ..CsvOptions::default() },
        json: JsonOptions { schema, ..JsonOptions::default() },
        ..ReadOptions::default()
    };
    let read = |options: &ReadOptions| {
        scan(&Dataset::open(std::slice::from_ref(&path), options).unwrap(), &Scan::default()).unwrap()
    };
    let inferred = (batch.num_rows() > 0).then(|| read(&ReadOptions::default()));
    (read(&options), inferred)
}

proptest! {
    #[test]
    fn csv(rows in vec(row(false), 0..20), names in vec(text(), 14), tabs: bool, keep in 1usize..=14) {
        let mut columns = columns(&rows);
        columns.rotate_left(keep);
        columns.truncate(keep);
        let written = batch(&names, columns);
        let (read, inferred) = round_trip(if tabs { "data.tsv" } else { "data.csv" }, &written);
        prop_assert_eq!(&read, &written);
        if let Some(inferred) = inferred {
            // A type that is inferred may be another; where it is the one that was written, so are the values.
            for (field, array) in written.schema().fields().iter().zip(written.columns()) {
                let own = inferred.column_by_name(field.name()).unwrap();
                if own.data_type() == array.data_type() {
                    prop_assert_eq!(own, array);
                }
                if array.data_type() != &DataType::Utf8 {
                    prop_assert_eq!(own.null_count(), array.null_count());
                }
            }
        }
    }

    #[test]
    fn json(rows in vec(row(true), 0..20), names in vec(text(), 16), keep in 1usize..=16) {
        let mut columns = columns(&rows);
        columns.extend(nested(&rows));
        columns.rotate_left(keep);
        columns.truncate(keep);
        let written = batch(&names, columns);
        let (read, inferred) = round_trip("data.ndjson", &written);
        prop_assert_eq!(&read, &written);
        if let Some(inferred) = inferred {
            // Types that JSON itself has come back without a schema.
            for (field, array) in written.schema().fields().iter().zip(written.columns()) {
                let own = inferred.column_by_name(field.name()).unwrap();
                let known = matches!(array.data_type(), DataType::Int64 | DataType::Boolean | DataType::Utf8);
                if known && array.null_count() < array.len() {
                    prop_assert_eq!(own, array);
                }
                prop_assert_eq!(own.null_count(), array.null_count());
            }
        }
    }
}
