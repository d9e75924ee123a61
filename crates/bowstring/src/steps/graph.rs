//! `graph.build` and one step for each algorithm, which takes a graph, or a table with the columns of its
//! edges named.

use std::sync::Arc;

use bowstring_core::ErrorKind;
use bowstring_graph::{Graph, Run};
use bowstring_query::{Session, Table};
use bowstring_workflow::{
    ConfigProblem, InputSpec, Inputs, Output, Registry, Step, StepContext, StepError, StepResult, StepType,
    Value, ValueType, Work, from_config,
};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value as Json};

use super::{at, problem, relations};
use crate::{
    graph::{ALGORITHMS, Algorithm, Arrays, EdgeOptions, GRAPH_KEYS, Prepared, read_pairs},
    relation::{GRAPH, Relation, TABLE},
};

/// What the steps share: where plans run, and what kernels may use.
#[derive(Clone)]
pub(super) struct Kernels {
    session: Session,
    run: Run,
}

pub(super) fn register(registry: &mut Registry, session: &Session, run: &Run) {
    let kernels = Kernels { session: session.clone(), run: run.clone() };
    let own = kernels.clone();
    let description = "Builds a graph from a table of edges, for any number of `graph.*` steps.";
    registry.register_typed("graph.build", description, move |options: EdgeOptions| {
        Ok(Arc::new(Build { options, kernels: own.clone() }))
    });
    for algorithm in ALGORITHMS.iter().copied().flatten() {
        let name = format!("graph.{}", algorithm.name);
        registry.register(Arc::new(Kind { name, algorithm, kernels: kernels.clone() }));
    }
}

/// `graph.build`.
struct Build {
    options: EdgeOptions,
    kernels: Kernels,
}

impl Step for Build {
    fn inputs(&self) -> InputSpec {
        InputSpec::One(vec![TABLE])
    }

    fn output(&self) -> Option<ValueType> {
        Some(GRAPH)
    }

    fn run(self: Arc<Self>, inputs: Inputs, context: StepContext) -> Work {
        Work::blocking(move || {
            let run = self.kernels.run.clone().with_cancel(context.cancel.clone());
            let graph = graph(&inputs, Some(&self.options), &run)?;
            let (rows, bytes) = (graph.num_edges() as u64, graph.csr().num_bytes() as u64);
            let value = Some(Value::new(GRAPH, graph));
            Ok(Output { value, rows: Some(rows), bytes: Some(bytes), ..Output::default() })
        })
    }
}

/// The step type of an algorithm.
struct Kind {
    name: String,
    algorithm: &'static Algorithm,
    kernels: Kernels,
}

impl StepType for Kind {
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> &str {
        self.algorithm.description
    }

    /// The options of the algorithm, then those of the edges, which only a table needs.
    fn config_schema(&self) -> Schema {
        let mut schema = self.algorithm.schema();
        let mut edges = SchemaGenerator::default().into_root_schema_for::<EdgeOptions>();
        for part in ["properties", "$defs"] {
            let Some(Json::Object(more)) = edges.remove(part) else { continue };
            let own = schema.ensure_object().entry(part).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(own) = own {
                own.extend(more);
            }
        }
        schema.insert("dependentRequired".into(), dependent());
        schema
    }

    fn build(&self, config: Json) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
        let Json::Object(config) = config else {
            return Err(vec![problem(&[], "a config is a mapping", None)]);
        };
        let (edges, options): (Map<_, _>, Map<_, _>) =
            config.into_iter().partition(|(key, _)| GRAPH_KEYS.contains(&key.as_str()));
        let edges = match edges.is_empty() {
            true => None,
            false => Some(from_config::<EdgeOptions>(Json::Object(edges))?),
        };
        let computed = self.algorithm.prepare(Json::Object(options))?;
        Ok(Arc::new(Compute { edges, computed, algorithm: self.algorithm, kernels: self.kernels.clone() }))
    }
}

/// Options of the edges without their columns say nothing.
fn dependent() -> Json {
    let both = serde_json::json!(["source", "target"]);
    Json::Object(GRAPH_KEYS.iter().map(|key| ((*key).to_owned(), both.clone())).collect())
}

/// A configured algorithm.
struct Compute {
    edges: Option<EdgeOptions>,
    computed: Prepared,
    algorithm: &'static Algorithm,
    kernels: Kernels,
}

impl Step for Compute {
    fn inputs(&self) -> InputSpec {
        // With its columns named, the input is a table; else it must be a graph.
        let first = if self.edges.is_some() { TABLE } else { GRAPH };
        match self.algorithm.pairs {
            false => InputSpec::One(vec![first]),
            true => InputSpec::Named(vec![("graph", vec![first]), ("pairs", vec![TABLE])]),
        }
    }

    fn mend_type(&self, made: ValueType) -> Option<String> {
        let hint = match (made == TABLE, &self.edges) {
            (true, None) => "name the columns of the edges in its config: `source` and `target`",
            (false, Some(_)) => {
                "leave out `source`, `target` and the other keys of edges: they are for a table"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    fn output(&self) -> Option<ValueType> {
        Some(TABLE)
    }

    fn run(self: Arc<Self>, inputs: Inputs, context: StepContext) -> Work {
        Work::blocking(move || self.compute(&inputs, &context))
    }
}

impl Compute {
    fn compute(&self, inputs: &Inputs, context: &StepContext) -> StepResult {
        let run = self.kernels.run.clone().with_cancel(context.cancel.clone());
        let graph = graph(inputs, self.edges.as_ref(), &run)?;
        let outcome = (self.computed)(&graph, &pairs(inputs, &run)?, &run)?;
        let batch = outcome.table(&graph)?;
        let table = Table::new(batch.schema(), vec![batch])?;
        let (rows, bytes) = (table.num_rows() as u64, table.num_bytes() as u64);
        let value = Some(Relation::of_table(&self.kernels.session, table)?.into_value());
        Ok(Output { value, rows: Some(rows), bytes: Some(bytes), ..Output::default() })
    }
}

/// The columns `left` and `right` of the table `pairs`, where there is one.
fn pairs(inputs: &Inputs, run: &Run) -> Result<Arrays, StepError> {
    let Some(relation) = inputs.get("pairs").and_then(|value| value.downcast::<Relation>()) else {
        return Ok(Arrays::new());
    };
    read_pairs(&relation.frame, run).map_err(|error| at(error, &relation.sources))
}

/// The graph that arrives, or that of the edges in the table that does.
fn graph(inputs: &Inputs, edges: Option<&EdgeOptions>, run: &Run) -> Result<Graph, StepError> {
    let missing = || StepError::new(ErrorKind::Internal, "an input is missing");
    match edges {
        None => {
            let value = inputs.first().ok_or_else(missing)?;
            value.downcast::<Graph>().map(|graph| Graph::clone(&graph)).ok_or_else(missing)
        }
        Some(options) => {
            let (_, relation) = relations(inputs).into_iter().next().ok_or_else(missing)?;
            options.graph(&relation.frame, run).map_err(|error| at(error, &relation.sources))
        }
    }
}
