//! What can be asked of an encoding?

use std::num::NonZero;

use bowstring_core::Cancel;

/// An end of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Where the text begins.
    Left,
    /// Where it ends.
    #[default]
    Right,
}

/// Which text of a pair is shortened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TruncationStrategy {
    /// The longer one, token by token.
    #[default]
    LongestFirst,
    /// The first.
    OnlyFirst,
    /// The second.
    OnlySecond,
}

/// How texts with too many tokens are shortened; what is cut off is the encoding's overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// The most tokens, special ones included.
    pub max_length: usize,
    /// Which text of a pair is shortened.
    pub strategy: TruncationStrategy,
    /// How many tokens each part of the overflow shares with the one before it.
    pub stride: usize,
    /// The end that is cut off.
    pub side: Side,
}

impl Truncation {
    /// To `max_length` tokens, at the end, without a stride.
    pub fn to(max_length: usize) -> Self {
        Self { max_length, strategy: TruncationStrategy::default(), stride: 0, side: Side::Right }
    }
}

/// The length that encodings are padded to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PadTo {
    /// That of the longest of the batch.
    #[default]
    Longest,
    /// This many tokens; longer ones stay as they are.
    Length(usize),
}

/// How encodings are brought to one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Padding {
    /// The length.
    pub to: PadTo,
    /// Where padding is put.
    pub side: Side,
    /// The length is rounded up to a multiple of this.
    pub multiple_of: Option<NonZero<usize>>,
    /// The id that is put there.
    pub id: u32,
    /// Its type id.
    pub type_id: u32,
    /// Its token.
    pub token: String,
}

impl Padding {
    /// How many tokens encodings get of which the longest has `longest`.
    pub(crate) fn length(&self, longest: usize) -> usize {
        let length = match self.to {
            PadTo::Longest => longest,
            PadTo::Length(length) => length,
        };
        self.multiple_of.map_or(length, |multiple| length.next_multiple_of(multiple.get()))
    }
}

/// What offsets count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffsetUnit {
    /// Unicode characters, as Python does.
    #[default]
    Chars,
    /// Bytes of UTF-8, as Rust does.
    Bytes,
}

/// What is wanted of a batch beside its ids, and what may be used for it.
#[derive(Clone, Debug)]
pub struct BatchOptions {
    /// Whether the special tokens of the model, like `[CLS]`, are put around each text.
    pub add_special_tokens: bool,
    /// A column `attention_mask`: 1 for tokens, 0 for padding.
    pub attention_mask: bool,
    /// A column `type_ids`.
    pub type_ids: bool,
    /// A column `special_tokens_mask`: 1 for special tokens and padding.
    pub special_tokens_mask: bool,
    /// A column `offsets` of where each token stands in its text.
    pub offsets: Option<OffsetUnit>,
    /// A column `word_ids`: which piece of the pre-tokeniser a token belongs to; null for special ones.
    pub word_ids: bool,
    /// A row of its own for each part of the overflow, after that of its text, and a column `sample` with
    /// the number of the text.
    pub overflow: bool,
    /// Lists with 64-bit offsets, in one chunk whatever their number.
    pub large_list: bool,
    /// The most threads; as many as there are processors when `None`.
    pub threads: Option<NonZero<usize>>,
    /// Asks the work to stop.
    pub cancel: Cancel,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            add_special_tokens: true,
            attention_mask: false,
            type_ids: false,
            special_tokens_mask: false,
            offsets: None,
            word_ids: false,
            overflow: false,
            large_list: false,
            threads: None,
            cancel: Cancel::new(),
        }
    }
}

impl BatchOptions {
    /// Whether more is wanted than ids and what follows from their number.
    pub(crate) fn needs_pieces(&self) -> bool {
        self.offsets.is_some() || self.word_ids || self.overflow
    }
}
