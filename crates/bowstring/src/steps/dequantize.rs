//! `dequantize`: makes a safetensors file of packed weights.

use std::{num::NonZero, path::PathBuf, sync::Arc};

use bowstring_quant::{Dtype, QuantizedModel, dequantize};
use bowstring_query::Session;
use bowstring_workflow::{
    ConfigProblem, InputSpec, Inputs, Output, Registry, Step, StepContext, Value, ValueType, Work,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem;
use crate::relation::FILE;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DequantizeConfig {
    /// The packed weights: a file that `quantize` has written. Relative to the working directory.
    model: PathBuf,
    /// The file to write, whose name ends in `.safetensors`; folders above it are made.
    path: PathBuf,
    /// The type of its floats: `f32`, the default, or the nearest of `f16` or `bf16`, which may be infinite. Whole
    /// numbers and flags stay as they were.
    #[serde(default)]
    dtype: FloatName,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum FloatName {
    #[default]
    F32,
    F16,
    Bf16,
}

struct Dequantize {
    model: PathBuf,
    path: PathBuf,
    dtype: Dtype,
    threads: Option<NonZero<usize>>,
}

pub(super) fn register(registry: &mut Registry, session: &Session) {
    let threads = NonZero::new(session.threads());
    let description = "Makes a safetensors file of packed weights, with the names and shapes of the model; it \
                       appears as a whole or not at all.";
    registry.register_typed("dequantize", description, move |config| build(config, threads));
}

fn build(
    config: DequantizeConfig,
    threads: Option<NonZero<usize>>,
) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    let DequantizeConfig { model, path, dtype } = config;
    if path.extension().is_none_or(|ending| ending != "safetensors") {
        let message = format!("`{}` is no name of a safetensors file", path.display());
        let hint = Some("it ends in `.safetensors`".to_owned());
        return Err(vec![problem(&["path"], message, hint)]);
    }
    let dtype = match dtype {
        FloatName::F32 => Dtype::F32,
        FloatName::F16 => Dtype::F16,
        FloatName::Bf16 => Dtype::BF16,
    };
    Ok(Arc::new(Dequantize { model, path, dtype, threads }))
}

impl Step for Dequantize {
    fn inputs(&self) -> InputSpec {
        InputSpec::None
    }

    fn output(&self) -> Option<ValueType> {
        Some(FILE)
    }

    fn writes(&self) -> Option<PathBuf> {
        Some(self.path.clone())
    }

    fn run(self: Arc<Self>, _inputs: Inputs, context: StepContext) -> Work {
        Work::blocking(move || {
            let Self { model, path, dtype, threads } = &*self;
            let packed = QuantizedModel::open(model)?;
            let count = packed.tensors().len() as u64;
            let mut done = 0;
            let bytes = dequantize(&packed, path, *dtype, *threads, &context.cancel, |_| {
                done += 1;
                context.progress.report(done, Some(count), "tensors");
            })?;
            Ok(Output {
                value: Some(Value::new(FILE, path.clone())),
                bytes: Some(bytes),
                ..Output::default()
            })
        })
    }
}
