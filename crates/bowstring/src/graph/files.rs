//! Which files of other tools can be read and written?

use std::{fs::File, io::BufReader, path::Path};

use arrow::array::ArrayRef;
use bowstring_graph::{Graph, Run, dot, graphml, matrix_market};
use bowstring_io::{IoError, WriteMode, write_file};

use crate::{Error, Result};

/// The formats in which a graph can be written for other tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphFormat {
    /// GraphML.
    GraphMl,
    /// The language of Graphviz.
    Dot,
}

/// The graph of a matrix in the Matrix Market format.
///
/// # Errors
/// When the file cannot be read, or is malformed.
pub fn read_matrix_market(path: &Path, run: &Run) -> Result<Graph> {
    let file = File::open(path).map_err(|source| IoError::System {
        action: "open",
        path: path.to_owned(),
        source,
    })?;
    matrix_market(BufReader::new(file), run).map_err(|error| Error::from(error).at(path))
}

impl GraphFormat {
    /// The format that a file's ending tells: `.graphml`, `.dot` or `.gv`.
    pub fn of_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?;
        let is = |known: &str| ending.eq_ignore_ascii_case(known);
        match () {
            () if is("graphml") => Some(GraphFormat::GraphMl),
            () if is("dot") || is("gv") => Some(GraphFormat::Dot),
            () => None,
        }
    }
}

/// Writes a graph for other tools, with columns of one value for each node. The file appears as a whole or
/// not at all.
///
/// # Errors
/// When it cannot be written, or a column has fewer or more values than there are nodes.
pub fn export(
    graph: &Graph,
    columns: &[(&str, ArrayRef)],
    format: GraphFormat,
    path: &Path,
    run: &Run,
) -> Result<()> {
    write_file(path, WriteMode::Overwrite, |out| match format {
        GraphFormat::GraphMl => {
            graphml(graph, columns, out, run).map_err(|error| Error::from(error).at(path))
        }
        GraphFormat::Dot => dot(graph, columns, out, run).map_err(|error| Error::from(error).at(path)),
    })
}
