//! Are values of any shape read as they are written, whatever the order of their keys?

use std::collections::BTreeMap;

use bowstring_io::{Dataset, ReadOptions, Scan, WriteOptions};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use crate::support::{folder, scan, write_all};

/// The shape of a column's values.
#[derive(Clone, Debug)]
enum Shape {
    Flag,
    Whole,
    Fraction,
    Text,
    List(Box<Shape>),
    Object(Vec<(String, Shape)>),
}

fn shape() -> impl Strategy<Value = Shape> {
    let scalar = prop_oneof![Just(Shape::Flag), Just(Shape::Whole), Just(Shape::Fraction), Just(Shape::Text)];
    scalar.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![inner.clone().prop_map(|item| Shape::List(Box::new(item))), object(inner)]
    })
}

fn object(inner: impl Strategy<Value = Shape>) -> impl Strategy<Value = Shape> {
    let key = select(vec!["a", "b", "key", "a\"b", "\\", "é", "", "\n"]).prop_map(str::to_owned);
    vec((key, inner), 0..4).prop_map(|fields| {
        Shape::Object(fields.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect())
    })
}

/// A value of a shape; now and then null, and objects without some keys and in any order.
fn value(shape: &Shape) -> BoxedStrategy<Value> {
    let own = match shape {
        Shape::Flag => any::<bool>().prop_map(Value::from).boxed(),
        Shape::Whole => any::<i64>().prop_map(Value::from).boxed(),
        Shape::Fraction => any::<i32>().prop_map(|whole| json!(f64::from(whole) + 0.5)).boxed(),
        Shape::Text => any::<String>().prop_map(Value::from).boxed(),
        Shape::List(item) => vec(value(item), 0..4).prop_map(Value::from).boxed(),
        Shape::Object(fields) => row(fields),
    };
    prop_oneof![4 => own, 1 => Just(Value::Null)].boxed()
}

fn row(fields: &[(String, Shape)]) -> BoxedStrategy<Value> {
    let fields: Vec<_> = fields.iter().map(|(key, shape)| (Just(key.clone()), value(shape))).collect();
    (fields, any::<u64>(), any::<u8>())
        .prop_map(|(mut fields, keep, turn)| {
            let length = fields.len().max(1);
            fields.rotate_left(usize::from(turn) % length);
            let kept = fields.into_iter().enumerate().filter(|(index, _)| keep >> index & 1 == 1);
            Value::Object(kept.map(|(_, field)| field).collect::<Map<_, _>>())
        })
        .boxed()
}

/// The keys that objects have, and what is in them.
#[derive(Default)]
struct Keys(BTreeMap<String, Keys>);

impl Keys {
    fn see(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.see(item)),
            Value::Object(fields) => {
                fields.iter().for_each(|(key, value)| self.0.entry(key.clone()).or_default().see(value));
            }
            _ => {}
        }
    }

    /// The value with null for each key that it lacks.
    fn complete(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.complete(item)).collect(),
            Value::Object(fields) => {
                let of = |key: &String, keys: &Keys| keys.complete(fields.get(key).unwrap_or(&Value::Null));
                Value::Object(self.0.iter().map(|(key, keys)| (key.clone(), of(key, keys))).collect())
            }
            other => other.clone(),
        }
    }
}

proptest! {
    #[test]
    fn values_come_back_with_null_for_missing_keys(
        rows in object(shape()).prop_flat_map(|shape| match shape {
            Shape::Object(fields) => vec(row(&fields), 1..8).boxed(),
            _ => unreachable!(),
        }),
        batch_rows in 1usize..4,
        blanks: bool,
    ) {
        let folder = folder();
        let (from, to) = (folder.path().join("from.ndjson"), folder.path().join("to.ndjson"));
        let line = |row: &Value| if blanks { format!(" {row}\t\r\n\n") } else { format!("{row}\n") };
        std::fs::write(&from, rows.iter().map(line).collect::<String>()).unwrap();
        let dataset = Dataset::open(&[from], &ReadOptions::default()).unwrap();
        let batch = scan(&dataset, &Scan { batch_rows, ..Scan::default() });
        if dataset.schema().fields().is_empty() {
            return Ok(());
        }
        write_all(&to, &[batch.unwrap()], &WriteOptions::default()).unwrap();
        let written = std::fs::read_to_string(&to).unwrap();
        let read: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut keys = Keys::default();
        rows.iter().for_each(|row| keys.see(row));
        let expected: Vec<Value> = rows.iter().map(|row| keys.complete(row)).collect();
        prop_assert_eq!(read, expected);
    }
}
