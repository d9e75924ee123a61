//! Which part of a tokenizer is not known?
//!
//! The `tokenizers` crate reads its parts by trying what they could be, and can only say that it was none
//! of them. What is said here names the part, also one within a sequence, and its nearest known name.

use bowstring_core::nearest;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokenizers::{DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper};

use crate::definition::Definition;

/// A field and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub field: String,
    pub reason: String,
}

/// A place where parts stand, and what can stand there.
struct Place {
    field: &'static str,
    /// The field of a `Sequence` that has its parts.
    inner: &'static str,
    kinds: &'static [&'static str],
}

const NORMALIZER: Place = Place {
    field: "normalizer",
    inner: "normalizers",
    kinds: &[
        "BertNormalizer",
        "ByteLevel",
        "Lowercase",
        "NFC",
        "NFD",
        "NFKC",
        "NFKD",
        "Nmt",
        "Precompiled",
        "Prepend",
        "Replace",
        "Sequence",
        "Strip",
        "StripAccents",
    ],
};
const PRE_TOKENIZER: Place = Place {
    field: "pre_tokenizer",
    inner: "pretokenizers",
    kinds: &[
        "BertPreTokenizer",
        "ByteLevel",
        "CharDelimiterSplit",
        "Digits",
        "FixedLength",
        "Metaspace",
        "Punctuation",
        "Sequence",
        "Split",
        "UnicodeScripts",
        "Whitespace",
        "WhitespaceSplit",
    ],
};
const POST_PROCESSOR: Place = Place {
    field: "post_processor",
    inner: "processors",
    kinds: &["BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"],
};
const DECODER: Place = Place {
    field: "decoder",
    inner: "decoders",
    kinds: &[
        "BPEDecoder",
        "ByteFallback",
        "ByteLevel",
        "CTC",
        "Fuse",
        "Metaspace",
        "Replace",
        "Sequence",
        "Strip",
        "WordPiece",
    ],
};
const MODELS: [&str; 4] = ["BPE", "Unigram", "WordLevel", "WordPiece"];

/// The post-processor of a document.
pub(crate) fn post_processor(definition: &Definition<'_>) -> Result<Option<PostProcessorWrapper>, Problem> {
    definition.post_processor.as_ref().map(|value| read(&POST_PROCESSOR, value)).transpose()
}

/// The decoder of a document.
pub(crate) fn decoder(definition: &Definition<'_>) -> Result<Option<DecoderWrapper>, Problem> {
    definition.decoder.as_ref().map(|value| read(&DECODER, value)).transpose()
}

/// Finds what is wrong with a document that the `tokenizers` crate refused, when it is one of its parts.
pub(crate) fn problem(definition: &Definition<'_>) -> Result<(), Problem> {
    let kind = definition.model.kind();
    if !MODELS.contains(&kind) {
        return Err(Problem { field: "model".to_owned(), reason: unknown(kind, &MODELS) });
    }
    if let Some(value) = &definition.normalizer {
        read::<NormalizerWrapper>(&NORMALIZER, value)?;
    }
    if let Some(value) = &definition.pre_tokenizer {
        read::<PreTokenizerWrapper>(&PRE_TOKENIZER, value)?;
    }
    Ok(())
}

fn read<T: DeserializeOwned>(place: &Place, value: &Value) -> Result<T, Problem> {
    serde_json::from_value(value.clone()).map_err(|error| {
        innermost::<T>(place, place.field.to_owned(), value)
            .unwrap_or_else(|| Problem { field: place.field.to_owned(), reason: error.to_string() })
    })
}

/// The problem of a part, or of the first of its parts that has one.
fn innermost<T: DeserializeOwned>(place: &Place, field: String, value: &Value) -> Option<Problem> {
    let error = serde_json::from_value::<T>(value.clone()).err()?;
    for (number, part) in value.get(place.inner).and_then(Value::as_array).into_iter().flatten().enumerate() {
        let field = format!("{field}.{}[{number}]", place.inner);
        if let Some(problem) = innermost::<T>(place, field, part) {
            return Some(problem);
        }
    }
    let reason = match value.get("type").and_then(Value::as_str) {
        None => "it has no `type`".to_owned(),
        Some(kind) if place.kinds.contains(&kind) => {
            // Of parts that were tried one after the other the message says nothing.
            let tried = error.to_string().contains("did not match any variant");
            let detail = if tried {
                "a field is missing, or is not what it should be".to_owned()
            } else {
                error.to_string()
            };
            format!("`{kind}` cannot be read: {detail}")
        }
        Some(kind) => unknown(kind, place.kinds),
    };
    Some(Problem { field, reason })
}

fn unknown(kind: &str, known: &[&str]) -> String {
    match nearest(kind, known.iter().copied()) {
        Some(nearest) => format!("`{kind}` is not known; did you mean `{nearest}`?"),
        None => format!("`{kind}` is not known"),
    }
}
