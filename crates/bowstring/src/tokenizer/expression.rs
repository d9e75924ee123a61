//! How is a column of text tokenised in a plan?

use bowstring_query::{Frame, QueryError};

use crate::relation::quoted;

/// Which column of a plan is tokenised, by which tokenizer, and into what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokenization {
    /// The path of a tokenizer, or the name that it is registered under.
    pub tokenizer: String,
    /// The column of text.
    pub column: String,
    /// The column that is made; one of this name is replaced.
    pub output: String,
    /// Whether only the number of ids is wanted.
    pub count: bool,
    /// Whether the special tokens of the model are put around each text.
    pub add_special_tokens: bool,
    /// The most ids of a text, special ones included; for counts there is no such limit.
    pub max_length: Option<usize>,
}

impl Tokenization {
    /// The plan with the new column, lists of `UInt32` or counts of `Int64`; rows that are null stay null.
    ///
    /// # Errors
    /// When there is no such column or tokenizer, or the column is not text.
    pub fn of(&self, frame: &Frame) -> Result<Frame, QueryError> {
        // Expressions name the nearest column where this one does not exist.
        let column = quoted(&self.column);
        let tokenizer = self.tokenizer.replace('\'', "''");
        let special = self.add_special_tokens;
        let expression = match (self.count, self.max_length) {
            (true, _) => format!("token_count({column}, '{tokenizer}', {special})"),
            (false, None) => format!("tokenize({column}, '{tokenizer}', {special})"),
            (false, Some(length)) => format!("tokenize({column}, '{tokenizer}', {special}, {length})"),
        };
        frame.with_columns(&[(self.output.clone(), expression)])
    }
}
