//! How is running work asked to stop?

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{Diagnostic, ErrorKind};

/// A token that running work checks at batch boundaries. Clones share one state; a [child](Self::child)
/// is cancelled with its parent, but not the other way round.
#[derive(Clone, Debug, Default)]
pub struct Cancel(CancellationToken);

/// The work was asked to stop, and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

impl Diagnostic for Cancelled {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Cancelled
    }
}

impl Cancel {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled when this one is, and can be cancelled alone.
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Asks the work, and that of all children, to stop. Calling it again changes nothing.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether the work was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// `Err(Cancelled)` once the work was asked to stop; for use with `?` at batch boundaries.
    ///
    /// # Errors
    /// [`Cancelled`], and nothing else.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }

    /// Completes when the work is asked to stop; at once when it was already.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }

    /// Blocks the thread for `duration`, or until the work is asked to stop.
    ///
    /// # Errors
    /// [`Cancelled`] when it was asked to stop before the time was over.
    pub fn sleep(&self, duration: Duration) -> Result<(), Cancelled> {
        let deadline = std::time::Instant::now() + duration;
        let mut wait = std::pin::pin!(self.0.cancelled());
        let waker = std::task::Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
        let mut context = std::task::Context::from_waker(&waker);
        loop {
            if wait.as_mut().poll(&mut context).is_ready() {
                return Err(Cancelled);
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::park_timeout(left);
        }
    }
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_child_follows_its_parent_and_not_the_other_way_round() {
        let parent = Cancel::new();
        let (first, second) = (parent.child(), parent.child());
        first.cancel();
        assert!(first.is_cancelled() && !parent.is_cancelled() && !second.is_cancelled());
        parent.cancel();
        assert_eq!(second.check(), Err(Cancelled));
    }

    #[test]
    fn sleep_lasts_its_time_when_nobody_cancels() {
        let begin = Instant::now();
        assert_eq!(Cancel::new().sleep(Duration::from_millis(20)), Ok(()));
        assert!(begin.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn sleep_ends_when_another_thread_cancels() {
        let cancel = Cancel::new();
        let begin = Instant::now();
        let sleeper = std::thread::spawn({
            let cancel = cancel.clone();
            move || cancel.sleep(Duration::from_secs(60))
        });
        std::thread::sleep(Duration::from_millis(10));
        cancel.cancel();
        assert!(matches!(sleeper.join(), Ok(Err(Cancelled))));
        assert!(begin.elapsed() < Duration::from_secs(30));
    }
}
