//! What is behind `bowstring.quant.quantize_table` and `dequantize_table`?

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::Schema};
use bowstring::{
    Error,
    quant::{Method, QuantError, RoundingMethod, dequantize_layers, on_threads, quantize_layers},
    query::Table,
};
use pyo3::{prelude::*, types::PyDict};

use crate::{
    arguments::Options,
    arrow_in::table_apart,
    error::Result,
    quant::{failed, request, threads},
    table::PyTable,
    work::work_apart,
};

/// The layers of a table with a few bits for each weight.
#[pyfunction]
pub(crate) fn quantize_table(
    py: Python<'_>,
    table: &Bound<'_, PyAny>,
    options: &Bound<'_, PyDict>,
) -> Result<PyTable> {
    let request = request(&Options(options))?;
    let (scheme, threads) = (request.scheme().map_err(failed)?, request.threads);
    let refused = |name: &str| {
        let expected = "`nearest` or `mse`: a table says nothing of what the layers are given";
        Err(failed(QuantError::Option { option: "method", value: format!("`{name}`"), expected }))
    };
    let method = match request.method {
        RoundingMethod::Nearest => Method::Nearest,
        RoundingMethod::Mse => Method::Search { importance: None },
        RoundingMethod::Weighted => return refused("weighted"),
        RoundingMethod::Gptq => return refused("gptq"),
    };
    let batches = batches(table_apart(table)?);
    let packed = work_apart(py, move |cancel| {
        on_threads(threads, || quantize_layers(&batches, scheme, &method, cancel)).map_err(failed)
    })?;
    whole(packed)
}

/// The layers of such a table with all their weights.
#[pyfunction]
pub(crate) fn dequantize_table(
    py: Python<'_>,
    table: &Bound<'_, PyAny>,
    options: &Bound<'_, PyDict>,
) -> Result<PyTable> {
    let threads = threads(&Options(options))?;
    let batches = batches(table_apart(table)?);
    let layers = work_apart(py, move |cancel| {
        on_threads(threads, || dequantize_layers(&batches, cancel)).map_err(failed)
    })?;
    whole(layers)
}

/// The rows of a table in their pieces, of which there is always one, whose columns can be looked at.
fn batches(table: Table) -> Vec<RecordBatch> {
    match table.batches() {
        [] => vec![RecordBatch::new_empty(table.schema().clone())],
        batches => batches.to_vec(),
    }
}

fn whole(batches: Vec<RecordBatch>) -> Result<PyTable> {
    let schema = batches.first().map(RecordBatch::schema).unwrap_or_else(|| Arc::new(Schema::empty()));
    Ok(Table::new(schema, batches).map_err(Error::from)?.into())
}
