//! How are durations (`90s`, `1h 30m`) and sizes (`512MiB`, `2GB`) written?

use std::time::Duration;

use crate::{Diagnostic, ErrorKind};

/// A text that is no duration or size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}: {reason}")]
pub struct UnitError {
    text: String,
    what: &'static str,
    reason: String,
    example: &'static str,
}

impl Diagnostic for UnitError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }
    fn hint(&self) -> Option<String> {
        Some(format!("write a {} as in {}", self.what, self.example))
    }
}

/// Parses a duration: a number with a unit (`ns`, `us`, `ms`, `s`, `m`, `h`, `d`), or several.
///
/// # Errors
/// [`UnitError`] when the text is no duration.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    humantime::parse_duration(text.trim()).map_err(|error| UnitError {
        text: text.to_owned(),
        what: "duration",
        reason: error.to_string(),
        example: "`500ms`, `90s` or `1h 30m`",
    })
}

/// A duration as [`parse_duration`] reads it.
pub fn format_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// A number of bytes. Units are decimal (`kB`, `MB`, `GB`) or binary (`KiB`, `MiB`, `GiB`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl std::str::FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        text.trim().parse::<bytesize::ByteSize>().map(|size| ByteSize(size.as_u64())).map_err(|reason| {
            UnitError {
                text: text.to_owned(),
                what: "size",
                reason: reason.to_string(),
                example: "`512MiB` or `2GB`",
            }
        })
    }
}

impl std::fmt::Display for ByteSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        bytesize::ByteSize(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_as_people_write_them() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration(" 1h 30m "), Ok(Duration::from_secs(5400)));
        assert_eq!("512MiB".parse(), Ok(ByteSize(512 << 20)));
        assert_eq!("2GB".parse(), Ok(ByteSize(2_000_000_000)));
        assert_eq!("17".parse(), Ok(ByteSize(17)));
    }

    #[test]
    fn what_is_no_unit_is_refused_with_an_example() {
        let error = parse_duration("soon").err();
        assert!(error.is_some_and(|error| crate::render(&error).contains("hint: write a duration as in")));
        for text in ["", "12 parsecs", "-1MiB", "MiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        for bytes in [0, 1, 1 << 20, 3 << 30] {
            assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
        let duration = Duration::from_millis(90_500);
        assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }
}
