//! Step types for tests: what a config and a connection can be, without any work.

use std::{path::PathBuf, sync::Arc};

use bowstring_workflow::{
    ConfigProblem, InputSpec, Inputs, Output, Registry, Step, StepContext, ValueType, Work,
};
use schemars::JsonSchema;
use serde::Deserialize;

const FRAME: ValueType = ValueType("frame");
const GRAPH: ValueType = ValueType("graph");

/// A step that does nothing but to say what it takes, makes, writes and refers to.
struct Fake {
    inputs: InputSpec,
    output: Option<ValueType>,
    writes: Option<PathBuf>,
    references: Vec<String>,
}

impl Step for Fake {
    fn inputs(&self) -> InputSpec {
        self.inputs.clone()
    }

    fn output(&self) -> Option<ValueType> {
        self.output
    }

    fn writes(&self) -> Option<PathBuf> {
        self.writes.clone()
    }

    fn references(&self) -> Vec<String> {
        self.references.clone()
    }

    fn run(self: Arc<Self>, _inputs: Inputs, _context: StepContext) -> Work {
        Work::blocking(|| Ok(Output::default()))
    }
}

fn fake(inputs: InputSpec, output: Option<ValueType>) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    Ok(Arc::new(Fake { inputs, output, writes: None, references: Vec::new() }))
}

/// What `read` reads.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// The path.
    #[serde(alias = "path")]
    #[expect(dead_code, reason = "only its presence is checked")]
    input: String,
}

/// Which rows are kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// An expression.
    query: String,
}

/// What comes first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the shape is checked")]
struct Sort {
    /// Columns.
    #[schemars(length(min = 1))]
    by: Vec<String>,
    /// How many rows.
    #[schemars(range(min = 1))]
    limit: Option<u32>,
    /// Where nulls go.
    nulls: Option<Nulls>,
    /// Whether equal rows keep their order.
    stable: Option<bool>,
    /// A fraction.
    fraction: Option<f64>,
    /// Fills in for nulls.
    fill: Option<Fill>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Nulls {
    /// Before all values.
    First,
    /// After all values.
    Last,
}

/// One value for all columns, or one for each.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Fill {
    /// For all.
    #[expect(dead_code, reason = "only its type is checked")]
    All(i64),
    /// By column.
    #[expect(dead_code, reason = "only its type is checked")]
    Each(std::collections::BTreeMap<String, i64>),
}

/// Where it goes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Write {
    /// The path.
    path: PathBuf,
}

/// A query.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sql {
    /// The words after `from`.
    query: String,
}

/// Nothing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `read`, `filter`, `sort`, `write`, `sql`, `join`, `union`, `graph.build` and `graph.rank`.
pub(super) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register_typed("read", "Reads a file.", |_: Read| fake(InputSpec::None, Some(FRAME)));
    registry.register_typed("filter", "Keeps rows.", |config: Filter| match config.query.trim() {
        "" => Err(vec![ConfigProblem {
            path: vec!["query".to_owned()],
            message: "the query is empty".to_owned(),
            hint: Some("write an expression, as `value > 100`".to_owned()),
        }]),
        _ => fake(InputSpec::One(vec![FRAME]), Some(FRAME)),
    });
    registry.register_typed("sort", "Sorts rows.", |_: Sort| fake(InputSpec::One(vec![FRAME]), Some(FRAME)));
    registry.register_typed("write", "Writes a file.", |config: Write| {
        let inputs = InputSpec::One(vec![FRAME]);
        Ok(Arc::new(Fake { inputs, output: None, writes: Some(config.path), references: Vec::new() }))
    });
    registry.register_typed("sql", "Queries.", |config: Sql| {
        let inputs = InputSpec::Many { least: 0, types: vec![FRAME] };
        let words: Vec<&str> = config.query.split_whitespace().collect();
        let tables = words.windows(2).filter(|pair| pair.first() == Some(&"from"));
        let references = tables.filter_map(|pair| pair.last().map(|name| (*name).to_owned())).collect();
        Ok(Arc::new(Fake { inputs, output: Some(FRAME), writes: None, references }))
    });
    registry.register_typed("join", "Joins two.", |_: Nothing| {
        let named = vec![("left", vec![FRAME]), ("right", vec![FRAME])];
        fake(InputSpec::Named(named), Some(FRAME))
    });
    registry.register_typed("union", "Puts tables under each other.", |_: Nothing| {
        fake(InputSpec::Many { least: 2, types: vec![FRAME] }, Some(FRAME))
    });
    registry.register_typed("graph.build", "Builds a graph.", |_: Nothing| {
        fake(InputSpec::One(vec![FRAME]), Some(GRAPH))
    });
    registry.register_typed("graph.rank", "Ranks nodes.", |_: Nothing| {
        fake(InputSpec::One(vec![GRAPH]), Some(FRAME))
    });
    registry
}
