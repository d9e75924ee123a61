//! What if a reader panics on bytes that it did not expect?
//!
//! The readers that Bowstring builds on are fuzzed, but not proven. A panic while a file is read means
//! that its bytes are not what the reader takes them for, and ends as [`IoError::Malformed`].

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use crate::{Batches, IoError, Result};

/// Runs `work`, which reads the file at `path`.
pub(crate) fn guarded<T>(path: &Path, format: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What `work` changed is dropped with it, so no half-changed state is seen.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(malformed(path, format, panic.as_ref())))
}

/// The same for each step of an iterator, which ends with its first error.
pub(crate) fn guarded_batches(path: &Path, format: &'static str, mut batches: Batches) -> Batches {
    let path = path.to_owned();
    let mut done = false;
    Box::new(std::iter::from_fn(move || {
        if done {
            return None;
        }
        let next = guarded(&path, format, || batches.next().transpose()).transpose();
        done = !matches!(next, Some(Ok(_)));
        next
    }))
}

fn malformed(path: &Path, format: &'static str, panic: &(dyn Any + Send)) -> IoError {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
    IoError::malformed(path, format, format_args!("its reader gave up: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_malformed_file_and_ends_the_batches() {
        let panics = std::iter::from_fn(|| -> Option<Result<_>> { panic!("index 7 of 3") });
        let mut batches = guarded_batches(Path::new("x.parquet"), "parquet", Box::new(panics));
        let first = batches.next().map(|batch| batch.map_err(|error| error.to_string()));
        let message = "`x.parquet` is not a valid parquet file: its reader gave up: index 7 of 3";
        assert_eq!(first, Some(Err(message.into())));
        assert!(batches.next().is_none());
    }
}
