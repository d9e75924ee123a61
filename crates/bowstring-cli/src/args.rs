//! Which commands, flags and arguments are there? Help, completions, man page and reference page
//! are all made from these definitions.

use std::{path::PathBuf, str::FromStr};

use bowstring::{
    ByteSize, Diagnostic,
    io::Format,
    quant::{
        AllocationMethod, Budget, CodeType, Group, Order, Profile, QuantError, RoundingMethod, ScaleType,
        ShardSize,
    },
};
use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

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
    /// Write the weights of a model with fewer bits
    Quantize(QuantizeArgs),
    /// Show the tensors of a model, quantized or not: how they are stored, and how far off they are
    Inspect(InspectArgs),
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
pub(crate) struct QuantizeArgs {
    /// A `.safetensors` file, the index of several, or the folder of a model or of a diffusers pipeline
    pub(crate) model: PathBuf,

    /// The file to write, whose name ends in `.parquet` or `.safetensors`; folders above it are made, and an
    /// existing file is replaced once the new one is complete
    pub(crate) output: PathBuf,

    /// Bits of a weight: 2, 3, 4 or 8 [default: 4, or the profile's]
    #[arg(short, long, value_name = "N")]
    pub(crate) bits: Option<u32>,

    /// How many bytes all tensors may take as they are stored, in place of `--bits`: a size such as `12MB`, or a share
    /// of what they take in the model such as `25%`; each tensor gets the bits and groups with which all of them fit
    /// and lose the least
    #[arg(long, value_name = "SIZE", value_parser = budget)]
    pub(crate) budget: Option<Budget>,

    /// What a budget is spent by [default: path_kl where there is a schedule; otherwise squared_error, or uniform where
    /// there are fewer than 2.5 bits for each weight]
    #[arg(long, value_parser = word::<AllocationMethod>([
        PossibleValue::new("uniform").help("The same bits and groups for all tensors"),
        PossibleValue::new("squared_error").help("The least squared error of weights"),
        PossibleValue::new("entropy").help("More bits for weights of more entropy, to compare with"),
        PossibleValue::new("path_kl").help("The least divergence of a diffusion model's paths, as its calibration says"),
    ]))]
    pub(crate) allocation: Option<AllocationMethod>,

    /// The bits that a tensor may get by a budget, as in `2,4` [default: 2,3,4,8]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub(crate) widths: Vec<u32>,

    /// For `path_kl`: the `scheduler_config.json` of the model [default: that of its pipeline]
    #[arg(long, value_name = "FILE")]
    pub(crate) schedule: Option<PathBuf>,

    /// How many neighbouring weights of an output channel share a scale: a multiple of 8 from 16 to 256, or
    /// `channel` for all [default: 64, or the profile's]
    #[arg(short, long, value_name = "N", value_parser = group)]
    pub(crate) group_size: Option<Group>,

    /// Code no zero points: the middle code is 0
    #[arg(long)]
    pub(crate) symmetric: bool,

    /// Code a float minimum for each group in place of an integer zero point: 0 need not stay exactly 0
    #[arg(long)]
    pub(crate) float_minimum: bool,

    /// How scales are stored: in 32 or 16 bits, or for schemes without float minima in 8
    #[arg(long, value_parser = word::<ScaleType>(["f32", "f16", "bf16", "f8"]), default_value = "f16")]
    pub(crate) scale_type: ScaleType,

    /// Which values codes stand for
    #[arg(long, value_parser = word::<CodeType>([
        PossibleValue::new("linear").help("All as far from one another"),
        PossibleValue::new("quadratic").help("Nearer to one another near 0, which loses less from 3 bits on"),
    ]), default_value = "linear")]
    pub(crate) code_type: CodeType,

    /// How scales are chosen
    #[arg(long, value_parser = word::<RoundingMethod>([
        PossibleValue::new("nearest").help("From the least to the greatest weight"),
        PossibleValue::new("mse").help("The least squared error of weights"),
        PossibleValue::new("weighted").help("Errors count as much as the inputs of their channel are large"),
        PossibleValue::new("gptq").help("The least squared error of the layers' outputs"),
    ]), default_value = "mse")]
    pub(crate) method: RoundingMethod,

    /// A file of what was seen of the layers' inputs, for `weighted`, `gptq` and `path_kl`; by the first two, layers
    /// of which nothing was seen are done as by `mse`
    #[arg(long, value_name = "FILE")]
    pub(crate) calibration: Option<PathBuf>,

    /// For `gptq`: what is added to the diagonal of second moments, as a part of its mean [default: 0.01]
    #[arg(long, value_name = "X")]
    pub(crate) damping: Option<f64>,

    /// For `gptq`: the order in which channels are rounded, those with the largest inputs first or as they stand
    /// [default: largest]
    #[arg(long, value_parser = word::<Order>(["largest", "natural"]))]
    pub(crate) order: Option<Order>,

    /// Bits and groups for a place where the model shall run: 2 and 256, 4 and 128, or 8 and 64
    #[arg(long, value_parser = word::<Profile>(["edge", "local", "cloud"]))]
    pub(crate) profile: Option<Profile>,

    /// What becomes of tensors whose names fit a pattern: `keep`, `half` or bits, as in `'*.attn.*=8'`; of a shape, as
    /// in `'shape:*x3x3=8'`, or of a kind, as in `kind:embedding=8` (`vector`, `embedding`, `first`, `last`, `inner`).
    /// The first that fits decides. May be given several times [default: matrices between the first and the last
    /// layer are quantized, and norms, embeddings and those layers take 16 bits]
    #[arg(long = "rule", value_name = "PATTERN=WHAT", value_parser = rule)]
    pub(crate) rules: Vec<(String, String)>,

    /// Keep tensors with numbers that are NaN or infinite as they are, and say which
    #[arg(long)]
    pub(crate) keep_non_finite: bool,

    /// Keep packed tensors in a folder beside the file, `OUTPUT.parts`, until all are done, and go on with those
    /// that a run which was stopped has left there
    #[arg(long)]
    pub(crate) resume: bool,

    /// Write a folder of Parquet files in place of one, each with tensors of no more than so many bytes; nothing may be
    /// at OUTPUT yet
    #[arg(long, value_name = "SIZE", value_parser = shard_size)]
    pub(crate) shard_size: Option<ShardSize>,

    /// Fail, and write no file, when a tensor with fewer bits has a lower ratio of signal to noise
    #[arg(long, value_name = "DB", allow_negative_numbers = true)]
    pub(crate) min_sqnr: Option<f64>,

    /// Fail, and write no file, when a tensor with fewer bits is further off in relation to its size
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) max_rel_error: Option<f64>,

    /// Give packed tensors that are further off than `--min-sqnr` or `--max-rel-error` allows more bits, up to 8, before
    /// failing, and say which
    #[arg(long)]
    pub(crate) promote: bool,

    /// Write a row for each tensor to stdout in place of a summary; JSON has null for what is infinite
    #[arg(long, value_enum)]
    pub(crate) format: Option<TableFormat>,
}

