//! How is a table read from standard input?

use std::{
    io::{Read, Write},
    path::Path,
};

use tempfile::{NamedTempFile, TempPath};

use crate::{Format, IoError, Result};

/// A temporary file that holds all of standard input; deleted when dropped.
#[derive(Debug)]
pub(crate) struct Spooled {
    path: TempPath,
    format: Format,
}

impl Spooled {
    /// Copies `input` to its end. Without a `format`, the first bytes must say it.
    pub(crate) fn read(mut input: impl Read, format: Option<Format>) -> Result<Self> {
        let name = Path::new("-");
        let error = |action| move |source| IoError::system(action, name, source);
        let mut magic = Vec::new();
        input.by_ref().take(6).read_to_end(&mut magic).map_err(error("read"))?;
        let format = format
            .or_else(|| Format::of_magic(&magic))
            .ok_or_else(|| IoError::UnknownFormat { path: name.to_owned() })?;
        let mut file = NamedTempFile::with_prefix("bowstring-stdin-").map_err(error("copy"))?;
        file.write_all(&magic).map_err(error("copy"))?;
        std::io::copy(&mut input, &mut file).map_err(error("copy"))?;
        file.flush().map_err(error("copy"))?;
        Ok(Self { path: file.into_temp_path(), format })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The error with standard input in place of its copy.
    pub(crate) fn rename(&self, mut error: IoError) -> IoError {
        if let Some(path) = error.path_mut()
            && path.as_path() == self.path()
        {
            *path = "-".into();
        }
        error
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_whole_and_goes_with_its_owner() {
        let bytes: Vec<u8> = b"PAR1".iter().copied().chain((0..100_000).map(|i| i as u8)).collect();
        let spooled = Spooled::read(bytes.as_slice(), None).expect("a copy");
        assert_eq!(spooled.format(), Format::Parquet);
        let path = spooled.path().to_owned();
        assert_eq!(std::fs::read(&path).expect("the copy"), bytes);
        drop(spooled);
        assert!(!path.exists());
    }

    #[test]
    fn bytes_that_say_no_format_need_one() {
        let error = Spooled::read(b"a,b\n".as_slice(), None).expect_err("no format");
        assert_eq!(
            bowstring_core::render(&error),
            "cannot tell the format of `-` from its name\n\nhint: name the format"
        );
        let spooled = Spooled::read(b"a,b\n".as_slice(), Some(Format::Csv)).expect("a copy");
        assert_eq!(spooled.format(), Format::Csv);
    }
}
