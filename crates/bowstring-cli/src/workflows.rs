//! Workflow documents: run, planned, checked and drawn.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use bowstring::{
    Engine, PlannedUnit,
    workflow::{
        Document, Keep, Observer, Params, Report, RunOptions, Status, ViewFormat, Workflow, json_schema, view,
    },
};
use serde_json::json;

use crate::{
    Context,
    args::{DocumentArgs, GraphFormat, GraphViewArgs, PlanArgs, ReportFormat, RunArgs, ValidateArgs},
    error::{CliError, Result},
    events::EventFile,
    grid::printable,
    progress::Bar,
    report, to_stdout,
};

/// More than a document or a parameter file may have, so that a wrong file is not read to its end.
const MAX_BYTES: u64 = (8 << 20) + 1;

/// Runs a workflow, and writes its report.
pub(crate) fn run(args: &RunArgs, context: &Context<'_>) -> Result<()> {
    let engine = context.engine(&args.import)?;
    let workflow = load(&args.document, &engine)?;
    let mut events = args.events.as_deref().map(EventFile::create).transpose()?;
    let mut observers: Vec<Box<dyn Observer + '_>> = Vec::new();
    if let Some(events) = &mut events {
        observers.push(Box::new(events));
    }
    if let Some(bar) = Bar::on_terminal() {
        observers.push(Box::new(bar));
    }
    let options = RunOptions {
        max_parallel: args.max_parallel.map_or(0, |slots| slots as usize),
        keep: Keep::Nothing,
        cancel: context.cancel.clone(),
        observers,
        ..RunOptions::default()
    };
    let report = engine.run(&workflow, options)?.report;
    let shown = to_stdout(|out| match args.format {
        ReportFormat::Table => report::write(&report, out),
        ReportFormat::Json => json_line(out, &report),
    });
    // How the run ended comes before whether it could be told.
    ending(&report)?;
    events.map_or(Ok(()), EventFile::finish)?;
    shown
}

/// The first failure of a run.
fn ending(report: &Report) -> Result<()> {
    match (&report.error, report.status) {
        (_, Status::Completed) => Ok(()),
        (Some(failure), _) => {
            Err(CliError::Step { step: Some(failure.step.to_string()), error: failure.error.clone() })
        }
        (None, _) => Err(CliError::Stopped),
    }
}

/// Writes what would run.
pub(crate) fn plan(args: &PlanArgs, context: &Context<'_>) -> Result<()> {
    let engine = context.engine(&args.import)?;
    let workflow = load(&args.document, &engine)?;
    let options = RunOptions { keep: Keep::Nothing, cancel: context.cancel.clone(), ..RunOptions::default() };
    let units = engine.plan(&workflow, options).map_err(CliError::of_step)?;
    to_stdout(|out| match args.format {
        ReportFormat::Table => units.iter().try_for_each(|unit| show_unit(unit, out)),
        ReportFormat::Json => {
            let units: Vec<serde_json::Value> = units.iter().map(unit_to_json).collect();
            json_line(out, &units)
        }
    })
}

fn show_unit(unit: &PlannedUnit, out: &mut dyn Write) -> io::Result<()> {
    let steps: Vec<String> =
        unit.steps.iter().map(|step| format!("{} ({})", printable(&step.name), step.type_name)).collect();
    writeln!(out, "{}", steps.join(" → "))?;
    let own = |step: &str| unit.steps.iter().any(|other| *other.name == *step);
    let mut waits: Vec<&str> = unit
        .steps
        .iter()
        .flat_map(|step| &step.depends_on)
        .map(|step| &**step)
        .filter(|step| !own(step))
        .collect();
    waits.sort_unstable();
    waits.dedup();
    if !waits.is_empty() {
        writeln!(out, "  after {}", printable(&waits.join(", ")))?;
    }
    for line in unit.physical_plan.iter().flat_map(|plan| plan.lines()) {
        writeln!(out, "  {}", printable(line))?;
    }
    Ok(())
}

fn unit_to_json(unit: &PlannedUnit) -> serde_json::Value {
    let steps: Vec<serde_json::Value> = unit
        .steps
        .iter()
        .map(|step| json!({"name": step.name, "type": step.type_name, "depends_on": step.depends_on}))
        .collect();
    json!({"steps": steps, "physical_plan": unit.physical_plan})
}

/// Checks a document, or writes the schema of all.
pub(crate) fn validate(args: &ValidateArgs, context: &Context<'_>) -> Result<()> {
    let engine = context.engine(&args.import)?;
    let Some(document) = &args.document else {
        let schema = json_schema(engine.registry());
        return to_stdout(|out| {
            serde_json::to_writer_pretty(&mut *out, &schema)?;
            writeln!(out)
        });
    };
    let workflow = load(document, &engine)?;
    let steps = workflow.steps.len();
    let plural = if steps == 1 { "step" } else { "steps" };
    to_stdout(|out| writeln!(out, "{}: valid, {steps} {plural}", printable(&source_name(&document.file))))
}

/// Draws a workflow.
pub(crate) fn graph_view(args: &GraphViewArgs, context: &Context<'_>) -> Result<()> {
    let engine = context.engine(&args.import)?;
    let workflow = load(&args.document, &engine)?;
    let format = match args.format {
        GraphFormat::Mermaid => ViewFormat::Mermaid,
        GraphFormat::Dot => ViewFormat::Dot,
    };
    to_stdout(|out| out.write_all(view(&workflow, format).as_bytes()))
}

fn load(args: &DocumentArgs, engine: &Engine) -> Result<Workflow> {
    let name = source_name(&args.file);
    let document = Document::parse(&name, &text(&args.file)?)?;
    let mut params = Params::new();
    if let Some(file) = &args.params {
        params = params.file(&source_name(file), &text(file)?)?;
    }
    for argument in &args.param {
        params = params.command_line(argument)?;
    }
    Ok(engine.validate(&document, &params)?)
}

fn source_name(path: &Path) -> Cow<'_, str> {
    if path == Path::new("-") { "stdin".into() } else { path.to_string_lossy() }
}

fn text(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(MAX_BYTES).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
    };
    read.map_err(|error| CliError::file("read", path, error))?;
    String::from_utf8(bytes).map_err(|_| CliError::NotText { path: path.to_owned() })
}

fn json_line(out: &mut dyn Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}
