//! Which commands, flags and arguments are there? Help, completions, man page and reference page
//! are all made from these definitions.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// One Arrow-native engine for tables and workflows.
#[derive(Debug, Parser)]
#[command(
    name = "bowstring",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = EXIT_CODES
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done, also when the reader of stdout left early
  1    the work ran and its answer is no: a failed expectation, a step whose own code raised
  2    usage: flags, an invalid document, an unknown column or a type mistake
  3    bad data
  4    files and network
  5    a limit: time, memory, size
  70   a bug in Bowstring
  130  interrupted (SIGINT)
  143  terminated (SIGTERM)";

/// A command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the columns of a file, their types and whether they may be null
    Schema(SchemaArgs),
    /// Show the first rows of a file
    Head(HeadArgs),
    /// Write the completions of a shell to stdout
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man page to stdout
    #[command(hide = true)]
    Man,
    /// Write the reference page (Markdown) to stdout
    #[command(hide = true)]
    Reference,
}

#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// A file, a glob or a folder
    pub(crate) path: PathBuf,

    /// How the rows are written
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub(crate) format: TableFormat,
}

#[derive(Args, Debug)]
pub(crate) struct HeadArgs {
    /// A file, a glob or a folder; `-` for stdin (a stream of Arrow IPC, CSV or NDJSON)
    pub(crate) path: PathBuf,

    /// How many rows
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub(crate) rows: usize,

    /// How the rows are written
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub(crate) format: TableFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// Aligned columns, for people
    Table,
    /// One JSON object a row and line
    Json,
    /// Comma-separated values with a header
    Csv,
    /// A stream of Arrow IPC
    Arrow,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
