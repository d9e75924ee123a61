//! Which commands, flags and arguments are there? Help, completions, man page and reference page
//! are all made from these definitions.

use std::path::PathBuf;

use bowstring::{ByteSize, Diagnostic, io::Format};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::graph::GraphCommand;

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

    /// Threads to compute with, the engine's and the query engine's together [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Everywhere")]
    pub(crate) threads: Option<u16>,

    /// Memory to use, as `512MiB`: queries spill to disk beyond it, graph algorithms are refused [default:
    /// no limit]
    #[arg(long, global = true, value_name = "SIZE", value_parser = size, help_heading = "Everywhere")]
    pub(crate) memory: Option<ByteSize>,
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
    /// Run a workflow; its report goes to stdout
    Run(RunArgs),
    /// Show what would run, and the plan of each chain of fused steps, without running it
    Plan(PlanArgs),
    /// Check a workflow document, and list all its problems
    Validate(ValidateArgs),
    /// Draw a workflow as a Mermaid or Graphviz graph
    GraphView(GraphViewArgs),
    /// Run a SQL query; tables are paths in quotes, as in `SELECT * FROM 'data.parquet'`
    Sql(SqlArgs),
    /// Show the columns of a file, their types and whether they may be null
    Schema(SchemaArgs),
    /// Show the metadata and statistics of a Parquet file or a folder of them
    Meta(MetaArgs),
    /// Show the first rows of a file
    Head(HeadArgs),
    /// Run a graph algorithm over an edge table
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Graph {
        /// The algorithm.
        #[command(subcommand)]
        command: Box<GraphCommand>,
    },
    /// Turn text into the ids that a language model sees: a column of a table, lines, or one text
    Tokenize(TokenizeArgs),
    /// Copy a table into another format, which the names' endings tell
    Convert(ConvertArgs),
    /// Write the completions of a shell to stdout
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man page to stdout
    #[command(hide = true)]
    Man,
    /// Write the reference page of the commands, or of the step types, to stdout (Markdown)
    #[command(hide = true)]
    Reference {
        /// The step types, not the commands
        #[arg(long)]
        steps: bool,
    },
}

/// Where a document is, and its parameters.
#[derive(Args, Debug)]
pub(crate) struct DocumentArgs {
    /// The workflow document, YAML or JSON; `-` for stdin
    pub(crate) file: PathBuf,

    /// Set a parameter; wins over --params and over the document's default
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) param: Vec<String>,

    /// Read parameters from a YAML or JSON file: a mapping of name to value
    #[arg(long, value_name = "FILE")]
    pub(crate) params: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) document: DocumentArgs,

    /// Import a Python module first, for the step types that it registers; only the command of the
    /// Python package can
    #[arg(long = "import", value_name = "MODULE")]
    pub(crate) import: Vec<String>,

    /// Steps that may run at the same time [default: the number of threads]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) max_parallel: Option<u32>,

    /// Write events to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,

    /// How the report is written
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
}

#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) document: DocumentArgs,

    /// Import a Python module first, for the step types that it registers; only the command of the
    /// Python package can
    #[arg(long = "import", value_name = "MODULE")]
    pub(crate) import: Vec<String>,

    /// How the plan is written
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    pub(crate) format: ReportFormat,
}

#[derive(Args, Debug)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) document: Option<DocumentArgs>,

    /// Import a Python module first, for the step types that it registers; only the command of the
    /// Python package can
    #[arg(long = "import", value_name = "MODULE")]
    pub(crate) import: Vec<String>,

    /// Write the JSON Schema of workflow documents to stdout, for editors
    #[arg(long, conflicts_with_all = ["file", "param", "params"], required_unless_present = "file")]
    pub(crate) json_schema: bool,
}

#[derive(Args, Debug)]
pub(crate) struct GraphViewArgs {
    #[command(flatten)]
    pub(crate) document: DocumentArgs,

    /// Import a Python module first, for the step types that it registers; only the command of the
    /// Python package can
    #[arg(long = "import", value_name = "MODULE")]
    pub(crate) import: Vec<String>,

    /// The language of the graph
    #[arg(long, value_enum, default_value_t = GraphFormat::Mermaid)]
    pub(crate) format: GraphFormat,
}

/// How a file is read, where its name does not tell.
#[derive(Args, Debug)]
pub(crate) struct SourceArgs {
    /// The format to read, where the name does not tell
    #[arg(long, value_enum)]
    pub(crate) from: Option<SourceFormat>,

    /// The character between two values of CSV; `\t` is a tab [default: a comma, a tab for `.tsv`]
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,
}

#[derive(Args, Debug)]
pub(crate) struct SqlArgs {
    /// The query; `-` reads it from stdin
    pub(crate) query: String,

    /// The character between two values of every CSV that the query reads; `\t` is a tab
    /// [default: a comma, a tab for `.tsv`]
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,

    /// How the rows are written
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub(crate) format: TableFormat,
}

#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// A file, a glob or a folder; `-` for stdin
    pub(crate) path: PathBuf,

    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// How the rows are written
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub(crate) format: TableFormat,
}

