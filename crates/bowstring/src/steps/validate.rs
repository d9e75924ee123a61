//! `validate`: does a table hold what is expected of it? It hands its input on as it came, or fails
//! with all expectations that are not met.

use std::sync::Arc;

use arrow::{array::AsArray, datatypes::Int64Type};
use bowstring_core::ErrorKind;
use bowstring_query::{Frame, QueryError};
use bowstring_workflow::{
    ConfigProblem, InputSpec, Inputs, Output, Registry, Step, StepContext, StepError, StepResult, ValueType,
    Work,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::{at, config::ByName, passed_on, problem, relations};
use crate::relation::{Relation, TABLE, quoted};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ValidateConfig {
    /// Columns without nulls.
    #[serde(default)]
    not_null: Vec<String>,
    /// Lists of columns whose values together occur once; nulls count as equal.
    #[serde(default)]
    unique: Vec<Vec<String>>,
    /// Column to `[lowest, highest]`, both allowed, either may be null. Nulls in the column are allowed.
    #[serde(default)]
    range: ByName<[Json; 2]>,
    /// Column to the values that it may have. Nulls are allowed.
    #[serde(default)]
    accepted: ByName<Vec<Json>>,
    /// Column to a regular expression that matches somewhere in each value. Nulls are allowed.
    #[serde(default)]
    regex: ByName<String>,
    /// How many rows there may be.
    #[serde(default)]
    rows: Rows,
}

/// How many rows there may be.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rows {
    min: Option<u64>,
    max: Option<u64>,
}

/// A condition that no row may meet, and how a breach of it reads.
struct Rule {
    breach: String,
    says: String,
}

struct Validate {
    rules: Vec<Rule>,
    unique: Vec<Vec<String>>,
    rows: Rows,
}

pub(super) fn register(registry: &mut Registry) {
    let description =
        "Hands its input on when it meets every expectation, and fails with all that it does not.";
    registry.register_typed("validate", description, |config| build(&config));
}

fn build(config: &ValidateConfig) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    let mut problems = Vec::new();
    let mut rules = Vec::new();
    for column in &config.not_null {
        rules.push(Rule {
            breach: format!("{} IS NULL", quoted(column)),
            says: format!("not_null: `{column}` is null"),
        });
    }
    for (column, [low, high]) in &config.range {
        let bounds: Vec<String> = [(low, "<"), (high, ">")]
            .into_iter()
            .filter(|(bound, _)| !bound.is_null())
            .filter_map(|(bound, op)| Some(format!("{} {op} {}", quoted(column), literal(bound)?)))
            .collect();
        let expected = [low, high].iter().filter(|bound| !bound.is_null()).count();
        if bounds.is_empty() || bounds.len() < expected {
            let message = "a range is two numbers or texts, of which one may be null";
            problems.push(problem(&["range", column], message, None));
            continue;
        }
        let says = format!("range: `{column}` is not within {low} and {high}");
        rules.push(Rule { breach: bounds.join(" OR "), says });
    }
    for (column, values) in &config.accepted {
        match values.iter().map(literal).collect::<Option<Vec<_>>>() {
            Some(list) if !list.is_empty() => rules.push(Rule {
                breach: format!("{} NOT IN ({})", quoted(column), list.join(", ")),
                says: format!("accepted: `{column}` is none of {}", Json::from(values.clone())),
            }),
            _ => {
                let message = "accepted values are texts, numbers, true or false, and at least one";
                problems.push(problem(&["accepted", column], message, None));
            }
        }
    }
    for (column, pattern) in &config.regex {
        if let Err(error) = regex::Regex::new(pattern) {
            problems.push(problem(
                &["regex", column],
                format!("this is no regular expression: {error}"),
                None,
            ));
        }
        rules.push(Rule {
            breach: format!("NOT regexp_like({}, {})", quoted(column), text(pattern)),
            says: format!("regex: `{column}` does not match {}", Json::from(pattern.as_str())),
        });
    }
    if config.unique.iter().any(Vec::is_empty) {
        problems.push(problem(&["unique"], "each entry is a list of at least one column", None));
    }
    if let Rows { min: Some(min), max: Some(max) } = config.rows
        && min > max
    {
        problems.push(problem(&["rows"], "`min` is above `max`", None));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Arc::new(Validate {
        rules,
        unique: config.unique.clone(),
        rows: Rows { min: config.rows.min, max: config.rows.max },
    }))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A value as SQL.
