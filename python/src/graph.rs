//! What is behind `bowstring.Graph`?

use std::{
    path::PathBuf,
    slice::from_ref,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    buffer::{Buffer, ScalarBuffer},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Float32Type, Float64Type, Int32Type, Int64Type, UInt32Type, UInt64Type},
};
use bowstring::graph::{
    Arrays, BuildOptions, Csr, Direction, Edges, Fact, Graph, GraphError, GraphFormat, Offsets, Outcome,
    ParallelEdges, Part, Picture, Rows, Run, SelfLoops, TableEdges, Weights, algorithm, export, node_table,
    read_matrix_market,
};
use bowstring::{Cancel, query::Table};
use pyo3::{
    prelude::*,
    types::{PyDict, PyTuple},
};
use pyo3_arrow::{PyArray, export::Arro3Array};

use crate::{
    arguments::{Options, json},
    arrow_in,
    columns::{array, chunks, numpy},
    error::{Fault, Result},
    table::PyTable,
    typed,
    work::{engine, work},
};

/// A graph, which never changes; sharing it copies nothing.
#[pyclass(module = "bowstring._bowstring", name = "NativeGraph", frozen)]
pub(crate) struct PyGraph {
    graph: Arc<Graph>,
}

impl From<Graph> for PyGraph {
    fn from(graph: Graph) -> Self {
        Self { graph: Arc::new(graph) }
    }
}

/// The threads of the last call that asked for a number of them, so that a row of such calls starts no
/// others.
static LAST: Mutex<Option<(usize, Run)>> = Mutex::new(None);

/// What kernels may use in a call with this many threads; with those of the process when it is `None`.
fn kernels(threads: Option<usize>, cancel: &Cancel) -> Result<Run> {
    let run = engine()?.kernels().clone();
    let Some(threads) = threads else { return Ok(run.with_cancel(cancel.clone())) };
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let run = match &*last {
        Some((count, run)) if *count == threads => run.clone(),
        _ => run.with_threads(threads).map_err(failed)?,
    };
    *last = Some((threads, run.clone()));
    Ok(run.with_cancel(cancel.clone()))
}

/// The options that graphs are built with.
fn build_options(options: &Options<'_, '_>) -> Result<BuildOptions> {
    let rules = [
        ("keep", ParallelEdges::Keep),
        ("first", ParallelEdges::First),
        ("sum", ParallelEdges::Sum),
        ("min", ParallelEdges::Min),
        ("max", ParallelEdges::Max),
    ];
    let loops = [("keep", SelfLoops::Keep), ("drop", SelfLoops::Drop)];
    Ok(BuildOptions {
        num_nodes: options.one::<usize>("num_nodes")?.map(|nodes| nodes as u64),
        directed: options.one("directed")?.unwrap_or(true),
        parallel_edges: options.word("parallel_edges", &rules)?.unwrap_or_default(),
        self_loops: options.word("self_loops", &loops)?.unwrap_or_default(),
    })
}

fn failed(error: GraphError) -> Fault {
    Fault::Engine(error.into())
}

fn column_type(column: &'static str, array: &ArrayRef, expected: &'static str) -> Fault {
    failed(GraphError::ColumnType { column: column.into(), found: array.data_type().to_string(), expected })
}

/// Offsets of sparse rows, in place where they are 32 or 64 bits wide.
fn offsets(array: &ArrayRef) -> Result<Offsets> {
    // Numbers below 0 become ones that are far too large, which are refused.
    Ok(match array.data_type() {
        DataType::Int32 => Offsets::Narrow(same_bytes(array.as_primitive::<Int32Type>().values())),
        DataType::UInt32 => Offsets::Narrow(array.as_primitive::<UInt32Type>().values().clone()),
        DataType::Int64 => Offsets::Wide(same_bytes(array.as_primitive::<Int64Type>().values())),
        DataType::UInt64 => Offsets::Wide(array.as_primitive::<UInt64Type>().values().clone()),
        _ => return Err(column_type("indptr", array, "int32, int64, uint32 or uint64")),
    })
}

/// The same memory as numbers of the same width.
fn same_bytes<A, B>(values: &ScalarBuffer<A>) -> ScalarBuffer<B>
where
    A: arrow::datatypes::ArrowNativeType,
    B: arrow::datatypes::ArrowNativeType,
{
    ScalarBuffer::new(values.inner().clone(), 0, values.len())
}

