use std::{collections::BTreeMap, fs};

use arrow::array::{AsArray, RecordBatch, StringArray};
use bowstring_core::{Diagnostic, ErrorKind, render};
use bowstring_io::ReadOptions;
use expect_test::{Expect, expect};
use safetensors::tensor::TensorView;
use tempfile::TempDir;

use super::*;
use crate::{
    Bits, CodeType, Group, Method, Model, ModelWriter, Offset, ScaleType,
    file::{Column, VERSION_KEY},
};

const NAMES: [&str; 6] = ["a.weight", "b.weight", "half", "ids", "nothing", "one"];

/// A model of tensors of several types, among them none and a single number, by the reference library.
fn model(folder: &Path) -> Model {
    let weights: Vec<u8> =
        (0..60 * 200).flat_map(|i| ((i as f32 * 0.37).sin() * 0.1).to_le_bytes()).collect();
    let half: Vec<u8> = (0..6).flat_map(|i| half::f16::from_f32(i as f32 / 4.0).to_le_bytes()).collect();
    let ids: Vec<u8> = (0..2000_i64).flat_map(i64::to_le_bytes).collect();
    let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    let tensors = [
        ("a.weight", view(Dtype::F32, &[60, 10, 20], &weights)),
        ("b.weight", view(Dtype::F32, &[2500], &weights[..10_000])),
        ("half", view(Dtype::F16, &[2, 3], &half)),
        ("ids", view(Dtype::I64, &[2000], &ids)),
        ("nothing", view(Dtype::F32, &[0, 7], &[])),
        ("one", view(Dtype::BF16, &[], &[0x80, 0x3F])),
    ];
    let path = folder.join("model.safetensors");
    fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    Model::open(path).unwrap()
}

const FOUR: Scheme = Scheme {
    bits: Bits::Four,
    group: Group::Channel,
    offset: Offset::ZeroPoint,
    scale_type: ScaleType::F16,
    code_type: CodeType::Linear,
};

fn quantized(model: &Model) -> (Quantized, Vec<f32>, Quality) {
    let (mut weights, cancel) = (Vec::new(), Cancel::default());
    model.tensor("a.weight").unwrap().read(&mut weights).unwrap();
    let matrix = Quantized::of(&weights, 200, FOUR, &Method::Nearest, &cancel).unwrap();
    let mut values = vec![0.0; weights.len()];
    matrix.dequantize(&mut values).unwrap();
    let quality = Quality::of(&weights, &values).unwrap();
    (matrix, values, quality)
}

fn write(model: &Model, path: &Path) {
    let metadata = BTreeMap::from([("source".to_owned(), "model.safetensors".to_owned())]);
    let mut writer = ModelWriter::create(path, metadata).unwrap();
    let (matrix, _, quality) = quantized(model);
    for name in NAMES {
        let tensor = model.tensor(name).unwrap();
        match name {
            "a.weight" => writer.write(&tensor, &matrix, quality).unwrap(),
            "b.weight" => {
                let mut numbers = Vec::new();
                tensor.read(&mut numbers).unwrap();
                writer.halve(&tensor, &numbers, Half::Bf16).unwrap();
            }
            _ => writer.keep(&tensor).unwrap(),
        }
    }
    writer.finish().unwrap();
}

#[test]
fn what_is_written_is_read() {
    for name in ["packed.parquet", "packed.safetensors"] {
        written_is_read(name);
    }
}

