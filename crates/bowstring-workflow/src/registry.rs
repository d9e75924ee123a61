//! Which step types exist, and how is one built from its config?

use std::{collections::BTreeMap, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::step::Step;

/// A step type: what `type: …` names in a document.
pub trait StepType: Send + Sync {
    /// The name, as `filter` or `graph.pagerank`.
    fn name(&self) -> &str;

    /// One sentence for the schema and the reference.
    fn description(&self) -> &str;

    /// The JSON Schema of its config; unknown keys are refused by `additionalProperties: false`.
    fn config_schema(&self) -> Schema;

    /// Builds the step from a config in which parameters are already filled in and which fits the
    /// schema.
    ///
    /// # Errors
    /// Every problem of the config that the schema cannot express.
    fn build(&self, config: Json) -> Result<Arc<dyn Step>, Vec<ConfigProblem>>;
}

/// What is wrong with a step's config, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Keys and indices from the config down to the culprit; empty for the config itself.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// The step types of a run.
#[derive(Clone, Default)]
pub struct Registry {
    types: BTreeMap<String, Arc<dyn StepType>>,
}

impl Registry {
    /// No step types.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a type; one of the same name is replaced and returned.
    pub fn register(&mut self, step_type: Arc<dyn StepType>) -> Option<Arc<dyn StepType>> {
        self.types.insert(step_type.name().to_owned(), step_type)
    }

    /// Adds a type whose config is deserialised into `C` and given to `build`.
    pub fn register_typed<C, F>(&mut self, name: &'static str, description: &'static str, build: F)
    where
        C: DeserializeOwned + JsonSchema + 'static,
        F: Fn(C) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> + Send + Sync + 'static,
    {
        self.register(Arc::new(Typed {
            name,
            description,
            build,
            config: std::marker::PhantomData::<fn() -> C>,
        }));
    }

    /// The type of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn StepType>> {
        self.types.get(name)
    }

    /// All types, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn StepType>> {
        self.types.values()
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }
}

struct Typed<C, F> {
    name: &'static str,
    description: &'static str,
    build: F,
    config: std::marker::PhantomData<fn() -> C>,
}

impl<C, F> StepType for Typed<C, F>
where
    C: DeserializeOwned + JsonSchema + 'static,
    F: Fn(C) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> + Send + Sync,
{
    fn name(&self) -> &str {
        self.name
    }

    fn description(&self) -> &str {
        self.description
    }

    fn config_schema(&self) -> Schema {
        SchemaGenerator::default().into_root_schema_for::<C>()
    }

    fn build(&self, config: Json) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
        (self.build)(from_config(config)?)
    }
}

/// The options that a config holds.
///
/// # Errors
/// The first value that does not fit, and where it stands.
pub fn from_config<C: DeserializeOwned>(config: Json) -> Result<C, Vec<ConfigProblem>> {
    serde_path_to_error::deserialize(config).map_err(|error| {
        vec![ConfigProblem {
            path: error.path().iter().map_while(segment).collect(),
            message: plain(error.inner().to_string()),
            hint: None,
        }]
    })
}

/// The key or index of one step down a path; `None` where it is not known.
fn segment(segment: &serde_path_to_error::Segment) -> Option<String> {
    use serde_path_to_error::Segment;
    match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

/// JSON Schema takes `1.0` for a whole number and serde does not: said as the schema's errors are.
fn plain(message: String) -> String {
    let number = message.strip_prefix("invalid type: floating point `").and_then(|rest| rest.split_once('`'));
    match number {
        Some((number, _)) => format!("expected a whole number, found the number `{number}`"),
        None => message,
    }
}
