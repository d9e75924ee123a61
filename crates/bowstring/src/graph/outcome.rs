//! What comes out of an algorithm, and how does it become a table?

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, RecordBatch, UInt32Array},
    compute::take,
    datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type, Schema, UInt32Type},
};
use bowstring_graph::{Graph, GraphError};
use bowstring_query::Table;

use crate::{Error, Result};

/// What an algorithm computed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What its rows are.
    pub rows: Rows,
    /// The columns, of one length.
    pub columns: Vec<Column>,
    /// Columns of lengths of their own, which do not stand in the table.
    pub lists: Vec<Column>,
    /// What is to be said of the whole, as the number of iterations.
    pub facts: Vec<(&'static str, Fact)>,
}

/// What the rows of an outcome are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// One for each node, in their order.
    Nodes,
    /// Nodes, edges or pairs that the columns name.
    Listed,
}

/// A column of an outcome.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: ArrayRef,
    /// What they stand for.
    pub kind: ColumnKind,
}

/// What the values of a column stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Themselves.
    Value,
    /// Node numbers; −1 for none.
    Node,
    /// Distances; −1 or ∞ for nodes that are not reached.
    Distance,
}

/// A value that is said of the whole outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fact {
    /// A count.
    Count(u64),
    /// A number.
    Number(f64),
    /// Whether something holds.
    Flag(bool),
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fact::Count(value) => value.fmt(f),
            Fact::Number(value) => value.fmt(f),
            Fact::Flag(value) => value.fmt(f),
        }
    }
}

impl Outcome {
    /// An outcome with one row for each node.
    pub(super) fn of_nodes(columns: Vec<Column>) -> Self {
        Self { rows: Rows::Nodes, columns, lists: Vec::new(), facts: Vec::new() }
    }

    /// An outcome whose rows the columns name.
    pub(super) fn listed(columns: Vec<Column>) -> Self {
        Self { rows: Rows::Listed, columns, lists: Vec::new(), facts: Vec::new() }
    }

    /// The same with facts.
    pub(super) fn with(mut self, facts: Vec<(&'static str, Fact)>) -> Self {
        self.facts = facts;
        self
    }

    /// As a table, in which nodes have their ids, and what is not reached is null. Facts stand in the
    /// metadata of its schema.
    ///
    /// # Errors
    /// When the table cannot be made.
    pub fn table(&self, graph: &Graph) -> Result<RecordBatch> {
        let mut fields = Vec::with_capacity(self.columns.len() + 1);
        let mut arrays = Vec::with_capacity(self.columns.len() + 1);
        if self.rows == Rows::Nodes {
            let nodes = ids_of_all(graph);
            fields.push(Field::new("node", nodes.data_type().clone(), false));
            arrays.push(nodes);
        }
        for column in &self.columns {
            let values = match column.kind {
                ColumnKind::Value => Arc::clone(&column.values),
                ColumnKind::Node => ids_of(graph, &column.values)?,
                ColumnKind::Distance => without_unreached(&column.values),
            };
            let nullable = values.null_count() > 0 || column.kind != ColumnKind::Value;
            fields.push(Field::new(column.name, values.data_type().clone(), nullable));
            arrays.push(values);
        }
        let facts: HashMap<String, String> =
            self.facts.iter().map(|(name, fact)| ((*name).to_owned(), fact.to_string())).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, facts));
        RecordBatch::try_new(schema, arrays).map_err(Error::table)
    }
}

