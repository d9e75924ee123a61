//! The native half of the Python package: it converts arguments, lets go of the interpreter, calls
//! the façade and converts what comes back. Signatures, defaults and docstrings stand in the
//! package's Python files.

mod activations;
mod arguments;
mod arrays;
mod arrow_in;
mod arrow_out;
mod calibration;
mod columns;
mod display;
mod document;
mod encoded;
mod error;
mod events;
mod finished;
mod frame;
mod graph;
mod layers;
mod metadata;
mod model;
mod quant;
mod read;
mod schedule;
mod script;
mod step;
mod table;
mod texts;
mod tokenizer;
mod typed;
mod work;
mod write;

use pyo3::prelude::*;

#[pymodule]
mod _bowstring {
    #[pymodule_export]
    use crate::{
        activations::{
            activation_ranges, allocate_candidates, clustered_groups, optimize_ranges, range_jumps,
            ranges_loss, round_activations, uniform_groups,
        },
        arrays::{dequantize_array, pack_codes, quantize_array, unpack_codes},
        calibration::PyCalibration,
        document::{PyDocument, byte_size},
        encoded::{PyBatch, PyEncoding},
        finished::PyFinished,
        frame::{PyFrame, sql},
        graph::{PyGraph, PyOutcome},
        layers::{dequantize_table, quantize_table},
        metadata::{metadata, metadata_async},
        model::PyModel,
        quant::{
            PyQuantizedModel, equalize_model, equalize_model_async, quantize, quantize_async,
            validate_quantized, validate_quantized_async,
        },
        read::{read, read_async, scan},
        schedule::{PySchedule, categorical_kl, divergence_weights, path_kl},
        script::cli,
        step::register_step,
        table::PyTable,
        tokenizer::{PyDecodeStream, PyTokenizer},
        write::{write, write_async},
    };

    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
