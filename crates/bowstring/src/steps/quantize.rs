//! `quantize`: writes the weights of a model with fewer bits; what comes out is a table of its tensors.

use std::{num::NonZero, path::PathBuf, str::FromStr, sync::Arc};

use bowstring_core::Diagnostic;
use bowstring_quant::{QuantError, table};
use bowstring_query::{Session, Table};
use bowstring_workflow::{
    ConfigProblem, InputSpec, Inputs, Output, Registry, Step, StepContext, ValueType, Work,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{config::ByName, problem};
use crate::{
    quant::{Allotment, Gates, Packed, Quantization},
    relation::{Relation, TABLE},
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QuantizeConfig {
    /// The model: a `.safetensors` file, the index of several, or the folder of a model or of a diffusers
    /// pipeline. Relative to the working directory.
    model: PathBuf,
    /// The file to write, whose name ends in `.parquet` or `.safetensors`; folders above it are made.
    path: PathBuf,
    /// Bits of a weight: 2, 3, 4 or 8. Default 4, or the profile's.
    bits: Option<u32>,
    /// How many bytes all tensors may take as they are stored, in place of `bits`: a size such as `12MB`, or a share of
    /// what they take in the model such as `25%`. Each tensor gets the bits, and without a `group_size` the groups, with
    /// which all of them fit and lose the least.
    budget: Option<NumberOrWord>,
    /// What a budget is spent by: `squared_error` of the weights, the default; `uniform`, the same bits and groups for
    /// all, the default where there are fewer than 2.5 bits for each weight; `path_kl`, how far the paths of a diffusion
    /// model diverge, estimated from a `calibration` with timesteps, the default where there is a `schedule`; or the
    /// `entropy` of the weights, to compare with.
    #[schemars(extend("anyOf" = [{"enum": ["uniform", "squared_error", "entropy", "path_kl"]}, {"type": "null"}]))]
    allocation: Option<String>,
    /// The bits that a tensor may get by a budget. Default 2, 3, 4 and 8.
    #[serde(default)]
    widths: Vec<u32>,
    /// For `path_kl`: the `scheduler_config.json` of the model. Default that of its pipeline.
    schedule: Option<PathBuf>,
    /// How many neighbouring weights of an output channel share a scale: a multiple of 8 from 16 to 256, or
    /// `channel` for all of them. Default 64, or the profile's.
    group_size: Option<NumberOrWord>,
    /// Whether the middle code is 0, and no zero points are stored. Default false.
    #[serde(default)]
    symmetric: bool,
    /// Whether a float minimum for each group is stored in place of an integer zero point, so that 0 need not
    /// stay exactly 0. Default false.
    #[serde(default)]
    float_minimum: bool,
    /// How scales are stored: in 32 or 16 bits, or for schemes without float minima as `f8` in 8. Default `f16`.
    #[schemars(extend("anyOf" = [{"enum": ["f32", "f16", "bf16", "f8"]}, {"type": "null"}]))]
    scale_type: Option<String>,
    /// Which values codes stand for: `linear`, all as far from one another, or `quadratic`, nearer to one another near 0,
    /// which most often loses less at 3 bits and more. Default `linear`.
    #[schemars(extend("anyOf" = [{"enum": ["linear", "quadratic"]}, {"type": "null"}]))]
    code_type: Option<String>,
    /// How scales are chosen: `nearest` over the whole range; `mse`, the default, by a search for the least
    /// squared error; `weighted` by one in which errors count as much as the inputs of their channel are large;
    /// `gptq` so that the layers' outputs stay the nearest. The last two need a `calibration`.
    #[schemars(extend("anyOf" = [{"enum": ["nearest", "mse", "weighted", "gptq"]}, {"type": "null"}]))]
    method: Option<String>,
    /// A file of what was seen of the layers' inputs, for `weighted`, `gptq` and `path_kl`; by the first two, layers of
    /// which nothing was seen are done as by `mse`.
    calibration: Option<PathBuf>,
    /// For `gptq`: what is added to the diagonal of second moments, as a part of its mean. Default 0.01.
    damping: Option<f64>,
    /// For `gptq`: the order in which channels are rounded, `largest` first, the default, or `natural`.
    #[schemars(extend("anyOf" = [{"enum": ["largest", "natural"]}, {"type": "null"}]))]
    order: Option<String>,
    /// Bits and groups for a place where the model shall run: `edge` has 2 and 256, `local` 4 and 128, `cloud` 8
    /// and 64.
    #[schemars(extend("anyOf" = [{"enum": ["edge", "local", "cloud"]}, {"type": "null"}]))]
    profile: Option<String>,
    /// What becomes of tensors, by patterns for their names: `keep`, `half`, or bits, as in `{"*.attn.*": 8}`; of a shape,
    /// as in `{"shape:*x3x3": 8}`, or of a kind, as in `{"kind:embedding": 8}`: `vector`, `embedding`, `first`, `last`,
    /// `inner`. The first that fits decides. Where none does, matrices between the first and the last layer are quantised,
    /// and norms, embeddings and those layers take 16 bits.
    #[serde(default)]
    policy: ByName<NumberOrWord>,
    /// The least ratio of signal to noise, in decibels, that a tensor with fewer bits may have: where one has less,
    /// the step fails and writes no file.
    min_sqnr: Option<f64>,
    /// The largest error in relation to its size that a tensor with fewer bits may have, likewise.
    max_rel_error: Option<f64>,
    /// Whether packed tensors that are further off than those two allow get more bits, up to 8, before the step fails.
    /// Default false.
    #[serde(default)]
    promote: bool,
    /// Whether tensors with numbers that are NaN or infinite are kept as they are, which is an error otherwise.
    /// Default false.
    #[serde(default)]
    keep_non_finite: bool,
    /// Whether packed tensors are kept in a folder beside the file, `PATH.parts`, until all are done, and those that
    /// a run which was stopped has left there are used. Default false.
    #[serde(default)]
    resume: bool,
    /// Writes a folder of Parquet files in place of one, each with whole tensors of no more bytes than this, as `2GB`,
    /// or with one that takes more; `path` is the folder, which must not be there yet.
    shard_size: Option<NumberOrWord>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum NumberOrWord {
    Number(u64),
    Word(String),
}

impl NumberOrWord {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Word(word) => word.clone(),
        }
    }
}

struct Quantize {
    session: Session,
    model: PathBuf,
    path: PathBuf,
    request: Quantization,
}

pub(super) fn register(registry: &mut Registry, session: &Session) {
    let session = session.clone();
    let description = "Writes the weights of a model with fewer bits into a file, which appears as a whole or not \
                       at all; its output has a row for each tensor, with how far off it is.";
    registry.register_typed("quantize", description, move |config| build(&config, &session));
}

fn build(config: &QuantizeConfig, session: &Session) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    let group = config.group_size.as_ref().map(NumberOrWord::text);
    let request = Quantization {
        profile: word("profile", config.profile.as_deref())?,
        bits: config.bits,
        group: word("group_size", group.as_deref())?,
        symmetric: config.symmetric,
        float_minimum: config.float_minimum,
        allotment: Allotment {
            budget: word("budget", config.budget.as_ref().map(NumberOrWord::text).as_deref())?,
            method: word("allocation", config.allocation.as_deref())?,
            widths: config.widths.clone(),
            schedule: config.schedule.clone(),
            ..Allotment::default()
        },
        scale_type: word("scale_type", config.scale_type.as_deref())?,
        code_type: word("code_type", config.code_type.as_deref())?,
        method: word("method", config.method.as_deref())?.unwrap_or_default(),
        calibration: config.calibration.clone(),
        damping: config.damping,
        order: word("order", config.order.as_deref())?,
        policy: config.policy.iter().map(|(pattern, what)| (pattern.clone(), what.text())).collect(),
        keep_non_finite: config.keep_non_finite,
        gates: Gates { min_sqnr: config.min_sqnr, max_rel_error: config.max_rel_error },
        promote: config.promote,
        resume: config.resume,
        shard_size: word("shard_size", config.shard_size.as_ref().map(NumberOrWord::text).as_deref())?,
        threads: NonZero::new(session.threads()),
    };
    request.check_name(&config.path).map_err(|error| wrong("path", &error))?;
    request.check().map_err(|error| match error {
        QuantError::Option { option, .. } => wrong(option, &error),
        _ => wrong("policy", &error),
    })?;
    Ok(Arc::new(Quantize {
        session: session.clone(),
        model: config.model.clone(),
        path: config.path.clone(),
        request,
    }))
}

