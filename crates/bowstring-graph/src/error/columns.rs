//! By which names does a caller know the columns that an error is about?

use std::borrow::Cow;

use super::GraphError;

impl GraphError {
    /// The same with the caller's names of columns: pairs of the name that this crate uses (`source`,
    /// `target`, `weight`, `nodes`) and the caller's.
    ///
    /// ```
    /// use bowstring_graph::GraphError;
    ///
    /// let error = GraphError::NullInEdge { column: "source".into(), row: 3 };
    /// let renamed = error.in_columns(&[("source", "package"), ("target", "depends_on")]);
    /// assert_eq!(renamed, GraphError::NullInEdge { column: "package".into(), row: 3 });
    /// ```
    #[must_use]
    pub fn in_columns(mut self, names: &[(&str, &str)]) -> Self {
        let rename = |column: &mut Cow<'static, str>| {
            if let Some((_, name)) = names.iter().find(|(own, _)| own == column) {
                *column = Cow::Owned((*name).to_owned());
            }
        };
        match &mut self {
            GraphError::NodeOutOfRange { column, .. }
            | GraphError::NegativeNode { column, .. }
            | GraphError::NullInEdge { column, .. }
            | GraphError::WeightNotFinite { column, .. }
            | GraphError::WeightTooLarge { column, .. }
            | GraphError::ColumnType { column, .. }
            | GraphError::PairOutOfRange { column, .. }
            | GraphError::IdNotInNodes { column, .. } => rename(column),
            GraphError::LengthMismatch { column, other, .. } => {
                rename(column);
                rename(other);
            }
            _ => {}
        }
        self
    }
}
