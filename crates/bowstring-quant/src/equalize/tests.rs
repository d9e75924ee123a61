use bowstring_core::render;
use safetensors::{Dtype, serialize, tensor::TensorView};
use tempfile::TempDir;

use super::*;
use crate::Moments;

const CHANNELS: usize = 6;

fn wave(count: usize, size: f32) -> Vec<f32> {
    (0..count).map(|at| size * (at as f32 * 0.7 + 0.1).sin()).collect()
}

/// A norm, two layers that read it, one of them a convolution, and one that reads nothing of it.
fn numbers_of(dtype: Dtype) -> Vec<(&'static str, Vec<usize>, Vec<u8>)> {
    let bytes = |numbers: Vec<f32>| -> Vec<u8> {
        match dtype {
            Dtype::F16 => numbers.iter().flat_map(|&one| half::f16::from_f32(one).to_le_bytes()).collect(),
            Dtype::F64 => numbers.iter().flat_map(|&one| (f64::from(one) / 3.0).to_le_bytes()).collect(),
            _ => numbers.iter().flat_map(|one| one.to_le_bytes()).collect(),
        }
    };
    let norm: Vec<f32> = (0..CHANNELS).map(|channel| 8_f32.powi(channel as i32 % 3) + 0.25).collect();
    vec![
        ("norm.weight", vec![CHANNELS], bytes(norm)),
        ("norm.bias", vec![CHANNELS], bytes(wave(CHANNELS, 2.0))),
        ("a.weight", vec![4, CHANNELS], bytes(wave(4 * CHANNELS, 0.5))),
        ("b.weight", vec![3, CHANNELS, 2, 1], bytes(wave(3 * CHANNELS * 2, 0.1))),
        ("c.weight", vec![2, 4], bytes(wave(8, 1.0))),
    ]
}

fn model_of(folder: &TempDir, tensors: &[(&str, Vec<usize>, Vec<u8>)], dtype: Dtype) -> Model {
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (*name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
    let path = folder.path().join("model.safetensors");
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    std::fs::write(&path, serialize(views, Some(metadata)).unwrap()).unwrap();
    Model::open(path).unwrap()
}

fn couple() -> Couple {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Couple { writers: names(&["norm.weight", "norm.bias"]), readers: names(&["a.weight", "b.weight"]) }
}

/// What the layers were given: the norm of even inputs.
fn calibration() -> Calibration {
    let mut seen = Calibration::new(Moments::Diagonal);
    let inputs: Vec<f32> = (0..CHANNELS).map(|channel| 8_f32.powi(channel as i32 % 3)).collect();
    let patches: Vec<f32> = inputs.iter().flat_map(|&input| [input, input]).collect();
    seen.observe("a.weight", None, &inputs, CHANNELS, 1.0).unwrap();
    seen.observe("b.weight", None, &patches, 2 * CHANNELS, 1.0).unwrap();
    seen
}

struct Done {
    before: Model,
    after: Model,
    said: Equalized,
    _folder: TempDir,
}

fn done(tensors: &[(&str, Vec<usize>, Vec<u8>)], dtype: Dtype, couples: &[Couple]) -> Result<Done> {
    let folder = TempDir::new().unwrap();
    let before = model_of(&folder, tensors, dtype);
    let path = folder.path().join("new").join("even.safetensors");
    let said = equalize(&before, couples, &calibration(), 0.5, &path, &Cancel::new(), |_| ())?;
    let after = Model::open(&path).unwrap();
    Ok(Done { before, after, said, _folder: folder })
}

fn values(model: &Model, name: &str) -> Vec<f64> {
    numbers(&model.tensor(name).unwrap()).unwrap()
}

/// What the layers say of a normed input: products of two numbers, whose sums are in the same order.
fn outputs(model: &Model, input: &[f64]) -> Vec<f64> {
    let (weight, bias) = (values(model, "norm.weight"), values(model, "norm.bias"));
    let normed: Vec<f64> =
        input.iter().zip(weight.iter().zip(&bias)).map(|(x, (weight, bias))| x * weight + bias).collect();
    let of = |name: &str, kernel: usize| -> Vec<f64> {
        let weights = values(model, name);
        let row = |row: &[f64]| row.iter().enumerate().map(|(at, one)| one * normed[at / kernel]).sum();
        weights.chunks(CHANNELS * kernel).map(row).collect()
    };
    [of("a.weight", 1), of("b.weight", 2)].concat()
}

#[test]
fn what_is_computed_stays_to_the_bit() {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::F64] {
        let Done { before, after, said, _folder } = done(&numbers_of(dtype), dtype, &[couple()]).unwrap();
        let input: Vec<f64> = (0..CHANNELS).map(|at| (at as f64 * 1.3).cos()).collect();
        assert_eq!(outputs(&before, &input), outputs(&after, &input), "{dtype}");
        assert!(said.factors[0].iter().any(|&factor| factor > 2.0), "{said:?}");
        assert_eq!(values(&before, "c.weight"), values(&after, "c.weight"));
        assert_ne!(values(&before, "a.weight"), values(&after, "a.weight"));
        for tensor in before.tensors() {
            let now = after.tensor(tensor.name).unwrap();
            assert_eq!((tensor.dtype, tensor.shape), (now.dtype, now.shape));
        }
        let said_of_files: Vec<_> = after.metadata().map(|(_, metadata)| metadata.clone()).collect();
        assert_eq!(said_of_files, [HashMap::from([("format".to_owned(), "pt".to_owned())])]);
        assert_eq!(said.limited, [0]);
        let file = after.tensor("c.weight").unwrap().file;
        assert_eq!(said.file_bytes, std::fs::metadata(file).unwrap().len());
    }
}