/// What a word of the config stands for.
fn word<T: FromStr<Err = QuantError>>(
    key: &str,
    word: Option<&str>,
) -> Result<Option<T>, Vec<ConfigProblem>> {
    word.map(str::parse).transpose().map_err(|error| wrong(key, &error))
}

fn wrong(key: &str, error: &QuantError) -> Vec<ConfigProblem> {
    vec![problem(&[key], error.to_string(), error.hint())]
}

impl Step for Quantize {
    fn inputs(&self) -> InputSpec {
        InputSpec::None
    }

    fn output(&self) -> Option<ValueType> {
        Some(TABLE)
    }

    fn writes(&self) -> Option<PathBuf> {
        Some(self.path.clone())
    }

    fn run(self: Arc<Self>, _inputs: Inputs, context: StepContext) -> Work {
        Work::blocking(move || {
            let Self { session, model, path, request } = &*self;
            let Packed { report, .. } = request.run(model, path, &context.cancel, |told| {
                context.progress.report(told.done as u64, Some(told.count as u64), "tensors");
            })?;
            let rows = table(&report.tensors)?;
            let (schema, count) = (rows.schema(), rows.num_rows() as u64);
            let relation = Relation::of_table(session, Table::new(schema, vec![rows])?)?;
            Ok(Output {
                value: Some(relation.into_value()),
                rows: Some(count),
                bytes: Some(report.file_bytes),
                ..Output::default()
            })
        })
    }
}