/// Indices of sparse rows, in place where they are 32 bits wide, else made so.
fn indices(array: &ArrayRef) -> Result<ScalarBuffer<u32>> {
    // What does not fit becomes a number that no node has, which is refused.
    let narrowed = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(match array.data_type() {
        DataType::Int32 => same_bytes(array.as_primitive::<Int32Type>().values()),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().values().clone(),
        DataType::Int64 => {
            let values = array.as_primitive::<Int64Type>().values();
            values.iter().map(|&number| narrowed(number)).collect()
        }
        DataType::UInt64 => {
            let values = array.as_primitive::<UInt64Type>().values();
            values.iter().map(|&number| narrowed(i64::try_from(number).unwrap_or(-1))).collect()
        }
        _ => return Err(column_type("indices", array, "int32, int64, uint32 or uint64")),
    })
}

/// An argument's values as numbers of this type, which hold all of them.
fn numbers(name: &str, values: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    let expected = match data_type {
        DataType::UInt32 => "a whole number of at least 0 for each node",
        _ => "a number for each node",
    };
    let unfit = |given: String| Fault::Unfit { name: name.to_owned(), expected, given };
    if !values.data_type().is_numeric() || values.null_count() > 0 {
        return Err(unfit(format!("{} with {} nulls", values.data_type(), values.null_count())));
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(values, data_type, &strict).map_err(|error| unfit(error.to_string()))
}

fn weights(array: &ArrayRef) -> Result<Weights> {
    Ok(match array.data_type() {
        DataType::Int32 => Weights::I32(array.as_primitive::<Int32Type>().values().clone()),
        DataType::Int64 => Weights::I64(array.as_primitive::<Int64Type>().values().clone()),
        DataType::Float32 => Weights::F32(array.as_primitive::<Float32Type>().values().clone()),
        DataType::Float64 => Weights::F64(array.as_primitive::<Float64Type>().values().clone()),
        _ => return Err(column_type("weights", array, "int32, int64, float32 or float64")),
    })
}

/// The numbers of an array as numpy has them.
fn numpy_of<'py>(py: Python<'py>, array: &ArrayRef) -> PyResult<Bound<'py, PyAny>> {
    let kind = match array.data_type() {
        DataType::Int32 => "int32",
        DataType::UInt32 => "uint32",
        DataType::Int64 => "int64",
        DataType::UInt64 => "uint64",
        DataType::Float32 => "float32",
        _ => "float64",
    };
    let data = array.to_data();
    let width = array.data_type().primitive_width().unwrap_or(8);
    let bytes = data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width);
    numpy(py, bytes, kind)
}

/// `indptr`, `indices` and `weights`.
fn rows_of<'py>(py: Python<'py>, rows: &Csr) -> PyResult<Bound<'py, PyTuple>> {
    let indptr = match rows.indptr() {
        Offsets::Narrow(offsets) => numpy(py, offsets.inner().clone(), "int32")?,
        Offsets::Wide(offsets) => numpy(py, offsets.inner().clone(), "int64")?,
    };
    let indices = numpy(py, rows.indices().inner().clone(), "int32")?;
    let weights = match rows.weights() {
        None => None,
        Some(Weights::I32(weights)) => Some(numpy(py, weights.inner().clone(), "int32")?),
        Some(Weights::I64(weights)) => Some(numpy(py, weights.inner().clone(), "int64")?),
        Some(Weights::F32(weights)) => Some(numpy(py, weights.inner().clone(), "float32")?),
        Some(Weights::F64(weights)) => Some(numpy(py, weights.inner().clone(), "float64")?),
    };
    (indptr, indices, weights).into_pyobject(py)
}

#[pymethods]
impl PyGraph {
    /// A graph of dense node numbers.
    #[staticmethod]
    fn from_edges(
        py: Python<'_>,
        source: &Bound<'_, PyAny>,
        target: &Bound<'_, PyAny>,
        weight: Option<&Bound<'_, PyAny>>,
        nodes: Option<&Bound<'_, PyAny>>,
        options: &Bound<'_, PyDict>,
    ) -> Result<Self> {
        let given = Options(options);
        let (built, threads) = (build_options(&given)?, given.one::<usize>("threads")?);
        let (source, target) = (chunks(source)?, chunks(target)?);
        let weight = weight.map(chunks).transpose()?;
        let nodes = nodes.map(array).transpose()?;
        work(py, move |cancel| {
            let run = kernels(threads, cancel)?;
            let edges = Edges { source: &source, target: &target, weight: weight.as_deref() };
            let names = [("source", "src"), ("target", "dst"), ("weight", "weights")];
            let graph = Graph::from_edges(&edges, &built, &run);
            let graph = graph.map_err(|error| failed(error.in_columns(&names)))?;
            Ok(match &nodes {
                None => graph,
                Some(ids) => graph.with_nodes(from_ref(ids), &run).map_err(failed)?,
            }
            .into())
        })
    }

