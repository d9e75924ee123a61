//! Which rows are the first ones, when several partitions have rows?
//!
//! A limit over several partitions gathers them as they come, so the first rows of a table would be
//! those of the fastest thread. Where the rows have the order of a file or table, they are gathered
//! one partition after the other instead; all partitions still work ahead at once.

use std::fmt::Formatter;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
};
use futures::{StreamExt, stream};

/// Batches of a partition that wait until those before it are read.
const AHEAD: usize = 1;

/// Puts [`InOrderExec`] where a limit decides which rows there are.
#[derive(Debug)]
pub(crate) struct FirstRows;

impl PhysicalOptimizerRule for FirstRows {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            if let Some(gather) = plan.downcast_ref::<CoalescePartitionsExec>()
                && let Some(rows) = gather.fetch()
                && in_order(gather.input())
            {
                let first = InOrderExec::new(Arc::clone(gather.input()));
                return Ok(Transformed::yes(Arc::new(GlobalLimitExec::new(Arc::new(first), 0, Some(rows)))));
            }
            if let Some(limit) = plan.downcast_ref::<GlobalLimitExec>()
                && let Some(gather) = limit.input().downcast_ref::<CoalescePartitionsExec>()
                && in_order(gather.input())
            {
                let first = InOrderExec::new(Arc::clone(gather.input()));
                return Ok(Transformed::yes(Arc::new(GlobalLimitExec::new(
                    Arc::new(first),
                    limit.skip(),
                    limit.fetch(),
                ))));
            }
            Ok(Transformed::no(plan))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "first_rows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether the partitions, one after the other, are the rows in the order of their files or tables.
pub(crate) fn in_order(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let children = plan.children();
    if plan.is::<UnionExec>() {
        return children.into_iter().all(in_order);
    }
    match children.as_slice() {
        [] => true,
        [_] if plan.is::<RepartitionExec>() => false,
        [only] => plan.maintains_input_order().first() == Some(&true) && in_order(only),
        _ => false,
    }
}

/// Gives the rows of the first partition, then those of the second, and so on.
#[derive(Debug)]
struct InOrderExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl InOrderExec {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let mut equivalences = input.equivalence_properties().clone();
        equivalences.clear_orderings();
        equivalences.clear_per_partition_constants();
        let properties = PlanProperties::new(
            equivalences,
            Partitioning::UnknownPartitioning(1),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self { input, properties: Arc::new(properties) }
    }
}

impl DisplayAs for InOrderExec {
    fn fmt_as(&self, _style: DisplayFormatType, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "InOrderExec")
    }
}

impl ExecutionPlan for InOrderExec {
    fn name(&self) -> &'static str {
        "InOrderExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
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
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(input))),
            _ => Err(DataFusionError::Internal("InOrderExec has one input".to_owned())),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return Err(DataFusionError::Internal(format!("InOrderExec has no partition {partition}")));
        }
        let partitions = (0..self.input.output_partitioning().partition_count())
            .map(|partition| Ok(spawn_buffered(self.input.execute(partition, Arc::clone(&context))?, AHEAD)))
            .collect::<Result<Vec<_>>>()?;
        let rows = stream::iter(partitions).flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}
