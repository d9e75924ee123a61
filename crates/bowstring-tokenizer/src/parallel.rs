//! How is a batch shared among threads?
//!
//! Threads are started for each call and end with it. A pool for the whole process would be lost when
//! Python forks, and its first use in the child would wait for ever.

use std::{
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use bowstring_core::Cancel;

use crate::{Result, TokenizerError};

/// Runs `work` for each of `jobs`, with what `start` makes for each thread, and gives the results in
/// their order. Of several errors, that of the first job counts.
pub(crate) fn run<S, T: Send>(
    jobs: usize,
    threads: Option<NonZero<usize>>,
    cancel: &Cancel,
    start: impl Fn() -> S + Sync,
    work: impl Fn(usize, &mut S) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let threads = threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get).min(jobs);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<T>)>> = Mutex::new(Vec::with_capacity(jobs));
    let worker = || {
        let mut state = start();
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= jobs {
                return;
            }
            let result = match cancel.check() {
                Err(cancelled) => Err(cancelled.into()),
                // Parts of the `tokenizers` crate panic on contradictions in a file.
                Ok(()) => catch_unwind(AssertUnwindSafe(|| work(job, &mut state))).unwrap_or_else(|_| {
                    Err(TokenizerError::Model { reason: "a part of the tokenizer panicked".to_owned() })
                }),
            };
            if result.is_err() {
                next.store(jobs, Ordering::Relaxed);
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).push((job, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Fewer threads do the same work; this one alone if need be.
            if thread::Builder::new().spawn_scoped(scope, worker).is_err() {
                break;
            }
        }
        worker();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(job, _)| *job);
    done.into_iter().map(|(_, result)| result).collect()
}
