//! Which ids do the nodes of a graph have in the caller's tables, and which node has an id?

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Arc, OnceLock},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, UInt32Array},
    datatypes::{ArrowNativeType, DataType},
};
use hashbrown::{DefaultHashBuilder, HashTable};
use rayon::prelude::*;

use crate::{
    GraphError, NodeId, Result, Run,
    csr::MAX_NODES,
    ids::{Id, IdColumn, Kind, gather, id_at, kind, one_kind, with_integers},
    keys::{CompactKeys, NumberKeys, TextKeys, ends},
    numbering::{Numbers, Stretch, bytes_per_id, number},
};

/// The ids of a graph's nodes: integers or texts, each there once, at the place of its node.
///
/// ```
/// use std::{slice::from_ref, sync::Arc};
/// use arrow::array::{ArrayRef, StringArray};
/// use bowstring_graph::{BuildOptions, Graph, Run, TableEdges};
///
/// let source: ArrayRef = Arc::new(StringArray::from(vec!["bash", "perl"]));
/// let target: ArrayRef = Arc::new(StringArray::from(vec!["libc", "libc"]));
/// let edges = TableEdges { source: from_ref(&source), target: from_ref(&target), ..TableEdges::default() };
/// let graph = Graph::from_table(&edges, &BuildOptions::default(), &Run::default())?;
/// let nodes = graph.nodes().unwrap();
/// assert_eq!(nodes.index_of_text("perl")?, 2);
/// assert_eq!(nodes.index_of_text("libs").unwrap_err().to_string(), "the graph has no node `libs`");
/// # Ok::<(), bowstring_graph::GraphError>(())
/// ```
#[derive(Debug)]
pub struct NodeMap {
    ids: ArrayRef,
    hasher: DefaultHashBuilder,
    index: OnceLock<HashTable<NodeId>>,
}

impl NodeMap {
    fn new(ids: ArrayRef) -> Self {
        Self { ids, hasher: DefaultHashBuilder::default(), index: OnceLock::new() }
    }

    /// The map of these ids, of which none may be there twice.
    pub(crate) fn of_ids(ids: &[ArrayRef], run: &Run) -> Result<Self> {
        let columns = [IdColumn::new("nodes", ids)?];
        run.kernel("naming nodes", columns[0].len() * NEED, || {
            let numbers = numbered(&columns, &[stretch(&columns, &[0])], run)?;
            once(&columns[0], &numbers)?;
            Ok(Self::new(whole(&columns, &numbers.firsts)?))
        })
    }

    /// The map of the ids of these edges in the order in which they appear, or of `nodes` when they
    /// are given; and the nodes of the edges.
    pub(crate) fn of_edges(
        nodes: Option<&[ArrayRef]>,
        source: &[ArrayRef],
        target: &[ArrayRef],
        run: &Run,
    ) -> Result<(Self, Vec<NodeId>, Vec<NodeId>)> {
        let columns = [
            IdColumn::new("nodes", nodes.unwrap_or_default())?,
            IdColumn::new("source", source)?,
            IdColumn::new("target", target)?,
        ];
        let (expected, found) = (columns[1].len(), columns[2].len());
        if found != expected {
            return Err(GraphError::LengthMismatch {
                column: "target".into(),
                found,
                other: "source".into(),
                expected,
            });
        }
        run.kernel("numbering nodes", (columns[0].len() + 2 * expected) * NEED, || {
            let stretches = [stretch(&columns, &[0]), stretch(&columns, &[1, 2])];
            let mut numbers = numbered(&columns, &stretches, run)?;
            once(&columns[0], &numbers)?;
            let given = columns[0].len();
            let ids = match numbers.firsts.get(given) {
                Some(&(column, row)) if nodes.is_some() => {
                    let id = columns[column].id(row);
                    let nearest = nearest(&whole(&columns[..1], &numbers.firsts[..given])?, id);
                    let column = columns[column].name.into();
                    return Err(GraphError::IdNotInNodes { column, row, id: id.to_string(), nearest });
                }
                _ if nodes.is_some() => whole(&columns[..1], &numbers.firsts)?,
                _ => gather(&columns, &numbers.firsts)?,
            };
            let target = numbers.columns.pop().unwrap_or_default();
            let source = numbers.columns.pop().unwrap_or_default();
            Ok((Self::new(ids), source, target))
        })
    }

