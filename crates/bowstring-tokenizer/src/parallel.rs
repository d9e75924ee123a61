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

/// How many threads `jobs` are shared among, of those that were asked for, or as many as there are cores.
pub(crate) fn threads(jobs: usize, asked: Option<NonZero<usize>>) -> usize {
    asked.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get).min(jobs)
}

/// Runs `work` for each of `jobs`, with what `start` makes for each thread, by its number; gives the results
/// in the order of the jobs, and what the threads worked with in the order of their numbers. Of several
/// errors, that of the first job counts.
pub(crate) fn run<S: Send, T: Send>(
    jobs: usize,
    threads: Option<NonZero<usize>>,
    cancel: &Cancel,
    start: impl Fn(usize) -> S + Sync,
    work: impl Fn(usize, &mut S) -> Result<T> + Sync,
) -> Result<(Vec<T>, Vec<S>)> {
    let threads = self::threads(jobs, threads);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<T>)>> = Mutex::new(Vec::with_capacity(jobs));
    let ended: Mutex<Vec<(usize, S)>> = Mutex::new(Vec::with_capacity(threads));
    let worker = |number: usize| {
        let mut state = start(number);
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= jobs {
                break;
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
        ended.lock().unwrap_or_else(PoisonError::into_inner).push((number, state));
    };
    let worker = &worker;
    thread::scope(|scope| {
        for number in 1..threads {
            // Fewer threads do the same work; this one alone if need be.
            if thread::Builder::new().spawn_scoped(scope, move || worker(number)).is_err() {
                break;
            }
        }
        worker(0);
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(job, _)| *job);
    let mut ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    ended.sort_unstable_by_key(|(number, _)| *number);
    let results = done.into_iter().map(|(_, result)| result).collect::<Result<Vec<T>>>()?;
    Ok((results, ended.into_iter().map(|(_, state)| state).collect()))
}
