use arrow::{
    array::{
        BinaryViewArray, FixedSizeListArray, Float16Array, GenericListArray, GenericListViewArray,
        Int64Array, OffsetSizeTrait, StringViewArray, new_null_array,
    },
    compute::{cast, concat_batches},
    datatypes::Int32Type,
};
use bowstring_core::{Diagnostic, ErrorKind, render};
use expect_test::{Expect, expect};

use super::*;
use crate::{CodeType, ScaleType};

const NAMES_AND_SHAPES: [(&str, [usize; 2]); 3] = [("a", [3, 20]), ("b", [1, 7]), ("a.b", [0, 5])];

fn scheme() -> Scheme {
    Scheme {
        bits: Bits::Three,
        group: Group::of(16).unwrap(),
        offset: Offset::ZeroPoint,
        scale_type: ScaleType::F16,
        code_type: CodeType::Linear,
    }
}

/// The weights of a layer; all of them are numbers of 16 bits.
fn weights(layer: usize) -> Vec<f32> {
    let [rows, columns] = NAMES_AND_SHAPES[layer].1;
    (0..rows * columns).map(|index| (index as f32 * 0.7 + layer as f32).sin()).map(f16).collect()
}

fn f16(number: f32) -> f32 {
    half::f16::from_f32(number).to_f32()
}

fn lists<O: OffsetSizeTrait>(items: ArrayRef, lengths: &[usize]) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    Arc::new(GenericListArray::<O>::new(
        field,
        OffsetBuffer::from_lengths(lengths.iter().copied()),
        items,
        None,
    ))
}

fn views<O: OffsetSizeTrait>(items: ArrayRef, lengths: &[usize]) -> ArrayRef {
    let lists = GenericListArray::<O>::from(lists::<O>(items, lengths).to_data());
    Arc::new(GenericListViewArray::<O>::from(lists))
}

/// A table of the three layers, with a fourth in front that is cut off again, so that its columns begin elsewhere.
fn table(of: impl Fn(ArrayRef, &[usize]) -> ArrayRef, item: &DataType) -> RecordBatch {
    let names = ["?"].into_iter().chain(NAMES_AND_SHAPES.map(|(name, _)| name));
    let numbers = [f32::NAN; 4].into_iter().chain((0..3).flat_map(weights)).collect::<Float32Array>();
    let shapes = [4, 1].into_iter().chain(NAMES_AND_SHAPES.iter().flat_map(|(_, shape)| *shape));
    let shapes = shapes.map(|axis| axis as u64).collect::<PrimitiveArray<UInt64Type>>();
    let columns: [(&str, ArrayRef); 3] = [
        (NAME, Arc::new(StringArray::from_iter_values(names))),
        (WEIGHTS, of(cast(&numbers, item).unwrap(), &[4, 60, 7, 0])),
        (SHAPE, of(Arc::new(shapes), &[2; 4])),
    ];
    batch(columns).unwrap().slice(1, 3)
}

fn quantized(batches: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
    quantize_layers(batches, scheme(), &Method::Nearest, &Cancel::default())
}

fn given_back(batches: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
    dequantize_layers(batches, &Cancel::default())
}

fn bytes<'a>(batch: &'a RecordBatch, column: &str, row: usize) -> &'a [u8] {
    batch.column_by_name(column).unwrap().as_binary::<i64>().value(row)
}

#[test]
fn layers_are_those_of_their_weights_whatever_lists_they_come_in() {
    let kinds: [fn(ArrayRef, &[usize]) -> ArrayRef; 4] =
        [lists::<i32>, lists::<i64>, views::<i32>, views::<i64>];
    for of in kinds {
        for item in [DataType::Float16, DataType::Float32, DataType::Float64] {
            let given = table(of, &item);
            let pieces = [given.slice(0, 1), given.slice(1, 0), given.slice(1, 2)];
            let packed = quantized(&pieces).unwrap();
            assert_eq!(packed.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [1, 0, 2]);
            let back = given_back(&packed).unwrap();
            let packed = concat_batches(&packed[0].schema(), &packed).unwrap();
            let back = concat_batches(&back[0].schema(), &back).unwrap();
            for (row, (name, shape)) in NAMES_AND_SHAPES.into_iter().enumerate() {
                let weights = weights(row);
                let expected =
                    Quantized::of(&weights, shape[1], scheme(), &Method::Nearest, &Cancel::default())
                        .unwrap();
                assert_eq!(packed[NAME].as_string::<i32>().value(row), name);
                assert_eq!(bytes(&packed, CODES, row), expected.codes);
                assert_eq!(bytes(&packed, SCALES, row), expected.scales);
                assert_eq!(bytes(&packed, OFFSETS, row), expected.offsets);
                let sqnr = packed[SQNR].as_primitive::<arrow::datatypes::Float64Type>().value(row);
                assert_eq!(sqnr, expected.quality(&weights).unwrap().sqnr);
                let mut values = vec![0.0; weights.len()];
                expected.dequantize(&mut values).unwrap();
                let found = back[WEIGHTS].as_list::<i64>().value(row);
                assert_eq!(found.as_primitive::<Float32Type>().values(), &values);
                let found = back[SHAPE].as_list::<i64>().value(row);
                assert_eq!(found.as_primitive::<UInt64Type>().values(), &shape.map(|axis| axis as u64));
            }
        }
    }
}

