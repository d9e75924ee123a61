//! Which plans cannot keep to a limit of memory, and what takes their place?

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, replace_children_if_necessary};

use crate::compact_exec::CompactExec;

/// The plan as it runs under a limit of memory.
pub(crate) fn spillable(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| Ok(Transformed::yes(compact(one_writer(whole_sort(node))?)))).data()
}

/// A sort for many first rows (`LIMIT 10 OFFSET 5000000`) made a whole one, which spills; one for a few
/// of them keeps those in memory and nothing else.
fn whole_sort(node: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    /// A sort that keeps more first rows than this may have to spill.
    const FEW_ROWS: usize = 50_000;
    match node.downcast_ref::<SortExec>().and_then(|sort| Some((sort, sort.fetch()?))) {
        Some((sort, rows)) if rows > FEW_ROWS => {
            Arc::new(LocalLimitExec::new(Arc::new(sort.with_fetch(None)), rows))
        }
        _ => node,
    }
}

/// An exchange with one writer: when two spill at once, DataFusion 55 waits for ever for rows of one file
/// that are in the other (apache/datafusion#24883). With each its own file, as they have where order is
/// kept, it does not.
fn one_writer(node: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    match node.downcast_ref::<RepartitionExec>() {
        Some(exchange)
            if !exchange.preserve_order() && exchange.input().output_partitioning().partition_count() > 1 =>
        {
            let one = Arc::new(CoalescePartitionsExec::new(Arc::clone(exchange.input())));
            replace_children_if_necessary(node, vec![one])
        }
        _ => Ok(node),
    }
}

/// What may share buffers is copied out of them before the next operator keeps it.
fn compact(node: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let views = |data_type: &DataType| matches!(data_type, DataType::Utf8View | DataType::BinaryView);
    // Aggregations give slices of one large batch.
    let shares = node.downcast_ref::<AggregateExec>().is_some()
        || node.schema().fields().iter().any(|field| views(field.data_type()));
    if shares { Arc::new(CompactExec::new(node)) } else { node }
}
