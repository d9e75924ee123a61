//! `quantize` and `inspect`: model weights with fewer bits, and what became of them.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    num::NonZero,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray},
    datatypes::{Field, Float64Type, Schema},
};
use bowstring::{
    ByteSize,
    quant::{
        Allocated, Allotment, Gates, Model, Packed, Promotion, QuantError, Quantization, QuantizedModel,
        Stored, TensorReport, Validation, table,
    },
    quoted_list,
};

use crate::{
    Context,
    args::{InspectArgs, QuantizeArgs, TableFormat},
    error::{CliError, Result},
    grid::{self, Column, printable},
    progress::Count,
    rows::RowWriter,
    to_stdout,
};

/// Quantises the model that the arguments name, and writes what became of it.
pub(crate) fn quantize(args: &QuantizeArgs, context: &Context<'_>) -> Result<()> {
    let request = Quantization {
        profile: args.profile,
        bits: args.bits,
        group: args.group_size,
        allotment: Allotment {
            budget: args.budget,
            method: args.allocation,
            widths: args.widths.clone(),
            schedule: args.schedule.clone(),
            ..Allotment::default()
        },
        symmetric: args.symmetric,
        float_minimum: args.float_minimum,
        scale_type: Some(args.scale_type),
        code_type: Some(args.code_type),
        method: args.method,
        calibration: args.calibration.clone(),
        damping: args.damping,
        order: args.order,
        policy: args.rules.clone(),
        keep_non_finite: args.keep_non_finite,
        gates: Gates { min_sqnr: args.min_sqnr, max_rel_error: args.max_rel_error },
        promote: args.promote,
        resume: args.resume,
        shard_size: args.shard_size,
        threads: NonZero::new(context.options.threads),
    };
    let mut bar = Count::on_terminal();
    let packed = request.run(&args.model, &args.output, context.cancel, |told| {
        if let Some(bar) = &mut bar {
            bar.show(told.done, told.count, told.tensor);
        }
    });
    drop(bar);
    let packed = packed?;
    match args.format {
        None => to_stdout(|out| summary(&packed, out)),
        Some(format) => rows(&packed.report.tensors, format),
    }
}

/// Writes what is said of the tensors of a model, or found when they are looked at; then fails where they are further
/// off than they may be.
pub(crate) fn inspect(args: &InspectArgs, context: &Context<'_>) -> Result<()> {
    let validation = Validation {
        model: args.against.clone(),
        calibration: args.calibration.clone(),
        gates: Gates { min_sqnr: args.min_sqnr, max_rel_error: args.max_rel_error },
        threads: NonZero::new(context.options.threads),
    };
    if validation.model.is_some() || validation.gates != Gates::default() {
        let found = validation.run(&args.model, context.cancel)?;
        rows(&found.tensors, args.format)?;
        return Ok(found.verdict()?);
    }
    let ending = args.model.extension().unwrap_or_default();
    let is_plain = args.model.is_dir() && !QuantizedModel::is_folder(&args.model);
    let packed = match is_plain || (!args.model.is_dir() && ending != "parquet" && ending != "safetensors") {
        true => None,
        false => match QuantizedModel::open(&args.model) {
            Ok(model) => Some(model),
            // A model as it was made; what says that it is packed and is not is told.
            Err(QuantError::Version { found: None, .. }) if ending == "safetensors" => None,
            Err(error) => return Err(error.into()),
        },
    };
    let reports = match packed {
        Some(model) => model.reports(),
        None => Model::open(&args.model)?.reports(),
    };
    rows(&reports, args.format)
}

