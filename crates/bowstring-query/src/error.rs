//! What can go wrong with a query, and whose mistake is it?

use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use bowstring_core::{Cancelled, Diagnostic, ErrorKind, nearest, quoted_list};
use bowstring_io::IoError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

/// The result of planning or running a query.
pub type Result<T, E = QueryError> = std::result::Result<T, E>;

/// What went wrong with a query.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The text is not SQL.
    #[error("cannot parse `{text}`: {reason}")]
    Syntax {
        /// The text, shortened when it is long.
        text: String,
        /// What the parser expected.
        reason: String,
        /// Line and column in the text, from 1, when the parser says so.
        position: Option<(u64, u64)>,
    },
    /// An expression, or a list of joins or unions, that is too long to be planned.
    #[error("`{text}` has too many operators in a row")]
    TooLong {
        /// The text, shortened.
        text: String,
        /// Line and column in the text, from 1, of the first operator that is too many.
        position: (u64, u64),
    },
    /// A column that the input does not have.
    #[error("there is no column `{name}`")]
    UnknownColumn {
        /// The name.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
        /// Every name that there is.
        available: Vec<String>,
    },
    /// A table that was not given to the query.
    #[error("there is no table `{name}`")]
    UnknownTable {
        /// The name.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
        /// Every name that there is.
        available: Vec<String>,
    },
    /// Two columns of a result would have one name.
    #[error("two columns would be named `{name}`")]
    DuplicateColumn {
        /// The name.
        name: String,
    },
    /// A name that stands for columns of several tables.
    #[error("`{name}` could be a column of more than one table")]
    AmbiguousColumn {
        /// The name.
        name: String,
    },
    /// Text compared with a number.
    #[error("cannot compare `{left}`, which is {left_type}, with `{right}`, which is {right_type}")]
    MixedComparison {
        /// The expression on the left.
        left: String,
        /// Its type.
        left_type: DataType,
        /// The expression on the right.
        right: String,
        /// Its type.
        right_type: DataType,
    },
    /// A column that is text in one part of a union and a number in another.
    #[error("column `{column}` is {first} in the first part of the union and {other} in another")]
    MixedUnion {
        /// The column, by its name in the first part.
        column: String,
        /// Its type there.
        first: DataType,
        /// Its type in the other part.
        other: DataType,
    },
    /// A condition that is not true or false.
    #[error("`{text}` is {data_type}, but a condition must be boolean")]
    NotBoolean {
        /// The condition.
        text: String,
        /// Its type.
        data_type: DataType,
    },
    /// A text that names no type.
    #[error("`{text}` is not a type")]
    UnknownType {
        /// The text.
        text: String,
    },
    /// A value that does not fit its column.
    #[error("the value {value} does not fit column `{column}`, which is {data_type}")]
    UnfitValue {
        /// The value, as JSON.
        value: String,
        /// The column.
        column: String,
        /// The column's type.
        data_type: DataType,
    },
    /// Two frames whose columns do not go together.
    #[error("the columns do not agree: {}", disagreement(.only_left, .only_right))]
    ColumnsDisagree {
        /// Columns that only the first frame has.
        only_left: Vec<String>,
        /// Columns that only the second frame has.
        only_right: Vec<String>,
    },
    /// A batch that has another schema than its table.
    #[error("batch {index} does not have the table's schema: {reason}")]
    BatchSchema {
        /// The batch, from 0.
        index: usize,
        /// The difference.
        reason: String,
    },
    /// A statement that does more than read.
    #[error("`{statement}` is not a query")]
    NotAQuery {
        /// The beginning of the statement.
        statement: String,
    },
    /// Any other mistake that shows when planning.
    #[error("{reason}")]
    Plan {
        /// What is wrong.
        reason: String,
        /// How to mend it, when that is known.
        hint: Option<String>,
    },
    /// A file could not be read.
    #[error("{0}")]
    Io(Arc<IoError>),
    /// A value of the data cannot be computed with as asked.
    #[error("{reason}")]
    Compute {
        /// What is wrong.
        reason: String,
    },
    /// What a function of another crate says of a call.
    #[error("{0}")]
    Function(Arc<dyn Diagnostic>),
    /// The query needs more memory than it may have, and cannot spill.
    #[error("the query needs more than its memory limit{}", limit.map(|bytes| format!(" of {}", bowstring_core::units::ByteSize(bytes))).unwrap_or_default())]
    MemoryLimit {
        /// The limit, in bytes.
        limit: Option<u64>,
        /// Which operator asked for how much.
        reason: String,
    },
    /// Writing or reading spilled data failed.
    #[error("cannot spill to disk: {0}")]
    Spill(Arc<std::io::Error>),
    /// The operating system refused to start the query's threads or its spill folder.
    #[error("cannot start a query session: {0}")]
    Start(Arc<std::io::Error>),
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A blocking call on one of the session's own threads, which would wait for itself.
    #[error("a blocking call was made on a thread of the query session")]
    BlockingOnRuntime,
    /// A bug in Bowstring or DataFusion.
    #[error("internal error while {during}: {reason}")]
    Internal {
        /// What was going on.
        during: &'static str,
        /// What is wrong.
        reason: String,
    },
}

