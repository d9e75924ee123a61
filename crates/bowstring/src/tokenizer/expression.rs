//! How is a column of text tokenised in a plan?

use bowstring_core::nearest;
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

    /// The new column behind those that are kept: of the plan's, in their order, the ones of these names,
    /// or all but the text when it is `None`.
    ///
    /// # Errors
    /// As [`Self::of`], and when there is no column of one of the names.
    pub fn beside(&self, frame: &Frame, keep: Option<&[String]>) -> Result<Frame, QueryError> {
        let schema = frame.schema();
        let names = || schema.fields().iter().map(|field| field.name());
        if let Some(name) = keep.into_iter().flatten().find(|name| !names().any(|known| known == *name)) {
            let available: Vec<String> = names().cloned().collect();
            let nearest = nearest(name, available.iter().map(String::as_str)).map(str::to_owned);
            return Err(QueryError::UnknownColumn { name: name.clone(), nearest, available });
        }
        let is_kept = |name: &String| match keep {
            None => *name != self.column,
            Some(kept) => kept.contains(name),
        };
        let kept = names().filter(|name| **name != self.output && is_kept(name));
        let columns: Vec<String> = kept.chain([&self.output]).map(|name| quoted(name)).collect();
        self.of(frame)?.select(&columns)
    }
}
