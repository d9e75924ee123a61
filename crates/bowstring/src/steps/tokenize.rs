//! `tokenize`: adds the ids of a column of text, or how many they are, to the plan of its input.

use bowstring_query::{Frame, Session};
use bowstring_workflow::Registry;
use schemars::JsonSchema;
use serde::Deserialize;

use super::relational::one;
use crate::{relation::Operator, tokenizer::Tokenization};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TokenizeConfig {
    /// A `tokenizer.json`, a `.model` of SentencePiece, the folder of a model, or the name of a registered
    /// tokenizer.
    tokenizer: String,
    /// The column of text. Default `text`.
    column: Option<String>,
    /// The column that is made: lists of ids, or counts; one of this name is replaced. Default `ids`, or
    /// `tokens` with `count`.
    output: Option<String>,
    /// Whether only the number of ids is wanted, which is faster. Default false.
    #[serde(default)]
    count: bool,
    /// Whether the special tokens of the model, as `[CLS]`, are put around each text. Default true.
    add_special_tokens: Option<bool>,
    /// The most ids of a text, special ones included; all of them when absent. Counts are of all.
    max_length: Option<u32>,
}

pub(super) fn register(registry: &mut Registry, session: &Session) {
    let description = "Adds the ids that a language model sees for a column of text, or how many they are.";
    one(
        registry,
        session,
        "tokenize",
        description,
        Operator::Project,
        |config: &TokenizeConfig, frame: &Frame| {
            let output = if config.count { "tokens" } else { "ids" };
            let tokenization = Tokenization {
                tokenizer: config.tokenizer.clone(),
                column: config.column.as_deref().unwrap_or("text").to_owned(),
                output: config.output.as_deref().unwrap_or(output).to_owned(),
                count: config.count,
                add_special_tokens: config.add_special_tokens.unwrap_or(true),
                max_length: config.max_length.map(|length| length as usize),
            };
            tokenization.of(frame)
        },
    );
}
