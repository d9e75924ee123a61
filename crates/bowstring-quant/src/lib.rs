//! Model weights with fewer bits: packed codes, measured error.
//!
//! A [`Model`] is opened from safetensors files; its [tensors](Tensor) are mapped into memory.
//! A [`Scheme`] says how weights are written: the [width](Bits) of a code, which weights [share a
//! scale](Group), where their codes [begin](Offset). [`Quantized::of`] writes a matrix so, by a [`Method`]
//! that chooses the scales, [`Quantized::dequantize`] gives it back, and [`Quality`] says how far off it is.
//! A [`ModelWriter`] puts tensors into a file, and a [`QuantizedModel`] reads them from there. [`quantize()`] does
//! all of it for a whole model; a [`Policy`] says what becomes of which tensor.

mod described;
mod dtype;
mod error;
mod file;
mod grid;
mod header;
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
mod scheme;
mod spool;
mod writer;

pub use safetensors::Dtype;

pub use crate::{
    error::{QuantError, Result},
    header::HeaderProblem,
    matrix::Quantized,
    method::Method,
    model::{Model, Tensor},
    pack::{pack, unpack},
    policy::{Kind, Policy, Treatment},
    quality::Quality,
    quantize::{NonFinite, Report, Settings, on_threads, quantize},
    quantized_model::{QuantizedModel, QuantizedTensor, Stored},
    report::{TensorReport, table},
    scheme::{Bits, Group, Half, Offset, ScaleType, Scheme},
    writer::ModelWriter,
};