fn written_is_read(file: &str) {
    let folder = TempDir::new().unwrap();
    let (model, path) = (model(folder.path()), folder.path().join(file));
    write(&model, &path);
    let packed = QuantizedModel::open(&path).unwrap();
    assert_eq!(packed.tensors().map(|(name, _)| name).collect::<Vec<_>>(), NAMES);
    assert_eq!(packed.metadata().collect::<Vec<_>>(), [("source", "model.safetensors")]);
    let (_, values, quality) = quantized(&model);
    let stored = packed.tensor("a.weight").unwrap().stored;
    assert_eq!(stored, Stored::Packed { scheme: FOUR, columns: 200, scale_unit: 1.0, quality });
    let cancel = Cancel::default();
    assert_eq!(packed.matrix("a.weight", &cancel).unwrap(), Some(quantized(&model).0));
    assert_eq!(packed.matrix("b.weight", &cancel).unwrap(), None);
    let (mut numbers, mut own) = (vec![9.0; 3], Vec::new());
    packed.read("a.weight", &mut numbers, &cancel).unwrap();
    assert_eq!(numbers, values);
    packed.read("b.weight", &mut numbers, &cancel).unwrap();
    model.tensor("b.weight").unwrap().read(&mut own).unwrap();
    own.iter_mut().for_each(|number| *number = half::bf16::from_f32(*number).to_f32());
    assert_eq!(numbers, own);
    for name in ["half", "nothing", "one"] {
        packed.read(name, &mut numbers, &cancel).unwrap();
        model.tensor(name).unwrap().read(&mut own).unwrap();
        assert_eq!(numbers, own, "{name}");
        let said = packed.tensor(name).unwrap();
        assert_eq!((said.dtype, said.stored), (model.tensor(name).unwrap().dtype, Stored::Kept));
        assert_eq!(said.shape, model.tensor(name).unwrap().shape);
    }
    assert!(matches!(packed.read("ids", &mut numbers, &cancel), Err(QuantError::Dtype { .. })));
    for tensor in model.tensors() {
        let kept = packed.tensor(tensor.name).unwrap().stored == Stored::Kept;
        let expected = kept.then(|| tensor.bytes.to_vec());
        assert_eq!(packed.kept(tensor.name, &cancel).unwrap(), expected, "{}", tensor.name);
    }
    assert!(matches!(packed.read("on", &mut numbers, &cancel), Err(QuantError::NoTensor { .. })));
    for kind in [Half::F16, Half::Bf16] {
        let mut halves = vec![9; 3];
        for name in ["a.weight", "b.weight", "half", "nothing", "one"] {
            packed.read(name, &mut numbers, &cancel).unwrap();
            packed.read_to_half(name, kind, &mut halves, &cancel).unwrap();
            let bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
            assert_eq!(bytes, kind.bytes(&numbers), "{name}");
        }
        let refused = packed.read_to_half("ids", kind, &mut halves, &cancel);
        assert!(matches!(refused, Err(QuantError::Dtype { .. })));
    }
}