/// A table of the nodes' ids and of columns with one value for each node.
///
/// # Errors
/// When a column has fewer or more values than there are nodes, or is called `node`.
pub fn node_table(graph: &Graph, columns: &[(String, ArrayRef)]) -> Result<Table> {
    let nodes = ids_of_all(graph);
    let mut fields = vec![Field::new("node", nodes.data_type().clone(), false)];
    let mut arrays = vec![nodes];
    for (name, values) in columns {
        if name == "node" {
            let expected = "another name: the column `node` has the ids";
            return Err(GraphError::Option { option: "column", value: "`node`".into(), expected }.into());
        }
        if values.len() != graph.num_nodes() {
            let (found, nodes) = (values.len(), graph.num_nodes());
            return Err(GraphError::ColumnLength { column: name.clone(), found, nodes }.into());
        }
        fields.push(Field::new(name, values.data_type().clone(), true));
        arrays.push(Arc::clone(values));
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(Error::table)?;
    Ok(Table::new(schema, vec![batch])?)
}

/// The ids of all nodes, or their numbers where the graph has no ids.
fn ids_of_all(graph: &Graph) -> ArrayRef {
    match graph.nodes() {
        Some(nodes) => Arc::clone(nodes.ids()),
        None => Arc::new(Int32Array::from_iter_values(0..graph.num_nodes() as i32)),
    }
}

/// The ids of these nodes; null for −1.
fn ids_of(graph: &Graph, numbers: &ArrayRef) -> Result<ArrayRef> {
    let numbers: Int32Array = match numbers.data_type() {
        DataType::UInt32 => numbers.as_primitive::<UInt32Type>().unary(|node| node.cast_signed()),
        _ => {
            let numbers = numbers.as_primitive::<Int32Type>();
            numbers.iter().map(|node| node.filter(|&node| node >= 0)).collect()
        }
    };
    match graph.nodes() {
        Some(nodes) => take(nodes.ids(), &numbers, None).map_err(Error::table),
        None => Ok(Arc::new(numbers)),
    }
}

/// Distances with null for −1 and ∞.
fn without_unreached(distances: &ArrayRef) -> ArrayRef {
    match distances.data_type() {
        DataType::Float64 => {
            let distances = distances.as_primitive::<Float64Type>().iter();
            Arc::new(distances.map(|far| far.filter(|far| far.is_finite())).collect::<Float64Array>())
        }
        DataType::Int64 => {
            let distances = distances.as_primitive::<Int64Type>().iter();
            Arc::new(distances.map(|far| far.filter(|far| *far >= 0)).collect::<Int64Array>())
        }
        DataType::Int32 => {
            let distances = distances.as_primitive::<Int32Type>().iter();
            Arc::new(distances.map(|far| far.filter(|far| *far >= 0)).collect::<Int32Array>())
        }
        _ => Arc::clone(distances),
    }
}

/// Arrays as columns.
pub(super) mod column {
    use arrow::array::{Float32Array, UInt64Array};
    use bowstring_graph::Weights;

    use super::{Arc, ArrayRef, Column, ColumnKind, Float64Array, Int32Array, Int64Array, UInt32Array};

    fn of(name: &'static str, values: ArrayRef, kind: ColumnKind) -> Column {
        Column { name, values, kind }
    }

    pub(crate) fn floats(name: &'static str, values: Vec<f64>) -> Column {
        of(name, Arc::new(Float64Array::from(values)), ColumnKind::Value)
    }

    pub(crate) fn counts(name: &'static str, values: Vec<u32>) -> Column {
        of(name, Arc::new(UInt32Array::from(values)), ColumnKind::Value)
    }

    pub(crate) fn totals(name: &'static str, values: Vec<u64>) -> Column {
        of(name, Arc::new(UInt64Array::from(values)), ColumnKind::Value)
    }

    pub(crate) fn labels(name: &'static str, values: Vec<u32>) -> Column {
        of(name, signed(values), ColumnKind::Value)
    }

    pub(crate) fn weights(name: &'static str, values: Weights) -> Column {
        let values: ArrayRef = match values {
            Weights::I32(values) => Arc::new(Int32Array::new(values, None)),
            Weights::I64(values) => Arc::new(Int64Array::new(values, None)),
            Weights::F32(values) => Arc::new(Float32Array::new(values, None)),
            Weights::F64(values) => Arc::new(Float64Array::new(values, None)),
        };
        of(name, values, ColumnKind::Value)
    }

    pub(crate) fn nodes(name: &'static str, values: Vec<i32>) -> Column {
        of(name, Arc::new(Int32Array::from(values)), ColumnKind::Node)
    }

    pub(crate) fn node_list(name: &'static str, values: Vec<u32>) -> Column {
        of(name, signed(values), ColumnKind::Node)
    }

    pub(crate) fn hops(name: &'static str, values: Vec<i32>) -> Column {
        of(name, Arc::new(Int32Array::from(values)), ColumnKind::Distance)
    }

    pub(crate) fn integers(name: &'static str, values: Vec<i64>, kind: ColumnKind) -> Column {
        of(name, Arc::new(Int64Array::from(values)), kind)
    }

    pub(crate) fn distances(name: &'static str, values: Vec<f64>) -> Column {
        of(name, Arc::new(Float64Array::from(values)), ColumnKind::Distance)
    }

    /// Node numbers and labels are below 2³¹.
    fn signed(values: Vec<u32>) -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(values.into_iter().map(u32::cast_signed)))
    }
}
