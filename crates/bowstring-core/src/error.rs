//! What kind of failure was it, and what does that mean for exit codes and exceptions?

use std::fmt::Write as _;

/// The kind of a failure. It alone decides the exit code of the command line and the class of the
/// Python exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The workflow document is not valid.
    InvalidWorkflow,
    /// A flag, an argument, a column name or a type that can be seen to be wrong before data is read.
    Usage,
    /// The data itself is malformed or does not fit what was asked of it.
    Data,
    /// A file or folder does not exist.
    NotFound,
    /// Reading or writing files or the network failed.
    Storage,
    /// A limit of memory or size was reached.
    Limit,
    /// A limit of time was reached.
    Timeout,
    /// The work ran and its answer is no: an expectation failed, or a step's own code raised.
    Failed,
    /// The work was asked to stop.
    Cancelled,
    /// A bug in Bowstring.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [ErrorKind; 10] = [
        ErrorKind::InvalidWorkflow,
        ErrorKind::Usage,
        ErrorKind::Data,
        ErrorKind::NotFound,
        ErrorKind::Storage,
        ErrorKind::Limit,
        ErrorKind::Timeout,
        ErrorKind::Failed,
        ErrorKind::Cancelled,
        ErrorKind::Internal,
    ];

    /// The exit code of the process when this failure ends it.
    pub const fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Failed => 1,
            ErrorKind::InvalidWorkflow | ErrorKind::Usage => 2,
            ErrorKind::Data => 3,
            ErrorKind::NotFound | ErrorKind::Storage => 4,
            ErrorKind::Limit | ErrorKind::Timeout => 5,
            ErrorKind::Internal => 70,
            ErrorKind::Cancelled => 130,
        }
    }

    /// The name used in reports, events and a retry's `on` list.
    pub const fn name(self) -> &'static str {
        match self {
            ErrorKind::InvalidWorkflow => "invalid_workflow",
            ErrorKind::Usage => "usage",
            ErrorKind::Data => "data",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Storage => "storage",
            ErrorKind::Limit => "limit",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Failed => "failed",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::Internal => "internal",
        }
    }

    /// The kind with this [name](Self::name).
    pub fn from_name(name: &str) -> Option<ErrorKind> {
        ErrorKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of an operating system error.
    pub fn of_io(error: &std::io::Error) -> ErrorKind {
        match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::OutOfMemory => ErrorKind::Limit,
            _ => ErrorKind::Storage,
        }
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// An error that knows its kind, its place and how to mend it. `Display` is the first line: what
/// went wrong, without the place and without the hint.
pub trait Diagnostic: std::error::Error + Send + Sync + 'static {
    /// Decides the exit code and the Python exception.
    fn kind(&self) -> ErrorKind;

    /// Where it happened: a file, row, column or step.
    fn place(&self) -> Option<String> {
        None
    }

    /// How to mend it: one sentence, in lower case, without a full stop.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// The message as a person sees it, without the leading `error: `: what, where, and after a blank
/// line the hint. Control characters other than line breaks are written as escapes, like `\u{1b}`, so
/// that a stranger's names and values do not steer the terminal.
pub fn render(error: &dyn Diagnostic) -> String {
    let mut text = error.to_string();
    if let Some(place) = error.place() {
        let _infallible = write!(text, "\n  at {place}");
    }
    if let Some(hint) = error.hint() {
        let _infallible = write!(text, "\n\nhint: {hint}");
    }
    let steers = |c: char| c.is_control() && c != '\n';
    if !text.contains(steers) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if steers(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_round_trip() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(ErrorKind::from_name("nonsense"), None);
    }

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let codes: Vec<u8> = ErrorKind::ALL.iter().map(|kind| kind.exit_code()).collect();
        assert_eq!(codes, [2, 2, 3, 4, 4, 5, 5, 1, 130, 70]);
    }

    #[test]
    fn a_message_does_not_steer_the_terminal() {
        #[derive(Debug, thiserror::Error)]
        #[error("no column `\u{1b}[2J\r\u{9b}é`\nat all")]
        struct Hostile;
        impl Diagnostic for Hostile {
            fn kind(&self) -> ErrorKind {
                ErrorKind::Data
            }
        }
        assert_eq!(render(&Hostile), "no column `\\u{1b}[2J\\r\\u{9b}é`\nat all");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("edge {row} points at node {node}")]
    struct Example {
        row: usize,
        node: u64,
    }

    impl Diagnostic for Example {
        fn kind(&self) -> ErrorKind {
            ErrorKind::Data
        }
        fn place(&self) -> Option<String> {
            Some("links.parquet, column `dst`".into())
        }
        fn hint(&self) -> Option<String> {
            Some("pass `num_nodes`".into())
        }
    }

    #[test]
    fn a_message_says_what_where_and_how_to_mend() {
        let text = render(&Example { row: 17, node: 9001 });
        assert_eq!(
            text,
            "edge 17 points at node 9001\n  at links.parquet, column `dst`\n\nhint: pass `num_nodes`"
        );
    }
}
