//! Where do encoded bytes go, how many were they, and what did the system say when it refused them?

use std::{
    io::{self, BufWriter, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

const BUFFER_BYTES: usize = 256 << 10;

/// A buffered writer that counts what got through and keeps the first failure, which encoders would
/// turn into text.
pub(crate) struct Sink(BufWriter<Counted>);

/// What has become of a [`Sink`]'s bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<State>);

#[derive(Debug, Default)]
struct State {
    bytes: AtomicU64,
    failure: Mutex<Option<io::Error>>,
}

impl Sink {
    pub(crate) fn new(inner: Box<dyn Write + Send>) -> (Self, Progress) {
        let progress = Progress::default();
        let counted = Counted { inner, progress: progress.clone() };
        (Self(BufWriter::with_capacity(BUFFER_BYTES, counted)), progress)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Progress {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// The first failure, once.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        let Err(error) = &result else { return result };
        if error.kind() != io::ErrorKind::Interrupted {
            let copy = match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            };
            self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(copy);
        }
        result
    }
}

struct Counted {
    inner: Box<dyn Write + Send>,
    progress: Progress,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.progress.keep(self.inner.write(bytes))?;
        self.progress.0.bytes.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.progress.keep(self.inner.flush())
    }
}
