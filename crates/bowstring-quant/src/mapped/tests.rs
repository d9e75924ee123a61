use std::{fs, path::PathBuf};

use bowstring_core::{Cancel, render};
use expect_test::{Expect, expect};
use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;

use super::*;
use crate::{
    Bits, CodeType, Group, Half, Method, ModelWriter, Offset, QuantizedModel, ScaleType, Scheme, Stored,
    Tensor, quantized_model::QuantizedTensor,
};

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 0.37).sin() * 0.1).collect()
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn tensor<'a>(name: &'a str, shape: &'a [usize], bytes: &'a [u8]) -> Tensor<'a> {
    Tensor { name, dtype: Dtype::F32, shape, bytes, file: Path::new("model") }
}

fn pack(writer: &mut ModelWriter, tensor: &Tensor<'_>, scheme: Scheme) {
    let mut weights = Vec::new();
    tensor.read(&mut weights).unwrap();
    let columns = tensor.columns();
    let matrix =
        crate::Quantized::of(&weights, columns, scheme, &Method::Nearest, &Cancel::default()).unwrap();
    writer.write(tensor, &matrix, matrix.quality(&weights).unwrap()).unwrap();
}

/// Every width, offset, type of scales and of codes, and kind of group.
fn schemes() -> Vec<Scheme> {
    let mut schemes = Vec::new();
    for bits in Bits::ALL {
        for offset in [Offset::Symmetric, Offset::ZeroPoint, Offset::Minimum] {
            for scale_type in [ScaleType::F32, ScaleType::F16, ScaleType::Bf16, ScaleType::F8] {
                for group in [Group::Channel, Group::of(16).unwrap()] {
                    for code_type in [CodeType::Linear, CodeType::Quadratic] {
                        schemes.push(Scheme { bits, group, offset, scale_type, code_type });
                    }
                }
            }
        }
    }
    schemes.retain(|scheme| scheme.check().is_ok());
    schemes
}

#[test]
fn both_formats_have_the_same_numbers() {
    let folder = TempDir::new().unwrap();
    let bytes = bytes(&numbers(37 * 51));
    let open = |file: &str| {
        let path = folder.path().join(file);
        let mut writer = ModelWriter::create(&path, BTreeMap::new()).unwrap();
        for (index, scheme) in schemes().into_iter().enumerate() {
            pack(&mut writer, &tensor(&format!("t{index}"), &[37, 3, 17], &bytes), scheme);
        }
        for shape in [&[0, 4][..], &[4, 0]] {
            pack(&mut writer, &tensor(&format!("none{shape:?}"), shape, &[]), schemes()[2]);
        }
        let numbers = numbers(51);
        writer.halve(&tensor("half", &[51], &bytes[..204]), &numbers, Half::F16).unwrap();
        writer.keep(&tensor("kept", &[51], &bytes[..204])).unwrap();
        writer.finish().unwrap();
        QuantizedModel::open(path).unwrap()
    };
    let (rows, named) = (open("x.parquet"), open("x.safetensors"));
    assert_eq!(rows.reports(), named.reports());
    assert_eq!(rows.tensors().len(), schemes().len() + 4);
    let (mut left, mut right, cancel) = (Vec::new(), Vec::new(), Cancel::default());
    for (name, QuantizedTensor { stored, .. }) in rows.tensors() {
        rows.read(name, &mut left, &cancel).unwrap();
        named.read(name, &mut right, &cancel).unwrap();
        assert_eq!(left, right, "{name}, {stored:?}");
        assert_eq!(rows.matrix(name, &cancel).unwrap(), named.matrix(name, &cancel).unwrap(), "{name}");
    }
}

const FOUR: Scheme = Scheme {
    bits: Bits::Four,
    group: Group::Channel,
    offset: Offset::ZeroPoint,
    scale_type: ScaleType::F16,
    code_type: CodeType::Linear,
};

/// A file of five tensors.
fn file(folder: &Path) -> PathBuf {
    file_with(folder, "pt")
}

fn file_with(folder: &Path, format: &str) -> PathBuf {
    let path = folder.join("packed.safetensors");
    let metadata = BTreeMap::from([("format".to_owned(), format.to_owned())]);
    let mut writer = ModelWriter::create(&path, metadata).unwrap();
    let bytes = bytes(&numbers(15));
    pack(&mut writer, &tensor("w", &[3, 5], &bytes), FOUR);
    pack(&mut writer, &tensor("m", &[3, 5], &bytes), Scheme { offset: Offset::Minimum, ..FOUR });
    pack(&mut writer, &tensor("s", &[3, 5], &bytes), Scheme { offset: Offset::Symmetric, ..FOUR });
    writer.halve(&tensor("half", &[3], &bytes[..12]), &numbers(3), Half::Bf16).unwrap();
    writer.keep(&tensor("kept", &[3], &bytes[..12])).unwrap();
    writer.finish().unwrap();
    path
}

