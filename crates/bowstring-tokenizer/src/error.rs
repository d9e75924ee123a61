//! What can be wrong with a tokenizer's file, or with what is asked of it?

use std::path::PathBuf;

use bowstring_core::{Cancelled, Diagnostic, ErrorKind};

/// The result of what this crate does.
pub type Result<T, E = TokenizerError> = std::result::Result<T, E>;

/// What is wrong with a tokenizer, or with what was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The operating system refused.
    #[error("cannot read `{}`: {source}", path.display())]
    System {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// A file is not the description of a tokenizer.
    #[error("{what} is not valid: {reason}")]
    Malformed {
        /// What it should be: `tokenizer.json`, `tokenizer_config.json`, and the like.
        what: &'static str,
        /// The file, when it was one.
        path: Option<PathBuf>,
        /// The field, like `model.vocab`, when it can be told.
        field: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
    /// A tokenizer whose parts neither our kernels nor the `tokenizers` crate know.
    #[error("this tokenizer cannot be built: {reason}")]
    Unsupported {
        /// The file, when it was one.
        path: Option<PathBuf>,
        /// Why.
        reason: String,
    },
    /// A pattern that is no regular expression, or would cut elsewhere than it does for tiktoken.
    #[error("the pattern `{pattern}` cannot be run as tiktoken runs it: {reason}")]
    Pattern {
        /// The whole pattern.
        pattern: String,
        /// The character that is at fault, counted from 1, when it can be told.
        at: Option<usize>,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder without any file that describes a tokenizer.
    #[error("`{}` has no tokenizer in it", path.display())]
    NoTokenizer {
        /// The folder.
        path: PathBuf,
    },
    /// A name that is neither a file, nor a folder, nor a model in the local cache.
    #[error("`{name}` is neither a file, nor a folder, nor a model in the local cache")]
    NotHere {
        /// What was asked for.
        name: String,
    },
    /// A name that no tokenizer is registered under, and that is no path either.
    #[error("`{name}` is neither a file, nor a folder, nor the name of a tokenizer")]
    NotRegistered {
        /// What was asked for.
        name: String,
        /// The name that was probably meant.
        nearest: String,
    },
    /// An id that no token has.
    #[error("no token has the id {id}; ids are below {limit}")]
    UnknownId {
        /// The id.
        id: u32,
        /// One more than the largest id.
        limit: u32,
        /// The row of a batch, counted from 0.
        row: Option<usize>,
    },
    /// Text that is not text.
    #[error("the text is not valid UTF-8 at byte {at}")]
    InvalidText {
        /// The first byte that is wrong.
        at: usize,
        /// The row of a batch, counted from 0.
        row: Option<usize>,
    },
    /// A column of a type that is not text.
    #[error("{} cannot be tokenised", column_of(column.as_deref(), found))]
    ColumnType {
        /// Its name, when it came from a table.
        column: Option<String>,
        /// Its type.
        found: String,
    },
    /// A column of a type that is not a list of ids.
    #[error("a column of {found} cannot be decoded")]
    IdsType {
        /// Its type.
        found: String,
    },
    /// A null id in a list of ids.
    #[error("the list of ids has a null")]
    NullId {
        /// The row of the batch, counted from 0.
        row: usize,
    },
    /// Truncation to fewer tokens than the special ones need.
    #[error(
        "truncation to {max_length} tokens leaves no room: the special tokens of {sequences} take {special}"
    )]
    TruncationTooShort {
        /// The limit asked for.
        max_length: usize,
        /// How many special tokens are added.
        special: usize,
        /// `a text` or `a pair of texts`.
        sequences: &'static str,
    },
    /// A stride that would never come to an end.
    #[error("a stride of {stride} tokens needs more than {room} tokens between the special ones")]
    Stride {
        /// The stride.
        stride: usize,
        /// How many tokens of the text fit.
        room: usize,
    },
    /// Truncation could not be done as was asked.
    #[error("the text cannot be truncated: {reason}")]
    Truncation {
        /// Why.
        reason: String,
    },
    /// Padding without a token to pad with.
    #[error("this tokenizer names no padding token")]
    NoPadToken,
    /// A token that the vocabulary does not have.
    #[error("no token is `{token}`")]
    UnknownToken {
        /// The token.
        token: String,
        /// The nearest one.
        nearest: Option<String>,
    },
    /// An option with a value that it cannot have.
    #[error("`{option}` cannot be {value}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// A tokenizer that could not be learned.
    #[error("no tokenizer can be learned: {reason}")]
    Training {
        /// Why.
        reason: String,
    },
    /// A tokenizer without the template that was asked for.
    #[error("this tokenizer has no chat template to use")]
    NoChatTemplate {
        /// The templates that it has, by their names.
        names: Vec<String>,
    },
    /// A chat template that fails, or refuses the conversation.
    #[error("the chat template `{name}` fails: {reason}")]
    ChatTemplate {
        /// Its name.
        name: String,
        /// The line, counted from 1.
        line: Option<usize>,
        /// What it says.
        reason: String,
    },
    /// A chat template that needs more than it may have.
    #[error("the chat template `{name}` needs more than {most} {what}")]
    ChatTemplateLimit {
        /// Its name.
        name: String,
        /// The line, counted from 1.
        line: Option<usize>,
        /// The limit.
        most: u64,
        /// What there is too much of: `steps`, `bytes` and the like.
        what: &'static str,
    },
    /// A character with more tokens than a chunk may have.
    #[error("the character at byte {at} alone makes a chunk of {tokens} tokens, more than {max_tokens}")]
    ChunkTooSmall {
        /// The most tokens of a chunk.
        max_tokens: usize,
        /// Where the character begins.
        at: usize,
        /// How many tokens a chunk of this character has.
        tokens: usize,
    },
    /// The tokenizer's own parts refused a text.
    #[error("the text cannot be tokenised: {reason}")]
    Model {
        /// Their word.
        reason: String,
    },
    /// The tokenizer's own parts refused ids.
    #[error("the ids cannot be decoded: {reason}")]
    Decode {
        /// Their word.
        reason: String,
    },
    /// A text of 4 GiB or more, whose offsets and counts 32 bits do not hold.
    #[error("a text of {bytes} bytes is too long for a batch, which takes less than 4294967296")]
    TextTooLong {
        /// How many bytes it has.
        bytes: usize,
        /// The row of the batch, counted from 0.
        row: usize,
    },
    /// A text of 2³² tokens or more, which a count does not hold.
    #[error("a text of {tokens} tokens has more than a count holds, which is 4294967295")]
    TooManyTokens {
        /// How many it has.
        tokens: u64,
        /// The row of the batch, counted from 0.
        row: usize,
    },
    /// Threads could not be started.
    #[error("the system refused a thread: {reason}")]
    Threads {
        /// Its word.
        reason: String,
    },
    /// The work was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

fn column_of(column: Option<&str>, found: &str) -> String {
    match column {
        Some(column) => format!("column `{column}` of type {found}"),
        None => format!("a column of {found}"),
    }
}

/// Whether it looks like `organisation/name` and not like a path.
fn names_a_model(name: &str) -> bool {
    let is_ending = |ending: &str| !ending.is_empty() && ending.bytes().all(|byte| byte.is_ascii_lowercase());
    let ends_like_a_file = name.rsplit_once('.').is_some_and(|(_, ending)| is_ending(ending));
    name.split('/').count() <= 2
        && !name.starts_with(['/', '.', '~'])
        && !name.contains('\\')
        && !ends_like_a_file
}

impl Diagnostic for TokenizerError {
    fn kind(&self) -> ErrorKind {
        use TokenizerError as E;
        match self {
            E::System { source, .. } => ErrorKind::of_io(source),
            E::NoTokenizer { .. } | E::NotHere { .. } | E::NotRegistered { .. } => ErrorKind::NotFound,
            E::Malformed { .. } | E::Unsupported { .. } | E::Pattern { .. } => ErrorKind::Data,
            E::InvalidText { .. } | E::UnknownId { .. } | E::NullId { .. } => ErrorKind::Data,
            E::Model { .. } | E::Decode { .. } => ErrorKind::Data,
            E::ColumnType { .. } | E::IdsType { .. } | E::Option { .. } => ErrorKind::Usage,
            E::ChatTemplate { .. } | E::Training { .. } => ErrorKind::Data,
            E::NoChatTemplate { .. } => ErrorKind::Usage,
            E::TruncationTooShort { .. } | E::Stride { .. } | E::Truncation { .. } => ErrorKind::Usage,
            E::NoPadToken | E::UnknownToken { .. } | E::ChunkTooSmall { .. } => ErrorKind::Usage,
            E::Threads { .. }
            | E::TextTooLong { .. }
            | E::TooManyTokens { .. }
            | E::ChatTemplateLimit { .. } => ErrorKind::Limit,
            E::Cancelled(cancelled) => cancelled.kind(),
        }
    }

    fn place(&self) -> Option<String> {
        use TokenizerError as E;
        match self {
            E::Malformed { path, field, .. } => {
                let path = path.as_ref().map(|path| path.display().to_string());
                let field = field.as_ref().map(|field| format!("`{field}`"));
                match (path, field) {
                    (Some(path), Some(field)) => Some(format!("{path}, {field}")),
                    (path, field) => path.or(field),
                }
            }
            E::Unsupported { path, .. } => path.as_ref().map(|path| path.display().to_string()),
            E::Pattern { at, .. } => at.map(|at| format!("character {at} of the pattern")),
            E::UnknownId { row, .. } | E::InvalidText { row, .. } => row.map(|row| format!("row {row}")),
            E::ChatTemplate { line, .. } | E::ChatTemplateLimit { line, .. } => {
                line.map(|line| format!("line {line} of the template"))
            }
            E::NullId { row } | E::TextTooLong { row, .. } | E::TooManyTokens { row, .. } => {
                Some(format!("row {row}"))
            }
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        use TokenizerError as E;
        let hint = match self {
            E::NotHere { name } if names_a_model(name) => {
                return Some(format!(
                    "nothing is downloaded on its own; `hf download {name} tokenizer.json tokenizer_config.json` \
                     puts it into the cache"
                ));
            }
            E::NotHere { .. } => "name a `tokenizer.json`, or the folder that it is in",
            E::NoTokenizer { .. } => {
                "a `tokenizer.json` is looked for there; a SentencePiece `.model` has to be named itself"
            }
            E::ColumnType { .. } => "string, large_string, string_view and dictionaries of them are taken",
            E::IdsType { .. } => "lists of 32- or 64-bit integers are taken",
            E::TruncationTooShort { .. } => "raise `max_length`, or encode with `add_special_tokens=False`",
            E::Stride { .. } => "lower `stride`, or raise `max_length`",
            E::TextTooLong { .. } | E::TooManyTokens { .. } => "split the text into several rows",
            E::ChatTemplateLimit { .. } => "give it fewer messages, or another template with `template`",
            E::NoPadToken => "name one: `with_padding(token=\"<pad>\")`, or `id=` for one without a name",
            E::NoChatTemplate { names } if !names.is_empty() => {
                return Some(format!("name one with `template`: {}", names.join(", ")));
            }
            E::NoChatTemplate { .. } => {
                "load the model's folder with its `tokenizer_config.json`, or give the template"
            }
            E::ChunkTooSmall { .. } => "raise `max_tokens`",
            E::Option { expected, .. } => return Some((*expected).to_owned()),
            E::NotRegistered { nearest, .. } => return Some(format!("did you mean `{nearest}`?")),
            E::UnknownToken { nearest, .. } => {
                return nearest.as_ref().map(|nearest| format!("did you mean `{nearest}`?"));
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