/// The channels that are large in inputs and small in weights are nearer to each other.
#[test]
fn channels_are_more_even() {
    let Done { said, .. } = done(&numbers_of(Dtype::F32), Dtype::F32, &[couple()]).unwrap();
    let inputs: Vec<f32> = (0..CHANNELS).map(|channel| 8_f32.powi(channel as i32 % 3)).collect();
    let spread = |sizes: &[f32]| {
        sizes.iter().fold(0.0_f32, |most, &size| most.max(size))
            / sizes.iter().copied().fold(f32::MAX, f32::min)
    };
    let even: Vec<f32> = inputs.iter().zip(&said.factors[0]).map(|(input, factor)| input / factor).collect();
    assert!(spread(&even) < 0.3 * spread(&inputs), "{even:?}");
}

/// A number near the end of what 16 bits have would lose bits: its channel's factor is less.
#[test]
fn a_factor_is_limited_where_a_number_would_not_stay_exact() {
    for (name, odd) in [("norm.bias", 3.0_f32 * 2_f32.powi(-24)), ("b.weight", 60_000.0)] {
        let mut tensors = numbers_of(Dtype::F16);
        let (_, _, bytes) = tensors.iter_mut().find(|(own, ..)| *own == name).unwrap();
        // The third channel is the largest of inputs.
        let place = if name == "norm.bias" { 2 } else { 4 };
        bytes[2 * place..2 * place + 2].copy_from_slice(&half::f16::from_f32(odd).to_le_bytes());
        let Done { before, after, said, _folder } = done(&tensors, Dtype::F16, &[couple()]).unwrap();
        assert_eq!(said.limited, [if name == "norm.bias" { 1 } else { 0 }], "{name} {said:?}");
        let input = [1.0; CHANNELS];
        assert_eq!(outputs(&before, &input), outputs(&after, &input), "{name}");
    }
}

/// Of 64 bits, a number that is as small as there are loses bits before its type does not have it.
#[test]
fn numbers_of_64_bits_stay_exact_too() {
    let mut tensors = numbers_of(Dtype::F64);
    let odd = f64::from_bits(3);
    tensors[1].2[16..24].copy_from_slice(&odd.to_le_bytes());
    let Done { after, said, _folder, .. } = done(&tensors, Dtype::F64, &[couple()]).unwrap();
    assert_eq!(said.limited, [1], "{said:?}");
    assert_eq!(values(&after, "norm.bias")[2] * f64::from(said.factors[0][2]), odd);
}

#[test]
fn what_is_no_couple_is_told() {
    let check = |couples: &[Couple], expected: &str| {
        let error = done(&numbers_of(Dtype::F32), Dtype::F32, couples).map(|_| ()).unwrap_err();
        let said = render(&error);
        assert_eq!(said.lines().next().unwrap(), expected);
    };
    let with = |writers: &[&str], readers: &[&str]| {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Couple { writers: names(writers), readers: names(readers) }
    };
    check(&[with(&["norm.wait"], &["a.weight"])], "the model has no tensor `norm.wait`");
    check(&[with(&[], &["a.weight"])], "couple 0: `` has no writers");
    check(&[with(&["norm.weight"], &[])], "couple 0: `` has no readers");
    check(
        &[couple(), with(&["a.weight"], &["c.weight"]), with(&["norm.bias"], &["c.weight"])],
        "nothing was seen of the inputs of `c.weight` in any timestep",
    );
    check(
        &[couple(), with(&["norm.weight"], &["a.weight"])],
        "couple 1: `norm.weight` writes channels of two couples, or twice",
    );
    check(
        &[with(&["norm.weight"], &["a.weight", "a.weight"])],
        "couple 0: `a.weight` reads channels of two couples, or twice",
    );
    check(
        &[with(&["norm.weight"], &["c.weight"])],
        "couple 0: `c.weight` has 4 channels where `norm.weight` has 6",
    );
    check(&[with(&["norm.weight"], &["norm.bias"])], "couple 0: `norm.bias` has no axis 1 of channels");
}

#[test]
fn numbers_that_are_not_finite_are_named_with_their_tensor() {
    let mut tensors = numbers_of(Dtype::F32);
    tensors[1].2[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = done(&tensors, Dtype::F32, &[couple()]).map(|_| ()).unwrap_err();
    assert!(matches!(&error, QuantError::Tensor { tensor, .. } if tensor == "norm.bias"), "{error:?}");
}

#[test]
fn files_that_contradict_each_other_are_refused() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, tensor: &str, format: &str| {
        let view = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
        let metadata = HashMap::from([("format".to_owned(), format.to_owned())]);
        let path = folder.path().join(name);
        std::fs::write(path, serialize([(tensor, view)], Some(metadata)).unwrap()).unwrap();
    };
    write("1.safetensors", "a", "pt");
    write("2.safetensors", "b", "np");
    let index = r#"{"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}"#;
    std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    let model = Model::open(folder.path()).unwrap();
    let out = folder.path().join("out.safetensors");
    let error =
        equalize(&model, &[], &calibration(), 0.5, &out, &Cancel::new(), |_| ()).unwrap_err().to_string();
    assert!(error.ends_with("its metadata says `format` is `np`, another file `pt`"), "{error}");
    assert!(!out.exists());
}
