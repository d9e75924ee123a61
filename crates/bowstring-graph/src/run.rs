//! What may a kernel use, and how is it asked to stop?

use std::{ops::Range, sync::Arc};

use bowstring_core::{Cancel, units::ByteSize};
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

use crate::{GraphError, Result};

/// Most threads of a pool: more never help, and the system takes its time to start them.
const MAX_THREADS: usize = 1024;

/// The threads and the memory that kernels may use, and the token that stops them. The default uses
/// the threads of the process, one for each core, and any memory. Clones share the threads.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Asks kernels to stop; they look every few milliseconds.
    pub cancel: Cancel,
    /// The most bytes that a kernel may take for its working arrays and its result; no limit when
    /// `None`. The graph itself does not count.
    pub memory: Option<ByteSize>,
    pool: Option<Arc<ThreadPool>>,
}

impl Run {
    /// The same with `threads` threads of its own, at most 1024; with those of the process when it is 0.
    ///
    /// # Errors
    /// [`GraphError::Option`] for more; [`GraphError::Threads`] when the operating system refuses them.
    pub fn with_threads(mut self, threads: usize) -> Result<Self> {
        self.pool = match threads {
            0 => None,
            1..=MAX_THREADS => Some(Arc::new(pool(threads)?)),
            _ => {
                let (option, value) = ("threads", threads.to_string());
                return Err(GraphError::Option { option, value, expected: "at most 1024" });
            }
        };
        Ok(self)
    }

    /// The same, stopped by `cancel`.
    #[must_use]
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// The same with a limit of memory.
    #[must_use]
    pub fn with_memory(mut self, memory: Option<ByteSize>) -> Self {
        self.memory = memory;
        self
    }

    /// Runs a kernel on these threads, after its need of `bytes` was checked against the limit.
    pub(crate) fn kernel<T: Send>(
        &self,
        name: &'static str,
        bytes: usize,
        work: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T> {
        let need = ByteSize(bytes as u64);
        if let Some(limit) = self.memory
            && need > limit
        {
            return Err(GraphError::Memory { kernel: name, need, limit });
        }
        self.check()?;
        match &self.pool {
            Some(pool) => pool.install(work),
            // Within the pool, so that no parallel loop of the kernel has to wake it up.
            None => rayon::scope(|_| work()),
        }
    }

    /// How many threads kernels work with.
    pub(crate) fn num_threads(&self) -> usize {
        self.pool.as_ref().map_or_else(rayon::current_num_threads, |pool| pool.current_num_threads())
    }

    /// Runs `work` on all blocks of `size` within `0..length`, in parallel, and looks before each whether
    /// it was asked to stop.
    pub(crate) fn blocks(
        &self,
        length: usize,
        size: usize,
        work: impl Fn(Range<usize>) + Sync,
    ) -> Result<()> {
        (0..length.div_ceil(size)).into_par_iter().try_for_each(|block| {
            self.check()?;
            work(block * size..length.min((block + 1) * size));
            Ok(())
        })
    }

    /// An error once the work was asked to stop.
    pub(crate) fn check(&self) -> Result<()> {
        Ok(self.cancel.check()?)
    }
}

/// Threads for kernels alone.
fn pool(threads: usize) -> Result<ThreadPool> {
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("bowstring-graph-{index}"))
        .build();
    pool.map_err(|error| GraphError::Threads { reason: error.to_string() })
}
