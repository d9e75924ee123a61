//! Model weights with fewer bits: packed codes, measured error.
//!
//! A [`Model`] is opened from safetensors files; its [tensors](Tensor) are mapped into memory.
//! A [`Scheme`] says how weights are written: the [width](Bits) of a code, which weights [share a
//! scale](Group), where their codes [begin](Offset), and which values they [stand for](CodeType). [`Quantized::of`] writes a matrix so, by a [`Method`]
//! that chooses the scales, for a layer's outputs by the [second moments](Hessian) of its inputs,
//! [`Quantized::dequantize`] gives it back, and [`Quality`] says how far off it is.
//! A [`ModelWriter`] puts tensors into a file, and a [`QuantizedModel`] reads them from there. [`quantize()`] does
//! all of it for a whole model; a [`Policy`] says what becomes of which tensor. [`dequantize()`]
//! makes a model again. [`plan`](plan()) chooses the scheme of each tensor, so that all of them fit into a budget.
//! [`quantize_layers`] and [`dequantize_layers`] do the same to layers that are rows of a table.
//!
//! For diffusion models, a [`Schedule`] says how its sampler goes from step to step and how far an error of the model
//! [moves](divergence_weights) it, [`path_kl`] how far the paths of two models diverge; [`allocate`](allocate()) chooses
//! the scheme of each tensor under a budget of bytes. A [`Calibration`] keeps what the layers'
//! inputs looked like; [`TimeGroups`] and a [`TransitionOptimizer`] find the ranges of
//! activations from the [`Histogram`]s of each layer and timestep.

mod activation;
mod allocate;
mod calibration;
mod cholesky;
mod config;
mod dense;
mod described;
mod divergence;
mod dtype;
mod equalization;
mod equalize;
mod error;
mod file;
mod gates;
mod gptq;
mod grid;
mod header;
mod hessian;
mod histogram;
mod layers;
mod levels;
mod mapped;
mod matrix;
mod method;
mod model;
mod named;
mod outputs;
mod pack;
mod parts;
mod plan;
mod policy;
mod quality;
mod quantize;
mod quantized_model;
mod report;
mod rows;
mod scales;
mod schedule;
mod scheme;
mod shards;
mod spool;
mod time_groups;
mod transition;
mod weights;
mod writer;

pub use safetensors::Dtype;

pub use crate::{
    activation::ActivationRange,
    allocate::{Allocation, Candidate, MOST_STATES, allocate, allocate_uniformly, candidates},
    calibration::{Calibration, LayerInputs, Moments, StepInputs},
    dense::dequantize,
    divergence::{PathKl, categorical_kl, gaussian_kl, path_kl},
    equalization::{Equalization, raise_to_columns},
    equalize::{Couple, Equalized, equalize},
    error::{QuantError, Result},
    gates::Gates,
    gptq::{Gptq, Order},
    header::HeaderProblem,
    hessian::Hessian,
    histogram::{Histogram, MOST_BINS},
    layers::{dequantize_layers, quantize_layers},
    matrix::Quantized,
    method::Method,
    model::{Model, Tensor},
    pack::{pack, unpack},
    plan::{FEW, Harm, Measure, PROBED, PathCosts, Plan, plan},
    policy::{Kind, Policy, Treatment},
    quality::Quality,
    quantize::{NonFinite, Promotion, Report, Rounding, Settings, on_threads, quantize},
    quantized_model::{Measured, QuantizedModel, QuantizedTensor, Stored},
    report::{TensorReport, table},
    schedule::{Prediction, ReverseStep, Schedule, divergence_weights},
    scheme::{Bits, CodeType, Group, Half, Offset, ScaleType, Scheme},
    time_groups::TimeGroups,
    transition::{
        Optimized, OptimizerConfig, ThermodynamicLoss, TransitionOptimizer, jumps, path_cost, path_importance,
    },
    writer::ModelWriter,
};