#[test]
fn the_reference_library_reads_the_parts() {
    let folder = TempDir::new().unwrap();
    let file = fs::read(file(folder.path())).unwrap();
    let read = SafeTensors::deserialize(&file).unwrap();
    let mut parts: Vec<_> = read.iter().collect();
    parts.sort_by_key(|(name, view)| (view.data().as_ptr(), (*name).to_owned()));
    let start = parts[0].1.data().as_ptr() as usize - file.as_ptr() as usize;
    let mut shown = String::new();
    for (name, view) in parts {
        let at = view.data().as_ptr() as usize - file.as_ptr() as usize - start;
        assert!(at.is_multiple_of(view.dtype().bitsize() / 8), "{name}");
        shown += &format!("{at:2}: {name} {} {:?} {:02x?}\n", view.dtype(), view.shape(), view.data());
    }
    expect![[r#"
         0: kept F32 [3] [00, 00, 00, 00, 21, 1e, 14, 3d, 1b, 18, 8a, 3d]
        12: half BF16 [3] [00, 00, 14, 3d, 8a, 3d]
        18: m.offsets F16 [3, 1] [00, 00, cb, a4, 5f, ae]
        24: m.scales F16 [3, 1] [cc, 1e, d7, 1f, 5c, 1a]
        30: s.scales F16 [3, 1] [60, a2, 27, a2, 5f, 22]
        36: w.scales F16 [3, 1] [cc, 1e, d7, 1f, cb, 1e]
        42: m.codes U8 [3, 3] [50, da, 0f, df, 59, 00, 6f, 01, 03]
        51: s.codes U8 [3, 3] [58, 13, 00, 10, 64, 0a, 24, 00, 01]
        60: w.codes U8 [3, 3] [50, da, 0f, cf, 49, 00, 37, 00, 02]
        69: w.offsets U8 [3, 1] [00, 02, 0f]
    "#]]
    .assert_eq(&shown);
    let (_, header) = SafeTensors::read_metadata(&file).unwrap();
    let mut metadata: Vec<_> = header.metadata().clone().unwrap().into_iter().collect();
    metadata.sort();
    let shown: Vec<String> = metadata.into_iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    expect![[r#"
        bowstring.quantized_model = 3
        bowstring.tensors = [{"name":"w","dtype":"F32","shape":[3,5],"scheme":"zero_point","bits":4,"columns":5,"group_axis":1,"group_size":0,"scale_type":"f16","code_type":"linear","sqnr":"29.84295314954607","relative_error":"0.03219973833673249","cosine":"0.9994919278554506","largest_error":"0.0034172646701335907","checksum":"dd3208ac9a44bfd7"},{"name":"m","dtype":"F32","shape":[3,5],"scheme":"minimum","bits":4,"columns":5,"group_axis":1,"group_size":0,"scale_type":"f16","code_type":"linear","sqnr":"34.08549366334674","relative_error":"0.019757196389954164","cosine":"0.999810837597368","largest_error":"0.00328141450881958","checksum":"948db22b3929d8e1"},{"name":"s","dtype":"F32","shape":[3,5],"scheme":"symmetric","bits":4,"columns":5,"group_axis":1,"group_size":0,"scale_type":"f16","code_type":"linear","sqnr":"26.171994486840575","relative_error":"0.049136053917827084","cosine":"0.9988103726295734","largest_error":"0.00597296841442585","checksum":"1cfab9e364062f1e"},{"name":"half","dtype":"F32","shape":[3],"scheme":"bf16","sqnr":"62.99197270141639","relative_error":"0.0007086003539489356","cosine":"0.9999999988965739","largest_error":"0.00004597753286361694","checksum":"d538c7079609baa3"},{"name":"kept","dtype":"F32","shape":[3],"scheme":"kept","checksum":"e14ab3b1a88283ff"}]
        format = pt
    "#]].assert_eq(&shown.concat());
}

#[test]
fn the_header_is_filled_up() {
    let folder = TempDir::new().unwrap();
    for length in 0..8 {
        let file = fs::read(file_with(folder.path(), &"x".repeat(length))).unwrap();
        assert!(u64::from_le_bytes(*file.first_chunk().unwrap()).is_multiple_of(8), "{length}");
        SafeTensors::deserialize(&file).unwrap();
    }
}

/// Opens a file, and reads all that is in it.
fn read_all(path: &Path) -> Result<()> {
    let model = QuantizedModel::open(path)?;
    let mut numbers = Vec::new();
    model.tensors().try_for_each(|(name, _)| model.read(name, &mut numbers, &Cancel::default()))
}

#[test]
fn bytes_that_are_not_those_that_were_written_are_noticed() {
    let folder = TempDir::new().unwrap();
    let path = file(folder.path());
    let whole = fs::read(&path).unwrap();
    let start = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    read_all(&path).unwrap();
    let check = |bytes: &[u8], what: String| {
        fs::write(&path, bytes).unwrap();
        assert!(read_all(&path).is_err(), "{what}");
    };
    for place in start..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        check(&damaged, format!("byte {place}"));
    }
    for length in 0..whole.len() {
        check(&whole[..length], format!("cut at {length}"));
    }
    check(&[whole.as_slice(), &[0]].concat(), "a byte more".to_owned());
}

/// What somebody could send us, or a program have mangled.
#[test]
fn a_file_that_cannot_be_true_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = file(folder.path());
    let whole = fs::read(&path).unwrap();
    let start = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    let header = std::str::from_utf8(&whole[8..start]).unwrap();
    let check = |said: &str, other: &str, expected: Expect| {
        let changed = header.replacen(said, other, 1);
        assert_ne!(changed, header, "{said}");
        let length = (changed.len() as u64).to_le_bytes();
        fs::write(&path, [&length, changed.as_bytes(), &whole[start..]].concat()).unwrap();
        let shown = render(&read_all(&path).unwrap_err());
        let shown = shown.replace(&folder.path().display().to_string(), "FOLDER");
        expected.assert_eq(shown.split("\n\n").next().unwrap());
    };
    check(
        r#"quantized_model":"3""#,
        r#"quantized_model":"4""#,
        expect![
            "`FOLDER/packed.safetensors` has packed weights of version 4; this program reads those up to 3"
        ],
    );
    check(
        "bowstring.quantized_model",
        "bowstring.other",
        expect!["`FOLDER/packed.safetensors` is no file of packed weights"],
    );
    check(
        "bowstring.tensors",
        "bowstring.other",
        expect!["`FOLDER/packed.safetensors` is no file of packed weights"],
    );
    check(
        r#":"[{\"name"#,
        r#":"{\"name"#,
        expect![
            "`FOLDER/packed.safetensors` is damaged: what it says of its tensors cannot be read: invalid type: map, expected a sequence at line 1 column 0"
        ],
    );
    check(
        r#"\"name\":\"w"#,
        r#"\"title\":\"w"#,
        expect![
            "`FOLDER/packed.safetensors` is damaged: what it says of its tensors cannot be read: missing field `name` at line 1 column 321"
        ],
    );
    check(
        r#"\"name\":\"w"#,
        r#"\"name\":\"v"#,
        expect!["`FOLDER/packed.safetensors` is damaged: it has no tensor `v.codes`"],
    );
    check(
        r#"\"name\":\"s"#,
        r#"\"name\":\"w"#,
        expect!["`FOLDER/packed.safetensors` is damaged: it has no tensor `w.codes`"],
    );
    check(
        r#""kept":{"dtype":"F32""#,
        r#""kept":{"dtype":"I32""#,
        expect![
            "`FOLDER/packed.safetensors` is damaged: tensor `kept` is I32 of shape [3], where F32 of shape [3] is expected"
        ],
    );
    check(
        r#"\"shape\":[3,5]"#,
        r#"\"shape\":[3,6]"#,
        expect![
            "`FOLDER/packed.safetensors` is damaged: groups of `w` cannot run along axis 1 of [3, 6] in rows of 5"
        ],
    );
    check(
        r#"\"shape\":[3,5]"#,
        r#"\"shape\":[18446744073709551615,5]"#,
        expect!["`FOLDER/packed.safetensors` is damaged: the size of `w` is beyond all memory"],
    );
    check(
        r#"\"columns\":5,\"group_axis\":1"#,
        r#"\"columns\":0"#,
        expect!["`FOLDER/packed.safetensors` is damaged: `w` has 15 numbers, no rows of 0"],
    );
    check(
        r#"\"columns\":5,\"group_axis\":1"#,
        r#"\"columns\":18446744073709551615"#,
        expect![
            "`FOLDER/packed.safetensors` is damaged: `w` has 15 numbers, no rows of 18446744073709551615"
        ],
    );
    check(
        r#"\"columns\":5,\"group_axis\":1"#,
        r#"\"columns\":6"#,
        expect!["`FOLDER/packed.safetensors` is damaged: `w` has 15 numbers, no rows of 6"],
    );
    check(
        r#"\"group_axis\":1"#,
        r#"\"group_axis\":7"#,
        expect![
            "`FOLDER/packed.safetensors` is damaged: groups of `w` cannot run along axis 7 of [3, 5] in rows of 5"
        ],
    );
    check(
        r#"\"bits\":4"#,
        r#"\"bits\":3"#,
        expect![
            "`FOLDER/packed.safetensors` is damaged: tensor `w.codes` is U8 of shape [3, 3], where U8 of shape [3, 2] is expected"
        ],
    );
    check(
        r#"\"bits\":4"#,
        r#"\"bits\":5"#,
        expect!["`FOLDER/packed.safetensors` is damaged: `w`: `bits` cannot be 5"],
    );
    check(
        r#"\"scheme\":\"zero_point"#,
        r#"\"scheme\":\"minimum"#,
        expect![
            "`FOLDER/packed.safetensors` is damaged: tensor `w.offsets` is U8 of shape [3, 1], where F16 of shape [3, 1] is expected"
        ],
    );
    check(
        r#"\"scale_type\":\"f16"#,
        r#"\"scale_type\":\"bf16"#,
        expect![
            "`FOLDER/packed.safetensors` is damaged: tensor `w.scales` is F16 of shape [3, 1], where BF16 of shape [3, 1] is expected"
        ],
    );
    check(
        r#"\"code_type\":\"linear"#,
        r#"\"code_type\":\"cubic"#,
        expect!["`FOLDER/packed.safetensors` is damaged: `w`: `code_type` cannot be `cubic`"],
    );
    check(
        r#"\"code_type\":\"linear\","#,
        "",
        expect!["`FOLDER/packed.safetensors` is damaged: `w`: `code_type` cannot be ``"],
    );
    check(
        r#"\"scale_type\":\"f16\""#,
        r#"\"scale_type\":\"f8\""#,
        expect!["`FOLDER/packed.safetensors` is damaged: `w` has no unit of scales"],
    );
    check(
        r#"\"scale_type\":\"f16\""#,
        r#"\"scale_type\":\"f8\",\"scale_unit\":\"0.1\""#,
        expect!["`FOLDER/packed.safetensors` is damaged: `w` has 0.1 for the unit of scales"],
    );
    check(
        r#"\"scale_type\":\"f16\""#,
        r#"\"scale_type\":\"f16\",\"scale_unit\":\"0.5\""#,
        expect!["`FOLDER/packed.safetensors` is damaged: `w` has a unit of scales, which are f16"],
    );
    check(
        r#"\"scale_type\":\"f16\""#,
        r#"\"scale_type\":\"f8\",\"scale_unit\":\"0.5\""#,
        expect![
            "`FOLDER/packed.safetensors` is damaged: tensor `w.scales` is F16 of shape [3, 1], where I8 of shape [3, 1] is expected"
        ],
    );
    check(
        r#"\"scheme\":\"minimum\",\"bits\":4,\"columns\":5,\"group_axis\":1,\"group_size\":0,\"scale_type\":\"f16\""#,
        r#"\"scheme\":\"minimum\",\"bits\":4,\"columns\":5,\"group_axis\":1,\"group_size\":0,\"scale_type\":\"f8\",\"scale_unit\":\"0.5\""#,
        expect![
            "`FOLDER/packed.safetensors` is damaged: `m`: `scale_type` cannot be `f8` beside float minima"
        ],
    );
    check(
        r#"\"cosine\":\"0"#,
        r#"\"cosine\":\"O"#,
        expect![
            "`FOLDER/packed.safetensors` is damaged: what it says of its tensors cannot be read: `O.9994919278554506` is no number at line 1 column 320"
        ],
    );
    check(
        r#"\"checksum\":\""#,
        r#"\"checksum\":\"x"#,
        expect!["`FOLDER/packed.safetensors` is damaged: `w` has no checksum, but `xdd3208ac9a44bfd7`"],
    );
    check(
        r#"\"checksum\":\""#,
        r#"\"checksum\":\"1"#,
        expect!["`FOLDER/packed.safetensors` is damaged: `w` has no checksum, but `1dd3208ac9a44bfd7`"],
    );
    let mut parts = header.split(r#","kept":{"#);
    let (before, after) = (parts.next().unwrap(), parts.next().unwrap());
    let empty = r#","more":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"kept":{"#;
    check(
        header,
        &format!("{before}{empty}{after}"),
        expect!["`FOLDER/packed.safetensors` is damaged: it says nothing of tensor `more`"],
    );
}

#[test]
fn a_name_is_given_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("packed.safetensors");
    let mut writer = ModelWriter::create(&path, BTreeMap::new()).unwrap();
    let bytes = bytes(&numbers(15));
    pack(&mut writer, &tensor("w", &[3, 5], &bytes), FOUR);
    for name in ["w.codes", "w.scales", "w.offsets", "__metadata__"] {
        let error = writer.keep(&tensor(name, &[15], &bytes)).unwrap_err();
        assert_eq!(error.to_string(), format!("two tensors would be called `{name}`"));
    }
    writer.keep(&tensor("w", &[15], &bytes)).unwrap();
    assert!(writer.keep(&tensor("w", &[15], &bytes)).is_err());
    writer.finish().unwrap();
    assert!(matches!(QuantizedModel::open(&path).unwrap().tensor("w").unwrap().stored, Stored::Kept));
}
