//! How does a call do its work without holding the interpreter, and how does Ctrl-C stop it?

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        OnceLock,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    time::Duration,
};

use bowstring::{Cancel, Engine, EngineOptions};
use pyo3::prelude::*;

use crate::error::{Fault, Result};

/// How often a waiting call looks for signals.
const SIGNALS: Duration = Duration::from_millis(50);

/// The engine of the process, whose threads and memory all calls share, and the process itself.
static ENGINE: OnceLock<(u32, Engine)> = OnceLock::new();

/// The engine of the process, started by the first call that needs it.
///
/// # Errors
/// When the system refuses the threads, and in a forked child of a process that has used it: the
/// threads did not survive the fork.
pub(crate) fn engine() -> Result<&'static Engine> {
    let (process, engine) = match ENGINE.get() {
        Some(started) => started,
        None => {
            let started = (std::process::id(), Engine::new(&EngineOptions::default())?);
            ENGINE.get_or_init(|| started)
        }
    };
    if *process == std::process::id() {
        return Ok(engine);
    }
    Err(Fault::Forked)
}

/// Does `work` on another thread, and lets other Python threads run meanwhile. A signal whose handler
/// raises, as Ctrl-C's does, cancels the work; a second one leaves without waiting for it.
pub(crate) fn work<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
) -> Result<T> {
    let start = |task: Box<dyn FnOnce() + Send>| {
        drop(engine()?.session().runtime().spawn_blocking(task));
        Ok(())
    };
    run(py, start, work)
}

fn run<T: Send + 'static>(
    py: Python<'_>,
    start: impl FnOnce(Box<dyn FnOnce() + Send>) -> Result<()>,
    work: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
) -> Result<T> {
    let cancel = Cancel::new();
    let (sender, mut results) = sync_channel(1);
    let token = cancel.clone();
    // Whoever waits may have left after a second signal: then nobody asks for the result.
    start(Box::new(move || drop(sender.send(caught(work, &token)))))?;
    let mut interrupted = None;
    loop {
        let received = next(py, &mut results);
        if let Some(result) = received {
            return match interrupted {
                Some(error) => Err(Fault::Python(error)),
                None => result.unwrap_or_else(|| Err(Fault::Panicked)),
            };
        }
        if let Err(error) = py.check_signals() {
            if interrupted.is_some() {
                return Err(Fault::Python(error));
            }
            cancel.cancel();
            interrupted = Some(error);
        }
    }
}

/// As [`work`], on a thread that is started for it and ends with it, so that it is done in a forked child
/// too.
pub(crate) fn work_apart<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
) -> Result<T> {
    let start = |task: Box<dyn FnOnce() + Send>| {
        let started = std::thread::Builder::new().name("bowstring-work".to_owned()).spawn(task);
        started.map(drop).map_err(Fault::NoThread)
    };
    run(py, start, work)
}

/// What arrives before it is time to look for signals: `Some(None)` when nothing more will.
pub(crate) fn next<T: Send>(py: Python<'_>, from: &mut Receiver<T>) -> Option<Option<T>> {
    py.detach(move || match from.recv_timeout(SIGNALS) {
        Ok(received) => Some(Some(received)),
        Err(RecvTimeoutError::Disconnected) => Some(None),
        Err(RecvTimeoutError::Timeout) => None,
    })
}

/// As [`work`], for `await`: the coroutine's cancellation cancels the work. `convert` makes the Python
/// object of the result.
pub(crate) fn work_async<'py, T, U>(
    py: Python<'py>,
    work: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
    convert: impl FnOnce(T) -> U + Send + 'static,
) -> Result<Bound<'py, PyAny>>
where
    T: Send + 'static,
    U: for<'a> IntoPyObject<'a> + Send + 'static,
{
    let runtime = engine()?.session().runtime();
    let guard = CancelOnDrop(Cancel::new());
    let token = guard.0.clone();
    bridge();
    let task = runtime.spawn_blocking(move || caught(work, &token));
    let awaited = async move {
        let result = task.await;
        drop(guard);
        let done = result.unwrap_or_else(|_| Err(Fault::Panicked))?;
        Ok(convert(done))
    };
    Ok(pyo3_async_runtimes::tokio::future_into_py(py, awaited)?)
}

/// The runtime between asyncio and ours only waits: one thread is enough for it.
fn bridge() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("bowstring-asyncio").enable_all();
        pyo3_async_runtimes::tokio::init(builder);
    });
}

struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A panic inside `work` is its failure, and no more than that.
fn caught<T>(work: impl FnOnce(&Cancel) -> Result<T>, cancel: &Cancel) -> Result<T> {
    catch_unwind(AssertUnwindSafe(|| work(cancel))).unwrap_or_else(|_| Err(Fault::Panicked))
}
