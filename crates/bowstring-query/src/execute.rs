//! How does a frame run?

use std::sync::Arc;

use bowstring_core::{Cancel, Cancelled};
use datafusion::execution::SessionState;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, collect_partitioned};
use tokio::task::{JoinError, JoinSet};

use crate::error::during;
use crate::in_order::in_order;
use crate::read_ahead::calls_heavy;
use crate::wait::wait;
use crate::{Collected, Frame, FrameStream, PlanMetrics, QueryError, Result, Session, Table};

impl Frame {
    /// Runs the query and waits for all rows. Rows keep the order of their file or table, or that of
    /// a sort; after a join or an aggregation their order is open.
    ///
    /// # Errors
    /// Of reading, computing or memory, or [`QueryError::Cancelled`];
    /// [`QueryError::BlockingOnRuntime`] on one of the session's own threads.
    pub fn collect(&self, cancel: &Cancel) -> Result<Collected> {
        self.session().may_block()?;
        wait(self.collect_async(cancel))
    }

    /// As [`Frame::collect`], for any asynchronous runtime; dropping the future stops the query.
    ///
    /// # Errors
    /// As [`Frame::collect`].
    pub async fn collect_async(&self, cancel: &Cancel) -> Result<Collected> {
        let (frame, token) = (self.clone(), cancel.clone());
        run(self.session(), cancel, async move { frame.run_to_end(&token).await }).await
    }

    async fn run_to_end(&self, cancel: &Cancel) -> Result<Collected> {
        let plan = self.guarded_plan(cancel).await?;
        let task = self.session().task(cancel)?;
        let batches = collect_partitioned(Arc::clone(&plan), task.context)
            .await
            .map_err(|error| self.running(&error))?;
        let batches = batches.into_iter().flatten().filter(|batch| batch.num_rows() > 0).collect();
        let metrics = PlanMetrics::of(plan.as_ref(), &task.pool);
        Ok(Collected { table: Table::new(plan.schema(), batches)?, metrics })
    }

    /// Runs the query batch by batch, in the order of [`Frame::collect`]; a reader that is slow
    /// slows the query down. Dropping the stream stops it.
    ///
    /// # Errors
    /// [`QueryError::BlockingOnRuntime`]; errors of running come out of the stream.
    pub fn stream(&self, cancel: &Cancel) -> Result<FrameStream> {
        self.session().may_block()?;
        Ok(FrameStream::start(self, cancel))
    }

    /// The physical plan as text, one operator a line; with `analyze` the query runs, its rows are
    /// thrown away, and each operator's measures stand beside it.
    ///
    /// # Errors
    /// As [`Frame::collect`].
    pub fn explain(&self, analyze: bool, cancel: &Cancel) -> Result<String> {
        self.session().may_block()?;
        let (frame, token) = (self.clone(), cancel.clone());
        wait(run(self.session(), cancel, async move {
            if !analyze {
                let plan = frame.physical_plan().await?;
                return Ok(DisplayableExecutionPlan::new(plan.as_ref()).indent(false).to_string());
            }
            let plan = frame.guarded_plan(&token).await?;
            let mut stream = FrameStream::start_plan(&frame, Arc::clone(&plan), &token);
            while let Some(batch) = stream.next_batch().await {
                batch?;
            }
            Ok(DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(false).to_string())
        }))
    }

    pub(crate) async fn physical_plan(&self) -> Result<Arc<dyn ExecutionPlan>> {
        self.plan_of(self.session().state().clone()).await
    }

    async fn plan_of(&self, mut state: SessionState) -> Result<Arc<dyn ExecutionPlan>> {
        // What `now()` stands for, in the whole query.
        state.mark_start_execution();
        let plan = state.create_physical_plan(self.plan()).await.map_err(during("planning a query"))?;
        match self.session().memory_limit() {
            Some(_) => crate::spill::spillable(plan).map_err(during("planning a query")),
            None => Ok(plan),
        }
    }

    /// The plan as it runs for somebody who takes its batches one by one. Where the rows keep their order and
    /// functions use idle threads by themselves, files are one stream: with several, those behind the first
    /// would only wait for their turn, with all that they have read and computed ahead.
    pub(crate) async fn streamed_plan(&self, cancel: &Cancel) -> Result<Arc<dyn ExecutionPlan>> {
        let mut plan = self.physical_plan().await?;
        let several = plan.output_partitioning().partition_count() > 1;
        if several && in_order(&plan) && calls_heavy(&plan).map_err(during("planning a query"))? {
            let mut state = self.session().state().clone();
            state.config_mut().options_mut().execution.target_partitions = 1;
            plan = self.plan_of(state).await?;
        }
        crate::guard::guard(plan, cancel).map_err(during("planning a query"))
    }

    /// The plan as it runs: its operators notice when `cancel` is set.
    pub(crate) async fn guarded_plan(&self, cancel: &Cancel) -> Result<Arc<dyn ExecutionPlan>> {
        crate::guard::guard(self.physical_plan().await?, cancel).map_err(during("planning a query"))
    }

    pub(crate) fn running(&self, error: &datafusion::error::DataFusionError) -> QueryError {
        self.session().with_limit(QueryError::from_datafusion(error, "running a query"))
    }
}

/// Runs `work` on the session's threads until it is done or cancelled. A cancelled call returns at
/// once; its work ends at the next batch.
async fn run<T: Send + 'static>(
    session: &Session,
    cancel: &Cancel,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    cancel.check()?;
    let mut tasks = JoinSet::new();
    tasks.spawn_on(work, session.runtime());
    match until_cancelled(cancel.clone(), async { Ok(tasks.join_next().await) }).await? {
        Some(Ok(result)) => result,
        Some(Err(error)) => Err(stopped(error)),
        None => Err(Cancelled.into()),
    }
}

/// `work`, or the error that it was cancelled, whichever comes first.
pub(crate) async fn until_cancelled<T>(cancel: Cancel, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Cancelled.into()),
        result = work => result,
    }
}

/// Why a task ended without a result.
pub(crate) fn stopped(error: JoinError) -> QueryError {
    if error.is_cancelled() {
        return Cancelled.into();
    }
    QueryError::Internal { during: "running a query", reason: error.to_string() }
}
