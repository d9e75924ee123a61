//! Which bytes of a text file are in memory?

use std::{fs::File, io::Read, ops::Range};

use super::file::TextFile;
use crate::{IoError, Result};

const BLOCK_BYTES: u64 = 1 << 20;
/// The most bytes of one window, so that places in it fit in 32 bits and text in an Arrow array.
const MOST_BYTES: usize = i32::MAX as usize;

/// A window that moves over a range of a text file. It grows to hold what its user has not let go.
#[derive(Debug)]
pub(crate) struct Window {
    file: std::io::Take<File>,
    path: std::path::PathBuf,
    bytes: Vec<u8>,
    offset: u64,
    ended: bool,
}

impl Window {
    pub(crate) fn new(text: &TextFile, range: Range<u64>) -> Result<Self> {
        Ok(Self {
            offset: range.start,
            file: text.reader(range)?,
            path: text.path().to_owned(),
            bytes: Vec::new(),
            ended: false,
        })
    }

    /// The bytes in memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the first byte stands in the file.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the window reaches to the end of its range.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Lets the first `count` bytes go.
    pub(crate) fn release(&mut self, count: usize) {
        let count = count.min(self.bytes.len());
        self.bytes.drain(..count);
        self.offset += count as u64;
    }

    /// Reads on; false when the window cannot grow, because the row in it is too long.
    pub(crate) fn grow(&mut self) -> Result<bool> {
        let wanted = BLOCK_BYTES.max(self.bytes.len() as u64 / 2);
        if self.bytes.len() as u64 + wanted > MOST_BYTES as u64 {
            return Ok(false);
        }
        let read = Read::by_ref(&mut self.file).take(wanted).read_to_end(&mut self.bytes);
        let read = read.map_err(|error| IoError::system("read", &self.path, error))?;
        self.ended = (read as u64) < wanted;
        if self.ended && self.file.limit() > 0 {
            // The range ends inside the file that was opened first.
            return Err(IoError::Changed { path: self.path.clone() });
        }
        Ok(true)
    }
}