    /// A graph of the ids in a table.
    #[staticmethod]
    fn from_table(
        py: Python<'_>,
        edges: &Bound<'_, PyAny>,
        columns: (String, String, Option<String>),
        nodes: Option<&Bound<'_, PyAny>>,
        options: &Bound<'_, PyDict>,
    ) -> Result<Self> {
        let given = Options(options);
        let (built, threads) = (build_options(&given)?, given.one::<usize>("threads")?);
        let table = arrow_in::table(edges)?;
        let column = |name: &str| -> Result<Vec<ArrayRef>> {
            let Ok(index) = table.schema().index_of(name) else {
                let known = table.schema().fields().iter().map(|field| field.name().clone()).collect();
                return Err(Fault::UnknownColumn { name: name.to_owned(), known });
            };
            Ok(table.batches().iter().map(|batch| ArrayRef::clone(batch.column(index))).collect())
        };
        let (source, target) = (column(&columns.0)?, column(&columns.1)?);
        let weight = columns.2.as_deref().map(column).transpose()?;
        let nodes = nodes.map(array).transpose()?;
        work(py, move |cancel| {
            let run = kernels(threads, cancel)?;
            let edges = TableEdges {
                source: &source,
                target: &target,
                weight: weight.as_deref(),
                nodes: nodes.as_ref().map(from_ref),
            };
            let names = [
                ("source", columns.0.as_str()),
                ("target", columns.1.as_str()),
                ("weight", columns.2.as_deref().unwrap_or("weight")),
            ];
            let graph = Graph::from_table(&edges, &built, &run);
            Ok(graph.map_err(|error| failed(error.in_columns(&names)))?.into())
        })
    }

    /// A graph over sparse rows that are there.
    #[staticmethod]
    fn from_csr(
        py: Python<'_>,
        indptr: &Bound<'_, PyAny>,
        indices_: &Bound<'_, PyAny>,
        weights_: Option<&Bound<'_, PyAny>>,
        options: &Bound<'_, PyDict>,
    ) -> Result<Self> {
        let given = Options(options);
        let directed = given.one("directed")?.unwrap_or(true);
        let threads = given.one::<usize>("threads")?;
        let (indptr, indices_) = (array(indptr)?, array(indices_)?);
        let weights_ = weights_.map(array).transpose()?;
        work(py, move |cancel| {
            let weights = weights_.as_ref().map(weights).transpose()?;
            let run = kernels(threads, cancel)?;
            let (indptr, indices) = (offsets(&indptr)?, indices(&indices_)?);
            let rows = Csr::new(indptr, indices, weights, &run);
            let rows = rows.map_err(|error| failed(error.in_columns(&[("weight", "weights")])))?;
            Ok(Graph::from_csr(rows, directed, &run).map_err(failed)?.into())
        })
    }

    /// The graph in a file of the Matrix Market format.
    #[staticmethod]
    fn matrix_market(py: Python<'_>, path: &Bound<'_, PyAny>) -> Result<Self> {
        let path: PathBuf = typed::path(path)?;
        work(py, move |cancel| Ok(read_matrix_market(&path, &kernels(None, cancel)?)?.into()))
    }

    #[getter]
    fn num_nodes(&self) -> usize {
        self.graph.num_nodes()
    }

    #[getter]
    fn num_edges(&self) -> usize {
        self.graph.num_edges()
    }

    #[getter]
    fn is_directed(&self) -> bool {
        self.graph.is_directed()
    }

    #[getter]
    fn is_weighted(&self) -> bool {
        self.graph.is_weighted()
    }

    /// Bytes of the rows of outgoing edges.
    #[getter]
    fn nbytes(&self) -> usize {
        self.graph.csr().num_bytes()
    }

    /// The ids of the nodes, where they are not their numbers.
    #[getter]
    fn ids(&self) -> Option<Arro3Array> {
        let nodes = self.graph.nodes()?;
        let field = Field::new("node", nodes.ids().data_type().clone(), false);
        Some(PyArray::new(Arc::clone(nodes.ids()), Arc::new(field)).into())
    }

    /// The number of a node.
    fn index_of(&self, py: Python<'_>, node: &Bound<'_, PyAny>) -> Result<u32> {
        let id = json(node)?;
        // The first look makes an index of all ids.
        Ok(py.detach(|| bowstring::graph::node(&id, &self.graph))?)
    }