/// Matrices and vectors of many rows of a file, by both formats, packed, of 16 bits and as they were.
#[test]
fn what_is_measured_is_what_the_numbers_say() {
    let folder = TempDir::new().unwrap();
    let numbers: Vec<f32> =
        (0..300 * 200).map(|i| (i as f32 * 0.37).sin() * (1.0 + i as f32 * 1e-4)).collect();
    let narrow: Vec<u8> =
        numbers.iter().flat_map(|&number| half::bf16::from_f32(number).to_le_bytes()).collect();
    let wide: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    let tensors = [
        ("halved", view(Dtype::F32, &[150, 400], &wide)),
        ("kept", view(Dtype::F32, &[300, 200], &wide)),
        ("narrow", view(Dtype::BF16, &[30, 2000], &narrow)),
        ("none", view(Dtype::F32, &[0, 200], &[])),
        ("packed", view(Dtype::F32, &[300, 200], &wide)),
    ];
    let path = folder.path().join("model.safetensors");
    fs::write(&path, safetensors::serialize(tensors.clone(), None).unwrap()).unwrap();
    let model = Model::open(path).unwrap();
    let mut calibration = crate::Calibration::new(crate::Moments::Full);
    for (name, columns) in [("halved", 400), ("kept", 200), ("narrow", 2000), ("packed", 200)] {
        calibration.observe(name, None, &numbers[..4 * columns], columns, 1.0).unwrap();
    }
    let cancel = Cancel::default();
    let mut found = Vec::new();
    for file in ["packed.parquet", "packed.safetensors"] {
        let path = folder.path().join(file);
        let mut writer = ModelWriter::create(&path, BTreeMap::new()).unwrap();
        for tensor in model.tensors() {
            let mut own = Vec::new();
            tensor.read(&mut own).unwrap();
            match tensor.name {
                "kept" => writer.keep(&tensor).unwrap(),
                "halved" => drop(writer.halve(&tensor, &own, Half::F16).unwrap()),
                _ => {
                    let matrix =
                        Quantized::of(&own, tensor.columns(), FOUR, &Method::Nearest, &cancel).unwrap();
                    writer.write(&tensor, &matrix, matrix.quality(&own).unwrap()).unwrap();
                }
            }
        }
        writer.finish().unwrap();
        let packed = QuantizedModel::open(path).unwrap();
        for tensor in model.tensors() {
            packed.check(tensor.name, &cancel).unwrap();
            let layer = calibration.layer(tensor.name);
            let measured = packed.measure(tensor.name, &tensor, layer, &cancel).unwrap();
            let (mut weights, mut values) = (Vec::new(), Vec::new());
            tensor.read(&mut weights).unwrap();
            packed.read(tensor.name, &mut values, &cancel).unwrap();
            let quality = Quality::of(&weights, &values).unwrap();
            let Some(Measured { quality: own, output_error }) = measured else {
                assert_eq!((tensor.name, weights), ("kept", values));
                continue;
            };
            let close = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-12 * b.abs();
            assert!(
                close(own.sqnr, quality.sqnr) && close(own.cosine, quality.cosine),
                "{own:?} {quality:?}"
            );
            assert!(close(own.relative_error, quality.relative_error), "{own:?} {quality:?}");
            assert_eq!(own.largest_error, quality.largest_error);
            let outputs = layer.map(|layer| layer.output_error(&weights, &values).unwrap().unwrap());
            assert!(outputs.is_none_or(|outputs| close(output_error.unwrap(), outputs)), "{}", tensor.name);
            assert_eq!(output_error.is_some(), tensor.name != "none");
            let plainly = packed.measure(tensor.name, &tensor, None, &cancel).unwrap().unwrap();
            assert_eq!(plainly, Measured { quality: own, output_error: None });
            if let Stored::Packed { quality: said, .. } = packed.tensor(tensor.name).unwrap().stored {
                assert_eq!(own, said, "as it was when it was written");
            }
            found.push((tensor.name, own, output_error));
        }
        let (tensor, other) = (model.tensor("packed").unwrap(), calibration.layer("halved"));
        let error = packed.measure("packed", &tensor, other, &cancel).unwrap_err();
        assert_eq!(error.to_string(), "channels of inputs: 400 where 200 are expected");
        let error = packed.measure("packed", &model.tensor("halved").unwrap(), None, &cancel).unwrap_err();
        assert!(error.to_string().ends_with("tensor `packed` has another type or shape"), "{error}");
        let error = packed.measure("kept", &tensor, None, &cancel);
        assert!(error.unwrap().is_none(), "the same numbers by another name");
        let changed = [&[1], &wide[1..]].concat();
        let changed = Tensor { bytes: &changed, ..tensor };
        let error = packed.measure("kept", &changed, None, &cancel).unwrap_err();
        assert!(error.to_string().ends_with("tensor `kept` has other numbers"), "{error}");
        let stopped = Cancel::new();
        stopped.cancel();
        let stopped = packed.measure("packed", &tensor, None, &stopped);
        assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
    }
    let (rows, named) = found.split_at(found.len() / 2);
    assert_eq!(rows, named, "both formats");
}

#[test]
fn a_matrix_that_does_not_fit_is_not_written() {
    let folder = TempDir::new().unwrap();
    let model = model(folder.path());
    let mut writer = ModelWriter::create(&folder.path().join("packed.parquet"), BTreeMap::new()).unwrap();
    let (matrix, _, quality) = quantized(&model);
    let shorter = Quantized { scales: matrix.scales[1..].to_vec(), ..matrix.clone() };
    let huge = Quantized { rows: usize::MAX, ..matrix.clone() };
    for (name, matrix) in [("a.weight", &shorter), ("a.weight", &huge), ("b.weight", &matrix)] {
        let written = writer.write(&model.tensor(name).unwrap(), matrix, quality);
        assert!(matches!(written, Err(QuantError::Length { .. })), "{name}");
    }
    for matrix in [&shorter, &huge] {
        assert!(matches!(matrix.dequantize(&mut [0.0; 12_000]), Err(QuantError::Length { .. })));
    }
}