#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// A model that was quantized (`.parquet`), a `.safetensors` file, the index of several, or a folder
    pub(crate) model: PathBuf,

    /// The model that it was made of: every tensor is read, and measured against it
    #[arg(long, value_name = "MODEL")]
    pub(crate) against: Option<PathBuf>,

    /// A file of what was seen of the layers' inputs, to tell how far off their outputs are
    #[arg(long, value_name = "FILE", requires = "against")]
    pub(crate) calibration: Option<PathBuf>,

    /// Read every tensor, and fail when one with fewer bits has a lower ratio of signal to noise
    #[arg(long, value_name = "DB", allow_negative_numbers = true)]
    pub(crate) min_sqnr: Option<f64>,

    /// Likewise, when one is further off in relation to its size
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) max_rel_error: Option<f64>,

    /// How the rows are written; JSON has null for what is infinite, as the ratio of a tensor without an error
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub(crate) format: TableFormat,
}

/// One of some words, each with what it means where that is not plain, as the option itself reads it.
fn word<T>(words: impl IntoIterator<Item = impl Into<PossibleValue>>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = QuantError> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse())
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
    text.parse::<ByteSize>().map_err(|error| told(&error))
}

fn shard_size(text: &str) -> Result<ShardSize, String> {
    text.parse::<ShardSize>().map_err(|error| told(&error))
}

fn group(text: &str) -> Result<Group, String> {
    text.parse::<Group>().map_err(|error| told(&error))
}

fn budget(text: &str) -> Result<Budget, String> {
    text.parse::<Budget>().map_err(|error| told(&error))
}

fn told(error: &dyn Diagnostic) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

fn rule(text: &str) -> Result<(String, String), String> {
    let (pattern, what) = text.rsplit_once('=').ok_or("expected PATTERN=WHAT, as in `*.attn.*=8`")?;
    Ok((pattern.to_owned(), what.to_owned()))
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
