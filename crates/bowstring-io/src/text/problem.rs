//! What can be wrong with a row of a text file?

use arrow::datatypes::{DataType, TimeUnit};

/// What is wrong with a row of a CSV or NDJSON file. Values are shortened for the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowProblem {
    /// Too many or too few values.
    #[error(
        "a row has {found} {} where {expected} {} expected",
        if *.found == 1 { "value" } else { "values" },
        if *.expected == 1 { "is" } else { "are" }
    )]
    FieldCount {
        /// One for each column.
        expected: usize,
        /// Those of this row.
        found: usize,
    },
    /// A quote is opened and not closed before the file ends.
    #[error("a quoted value is never closed")]
    OpenQuote,
    /// Something stands between a closing quote and the next delimiter.
    #[error("text follows a closing quote")]
    AfterQuote,
    /// A NUL byte.
    #[error("a row holds a NUL byte")]
    NulByte,
    /// A carriage return outside quotes that no line feed follows.
    #[error("a carriage return stands alone outside quotes")]
    BareReturn,
    /// Bytes that are not UTF-8.
    #[error("a value is not valid UTF-8")]
    NotUtf8,
    /// A row longer than the 2 GiB that one can be.
    #[error("a row is longer than 2 GiB")]
    TooLong,
    /// A value that its column's type cannot hold.
    #[error("value `{value}` does not fit {expected}{}", if *.inferred { ", the type inferred for its column" } else { "" })]
    Value {
        /// The value, as it stands in the file.
        value: String,
        /// The column's type.
        expected: String,
        /// Whether the type was inferred.
        inferred: bool,
    },
    /// Null in a column that the schema says has none.
    #[error("a value is missing in a column that is not nullable")]
    Missing,
    /// A key that no column stands for.
    #[error("key `{key}` is not in the schema{}", if *.inferred { " inferred from the rows before" } else { "" })]
    UnknownKey {
        /// The key.
        key: String,
        /// Whether the schema was inferred.
        inferred: bool,
    },
    /// A key that comes twice in an object.
    #[error("key `{key}` comes twice in one object")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A line that holds something else than an object.
    #[error("a line holds {found}, not an object")]
    NotAnObject {
        /// What it holds.
        found: &'static str,
    },
    /// Values of types that have no common one.
    #[error("{second} where the rows before have {first}")]
    MixedTypes {
        /// The type before.
        first: String,
        /// The type of this row.
        second: String,
    },
    /// A line that is no JSON.
    #[error("a line is not valid JSON: {reason}")]
    Syntax {
        /// The parser's word.
        reason: String,
        /// Whether the line ends too early.
        truncated: bool,
    },
}

impl RowProblem {
    pub(crate) fn value(value: &[u8], data_type: &DataType, inferred: bool) -> Self {
        RowProblem::Value { value: shorten(value), expected: type_name(data_type), inferred }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            RowProblem::FieldCount { .. } => {
                "mend the row, check `delimiter` and `quote`, or leave such rows out with `on_bad_rows`"
            }
            RowProblem::OpenQuote => "close the quote, or say with `quote` what quotes a value",
            RowProblem::AfterQuote => {
                "double the quotes inside a quoted value, or say with `quote` and `escape` how they are written"
            }
            RowProblem::NulByte => "take the NUL bytes out, or name the text's `encoding`",
            RowProblem::BareReturn => "end lines with a line feed, or quote the value",
            RowProblem::NotUtf8 => "name the text's `encoding`, such as `latin1`",
            RowProblem::Value { inferred: true, .. } => {
                "give the column's type in `schema`, or infer it from more rows with `infer_rows`"
            }
            RowProblem::Value { inferred: false, .. } => "give the column another type in `schema`",
            RowProblem::Missing => "make the column nullable in `schema`",
            RowProblem::UnknownKey { inferred: true, .. } => {
                "infer the columns from more rows with `infer_rows`, or add the key to `schema`"
            }
            RowProblem::UnknownKey { inferred: false, .. } => "add the key to `schema`",
            RowProblem::NotAnObject { found: "an array" } => {
                "write one object a line; an array of objects is not NDJSON"
            }
            RowProblem::NotAnObject { .. } => "write one object a line",
            RowProblem::MixedTypes { .. } => {
                "give the column's type in `schema`; as text it holds any value as it stands"
            }
            RowProblem::Syntax { truncated: true, .. } => {
                "write one whole object a line; the file may be cut short"
            }
            RowProblem::TooLong | RowProblem::DuplicateKey { .. } | RowProblem::Syntax { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// The name of a type in messages.
pub(crate) fn type_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Boolean => "bool",
        DataType::Int64 => "int64",
        DataType::Float64 => "float64",
        DataType::Date32 => "date",
        DataType::Utf8 => "utf8",
        DataType::Timestamp(unit, zone) => {
            let unit = match unit {
                TimeUnit::Second => "s",
                TimeUnit::Millisecond => "ms",
                TimeUnit::Microsecond => "us",
                TimeUnit::Nanosecond => "ns",
            };
            return match zone {
                Some(zone) => format!("timestamp[{unit}, {zone}]"),
                None => format!("timestamp[{unit}]"),
            };
        }
        DataType::List(_) | DataType::LargeList(_) => "list",
        DataType::Struct(_) => "struct",
        other => return other.to_string().to_lowercase(),
    };
    name.to_owned()
}

/// A value for a message: at most 40 characters, control characters escaped.
pub(crate) fn shorten(value: &[u8]) -> String {
    const SHOWN: usize = 40;
    let text = String::from_utf8_lossy(value.get(..4 * SHOWN).unwrap_or(value));
    let mut shown = String::new();
    for character in text.chars().take(SHOWN) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if text.chars().count() > SHOWN || value.len() > 4 * SHOWN {
        shown.push('…');
    }
    shown
}
