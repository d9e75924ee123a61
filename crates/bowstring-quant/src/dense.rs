//! How do packed weights become a model again that any program reads?

use std::{collections::HashMap, num::NonZero, path::Path};

use bowstring_core::Cancel;
use bowstring_io::{IoError, WriteMode, write_file};
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};

use crate::{
    Half, QuantError, QuantizedModel, QuantizedTensor, Result, Stored, dtype, header::METADATA, on_threads,
};

/// Writes the tensors of packed weights into a safetensors file, which appears as a whole or not at all; gives its
/// bytes. Floats become those of `dtype`: 32 bits, or the nearest of 16, which may be infinite; whole numbers and
/// flags stay as they were. `on_tensor` hears of each name. In memory are some rows of a tensor at a time, beside
/// its bytes in the packed file.
///
/// Tensors stand in the order of the reference library: those of wide types first, by name within them.
///
/// # Errors
/// [`QuantError::Option`] for another type; those of [`QuantizedModel::read`]; [`QuantError::Index`] when the
/// tensors make no safetensors file; [`QuantError::Io`] when it cannot be written; [`QuantError::Threads`];
/// [`QuantError::Cancelled`].
pub fn dequantize(
    packed: &QuantizedModel,
    path: &Path,
    dtype: Dtype,
    threads: Option<NonZero<usize>>,
    cancel: &Cancel,
    mut on_tensor: impl FnMut(&str) + Send,
) -> Result<u64> {
    let half = match dtype {
        Dtype::F32 => None,
        Dtype::F16 => Some(Half::F16),
        Dtype::BF16 => Some(Half::Bf16),
        other => {
            let expected = "`F32`, `F16` or `BF16`";
            return Err(QuantError::Option { option: "dtype", value: format!("`{other}`"), expected });
        }
    };
    let becomes = |tensor: &QuantizedTensor| if dtype::is_float(tensor.dtype) { dtype } else { tensor.dtype };
    let mut tensors: Vec<_> =
        packed.tensors().map(|(name, tensor)| (name, becomes(tensor), tensor)).collect();
    tensors.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(right.0)));
    let shapes: Vec<_> =
        tensors.iter().map(|(name, dtype, tensor)| (*name, *dtype, tensor.shape.as_slice())).collect();
    // Without it, some programs do not load a file.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let (header, bytes) = header(packed.path(), &shapes, metadata)?;
    on_threads(threads, || {
        write_file(path, WriteMode::Overwrite, |out| {
            let mut put = |bytes: &[u8]| {
                let refused = |source| IoError::System { action: "write", path: path.to_owned(), source };
                out.write_all(bytes).map_err(refused)
            };
            put(&(header.len() as u64).to_le_bytes())?;
            put(&header)?;
            let mut bytes = Vec::new();
            for (name, _, tensor) in &tensors {
                cancel.check()?;
                if dtype::is_float(tensor.dtype) {
                    packed.chunks(name, tensor, tensor.columns(), cancel, |_, numbers| match half {
                        Some(half) => Ok(put(&half.bytes(numbers))?),
                        None => {
                            bytes.clear();
                            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
                            Ok(put(&bytes)?)
                        }
                    })?;
                } else if tensor.stored == Stored::Kept {
                    packed.pieces(name, tensor, cancel, |piece| Ok(put(piece.bytes[0])?))?;
                } else {
                    return Err(QuantError::Dtype { tensor: (*name).to_owned(), dtype: tensor.dtype });
                }
                on_tensor(name);
            }
            Ok::<_, QuantError>(cancel.check()?)
        })
    })?;
    Ok((size_of::<u64>() + header.len() + bytes) as u64)
}

