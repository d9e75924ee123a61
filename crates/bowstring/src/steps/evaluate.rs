//! `quant.evaluate`: reads a file of packed weights, and fails where they are too far off; what comes out is a table of
//! its tensors.

use std::{num::NonZero, path::PathBuf, sync::Arc};

use bowstring_core::Diagnostic;
use bowstring_quant::{QuantError, table};
use bowstring_query::{Session, Table};
use bowstring_workflow::{
    ConfigProblem, InputSpec, Inputs, Output, Registry, Step, StepContext, ValueType, Work,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem;
use crate::{
    quant::{Gates, Validation},
    relation::{Relation, TABLE},
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EvaluateConfig {
    /// The packed weights: a file that `quantize` has written. Relative to the working directory.
    packed: PathBuf,
    /// The model that they were made of, which errors are measured against. Where it is absent, they are those that the
    /// file says.
    model: Option<PathBuf>,
    /// A file of what was seen of the layers' inputs, to tell how far off their outputs are; for a `model`.
    calibration: Option<PathBuf>,
    /// The least ratio of signal to noise, in decibels, that a tensor with fewer bits may have: where one has less,
    /// the step fails.
    min_sqnr: Option<f64>,
    /// The largest error in relation to its size that a tensor with fewer bits may have, likewise.
    max_rel_error: Option<f64>,
}

struct Evaluate {
    session: Session,
    packed: PathBuf,
    validation: Validation,
}

pub(super) fn register(registry: &mut Registry, session: &Session) {
    let session = session.clone();
    let description = "Reads every tensor of a file of packed weights, and fails where one is further off than it may \
                       be; its output has a row for each tensor, with how far off it is.";
    registry.register_typed("quant.evaluate", description, move |config| build(config, &session));
}

fn build(config: EvaluateConfig, session: &Session) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    let EvaluateConfig { packed, model, calibration, min_sqnr, max_rel_error } = config;
    let validation = Validation {
        model,
        calibration,
        gates: Gates { min_sqnr, max_rel_error },
        threads: NonZero::new(session.threads()),
    };
    validation.check().map_err(|error| {
        let key = if let QuantError::Option { option, .. } = error { option } else { "packed" };
        vec![problem(&[key], error.to_string(), error.hint())]
    })?;
    Ok(Arc::new(Evaluate { session: session.clone(), packed, validation }))
}

impl Step for Evaluate {
    fn inputs(&self) -> InputSpec {
        InputSpec::None
    }

    fn output(&self) -> Option<ValueType> {
        Some(TABLE)
    }

    fn run(self: Arc<Self>, _inputs: Inputs, context: StepContext) -> Work {
        Work::blocking(move || {
            let Self { session, packed, validation } = &*self;
            let found = validation.run(packed, &context.cancel)?;
            found.verdict()?;
            let rows = table(&found.tensors)?;
            let (schema, count) = (rows.schema(), rows.num_rows() as u64);
            let relation = Relation::of_table(session, Table::new(schema, vec![rows])?)?;
            Ok(Output { value: Some(relation.into_value()), rows: Some(count), ..Output::default() })
        })
    }
}
