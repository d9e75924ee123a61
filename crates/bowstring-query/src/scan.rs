//! How do the readers' batches get into a query?

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bowstring_io::{Dataset, Predicate, Scan};
use datafusion::catalog::{Session as PlanningSession, TableProvider};
use datafusion::common::Statistics;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

use crate::dataset_exec::DatasetExec;
use crate::error::during;
use crate::wait::wait;
use crate::{Frame, Result, Session, Table};

/// A lazy frame over a dataset.
pub(crate) fn scan(session: &Session, dataset: Arc<Dataset>) -> Result<Frame> {
    let statistics = Arc::new(crate::statistics::statistics(&dataset));
    let provider = DatasetTable { dataset, statistics };
    frame(session, Arc::new(provider))
}

/// A condition over a dataset as its readers check it; `None` when they cannot check all of it.
pub(crate) fn predicate(session: &Session, dataset: Arc<Dataset>, text: &str) -> Result<Option<Predicate>> {
    let filtered = scan(session, dataset)?.filter(text)?;
    let mut plan = wait(filtered.physical_plan())?;
    // It lets other tasks have a turn, and leaves the rows as they are.
    while let Some(around) = plan.downcast_ref::<CooperativeExec>() {
        plan = Arc::clone(around.input());
    }
    Ok(plan.downcast_ref::<DatasetExec>().and_then(|scan| scan.predicate().cloned()))
}

/// A frame over rows in memory, cut into runs of about equal length, one for each thread.
pub(crate) fn table(session: &Session, table: &Table) -> Result<Frame> {
    let partitions = cut(table, session.threads());
    let schema = table.schema();
    let rows = session.state().config().batch_size();
    let is_large = table.batches().iter().any(|batch| batch.num_rows() > rows);
    let provider = if session.memory_limit().is_some() && is_large {
        crate::pieces::provider(schema, partitions, rows)
    } else {
        MemTable::try_new(Arc::clone(schema), partitions).map(|table| Arc::new(table) as _)
    };
    frame(session, provider.map_err(during("reading a table"))?)
}

fn frame(session: &Session, provider: Arc<dyn TableProvider>) -> Result<Frame> {
    let plan = LogicalPlanBuilder::scan("scan", provider_as_source(provider), None)
        .and_then(LogicalPlanBuilder::build)
        .map_err(during("planning a scan"))?;
    Frame::new(session, plan)
}

/// Fewer rows than this are not worth a thread of their own.
const LEAST_ROWS: usize = 8192;

fn cut(table: &Table, threads: usize) -> Vec<Vec<RecordBatch>> {
    let share = table.num_rows().div_ceil(threads.max(1)).max(LEAST_ROWS);
    let mut partitions = vec![Vec::new()];
    let mut room = share;
    for batch in table.batches() {
        let mut from = 0;
        while from < batch.num_rows() {
            if room == 0 {
                partitions.push(Vec::new());
                room = share;
            }
            let rows = room.min(batch.num_rows() - from);
            if let Some(last) = partitions.last_mut() {
                last.push(batch.slice(from, rows));
            }
            from += rows;
            room -= rows;
        }
    }
    partitions
}

#[derive(Debug)]
struct DatasetTable {
    dataset: Arc<Dataset>,
    statistics: Arc<Statistics>,
}

#[async_trait]
impl TableProvider for DatasetTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.dataset.schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn PlanningSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let schema = self.dataset.schema();
        let mut conditions = Vec::with_capacity(filters.len());
        for filter in filters {
            conditions.push(crate::predicate::convert(filter, schema).ok_or_else(|| {
                DataFusionError::Internal(format!("the scan was given `{filter}`, which it cannot check"))
            })?);
        }
        let predicate = match conditions.len() {
            0 => None,
            1 => conditions.pop(),
            _ => Some(bowstring_io::Predicate::And(conditions)),
        };
        let config = state.config();
        let scan =
            Scan { projection: projection.cloned(), predicate, limit, batch_rows: config.batch_size() };
        let exec =
            DatasetExec::new(Arc::clone(&self.dataset), scan, config.target_partitions(), &self.statistics)?;
        Ok(Arc::new(exec))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        let schema = self.dataset.schema();
        let supported = filters.iter().map(|filter| match crate::predicate::convert(filter, schema) {
            Some(_) => TableProviderFilterPushDown::Exact,
            None => TableProviderFilterPushDown::Unsupported,
        });
        Ok(supported.collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(Statistics::clone(&self.statistics))
    }
}