#[test]
fn what_was_given_back_can_be_quantised_again() {
    let packed = quantized(&[table(lists::<i32>, &DataType::Float32)]).unwrap();
    let again = quantized(&given_back(&packed).unwrap()).unwrap();
    assert_eq!(again[0][CODES].len(), 3);
    assert!(given_back(&quantized(&[]).unwrap()).unwrap().is_empty());
}

#[test]
fn lists_of_a_fixed_size_are_read_and_names_may_be_keys() {
    let numbers: ArrayRef = Arc::new(Float16Array::from_iter_values((0..12_u8).map(half::f16::from)));
    let field = Arc::new(Field::new_list_field(DataType::Float16, true));
    let weights: ArrayRef = Arc::new(FixedSizeListArray::new(field, 6, numbers, None));
    let names = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let names = cast(&StringArray::from(vec!["a", "b"]), &names).unwrap();
    let with_keys = quantized(&[batch([(NAME, names), (WEIGHTS, Arc::clone(&weights))]).unwrap()]).unwrap();
    let views: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b"]));
    let with_views = quantized(&[batch([(NAME, views), (WEIGHTS, weights)]).unwrap()]).unwrap();
    assert_eq!(with_keys, with_views);
    let expected =
        Quantized::of(&[6.0, 7.0, 8.0, 9.0, 10.0, 11.0], 6, scheme(), &Method::Nearest, &Cancel::default())
            .unwrap();
    assert_eq!(bytes(&with_keys[0], CODES, 1), expected.codes, "a vector is one channel");
    assert_eq!(with_keys[0][SHAPE].as_list::<i64>().value(1).as_primitive::<UInt64Type>().values(), &[6]);
}

#[test]
fn packed_layers_come_back_from_any_kind_of_bytes_and_words() {
    for (offset, group) in [(Offset::Symmetric, Group::Channel), (Offset::Minimum, Group::of(16).unwrap())] {
        let scheme = Scheme { offset, group, ..scheme() };
        let given = table(lists::<i32>, &DataType::Float32);
        let packed = quantize_layers(&[given], scheme, &Method::Nearest, &Cancel::default()).unwrap();
        let back = given_back(&packed).unwrap();
        assert_eq!(packed[0][OFFSETS].null_count(), if offset == Offset::Symmetric { 3 } else { 0 });
        for (text, binary) in
            [(DataType::LargeUtf8, DataType::Binary), (DataType::Utf8View, DataType::BinaryView)]
        {
            let schema = packed[0].schema();
            let columns = schema.fields().iter().zip(packed[0].columns()).map(|(field, array)| {
                let to = match array.data_type() {
                    DataType::Utf8 => &text,
                    DataType::LargeBinary => &binary,
                    DataType::UInt32 => &DataType::Int64,
                    other => other,
                };
                (field.name().clone(), cast(array, to).unwrap())
            });
            let other = RecordBatch::try_from_iter(columns).unwrap();
            assert_eq!(given_back(&[other]).unwrap(), back);
        }
    }
}

fn check(result: Result<Vec<RecordBatch>>, kind: ErrorKind, expected: Expect) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind);
    expected.assert_eq(&render(&error));
}

/// The table with a column in place of another, or beside the others.
fn with(batch: &RecordBatch, column: &str, array: ArrayRef) -> RecordBatch {
    let others = batch
        .schema()
        .fields()
        .iter()
        .zip(batch.columns())
        .filter(|(field, _)| field.name() != column)
        .map(|(field, array)| (field.name().clone(), Arc::clone(array)))
        .collect::<Vec<_>>();
    RecordBatch::try_from_iter(others.into_iter().chain([(column.to_owned(), array)])).unwrap()
}

fn list_of<T: ArrowPrimitiveType>(rows: [Option<Vec<Option<T::Native>>>; 3]) -> ArrayRef {
    Arc::new(arrow::array::ListArray::from_iter_primitive::<T, _, _>(rows))
}

