//! How are operators that keep batches kept from holding on to more than those show?
//!
//! Views of text share the buffers that they were taken from, and batches may be slices of a larger one: a
//! few rows of a join keep whole pages of its inputs alive, and operators count them so. Under a limit of
//! memory, batches are copied out of what they share before an operator keeps them.

use std::fmt::Formatter;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::TryStreamExt;

use crate::dataset_exec::fault;

/// Its input's batches, each holding little more than it shows.
#[derive(Debug)]
pub(crate) struct CompactExec(Arc<dyn ExecutionPlan>);

impl CompactExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        Self(input)
    }
}

impl DisplayAs for CompactExec {
    fn fmt_as(&self, _style: DisplayFormatType, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("CompactExec")
    }
}

impl ExecutionPlan for CompactExec {
    fn name(&self) -> &'static str {
        "CompactExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.0]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.len()) {
            (Some(input), 0) => Ok(Arc::new(Self(input))),
            _ => Err(DataFusionError::Internal("CompactExec has one input".to_owned())),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let batches = self.0.execute(partition, context)?;
        let batches = batches.and_then(async |batch| bowstring_io::compacted(batch).map_err(fault));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}
