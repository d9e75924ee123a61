//! What does a pipeline of ours have to do?
//!
//! A kernel is given what stands between two added tokens, a section, and says its ids. It does not
//! know added tokens, special tokens, truncation or padding.

use std::fmt::Debug;

/// Text between added tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    pub text: &'a str,
    pub start: Start,
}

/// Where a section begins; some pipelines put a space before some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the first byte of the caller's text.
    Text,
    /// After an added token.
    AddedToken,
    /// At a place which [`Kernel::cut`] named, in the middle of a section.
    Cut,
}

/// A token and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub id: u32,
    /// The bytes of the section that it stands for, by Hugging Face's rules: what a normaliser adds
    /// stands for the text that it was added to.
    pub start: usize,
    pub end: usize,
    /// Which piece of the pre-tokeniser it belongs to, counted from 0 within the section.
    pub word: u32,
}

/// A pipeline from text to ids.
pub(crate) trait Kernel: Debug + Send + Sync {
    /// What one thread keeps between calls.
    type Scratch: Debug + Default + Send;

    /// Appends the ids of `section`.
    fn ids(&self, section: Section<'_>, scratch: &mut Self::Scratch, out: &mut Vec<u32>);

    /// How many ids `section` has.
    fn count(&self, section: Section<'_>, scratch: &mut Self::Scratch) -> usize;

    /// Appends the ids of several sections, and where those of each end.
    fn ids_of_sections(
        &self,
        sections: &[Section<'_>],
        scratch: &mut Self::Scratch,
        out: &mut Vec<u32>,
        ends: &mut Vec<usize>,
    ) {
        for section in sections {
            self.ids(*section, scratch, out);
            ends.push(out.len());
        }
    }

    /// Appends how many ids the first of several sections has, the first two, and so on.
    fn count_of_sections(
        &self,
        sections: &[Section<'_>],
        scratch: &mut Self::Scratch,
        ends: &mut Vec<usize>,
    ) {
        let mut count = 0;
        for section in sections {
            count += self.count(*section, scratch);
            ends.push(count);
        }
    }

    /// Appends the tokens of `section` with what each stands for.
    fn pieces(&self, section: Section<'_>, scratch: &mut Self::Scratch, out: &mut Vec<Piece>);

    /// What is written for tokens of `section` that the vocabulary writes otherwise, by their places among
    /// the pieces: some models write unknown words as they are.
    fn written(
        &self,
        _section: Section<'_>,
        _pieces: &[Piece],
        _scratch: &mut Self::Scratch,
    ) -> Vec<(usize, String)> {
        Vec::new()
    }

    /// The first place at or after `from`, a char boundary, where `text` can be cut so that the ids of
    /// both parts, one after the other, are those of the whole; `None` when none is near enough to look
    /// for. The second part is then a section with [`Start::Cut`].
    fn cut(&self, text: &str, from: usize) -> Option<usize>;
}

/// Why a pipeline is none of a kernel's.
pub(crate) type Reason = std::borrow::Cow<'static, str>;
