//! The relational steps: each adds to the lazy plan of its inputs, so that a chain of them is
//! optimised and run as one.

use std::sync::Arc;

use bowstring_query::{Frame, JoinKind, QueryError, SampleSize, Session, referenced_tables};
use bowstring_workflow::{
    ConfigProblem, Fusion, InputSpec, Inputs, Registry, Step, StepContext, ValueType, Work,
};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};

use super::{at, config::ByName, plan_or_rows, problem, relations};
use crate::relation::{Operator, Relation, TABLE};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FilterConfig {
    /// The condition, a SQL expression: rows are kept where it is true.
    query: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SelectConfig {
    /// The columns of the output: names, or SQL expressions with `AS name`.
    #[schemars(length(min = 1))]
    columns: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WithColumnsConfig {
    /// Name to SQL expression; a column of that name is replaced, a new one stands last.
    #[schemars(extend("minProperties" = 1))]
    columns: ByName<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RenameConfig {
    /// Old name to new name.
    #[schemars(extend("minProperties" = 1))]
    columns: ByName<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DropConfig {
    /// The columns to leave out.
    #[schemars(length(min = 1))]
    columns: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CastConfig {
    /// Name to type, as `int64`, `float64`, `string`, `date`, `timestamp` or `DECIMAL(10, 2)`. A
    /// value that cannot be converted is an error.
    #[schemars(extend("minProperties" = 1))]
    columns: ByName<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FillNullConfig {
    /// Name to the value that stands for null, of the column's type.
    #[schemars(extend("minProperties" = 1))]
    columns: ByName<serde_json::Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JoinConfig {
    /// Columns of the same name on both sides that must be equal; they appear once in the output.
    #[schemars(length(min = 1))]
    on: Option<Vec<String>>,
    /// Columns of the left side, with `right_on`.
    #[schemars(length(min = 1))]
    left_on: Option<Vec<String>>,
    /// Columns of the right side, one for each of `left_on`.
    #[schemars(length(min = 1))]
    right_on: Option<Vec<String>>,
    /// Which rows are kept. Default `inner`.
    #[serde(default)]
    how: How,
}

/// Which rows of a join are kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum How {
    #[default]
    Inner,
    Left,
    Right,
    Full,
    /// Rows of the left side that have a match; columns of the left side alone.
    Semi,
    /// Rows of the left side that have none; columns of the left side alone.
    Anti,
    /// Every pair of rows; without `on`.
    Cross,
}

impl From<How> for JoinKind {
    fn from(how: How) -> Self {
        match how {
            How::Inner => JoinKind::Inner,
            How::Left => JoinKind::Left,
            How::Right => JoinKind::Right,
            How::Full => JoinKind::Full,
            How::Semi => JoinKind::Semi,
            How::Anti => JoinKind::Anti,
            How::Cross => JoinKind::Cross,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AggregateConfig {
    /// Columns or SQL expressions whose equal values make a group; none for one group of all rows.
    #[serde(default)]
    by: Vec<String>,
    /// Name to aggregate, as `{total: "sum(price)"}`.
    #[schemars(extend("minProperties" = 1))]
    aggs: ByName<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SortConfig {
    /// Columns or expressions, most significant first, each with `asc` (the default) or `desc` after
    /// it, and `nulls first` or `nulls last` (the default).
    #[schemars(length(min = 1))]
    by: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LimitConfig {
    /// The most rows that are kept.
    n: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DistinctConfig {
    /// The columns that must differ; all when absent.
    #[serde(default)]
    columns: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UnionConfig {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SampleConfig {
    /// How many rows; all when there are fewer.
    n: Option<u64>,
    /// Each row with this probability, from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    fraction: Option<f64>,
    /// The same seed and rows give the same sample. Default 0.
    #[serde(default)]
    seed: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SqlConfig {
    /// A query. The tables that it names are steps, or inputs by their names.
    query: String,
}

type Apply = Box<dyn Fn(&Session, &[(String, Relation)]) -> Result<Frame, QueryError> + Send + Sync>;

struct Relational {
    session: Session,
    inputs: InputSpec,
    references: Vec<String>,
    operator: Operator,
    apply: Apply,
}

impl Step for Relational {
    fn inputs(&self) -> InputSpec {
        self.inputs.clone()
    }

    fn output(&self) -> Option<ValueType> {
        Some(TABLE)
    }

    fn fusion(&self) -> Fusion {
        Fusion::Lazy
    }

    fn references(&self) -> Vec<String> {
        self.references.clone()
    }

    fn run(self: Arc<Self>, inputs: Inputs, context: StepContext) -> Work {
        Work::blocking(move || {
            let from = relations(&inputs);
            let frame = (self.apply)(&self.session, &from).map_err(|error| {
                let sources: Vec<_> =
                    from.iter().flat_map(|(_, input)| input.sources.iter().cloned()).collect();
                at(error, &sources)
            })?;
            plan_or_rows(&self.session, &from, frame, self.operator, &context)
        })
    }
}

/// Registers a step of one input.
pub(super) fn one<C, F>(
    registry: &mut Registry,
    session: &Session,
    name: &'static str,
    description: &'static str,
    operator: Operator,
    apply: F,
) where
    C: DeserializeOwned + JsonSchema + Send + Sync + 'static,
    F: Fn(&C, &Frame) -> Result<Frame, QueryError> + Clone + Send + Sync + 'static,
{
    let session = session.clone();
    registry.register_typed(name, description, move |config: C| {
        let apply = apply.clone();
        Ok(Arc::new(Relational {
            session: session.clone(),
            inputs: InputSpec::One(vec![TABLE]),
            references: Vec::new(),
            operator,
            apply: Box::new(move |_, from| {
                let [(_, input), ..] = from else { return Err(no_input()) };
                apply(&config, &input.frame)
            }),
        }))
    });
}

/// Validation refuses a step whose inputs are not there, so this is not met.
fn no_input() -> QueryError {
    QueryError::Internal { during: "reading the inputs of a step", reason: "an input is missing".into() }
}

fn pairs<T: Clone>(columns: &ByName<T>) -> Vec<(String, T)> {
    columns.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

pub(super) fn register(registry: &mut Registry, session: &Session) {
    one(registry, session, "filter", "Keeps the rows for which a condition is true.", Operator::Filter, {
        |config: &FilterConfig, frame: &Frame| frame.filter(&config.query)
    });
    one(registry, session, "select", "Chooses and computes columns.", Operator::Project, {
        |config: &SelectConfig, frame: &Frame| frame.select(&config.columns)
    });
    one(registry, session, "with_columns", "Adds or replaces columns.", Operator::Project, {
        |config: &WithColumnsConfig, frame: &Frame| frame.with_columns(&pairs(&config.columns))
    });
    one(registry, session, "rename", "Renames columns.", Operator::Project, {
        |config: &RenameConfig, frame: &Frame| frame.rename(&pairs(&config.columns))
    });
    one(registry, session, "drop", "Leaves columns out.", Operator::Project, {
        |config: &DropConfig, frame: &Frame| frame.drop(&config.columns)
    });
    one(registry, session, "cast", "Changes the types of columns.", Operator::Project, {
        |config: &CastConfig, frame: &Frame| frame.cast(&pairs(&config.columns))
    });
    one(registry, session, "fill_null", "Puts values in place of nulls.", Operator::Project, {
        |config: &FillNullConfig, frame: &Frame| frame.fill_null(&pairs(&config.columns))
    });
    one(registry, session, "aggregate", "Sums up groups of rows.", Operator::Aggregate, {
        |config: &AggregateConfig, frame: &Frame| frame.aggregate(&config.by, &pairs(&config.aggs))
    });
    one(registry, session, "sort", "Orders the rows.", Operator::Sort, {
        |config: &SortConfig, frame: &Frame| frame.sort(&config.by)
    });
    one(registry, session, "limit", "Keeps the first rows.", Operator::Other, {
        |config: &LimitConfig, frame: &Frame| frame.limit(usize::try_from(config.n).unwrap_or(usize::MAX))
    });
    one(registry, session, "distinct", "Keeps one of equal rows.", Operator::Other, {
        |config: &DistinctConfig, frame: &Frame| frame.distinct(&config.columns)
    });
    let own = session.clone();
    registry.register_typed("sample", "Keeps a random part of the rows.", move |config| sample(config, &own));
    let own = session.clone();
    registry.register_typed("join", "Joins `inputs: {left, right}`.", move |config| join(config, &own));
    let own = session.clone();
    let description = "All rows of all inputs, whose columns have the same names.";
    registry.register_typed("union", description, move |UnionConfig {}| Ok(union(&own)));
    let own = session.clone();
    registry
        .register_typed("sql", "Runs a query over the steps that it names.", move |config| sql(config, &own));
}

fn sample(config: SampleConfig, session: &Session) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    let size = match (config.n, config.fraction) {
        (Some(rows), None) => SampleSize::Rows(rows),
        (None, Some(fraction)) => SampleSize::Fraction(fraction),
        _ => return Err(vec![problem(&[], "either `n` or `fraction` says how many rows", None)]),
    };
    Ok(Arc::new(Relational {
        session: session.clone(),
        inputs: InputSpec::One(vec![TABLE]),
        references: Vec::new(),
        operator: Operator::Other,
        apply: Box::new(move |_, from| {
            let [(_, input), ..] = from else { return Err(no_input()) };
            input.frame.sample(size, config.seed)
        }),
    }))
}

fn join(config: JoinConfig, session: &Session) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    let how = JoinKind::from(config.how);
    let keys: Vec<(String, String)> = match (config.on, config.left_on, config.right_on) {
        (Some(on), None, None) => on.into_iter().map(|name| (name.clone(), name)).collect(),
        (None, Some(left), Some(right)) if left.len() == right.len() => left.into_iter().zip(right).collect(),
        (None, Some(_), Some(_)) => {
            return Err(vec![problem(
                &["right_on"],
                "`left_on` and `right_on` have different lengths",
                None,
            )]);
        }
        (None, None, None) if how == JoinKind::Cross => Vec::new(),
        _ => {
            let hint = "name the keys in `on`, or in `left_on` and `right_on`";
            return Err(vec![problem(&[], "the keys of the join are not clear", Some(hint.into()))]);
        }
    };
    if how == JoinKind::Cross && !keys.is_empty() {
        return Err(vec![problem(&[], "a cross join has no keys", None)]);
    }
    Ok(Arc::new(Relational {
        session: session.clone(),
        inputs: InputSpec::Named(vec![("left", vec![TABLE]), ("right", vec![TABLE])]),
        references: Vec::new(),
        operator: Operator::Join,
        apply: Box::new(move |_, from| {
            let side =
                |name| from.iter().find(|(input, _)| input == name).map(|(_, relation)| &relation.frame);
            let (Some(left), Some(right)) = (side("left"), side("right")) else { return Err(no_input()) };
            left.join(right, &keys, how)
        }),
    }))
}

fn union(session: &Session) -> Arc<dyn Step> {
    Arc::new(Relational {
        session: session.clone(),
        inputs: InputSpec::Many { least: 2, types: vec![TABLE] },
        references: Vec::new(),
        operator: Operator::Other,
        apply: Box::new(|_, from| {
            let [(_, first), rest @ ..] = from else { return Err(no_input()) };
            rest.iter().try_fold(first.frame.clone(), |all, (_, next)| all.union(&next.frame))
        }),
    })
}

fn sql(config: SqlConfig, session: &Session) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    let references = referenced_tables(&config.query).map_err(|error| {
        let hint = bowstring_core::Diagnostic::hint(&error);
        let place = bowstring_core::Diagnostic::place(&error).map(|place| format!(" at {place}"));
        vec![problem(&["query"], format!("{error}{}", place.unwrap_or_default()), hint)]
    })?;
    Ok(Arc::new(Relational {
        session: session.clone(),
        inputs: InputSpec::Many { least: 0, types: vec![TABLE] },
        references,
        operator: Operator::Other,
        apply: Box::new(move |session, from| {
            let tables: Vec<(String, Frame)> =
                from.iter().map(|(name, relation)| (name.clone(), relation.frame.clone())).collect();
            session.sql(&config.query, &tables)
        }),
    }))
}
