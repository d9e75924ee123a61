//! Which tokens does the post-processor put around a text?
//!
//! It is asked once, with a text of a single token that nothing else can be, so that what is done for
//! each text of a batch is what the `tokenizers` crate would do, whatever the post-processor is.

use tokenizers::{Encoding, PostProcessor, PostProcessorWrapper};

/// Tokens before and after a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Around {
    pub before: Vec<Special>,
    pub after: Vec<Special>,
    /// The type id of the text's own tokens.
    pub type_id: u32,
}

/// A token that the post-processor adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Special {
    pub id: u32,
    pub type_id: u32,
    pub special: u32,
}

impl Around {
    /// What `processor` puts around a single text; `None` when the text does not come out exactly once.
    pub(crate) fn new(processor: Option<&PostProcessorWrapper>, add_special_tokens: bool) -> Option<Self> {
        let Some(processor) = processor else { return Some(Self::default()) };
        // The id is in no vocabulary, and the token is not special, which tells it from what was added.
        const TEXT: u32 = u32::MAX;
        let text = Encoding::new(
            vec![TEXT],
            vec![0],
            vec!["text".to_owned()],
            vec![Some(0)],
            vec![(0, 4)],
            vec![0],
            vec![1],
            Vec::new(),
            Default::default(),
        );
        let around = processor.process(text, None, add_special_tokens).ok()?;
        let tokens: Vec<Special> = (around.get_ids().iter())
            .zip(around.get_type_ids())
            .zip(around.get_special_tokens_mask())
            .map(|((id, type_id), special)| Special { id: *id, type_id: *type_id, special: *special })
            .collect();
        let mut texts = tokens.iter().enumerate().filter(|(_, token)| token.id == TEXT);
        let (Some((place, text)), None) = (texts.next(), texts.next()) else { return None };
        Some(Self {
            before: tokens[..place].to_vec(),
            after: tokens[place + 1..].to_vec(),
            type_id: text.type_id,
        })
    }

    /// How many tokens that is.
    pub(crate) fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }
}
