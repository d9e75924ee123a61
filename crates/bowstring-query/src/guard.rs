//! How does an operator that is busy for long learn that it should stop?

use std::fmt::{Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema};
use bowstring_core::Cancel;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};

use crate::QueryError;

/// The plan with its joins guarded. They alone can compute for hours between two batches of their
/// input: their conditions check `cancel`, and what they give is a place to stop.
pub(crate) fn guard(plan: Arc<dyn ExecutionPlan>, cancel: &Cancel) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let join: Arc<dyn ExecutionPlan> = if let Some(join) = node.downcast_ref::<HashJoinExec>() {
            match join.filter() {
                Some(filter) => join.builder().with_filter(Some(checked(filter, cancel))).build_exec()?,
                None => node,
            }
        } else if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
            match join.filter() {
                Some(filter) => Arc::new(NestedLoopJoinExec::try_new(
                    Arc::clone(join.left()),
                    Arc::clone(join.right()),
                    Some(checked(filter, cancel)),
                    join.join_type(),
                    join.projection().as_ref().map(|columns| columns.to_vec()),
                )?),
                None => node,
            }
        } else if let Some(join) = node.downcast_ref::<SortMergeJoinExec>() {
            match join.filter() {
                Some(filter) => Arc::new(SortMergeJoinExec::try_new(
                    Arc::clone(join.left()),
                    Arc::clone(join.right()),
                    join.on().to_vec(),
                    Some(checked(filter, cancel)),
                    join.join_type(),
                    join.sort_options().to_vec(),
                    join.null_equality(),
                )?),
                None => node,
            }
        } else if node.downcast_ref::<CrossJoinExec>().is_some() {
            node
        } else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(join)) as _))
    })
    .data()
}

fn checked(filter: &JoinFilter, cancel: &Cancel) -> JoinFilter {
    let condition = Checked { condition: Arc::clone(filter.expression()), cancel: cancel.clone() };
    JoinFilter::new(Arc::new(condition), filter.column_indices().to_vec(), Arc::clone(filter.schema()))
}

/// A condition that fails once the query is cancelled.
#[derive(Debug)]
struct Checked {
    condition: Arc<dyn PhysicalExpr>,
    cancel: Cancel,
}

impl PartialEq for Checked {
    fn eq(&self, other: &Self) -> bool {
        self.condition.eq(&other.condition)
    }
}

impl Eq for Checked {}

impl Hash for Checked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}

impl Display for Checked {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(&self.condition, f)
    }
}

impl PhysicalExpr for Checked {
    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.condition.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.cancel
            .check()
            .map_err(|cancelled| DataFusionError::External(Box::new(QueryError::from(cancelled))))?;
        self.condition.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        match (children.pop(), children.len()) {
            (Some(condition), 0) => Ok(Arc::new(Checked { condition, cancel: self.cancel.clone() })),
            _ => Err(DataFusionError::Internal("a checked condition has one child".to_owned())),
        }
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.condition.fmt_sql(f)
    }
}
