//! How are truncation and padding written in a `tokenizer.json`?

use std::num::NonZero;

use tokenizers::{PaddingDirection, PaddingParams, PaddingStrategy, TruncationDirection, TruncationParams};

use crate::{PadTo, Padding, Side, Truncation, TruncationStrategy};

pub(crate) fn read_truncation(params: &TruncationParams) -> Truncation {
    Truncation {
        max_length: params.max_length,
        strategy: match params.strategy {
            tokenizers::TruncationStrategy::LongestFirst => TruncationStrategy::LongestFirst,
            tokenizers::TruncationStrategy::OnlyFirst => TruncationStrategy::OnlyFirst,
            tokenizers::TruncationStrategy::OnlySecond => TruncationStrategy::OnlySecond,
        },
        stride: params.stride,
        side: match params.direction {
            TruncationDirection::Left => Side::Left,
            TruncationDirection::Right => Side::Right,
        },
    }
}

pub(crate) fn truncation_params(truncation: &Truncation) -> TruncationParams {
    TruncationParams {
        direction: match truncation.side {
            Side::Left => TruncationDirection::Left,
            Side::Right => TruncationDirection::Right,
        },
        max_length: truncation.max_length,
        strategy: match truncation.strategy {
            TruncationStrategy::LongestFirst => tokenizers::TruncationStrategy::LongestFirst,
            TruncationStrategy::OnlyFirst => tokenizers::TruncationStrategy::OnlyFirst,
            TruncationStrategy::OnlySecond => tokenizers::TruncationStrategy::OnlySecond,
        },
        stride: truncation.stride,
    }
}

pub(crate) fn read_padding(params: &PaddingParams) -> Padding {
    Padding {
        to: match params.strategy {
            PaddingStrategy::BatchLongest => PadTo::Longest,
            PaddingStrategy::Fixed(length) => PadTo::Length(length),
        },
        side: match params.direction {
            PaddingDirection::Left => Side::Left,
            PaddingDirection::Right => Side::Right,
        },
        multiple_of: params.pad_to_multiple_of.and_then(NonZero::new),
        id: params.pad_id,
        type_id: params.pad_type_id,
        token: params.pad_token.clone(),
    }
}

pub(crate) fn padding_params(padding: &Padding) -> PaddingParams {
    PaddingParams {
        strategy: match padding.to {
            PadTo::Longest => PaddingStrategy::BatchLongest,
            PadTo::Length(length) => PaddingStrategy::Fixed(length),
        },
        direction: match padding.side {
            Side::Left => PaddingDirection::Left,
            Side::Right => PaddingDirection::Right,
        },
        pad_to_multiple_of: padding.multiple_of.map(NonZero::get),
        pad_id: padding.id,
        pad_type_id: padding.type_id,
        pad_token: padding.token.clone(),
    }
}
