//! Which tensors does a safetensors file of packed weights have?
//!
//! Each version has the codes, scales and offsets of a packed tensor as tensors of their own, named after it, and
//! those that are not packed under their own names; `docs/reference/quantized-models.md` says what its metadata
//! says of each.

use std::path::Path;

use safetensors::Dtype;
use serde::{Deserialize, Serialize};

use crate::{
    Model, Offset, QuantError, Result, ScaleType, Stored, Tensor,
    described::{Described, Known},
};

/// What a tensor's own metadata stand under, as JSON.
pub(crate) const TENSORS_KEY: &str = "bowstring.tensors";
/// The ending of a file's name.
pub(crate) const ENDING: &str = "safetensors";

/// Whether a file of this name is to be written so.
pub(crate) fn is_named(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == ENDING)
}

/// What follows the name of a packed tensor in those of its parts.
const SUFFIXES: [&str; 3] = [".codes", ".scales", ".offsets"];

/// What the metadata says of a tensor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    #[serde(flatten)]
    pub(crate) described: Described,
    /// XXH3 of 64 bits of its bytes, in hexadecimal digits: not all numbers of JSON have as many bits.
    pub(crate) checksum: String,
}

/// A tensor of the file: a whole one, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
}

/// The tensors that stand for one: its codes or numbers, then its scales and offsets, where it has them.
pub(crate) fn named(name: &str, known: &Known) -> Vec<Named> {
    let whole = |dtype| vec![Named { name: name.to_owned(), dtype, shape: known.shape.clone() }];
    match known.stored {
        Stored::Kept => whole(known.dtype),
        Stored::Half { kind, .. } => whole(kind.dtype()),
        Stored::Packed { scheme, columns, .. } => {
            let (rows, strides) = (known.count.checked_div(columns).unwrap_or(0), scheme.strides(columns));
            let groups = scheme.group.count(columns);
            let scales = match scheme.scale_type {
                ScaleType::F32 => Dtype::F32,
                ScaleType::F16 => Dtype::F16,
                ScaleType::Bf16 => Dtype::BF16,
                ScaleType::F8 => Dtype::I8,
            };
            let offsets = match scheme.offset {
                Offset::Symmetric => None,
                Offset::ZeroPoint => Some((Dtype::U8, strides.offsets)),
                Offset::Minimum => Some((scales, groups)),
            };
            let parts = [Some((Dtype::U8, strides.codes)), Some((scales, groups)), offsets];
            let part = |(suffix, part): (&&str, Option<(Dtype, usize)>)| {
                part.map(|(dtype, width)| Named {
                    name: format!("{name}{suffix}"),
                    dtype,
                    shape: vec![rows, width],
                })
            };
            SUFFIXES.iter().zip(parts).filter_map(part).collect()
        }
    }
}

/// Refuses a model with names that are those of parts of the tensors that are to be packed.
///
/// # Errors
/// [`QuantError::Name`] for the first one.
pub(crate) fn check_names(model: &Model, is_packed: impl Fn(&Tensor<'_>) -> bool) -> Result<()> {
    for tensor in model.tensors().filter(is_packed) {
        let mut parts = SUFFIXES.iter().map(|suffix| format!("{}{suffix}", tensor.name));
        if let Some(taken) = parts.find(|part| model.has(part)) {
            return Err(QuantError::Name { tensor: taken });
        }
    }
    Ok(())
}