    /// The rows of outgoing edges.
    fn csr<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        Ok(rows_of(py, self.graph.csr())?)
    }

    /// The rows of incoming edges.
    fn csc<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        let graph = Arc::clone(&self.graph);
        let rows = work(py, move |cancel| Ok(graph.csc(&kernels(None, cancel)?).map_err(failed)?.clone()))?;
        Ok(rows_of(py, &rows)?)
    }

    /// The numbers of a node's neighbours.
    fn neighbors<'py>(&self, py: Python<'py>, node: &Bound<'_, PyAny>) -> Result<Bound<'py, PyAny>> {
        let node = self.index_of(py, node)?;
        let range = self.graph.csr().range(node);
        let indices = self.graph.csr().indices().slice(range.start, range.len());
        Ok(numpy(py, indices.into_inner(), "int32")?)
    }

    /// Whether there is an edge between two nodes.
    fn has_edge(&self, py: Python<'_>, source: &Bound<'_, PyAny>, target: &Bound<'_, PyAny>) -> Result<bool> {
        let (source, target) = (self.index_of(py, source)?, self.index_of(py, target)?);
        self.graph.has_edge(source, target).map_err(failed)
    }

    /// The graph with all edges turned around.
    fn reverse(&self, py: Python<'_>) -> Result<Self> {
        let graph = Arc::clone(&self.graph);
        work(py, move |cancel| Ok(graph.reverse(&kernels(None, cancel)?).map_err(failed)?.into()))
    }

    /// The graph without directions.
    fn to_undirected(&self, py: Python<'_>, options: &Bound<'_, PyDict>) -> Result<Self> {
        let graph = Arc::clone(&self.graph);
        let merge = build_options(&Options(options))?.parallel_edges;
        work(py, move |cancel| {
            Ok(graph.to_undirected(merge, &kernels(None, cancel)?).map_err(failed)?.into())
        })
    }

    /// The graph of some nodes, by number, and the edges between them.
    fn subgraph(&self, py: Python<'_>, nodes: &Bound<'_, PyAny>) -> Result<Self> {
        let graph = Arc::clone(&self.graph);
        let nodes = indices(&array(nodes)?)?;
        work(py, move |cancel| Ok(graph.subgraph(&nodes, &kernels(None, cancel)?).map_err(failed)?.into()))
    }

    /// The graph with its nodes in descending order of degree, and which node each of them was.
    fn relabel_by_degree<'py>(&self, py: Python<'py>) -> Result<(Self, Bound<'py, PyAny>)> {
        let graph = Arc::clone(&self.graph);
        let (relabelled, was) =
            work(py, move |cancel| graph.relabel_by_degree(&kernels(None, cancel)?).map_err(failed))?;
        Ok((relabelled.into(), numpy(py, Buffer::from_vec(was), "int32")?))
    }

    /// Runs the algorithm of this name.
    fn run(
        &self,
        py: Python<'_>,
        name: &str,
        options: &Bound<'_, PyDict>,
        arrays: &Bound<'_, PyDict>,
        threads: Option<&Bound<'_, PyAny>>,
    ) -> Result<PyOutcome> {
        let Some(algorithm) = algorithm(name) else {
            let known = bowstring::graph::ALGORITHMS.iter().copied().flatten().map(|one| one.name).collect();
            return Err(Fault::UnknownWord { option: "algorithm", given: name.to_owned(), known });
        };
        let prepared = algorithm.prepare(json(options)?).map_err(Fault::Options)?;
        let mut values = Arrays::new();
        let names = algorithm.arrays.iter().chain(if algorithm.pairs { &["left", "right"] } else { &[][..] });
        for name in names.copied() {
            if let Some(object) = arrays.get_item(name)? {
                values.insert(name, array(&object)?);
            }
        }
        let threads = threads.map(|threads| typed::one::<usize>("threads", threads)).transpose()?;
        let graph = Arc::clone(&self.graph);
        let outcome = work(py, {
            let graph = Arc::clone(&graph);
            move |cancel| Ok(prepared(&graph, &values, &kernels(threads, cancel)?)?)
        })?;
        Ok(PyOutcome { outcome, graph })
    }

    /// A table of the nodes' ids and of columns with a value for each node.
    fn to_table(&self, columns: &Bound<'_, PyDict>) -> Result<PyTable> {
        let mut arrays = Vec::new();
        for (name, values) in columns.iter() {
            arrays.push((name.extract::<String>()?, array(&values)?));
        }
        Ok(node_table(&self.graph, &arrays)?.into())
    }

    /// Writes the graph for other tools, with columns of one value for each node.
    fn export(
        &self,
        py: Python<'_>,
        path: &Bound<'_, PyAny>,
        format: &str,
        columns: &Bound<'_, PyDict>,
    ) -> Result<()> {
        let path: PathBuf = typed::path(path)?;
        let format = if format == "dot" { GraphFormat::Dot } else { GraphFormat::GraphMl };
        let mut arrays = Vec::new();
        for (name, values) in columns.iter() {
            arrays.push((name.extract::<String>()?, array(&values)?));
        }
        let graph = Arc::clone(&self.graph);
        work(py, move |cancel| {
            let columns: Vec<(&str, ArrayRef)> =
                arrays.iter().map(|(name, values)| (name.as_str(), Arc::clone(values))).collect();
            Ok(export(&graph, &columns, format, &path, &kernels(None, cancel)?)?)
        })
    }

    /// Draws a part of the graph as SVG.
    fn draw(&self, py: Python<'_>, path: &Bound<'_, PyAny>, options: &Bound<'_, PyDict>) -> Result<()> {
        let path: PathBuf = typed::path(path)?;
        let given = Options(options);
        let directions = [("out", Direction::Out), ("in", Direction::In), ("both", Direction::Both)];
        let direction = given.word("direction", &directions)?.unwrap_or(Direction::Both);
        let part = match (given.any("around")?, given.one::<usize>("top")?) {
            (Some(nodes), _) => {
                let nodes = nodes.try_iter()?.map(|node| self.index_of(py, &node?)).collect::<Result<_>>()?;
                let hops = given.one::<usize>("hops")?.unwrap_or(1);
                Part::Around(nodes, u32::try_from(hops).unwrap_or(u32::MAX), direction)
            }
            (None, Some(count)) => Part::Top(count),
            (None, None) => Part::Whole,
        };
        let scores = given.any("scores")?.map(|scores| array(&scores)).transpose()?;
        let groups = given.any("groups")?.map(|groups| array(&groups)).transpose()?;
        let title = given.one::<String>("title")?;
        let graph = Arc::clone(&self.graph);
        work(py, move |cancel| {
            let scores = scores.map(|scores| numbers("scores", &scores, &DataType::Float64)).transpose()?;
            let groups = groups.map(|groups| numbers("groups", &groups, &DataType::UInt32)).transpose()?;
            let picture = Picture {
                part,
                scores: scores.map(|scores| scores.as_primitive::<Float64Type>().values().to_vec()),
                groups: groups.map(|groups| groups.as_primitive::<UInt32Type>().values().to_vec()),
                title,
            };
            Ok(picture.write(&graph, &path, &kernels(None, cancel)?)?)
        })
    }
}

