//! What do a pipeline's normaliser and pre-tokeniser do with spaces?

use tokenizers::{
    NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior,
    normalizers::Replace,
    pre_tokenizers::{metaspace::PrependScheme, split::Split},
};

use super::MARK;
use crate::{definition::Definition, kernel::Reason};

/// Where a section begins with a mark that is not in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    Never,
    Always,
    /// Unless the text begins with one.
    Missing,
    /// Unless the text begins with one, and only before the caller's text.
    MissingFirst,
}

/// What the pre-tokeniser takes for a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    Section,
    /// Each mark begins one.
    Marks,
}

/// What the normaliser and the pre-tokeniser do with spaces.
pub(super) fn spaces(definition: &Definition<'_>) -> Result<(Prefix, Words), Reason> {
    let read = |_| Reason::from("a component is not known");
    let normalizer = definition.normalizer.clone().map(serde_json::from_value).transpose().map_err(read)?;
    let pre_tokenizer =
        definition.pre_tokenizer.clone().map(serde_json::from_value).transpose().map_err(read)?;
    let mark = MARK.to_string();
    let (mut replaced, mut prepended) = (false, false);
    let mut normalizers: Vec<NormalizerWrapper> = normalizer.into_iter().collect();
    while let Some(normalizer) = normalizers.pop() {
        match normalizer {
            NormalizerWrapper::Sequence(sequence) => normalizers.extend(sequence),
            NormalizerWrapper::Prepend(prepend) if prepend.prepend == mark && !prepended => prepended = true,
            NormalizerWrapper::Replace(replace)
                if Replace::new(" ", mark.as_str()).is_ok_and(|spaces| replace == spaces) =>
            {
                replaced = true;
            }
            _ => return Err("the normaliser does more than to mark spaces".into()),
        }
    }
    let before = if prepended { Prefix::Always } else { Prefix::Never };
    match pre_tokenizer {
        None if replaced => Ok((before, Words::Section)),
        Some(PreTokenizerWrapper::Split(split))
            if replaced
                && Split::new(" ", SplitDelimiterBehavior::MergedWithPrevious, false)
                    .is_ok_and(|spaces| split == spaces) =>
        {
            Ok((before, Words::Section))
        }
        Some(PreTokenizerWrapper::Metaspace(metaspace)) if metaspace.get_replacement() == MARK => {
            let prefix = match metaspace.get_prepend_scheme() {
                _ if prepended => before,
                PrependScheme::Never => Prefix::Never,
                PrependScheme::Always => Prefix::Missing,
                PrependScheme::First => Prefix::MissingFirst,
            };
            Ok((prefix, if metaspace.get_split() { Words::Marks } else { Words::Section }))
        }
        None => Err("spaces are not marked".into()),
        Some(_) => Err("the pre-tokeniser splits words".into()),
    }
}
