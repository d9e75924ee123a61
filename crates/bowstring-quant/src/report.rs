//! What is said of the tensors of a model, before it is quantised or after?

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, Float64Array, ListBuilder, RecordBatch, StringArray, UInt8Array, UInt32Array, UInt64Array,
        UInt64Builder,
    },
    datatypes::{Field, Schema},
};
use safetensors::Dtype;

use crate::{Kind, Model, Quality, QuantError, QuantizedModel, QuantizedTensor, Result, Stored, Tensor};

/// A tensor, how it is stored, and how far off it is.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorReport {
    /// Its name.
    pub name: String,
    /// What it is in its model.
    pub kind: Kind,
    /// The type that it has in its model.
    pub dtype: Dtype,
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// How it is stored.
    pub stored: Stored,
    /// How many bytes it takes in its model.
    pub bytes_before: usize,
    /// How many it takes as it is stored: codes, scales and offsets.
    pub bytes_after: usize,
    /// How far off the layer's outputs are, as [`LayerInputs::output_error`](crate::LayerInputs::output_error) has
    /// it, where its inputs were seen and its numbers are not as they were.
    pub output_error: Option<f64>,
    /// How many of its numbers are NaN or infinite, where they were counted: when it was to be stored otherwise. A
    /// tensor that has some is kept.
    pub not_finite: Option<usize>,
}

impl TensorReport {
    /// Of a tensor that is kept as it is.
    pub(crate) fn kept(tensor: &Tensor<'_>) -> Self {
        Self {
            name: tensor.name.to_owned(),
            kind: Kind::of(tensor),
            dtype: tensor.dtype,
            shape: tensor.shape.to_vec(),
            stored: Stored::Kept,
            bytes_before: tensor.bytes.len(),
            bytes_after: tensor.bytes.len(),
            output_error: None,
            not_finite: None,
        }
    }

    /// How many numbers it has.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Model {
    /// All tensors, stored as they are.
    pub fn reports(&self) -> Vec<TensorReport> {
        self.tensors().map(|tensor| TensorReport::kept(&tensor)).collect()
    }
}

impl QuantizedModel {
    /// All tensors.
    pub fn reports(&self) -> Vec<TensorReport> {
        let report = |(name, tensor): (&str, &QuantizedTensor)| {
            let count: usize = tensor.shape.iter().product();
            let bytes_before = count.saturating_mul(tensor.dtype.bitsize() / 8);
            let as_it_was =
                Tensor { name, dtype: tensor.dtype, shape: &tensor.shape, bytes: &[], file: self.path() };
            TensorReport {
                bytes_before,
                bytes_after: match tensor.stored {
                    Stored::Kept => bytes_before,
                    Stored::Half { .. } => count.saturating_mul(2),
                    Stored::Packed { scheme, columns, .. } => {
                        scheme.bytes(count.checked_div(columns).unwrap_or(0), columns)
                    }
                },
                stored: tensor.stored,
                ..TensorReport::kept(&as_it_was)
            }
        };
        self.tensors().map(report).collect()
    }
}

/// A row for each tensor: `name`; `kind`; `dtype` and `shape` in its model; `stored`: `kept`, `f16`, `bf16`,
/// or the offset of its scheme; `bits`, `group_size` (0 for a whole channel), `scale_type` and `code_type` of packed ones;
/// `bytes_before` and `bytes`; `sqnr`, `relative_error`, `cosine` and `largest_error` as [`Quality`] has them, null
/// where it is as it was; `output_error`, null where the layer's inputs are not known; `not_finite`, null where that was
/// not counted.
///
/// # Errors
/// [`QuantError::Io`] when there are more axes in all than a column can have.
pub fn table(reports: &[TensorReport]) -> Result<RecordBatch> {
    let texts = |text: fn(&TensorReport) -> Option<String>| -> ArrayRef {
        Arc::new(reports.iter().map(text).collect::<StringArray>())
    };
    let counts = |count: fn(&TensorReport) -> Option<usize>| -> ArrayRef {
        Arc::new(
            reports.iter().map(|report| count(report).map(|count| count as u64)).collect::<UInt64Array>(),
        )
    };
    let figures = |figure: fn(Quality) -> f64| -> ArrayRef {
        Arc::new(reports.iter().map(|report| report.stored.quality().map(figure)).collect::<Float64Array>())
    };
    let mut shapes = ListBuilder::new(UInt64Builder::new());
    for report in reports {
        shapes.append_value(report.shape.iter().map(|&axis| Some(axis as u64)));
    }
    let columns: [(&str, ArrayRef); 15] = [
        ("name", texts(|report| Some(report.name.clone()))),
        ("kind", texts(|report| Some(report.kind.name().to_owned()))),
        ("dtype", texts(|report| Some(report.dtype.to_string()))),
        ("shape", Arc::new(shapes.finish())),
        ("stored", texts(|report| Some(report.stored.name().to_owned()))),
        (
            "bits",
            Arc::new(
                reports.iter().map(|report| Some(report.stored.scheme()?.bits as u8)).collect::<UInt8Array>(),
            ),
        ),
        (
            "group_size",
            Arc::new(
                reports
                    .iter()
                    .map(|report| Some(report.stored.scheme()?.group.number()))
                    .collect::<UInt32Array>(),
            ),
        ),
        ("scale_type", texts(|report| Some(report.stored.scheme()?.scale_type.name().to_owned()))),
        ("code_type", texts(|report| Some(report.stored.scheme()?.code_type.name().to_owned()))),
        ("bytes_before", counts(|report| Some(report.bytes_before))),
        ("bytes", counts(|report| Some(report.bytes_after))),
        ("sqnr", figures(|quality| quality.sqnr)),
        ("relative_error", figures(|quality| quality.relative_error)),
        ("cosine", figures(|quality| quality.cosine)),
        ("largest_error", figures(|quality| quality.largest_error)),
    ];
    let output_errors: Float64Array = reports.iter().map(|report| report.output_error).collect();
    let more: [(&str, ArrayRef); 2] =
        [("output_error", Arc::new(output_errors)), ("not_finite", counts(|report| report.not_finite))];
    let (names, arrays): (Vec<&str>, Vec<ArrayRef>) = columns.into_iter().chain(more).unzip();
    let nullable =
        |name: &str| !["name", "kind", "dtype", "shape", "stored", "bytes_before", "bytes"].contains(&name);
    let fields: Vec<Field> = names
        .iter()
        .zip(&arrays)
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), nullable(name)))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(QuantError::arrow)
}
