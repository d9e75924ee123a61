//! What is an algorithm, to whoever offers it under a name?

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use bowstring_graph::{Graph, Run};
use bowstring_workflow::{ConfigProblem, config_problems, from_config};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{communities, outcome::Outcome, ranking, structure, traversal};
use crate::Result;

/// Arrays that an algorithm takes beside its options, by name: one value for each node, or for each pair.
pub type Arrays = BTreeMap<&'static str, ArrayRef>;

/// An algorithm with its options, ready to run on any graph.
pub type Prepared = Box<dyn Fn(&Graph, &Arrays, &Run) -> Result<Outcome> + Send + Sync>;

/// An algorithm as steps, the command line and Python offer it.
#[derive(Clone, Copy)]
pub struct Algorithm {
    /// Its name, as `pagerank`.
    pub name: &'static str,
    /// What it computes, in one sentence.
    pub description: &'static str,
    /// By which published method.
    pub method: &'static str,
    /// What it costs: time, and memory beside the graph, the result among it.
    pub cost: &'static str,
    /// The arrays of one value for each node that it takes beside its options.
    pub arrays: &'static [&'static str],
    /// Whether it is about pairs of nodes, which come in the arrays `left` and `right`.
    pub pairs: bool,
    schema: fn() -> Schema,
    prepare: fn(Json) -> Result<Prepared, Vec<ConfigProblem>>,
}

impl std::fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Algorithm({})", self.name)
    }
}

/// The options of one algorithm, and what it does with them.
pub(super) trait Compute: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    const NAME: &'static str;
    const DESCRIPTION: &'static str;
    const METHOD: &'static str;
    const COST: &'static str;
    const ARRAYS: &'static [&'static str] = &[];
    const PAIRS: bool = false;

    fn compute(&self, graph: &Graph, arrays: &Arrays, run: &Run) -> Result<Outcome>;
}

impl Algorithm {
    pub(super) const fn of<C: Compute>() -> Self {
        Self {
            name: C::NAME,
            description: C::DESCRIPTION,
            method: C::METHOD,
            cost: C::COST,
            arrays: C::ARRAYS,
            pairs: C::PAIRS,
            schema: || SchemaGenerator::default().into_root_schema_for::<C>(),
            prepare: |options| {
                let computed = C::deserialize(&options).or_else(|_| {
                    // The schema tells what is wrong in plainer words.
                    match config_problems(Self::of::<C>().schema(), &options) {
                        problems if problems.is_empty() => from_config(options),
                        problems => Err(problems),
                    }
                })?;
                Ok(Box::new(move |graph, arrays, run| computed.compute(graph, arrays, run)))
            },
        }
    }

    /// The JSON Schema of its options.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// The algorithm with these options, a mapping of name to value.
    ///
    /// # Errors
    /// What is wrong with which option.
    pub fn prepare(&self, options: Json) -> Result<Prepared, Vec<ConfigProblem>> {
        (self.prepare)(options)
    }
}

/// Every algorithm, in the order in which they are told.
pub const ALGORITHMS: &[&[Algorithm]] =
    &[traversal::ALGORITHMS, ranking::ALGORITHMS, structure::ALGORITHMS, communities::ALGORITHMS];

/// The algorithm of this name.
pub fn algorithm(name: &str) -> Option<&'static Algorithm> {
    ALGORITHMS.iter().copied().flatten().find(|algorithm| algorithm.name == name)
}
