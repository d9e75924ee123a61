//! How do batches reach a reader that takes them one by one?

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bowstring_core::Cancel;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::execute::{stopped, until_cancelled};
use crate::session::Task;
use crate::table::batch_bytes;
use crate::wait::wait;
use crate::{Frame, PlanMetrics, QueryError, Result, Session};

/// Batches that wait for a slow reader.
const WAITING: usize = 2;

/// Batches of a partition that wait until those before it are read,
const AHEAD: usize = 64;

/// and the bytes of those of all partitions, beyond one batch of each.
const AHEAD_BYTES: usize = 32 << 20;

/// A running query: an iterator of batches that blocks until the next one is there. It ends after
/// the first error. Dropping it stops the query.
pub struct FrameStream {
    session: Session,
    schema: SchemaRef,
    batches: Receiver<Result<RecordBatch>>,
    tasks: JoinSet<()>,
    metrics: Arc<Mutex<Option<PlanMetrics>>>,
    cancel: Cancel,
    done: bool,
}

impl std::fmt::Debug for FrameStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl FrameStream {
    pub(crate) fn start(frame: &Frame, cancel: &Cancel) -> Self {
        Self::spawn(frame, None, cancel)
    }

    pub(crate) fn start_plan(frame: &Frame, plan: Arc<dyn ExecutionPlan>, cancel: &Cancel) -> Self {
        Self::spawn(frame, Some(plan), cancel)
    }

    fn spawn(frame: &Frame, plan: Option<Arc<dyn ExecutionPlan>>, cancel: &Cancel) -> Self {
        let (sender, batches) = channel(WAITING);
        let metrics = Arc::new(Mutex::new(None));
        let mut tasks = JoinSet::new();
        let work = {
            let (frame, cancel, metrics) = (frame.clone(), cancel.clone(), Arc::clone(&metrics));
            async move {
                let produce = produce(&frame, plan, &cancel, &sender);
                match until_cancelled(cancel.clone(), produce).await {
                    Ok(measured) => {
                        *metrics.lock().unwrap_or_else(PoisonError::into_inner) = Some(measured);
                    }
                    // The reader may have gone; then nobody asks for the error.
                    Err(error) => drop(sender.send(Err(error)).await),
                }
            }
        };
        tasks.spawn_on(work, frame.session().runtime());
        Self {
            session: frame.session().clone(),
            schema: frame.schema(),
            batches,
            tasks,
            metrics,
            cancel: cancel.clone(),
            done: false,
        }
    }

    /// The columns of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// What the query cost; `None` until its last batch was read.
    pub fn metrics(&self) -> Option<PlanMetrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next batch, for asynchronous readers.
    pub async fn next_batch(&mut self) -> Option<Result<RecordBatch>> {
        if self.done {
            return None;
        }
        let received = until_cancelled(self.cancel.clone(), async { Ok(self.batches.recv().await) });
        let next = match received.await {
            Ok(Some(batch)) => Some(batch),
            // The sender is gone: the work has ended, well or in a panic.
            Ok(None) => match self.tasks.join_next().await {
                Some(Err(error)) => Some(Err(stopped(error))),
                Some(Ok(())) | None => None,
            },
            Err(cancelled) => Some(Err(cancelled)),
        };
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Iterator for FrameStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.session.may_block() {
            return (!std::mem::replace(&mut self.done, true)).then_some(Err(error));
        }
        wait(self.next_batch())
    }
}

async fn produce(
    frame: &Frame,
    plan: Option<Arc<dyn ExecutionPlan>>,
    cancel: &Cancel,
    into: &Sender<Result<RecordBatch>>,
) -> Result<PlanMetrics> {
    let plan = match plan {
        Some(plan) => plan,
        None => frame.streamed_plan(cancel).await?,
    };
    let task = frame.session().task(cancel)?;
    let partitions = plan.output_partitioning().partition_count();
    if partitions == 1 {
        forward(frame, &plan, 0, &task, into).await?;
    } else {
        let mut tasks = JoinSet::new();
        let mut receivers = Vec::with_capacity(partitions);
        let task = Arc::new(task);
        let share = u32::try_from(AHEAD_BYTES / partitions).unwrap_or(u32::MAX);
        for partition in 0..partitions {
            let (sender, receiver) = channel(AHEAD);
            receivers.push(receiver);
            let (frame, plan, task) = (frame.clone(), Arc::clone(&plan), Arc::clone(&task));
            tasks.spawn(async move {
                let ahead = Ahead { into: sender, room: Arc::new(Semaphore::new(share as usize)), share };
                if let Err(error) = forward(&frame, &plan, partition, &task, &ahead).await {
                    ahead.send(Err(error)).await;
                }
            });
        }
        for mut receiver in receivers {
            while let Some((batch, _room)) = receiver.recv().await {
                if into.send(Ok(batch?)).await.is_err() {
                    return Ok(PlanMetrics::of(plan.as_ref(), &task.pool));
                }
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(stopped)?;
        }
        return Ok(PlanMetrics::of(plan.as_ref(), &task.pool));
    }
    Ok(PlanMetrics::of(plan.as_ref(), &task.pool))
}

/// Where the batches of a partition go.
trait Sink {
    /// Waits until there is room; `false` when nobody reads any more.
    async fn send(&self, batch: Result<RecordBatch>) -> bool;
}

impl Sink for Sender<Result<RecordBatch>> {
    async fn send(&self, batch: Result<RecordBatch>) -> bool {
        Sender::send(self, batch).await.is_ok()
    }
}

/// A batch, and the room that it takes until it is read.
type Waiting = (Result<RecordBatch>, Option<OwnedSemaphorePermit>);

/// The batches of a partition that wait until those before it are read.
struct Ahead {
    into: Sender<Waiting>,
    room: Arc<Semaphore>,
    /// The room of the partition in bytes, all of which a larger batch takes.
    share: u32,
}

impl Sink for Ahead {
    async fn send(&self, batch: Result<RecordBatch>) -> bool {
        let bytes = batch.as_ref().map_or(0, batch_bytes);
        let room = u32::try_from(bytes).unwrap_or(self.share).min(self.share);
        let room = Arc::clone(&self.room).acquire_many_owned(room).await.ok();
        self.into.send((batch, room)).await.is_ok()
    }
}

async fn forward(
    frame: &Frame,
    plan: &Arc<dyn ExecutionPlan>,
    partition: usize,
    task: &Task,
    into: &impl Sink,
) -> Result<(), QueryError> {
    let running = |error: datafusion::error::DataFusionError| frame.running(&error);
    let mut stream = plan.execute(partition, Arc::clone(&task.context)).map_err(running)?;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(running)?;
        if batch.num_rows() > 0 && !into.send(Ok(batch)).await {
            break;
        }
    }
    Ok(())
}