#[test]
fn what_is_not_finished_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let model = model(folder.path());
    for name in ["packed.parquet", "new/packed.safetensors"] {
        let mut writer = ModelWriter::create(&folder.path().join(name), BTreeMap::new()).unwrap();
        writer.keep(&model.tensor("half").unwrap()).unwrap();
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["model.safetensors"]);
}

/// A row of the file with some of its columns replaced.
fn changed(path: &Path, row: usize, change: impl Fn(&mut Vec<arrow::array::ArrayRef>)) -> QuantError {
    let options = bowstring_io::EagerOptions::default();
    let read = ReadOptions::default();
    let (schema, batches) =
        bowstring_io::read_table(&[path.to_owned()], &read, &options, &Cancel::default()).unwrap();
    let whole = arrow::compute::concat_batches(&schema, &batches).unwrap();
    let rows: Vec<RecordBatch> = (0..whole.num_rows())
        .map(|index| {
            let mut columns = whole.slice(index, 1).columns().to_vec();
            if index == row {
                change(&mut columns);
            }
            RecordBatch::try_new(schema.clone(), columns).unwrap()
        })
        .collect();
    let other = path.with_extension("changed.parquet");
    let options = bowstring_io::WriteOptions::default();
    let mut writer = bowstring_io::Writer::create(&other, &schema, &options).unwrap();
    rows.iter().for_each(|row| writer.write(row).unwrap());
    writer.finish().unwrap();
    let mut numbers = Vec::new();
    let read = QuantizedModel::open(&other).and_then(|model| {
        NAMES
            .iter()
            .filter(|name| **name != "ids")
            .try_for_each(|name| model.read(name, &mut numbers, &Cancel::default()))
    });
    read.expect_err("a change is noticed")
}

