//! How does a Matrix Market file become a graph? As Boisvert, Pozo and Remington describe the format (The
//! Matrix Market Exchange Formats, 1996): coordinates, counted from 1, of real or integer numbers or of a
//! pattern alone. Row `i` and column `j` are the edge from node `i − 1` to node `j − 1`.

use std::{
    io::{BufRead, Read as _},
    slice::from_ref,
    sync::Arc,
};

use arrow::array::{ArrayRef, Float64Array, Int64Array, UInt32Array};

use crate::{BuildOptions, Edges, Graph, GraphError, Result, Run, csr::MAX_NODES};

/// Most bytes of a line with its end; the format itself allows 1024.
const MAX_LINE: u64 = 1 << 16;

/// Lines between two looks at whether the work should stop.
const CHECK: usize = 1 << 12;

/// Reads a graph: a directed one of a `general` matrix, an undirected one of a `symmetric` matrix, of
/// which each entry is one edge; with weights, unless the matrix is a `pattern`. The matrix is square, and
/// has a node for each row.
///
/// Cost: O(entries) time on one thread for the text, then as [`Graph::from_edges`]. Memory: 8 bytes for
/// each entry, 16 with weights, beside what [`Graph::from_edges`] takes.
///
/// # Errors
/// [`GraphError::MatrixMarket`], with the line, for what is no such file, for dense and complex matrices
/// and for skew ones; [`GraphError::TooManyNodes`]; [`GraphError::Read`] when the reader fails; what
/// [`Graph::from_edges`] says.
///
/// ```
/// use bowstring_graph::{Run, matrix_market};
///
/// let file = "%%MatrixMarket matrix coordinate integer symmetric\n% roads\n3 3 2\n2 1 40\n3 2 25\n";
/// let graph = matrix_market(file.as_bytes(), &Run::default())?;
/// assert_eq!((graph.num_nodes(), graph.num_edges(), graph.is_directed()), (3, 2, false));
/// assert_eq!(graph.neighbors(1)?, [0, 2]);
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
pub fn matrix_market(reader: impl BufRead, run: &Run) -> Result<Graph> {
    let mut lines = Lines { reader, line: Vec::new(), number: 0 };
    let header = Header::read(&mut lines)?;
    let (nodes, entries) = size(&mut lines)?;
    let mut source = Vec::new();
    let mut target = Vec::new();
    let mut values = match header.field {
        Field::Pattern => Values::None,
        Field::Integer => Values::Integers(Vec::new()),
        Field::Real => Values::Reals(Vec::new()),
    };
    while lines.next()? {
        if source.len().is_multiple_of(CHECK) {
            run.check()?;
        }
        let mut words = lines.words()?;
        let (Some(from), Some(to)) = (words.next(), words.next()) else {
            return Err(lines.malformed("an entry has a row and a column"));
        };
        source.push(lines.coordinate(from, nodes)?);
        target.push(lines.coordinate(to, nodes)?);
        values.push(&mut words, &lines)?;
        if let Some(more) = words.next() {
            return Err(lines.malformed(format!("`{more}` is one word too many")));
        }
        if source.len() as u64 > entries {
            return Err(lines.malformed(format!("this is one entry more than the {entries} announced")));
        }
    }
    if (source.len() as u64) < entries {
        let problem = format!("the file ends after {} of {entries} entries", source.len());
        return Err(lines.malformed(problem));
    }
    let source: ArrayRef = Arc::new(UInt32Array::from(source));
    let target: ArrayRef = Arc::new(UInt32Array::from(target));
    let weight = values.array();
    let edges =
        Edges { source: from_ref(&source), target: from_ref(&target), weight: weight.as_ref().map(from_ref) };
    let options =
        BuildOptions { num_nodes: Some(nodes.into()), directed: header.directed, ..BuildOptions::default() };
    Graph::from_edges(&edges, &options, run)
}