fn disagreement(only_left: &[String], only_right: &[String]) -> String {
    let side = |names: &[String], which: &str| {
        (!names.is_empty())
            .then(|| format!("only the {which} has {}", quoted_list(names.iter().map(String::as_str))))
    };
    [side(only_left, "first"), side(only_right, "second")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

impl Diagnostic for QueryError {
    fn kind(&self) -> ErrorKind {
        match self {
            QueryError::Io(error) => error.kind(),
            QueryError::Function(error) => error.kind(),
            QueryError::Compute { .. } => ErrorKind::Data,
            QueryError::MemoryLimit { .. } => ErrorKind::Limit,
            QueryError::Spill(error) | QueryError::Start(error) => match ErrorKind::of_io(error) {
                ErrorKind::Limit => ErrorKind::Limit,
                _ => ErrorKind::Storage,
            },
            QueryError::Cancelled(error) => error.kind(),
            QueryError::BlockingOnRuntime | QueryError::Internal { .. } => ErrorKind::Internal,
            _ => ErrorKind::Usage,
        }
    }

    fn place(&self) -> Option<String> {
        match self {
            QueryError::Syntax { position: Some((line, column)), .. }
            | QueryError::TooLong { position: (line, column), .. } => {
                Some(format!("line {line}, column {column}"))
            }
            QueryError::MemoryLimit { reason, .. } => Some(reason.clone()),
            QueryError::Io(error) => error.place(),
            QueryError::Function(error) => error.place(),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            QueryError::UnknownColumn { nearest, available, .. } => {
                named(nearest.as_deref(), available, "the columns are")
            }
            QueryError::UnknownTable { nearest, available, .. } => {
                named(nearest.as_deref(), available, "the tables are")
            }
            QueryError::TooLong { .. } => {
                Some("write long lists with `in (…)`, or join with a table of the values".into())
            }
            QueryError::DuplicateColumn { .. } => Some("give one of them another name with `as`".into()),
            QueryError::AmbiguousColumn { .. } => Some("write the table's name and a dot before it".into()),
            QueryError::MixedComparison { left, left_type, right, right_type } => {
                let (text, number) =
                    if left_type.is_numeric() { (right, left_type) } else { (left, right_type) };
                Some(format!(
                    "say which is meant: `cast({text} as {})` compares numbers, quotes around a value compare text",
                    sql_name(number)
                ))
            }
            QueryError::MixedUnion { column, .. } => Some(format!("cast `{column}` in one of them")),
            QueryError::UnknownType { .. } => Some(
                "types are, for example, `int64`, `float64`, `string`, `date`, `timestamp`, `decimal(12, 2)`"
                    .into(),
            ),
            QueryError::NotAQuery { .. } => Some("write a SELECT, WITH or VALUES".into()),
            QueryError::Plan { hint, .. } => hint.clone(),
            QueryError::Io(error) => error.hint(),
            QueryError::Function(error) => error.hint(),
            QueryError::MemoryLimit { .. } => {
                Some("raise the limit (`--memory`), or read fewer columns or rows".into())
            }
            QueryError::BlockingOnRuntime => Some("use the asynchronous call".into()),
            QueryError::Internal { .. } => Some("please report this, with the query".into()),
            _ => None,
        }
    }
}

fn named(nearest: Option<&str>, available: &[String], list: &str) -> Option<String> {
    match nearest {
        Some(nearest) => Some(format!("did you mean `{nearest}`?")),
        None if available.is_empty() => None,
        None => Some(format!("{list} {}", quoted_list(available.iter().map(String::as_str)))),
    }
}

fn sql_name(number: &DataType) -> &'static str {
    match number {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "double",
        data_type if data_type.is_decimal() => "decimal",
        _ => "bigint",
    }
}

/// An error of `bowstring-io` on its way through DataFusion.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct IoFault(pub(crate) Arc<IoError>);

impl From<IoError> for QueryError {
    fn from(error: IoError) -> Self {
        match error {
            IoError::Cancelled(cancelled) => QueryError::Cancelled(cancelled),
            error => QueryError::Io(Arc::new(error)),
        }
    }
}

impl QueryError {
    pub(crate) fn unknown_column<'a>(name: &str, available: impl IntoIterator<Item = &'a str>) -> Self {
        let available: Vec<String> = available.into_iter().map(str::to_owned).collect();
        let nearest = nearest(name, available.iter().map(String::as_str)).map(str::to_owned);
        QueryError::UnknownColumn { name: name.to_owned(), nearest, available }
    }

    pub(crate) fn plan(reason: impl Into<String>) -> Self {
        QueryError::Plan { reason: reason.into(), hint: None }
    }

    /// What DataFusion says, in our terms: its wrappers taken off, each failure given its kind.
    pub(crate) fn from_datafusion(error: &DataFusionError, during: &'static str) -> Self {
        match error {
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
                Self::from_datafusion(inner, during)
            }
            DataFusionError::Shared(inner) => Self::from_datafusion(inner, during),
            DataFusionError::Collection(errors) => match errors.first() {
                Some(first) => Self::from_datafusion(first, during),
                None => QueryError::Internal { during, reason: "no error was given".into() },
            },
            DataFusionError::External(inner) => Self::from_foreign(inner.as_ref(), during),
            DataFusionError::ArrowError(inner, _) => Self::from_arrow(inner, during),
            DataFusionError::IoError(error) => Self::from_spill(error),
            DataFusionError::SQL(error, _) => crate::parse::syntax_error("", error),
            DataFusionError::SchemaError(error, _) => Self::from_schema(error),
            DataFusionError::ResourcesExhausted(reason) => {
                QueryError::MemoryLimit { limit: None, reason: refused(reason) }
            }
            DataFusionError::Plan(reason)
            | DataFusionError::NotImplemented(reason)
            | DataFusionError::Configuration(reason) => QueryError::Plan {
                reason: first_line(reason).trim_end_matches('.').to_owned(),
                hint: reason
                    .lines()
                    .find_map(|line| line.strip_prefix("Did you mean "))
                    .map(|meant| format!("did you mean {}", meant.replace('\'', "`"))),
            },
            DataFusionError::Execution(reason) => QueryError::Compute { reason: first_line(reason) },
            DataFusionError::ExecutionJoin(error) => {
                QueryError::Internal { during, reason: error.to_string() }
            }
            other => QueryError::Internal { during, reason: first_line(&other.strip_backtrace()) },
        }
    }

    fn from_foreign(error: &(dyn std::error::Error + Send + Sync + 'static), during: &'static str) -> Self {
        if let Some(IoFault(error)) = error.downcast_ref() {
            return match error.as_ref() {
                IoError::Cancelled(cancelled) => QueryError::Cancelled(*cancelled),
                _ => QueryError::Io(Arc::clone(error)),
            };
        }
        if let Some(error) = error.downcast_ref::<QueryError>() {
            return error.clone();
        }
        if let Some(error) = error.downcast_ref::<DataFusionError>() {
            return Self::from_datafusion(error, during);
        }
        if let Some(error) = error.downcast_ref::<ArrowError>() {
            return Self::from_arrow(error, during);
        }
        // What a function says of what it was given, such as of a regular expression.
        let reason = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        QueryError::Compute { reason }
    }

    fn from_arrow(error: &ArrowError, during: &'static str) -> Self {
        match error {
            ArrowError::ExternalError(inner) => Self::from_foreign(inner.as_ref(), during),
            ArrowError::IoError(_, error) => Self::from_spill(error),
            ArrowError::MemoryError(reason) => {
                QueryError::MemoryLimit { limit: None, reason: first_line(reason) }
            }
            ArrowError::DivideByZero => QueryError::Compute { reason: "division by zero".into() },
            ArrowError::ArithmeticOverflow(reason)
            | ArrowError::CastError(reason)
            | ArrowError::ComputeError(reason)
            | ArrowError::ParseError(reason)
            | ArrowError::InvalidArgumentError(reason) => QueryError::Compute { reason: first_line(reason) },
            ArrowError::NotYetImplemented(reason) => Self::plan(first_line(reason)),
            other => QueryError::Internal { during, reason: other.to_string() },
        }
    }

    fn from_spill(error: &std::io::Error) -> Self {
        let copy = match error.raw_os_error() {
            Some(code) => std::io::Error::from_raw_os_error(code),
            None => std::io::Error::new(error.kind(), error.to_string()),
        };
        QueryError::Spill(Arc::new(copy))
    }

    fn from_schema(error: &SchemaError) -> Self {
        match error {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let mut names: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
                names.dedup();
                let name = match &field.relation {
                    Some(relation) => format!("{relation}.{}", field.name),
                    None => field.name.clone(),
                };
                match Self::unknown_column(&field.name, names) {
                    QueryError::UnknownColumn { nearest, available, .. } => {
                        QueryError::UnknownColumn { name, nearest, available }
                    }
                    other => other,
                }
            }
            SchemaError::DuplicateQualifiedField { name, .. }
            | SchemaError::DuplicateUnqualifiedField { name } => {
                QueryError::DuplicateColumn { name: name.clone() }
            }
            SchemaError::AmbiguousReference { field } => {
                QueryError::AmbiguousColumn { name: field.name.clone() }
            }
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// Which operator asked for how much, of a sentence that begins with `Failed to allocate additional
/// 20.5 KB for ExternalSorter[0] with …`.
fn refused(reason: &str) -> String {
    let short = reason.split_once("additional ").and_then(|(_, rest)| {
        let (bytes, rest) = rest.split_once(" for ")?;
        let (operator, _) = rest.split_once(" with ")?;
        let (operator, _) = operator.split_once('[').unwrap_or((operator, ""));
        Some(format!("{operator}, which asked for {bytes} more"))
    });
    short.unwrap_or_else(|| first_line(reason))
}

/// For `map_err`, as [`during`]: what was going on when DataFusion failed. No value has been seen yet, so that what
/// cannot be computed is a mistake of the query.
pub(crate) fn planning(what: &'static str) -> impl Fn(DataFusionError) -> QueryError {
    move |error| match QueryError::from_datafusion(&error, what) {
        QueryError::Compute { reason } => QueryError::plan(reason),
        error => error,
    }
}

/// For `map_err`: what was going on when DataFusion failed.
pub(crate) fn during(what: &'static str) -> impl Fn(DataFusionError) -> QueryError {
    move |error| QueryError::from_datafusion(&error, what)
}
