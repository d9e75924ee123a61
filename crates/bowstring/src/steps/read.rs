//! `read`: a lazy scan of files.

use std::{path::PathBuf, sync::Arc};

use bowstring_core::ErrorKind;
use bowstring_io::{Dataset, Format, ReadOptions};
use bowstring_query::{Frame, QueryError, Session};
use bowstring_workflow::{
    ConfigProblem, Fusion, InputSpec, Inputs, Registry, Step, StepContext, StepError, ValueType, Work,
};

use super::{
    at,
    config::{ReadConfig, TextOptions},
    plan_or_rows, problem,
};
use crate::relation::{Operator, Relation, TABLE};

struct Read {
    session: Session,
    paths: Vec<PathBuf>,
    options: ReadOptions,
    text_options: TextOptions,
    columns: Option<Vec<String>>,
    filter: Option<String>,
    limit: Option<usize>,
}

pub(super) fn register(registry: &mut Registry, session: &Session) {
    let session = session.clone();
    let description =
        "Reads Parquet, CSV, JSON lines or Arrow IPC; lazily, so that only what is used is read.";
    registry.register_typed("read", description, move |config| build(config, &session));
}

fn build(config: ReadConfig, session: &Session) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    let options = config.options(session)?;
    let text_options = config.text_options();
    let paths = match (config.path, config.input) {
        (Some(paths), None) | (None, Some(paths)) => paths.into_vec(),
        (Some(_), Some(_)) => {
            return Err(vec![problem(
                &["input"],
                "`input` and `path` mean the same",
                Some("leave one out".into()),
            )]);
        }
        (None, None) => return Err(vec![problem(&[], "`path` is missing", None)]),
    };
    // The format of a folder or of a pattern may be seen only when it is read.
    let format = options.format.or_else(|| paths.first().and_then(|path| Format::of_path(path).ok()));
    let unfit = format.map(|format| text_options.unfit(format)).unwrap_or_default();
    if !unfit.is_empty() {
        let hint = "leave it out, or say another `format`";
        return Err(unfit.into_iter().map(|(key, why)| problem(&[key], why, Some(hint.into()))).collect());
    }
    Ok(Arc::new(Read {
        session: session.clone(),
        paths,
        options,
        text_options,
        columns: config.columns,
        filter: config.filter,
        limit: config.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
    }))
}

impl Read {
    fn frame(&self) -> Result<Frame, StepError> {
        let dataset = Dataset::open(&self.paths, &self.options)?;
        if let Some((_, why)) = self.text_options.unfit(dataset.format()).into_iter().next() {
            let error = StepError::new(ErrorKind::Usage, why).with_hint("leave it out");
            return Err(StepError { place: self.sources().first().map(ToString::to_string), ..error });
        }
        let refined = || -> Result<Frame, QueryError> {
            let mut frame = self.session.scan(Arc::new(dataset))?;
            if let Some(filter) = &self.filter {
                frame = frame.filter(filter)?;
            }
            if let Some(columns) = &self.columns {
                frame = frame.select(&columns.iter().map(|name| quoted(name)).collect::<Vec<_>>())?;
            }
            match self.limit {
                Some(limit) => frame.limit(limit),
                None => Ok(frame),
            }
        };
        refined().map_err(|error| at(error, &self.sources()))
    }

    fn sources(&self) -> Vec<Arc<str>> {
        self.paths.iter().map(|path| path.display().to_string().into()).collect()
    }
}

/// A column's name as a SQL expression; a dotted one names a field of a struct.
fn quoted(name: &str) -> String {
    let quote = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    match name.split_once('.') {
        None => quote(name),
        Some(_) => name.split('.').map(quote).collect::<Vec<_>>().join("."),
    }
}

impl Step for Read {
    fn inputs(&self) -> InputSpec {
        InputSpec::None
    }

    fn output(&self) -> Option<ValueType> {
        Some(TABLE)
    }

    fn fusion(&self) -> Fusion {
        Fusion::Scan
    }

    fn run(self: Arc<Self>, _inputs: Inputs, context: StepContext) -> Work {
        Work::blocking(move || {
            let plain = self.filter.is_none() && self.limit.is_none();
            let operator = if plain { Operator::Scan } else { Operator::Other };
            let source = Relation { sources: self.sources(), ..Relation::lazy(self.frame()?) };
            let frame = source.frame.clone();
            plan_or_rows(&self.session, &[(String::new(), source)], frame, operator, &context)
        })
    }
}
