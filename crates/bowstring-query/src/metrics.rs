//! What did a query cost?

use std::time::Duration;

use datafusion::execution::memory_pool::PeakRecordingPool;
use datafusion::physical_plan::ExecutionPlan;

use crate::Table;

/// A result and what it cost.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The rows.
    pub table: Table,
    /// What the query cost.
    pub metrics: PlanMetrics,
}

/// Measures of a query that ran.
#[derive(Clone, Debug, Default)]
pub struct PlanMetrics {
    /// The most bytes that its operators held from the memory pool at once.
    pub peak_memory: Option<u64>,
    /// The operators of the physical plan, each before its inputs.
    pub operators: Vec<OperatorMetrics>,
}

/// Measures of one operator.
#[derive(Clone, Debug)]
pub struct OperatorMetrics {
    /// Its name in the physical plan, such as `FilterExec`.
    pub name: String,
    /// How many operators are above it.
    pub depth: usize,
    /// The rows that it gave.
    pub rows: Option<u64>,
    /// The time that it computed, summed over threads.
    pub elapsed: Option<Duration>,
}

impl PlanMetrics {
    pub(crate) fn of(plan: &dyn ExecutionPlan, pool: &PeakRecordingPool) -> Self {
        let mut operators = Vec::new();
        visit(plan, 0, &mut operators);
        Self { peak_memory: u64::try_from(pool.peak_reserved()).ok(), operators }
    }
}

fn visit(plan: &dyn ExecutionPlan, depth: usize, into: &mut Vec<OperatorMetrics>) {
    let metrics = plan.metrics();
    let number = |value: Option<usize>| value.and_then(|value| u64::try_from(value).ok());
    into.push(OperatorMetrics {
        name: plan.name().to_owned(),
        depth,
        rows: number(metrics.as_ref().and_then(|metrics| metrics.output_rows())),
        elapsed: number(metrics.as_ref().and_then(|metrics| metrics.elapsed_compute()))
            .map(Duration::from_nanos),
    });
    for child in plan.children() {
        visit(child.as_ref(), depth + 1, into);
    }
}
