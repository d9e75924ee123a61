//! Does a step's config fit its type, and what does it build?

use std::{collections::HashMap, sync::Arc};

use bowstring_core::nearest;
use jsonschema::Validator;
use schemars::Schema;
use serde_json::{Map, Value as Json};

use crate::{
    ConfigProblem, Step, StepType,
    explain::{Finding, explain},
    problem::Sink,
    tree::{Kind, Node, Spot},
};

/// Builds steps; the schema of each type is compiled once.
#[derive(Default)]
pub(crate) struct Configs {
    schemas: HashMap<String, Result<Compiled, String>>,
}

struct Compiled {
    schema: Json,
    validator: Validator,
}

impl Configs {
    /// The step that `config` (none is an empty one) makes of `step_type`; `None` when there is none,
    /// of which each reason is told. `step` is where the step stands.
    pub(crate) fn build(
        &mut self,
        step_type: &Arc<dyn StepType>,
        config: Option<&(&Node, Spot<'_>)>,
        step: &Spot<'_>,
        sink: &mut Sink,
    ) -> Option<Arc<dyn Step>> {
        let value = match config {
            Some((node, _)) => node.to_json()?,
            None => Json::Object(Map::new()),
        };
        let problems = match self.compiled(step_type) {
            Err(reason) => {
                let message = format!("the config of `{}` cannot be checked: {reason}", step_type.name());
                vec![ConfigProblem { path: Vec::new(), message, hint: None }.into()]
            }
            Ok(Compiled { schema, validator }) => {
                let errors: Vec<_> = validator.iter_errors(&value).collect();
                if errors.is_empty() {
                    match step_type.build(value) {
                        Ok(step) => return Some(step),
                        Err(problems) => problems.into_iter().map(Finding::from).collect(),
                    }
                } else {
                    explain(&errors, &value, schema)
                }
            }
        };
        if problems.is_empty() {
            let message = format!("`{}` refuses this config and does not say why", step_type.name());
            config.map_or(step, |(_, spot)| spot).report(sink, message, None);
        }
        for finding in problems {
            let spot = match config {
                Some((node, spot)) => locate(node, spot, &finding),
                None => step.clone(),
            };
            spot.report(sink, finding.problem.message, finding.problem.hint);
        }
        None
    }

    fn compiled(&mut self, step_type: &Arc<dyn StepType>) -> Result<&Compiled, &str> {
        let name = step_type.name().to_owned();
        let compiled = self.schemas.entry(name).or_insert_with(|| {
            let schema = bounded_schema(step_type.as_ref());
            let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
            Ok(Compiled { schema, validator })
        });
        compiled.as_ref().map_err(String::as_str)
    }
}

/// What is wrong with a config by its schema, in plain words; nothing where it fits.
pub fn config_problems(schema: Schema, config: &Json) -> Vec<ConfigProblem> {
    let mut schema = schema.to_value();
    bound(&mut schema);
    let Ok(validator) = jsonschema::validator_for(&schema) else { return Vec::new() };
    let errors: Vec<_> = validator.iter_errors(config).collect();
    explain(&errors, config, &schema).into_iter().map(|finding| finding.problem).collect()
}

/// The schema of a type's config, in which whole numbers have the bounds of their Rust types.
pub(crate) fn bounded_schema(step_type: &dyn StepType) -> Json {
    let mut schema = step_type.config_schema().to_value();
    bound(&mut schema);
    schema
}

fn bound(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(bound),
        Json::Object(words) => {
            let (least, most) = match words.get("format").and_then(Json::as_str) {
                Some("uint8") => (0, i64::from(u8::MAX)),
                Some("uint16") => (0, i64::from(u16::MAX)),
                Some("uint32") => (0, i64::from(u32::MAX)),
                Some("int8") => (i64::from(i8::MIN), i64::from(i8::MAX)),
                Some("int16") => (i64::from(i16::MIN), i64::from(i16::MAX)),
                Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
                _ => return words.values_mut().for_each(bound),
            };
            words.entry("minimum").or_insert(least.into());
            words.entry("maximum").or_insert(most.into());
        }
        _ => {}
    }
}

/// The place that a problem's path names, or the last one on the way that exists.
fn locate<'a>(node: &'a Node, spot: &Spot<'a>, finding: &Finding) -> Spot<'a> {
    let path = &finding.problem.path;
    let (mut node, mut spot) = (node, spot.clone());
    for (depth, segment) in path.iter().enumerate() {
        match &node.kind {
            Kind::Map(entries) => {
                let Some(entry) = entries.iter().find(|entry| entry.key == *segment) else { break };
                let is_key = finding.at_key && depth + 1 == path.len();
                let mark = if is_key { entry.mark } else { entry.value.mark };
                spot = spot.key(&entry.key, mark);
                node = &entry.value;
            }
            Kind::List(items) => {
                let index = segment.parse::<usize>().ok();
                let Some((index, item)) = index.and_then(|index| Some((index, items.get(index)?))) else {
                    break;
                };
                spot = spot.index(index, item.mark);
                node = item;
            }
            _ => break,
        }
    }
    spot
}

/// Whether a missing key was meant by one that is not known, so that it need not be told as well.
pub(crate) fn is_misspelled<'k>(missing: &str, unknown: impl IntoIterator<Item = &'k str>) -> bool {
    unknown.into_iter().any(|key| nearest(key, [missing]).is_some())
}
