//! What do SIGINT and SIGTERM do? The first asks the work to stop; the second ends the process at
//! once.

use std::sync::{
    Arc,
    atomic::{AtomicI32, Ordering},
};

use bowstring::Cancel;
use signal_hook::consts::{SIGINT, SIGTERM};

/// The signals of the process.
pub(crate) struct Signals {
    first: Arc<AtomicI32>,
    /// Cancelled by the first signal.
    pub(crate) cancel: Cancel,
}

impl Signals {
    /// Begins to listen. Where that is not possible the signals keep what the system does with
    /// them, which is to end the process.
    pub(crate) fn listen() -> Self {
        let signals = Self { first: Arc::default(), cancel: Cancel::new() };
        platform::spawn(Arc::clone(&signals.first), signals.cancel.clone());
        signals
    }

    /// The exit code of the signal that arrived first, when one did.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        exit_code(self.first.load(Ordering::SeqCst))
    }
}

fn exit_code(signal: i32) -> Option<u8> {
    match signal {
        SIGINT => Some(130),
        SIGTERM => Some(143),
        _ => None,
    }
}

/// Acts on a signal: `first` holds the one that arrived first, 0 when none did.
fn arrived(signal: i32, first: &AtomicI32, cancel: &Cancel) {
    if first.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
        cancel.cancel();
    } else {
        #[expect(clippy::exit, reason = "the second signal ends the process without waiting for anything")]
        std::process::exit(exit_code(signal).unwrap_or(1).into());
    }
}

#[cfg(unix)]
mod platform {
    use super::{Arc, AtomicI32, Cancel, SIGINT, SIGTERM};

    pub(super) fn spawn(first: Arc<AtomicI32>, cancel: Cancel) {
        let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else { return };
        let _detached = std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || signals.forever().for_each(|signal| super::arrived(signal, &first, &cancel)));
    }
}

#[cfg(not(unix))]
mod platform {
    use std::{sync::atomic::AtomicUsize, sync::atomic::Ordering, time::Duration};

    use super::{Arc, AtomicI32, Cancel, SIGINT, SIGTERM};

    /// There is no waiting for signals here, so the flag is looked at twenty times a second.
    pub(super) fn spawn(first: Arc<AtomicI32>, cancel: Cancel) {
        let flag = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM] {
            let registered =
                signal_hook::flag::register_usize(signal, Arc::clone(&flag), signal.unsigned_abs() as usize);
            if registered.is_err() {
                return;
            }
        }
        let _detached = std::thread::Builder::new().name("signals".into()).spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(50));
                if let Ok(signal @ 1..) = i32::try_from(flag.swap(0, Ordering::SeqCst)) {
                    super::arrived(signal, &first, &cancel);
                }
            }
        });
    }
}