    /// The ids, at the places of their nodes. Of the type that the columns had of which the graph was
    /// built, or of the values of the dictionary; where these had several types, of the one that holds
    /// them all.
    pub fn ids(&self) -> &ArrayRef {
        &self.ids
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The node with this text as its id. The first call makes an index, in O(nodes).
    ///
    /// # Errors
    /// [`GraphError::UnknownId`], with the nearest id that there is.
    pub fn index_of_text(&self, id: &str) -> Result<NodeId> {
        self.index_of(Id::Text(id))
    }

    /// The node with this number as its id. The first call makes an index, in O(nodes).
    ///
    /// # Errors
    /// [`GraphError::UnknownId`].
    pub fn index_of_int(&self, id: i128) -> Result<NodeId> {
        self.index_of(Id::Number(id))
    }

    /// The nodes with these ids, in their order, found in parallel in O(nodes + ids).
    ///
    /// # Errors
    /// [`GraphError::UnknownId`] for the first that is no node; [`GraphError::ColumnType`] when these
    /// are texts and the ids of the nodes are numbers, or the other way round;
    /// [`GraphError::NullInEdge`].
    pub fn index_of_all(&self, ids: &[ArrayRef], run: &Run) -> Result<Vec<NodeId>> {
        let own = [self.ids.clone()];
        let columns = [IdColumn::new("nodes", &own)?, IdColumn::new("ids", ids)?];
        run.kernel("looking up nodes", (self.len() + columns[1].len()) * NEED, || {
            let mut numbers = numbered(&columns, &[stretch(&columns, &[0]), stretch(&columns, &[1])], run)?;
            match numbers.firsts.get(self.len()) {
                Some(&(column, row)) => Err(self.unknown(columns[column].id(row))),
                None => Ok(numbers.columns.pop().unwrap_or_default()),
            }
        })
    }

    fn index_of(&self, id: Id<'_>) -> Result<NodeId> {
        let index = self.index.get_or_init(|| {
            let mut index = HashTable::with_capacity(self.len());
            for node in 0..self.len() {
                let id = id_at(&self.ids, node);
                index.insert_unique(self.hash(id), node as NodeId, |&node| {
                    self.hash(id_at(&self.ids, node as usize))
                });
            }
            index
        });
        let found = index.find(self.hash(id), |&node| id_at(&self.ids, node as usize) == id);
        found.copied().ok_or_else(|| self.unknown(id))
    }

    fn hash(&self, id: Id<'_>) -> u64 {
        match id {
            Id::Text(text) => self.hasher.hash_one(text),
            Id::Number(number) => self.hasher.hash_one(number),
        }
    }

    fn unknown(&self, id: Id<'_>) -> GraphError {
        GraphError::UnknownId { id: id.to_string(), nearest: nearest(&self.ids, id) }
    }

    /// The map of these nodes alone, numbered in their order.
    pub(crate) fn select(&self, nodes: &[NodeId]) -> Result<Self> {
        let chunks = [self.ids.clone()];
        let rows: Vec<(usize, usize)> = nodes.iter().map(|&node| (0, node as usize)).collect();
        Ok(Self::new(gather(&[IdColumn::new("nodes", &chunks)?], &rows)?))
    }
}

/// Bytes that numbering needs for each id, the codes of dictionaries included.
const NEED: usize = bytes_per_id::<u128>() + size_of::<u32>();

fn stretch(columns: &[IdColumn<'_>], of: &[usize]) -> Stretch {
    Stretch { columns: of.to_vec(), rows: of.first().map_or(0, |&first| columns[first].len()) }
}

/// The ids of a column of which none is there twice; the column itself where it is in one piece.
fn whole(columns: &[IdColumn<'_>], firsts: &[(usize, usize)]) -> Result<ArrayRef> {
    match columns {
        [IdColumn { chunks: [one], .. }] if !matches!(one.data_type(), DataType::Dictionary(..)) => {
            Ok(one.clone())
        }
        _ => gather(columns, firsts),
    }
}

/// # Errors
/// [`GraphError::DuplicateId`] when an id is twice in the column, which was numbered first.
fn once(column: &IdColumn<'_>, numbers: &Numbers) -> Result<()> {
    if numbers.after[0] == column.len() {
        return Ok(());
    }
    // Up to there, every number is that of its row.
    let rows = numbers.columns[0].par_iter().enumerate();
    let (row, first) = rows
        .find_first(|&(row, &number)| (number as usize) < row)
        .map_or((0, 0), |(row, &first)| (row, first as usize));
    Err(GraphError::DuplicateId { id: column.id(row).to_string(), first, row })
}

/// Numbers the ids of columns of any type.
fn numbered(columns: &[IdColumn<'_>], stretches: &[Stretch], run: &Run) -> Result<Numbers> {
    let numbers = if columns.iter().flat_map(|column| column.chunks).any(is_dictionary) {
        through_dictionaries(columns, stretches, run)
    } else {
        match one_kind(columns)? {
            Kind::Text => loop {
                let keys = TextKeys::new(columns);
                let numbers = number(&keys, stretches, run)?;
                if keys.tell_apart(stretches, &numbers, run)? {
                    break Ok(numbers);
                }
            },
            Kind::Number => number_integers(columns, stretches, run),
        }
    }?;
    let nodes = numbers.firsts.len() as u64;
    if nodes > MAX_NODES { Err(GraphError::TooManyNodes { nodes }) } else { Ok(numbers) }
}

fn is_dictionary(array: &ArrayRef) -> bool {
    matches!(array.data_type(), DataType::Dictionary(..))
}

fn number_integers(columns: &[IdColumn<'_>], stretches: &[Stretch], run: &Run) -> Result<Numbers> {
    let ids: usize = columns.iter().map(IdColumn::len).sum();
    let Some((least, most)) = ends(columns) else {
        return number(&NumberKeys::new(columns), stretches, run);
    };
    let chunks = || columns.iter().flat_map(|column| column.chunks.iter().map(|chunk| (column.name, chunk)));
    if most > i64::MAX.into()
        && chunks().any(|(_, chunk)| chunk.data_type().is_signed_integer())
        && let Some((column, chunk)) = chunks().find(|(_, chunk)| *chunk.data_type() == DataType::UInt64)
    {
        let found = format!("{} with ids beyond int64", chunk.data_type());
        let expected = "int64 as in the other columns";
        return Err(GraphError::ColumnType { column: column.into(), found, expected });
    }
    let span = most - least;
    if span < i128::from(u32::MAX) && span <= (4 * ids as i128).max(1 << 16) {
        number(&CompactKeys { columns, least: least as u64, span: span as u64 }, stretches, run)
    } else {
        number(&NumberKeys::new(columns), stretches, run)
    }
}

/// Numbers the values of dictionaries first, each once, and then the rows by the numbers of their values.
fn through_dictionaries(columns: &[IdColumn<'_>], stretches: &[Stretch], run: &Run) -> Result<Numbers> {
    one_kind(columns)?;
    // Every array of values, each dictionary once; and for each chunk which of them it is about.
    let mut values: Vec<ArrayRef> = Vec::new();
    let mut starts = vec![0];
    let mut of_chunks: Vec<Vec<usize>> = Vec::new();
    let mut known = HashMap::new();
    for column in columns {
        let mut of_column = Vec::with_capacity(column.chunks.len());
        for chunk in column.chunks {
            let own = if is_dictionary(chunk) { chunk.as_any_dictionary().values() } else { chunk };
            // Chunks of one column often share a dictionary, and not always its `Arc`.
            let data = own.to_data();
            let memory: Vec<usize> = data.buffers().iter().map(|buffer| buffer.as_ptr().addr()).collect();
            let at = *known.entry((memory, data.offset(), data.len())).or_insert_with(|| {
                starts.push(starts.last().copied().unwrap_or(0) + own.len());
                values.push(own.clone());
                values.len() - 1
            });
            of_column.push(at);
        }
        of_chunks.push(of_column);
    }
    let of_values = [IdColumn::nullable("nodes", &values)];
    let codes = numbered(&of_values, &[stretch(&of_values, &[0])], run)?.columns.pop().unwrap_or_default();

    let mut coded: Vec<Vec<ArrayRef>> = Vec::new();
    for (column, of_column) in columns.iter().zip(&of_chunks) {
        let code = |(chunk, &at): (&ArrayRef, &usize)| {
            run.check()?;
            let codes = &codes[starts[at]..starts[at + 1]];
            Ok(Arc::new(UInt32Array::new(
                match chunk.as_any_dictionary_opt() {
                    Some(dictionary) => {
                        with_integers!(dictionary.keys(), keys => {
                            keys.par_iter().map(|key| codes[key.as_usize()]).collect::<Vec<u32>>()
                        }, Vec::new())
                    }
                    None => codes.to_vec(),
                }
                .into(),
                None,
            )) as ArrayRef)
        };
        coded.push(column.chunks.par_iter().zip(of_column).map(code).collect::<Result<_>>()?);
    }
    let coded: Vec<IdColumn<'_>> =
        columns.iter().zip(&coded).map(|(column, chunks)| IdColumn::nullable(column.name, chunks)).collect();
    let span = codes.par_iter().copied().max().unwrap_or(0).into();
    number(&CompactKeys { columns: &coded, least: 0, span }, stretches, run)
}

/// The text that was probably meant.
fn nearest(ids: &ArrayRef, id: Id<'_>) -> Option<String> {
    let Id::Text(name) = id else { return None };
    if kind(ids.data_type()) != Some(Kind::Text) {
        return None;
    }
    let letters = letters(name);
    let blocks = (0..ids.len()).into_par_iter().step_by(1 << 12);
    let of_blocks: Vec<&str> = blocks
        .filter_map(|start| {
            let texts = (start..ids.len().min(start + (1 << 12))).filter_map(|node| match id_at(ids, node) {
                Id::Text(text) if is_near(&letters, name, text) => Some(text),
                _ => None,
            });
            bowstring_core::nearest(name, texts)
        })
        .collect();
    bowstring_core::nearest(name, of_blocks).map(str::to_owned)
}

/// How often each letter is in a text, case ignored.
fn letters(text: &str) -> [i32; 32] {
    let mut counts = [0; 32];
    for byte in text.bytes() {
        counts[usize::from(byte & 31)] += 1;
    }
    counts
}

/// Whether two texts share so many letters that a comparison letter by letter is worth its time.
fn is_near(letters_of_one: &[i32; 32], one: &str, other: &str) -> bool {
    let limit = (one.len().max(other.len()) / 3).max(1);
    if one.len().abs_diff(other.len()) > limit {
        return false;
    }
    let apart: u32 = letters_of_one.iter().zip(letters(other)).map(|(a, b)| a.abs_diff(b)).sum();
    // An exchanged letter is missing on both sides.
    apart as usize <= 2 * limit
}
