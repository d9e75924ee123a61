//! With which token are encodings padded, when only some of it is said?

use bowstring_core::nearest;

use crate::{Result, Tokenizer, TokenizerError};

/// What models commonly call it.
const USUAL: [&str; 4] = ["[PAD]", "<pad>", "<|pad|>", "<PAD>"];

impl Tokenizer {
    /// The token to pad with and its id: the one that is named; else that of the tokenizer's own padding, the
    /// `pad_token` of its configuration, or a special token that is called as it usually is.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownToken`] for a name without an id that is not in the vocabulary,
    /// [`TokenizerError::UnknownId`] for an id without a name that no token has, and
    /// [`TokenizerError::NoPadToken`] when there is nothing to go by.
    pub fn pad_token(&self, token: Option<&str>, id: Option<u32>) -> Result<(String, u32)> {
        match (token, id) {
            (Some(token), Some(id)) => Ok((token.to_owned(), id)),
            (None, Some(id)) => match self.id_to_token(id) {
                Some(token) => Ok((token.to_owned(), id)),
                None => {
                    let limit = self.vocab().last().map_or(0, |(_, last)| last.saturating_add(1));
                    Err(TokenizerError::UnknownId { id, limit, row: None })
                }
            },
            (Some(token), None) => match self.token_to_id(token) {
                Some(id) => Ok((token.to_owned(), id)),
                None => Err(TokenizerError::UnknownToken {
                    token: token.to_owned(),
                    nearest: nearest(token, self.special_tokens().into_iter().map(|(special, _)| special))
                        .map(str::to_owned),
                }),
            },
            (None, None) => {
                if let Some(padding) = self.padding() {
                    return Ok((padding.token.clone(), padding.id));
                }
                let special = self.special_tokens();
                let configured = self.config().special_tokens.get("pad_token").map(String::as_str);
                let usual = USUAL.into_iter().filter(|name| special.iter().any(|(token, _)| token == name));
                let known = |token: &str| Some((token.to_owned(), self.token_to_id(token)?));
                configured.into_iter().chain(usual).find_map(known).ok_or(TokenizerError::NoPadToken)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer(special: &str) -> Tokenizer {
        let json = format!(
            r#"{{"added_tokens": [{{"id": 1, "content": "{special}", "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true}}],
                "model": {{"type": "WordLevel", "vocab": {{"a": 0, "{special}": 1}}, "unk_token": "a"}}}}"#
        );
        Tokenizer::from_bytes(json).unwrap()
    }

    #[test]
    fn what_is_said_counts_and_what_is_usual_is_found() {
        let known = tokenizer("<pad>");
        let pad = |token: &str, id| Ok((token.to_owned(), id));
        let check = |found: Result<(String, u32)>, expected: Result<(String, u32), &str>| {
            assert_eq!(found.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
        };
        check(known.pad_token(None, None), pad("<pad>", 1));
        check(known.pad_token(Some("a"), None), pad("a", 0));
        check(known.pad_token(None, Some(0)), pad("a", 0));
        check(known.pad_token(Some("nothing"), Some(9)), pad("nothing", 9));
        check(known.pad_token(None, Some(9)), Err("no token has the id 9; ids are below 2"));
        check(known.pad_token(Some("<pud>"), None), Err("no token is `<pud>`"));
        check(tokenizer("<s>").pad_token(None, None), Err("this tokenizer names no padding token"));
    }
}
