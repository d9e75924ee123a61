//! Model weights with fewer bits: packed codes, measured error.
//!
//! A [`Model`] is opened from safetensors files; its [tensors](Tensor) are mapped into memory.
//! A [`Scheme`] says how weights are written: the [width](Bits) of a code, which weights [share a
//! scale](Group), where their codes [begin](Offset). [`Quantized::of`] writes a matrix so, by a [`Method`]
//! that chooses the scales, for a layer's outputs by the [second moments](Hessian) of its inputs,
//! [`Quantized::dequantize`] gives it back, and [`Quality`] says how far off it is.
//! A [`ModelWriter`] puts tensors into a file, and a [`QuantizedModel`] reads them from there. [`quantize()`] does
//! all of it for a whole model; a [`Policy`] says what becomes of which tensor.

mod allocate;
mod cholesky;
mod described;
mod divergence;
mod dtype;
mod equalization;
mod error;
mod file;
mod gptq;
mod grid;
mod header;
mod hessian;
mod mapped;
mod matrix;
mod method;
mod model;
mod named;
mod pack;
mod parts;
mod policy;
mod quality;
mod quantize;
mod quantized_model;
mod report;
mod rows;
mod schedule;
mod scheme;
mod spool;
mod writer;

pub use safetensors::Dtype;

pub use crate::{
    allocate::{Allocation, Candidate, MOST_STATES, allocate, allocate_uniformly},
    divergence::{PathKl, categorical_kl, gaussian_kl, path_kl},
    equalization::{Equalization, raise_to_columns},
    error::{QuantError, Result},
    gptq::{Gptq, Order},
    header::HeaderProblem,
    hessian::Hessian,
    matrix::Quantized,
    method::Method,
    model::{Model, Tensor},
    pack::{pack, unpack},
    policy::{Kind, Policy, Treatment},
    quality::Quality,
    quantize::{NonFinite, Report, Settings, on_threads, quantize},
    quantized_model::{QuantizedModel, QuantizedTensor, Stored},
    report::{TensorReport, table},
    schedule::{Prediction, ReverseStep, Schedule, divergence_weights},
    scheme::{Bits, Group, Half, Offset, ScaleType, Scheme},
    writer::ModelWriter,
};
