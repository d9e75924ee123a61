//! What is known of an encoded text?

use tokenizers::Encoding as Inner;

/// A text, or a pair of texts, as tokens. All lists have one entry for each token.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoding(Inner);

impl Encoding {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(inner)
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids.
    pub fn ids(&self) -> &[u32] {
        self.0.get_ids()
    }

    /// The tokens as the vocabulary writes them.
    pub fn tokens(&self) -> &[String] {
        self.0.get_tokens()
    }

    /// Where each token begins and ends in its text; (0, 0) for special ones and padding.
    pub fn offsets(&self) -> &[(usize, usize)] {
        self.0.get_offsets()
    }

    /// 1 for tokens, 0 for padding.
    pub fn attention_mask(&self) -> &[u32] {
        self.0.get_attention_mask()
    }

    /// Which text of a pair a token belongs to, as the post-processor says.
    pub fn type_ids(&self) -> &[u32] {
        self.0.get_type_ids()
    }

    /// 1 for tokens that the post-processor or the padding added.
    pub fn special_tokens_mask(&self) -> &[u32] {
        self.0.get_special_tokens_mask()
    }

    /// Which piece of the pre-tokeniser a token belongs to; `None` for special tokens and padding.
    pub fn word_ids(&self) -> &[Option<u32>] {
        self.0.get_word_ids()
    }

    /// Which text a token comes from, 0 or 1; `None` for special tokens and padding.
    pub fn sequence_ids(&self) -> Vec<Option<usize>> {
        self.0.get_sequence_ids()
    }

    /// What truncation cut off, in parts of the same length.
    pub fn overflowing(&self) -> impl ExactSizeIterator<Item = Encoding> + '_ {
        self.0.get_overflowing().iter().cloned().map(Encoding)
    }
}
