//! Which commands are there below `graph`? One for each algorithm, whose flags are made from the schema of
//! its options.

use std::path::PathBuf;

use bowstring::graph::{ALGORITHMS, Algorithm, ParallelEdgesName, SelfLoopsName};
use clap::{
    ArgMatches, Args, Command, Error, FromArgMatches, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
    error::ErrorKind,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::options;
use crate::args::{SourceArgs, TableFormat};

/// What is done with the edges.
#[derive(Debug)]
pub(crate) enum GraphCommand {
    Compute(ComputeCommand),
    Draw(DrawArgs),
    Export(ExportArgs),
}

/// An algorithm, its options, and the edges that it runs on.
#[derive(Debug)]
pub(crate) struct ComputeCommand {
    pub(crate) algorithm: &'static Algorithm,
    pub(crate) options: Map<String, Json>,
    pub(crate) edges: EdgeArgs,
    pub(crate) pairs: Option<PathBuf>,
    pub(crate) output: OutputArgs,
}

/// Where the edges are, and what becomes of them.
#[derive(Args, Debug)]
pub(crate) struct EdgeArgs {
    /// The edge table: a file, a glob or a folder; `-` for stdin. A matrix in the Matrix Market format when
    /// the name ends in `.mtx`
    pub(crate) edges: PathBuf,

    /// The column of the nodes at which edges begin: integers or text
    #[arg(long, value_name = "COLUMN", help_heading = "Edges")]
    pub(crate) source: Option<String>,

    /// The column of the nodes at which edges end
    #[arg(long, value_name = "COLUMN", help_heading = "Edges")]
    pub(crate) target: Option<String>,

    /// The column of the edges' weights
    #[arg(long, value_name = "COLUMN", help_heading = "Edges")]
    pub(crate) weight: Option<String>,

    /// Edges have no direction
    #[arg(long, help_heading = "Edges")]
    pub(crate) undirected: bool,

    /// What becomes of edges with the same ends: all stay, or one with this weight
    #[arg(long, value_name = "RULE", value_parser = rule::<ParallelEdgesName>(&["keep", "first", "sum", "min", "max"]), default_value = "keep", help_heading = "Edges")]
    pub(crate) parallel_edges: ParallelEdgesName,

    /// What becomes of edges from a node to itself
    #[arg(long, value_name = "RULE", value_parser = rule::<SelfLoopsName>(&["keep", "drop"]), default_value = "keep", help_heading = "Edges")]
    pub(crate) self_loops: SelfLoopsName,

    #[command(flatten, next_help_heading = "Edges")]
    pub(crate) reading: SourceArgs,
}

/// One of these words, as what a workflow's document means by it.
fn rule<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| serde_json::from_value(Json::String(word)))
}

/// Which part of the graph is drawn.
#[derive(Args, Debug)]
pub(crate) struct DrawArgs {
    /// The SVG file to write; an existing one is replaced once the new one is complete
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Draw the nodes within some hops of this one; may be given several times
    #[arg(long, value_name = "NODE", conflicts_with = "top")]
    pub(crate) around: Vec<String>,

    /// How many hops
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) hops: u32,

    /// Which edges are followed
    #[arg(long, value_name = "WORD", value_parser = ["out", "in", "both"], default_value = "both")]
    pub(crate) direction: String,

    /// Draw the N nodes with the greatest PageRank
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,

    /// What gives nodes their colour
    #[arg(long, value_name = "WORD", value_parser = ["component", "community"])]
    pub(crate) colour: Option<String>,

    /// What is written above the picture
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,

    #[command(flatten)]
    pub(crate) edges: EdgeArgs,
}

/// Where the graph is written.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The file to write, `.graphml` or `.dot`; an existing one is replaced once the new one is complete
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    pub(crate) edges: EdgeArgs,
}

/// Which rows are written, and how.
#[derive(Args, Debug)]
pub(crate) struct OutputArgs {
    /// Write only the N rows with the greatest values
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub(crate) top: Option<usize>,

