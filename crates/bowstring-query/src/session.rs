//! Which threads, how much memory and which rules do queries run with?

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bowstring_core::Cancel;
use bowstring_io::{Dataset, Predicate};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{MemoryPool, PeakRecordingPool, UnboundedMemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{FunctionRegistry, TaskContext};
use datafusion::prelude::SessionConfig;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::during;
use crate::pool::Pool;
use crate::{Frame, Function, QueryError, Result, Selection, Table};

/// How a session is set up.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Threads that queries share; 0 for as many as the machine has.
    pub threads: usize,
    /// Most bytes that the operators of all queries may hold at once: sorts, joins and aggregations
    /// spill to disk beyond it. Each stream of a query needs some 16 MiB for that; under a tight limit
    /// there are fewer streams than threads. No limit when `None`. The result itself does not count.
    pub memory: Option<u64>,
    /// Where to spill; the system's temporary folder when `None`.
    pub spill_dir: Option<PathBuf>,
    /// Most rows of a batch. Default: 8192. A tight limit of memory makes it smaller, so that many
    /// batches fit.
    pub batch_rows: usize,
    /// Functions that SQL has besides its own.
    pub functions: Vec<Arc<dyn Function>>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { threads: 0, memory: None, spill_dir: None, batch_rows: 8192, functions: Vec::new() }
    }
}

/// A pool of threads and memory that queries share. Clones are one session.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
    threads: usize,
    memory: Option<u64>,
    state: SessionState,
}

impl Inner {
    fn shut_down(&self, at_most: Duration) {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(runtime) = runtime else { return };
        // Inside another runtime, or on a thread of its own, nobody may wait.
        if Handle::try_current().is_ok() {
            runtime.shutdown_background();
        } else {
            runtime.shutdown_timeout(at_most);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shut_down(Duration::ZERO);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("threads", &self.0.threads)
            .field("memory", &self.0.memory)
            .finish_non_exhaustive()
    }
}

thread_local! {
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// The token that a query's scans check.
pub(crate) struct QueryCancel(pub(crate) Cancel);

/// What a query needs to run: its task context, and the pool that records its peak.
pub(crate) struct Task {
    pub(crate) context: Arc<TaskContext>,
    pub(crate) pool: Arc<PeakRecordingPool>,
}

impl Session {
    /// Starts a session and its threads.
    ///
    /// # Errors
    /// [`QueryError::Start`] when the system refuses the threads, [`QueryError::Plan`] when
    /// `batch_rows` is 0 or SQL has a function of such a name already.
    pub fn new(options: &SessionOptions) -> Result<Self> {
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            threads => threads,
        };
        if options.batch_rows == 0 {
            return Err(QueryError::plan("batch_rows must be at least 1"));
        }
        let runtime = start_runtime(threads)?;
        let state = state(options, threads)?;
        Ok(Self(Arc::new(Inner {
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            threads,
            memory: options.memory,
            state,
        })))
    }

    /// Ends the queries that still run and waits for that, at most so long: then nothing of theirs is left
    /// on disk. Queries that are begun later are cancelled.
    pub fn close(&self, at_most: Duration) {
        self.0.shut_down(at_most);
    }

    /// The session's threads, so that other asynchronous work can share them.
    pub fn runtime(&self) -> &Handle {
        &self.0.handle
    }

    /// How many threads queries share.
    pub fn threads(&self) -> usize {
        self.0.threads
    }

    /// Most bytes that queries may hold, when there is a limit.
    pub fn memory_limit(&self) -> Option<u64> {
        self.0.memory
    }

    /// A lazy frame over files. Nothing is read yet.
    ///
    /// # Errors
    /// When the dataset's columns do not have a name each.
    pub fn scan(&self, dataset: Arc<Dataset>) -> Result<Frame> {
        crate::scan::scan(self, dataset)
    }

    /// A lazy frame over some rows and columns of files.
    ///
    /// # Errors
    /// As [`scan`](Self::scan) and [`Frame::filter`], and when a column is unknown or none is selected.
    pub fn scan_selected(&self, dataset: &Arc<Dataset>, selection: &Selection) -> Result<Frame> {
        selection.frame(self, dataset)
    }

    /// A frame over rows in memory, which are not copied.
    ///
    /// # Errors
    /// When the table's columns do not have a name each.
    pub fn table(&self, table: &Table) -> Result<Frame> {
        crate::scan::table(self, table)
    }

    /// A condition over files, as [`Frame::filter`] takes it, in the form in which the readers check it;
    /// `None` when they cannot check all of it.
    ///
    /// # Errors
    /// As [`Frame::filter`]; [`QueryError::BlockingOnRuntime`] on one of the session's own threads.
    pub fn predicate(&self, dataset: Arc<Dataset>, condition: &str) -> Result<Option<Predicate>> {
        self.may_block()?;
        crate::scan::predicate(self, dataset, condition)
    }

    pub(crate) fn state(&self) -> &SessionState {
        &self.0.state
    }

    /// Refuses to block one of the session's own threads.
    pub(crate) fn may_block(&self) -> Result<()> {
        if IS_WORKER.get() { Err(QueryError::BlockingOnRuntime) } else { Ok(()) }
    }

    pub(crate) fn task(&self, cancel: &Cancel) -> Result<Task> {
        let state = self.state();
        let pool = Arc::new(PeakRecordingPool::new(Arc::clone(&state.runtime_env().memory_pool)));
        let runtime = RuntimeEnvBuilder::from_runtime_env(state.runtime_env())
            .with_memory_pool(Arc::clone(&pool) as Arc<dyn MemoryPool>)
            .build_arc()
            .map_err(during("starting a query"))?;
        let config = state.config().clone().with_extension(Arc::new(QueryCancel(cancel.clone())));
        let context = TaskContext::from(state).with_session_config(config).with_runtime(runtime);
        Ok(Task { context: Arc::new(context), pool })
    }

    /// An execution error, with the session's limit filled in.
    pub(crate) fn with_limit(&self, error: QueryError) -> QueryError {
        match error {
            QueryError::MemoryLimit { reason, .. } => {
                QueryError::MemoryLimit { limit: self.0.memory, reason }
            }
            other => other,
        }
    }
}

/// Bytes of a worker's stack. The system gives them out as they are touched; deep plans touch more
/// than a usual thread has.
const STACK: usize = 64 << 20;

/// Longest wait for the workers of a new session.
const START: Duration = Duration::from_secs(1);

fn start_runtime(threads: usize) -> Result<Runtime> {
    // Only workers park. That tells them from the threads of `spawn_blocking`, which may wait for a
    // query.
    let (parks, parked) = std::sync::mpsc::channel();
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("bowstring-query")
        .thread_stack_size(STACK)
        .enable_all()
        .on_thread_park(move || {
            if !IS_WORKER.replace(true) {
                // The session may have started without waiting for the last.
                let _told = parks.send(());
            }
        })
        .build()
        .map_err(|error| QueryError::Start(Arc::new(error)))?;
    // A worker parks as soon as it has nothing to do, which at first is at once.
    for _ in 0..threads {
        if parked.recv_timeout(START).is_err() {
            break;
        }
    }
    Ok(runtime)
}

fn state(options: &SessionOptions, threads: usize) -> Result<SessionState> {
    let partitions = partitions(options, threads);
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(batch_rows(options, partitions))
        .with_information_schema(false)
        .with_collect_statistics(true)
        // Rows keep the order of their file: a partition is a run of it, never a hand of cards.
        .with_round_robin_repartition(false);
    let settings = config.options_mut();
    settings.sql_parser.enable_ident_normalization = false;
    settings.sql_parser.map_string_types_to_utf8view = false;
    settings.sql_parser.parse_float_as_decimal = true;
    settings.sql_parser.default_null_ordering = "nulls_last".to_owned();
    // It would put a struct beside its own field under one name, qualified and not, and fail.
    settings.optimizer.enable_leaf_expression_pushdown = false;
    // Without a zone, TIMESTAMP WITH TIME ZONE would be a timestamp without one.
    settings.execution.time_zone = Some("+00:00".to_owned());
    if let Some(memory) = options.memory {
        settings.optimizer.prefer_hash_join = false;
        // What is sorted at once comes out in pieces that share their texts, which each is said to hold.
        settings.execution.sort_in_place_threshold_bytes = 0;
        // Every sort sets it aside, also those that wait for others.
        settings.execution.sort_spill_reservation_bytes =
            (operator_share(memory, partitions) / 4).min(settings.execution.sort_spill_reservation_bytes);
    }
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime_env(options)?)
        .with_default_features()
        .with_analyzer_rules(crate::semantics::analyzer_rules())
        .with_physical_optimizer_rule(Arc::new(crate::in_order::FirstRows))
        .with_physical_optimizer_rule(Arc::new(crate::read_ahead::ReadAhead))
        .build();
    for function in &options.functions {
        let before =
            state.register_udf(crate::function::adapted(function)).map_err(during("starting a session"))?;
        if before.is_some() {
            return Err(QueryError::plan(format!("SQL has a function `{}` already", function.name())));
        }
    }
    Ok(state)
}

