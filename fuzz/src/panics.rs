//! Which panic is a find?
//!
//! Readers turn a panic of a library that they build on into an error, so such a panic is let be; one
//! in a crate of ours is a find wherever it happens, and so is any that reaches the target.

use std::{
    backtrace::Backtrace,
    panic::{AssertUnwindSafe, catch_unwind, set_hook},
    process::abort,
    sync::{Mutex, PoisonError},
};

/// What the last panic said, for the case that nobody takes it.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Takes the place of libFuzzer's hook, which aborts on every panic.
pub fn install_hook() {
    set_hook(Box::new(|panic| {
        let file = panic.location().map_or("", |location| location.file());
        if file.contains("crates/bowstring") {
            eprintln!("{panic}\n{}", Backtrace::force_capture());
            abort();
        }
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
}

/// Runs a target on one input, and aborts when it panics.
pub fn input(work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        eprintln!("{}", LAST.lock().unwrap_or_else(PoisonError::into_inner));
        abort();
    }
}
