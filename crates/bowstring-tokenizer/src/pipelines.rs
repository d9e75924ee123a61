//! Which engine runs a tokenizer? The first of our kernels that knows all its parts, else the
//! `tokenizers` crate.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use tokenizers::{DecoderWrapper, PostProcessorWrapper, Tokenizer, models::unigram::Unigram};

use crate::{
    bert::Bert,
    byte_level::ByteLevel,
    definition::{Definition, Vocab},
    engine::{AnyKernel, Engine},
    kernel::Reason,
    sentence_bpe::SentenceBpe,
    sentence_normal::SentenceNormal,
    sentence_unigram::SentenceUnigram,
};

/// What makes a kernel, or says why the pipeline is none of its own.
type Make = fn(&Definition<'_>) -> Result<Box<dyn AnyKernel>, Reason>;

/// Our kernels: what model each runs, its name, and what makes it.
const KERNELS: &[(&str, &str, Make)] = &[
    ("BPE", "byte-level BPE", |definition| Ok(Box::new(ByteLevel::new(definition)?))),
    ("BPE", "SentencePiece BPE", |definition| match definition.beyond.normalized_first {
        None => Ok(Box::new(SentenceBpe::new(definition)?)),
        Some(_) => Ok(Box::new(SentenceNormal::new(definition)?)),
    }),
    ("Unigram", "SentencePiece Unigram", |definition| Ok(Box::new(SentenceUnigram::new(definition)?))),
    ("WordPiece", "BERT WordPiece", |definition| Ok(Box::new(Bert::new(definition)?))),
];

/// The engine for `definition`, which was read from `json`.
///
/// # Errors
/// What the `tokenizers` crate says when it refuses, and so do all kernels.
pub(crate) fn engine(definition: &Definition<'_>, json: &[u8]) -> Result<Engine, String> {
    let kind = definition.model.kind();
    let mut reasons = Vec::new();
    if looks_in_normalised_text(definition) {
        reasons.push("added tokens are looked for in normalised text".to_owned());
    }
    let kernels = if reasons.is_empty() { KERNELS } else { &[] };
    for (_, name, make) in kernels.iter().filter(|(model, ..)| *model == kind) {
        match make(definition) {
            Ok(kernel) => return Ok(Engine::Fast { name, kernel }),
            Err(reason) => reasons.push(format!("not {name}: {reason}")),
        }
    }
    if definition.beyond.needed {
        return Err(reasons.join("; "));
    }
    if reasons.is_empty() {
        reasons.push(format!("no kernel for the model {kind}"));
    }
    complete(definition, json, reasons.join("; "))
}

/// Whether added tokens are found only after a normaliser has changed the text; kernels normalise what is
/// between added tokens.
fn looks_in_normalised_text(definition: &Definition<'_>) -> bool {
    fn changes(normalizer: &Value) -> bool {
        match normalizer.get("normalizers").and_then(Value::as_array) {
            Some(parts) => parts.iter().any(changes),
            None => !normalizer.is_null(),
        }
    }
    definition.normalizer.as_ref().is_some_and(changes)
        && definition.added_tokens.iter().any(|added| added.token.normalized)
}

/// A unigram model with the scores that PyPI's build of the crate reads, which are not those that it reads
/// in ours.
fn unigram(definition: &Definition<'_>) -> tokenizers::Result<Option<Unigram>> {
    let model = &definition.model;
    let (Vocab::Scores(scores), "Unigram") = (&model.vocab, model.kind()) else { return Ok(None) };
    let vocab = scores.iter().map(|(token, score)| (token.0.to_string(), *score)).collect();
    Unigram::from(vocab, model.unk_id, model.byte_fallback).map(Some)
}

/// The `tokenizers` crate as engine.
fn complete(definition: &Definition<'_>, json: &[u8], reason: String) -> Result<Engine, String> {
    // Its constructors are known to panic on contradictions that its reader does not look for.
    let loaded = catch_unwind(AssertUnwindSafe(|| {
        let mut inner = Tokenizer::from_bytes(json)?;
        if let Some(unigram) = unigram(definition)? {
            inner.with_model(unigram);
        }
        Ok::<_, tokenizers::Error>(inner)
    }));
    let mut inner = match loaded {
        Ok(Ok(inner)) => inner,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("the `tokenizers` crate panicked on it".to_owned()),
    };
    inner.with_post_processor(None::<PostProcessorWrapper>).with_decoder(None::<DecoderWrapper>);
    inner.with_truncation(None).map_err(|error| error.to_string())?.with_padding(None);
    Ok(Engine::Complete { inner: Box::new(inner), reason })
}
