//! What can be wrong with a graph, or with what is asked of it?

use std::borrow::Cow;

use bowstring_core::{Cancelled, Diagnostic, ErrorKind, units::ByteSize};

mod columns;

/// The result of what this crate does.
pub type Result<T, E = GraphError> = std::result::Result<T, E>;

/// What is wrong with a graph, or with what was asked of it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// An edge names a node that the graph does not have.
    #[error("edge {row} points at node {node}, but the graph has {nodes}")]
    NodeOutOfRange {
        /// The column of edges that it stands in.
        column: Cow<'static, str>,
        /// The edge, counted from 0.
        row: usize,
        /// What stands there.
        node: i128,
        /// How many nodes there are.
        nodes: usize,
    },
    /// A node number below 0.
    #[error("edge {row} has the negative node {node}")]
    NegativeNode {
        /// The column of edges that it stands in.
        column: Cow<'static, str>,
        /// The edge, counted from 0.
        row: usize,
        /// What stands there.
        node: i64,
    },
    /// A null where an id or a weight is needed.
    #[error("edge {row} has no value")]
    NullInEdge {
        /// The column of edges that it stands in.
        column: Cow<'static, str>,
        /// The edge, counted from 0.
        row: usize,
    },
    /// A weight that is not a number, or not finite.
    #[error("edge {row} has the weight {weight}, which is not finite")]
    WeightNotFinite {
        /// The column that it stands in.
        column: Cow<'static, str>,
        /// The edge, counted from 0.
        row: usize,
        /// The weight.
        weight: f64,
    },
    /// A weight below 0 where the algorithm does not allow it.
    #[error("{kernel} needs weights of at least 0, and the least one is {weight}")]
    NegativeWeight {
        /// The algorithm.
        kernel: &'static str,
        /// The least weight.
        weight: f64,
    },
    /// A weight that fits into no type which is kept.
    #[error("edge {row} has the weight {weight}, which is beyond 64-bit integers")]
    WeightTooLarge {
        /// The column that it stands in.
        column: Cow<'static, str>,
        /// The edge, counted from 0.
        row: usize,
        /// The weight.
        weight: u64,
    },
    /// The sum of the weights of parallel edges is beyond 64-bit integers.
    #[error("the weights of the parallel edges from node {from} to node {to} add up beyond 64-bit integers")]
    WeightOverflow {
        /// Where the edges begin.
        from: u32,
        /// Where they end.
        to: u32,
    },
    /// Columns of edges that do not have one length.
    #[error("`{column}` has {found} rows, and `{other}` has {expected}")]
    LengthMismatch {
        /// The column that differs.
        column: Cow<'static, str>,
        /// Its length.
        found: usize,
        /// The column that it differs from.
        other: Cow<'static, str>,
        /// The length of that one.
        expected: usize,
    },
    /// A column of a type that is not taken there.
    #[error("`{column}` is of type {found}, and {expected} is needed")]
    ColumnType {
        /// The column.
        column: Cow<'static, str>,
        /// Its type.
        found: String,
        /// What can stand there.
        expected: &'static str,
    },
    /// More nodes than node numbers.
    #[error("a graph has at most 2147483647 nodes, and this one has {nodes}")]
    TooManyNodes {
        /// How many there would be.
        nodes: u64,
    },
    /// Sparse rows that contradict themselves.
    #[error("these sparse rows are malformed: {problem}")]
    MalformedCsr {
        /// Which rule is broken, and where.
        problem: String,
    },
    /// Sparse rows given as undirected that miss the way back of an edge.
    #[error("the graph was called undirected, but the edge from {from} to {to} has no equal one back")]
    NotSymmetric {
        /// Where the edge begins.
        from: u32,
        /// Where it ends.
        to: u32,
    },
    /// A node that was asked for and is not in the graph.
    #[error("node {node} is not in the graph, which has {nodes}")]
    UnknownNode {
        /// The node.
        node: u64,
        /// How many nodes there are.
        nodes: usize,
    },
    /// A pair of nodes of which the graph does not have one.
    #[error("pair {row} names node {node}, but the graph has {nodes}")]
    PairOutOfRange {
        /// The column of pairs that it stands in.
        column: Cow<'static, str>,
        /// The pair, counted from 0.
        row: usize,
        /// The node.
        node: u32,
        /// How many nodes there are.
        nodes: usize,
    },
    /// More nodes or edges than a picture can show.
    #[error("a picture has at most {most} {what}, and these are {found}")]
    TooManyToDraw {
        /// `nodes` or `edges`.
        what: &'static str,
        /// How many there would be.
        found: usize,
        /// How many there can be.
        most: usize,
    },
    /// Weights whose sum is beyond 64-bit floats.
    #[error("{kernel} needs the sum of the weights, which is beyond 64-bit floats")]
    WeightSum {
        /// The algorithm.
        kernel: &'static str,
    },
    /// An id that was asked for and that no node has.
    #[error("the graph has no node `{id}`")]
    UnknownId {
        /// The id.
        id: String,
        /// The nearest that there is.
        nearest: Option<String>,
    },
    /// An edge with an id that is not among those of the nodes.
    #[error("edge {row} has the id `{id}`, which is not among the nodes")]
    IdNotInNodes {
        /// The column of edges that it stands in.
        column: Cow<'static, str>,
        /// The edge, counted from 0.
        row: usize,
        /// The id.
        id: String,
        /// The nearest that there is.
        nearest: Option<String>,
    },
    /// An id that two nodes have.
    #[error("the id `{id}` is in `nodes` twice, in rows {first} and {row}")]
    DuplicateId {
        /// The id.
        id: String,
        /// Where it stands first, counted from 0.
        first: usize,
        /// Where it stands again.
        row: usize,
    },
    /// More or fewer ids than nodes.
    #[error("there are {found} ids for {nodes} nodes")]
    NodeCount {
        /// How many ids there are.
        found: usize,
        /// How many nodes there are.
        nodes: usize,
    },
    /// Ids that cannot be kept.
    #[error("the ids of the nodes cannot be kept: {reason}")]
    Ids {
        /// What stands against it.
        reason: String,
    },
    /// An option with a value that makes no sense.
    #[error("`{option}` is {value}, and must be {expected}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// A weight of 0 or less where the algorithm does not allow it.
    #[error("{kernel} needs weights greater than 0, and the least one is {weight}")]
    WeightNotPositive {
        /// The algorithm.
        kernel: &'static str,
        /// The least weight.
        weight: f64,
    },
    /// An algorithm that needs weights, on a graph without.
    #[error("{kernel} needs weights, and the graph has none")]
    NoWeights {
        /// The algorithm.
        kernel: &'static str,
    },
    /// An algorithm for the other kind of graph.
    #[error("{kernel} is for {expected} graphs")]
    WrongDirection {
        /// The algorithm.
        kernel: &'static str,
        /// `directed` or `undirected`.
        expected: &'static str,
    },
    /// A cycle where there must be none.
    #[error("the graph has the cycle {}", round(names))]
    Cycle {
        /// Its nodes; each has an edge to the next, and the last one to the first.
        nodes: Vec<u32>,
        /// Their ids; their numbers where the graph has no ids.
        names: Vec<String>,
    },
    /// A cycle whose weights add up to less than 0, so that no path along it is the shortest.
    #[error("the weights along the cycle {} add up to less than 0", round(names))]
    NegativeCycle {
        /// Its nodes; each has an edge to the next, and the last one to the first.
        nodes: Vec<u32>,
        /// Their ids; their numbers where the graph has no ids.
        names: Vec<String>,
    },
    /// A distance in integer weights that 64 bits do not hold.
    #[error("the distance of node {node} is beyond the integers that are kept exactly")]
    DistanceOverflow {
        /// The node.
        node: u32,
    },
    /// An iteration that did not converge, and that was to.
    #[error("{kernel} has not converged after {iterations} iterations: the residual is {residual:.3e}")]
    NotConverged {
        /// The algorithm.
        kernel: &'static str,
        /// How many iterations were made.
        iterations: u32,
        /// By how much the last one changed the result.
        residual: f64,
    },
    /// A kernel needs more memory than it may use.
    #[error("{kernel} needs {need} of memory, and the limit is {limit}")]
    Memory {
        /// The algorithm.
        kernel: &'static str,
        /// What it needs.
        need: ByteSize,
        /// What it may use.
        limit: ByteSize,
    },
    /// A column or an option with one value for each node, which has more or fewer.
    #[error("`{column}` has {found} values, and the graph has {nodes} nodes")]
    ColumnLength {
        /// Its name.
        column: String,
        /// How many values it has.
        found: usize,
        /// How many nodes there are.
        nodes: usize,
    },
    /// A file that is no matrix of a graph in the format of Matrix Market.
    #[error("this is no graph in the Matrix Market format: {problem}")]
    MatrixMarket {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Bytes of a graph that cannot be read.
    #[error("the graph cannot be read: {reason}")]
    Read {
        /// What the reader says.
        reason: String,
    },
    /// A graph that cannot be written.
    #[error("the graph cannot be written: {reason}")]
    Write {
        /// What the writer says.
        reason: String,
    },
    /// The operating system refuses threads.
    #[error("the threads cannot be started: {reason}")]
    Threads {
        /// What it says.
        reason: String,
    },
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<std::io::Error> for GraphError {
    /// What a writer says.
    fn from(error: std::io::Error) -> Self {
        GraphError::Write { reason: error.to_string() }
    }
}

impl Diagnostic for GraphError {
    fn kind(&self) -> ErrorKind {
        match self {
            GraphError::NodeOutOfRange { .. }
            | GraphError::IdNotInNodes { .. }
            | GraphError::MatrixMarket { .. }
            | GraphError::DuplicateId { .. }
            | GraphError::NegativeNode { .. }
            | GraphError::NullInEdge { .. }
            | GraphError::WeightNotFinite { .. }
            | GraphError::NegativeWeight { .. }
            | GraphError::WeightNotPositive { .. }
            | GraphError::WeightTooLarge { .. }
            | GraphError::WeightOverflow { .. }
            | GraphError::WeightSum { .. }
            | GraphError::LengthMismatch { .. }
            | GraphError::ColumnLength { .. }
            | GraphError::PairOutOfRange { .. }
            | GraphError::MalformedCsr { .. }
            | GraphError::NotSymmetric { .. }
            | GraphError::Cycle { .. }
            | GraphError::NegativeCycle { .. }
            | GraphError::DistanceOverflow { .. } => ErrorKind::Data,
            GraphError::ColumnType { .. }
            | GraphError::UnknownNode { .. }
            | GraphError::UnknownId { .. }
            | GraphError::NodeCount { .. }
            | GraphError::Option { .. }
            | GraphError::NoWeights { .. }
            | GraphError::WrongDirection { .. } => ErrorKind::Usage,
            GraphError::TooManyToDraw { .. }
            | GraphError::TooManyNodes { .. }
            | GraphError::Ids { .. }
            | GraphError::Memory { .. } => ErrorKind::Limit,
            GraphError::Read { .. } | GraphError::Write { .. } | GraphError::Threads { .. } => {
                ErrorKind::Storage
            }
            GraphError::NotConverged { .. } => ErrorKind::Failed,
            GraphError::Cancelled(error) => error.kind(),
        }
    }

    fn place(&self) -> Option<String> {
        match self {
            GraphError::NodeOutOfRange { column, .. }
            | GraphError::NegativeNode { column, .. }
            | GraphError::NullInEdge { column, .. }
            | GraphError::WeightNotFinite { column, .. }
            | GraphError::WeightTooLarge { column, .. }
            | GraphError::PairOutOfRange { column, .. }
            | GraphError::IdNotInNodes { column, .. } => Some(format!("column `{column}`")),
            GraphError::DuplicateId { .. } => Some("column `nodes`".into()),
            GraphError::MatrixMarket { line, .. } => Some(format!("line {line}")),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            GraphError::UnknownId { nearest, .. } | GraphError::IdNotInNodes { nearest, .. } => {
                return nearest.as_ref().map(|nearest| format!("did you mean `{nearest}`?"));
            }
            GraphError::NodeOutOfRange { .. } => {
                "pass a larger `num_nodes`, or leave it out to have it inferred"
            }
            GraphError::NegativeNode { .. } => {
                "dense node numbers begin at 0; for ids of any other kind build the graph from a table"
            }
            GraphError::NullInEdge { .. } => "drop these edges first, or fill the nulls",
            GraphError::WeightNotFinite { .. } => "drop these edges first, or give them a finite weight",
            GraphError::NegativeWeight { kernel: "dijkstra" | "delta-stepping", .. } => {
                "`bellman_ford` takes negative weights"
            }
            GraphError::NegativeWeight { .. } | GraphError::WeightNotPositive { .. } => {
                "drop these edges first, or shift the weights"
            }
            GraphError::WeightTooLarge { .. } => "cast the weights to float64",
            GraphError::WeightOverflow { .. } | GraphError::DistanceOverflow { .. } => {
                "cast the weights to float64"
            }
            GraphError::WeightSum { .. } => "scale the weights down",
            GraphError::ColumnType { expected, .. } if *expected == crate::columns::DENSE => {
                "for ids of any other kind build the graph from a table"
            }
            GraphError::NotSymmetric { .. } => "call it directed, or make it symmetric first",
            GraphError::NoWeights { .. } => "name the column of the weights when the graph is built",
            GraphError::WrongDirection { expected: "undirected", .. } => {
                "build it with `directed` false, or call `to_undirected`"
            }
            GraphError::WrongDirection { .. } => "build it with `directed` true",
            GraphError::TooManyToDraw { .. } => {
                "draw fewer nodes: those within fewer hops, or the top-ranked ones"
            }
            GraphError::NotConverged { .. } => "allow more iterations, or a larger tolerance",
            GraphError::Memory { .. } => {
                "raise the limit of memory, which is the machine's where none is set"
            }
            _ => return None,
        };
        Some(hint.into())
    }
}

/// Once around a cycle; of a long one the first nodes.
fn round(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut path: Vec<String> = names.iter().take(SHOWN).cloned().collect();
    match names.len().saturating_sub(SHOWN) {
        0 => path.extend(names.first().cloned()),
        more => path.push(format!("… ({more} more)")),
    }
    path.join(" → ")
}
