//! Which plans cannot keep to a limit of memory, and what takes their place?

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;

/// A sort that keeps more first rows than this may have to spill.
const FEW_ROWS: usize = 50_000;

/// The plan with sorts for many first rows (`LIMIT 10 OFFSET 5000000`) made whole sorts, which spill;
/// a sort for a few of them keeps those in memory and nothing else.
pub(crate) fn spillable(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let rows = node.downcast_ref::<SortExec>().and_then(|sort| Some((sort, sort.fetch()?)));
        Ok(match rows {
            Some((sort, rows)) if rows > FEW_ROWS => {
                let whole = Arc::new(sort.with_fetch(None));
                Transformed::yes(Arc::new(LocalLimitExec::new(whole, rows)) as _)
            }
            _ => Transformed::no(node),
        })
    })
    .data()
}
