//! How does one say which nodes and which edges are meant?

use std::slice::from_ref;

use arrow::{
    array::{Array, AsArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use bowstring_graph::{Direction, Graph, GraphError, Run};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::algorithm::Arrays;
use crate::{Error, Result};

/// A node: its id as it stands in the edge table, or its number where the graph has no ids.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum NodeId {
    Number(i64),
    Large(u64),
    Text(String),
}

/// A node, or a list of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum NodeIds {
    One(NodeId),
    Several(Vec<NodeId>),
}

impl NodeId {
    /// Its number in the graph.
    pub(super) fn number(&self, graph: &Graph) -> Result<u32> {
        // On the command line numbers are text, and in a mapping's keys too.
        let number = match self {
            NodeId::Number(number) => Some(i128::from(*number)),
            NodeId::Large(number) => Some(i128::from(*number)),
            NodeId::Text(text) => text.parse().ok(),
        };
        Ok(match (graph.nodes(), number) {
            (Some(nodes), _) if is_text(nodes.ids().data_type()) => nodes.index_of_text(&self.to_string())?,
            (Some(nodes), Some(number)) => nodes.index_of_int(number)?,
            (None, Some(number)) => numbered(number, graph)?,
            (_, None) => return Err(GraphError::UnknownId { id: self.to_string(), nearest: None }.into()),
        })
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NodeId::Number(number) => number.fmt(f),
            NodeId::Large(number) => number.fmt(f),
            NodeId::Text(text) => text.fmt(f),
        }
    }
}

fn is_text(ids: &DataType) -> bool {
    matches!(ids, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The node of this number.
fn numbered(number: i128, graph: &Graph) -> Result<u32, GraphError> {
    let nodes = graph.num_nodes();
    match u32::try_from(number) {
        Ok(node) if (node as usize) < nodes => Ok(node),
        Ok(node) => Err(GraphError::UnknownNode { node: node.into(), nodes }),
        Err(_) => Err(GraphError::UnknownId { id: number.to_string(), nearest: None }),
    }
}

impl NodeIds {
    /// Their numbers in the graph.
    pub(super) fn numbers(&self, graph: &Graph) -> Result<Vec<u32>> {
        match self {
            NodeIds::One(id) => Ok(vec![id.number(graph)?]),
            NodeIds::Several(ids) => ids.iter().map(|id| id.number(graph)).collect(),
        }
    }
}

/// Which edges are followed.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum DirectionName {
    #[default]
    Out,
    In,
    Both,
}

impl From<DirectionName> for Direction {
    fn from(name: DirectionName) -> Self {
        match name {
            DirectionName::Out => Direction::Out,
            DirectionName::In => Direction::In,
            DirectionName::Both => Direction::Both,
        }
    }
}

/// The number of the node that a JSON value names: its id, or its number where the graph has no ids.
///
/// # Errors
/// When it is not in the graph, or names nothing.
pub fn node(id: &Json, graph: &Graph) -> Result<u32> {
    match serde_json::from_value::<NodeId>(id.clone()) {
        Ok(id) => id.number(graph),
        Err(_) => Err(GraphError::UnknownId { id: id.to_string(), nearest: None }.into()),
    }
}

/// The numbers of the nodes in the arrays `left` and `right`.
pub(super) fn pairs(arrays: &Arrays, graph: &Graph, run: &Run) -> Result<(Vec<u32>, Vec<u32>)> {
    let side = |name: &'static str| -> Result<Vec<u32>> {
        let missing =
            GraphError::ColumnType { column: name.into(), found: "nothing".into(), expected: "nodes" };
        let ids = arrays.get(name).ok_or(missing)?;
        if let Some(nodes) = graph.nodes() {
            return nodes
                .index_of_all(from_ref(ids), run)
                .map_err(|error| error.in_columns(&[("ids", name)]).into());
        }
        if !ids.data_type().is_integer() || ids.null_count() > 0 {
            let found = ids.data_type().to_string();
            let expected = "a type of integers without nulls";
            return Err(GraphError::ColumnType { column: name.into(), found, expected }.into());
        }
        let numbers = cast(ids, &DataType::Int64).map_err(Error::table)?;
        let numbers = numbers.as_primitive::<Int64Type>().values().iter();
        Ok(numbers.map(|&number| numbered(number.into(), graph)).collect::<Result<_, GraphError>>()?)
    };
    Ok((side("left")?, side("right")?))
}