fn floats(last: Option<Vec<Option<f32>>>) -> ArrayRef {
    list_of::<Float32Type>([Some(vec![Some(1.0)]), Some(vec![Some(2.0)]), last])
}

#[test]
fn columns_that_are_no_layers_are_refused() {
    let given = table(lists::<i32>, &DataType::Float32);
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    check(
        quantized(&[with(&given, "weigths", floats(None))]),
        ErrorKind::Usage,
        expect![[r#"
        column `weigths` is none of a table of layers

        hint: did you mean `weights`?"#]],
    );
    check(
        quantized(&[given.project(&[0, 2]).unwrap()]),
        ErrorKind::Usage,
        expect![[r#"
            column `weights` is not in the table

            hint: it has lists of floats"#]],
    );
    check(
        quantized(&[given.project(&[0, 1, 0]).unwrap()]),
        ErrorKind::Usage,
        expect![[r#"
            column `layer_name` is in the table twice

            hint: it has one place in it"#]],
    );
    check(
        quantized(&[with(&given, WEIGHTS, Arc::clone(&names))]),
        ErrorKind::Usage,
        expect![[r#"
            column `weights` is of type Utf8

            hint: it has lists of floats"#]],
    );
    let whole = list_of::<Int32Type>([None, None, None]);
    check(
        quantized(&[with(&given, WEIGHTS, whole)]),
        ErrorKind::Usage,
        expect![[r#"
            column `weights` is of type List(Int32)

            hint: it has lists of floats"#]],
    );
    check(
        quantized(&[with(&given, SHAPE, floats(None))]),
        ErrorKind::Usage,
        expect![[r#"
            column `shape` is of type List(Float32)

            hint: it has lists of whole numbers, the lengths of the axes, whose product is the number of weights"#]],
    );
    check(
        quantized(&[with(&given, NAME, Arc::new(Int64Array::from(vec![1, 2, 3])))]),
        ErrorKind::Usage,
        expect![[r#"
            column `layer_name` is of type Int64

            hint: it has texts, another for each layer"#]],
    );
    check(
        given_back(&[given]),
        ErrorKind::Usage,
        expect![[r#"
            column `weights` is none of a table of layers

            hint: the columns are `layer_name`, `shape`, `bits`, `group_size`, `scheme`, `scale_type`, `scale_unit`, `code_type`, `codes`, `scales` and 5 more"#]],
    );
}

#[test]
fn layers_that_cannot_be_are_refused_by_row_and_name() {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    let good = batch([(NAME, names), (WEIGHTS, floats(Some(vec![])))]).unwrap();
    let again: ArrayRef = Arc::new(StringArray::from(vec!["d", "e", "a"]));
    check(
        quantized(&[good.clone(), with(&good, NAME, again)]),
        ErrorKind::Data,
        expect![[r#"
            column `layer_name` is that of row 0, too
              at row 5, layer `a`

            hint: it has texts, another for each layer"#]],
    );
    let absent: ArrayRef = Arc::new(StringArray::from(vec![Some("d"), None, Some("f")]));
    check(
        quantized(&[good.clone(), with(&good, NAME, absent)]),
        ErrorKind::Data,
        expect![[r#"
            column `layer_name` is null
              at row 4

            hint: it has texts, another for each layer"#]],
    );
    check(
        quantized(&[with(&good, WEIGHTS, floats(None))]),
        ErrorKind::Data,
        expect![[r#"
            column `weights` is null
              at row 2, layer `c`

            hint: it has lists of floats"#]],
    );
    check(
        quantized(&[with(&good, WEIGHTS, floats(Some(vec![None])))]),
        ErrorKind::Data,
        expect![[r#"
            column `weights` has nulls in its list
              at row 2, layer `c`

            hint: it has lists of floats"#]],
    );
    check(
        quantized(&[with(&good, WEIGHTS, floats(Some(vec![Some(1.0), Some(f32::NAN)])))]),
        ErrorKind::Data,
        expect![[r#"
            1 of the weights are NaN and 0 are infinite, the first of them weight 1
              at row 2, layer `c`

            hint: keep such tensors as they are, or mend the model: no grid has these values"#]],
    );
    let beyond = list_of::<arrow::datatypes::Float64Type>([Some(vec![]), Some(vec![Some(1e300)]), None]);
    check(
        quantized(&[with(&good, WEIGHTS, beyond)]),
        ErrorKind::Data,
        expect![[r#"
        0 of the weights are NaN and 1 are infinite, the first of them weight 0
          at row 1, layer `b`

        hint: keep such tensors as they are, or mend the model: no grid has these values"#]],
    );
    let shape = |last| list_of::<arrow::datatypes::Int64Type>([Some(vec![Some(1)]), Some(vec![]), last]);
    check(
        quantized(&[with(&good, SHAPE, shape(None))]),
        ErrorKind::Data,
        expect![[r#"
            column `shape` is null
              at row 2, layer `c`

            hint: it has lists of whole numbers, the lengths of the axes, whose product is the number of weights"#]],
    );
    let huge = shape(Some(vec![Some(i64::MAX), Some(i64::MAX)]));
    check(
        quantized(&[with(&good, SHAPE, huge)]),
        ErrorKind::Data,
        expect![[r#"
        weights of the shape: 0 where 18446744073709551615 are expected
          at row 2, layer `c`"#]],
    );
    check(
        quantized(&[with(&good, SHAPE, shape(Some(vec![Some(-3)])))]),
        ErrorKind::Data,
        expect![[r#"
            column `shape` has other values: Cast error: Can't cast value -3 to type UInt64
              at row 2, layer `c`

            hint: it has lists of whole numbers, the lengths of the axes, whose product is the number of weights"#]],
    );
    let nothing = shape(Some(vec![Some(0), Some(i64::MAX), Some(i64::MAX)]));
    let packed = quantized(&[with(&good, SHAPE, nothing)]).unwrap();
    assert_eq!(given_back(&packed).unwrap()[0][WEIGHTS].as_list::<i64>().value(2).len(), 0);
}

#[test]
fn packed_layers_that_cannot_be_are_refused_by_row_and_name() {
    let packed = quantized(&[table(lists::<i32>, &DataType::Float32)]).unwrap().remove(0);
    let refused = |column, array: ArrayRef, expected| {
        check(given_back(&[with(&packed, column, array)]), ErrorKind::Data, expected);
    };
    refused(
        BITS,
        Arc::new(Int64Array::from(vec![3, 5, 3])),
        expect![[r#"
        `bits` cannot be 5
          at row 1, layer `b`

        hint: it is 2, 3, 4 or 8"#]],
    );
    refused(
        GROUP_SIZE,
        Arc::new(Int64Array::from(vec![16, 16, 20])),
        expect![[r#"
        `group_size` cannot be 20
          at row 2, layer `a.b`

        hint: it is a multiple of 8 from 16 to 256, or `channel`"#]],
    );
    refused(
        SCHEME,
        Arc::new(StringArray::from(vec!["zero_point", "zeropoint", "minimum"])),
        expect![[r#"
        `offset` cannot be `zeropoint`
          at row 1, layer `b`

        hint: it is `symmetric`, `zero_point` or `minimum`"#]],
    );
    refused(
        SCALE_TYPE,
        Arc::new(StringArray::from(vec!["f16", "f16", "f64"])),
        expect![[r#"
            `scale_type` cannot be `f64`
              at row 2, layer `a.b`

            hint: it is `f32`, `f16`, `bf16` or `f8`"#]],
    );
    refused(
        CODES,
        Arc::new(BinaryViewArray::from(vec![&[0_u8; 24][..], &[0; 2], &[]])),
        expect![[r#"
        bytes of codes: 2 where 3 are expected
          at row 1, layer `b`"#]],
    );
    refused(
        OFFSETS,
        new_null_array(&DataType::Binary, 3),
        expect![[r#"
            column `offsets` is null
              at row 0, layer `a`

            hint: it has a value for each layer"#]],
    );
    // Infinity as a number of 16 bits.
    let infinite = [[0x00, 0x7C]; 6].concat();
    let scales: ArrayRef = Arc::new(BinaryViewArray::from(vec![infinite.as_slice(), &[0; 2], &[]]));
    refused(
        SCALES,
        scales,
        expect![[r#"
        7 of the weights are NaN and 53 are infinite, the first of them weight 0
          at row 0, layer `a`

        hint: keep such tensors as they are, or mend the model: no grid has these values"#]],
    );
}

#[test]
fn work_can_be_stopped() {
    let cancel = Cancel::default();
    cancel.cancel();
    let given = [table(lists::<i32>, &DataType::Float32)];
    let stopped = quantize_layers(&given, scheme(), &Method::Nearest, &cancel);
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn floats_of_32_bits_are_not_copied() {
    let given = table(lists::<i64>, &DataType::Float32);
    let whole = given[WEIGHTS].as_list::<i64>().values().as_primitive::<Float32Type>().values();
    let table = Table::of(&given, &GIVEN).unwrap();
    let row = table.lists(WEIGHTS, FLOATS, DataType::is_floating).unwrap().row::<Float32Type>(1).unwrap();
    assert_eq!(row.values().as_ptr(), whole[64..].as_ptr());
}
