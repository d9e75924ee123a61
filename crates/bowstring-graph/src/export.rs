//! How is a graph written for other programs?

use std::{
    fmt,
    io::{self, BufWriter, Write},
};

use arrow::{
    array::ArrayRef,
    datatypes::DataType,
    util::display::{ArrayFormatter, FormatOptions},
};

use crate::{Graph, GraphError, NodeId, Result, Run, Weights, weights::with_weights, xml::escaped};

/// Nodes between two looks at whether the work should stop.
const CHECK: usize = 1 << 10;

/// Writes GraphML (Brandes et al., 2002): nodes `n0`, `n1` and so on with their ids under the key `id`,
/// where the graph has any, and the values of `columns`, which have a row for each node, under the names
/// of these; edges with their weights under the key `weight`. Nulls are left out. Control
/// characters, which XML does not have, are written as their pictures (␀ and the like).
///
/// Cost: O(nodes + edges) time on one thread; next to no memory.
///
/// # Errors
/// [`GraphError::ColumnLength`], [`GraphError::Write`] when the writer fails, and when the work was asked
/// to stop.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Float64Array, Int64Array};
/// # use bowstring_graph::{BuildOptions, Edges, Graph};
/// use bowstring_graph::{Run, graphml};
/// # let source: ArrayRef = Arc::new(Int64Array::from(vec![0]));
/// # let target: ArrayRef = Arc::new(Int64Array::from(vec![1]));
/// # let edges = Edges { source: &[source], target: &[target], weight: None };
/// # let graph = Graph::from_edges(&edges, &BuildOptions::default(), &Run::default())?;
///
/// let rank: ArrayRef = Arc::new(Float64Array::from(vec![0.25, 0.75]));
/// let mut file = Vec::new();
/// graphml(&graph, &[("rank", rank)], &mut file, &Run::default())?;
/// assert!(String::from_utf8_lossy(&file).contains(r#"<edge source="n0" target="n1"/>"#));
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn graphml(graph: &Graph, columns: &[(&str, ArrayRef)], out: impl Write, run: &Run) -> Result<()> {
    let columns = Columns::new(graph, columns)?;
    run.kernel("graphml", 0, || Ok(()))?;
    let mut out = BufWriter::new(out);
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<graphml xmlns="http://graphml.graphdrawing.org/xmlns">"#)?;
    for (key, (name, array)) in columns.all.iter().enumerate() {
        let (name, kind) = (escaped(name), kind(array.data_type()));
        writeln!(out, r#" <key id="d{key}" for="node" attr.name="{name}" attr.type="{kind}"/>"#)?;
    }
    let weights = graph.csr().weights();
    if let Some(weights) = weights {
        let kind = kind(&weights.data_type());
        writeln!(out, r#" <key id="weight" for="edge" attr.name="weight" attr.type="{kind}"/>"#)?;
    }
    let default = if graph.is_directed() { "directed" } else { "undirected" };
    writeln!(out, r#" <graph edgedefault="{default}">"#)?;
    columns.rows(run, |node, values| {
        write!(out, r#"  <node id="n{node}""#)?;
        let mut empty = true;
        for (key, value) in values {
            write!(out, "{}", if empty { ">" } else { "" })?;
            write!(out, r#"<data key="d{key}">{}</data>"#, escaped(&value?))?;
            empty = false;
        }
        writeln!(out, "{}", if empty { "/>" } else { "</node>" })
    })?;
    edges(graph, run, |from, to, entry| {
        write!(out, r#"  <edge source="n{from}" target="n{to}""#)?;
        match weights {
            Some(weights) => {
                writeln!(out, r#"><data key="weight">{}</data></edge>"#, Shown { weights, entry })
            }
            None => writeln!(out, "/>"),
        }
    })?;
    writeln!(out, " </graph>\n</graphml>")?;
    Ok(out.flush()?)
}

/// Writes the language of Graphviz (Gansner, Koutsofios and North, 2006): nodes by their numbers, with
/// their ids as labels, where the graph has any, and the values of `columns`, which have a row for each
/// node, as attributes under the names of these; edges with their weights as `weight`. Nulls are left out.
///
/// Cost: O(nodes + edges) time on one thread; next to no memory.
///
/// # Errors
/// [`GraphError::ColumnLength`], [`GraphError::Write`] when the writer fails, and when the work was asked
/// to stop.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, StringArray};
/// # use bowstring_graph::{BuildOptions, TableEdges, Graph};
/// use bowstring_graph::{Run, dot};
/// # let source: ArrayRef = Arc::new(StringArray::from(vec!["bash"]));
/// # let target: ArrayRef = Arc::new(StringArray::from(vec!["libc"]));
/// # let edges = TableEdges { source: &[source], target: &[target], ..TableEdges::default() };
/// # let graph = Graph::from_table(&edges, &BuildOptions::default(), &Run::default())?;
///
/// let mut file = Vec::new();
/// dot(&graph, &[], &mut file, &Run::default())?;
/// assert_eq!(file, b"digraph {\n0 [label=\"bash\"]\n1 [label=\"libc\"]\n0 -> 1\n}\n");
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn dot(graph: &Graph, columns: &[(&str, ArrayRef)], out: impl Write, run: &Run) -> Result<()> {
    let columns = Columns::new(graph, columns)?;
    run.kernel("dot", 0, || Ok(()))?;
    let mut out = BufWriter::new(out);
    let (kind, arrow) = if graph.is_directed() { ("digraph", "->") } else { ("graph", "--") };
    writeln!(out, "{kind} {{")?;
    columns.rows(run, |node, values| {
        write!(out, "{node}")?;
        let mut empty = true;
        for (key, value) in values {
            let name = match columns.all[key].0 {
                ID if columns.has_ids && key == 0 => "label".into(),
                name => quoted(name),
            };
            write!(out, "{}{name}={}", if empty { " [" } else { ", " }, quoted(&value?))?;
            empty = false;
        }
        writeln!(out, "{}", if empty { "" } else { "]" })
    })?;
    let weights = graph.csr().weights();
    edges(graph, run, |from, to, entry| match weights {
        Some(weights) => writeln!(out, "{from} {arrow} {to} [weight={}]", Shown { weights, entry }),
        None => writeln!(out, "{from} {arrow} {to}"),
    })?;
    writeln!(out, "}}")?;
    Ok(out.flush()?)
}

/// The name of the column of ids.
const ID: &str = "id";

/// What is written of each node.
struct Columns<'a> {
    all: Vec<(&'a str, &'a ArrayRef)>,
    has_ids: bool,
    nodes: usize,
}

impl<'a> Columns<'a> {
    fn new(graph: &'a Graph, columns: &'a [(&'a str, ArrayRef)]) -> Result<Self> {
        let nodes = graph.num_nodes();
        let ids = graph.nodes().map(|nodes| (ID, nodes.ids()));
        let has_ids = ids.is_some();
        let all = ids.into_iter().chain(columns.iter().map(|(name, array)| (*name, array)));
        let columns = Self { all: all.collect(), has_ids, nodes };
        match columns.all.iter().find(|(_, array)| array.len() != nodes) {
            Some((name, array)) => {
                Err(GraphError::ColumnLength { column: (*name).into(), found: array.len(), nodes })
            }
            None => Ok(columns),
        }
    }

    /// Calls `each` with every node, and with those of its values that are there, and their places.
    fn rows(
        &self,
        run: &Run,
        mut each: impl FnMut(usize, &mut dyn Iterator<Item = (usize, io::Result<String>)>) -> io::Result<()>,
    ) -> Result<()> {
        let options = FormatOptions::default();
        let formatters = self.all.iter().map(|(_, array)| ArrayFormatter::try_new(array, &options));
        let formatters: Vec<ArrayFormatter<'_>> = formatters
            .collect::<Result<_, _>>()
            .map_err(|error| GraphError::Write { reason: error.to_string() })?;
        for node in 0..self.nodes {
            if node.is_multiple_of(CHECK) {
                run.check()?;
            }
            let mut values =
                self.all.iter().zip(&formatters).enumerate().filter_map(|(key, ((_, array), formatter))| {
                    let value = || formatter.value(node).try_to_string().map_err(io::Error::other);
                    array.is_valid(node).then(|| (key, value()))
                });
            each(node, &mut values)?;
        }
        Ok(())
    }
}

/// Calls `each` with every edge and its place among the entries; with an undirected one once.
fn edges(
    graph: &Graph,
    run: &Run,
    mut each: impl FnMut(NodeId, NodeId, usize) -> io::Result<()>,
) -> Result<()> {
    let rows = graph.csr();
    for node in 0..rows.num_nodes() as u32 {
        if (node as usize).is_multiple_of(CHECK) {
            run.check()?;
        }
        for (entry, &other) in rows.range(node).zip(rows.neighbors(node)) {
            if graph.is_directed() || node <= other {
                each(node, other, entry)?;
            }
        }
    }
    Ok(())
}

/// A weight as it was given.
struct Shown<'a> {
    weights: &'a Weights,
    entry: usize,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_weights!(self.weights, values => write!(f, "{}", values[self.entry]))
    }
}

/// The type of GraphML for values of this type.
fn kind(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => "int",
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "long",
        DataType::Float16 | DataType::Float32 => "float",
        DataType::Float64 => "double",
        _ => "string",
    }
}

/// Text within quotes, in which Graphviz reads nothing else.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}