/// Into how many streams a query is cut. Under a tight limit of memory they are fewer than the threads,
/// since each has operators of its own; but two at least, as joins of one stream do not spill.
fn partitions(options: &SessionOptions, threads: usize) -> usize {
    /// What a stream takes when its sorts and joins are to spill in pieces of a useful size.
    const PARTITION_BYTES: u64 = 32 << 20;
    match options.memory {
        Some(memory) => threads.min(usize::try_from(memory / PARTITION_BYTES).unwrap_or(usize::MAX)).max(2),
        None => threads,
    }
}

/// The bytes of the limit that each of eight operators on each stream could have.
fn operator_share(memory: u64, partitions: usize) -> usize {
    usize::try_from(memory).unwrap_or(usize::MAX) / partitions.saturating_mul(8)
}

fn batch_rows(options: &SessionOptions, partitions: usize) -> usize {
    /// What a row of a usual table takes, and that an operator holds some batches at once.
    const ROW_BYTES: usize = 2048;
    /// Smaller batches cost more than they save.
    const LEAST_ROWS: usize = 256;
    let fit = options.memory.map_or(usize::MAX, |memory| operator_share(memory, partitions) / ROW_BYTES);
    options.batch_rows.min(fit.max(LEAST_ROWS))
}

/// How many spilled runs are merged at once. Left alone, a merge takes as many as there is memory for, and
/// with it what the operators beside it need.
const MERGED_AT_ONCE: usize = 8;

fn runtime_env(options: &SessionOptions) -> Result<Arc<RuntimeEnv>> {
    let pool: Arc<dyn MemoryPool> = match options.memory {
        Some(bytes) => Arc::new(Pool::new(usize::try_from(bytes).unwrap_or(usize::MAX))),
        None => Arc::new(UnboundedMemoryPool::default()),
    };
    let mode = match &options.spill_dir {
        Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode))
        .with_max_spill_merge_fan_in(MERGED_AT_ONCE)
        .build_arc()
        .map_err(during("starting a session"))
}