#[test]
fn a_file_that_cannot_be_true_is_refused() {
    use std::sync::Arc;

    use arrow::array::{BinaryArray, UInt8Array, UInt32Array, UInt64Array};

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("packed.parquet");
    write(&model(folder.path()), &path);
    let check = |row, change: &dyn Fn(&mut Vec<arrow::array::ArrayRef>), expected: Expect| {
        let shown = render(&changed(&path, row, change));
        expected.assert_eq(&shown.replace(&folder.path().display().to_string(), "FOLDER"));
    };
    let number = |number: u64| Arc::new(UInt64Array::from(vec![number]));
    let shorter = |columns: &mut Vec<arrow::array::ArrayRef>, column: Column, sum: bool| {
        let column = column as usize;
        let bytes = columns[column].as_binary::<i32>().value(0).to_vec();
        columns[column] = Arc::new(BinaryArray::from_vec(vec![&bytes[..bytes.len() - 1]]));
        if sum {
            let parts = [Column::Codes, Column::Scales, Column::Offsets]
                .map(|part| columns[part as usize].as_binary::<i32>().value(0).to_vec());
            let sum = file::checksum([&parts[0], &parts[1], &parts[2]]);
            columns[Column::Checksum as usize] = number(sum);
        }
    };
    check(
        0,
        &|columns| shorter(columns, Column::Codes, false),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: `a.weight` has other bytes than those that were written
              at row 0

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| shorter(columns, Column::Codes, true),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: `a.weight`: bytes of codes: 3999 where 4000 are expected
              at row 0

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| shorter(columns, Column::Scales, true),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: `a.weight`: bytes of scales: 79 where 80 are expected
              at row 0

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| shorter(columns, Column::Offsets, true),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: `a.weight`: bytes of offsets: 39 where 40 are expected
              at row 0

            hint: quantise the model again"#]],
    );
    check(
        2,
        &|columns| shorter(columns, Column::Codes, true),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: `b.weight` has too few bytes, or too many
              at row 2

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| columns[Column::First as usize] = number(1),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: `a.weight` has 8000 numbers from number 1 on, of 12000
              at row 0

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| columns[Column::Count as usize] = number(u64::MAX),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: `a.weight` has 18446744073709551615 numbers from number 0 on, of 12000
              at row 0

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| columns[Column::Count as usize] = number(7),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: `a.weight` has 4000 numbers from number 8000 on, where 7 is the next of 12000
              at row 1

            hint: quantise the model again"#]],
    );
    check(
        1,
        &|columns| columns[Column::Count as usize] = number(200),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: numbers of `a.weight` are missing
              at row 1

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| {
            columns[Column::Columns as usize] = number(u64::MAX);
            columns[Column::GroupAxis as usize] = Arc::new(UInt8Array::from(vec![None]));
        },
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: rows of `a.weight` do not agree
              at row 1

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| {
            columns[Column::Columns as usize] = number(0);
            columns[Column::GroupAxis as usize] = Arc::new(UInt8Array::from(vec![None]));
        },
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: rows of `a.weight` do not agree
              at row 1

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| columns[Column::GroupAxis as usize] = Arc::new(UInt8Array::from(vec![0])),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: groups of `a.weight` cannot run along axis 0 of [60, 10, 20] in rows of 200
              at row 0

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| columns[Column::GroupAxis as usize] = Arc::new(UInt8Array::from(vec![2])),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: groups of `a.weight` cannot run along axis 2 of [60, 10, 20] in rows of 200
              at row 0

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| columns[Column::Bits as usize] = Arc::new(UInt8Array::from(vec![5])),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: `a.weight`: `bits` cannot be 5
              at row 0

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| columns[Column::GroupSize as usize] = Arc::new(UInt32Array::from(vec![7])),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: `a.weight`: `group_size` cannot be 7
              at row 0

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| columns[Column::Dtype as usize] = Arc::new(StringArray::from(vec!["F31"])),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: the type of `a.weight`: unknown variant `F31`, expected one of `BOOL`, `F4`, `F6_E2M3`, `F6_E3M2`, `U8`, `I8`, `F8_E5M2`, `F8_E4M3`, `F8_E8M0`, `F8_E4M3FNUZ`, `F8_E5M2FNUZ`, `I16`, `U16`, `F16`, `BF16`, `I32`, `U32`, `F32`, `C64`, `F64`, `I64`, `U64`
              at row 0

            hint: quantise the model again"#]],
    );
    check(
        0,
        &|columns| columns[Column::Scheme as usize] = Arc::new(StringArray::from(vec!["none"])),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: `a.weight`: `offset` cannot be `none`
              at row 0

            hint: quantise the model again"#]],
    );
    check(
        5,
        &|columns| columns[Column::Name as usize] = Arc::new(StringArray::from(vec!["half"])),
        expect![[r#"
            `FOLDER/packed.changed.parquet` is damaged: rows of `half` do not agree
              at row 5

            hint: quantise the model again"#]],
    );
}

#[test]
fn other_files_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("packed.parquet");
    write(&model(folder.path()), &path);
    let check = |path: &Path, expected: Expect| {
        let shown = render(&QuantizedModel::open(path).unwrap_err());
        expected.assert_eq(&shown.replace(&folder.path().display().to_string(), "FOLDER"));
    };
    check(
        &folder.path().join("absent.parquet"),
        expect!["cannot open `FOLDER/absent.parquet`: No such file or directory (os error 2)"],
    );
    check(
        &folder.path().join("model.safetensors"),
        expect![[r#"
            `FOLDER/model.safetensors` is no file of packed weights

            hint: name a file that `quantize` has written, or the `.safetensors` of a model"#]],
    );
    let text = folder.path().join("model.txt");
    fs::write(&text, "some text, and more").unwrap();
    check(&text, expect!["`FOLDER/model.txt` is not a valid parquet file: it does not begin with PAR1"]);
    let other = |metadata: &[(&str, &str)], name: &str| {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let schema = std::sync::Arc::new(file::schema([]).as_ref().clone().with_metadata(metadata));
        let path = folder.path().join(name);
        let options = bowstring_io::WriteOptions::default();
        bowstring_io::Writer::create(&path, &schema, &options).unwrap().finish().unwrap();
        path
    };
    check(
        &other(&[], "none.parquet"),
        expect![[r#"
            `FOLDER/none.parquet` is no file of packed weights

            hint: name a file that `quantize` has written, or the `.safetensors` of a model"#]],
    );
    check(
        &other(&[(VERSION_KEY, "4")], "four.parquet"),
        expect![[r#"
            `FOLDER/four.parquet` has packed weights of version 4; this program reads those up to 3

            hint: quantise the model again"#]],
    );
    check(
        &other(&[(VERSION_KEY, "2")], "two.parquet"),
        expect![[r#"
            `FOLDER/two.parquet` is no file of packed weights

            hint: quantise the model again"#]],
    );
    check(
        &other(&[(VERSION_KEY, "1")], "one.parquet"),
        expect![[r#"
            `FOLDER/one.parquet` is no file of packed weights

            hint: quantise the model again"#]],
    );
    assert_eq!(
        QuantizedModel::open(other(&[(VERSION_KEY, "3")], "empty.parquet")).unwrap().tensors().len(),
        0
    );
}

/// Other axes than that of the input channels are none of groups, but for rows that are given otherwise.
#[test]
fn groups_run_along_an_axis() {
    let quality = Quality { sqnr: 0.0, relative_error: 0.0, cosine: 0.0, largest_error: 0.0 };
    let axis = |shape: &[usize], columns| {
        Stored::Packed { scheme: FOUR, columns, scale_unit: 1.0, quality }.group_axis(shape)
    };
    assert_eq!(axis(&[8, 5], 5), Some(1));
    assert_eq!(axis(&[8, 4, 3, 3], 36), Some(1));
    assert_eq!(axis(&[1, 5], 5), Some(1));
    assert_eq!(axis(&[8, 0], 0), Some(1));
    assert_eq!(axis(&[8], 8), Some(0));
    assert_eq!(axis(&[8, 4, 9], 9), Some(2));
    assert_eq!(axis(&[8, 4, 9], 6), None, "in the middle of an axis");
    assert_eq!(axis(&[], 1), None);
    assert_eq!(axis(&[0, usize::MAX, 2], 2), Some(2), "no product is beyond all numbers");
    assert_eq!(Stored::Kept.group_axis(&[8, 5]), None);
}

/// The weights of the model that the files of earlier versions were made of.
fn old_model(size: f32) -> Vec<f32> {
    (0..240).map(|i| (i * 37 % 101 - 50) as f32 / 128.0 * size).collect()
}

#[test]
fn files_of_earlier_versions_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("fixtures");
    let first = Scheme { group: Group::of(16).unwrap(), ..FOUR };
    let second = Scheme { code_type: CodeType::Quadratic, ..first };
    for (name, scheme) in [
        ("version-1.parquet", Scheme { offset: Offset::ZeroPoint, ..first }),
        ("version-1.safetensors", Scheme { offset: Offset::Minimum, ..first }),
        ("version-2.parquet", Scheme { offset: Offset::ZeroPoint, scale_type: ScaleType::F8, ..second }),
        ("version-2.safetensors", Scheme { offset: Offset::Minimum, ..second }),
    ] {
        let (model, cancel) = (QuantizedModel::open(folder.join(name)).unwrap(), Cancel::default());
        let names: Vec<_> = model.tensors().map(|(name, _)| name).collect();
        assert_eq!(names, ["ids", "a.weight", "b.weight", "norm"]);
        let mut numbers = Vec::new();
        for (name, bits, size) in [("a.weight", Bits::Four, 1.0), ("b.weight", Bits::Three, 2.0)] {
            let scheme = Scheme { bits, ..scheme };
            let expected = Quantized::of(&old_model(size), 40, scheme, &Method::Nearest, &cancel).unwrap();
            assert_eq!(model.matrix(name, &cancel).unwrap(), Some(expected.clone()));
            model.read(name, &mut numbers, &cancel).unwrap();
            let mut values = vec![0.0; 240];
            expected.dequantize(&mut values).unwrap();
            assert_eq!(numbers, values);
        }
        model.read("norm", &mut numbers, &cancel).unwrap();
        assert_eq!(numbers, [1.0; 4]);
        let ids = model.kept("ids", &cancel).unwrap().unwrap();
        assert_eq!(ids, [0_i64, 1, 2].map(i64::to_le_bytes).concat());
    }
}