/// What an algorithm computed.
#[pyclass(module = "bowstring._bowstring", name = "Outcome", frozen)]
pub(crate) struct PyOutcome {
    outcome: Outcome,
    graph: Arc<Graph>,
}

#[pymethods]
impl PyOutcome {
    /// The columns as numpy arrays, in their order.
    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        for column in self.outcome.columns.iter().chain(&self.outcome.lists) {
            columns.set_item(column.name, numpy_of(py, &column.values)?)?;
        }
        Ok(columns)
    }

    /// What is said of the whole.
    #[getter]
    fn facts<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        let facts = PyDict::new(py);
        for (name, fact) in &self.outcome.facts {
            match fact {
                Fact::Count(value) => facts.set_item(name, value)?,
                Fact::Number(value) => facts.set_item(name, value)?,
                Fact::Flag(value) => facts.set_item(name, value)?,
            }
        }
        Ok(facts)
    }

    /// Whether there is one row for each node.
    #[getter]
    fn by_node(&self) -> bool {
        self.outcome.rows == Rows::Nodes
    }

    /// The table, in which nodes have their ids, or those that are given.
    fn table(&self, py: Python<'_>, ids: Option<&Bound<'_, PyAny>>) -> Result<PyTable> {
        let ids = ids.map(array).transpose()?;
        let (outcome, graph) = (self.outcome.clone(), Graph::clone(&self.graph));
        work(py, move |cancel| {
            let graph = match ids {
                None => graph,
                Some(ids) => graph.with_nodes(from_ref(&ids), &kernels(None, cancel)?).map_err(failed)?,
            };
            let batch = outcome.table(&graph)?;
            Ok(Table::new(batch.schema(), vec![batch])?.into())
        })
    }
}
