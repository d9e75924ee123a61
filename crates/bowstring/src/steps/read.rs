//! `read`: a lazy scan of files.

use std::{path::PathBuf, sync::Arc};

use bowstring_core::ErrorKind;
use bowstring_io::{Dataset, Format, ReadOptions};
use bowstring_query::{Frame, Selection, Session};
use bowstring_workflow::{
    ConfigProblem, Fusion, InputSpec, Inputs, Registry, Step, StepContext, StepError, ValueType, Work,
};

use super::{
    at,
    config::{FormatOptions, ReadConfig},
    plan_or_rows, problem,
};
use crate::relation::{Operator, Relation, TABLE};

struct Read {
    session: Session,
    paths: Vec<PathBuf>,
    options: ReadOptions,
    format_options: FormatOptions,
    row_groups: Option<Vec<usize>>,
    selection: Selection,
}

pub(super) fn register(registry: &mut Registry, session: &Session) {
    let session = session.clone();
    let description =
        "Reads Parquet, CSV, JSON lines or Arrow IPC; lazily, so that only what is used is read.";
    registry.register_typed("read", description, move |config| build(config, &session));
}

fn build(config: ReadConfig, session: &Session) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    let options = config.options(session)?;
    let format_options = config.format_options();
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
    let unfit = format.map(|format| format_options.unfit(format)).unwrap_or_default();
    if !unfit.is_empty() {
        let hint = "leave it out, or say another `format`";
        return Err(unfit.into_iter().map(|(key, why)| problem(&[key], why, Some(hint.into()))).collect());
    }
    Ok(Arc::new(Read {
        session: session.clone(),
        paths,
        options,
        format_options,
        row_groups: config.row_groups,
        selection: Selection {
            columns: config.columns,
            filter: config.filter,
            limit: config.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        },
    }))
}

impl Read {
    fn frame(&self) -> Result<Frame, StepError> {
        let dataset = Dataset::open(&self.paths, &self.options)?;
        if let Some((_, why)) = self.format_options.unfit(dataset.format()).into_iter().next() {
            let error = StepError::new(ErrorKind::Usage, why).with_hint("leave it out");
            return Err(StepError { place: self.sources().first().map(ToString::to_string), ..error });
        }
        let dataset = match &self.row_groups {
            Some(wanted) => dataset.with_row_groups(wanted).map_err(|error| at(error, &self.sources()))?,
            None => dataset,
        };
        let frame = self.session.scan_selected(&Arc::new(dataset), &self.selection);
        frame.map_err(|error| at(error, &self.sources()))
    }

    fn sources(&self) -> Vec<Arc<str>> {
        self.paths.iter().map(|path| path.display().to_string().into()).collect()
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
            let plain = self.selection.filter.is_none() && self.selection.limit.is_none();
            let operator = if plain { Operator::Scan } else { Operator::Other };
            let source = Relation { sources: self.sources(), ..Relation::lazy(self.frame()?) };
            let frame = source.frame.clone();
            plan_or_rows(&self.session, &[(String::new(), source)], frame, operator, &context)
        })
    }
}