#[derive(Args, Debug)]
pub(crate) struct MetaArgs {
    /// A file, a glob or a folder; `-` for stdin
    pub(crate) path: PathBuf,

    /// How the rows are written
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub(crate) format: TableFormat,
}

#[derive(Args, Debug)]
pub(crate) struct HeadArgs {
    /// A file, a glob or a folder; `-` for stdin
    pub(crate) path: PathBuf,

    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// How many rows
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub(crate) rows: usize,

    /// How the rows are written
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub(crate) format: TableFormat,
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").args(["input", "text"]).required(true))]
pub(crate) struct TokenizeArgs {
    /// A table with a column of text: a file, a glob or a folder; `-` for stdin
    pub(crate) input: Option<PathBuf>,

    /// A `tokenizer.json`, a `.model` of SentencePiece, the folder of a model, or the name of a model in the
    /// cache of Hugging Face's library; nothing is downloaded
    #[arg(short, long, value_name = "PATH")]
    pub(crate) tokenizer: String,

    /// Tokenise this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Vec<String>,

    /// INPUT is plain text, and each of its lines a text of its own
    #[arg(long, requires = "input", conflicts_with_all = ["from", "delimiter", "keep"])]
    pub(crate) lines: bool,

    /// The column of text
    #[arg(long, value_name = "COLUMN", default_value = "text", conflicts_with_all = ["lines", "text"])]
    pub(crate) column: String,

    /// Only count the ids, which is faster
    #[arg(long)]
    pub(crate) count: bool,

    /// Leave out the special tokens that the model has around a text
    #[arg(long)]
    pub(crate) no_special_tokens: bool,

    /// The most ids of a text, special ones included [default: all]
    #[arg(long, value_name = "N", conflicts_with = "count")]
    pub(crate) max_length: Option<u32>,

    /// The file to write, whose name's ending tells its format; folders above it are made, and an existing
    /// file is replaced once the new one is complete [default: stdout]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,

    /// The format of the file, where its name does not tell
    #[arg(long, value_enum, requires = "output", help_heading = "Output")]
    pub(crate) to: Option<TargetFormat>,

    /// The column of the ids or counts [default: `ids`, or `tokens` with --count]
    #[arg(long = "as", value_name = "COLUMN", help_heading = "Output")]
    pub(crate) name: Option<String>,

    /// The columns to keep beside the ids, separated by commas [default: all but the text]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Output")]
    pub(crate) keep: Option<Vec<String>>,

    /// How rows are written to stdout [default: `table`; for lines and single texts the ids of each, with
    /// spaces between them]
    #[arg(long, value_enum, conflicts_with = "output", help_heading = "Output")]
    pub(crate) format: Option<TableFormat>,

    #[command(flatten)]
    pub(crate) reading: SourceArgs,
}

impl TokenizeArgs {
    /// The column that is made.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(if self.count { "tokens" } else { "ids" })
    }
}

#[derive(Args, Debug)]
pub(crate) struct ConvertArgs {
    /// A file, a glob or a folder; `-` for stdin
    pub(crate) source: PathBuf,

    /// The file to write; an existing one is replaced once the new one is complete. `-` for stdout
    pub(crate) target: PathBuf,

    #[command(flatten)]
    pub(crate) read: SourceArgs,

    /// The format to write, where the target's name does not tell
    #[arg(long, value_enum)]
    pub(crate) to: Option<TargetFormat>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Aligned columns, for people
    Table,
    /// One JSON object
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Mermaid, which Markdown viewers draw
    Mermaid,
    /// The language of Graphviz
    Dot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceFormat {
    /// Apache Parquet
    Parquet,
    /// Comma-separated values
    Csv,
    /// One JSON object a line
    Json,
    /// Arrow IPC, a file or a stream
    Ipc,
}

impl From<SourceFormat> for Format {
    fn from(format: SourceFormat) -> Self {
        match format {
            SourceFormat::Parquet => Format::Parquet,
            SourceFormat::Csv => Format::Csv,
            SourceFormat::Json => Format::Json,
            SourceFormat::Ipc => Format::Ipc,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetFormat {
    /// Apache Parquet
    Parquet,
    /// Comma-separated values
    Csv,
    /// One JSON object a line
    Json,
    /// Arrow IPC: a file, or a stream on stdout
    Ipc,
    /// A Markdown table, for people
    Markdown,
}

impl From<TargetFormat> for Format {
    fn from(format: TargetFormat) -> Self {
        match format {
            TargetFormat::Parquet => Format::Parquet,
            TargetFormat::Csv => Format::Csv,
            TargetFormat::Json => Format::Json,
            TargetFormat::Ipc => Format::Ipc,
            TargetFormat::Markdown => Format::Markdown,
        }
    }
}

fn size(text: &str) -> Result<ByteSize, String> {
    text.parse::<ByteSize>().map_err(|error| match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    })
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err("expected one ASCII character, or `\\t` for a tab".into()),
    }
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
