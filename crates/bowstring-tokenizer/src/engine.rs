//! Who turns the text between added tokens into ids: a kernel of ours, or the `tokenizers` crate?

use std::{
    any::Any,
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tokenizers::{Encoding, Tokenizer as HuggingFace};

use crate::{
    Result, TokenizerError,
    kernel::{Kernel, Piece, Section},
};

/// What one thread keeps between calls; each kernel has its own kind.
pub(crate) type Scratch = Box<dyn Any + Send>;

/// A [`Kernel`] of any kind.
pub(crate) trait AnyKernel: Debug + Send + Sync {
    fn scratch(&self) -> Scratch;
    fn ids(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<u32>);
    fn count(&self, section: Section<'_>, scratch: &mut Scratch) -> usize;
    fn ids_of_sections(
        &self,
        sections: &[Section<'_>],
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
        ends: &mut Vec<usize>,
    );
    fn count_of_sections(&self, sections: &[Section<'_>], scratch: &mut Scratch, ends: &mut Vec<usize>);
    fn pieces(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<Piece>);
    fn written(&self, section: Section<'_>, pieces: &[Piece], scratch: &mut Scratch) -> Vec<(usize, String)>;
    fn cut(&self, text: &str, from: usize) -> Option<usize>;
}

impl<K> AnyKernel for K
where
    K: Kernel,
    K::Scratch: 'static,
{
    fn scratch(&self) -> Scratch {
        Box::new(K::Scratch::default())
    }

    fn ids(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<u32>) {
        with::<K, _>(scratch, |own| Kernel::ids(self, section, own, out));
    }

    fn count(&self, section: Section<'_>, scratch: &mut Scratch) -> usize {
        with::<K, _>(scratch, |own| Kernel::count(self, section, own))
    }

    fn ids_of_sections(
        &self,
        sections: &[Section<'_>],
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
        ends: &mut Vec<usize>,
    ) {
        with::<K, _>(scratch, |own| Kernel::ids_of_sections(self, sections, own, out, ends));
    }

    fn count_of_sections(&self, sections: &[Section<'_>], scratch: &mut Scratch, ends: &mut Vec<usize>) {
        with::<K, _>(scratch, |own| Kernel::count_of_sections(self, sections, own, ends));
    }

    fn pieces(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<Piece>) {
        with::<K, _>(scratch, |own| Kernel::pieces(self, section, own, out));
    }

    fn written(&self, section: Section<'_>, pieces: &[Piece], scratch: &mut Scratch) -> Vec<(usize, String)> {
        with::<K, _>(scratch, |own| Kernel::written(self, section, pieces, own))
    }

    fn cut(&self, text: &str, from: usize) -> Option<usize> {
        Kernel::cut(self, text, from)
    }
}

/// Runs `work` with the scratch of this kernel, made anew should it be another's.
fn with<K, T>(scratch: &mut Scratch, work: impl FnOnce(&mut K::Scratch) -> T) -> T
where
    K: Kernel,
    K::Scratch: 'static,
{
    if let Some(own) = scratch.downcast_mut() {
        return work(own);
    }
    let mut own = K::Scratch::default();
    let done = work(&mut own);
    *scratch = Box::new(own);
    done
}

/// The pipeline of a tokenizer.
#[derive(Debug)]
pub(crate) enum Engine {
    /// A kernel of ours.
    Fast { name: &'static str, kernel: Box<dyn AnyKernel> },
    /// The `tokenizers` crate, without post-processor, truncation and padding, which are applied here.
    Complete { inner: Box<HuggingFace>, reason: String },
}

/// What runs a tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// A kernel of ours, by its name.
    Fast(&'static str),
    /// The `tokenizers` crate, and why.
    Complete {
        /// What no kernel of ours knows.
        reason: String,
    },
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Backend::Fast(name) => write!(f, "fast ({name})"),
            Backend::Complete { reason } => write!(f, "complete ({reason})"),
        }
    }
}

impl Engine {
    pub(crate) fn backend(&self) -> Backend {
        match self {
            Engine::Fast { name, .. } => Backend::Fast(name),
            Engine::Complete { reason, .. } => Backend::Complete { reason: reason.clone() },
        }
    }
}

/// The ids of `text` by the `tokenizers` crate, without special tokens.
pub(crate) fn complete_ids(inner: &HuggingFace, text: &str, out: &mut Vec<u32>) -> Result<()> {
    let encoding = caught(|| inner.encode_fast(text, false))?;
    out.extend_from_slice(encoding.get_ids());
    Ok(())
}

/// The encoding of `text` by the `tokenizers` crate, with offsets in bytes, without special tokens.
pub(crate) fn complete_encoding(inner: &HuggingFace, text: &str) -> Result<Encoding> {
    caught(|| inner.encode(text, false))
}

/// What the crate says; it panics when a regular expression takes too many steps.
fn caught(encode: impl FnOnce() -> tokenizers::Result<Encoding>) -> Result<Encoding> {
    let reason = match catch_unwind(AssertUnwindSafe(encode)) {
        Ok(Ok(encoding)) => return Ok(encoding),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => match panic.downcast_ref::<String>() {
            Some(reason) => reason.clone(),
            None => "the `tokenizers` crate panicked on it".to_owned(),
        },
    };
    Err(TokenizerError::Model { reason })
}
