//! Which Python exception stands for which failure?

use std::path::PathBuf;

use bowstring::{
    Diagnostic, ErrorKind,
    io::IoError,
    query::QueryError,
    render,
    units::UnitError,
    workflow::{ConfigProblem, StepError},
};
use pyo3::{intern, prelude::*};

use crate::arguments::from_json;

/// The result of what the package does.
pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

/// What went wrong, until it is raised.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Fault {
    /// A Python exception on its way through Rust; it is raised again as it was.
    #[error(transparent)]
    Python(#[from] PyErr),
    /// Anything that the façade says.
    #[error(transparent)]
    Engine(#[from] bowstring::Error),
    /// Reading or writing files.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A frame or a query.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A name that is none of those that there are.
    #[error("{option}: `{given}` is none of {}", bowstring::quoted_list(known.iter().copied()))]
    UnknownWord { option: &'static str, given: String, known: Vec<&'static str> },
    /// An argument of the right type and a value that does not fit.
    #[error("{name}: expected {expected}, got {given}")]
    Unfit { name: String, expected: &'static str, given: String },
    /// Options of an algorithm that do not fit.
    #[error("{}", option_problems(.0))]
    Options(Vec<ConfigProblem>),
    /// A name of no type, in a mapping of columns to types.
    #[error("schema[{column:?}]: {source}")]
    ColumnType { column: String, source: QueryError },
    /// A name of no column.
    #[error("there is no column `{name}`")]
    UnknownColumn { name: String, known: Vec<String> },
    /// Another library's stream ended in an error.
    #[error("the Arrow stream broke off: {reason}")]
    ForeignStream { reason: String },
    /// A step's plan is wrong.
    #[error("{0}")]
    Step(StepError),
    /// An output of a type that Python has no form of.
    #[error("the output of step `{step}` is a {kind}, which has no form in Python")]
    Opaque { step: String, kind: &'static str },
    /// A name that is taken.
    #[error("`{name}` is a step type of bowstring itself")]
    BuiltInStep { name: String },
    /// A document that is no text.
    #[error("`{}` is not UTF-8", path.display())]
    NotText { path: PathBuf },
    /// Room for no step at all.
    #[error("max_parallel must be at least 1")]
    NoParallelism,
    /// A text that is no size.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// A value that has no text.
    #[error("a value cannot be shown: {reason}")]
    Unshown { reason: String },
    /// A call in a child of a process that had used the package before it forked.
    #[error(
        "this process was forked from one that had used bowstring already, and does not have its threads"
    )]
    Forked,
    /// The system starts no thread.
    #[error("the system refused a thread: {0}")]
    NoThread(std::io::Error),
    /// A str that has no UTF-8.
    #[error("{name} is no text: it has a lone surrogate at character {at}")]
    Surrogate { name: String, at: usize },
    /// A text where there has to be one, and none is there.
    #[error("{name} is None")]
    NoText { name: String },
    /// More tokens than an array has room for.
    #[error("texts[{row}] has {tokens} tokens, more than `length`, which is {length}")]
    TooLong { row: usize, tokens: usize, length: usize },
    /// A decoder that was told that there is nothing more.
    #[error("this decoder has finished")]
    StreamEnded,
    /// The work ended in a panic, which is a bug of ours.
    #[error("internal error: the work panicked")]
    Panicked,
}

impl Diagnostic for Fault {
    fn kind(&self) -> ErrorKind {
        match self {
            Fault::Python(_) => ErrorKind::Failed,
            Fault::Engine(error) => error.kind(),
            Fault::Io(error) => error.kind(),
            Fault::Query(error) => error.kind(),
            Fault::Step(error) => error.kind,
            Fault::Unit(error) => error.kind(),
            Fault::NotText { .. } => ErrorKind::InvalidWorkflow,
            Fault::ColumnType { source, .. } => source.kind(),
            Fault::UnknownWord { .. }
            | Fault::Unfit { .. }
            | Fault::Options(_)
            | Fault::UnknownColumn { .. }
            | Fault::Opaque { .. }
            | Fault::BuiltInStep { .. }
            | Fault::NoParallelism
            | Fault::StreamEnded
            | Fault::Forked => ErrorKind::Usage,
            Fault::ForeignStream { .. }
            | Fault::Unshown { .. }
            | Fault::Surrogate { .. }
            | Fault::NoText { .. }
            | Fault::TooLong { .. } => ErrorKind::Data,
            Fault::NoThread(_) => ErrorKind::Limit,
            Fault::Panicked => ErrorKind::Internal,
        }
    }

    fn place(&self) -> Option<String> {
        match self {
            Fault::Engine(error) => error.place(),
            Fault::Io(error) => error.place(),
            Fault::Query(error) => error.place(),
            Fault::Step(error) => error.place.clone(),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Fault::Engine(error) => error.hint(),
            Fault::Io(error) => error.hint(),
            Fault::Query(QueryError::UnknownTable { available, .. }) if available.is_empty() => {
                Some("give each table by its name, as in `bs.sql(query, t=bs.scan_parquet(path))`".into())
            }
            Fault::Query(error) => error.hint(),
            Fault::ColumnType { source, .. } => source.hint(),
            Fault::Step(error) => error.hint.clone(),
            Fault::Unit(error) => error.hint(),
            Fault::BuiltInStep { .. } => Some("choose another name, such as one with a dot".into()),
            Fault::UnknownWord { given, known, .. } => {
                bowstring::nearest(given, known.iter().copied()).map(|near| format!("did you mean `{near}`?"))
            }
            Fault::UnknownColumn { name, known } => {
                let known = || known.iter().map(String::as_str);
                Some(match bowstring::nearest(name, known()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the columns are {}", bowstring::quoted_list(known())),
                })
            }
            Fault::Forked => Some(
                "start processes with `multiprocessing.get_context(\"spawn\")` or `\"forkserver\"`".into(),
            ),
            Fault::Surrogate { .. } => {
                Some("`text.encode(errors=\"replace\").decode()` puts `?` in its place".into())
            }
            Fault::TooLong { length, .. } => Some(format!("shorten texts: `with_truncation({length})`")),
            Fault::Options(problems) => problems.iter().find_map(|problem| problem.hint.clone()),
            Fault::Panicked => Some("please report this, with what the process wrote to stderr".into()),
            _ => None,
        }
    }
}

/// Each problem with the option that it is about.
fn option_problems(problems: &[ConfigProblem]) -> String {
    let said = problems.iter().map(|problem| match problem.path.is_empty() {
        true => problem.message.clone(),
        false => format!("{}: {}", problem.path.join("."), problem.message),
    });
    said.collect::<Vec<_>>().join("; ")
}

/// The class in `bowstring._errors` for each kind.
fn class_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidWorkflow => "InvalidWorkflowError",
        ErrorKind::Usage => "UsageError",
        ErrorKind::Data => "DataError",
        ErrorKind::NotFound => "NotFoundError",
        ErrorKind::Storage => "StorageError",
        ErrorKind::Limit => "LimitError",
        ErrorKind::Timeout => "StepTimeoutError",
        ErrorKind::Failed => "WorkflowError",
        ErrorKind::Cancelled => "CancelledError",
        _ => "BowstringError",
    }
}

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Python(error) => error,
            fault => Python::attach(|py| exception(py, &fault).map_or_else(|error| error, PyErr::from_value)),
        }
    }
}

fn exception<'py>(py: Python<'py>, error: &Fault) -> PyResult<Bound<'py, PyAny>> {
    let class = py.import(intern!(py, "bowstring._errors"))?.getattr(class_name(error.kind()))?;
    let exception = class.call1((render(error),))?;
    exception.setattr(intern!(py, "kind"), error.kind().name())?;
    exception.setattr(intern!(py, "hint"), error.hint())?;
    if let Fault::Engine(bowstring::Error::Document(problems)) = error {
        let problems = from_json(py, &problems.to_json())?;
        exception.call_method1(intern!(py, "_with_problems"), (problems,))?;
    }
    Ok(exception)
}
