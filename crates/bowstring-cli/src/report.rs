//! How is the report of a run shown to people?

use std::io::{self, Write};

use bowstring::{
    ByteSize,
    workflow::{Millis, Report, State, Status, StepReport},
};

use crate::grid::{self, Column, printable};

/// Writes a row for each step, and what came of them all. What was not measured is left empty.
pub(crate) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let columns = vec![
        Column::left("step"),
        Column::left("state"),
        Column::right("rows"),
        Column::right("bytes"),
        Column::right("queued"),
        Column::right("ran"),
        Column::right("memory"),
        Column::left(""),
    ];
    let rows: Vec<Vec<String>> = report
        .steps
        .iter()
        .map(|(name, step)| {
            vec![
                printable(name),
                state(step.state).to_owned(),
                step.rows.map(|rows| rows.to_string()).unwrap_or_default(),
                step.bytes.map(size).unwrap_or_default(),
                step.queue_ms.map(time).unwrap_or_default(),
                step.run_ms.map(time).unwrap_or_default(),
                step.peak_memory.map(size).unwrap_or_default(),
                remark(step),
            ]
        })
        .collect();
    grid::write(out, columns, &rows)?;
    writeln!(out)?;
    let status = match report.status {
        Status::Completed => "completed",
        Status::Failed => "failed",
        Status::Cancelled => "cancelled",
    };
    write!(
        out,
        "{} {status} in {}: {} of {} steps executed",
        printable(&report.name),
        time(report.execution_time_ms),
        report.steps_executed,
        report.total_steps
    )?;
    for (count, what) in [
        (report.cached_steps, "from the cache"),
        (report.failed_steps, "failed"),
        (report.skipped_steps, "skipped"),
    ] {
        if count > 0 {
            write!(out, ", {count} {what}")?;
        }
    }
    writeln!(out, ", at most {} at a time", report.peak_parallelism)
}

fn state(state: State) -> &'static str {
    match state {
        State::Succeeded => "succeeded",
        State::Cached => "cached",
        State::Failed => "failed",
        State::Skipped => "skipped",
        State::Cancelled => "cancelled",
        State::TimedOut => "timed out",
    }
}

fn remark(step: &StepReport) -> String {
    let fused = step.fused_into.as_ref().map(|into| format!("in {}", printable(into)));
    let attempts = (step.attempts > 1).then(|| format!("{} attempts", step.attempts));
    fused.into_iter().chain(attempts).collect::<Vec<_>>().join(", ")
}

/// A time with three digits that say something.
fn time(time: Millis) -> String {
    let milliseconds = time.as_f64();
    match milliseconds {
        ..10.0 => format!("{milliseconds:.2} ms"),
        ..1_000.0 => format!("{milliseconds:.0} ms"),
        ..100_000.0 => format!("{:.2} s", milliseconds / 1e3),
        _ => format!("{:.0} s", milliseconds / 1e3),
    }
}

fn size(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}
