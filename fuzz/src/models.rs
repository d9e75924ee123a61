//! What must hold of a model, and of packed weights, whatever their bytes?

use std::{collections::BTreeMap, num::NonZero, path::Path};

use bowstring_core::{Cancel, Diagnostic, ErrorKind, render};
use bowstring_quant::{
    Bits, CodeType, Group, Model, NonFinite, Offset, Policy, QuantError, QuantizedModel, Result, Rounding,
    ScaleType, Scheme, Settings, Stored, quantize, table,
};
use safetensors::SafeTensors;

use crate::tables::folder;

const NAME: &str = "stranger";

/// A model: what opens is what the reference library reads, and quantises to the same in both formats.
pub fn check_safetensors(data: &[u8]) {
    let folder = folder();
    let path = folder.path().join(NAME);
    std::fs::write(&path, data).expect("written");
    let Some(model) = promised(Model::open(&path)) else { return };
    let reference = SafeTensors::deserialize(data).expect("a file that the reference library reads");
    assert_eq!(model.tensors().len(), reference.len());
    for tensor in model.tensors() {
        let other = reference.tensor(tensor.name).expect("the same name");
        assert_eq!((tensor.dtype, tensor.shape), (other.dtype(), other.shape()));
        assert!(tensor.bytes == other.data(), "other bytes");
    }
    let quantized = |name: &str| quantized(&model, &folder.path().join(name));
    if let (Some(rows), Some(named)) = (quantized("x.parquet"), quantized("x.safetensors")) {
        assert_eq!(format!("{:?}", rows.reports()), format!("{:?}", named.reports()));
        let (mut left, mut right, cancel) = (Vec::new(), Vec::new(), Cancel::default());
        for tensor in model.tensors().filter(|tensor| tensor.is_float()) {
            rows.read(tensor.name, &mut left, &cancel).expect("what was written");
            named.read(tensor.name, &mut right, &cancel).expect("what was written");
            assert_eq!(left.len(), tensor.shape.iter().product::<usize>());
            let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
            assert!(bits(&left) == bits(&right), "other numbers");
        }
    }
}

fn quantized(model: &Model, out: &Path) -> Option<QuantizedModel> {
    let settings = Settings {
        scheme: Scheme {
            bits: Bits::Three,
            group: Group::of(16).expect("a size that is allowed"),
            offset: Offset::ZeroPoint,
            scale_type: ScaleType::F8,
            code_type: CodeType::Quadratic,
        },
        rounding: Rounding::Nearest,
        policy: Policy::default(),
        non_finite: NonFinite::Keep,
        promote: None,
        threads: NonZero::new(1),
        resume: false,
        shard_size: None,
    };
    promised(quantize(model, out, &settings, BTreeMap::new(), &Cancel::default(), |_| ()))?;
    Some(QuantizedModel::open(out).expect("what was written"))
}

/// Packed weights: of what opens, everything can be asked.
pub fn check_packed(data: &[u8]) {
    let folder = folder();
    let path = folder.path().join(NAME);
    std::fs::write(&path, data).expect("written");
    let Some(model) = promised(QuantizedModel::open(&path)) else { return };
    let reports = model.reports();
    assert_eq!(reports.len(), model.tensors().len());
    promised(table(&reports));
    let (mut numbers, cancel) = (Vec::new(), Cancel::default());
    for (name, tensor) in model.tensors() {
        if promised(model.read(name, &mut numbers, &cancel)).is_some() {
            assert_eq!(numbers.len(), tensor.shape.iter().product::<usize>());
        }
        if let Some(matrix) = promised(model.matrix(name, &cancel)) {
            assert_eq!(matrix.is_some(), matches!(tensor.stored, Stored::Packed { .. }));
        }
    }
}

/// What was done, or nothing, if the error is one that a file may end in.
fn promised<T>(result: Result<T>) -> Option<T> {
    let error = match result {
        Ok(found) => return Some(found),
        Err(error) => error,
    };
    let text = render(&error);
    assert!(
        matches!(error.kind(), ErrorKind::Data | ErrorKind::Limit),
        "an error of kind {}: {error:?}",
        error.kind()
    );
    // These name the tensor.
    let names_tensor = matches!(error, QuantError::Dtype { .. } | QuantError::Name { .. });
    assert!(names_tensor || text.contains(NAME), "the message names no file: {text}");
    None
}