fn literal(value: &Json) -> Option<String> {
    match value {
        Json::Bool(value) => Some(value.to_string()),
        Json::Number(value) => Some(value.to_string()),
        Json::String(value) => Some(text(value)),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

impl Validate {
    /// Every expectation that is not met.
    fn breaches(&self, input: &Relation, context: &StepContext) -> Result<Vec<String>, StepError> {
        let run = |frame: Result<Frame, QueryError>| -> Result<Vec<i64>, StepError> {
            let collected = frame.and_then(|frame| frame.collect(&context.cancel));
            Ok(numbers(&collected.map_err(|error| at(error, &input.sources))?.table))
        };
        let mut counts = vec![("rows".to_owned(), "count(*)".to_owned())];
        for (at, rule) in self.rules.iter().enumerate() {
            counts.push((format!("rule{at}"), format!("count(CASE WHEN {} THEN 1 END)", rule.breach)));
        }
        let counts = run(input.frame.aggregate(&[], &counts))?;
        let [rows, counts @ ..] = counts.as_slice() else {
            return Err(StepError::new(ErrorKind::Internal, "the expectations were not counted"));
        };
        let mut breaches = Vec::new();
        let count = u64::try_from(*rows).unwrap_or_default();
        if self.rows.min.is_some_and(|min| count < min) || self.rows.max.is_some_and(|max| count > max) {
            let bound =
                |bound: Option<u64>| bound.map_or_else(|| "any".to_owned(), |bound| bound.to_string());
            let (min, max) = (bound(self.rows.min), bound(self.rows.max));
            breaches.push(format!("rows: there are {count}, not between {min} and {max}"));
        }
        for (rule, broken) in self.rules.iter().zip(counts).filter(|(_, broken)| **broken > 0) {
            breaches.push(format!("{} in {broken} of {rows} rows", rule.says));
        }
        for columns in &self.unique {
            let by: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
            let each = "bowstring_count".to_owned();
            let repeated = input
                .frame
                .aggregate(&by, &[(each.clone(), "count(*)".to_owned())])
                .and_then(|groups| groups.filter(&format!("{each} > 1")))
                .and_then(|groups| groups.aggregate(&[], &[("groups".to_owned(), "count(*)".to_owned())]));
            let groups = run(repeated)?.first().copied().unwrap_or_default();
            if groups > 0 {
                let columns = bowstring_core::quoted_list(columns.iter().map(String::as_str));
                let values = if groups == 1 { "value occurs" } else { "values occur" };
                breaches.push(format!("unique: {groups} {values} more than once in {columns}"));
            }
        }
        Ok(breaches)
    }
}

/// The first row of a table of 64-bit integers.
fn numbers(table: &bowstring_query::Table) -> Vec<i64> {
    let batch = table.batches().iter().find(|batch| batch.num_rows() > 0);
    let columns = batch.into_iter().flat_map(|batch| batch.columns());
    columns
        .filter_map(|column| column.as_primitive_opt::<Int64Type>())
        .map(|column| column.value(0))
        .collect()
}

impl Step for Validate {
    fn inputs(&self) -> InputSpec {
        InputSpec::One(vec![TABLE])
    }

    fn output(&self) -> Option<ValueType> {
        Some(TABLE)
    }

    fn passes_on(&self) -> bool {
        true
    }

    fn run(self: Arc<Self>, inputs: Inputs, context: StepContext) -> Work {
        Work::blocking(move || self.validate(&inputs, &context))
    }
}

impl Validate {
    fn validate(&self, inputs: &Inputs, context: &StepContext) -> StepResult {
        let from = relations(inputs);
        let Some((_, input)) = from.first() else {
            return Err(StepError::new(ErrorKind::Internal, "an input is missing"));
        };
        let breaches = self.breaches(input, context)?;
        let table = input.table.as_ref();
        match breaches.len() {
            0 => Ok(Output {
                value: Some(passed_on(input)),
                rows: table.map(|table| table.num_rows() as u64),
                bytes: table.map(|table| table.num_bytes() as u64),
                ..Output::default()
            }),
            1 => Err(Self::failed(format!("an expectation is not met: {}", breaches.concat()), input)),
            count => {
                let list = breaches.join("\n  - ");
                Err(Self::failed(format!("{count} expectations are not met:\n  - {list}"), input))
            }
        }
    }

    fn failed(message: String, input: &Relation) -> StepError {
        let place = input.sources.first().map(ToString::to_string);
        StepError { place, ..StepError::new(ErrorKind::Failed, message) }
    }
}