/// The lines of a file, one at a time.
struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// Reads a line of any kind; false at the end.
    fn any(&mut self) -> Result<bool> {
        self.line.clear();
        self.number += 1;
        let mut limited = self.reader.by_ref().take(MAX_LINE + 1);
        let length = limited.read_until(b'\n', &mut self.line);
        let length = length.map_err(|error| GraphError::Read { reason: error.to_string() })?;
        if length as u64 > MAX_LINE {
            return Err(self.malformed(format!("a line has more than {MAX_LINE} bytes")));
        }
        Ok(length > 0)
    }

    /// Reads the next line that is neither empty nor a comment; false at the end.
    fn next(&mut self) -> Result<bool> {
        while self.any()? {
            let text = self.line.trim_ascii();
            if !text.is_empty() && !text.starts_with(b"%") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn words(&self) -> Result<std::str::SplitAsciiWhitespace<'_>> {
        let text = str::from_utf8(&self.line).map_err(|_| self.malformed("this is no text"))?;
        Ok(text.split_ascii_whitespace())
    }

    fn malformed(&self, problem: impl Into<String>) -> GraphError {
        GraphError::MatrixMarket { line: self.number, problem: problem.into() }
    }

    fn number<T: std::str::FromStr>(&self, word: &str) -> Result<T> {
        word.parse().map_err(|_| self.malformed(format!("`{word}` is no number of the kind announced")))
    }

    /// The node of a row or column.
    fn coordinate(&self, word: &str, nodes: u32) -> Result<u32> {
        match self.number::<u64>(word)? {
            0 => Err(self.malformed("rows and columns are counted from 1, and this is 0")),
            place if place > u64::from(nodes) => {
                Err(self.malformed(format!("{place} is beyond the {nodes} rows")))
            }
            place => Ok((place - 1) as u32),
        }
    }
}

enum Field {
    Pattern,
    Integer,
    Real,
}

struct Header {
    field: Field,
    directed: bool,
}

impl Header {
    fn read<R: BufRead>(lines: &mut Lines<R>) -> Result<Self> {
        lines.any()?;
        let text = String::from_utf8_lossy(&lines.line).to_ascii_lowercase();
        let mut words = text.split_ascii_whitespace();
        if (words.next(), words.next()) != (Some("%%matrixmarket"), Some("matrix")) {
            return Err(lines.malformed("the first line does not begin with `%%MatrixMarket matrix`"));
        }
        let mut one_of = |what: &str, known: &[&str]| {
            let word = words.next().unwrap_or_default();
            known.iter().position(|known| *known == word).ok_or_else(|| {
                let known: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
                lines.malformed(format!("the {what} is `{word}`, and can be {}", known.join(" or ")))
            })
        };
        one_of("layout", &["coordinate"])?;
        let field = match one_of("field", &["pattern", "integer", "real", "double"])? {
            0 => Field::Pattern,
            1 => Field::Integer,
            _ => Field::Real,
        };
        let directed = one_of("symmetry", &["general", "symmetric"])? == 0;
        Ok(Self { field, directed })
    }
}

/// The line of sizes: how many nodes there are, and how many entries.
fn size<R: BufRead>(lines: &mut Lines<R>) -> Result<(u32, u64)> {
    if !lines.next()? {
        return Err(lines.malformed("the file ends before the line of sizes"));
    }
    let mut words = lines.words()?;
    let mut number = || words.next().map(|word| lines.number::<u64>(word));
    let (Some(rows), Some(columns), Some(entries), None) = (number(), number(), number(), number()) else {
        return Err(lines.malformed("the line of sizes has three numbers: rows, columns and entries"));
    };
    let (rows, columns, entries) = (rows?, columns?, entries?);
    if rows != columns {
        return Err(lines.malformed(format!(
            "the matrix has {rows} rows and {columns} columns, and that of a graph is square"
        )));
    }
    if rows > MAX_NODES {
        return Err(GraphError::TooManyNodes { nodes: rows });
    }
    Ok((rows as u32, entries))
}

enum Values {
    None,
    Integers(Vec<i64>),
    Reals(Vec<f64>),
}

impl Values {
    fn push<'a, R: BufRead>(
        &mut self,
        words: &mut impl Iterator<Item = &'a str>,
        lines: &Lines<R>,
    ) -> Result<()> {
        let mut word = || words.next().ok_or_else(|| lines.malformed("the entry has no value"));
        match self {
            Values::None => {}
            Values::Integers(values) => values.push(lines.number(word()?)?),
            Values::Reals(values) => {
                let value: f64 = lines.number(word()?)?;
                if !value.is_finite() {
                    return Err(lines.malformed(format!("the value {value} is not finite")));
                }
                values.push(value);
            }
        }
        Ok(())
    }

    fn array(self) -> Option<ArrayRef> {
        match self {
            Values::None => None,
            Values::Integers(values) => Some(Arc::new(Int64Array::from(values))),
            Values::Reals(values) => Some(Arc::new(Float64Array::from(values))),
        }
    }
}
