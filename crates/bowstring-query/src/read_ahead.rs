//! Who reads on while a function computes?
//!
//! Decoding is done by the thread that asks for rows. Functions of other crates are heavy and use idle
//! threads by themselves; below them a few batches are decoded ahead, so that neither waits for the other.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::buffer::BufferExec;
use datafusion::physical_plan::{ExecutionPlan, execution_plan::replace_children_if_necessary};

use crate::function::is_adapted;

/// Bytes of batches that wait in each stream of a query.
const AHEAD_BYTES: usize = 8 << 20;

/// Puts a buffer below what calls functions of other crates.
#[derive(Debug)]
pub(crate) struct ReadAhead;

impl PhysicalOptimizerRule for ReadAhead {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let children = plan.children();
            let ([only], true) = (children.as_slice(), is_heavy(&plan)?) else {
                return Ok(Transformed::no(plan));
            };
            let ahead: Arc<dyn ExecutionPlan> = Arc::new(BufferExec::new(Arc::clone(only), AHEAD_BYTES));
            Ok(Transformed::yes(replace_children_if_necessary(plan, vec![ahead])?))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "read_ahead"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether a function of another crate is called anywhere in the plan.
pub(crate) fn calls_heavy(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(is_heavy)
}

fn is_heavy(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(&mut |expr| {
        expr.apply(|part| {
            found |= part.downcast_ref::<ScalarFunctionExpr>().is_some_and(|call| is_adapted(call.fun()));
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(found)
}