/// What became of a model, in a few lines.
fn summary(Packed { report, allocated }: &Packed, out: &mut dyn Write) -> io::Result<()> {
    let count = |is: fn(&Stored) -> bool| report.tensors.iter().filter(|tensor| is(&tensor.stored)).count();
    writeln!(
        out,
        "tensors  {}: {} packed, {} of 16 bits, {} as they were",
        report.tensors.len(),
        count(|stored| matches!(stored, Stored::Packed { .. })),
        count(|stored| matches!(stored, Stored::Half { .. })),
        count(|stored| matches!(stored, Stored::Kept)),
    )?;
    let bytes = |of: fn(&TensorReport) -> usize| report.tensors.iter().map(of).sum::<usize>() as u64;
    writeln!(
        out,
        "weights  {} before, {} now, a file of {}",
        ByteSize(bytes(|tensor| tensor.bytes_before)),
        ByteSize(bytes(|tensor| tensor.bytes_after)),
        ByteSize(report.file_bytes),
    )?;
    if let Some(Allocated { budget, plan }) = allocated {
        let best = if plan.exact { "" } else { ", which is not proven to be the best" };
        writeln!(out, "budget   {}, spent by {}{best}", ByteSize(*budget as u64), plan.by)?;
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        plan.schemes.values().for_each(|scheme| *counts.entry(scheme.bits.count()).or_default() += 1);
        let counts: Vec<_> = counts.iter().map(|(bits, count)| format!("{count} of {bits}")).collect();
        writeln!(out, "bits     {}", counts.join(", "))?;
    }
    let mut listed = vec![
        ("unseen  ", ", done as by mse".to_owned(), report.unseen.iter().collect()),
        ("unused  ", ", rules that fit no tensor".to_owned(), report.unused.iter().collect()),
    ];
    let mut promoted: BTreeMap<_, Vec<&String>> = BTreeMap::new();
    for Promotion { tensor, from, to } in &report.promoted {
        promoted.entry((from.count(), to.count())).or_default().push(tensor);
    }
    let promoted = promoted.into_iter();
    listed.extend(
        promoted.map(|((from, to), names)| ("promoted", format!(" from {from} to {to} bits"), names)),
    );
    for (label, what, names) in listed.iter().filter(|(.., names)| !names.is_empty()) {
        let shown = quoted_list(names.iter().map(|name| name.as_str()));
        writeln!(out, "{label} {}{what}: {}", names.len(), printable(&shown))?;
    }
    if report.resumed > 0 {
        writeln!(out, "resumed  {} that an earlier run had packed", report.resumed)?;
    }
    if let Some((worst, quality)) = report.worst().and_then(|worst| Some((worst, worst.stored.quality()?))) {
        writeln!(out, "worst    {}: {:.1} dB", printable(&worst.name), quality.sqnr)?;
    }
    for tensor in &report.tensors {
        if let Some(odd) = tensor.not_finite.filter(|&odd| odd > 0) {
            writeln!(
                out,
                "kept     {}, for numbers that are NaN or infinite: {odd}",
                printable(&tensor.name)
            )?;
        }
    }
    Ok(())
}

fn rows(reports: &[TensorReport], format: TableFormat) -> Result<()> {
    if format == TableFormat::Table {
        return to_stdout(|out| shown(reports, out));
    }
    let mut batch = table(reports)?;
    match format {
        TableFormat::Csv => {
            let shapes: StringArray = reports.iter().map(|report| Some(shape(report))).collect();
            batch = with(&batch, |field| {
                (field.name() == "shape").then(|| Arc::new(shapes.clone()) as ArrayRef)
            })?;
        }
        // It has no infinities.
        TableFormat::Json => batch = with(&batch, |field| finite(batch.column_by_name(field.name())?))?,
        TableFormat::Table | TableFormat::Arrow => {}
    }
    let mut writer = RowWriter::new(&batch.schema(), format)?;
    writer.write(&batch)?;
    writer.finish()
}

/// The axes of a tensor, as CSV and people have them.
fn shape(report: &TensorReport) -> String {
    let axes: Vec<String> = report.shape.iter().map(usize::to_string).collect();
    axes.join("×")
}

/// The figures of a column, if it has such, with nulls in place of those that are infinite.
fn finite(column: &ArrayRef) -> Option<ArrayRef> {
    let figures = column.as_primitive_opt::<Float64Type>()?.iter();
    let finite = figures.map(|figure| figure.filter(|figure| figure.is_finite()));
    Some(Arc::new(finite.collect::<Float64Array>()))
}

/// `batch` with other columns in place of those that `change` gives one for.
fn with(batch: &RecordBatch, change: impl Fn(&Field) -> Option<ArrayRef>) -> Result<RecordBatch> {
    let schema = batch.schema();
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let column = change(field).unwrap_or_else(|| Arc::clone(column));
            (Field::new(field.name(), column.data_type().clone(), field.is_nullable()), column)
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| CliError::Unprintable(error.to_string()))
}

/// A table for people.
fn shown(reports: &[TensorReport], out: &mut dyn Write) -> io::Result<()> {
    let has_outputs = reports.iter().any(|report| report.output_error.is_some());
    let mut columns = vec![
        Column::left("tensor"),
        Column::left("kind"),
        Column::left("type"),
        Column::left("shape"),
        Column::left("stored"),
        Column::right("bits"),
        Column::right("group"),
        Column::right("bytes"),
        Column::right("dB"),
        Column::right("relative error"),
    ];
    if has_outputs {
        columns.push(Column::right("output error"));
    }
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            let scheme = report.stored.scheme();
            let quality = report.stored.quality();
            let mut row = vec![
                printable(&report.name),
                report.kind.name().to_owned(),
                report.dtype.to_string(),
                shape(report),
                report.stored.name().to_owned(),
                scheme.map(|scheme| scheme.bits.to_string()).unwrap_or_default(),
                scheme.map(|scheme| scheme.group.to_string()).unwrap_or_default(),
                report.bytes_after.to_string(),
                quality.map(|quality| format!("{:.1}", quality.sqnr)).unwrap_or_default(),
                quality.map(|quality| format!("{:.2e}", quality.relative_error)).unwrap_or_default(),
            ];
            if has_outputs {
                row.push(report.output_error.map(|error| format!("{error:.2e}")).unwrap_or_default());
            }
            row
        })
        .collect();
    grid::write(out, columns, &rows)
}