/// The JSON that comes first, filled up with spaces so that the numbers begin at a multiple of eight, and how many
/// bytes come behind it. The tensors of `source` are to stand in this order.
pub(crate) fn header(
    source: &Path,
    tensors: &[(&str, Dtype, &[usize])],
    metadata: HashMap<String, String>,
) -> Result<(Vec<u8>, usize)> {
    let wrong = |reason: String| QuantError::Index { path: source.to_owned(), reason };
    let mut end: usize = 0;
    let mut infos = Vec::with_capacity(tensors.len());
    for (name, dtype, shape) in tensors {
        if *name == METADATA {
            return Err(wrong(format!("no tensor of a safetensors file can be called `{METADATA}`")));
        }
        let start = end;
        let bytes = shape.iter().try_fold(dtype.bitsize() / 8, |bytes, &axis| bytes.checked_mul(axis));
        end = bytes
            .and_then(|bytes| start.checked_add(bytes))
            .ok_or_else(|| wrong(format!("the size of `{name}` is beyond all memory")))?;
        let info = TensorInfo { dtype: *dtype, shape: shape.to_vec(), data_offsets: (start, end) };
        infos.push(((*name).to_owned(), info));
    }
    let header = Metadata::new(Some(metadata), infos).map_err(|error| wrong(error.to_string()))?;
    let mut json = serde_json::to_vec(&header).map_err(|error| wrong(error.to_string()))?;
    json.resize(json.len().next_multiple_of(size_of::<u64>()), b' ');
    Ok((json, end))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use safetensors::{SafeTensors, serialize, tensor::TensorView};
    use tempfile::TempDir;

    use super::*;
    use crate::{
        Bits, CodeType, Group, Model, NonFinite, Offset, Policy, Rounding, ScaleType, Scheme, Settings,
        quantize,
    };

    /// A model of floats and whole numbers, packed.
    fn packed(folder: &TempDir) -> QuantizedModel {
        let weights: Vec<u8> = (0..8 * 40).flat_map(|i| (i as f32 * 0.7).sin().to_le_bytes()).collect();
        let ids: Vec<u8> = (0..5_i64).flat_map(i64::to_le_bytes).collect();
        let huge: Vec<u8> = [1e30_f32, -0.5, 2.0].into_iter().flat_map(f32::to_le_bytes).collect();
        let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
        let views = [
            ("b.weight", view(Dtype::F32, &[8, 5, 8], &weights)),
            ("a.ids", view(Dtype::I64, &[5], &ids)),
            ("c.huge", view(Dtype::F32, &[3], &huge)),
            ("d.none", view(Dtype::F32, &[0, 3], &[])),
            ("e.index", view(Dtype::I32, &[2], &ids[..8])),
            ("on", view(Dtype::BOOL, &[3], &[1, 0, 1])),
        ];
        let path = folder.path().join("model.safetensors");
        std::fs::write(&path, serialize(views, None).unwrap()).unwrap();
        let settings = Settings {
            scheme: Scheme {
                bits: Bits::Four,
                group: Group::Channel,
                offset: Offset::ZeroPoint,
                scale_type: ScaleType::F16,
                code_type: CodeType::Linear,
            },
            rounding: Rounding::Nearest,
            policy: Policy::default(),
            non_finite: NonFinite::Refuse,
            promote: None,
            threads: None,
            resume: false,
            shard_size: None,
        };
        let out = folder.path().join("packed.parquet");
        let model = Model::open(&path).unwrap();
        quantize(&model, &out, &settings, BTreeMap::new(), &Cancel::new(), |_| ()).unwrap();
        QuantizedModel::open(out).unwrap()
    }

    #[test]
    fn the_reference_library_reads_what_the_codes_stand_for() {
        let folder = TempDir::new().unwrap();
        let packed = packed(&folder);
        let out = folder.path().join("dense.safetensors");
        for (dtype, half) in
            [(Dtype::F32, None), (Dtype::F16, Some(Half::F16)), (Dtype::BF16, Some(Half::Bf16))]
        {
            let mut heard = Vec::new();
            let bytes =
                dequantize(&packed, &out, dtype, None, &Cancel::new(), |name| heard.push(name.to_owned()));
            let written = std::fs::read(&out).unwrap();
            assert_eq!(bytes.unwrap(), written.len() as u64);
            let read = SafeTensors::deserialize(&written).unwrap();
            let (wide, narrow) = (["b.weight", "c.huge", "d.none"].as_slice(), ["e.index"].as_slice());
            let between = if half.is_none() { [wide, narrow] } else { [narrow, wide] }.concat();
            assert_eq!(heard, [&["a.ids"], between.as_slice(), &["on"]].concat());
            let mut numbers = Vec::new();
            for (name, tensor) in packed.tensors() {
                let found = read.tensor(name).unwrap();
                assert_eq!(found.shape(), tensor.shape, "{name}");
                if let Some(kept) = packed.kept(name, &Cancel::new()).unwrap()
                    && !dtype::is_float(tensor.dtype)
                {
                    assert_eq!((found.dtype(), found.data()), (tensor.dtype, kept.as_slice()), "{name}");
                    continue;
                }
                packed.read(name, &mut numbers, &Cancel::new()).unwrap();
                let expected = match half {
                    Some(half) => half.bytes(&numbers),
                    None => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
                };
                assert_eq!((found.dtype(), found.data()), (dtype, expected.as_slice()), "{name}");
            }
            // Each number stands where a multiple of its size is.
            for (name, tensor) in read.tensors() {
                let at = tensor.data().as_ptr() as usize - written.as_ptr() as usize;
                assert_eq!(at % (tensor.dtype().bitsize() / 8), 0, "{name}");
            }
        }
    }

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let folder = TempDir::new().unwrap();
        let packed = packed(&folder);
        let out = folder.path().join("new/dense.safetensors");
        for last in ["a.ids", "c.huge", "on"] {
            let cancel = Cancel::new();
            let stopped = dequantize(&packed, &out, Dtype::F32, None, &cancel, |name| {
                if name == last {
                    cancel.cancel();
                }
            });
            assert!(matches!(stopped, Err(QuantError::Cancelled(_))), "{last}: {stopped:?}");
            assert!(!folder.path().join("new").exists(), "{last}");
        }
        let other = dequantize(&packed, &out, Dtype::I8, None, &Cancel::new(), |_| ()).unwrap_err();
        assert_eq!(other.to_string(), "`dtype` cannot be `I8`");
    }
}
