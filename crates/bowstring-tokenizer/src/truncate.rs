//! How is a text, or a pair of texts, brought to the length that truncation allows?

use tokenizers::{Encoding, TruncationParams};

use crate::{
    Result, Side, Tokenizer, TokenizerError, Truncation, TruncationStrategy, around::Around,
    convert::truncation_params,
};

impl Tokenizer {
    /// Truncates the ids of a text which begin at `start`.
    pub(crate) fn shorten(&self, start: usize, around: &Around, out: &mut Vec<u32>) -> Result<()> {
        let Some(truncation) = self.truncation() else { return Ok(()) };
        let room = room(truncation, around.len(), "a text")?;
        let more = (out.len() - start).saturating_sub(room);
        if more == 0 {
            return Ok(());
        }
        if truncation.strategy == TruncationStrategy::OnlySecond && room > 0 {
            return Err(TokenizerError::Truncation {
                reason: "only the second of two is to be shortened".to_owned(),
            });
        }
        if truncation.stride > 0 && room > 0 && truncation.stride >= room {
            return Err(TokenizerError::Stride { stride: truncation.stride, room });
        }
        match truncation.side {
            Side::Right => out.truncate(start + room),
            Side::Left => drop(out.drain(start..start + more)),
        }
        Ok(())
    }

    /// Truncates a text, or a pair of them, so that `special` tokens fit beside.
    pub(crate) fn truncated(
        &self,
        first: Encoding,
        second: Option<Encoding>,
        special: usize,
    ) -> Result<(Encoding, Option<Encoding>)> {
        let Some(truncation) = self.truncation() else { return Ok((first, second)) };
        let sequences = if second.is_some() { "a pair of texts" } else { "a text" };
        let max_length = room(truncation, special, sequences)?;
        let params = TruncationParams { max_length, ..truncation_params(truncation) };
        check_stride(&first, second.as_ref(), &params)?;
        tokenizers::utils::truncation::truncate_encodings(first, second, &params)
            .map_err(|error| TokenizerError::Truncation { reason: error.to_string() })
    }
}

/// How many tokens of the texts fit beside `special` ones.
fn room(truncation: &Truncation, special: usize, sequences: &'static str) -> Result<usize> {
    let max_length = truncation.max_length;
    max_length.checked_sub(special).ok_or(TokenizerError::TruncationTooShort {
        max_length,
        special,
        sequences,
    })
}

/// A stride that is not shorter than a shortened text would never reach its end.
fn check_stride(first: &Encoding, second: Option<&Encoding>, params: &TruncationParams) -> Result<()> {
    if params.stride == 0 || first.len() + second.map_or(0, |second| second.len()) <= params.max_length {
        return Ok(());
    }
    let stride = params.stride;
    let Some(second) = second else {
        let room = params.max_length;
        return if room > 0 && stride >= room {
            Err(TokenizerError::Stride { stride, room })
        } else {
            Ok(())
        };
    };
    // The lengths that `truncate_encodings` cuts to; a text that is not cut needs no stride.
    let (n1, n2) = (first.len(), second.len());
    let (short, long) = (n1.min(n2), n1.max(n2));
    let most = params.max_length;
    let cuts: [(usize, usize); 2] = match params.strategy {
        tokenizers::TruncationStrategy::OnlyFirst => [(n1, most.saturating_sub(n2)), (0, 0)],
        tokenizers::TruncationStrategy::OnlySecond => [(n2, most.saturating_sub(n1)), (0, 0)],
        tokenizers::TruncationStrategy::LongestFirst => {
            let rest = if short > most { short } else { short.max(most - short) };
            if short + rest > most {
                [(short, most / 2), (long, most / 2 + most % 2)]
            } else {
                [(short, short), (long, rest)]
            }
        }
    };
    match cuts.into_iter().find(|(length, room)| room < length && *room > 0 && stride >= *room) {
        Some((_, room)) => Err(TokenizerError::Stride { stride, room }),
        None => Ok(()),
    }
}