    /// The column whose values `--top` compares [default: the first one that holds numbers]
    #[arg(long, value_name = "COLUMN", requires = "top", help_heading = "Output")]
    pub(crate) by: Option<String>,

    /// How the rows are written
    #[arg(long, value_enum, default_value_t = TableFormat::Table, help_heading = "Output")]
    pub(crate) format: TableFormat,
}

/// The table of pairs that some algorithms are about.
#[derive(Args, Debug)]
struct PairArgs {
    /// A table with the columns `left` and `right`: the pairs of nodes
    #[arg(long, value_name = "PATH")]
    pairs: PathBuf,
}

impl Subcommand for GraphCommand {
    fn augment_subcommands(command: Command) -> Command {
        let algorithms = ALGORITHMS.iter().copied().flatten().map(|algorithm| {
            let mut command = Command::new(spelled(algorithm.name)).args(options::arguments(algorithm));
            if algorithm.pairs {
                command = PairArgs::augment_args(command);
            }
            // What the groups of arguments say of themselves is not what the command does.
            let command = OutputArgs::augment_args(EdgeArgs::augment_args(command)).about(about(algorithm));
            command.after_long_help(facts(algorithm))
        });
        let draw = DrawArgs::augment_args(Command::new(DRAW))
            .about("Draw a part of the graph as SVG, its nodes sized by PageRank")
            .after_long_help(DRAW_FACTS);
        let export = ExportArgs::augment_args(Command::new(EXPORT))
            .about("Write the graph for other tools, as GraphML or in the language of Graphviz")
            .after_long_help(EXPORT_FACTS);
        command.subcommands(algorithms).subcommands([draw, export])
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        [DRAW, EXPORT].contains(&name) || by_spelling(name).is_some()
    }
}

impl FromArgMatches for GraphCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        if let Some((DRAW, matches)) = matches.subcommand() {
            return Ok(GraphCommand::Draw(DrawArgs::from_arg_matches(matches)?));
        }
        if let Some((EXPORT, matches)) = matches.subcommand() {
            return Ok(GraphCommand::Export(ExportArgs::from_arg_matches(matches)?));
        }
        let chosen = matches.subcommand().and_then(|(name, matches)| Some((by_spelling(name)?, matches)));
        let Some((algorithm, matches)) = chosen else {
            return Err(Error::new(ErrorKind::MissingSubcommand));
        };
        let pairs = match algorithm.pairs {
            true => Some(PairArgs::from_arg_matches(matches)?.pairs),
            false => None,
        };
        Ok(GraphCommand::Compute(ComputeCommand {
            algorithm,
            options: options::given(algorithm, matches),
            edges: EdgeArgs::from_arg_matches(matches)?,
            pairs,
            output: OutputArgs::from_arg_matches(matches)?,
        }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The commands that are no algorithms.
const DRAW: &str = "draw";
const EXPORT: &str = "export";

/// Their methods and costs.
const DRAW_FACTS: &str = "Method: Edges pull and nodes push (velocity Verlet with Barnes and Hut's \
approximation, as in Bostock's d3-force). The same graph gives the same picture.\n\n\
Cost: O(300 · (nodes · log nodes + edges)) time for what is drawn, on one thread, a second at most; that \
of `pagerank` for the whole graph, and with `--colour` that of its components or of `louvain`.";
const EXPORT_FACTS: &str = "Method: GraphML (Brandes et al. 2002) or the language of Graphviz (Gansner, \
Koutsofios and North 2006).\n\nCost: O(nodes + edges) time on one thread. Next to no memory.";

/// A name as the command line has it, with hyphens.
pub(super) fn spelled(name: &str) -> String {
    name.replace('_', "-")
}

fn by_spelling(name: &str) -> Option<&'static Algorithm> {
    ALGORITHMS.iter().copied().flatten().find(|algorithm| spelled(algorithm.name) == name)
}

/// By which method an algorithm works, and what it costs.
fn facts(algorithm: &Algorithm) -> String {
    format!("Method: {}\n\nCost: {}", algorithm.method, algorithm.cost)
}

fn about(algorithm: &Algorithm) -> &'static str {
    algorithm.description.trim_end_matches('.')
}
