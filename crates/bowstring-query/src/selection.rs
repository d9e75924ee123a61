//! Which rows and columns of files does a frame have?

use std::sync::Arc;

use bowstring_io::Dataset;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{Expr, cast};

use crate::{Frame, QueryError, Result, Session};

/// What is wanted of files, as the options of a reader say it.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The columns in the order wanted, by name, as [`Dataset::narrowed`] takes them; all when `None`.
    pub columns: Option<Vec<String>>,
    /// A condition, as of [`Frame::filter`]; it may use columns, and fields of them, that are not wanted.
    pub filter: Option<String>,
    /// The most rows, after the filter.
    pub limit: Option<usize>,
}

impl Selection {
    pub(crate) fn frame(&self, session: &Session, dataset: &Arc<Dataset>) -> Result<Frame> {
        let frame = match &self.columns {
            Some(names) => self.with_columns(session, dataset, names)?,
            None => self.filtered(&session.scan(Arc::clone(dataset))?)?,
        };
        match self.limit {
            Some(limit) => frame.limit(limit),
            None => Ok(frame),
        }
    }

    fn filtered(&self, frame: &Frame) -> Result<Frame> {
        match &self.filter {
            Some(filter) => frame.filter(filter),
            None => Ok(frame.clone()),
        }
    }

    fn with_columns(&self, session: &Session, dataset: &Arc<Dataset>, names: &[String]) -> Result<Frame> {
        let (wanted, columns) = dataset.narrowed(names)?;
        if columns.is_empty() {
            return Err(QueryError::plan("no column is selected"));
        }
        // The filter sees its columns whole, and only then are they made less.
        let used = self.filter_columns(&session.scan(Arc::clone(dataset))?)?;
        let (read, _) = dataset.narrowed(&[names, &used].concat())?;
        let frame = self.filtered(&session.scan(Arc::new(read))?)?;
        let fields = columns.iter().filter_map(|column| wanted.schema().fields().get(*column));
        let columns = fields.map(|field| {
            let column = frame.column(field.name())?;
            match frame.data_type_of(field.name())? == *field.data_type() {
                true => Ok(column),
                false => Ok(cast(column, field.data_type().clone()).alias(field.name())),
            }
        });
        let columns = columns.collect::<Result<_>>()?;
        frame.project(columns)
    }

    /// The columns that the filter uses.
    fn filter_columns(&self, frame: &Frame) -> Result<Vec<String>> {
        let Some(filter) = &self.filter else { return Ok(Vec::new()) };
        let expr = frame.expr(filter)?;
        // What a query within it uses is not looked for.
        let queries = |expr: &Expr| {
            Ok(matches!(
                expr,
                Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_) | Expr::SetComparison(_)
            ))
        };
        if expr.exists(queries).map_err(crate::error::during("reading a condition"))? {
            return Ok(frame.names().map(str::to_owned).collect());
        }
        Ok(expr.column_refs().into_iter().map(|column| column.name.clone()).collect())
    }
}
