//! From an edge table to the rows that an algorithm makes of it.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, UInt64Array},
    compute::{SortColumn, SortOptions, lexsort_to_indices, take_record_batch},
    error::ArrowError,
};
use bowstring::{
    Engine, Error,
    graph::{
        Arrays, Direction, EdgeOptions, Graph, GraphFormat, LouvainOptions, Part, Picture, Run,
        connected_components, export, louvain, node, read_matrix_market, read_pairs,
    },
    io::Dataset,
};
use serde_json::Value as Json;

use super::args::{ComputeCommand, DrawArgs, EdgeArgs, ExportArgs, GraphCommand, OutputArgs};
use crate::{
    Context,
    error::{CliError, Result},
    rows::RowWriter,
    source::open,
};

/// Runs an algorithm over an edge table, or draws a part of it.
pub(crate) fn graph(command: &GraphCommand, context: &Context<'_>) -> Result<()> {
    match command {
        GraphCommand::Compute(command) => compute(command, context),
        GraphCommand::Draw(args) => draw(args, context),
        GraphCommand::Export(args) => exported(args, context),
    }
}

/// Writes the graph for other tools.
fn exported(args: &ExportArgs, context: &Context<'_>) -> Result<()> {
    let Some(format) = GraphFormat::of_path(&args.output) else {
        let message = format!("the name `{}` tells no format of graphs", args.output.display());
        return Err(CliError::usage(message, "end it with `.graphml` or `.dot`"));
    };
    let engine = context.engine(&[])?;
    let run = engine.kernels().clone().with_cancel(context.cancel.clone());
    let graph = edges(&args.edges, &engine, &run)?;
    Ok(export(&graph, &[], format, &args.output, &run)?)
}

/// Draws a part of the graph into a file.
fn draw(args: &DrawArgs, context: &Context<'_>) -> Result<()> {
    let engine = context.engine(&[])?;
    let run = engine.kernels().clone().with_cancel(context.cancel.clone());
    let graph = edges(&args.edges, &engine, &run)?;
    let part = if !args.around.is_empty() {
        let nodes = args.around.iter().map(|id| node(&Json::from(id.as_str()), &graph));
        let direction = match args.direction.as_str() {
            "out" => Direction::Out,
            "in" => Direction::In,
            _ => Direction::Both,
        };
        Part::Around(nodes.collect::<bowstring::Result<_>>()?, args.hops, direction)
    } else {
        args.top.map_or(Part::Whole, Part::Top)
    };
    let groups = match args.colour.as_deref() {
        Some("component") => Some(connected_components(&graph, &run).map_err(Error::from)?.labels),
        Some(_) => Some(louvain(&graph, &LouvainOptions::default(), &run).map_err(Error::from)?.labels),
        None => None,
    };
    let picture = Picture { part, scores: None, groups, title: args.title.clone() };
    Ok(picture.write(&graph, &args.output, &run)?)
}

/// Runs an algorithm, and writes its rows. What is said of the whole goes to stderr.
fn compute(command: &ComputeCommand, context: &Context<'_>) -> Result<()> {
    let prepared = command.algorithm.prepare(Json::Object(command.options.clone())).map_err(|problems| {
        let hint = problems.iter().find_map(|problem| problem.hint.clone());
        let said: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
        CliError::Usage { message: said.join("; "), hint }
    })?;
    let engine = context.engine(&[])?;
    let run = engine.kernels().clone().with_cancel(context.cancel.clone());
    let graph = edges(&command.edges, &engine, &run)?;
    let pairs = command.pairs.as_deref().map(|path| pairs(path, &engine, &run)).transpose()?;
    let outcome = prepared(&graph, &pairs.unwrap_or_default(), &run)?;
    let rows = chosen(outcome.table(&graph)?, &command.output)?;
    let mut writer = RowWriter::new(&rows.schema(), command.output.format)?;
    writer.write(&rows)?;
    writer.finish()?;
    let mut stderr = io::stderr().lock();
    for (name, fact) in &outcome.facts {
        // Nobody is left to tell when stderr is closed.
        let _unread = writeln!(stderr, "{name}: {fact}");
    }
    Ok(())
}

/// The graph of an edge table, or of a matrix.
fn edges(args: &EdgeArgs, engine: &Engine, run: &Run) -> Result<Graph> {
    if args.edges.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mtx")) {
        return Ok(read_matrix_market(&args.edges, run)?);
    }
    let (Some(source), Some(target)) = (&args.source, &args.target) else {
        return Err(CliError::usage(
            "`--source` and `--target` must name the columns of the edges",
            format!("`bowstring schema {}` shows which there are", args.edges.display()),
        ));
    };
    let options = EdgeOptions {
        source: source.clone(),
        target: target.clone(),
        weight: args.weight.clone(),
        directed: Some(!args.undirected),
        parallel_edges: args.parallel_edges,
        self_loops: args.self_loops,
    };
    let frame = engine.session().scan(Arc::new(open(&args.edges, &args.reading)?))?;
    Ok(options.graph(&frame, run).map_err(|error| error.at(&args.edges))?)
}

/// The columns `left` and `right` of a table.
fn pairs(path: &Path, engine: &Engine, run: &Run) -> Result<Arrays> {
    let dataset = Dataset::open(&[path.to_owned()], &bowstring::io::ReadOptions::default())?;
    let frame = engine.session().scan(Arc::new(dataset))?;
    Ok(read_pairs(&frame, run).map_err(|error| error.at(path))?)
}

/// The rows that were asked for.
fn chosen(rows: RecordBatch, output: &OutputArgs) -> Result<RecordBatch> {
    let Some(top) = output.top else { return Ok(rows) };
    let schema = rows.schema();
    let is_number = |index: &usize| schema.field(*index).data_type().is_numeric();
    let found = match &output.by {
        Some(name) => schema.index_of(name).ok(),
        // The first column is the node.
        None => (1..rows.num_columns()).find(is_number),
    };
    let Some(index) = found else {
        let names = bowstring::quoted_list(schema.fields().iter().map(|field| field.name().as_str()));
        let message = match &output.by {
            Some(name) => format!("there is no column `{name}` in the answer"),
            None => "the answer has no column of numbers for `--top`".to_owned(),
        };
        return Err(CliError::usage(message, format!("its columns are {names}")));
    };
    let order: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..rows.num_rows() as u64));
    let descending = SortOptions { descending: true, nulls_first: false };
    let keys = [
        SortColumn { values: Arc::clone(rows.column(index)), options: Some(descending) },
        SortColumn { values: order, options: None },
    ];
    let best = lexsort_to_indices(&keys, Some(top)).map_err(unprintable)?;
    take_record_batch(&rows, &best).map_err(unprintable)
}

fn unprintable(error: ArrowError) -> CliError {
    CliError::Unprintable(error.to_string())
}
