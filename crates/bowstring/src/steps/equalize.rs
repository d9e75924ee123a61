//! `quant.equalize`: writes a model that computes the same from channels of more even sizes.

use std::{path::PathBuf, sync::Arc};

use bowstring_quant::{Calibration, Couple, Model, equalize};
use bowstring_workflow::{
    ConfigProblem, InputSpec, Inputs, Output, Registry, Step, StepContext, Value, ValueType, Work,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem;
use crate::relation::FILE;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EqualizeConfig {
    /// The model: a `.safetensors` file, the index of several, or the folder of a model or of a diffusers pipeline.
    /// Relative to the working directory.
    model: PathBuf,
    /// The file to write, whose name ends in `.safetensors`; folders above it are made.
    path: PathBuf,
    /// What makes some channels and what reads them, with nothing between that is not linear for each channel by
    /// itself.
    couples: Vec<CoupleConfig>,
    /// A file of what was seen of the layers' inputs.
    calibration: PathBuf,
    /// How much of the difficulty goes from inputs to weights, 0 to 1. Default 0.5.
    #[serde(default = "half")]
    strength: f32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CoupleConfig {
    /// The names of all tensors that the channels come from, whose first axis they are: a norm's weight and bias, or
    /// a layer's.
    writers: Vec<String>,
    /// The names of the weights of all layers that read them, whose second axis they are.
    readers: Vec<String>,
}

fn half() -> f32 {
    0.5
}

struct Equalize {
    config: EqualizeConfig,
    couples: Vec<Couple>,
}

pub(super) fn register(registry: &mut Registry) {
    let description = "Writes a model that computes the same, whose layers are given channels of more even sizes, so \
                       that they lose less when they are quantised; it appears as a whole or not at all.";
    registry.register_typed("quant.equalize", description, build);
}

fn build(mut config: EqualizeConfig) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    if config.path.extension().is_none_or(|ending| ending != "safetensors") {
        let message = format!("`{}` is no name of a safetensors file", config.path.display());
        let hint = Some("it ends in `.safetensors`".to_owned());
        return Err(vec![problem(&["path"], message, hint)]);
    }
    if !(0.0..=1.0).contains(&config.strength) {
        let message = format!("`strength` cannot be {}", config.strength);
        return Err(vec![problem(&["strength"], message, Some("it is a number of 0 to 1".to_owned()))]);
    }
    let couples = std::mem::take(&mut config.couples).into_iter();
    let couples = couples.map(|CoupleConfig { writers, readers }| Couple { writers, readers }).collect();
    Ok(Arc::new(Equalize { config, couples }))
}

impl Step for Equalize {
    fn inputs(&self) -> InputSpec {
        InputSpec::None
    }

    fn output(&self) -> Option<ValueType> {
        Some(FILE)
    }

    fn writes(&self) -> Option<PathBuf> {
        Some(self.config.path.clone())
    }

    fn run(self: Arc<Self>, _inputs: Inputs, context: StepContext) -> Work {
        Work::blocking(move || {
            let Self { config: EqualizeConfig { model, path, calibration, strength, .. }, couples } = &*self;
            let (model, calibration) = (Model::open(model)?, Calibration::open(calibration)?);
            let count = model.tensors().len() as u64;
            let mut done = 0;
            let found = equalize(&model, couples, &calibration, *strength, path, &context.cancel, |_| {
                done += 1;
                context.progress.report(done, Some(count), "tensors");
            })?;
            Ok(Output {
                value: Some(Value::new(FILE, path.clone())),
                bytes: Some(found.file_bytes),
                ..Output::default()
            })
        })
    }
}
