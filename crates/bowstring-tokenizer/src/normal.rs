//! What is this text in normalisation form C or KC?
//!
//! Texts are nearly always normalised already, which one pass over their characters tells. Where they are
//! not, only what stands between two characters that combine with nothing before them is given to the
//! crate by which Hugging Face normalises. O(length).

use std::ops::Range;

use serde_json::Value;
use tokenizers::NormalizedString;
use unicode_normalization_alignments::UnicodeNormalization as _;

use crate::{
    classes::{Class, Classes, PLAIN_C, PLAIN_KC},
    kernel::Reason,
};

/// A normalisation form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    C,
    Kc,
}

impl Form {
    /// The form that a normaliser makes; `None` for one that changes nothing.
    pub(crate) fn recognise(normalizer: Option<&Value>) -> Result<Option<Self>, Reason> {
        let Some(normalizer) = normalizer else { return Ok(None) };
        match normalizer["type"].as_str() {
            Some("NFC") => Ok(Some(Form::C)),
            Some("NFKC") => Ok(Some(Form::Kc)),
            Some("Sequence") => match normalizer["normalizers"].as_array().map(Vec::as_slice) {
                Some([]) => Ok(None),
                Some([one]) => Form::recognise(Some(one)),
                _ => Err("the sequence of normalisers is not one of ours".into()),
            },
            _ => Err("the normaliser is not a normalisation form".into()),
        }
    }

    /// The first character at or after `from` that may change, or make another one change.
    fn find(self, classes: &Classes, text: &str, from: usize) -> Option<usize> {
        const CHUNK: usize = 32;
        let bytes = text.as_bytes();
        let mut place = from;
        while let Some(byte) = bytes.get(place) {
            if byte.is_ascii() {
                let ascii = bytes.get(place..place + CHUNK).is_some_and(<[u8]>::is_ascii);
                place += if ascii { CHUNK } else { 1 };
                continue;
            }
            let c = text.get(place..)?.chars().next()?;
            if !self.is_plain(classes, c) {
                return Some(place);
            }
            place += c.len_utf8();
        }
        None
    }

    fn is_plain(self, classes: &Classes, c: char) -> bool {
        let plain: Class = match self {
            Form::C => PLAIN_C,
            Form::Kc => PLAIN_KC,
        };
        classes.of(c) & plain != 0
    }

    /// The normalised text: `text` itself, or what is put into `buffer`.
    pub(crate) fn apply<'a>(self, text: &'a str, buffer: &'a mut String) -> &'a str {
        let classes = Classes::get();
        let Some(mut odd) = self.find(classes, text, 0) else { return text };
        buffer.clear();
        let mut done = 0;
        loop {
            // The character before may combine with what follows, but with nothing before it.
            let start = text[done..odd].char_indices().next_back().map_or(odd, |(i, _)| done + i);
            let rest = text[odd..].char_indices();
            let mut plain = rest.filter(|&(_, c)| self.is_plain(classes, c));
            let end = plain.next().map_or(text.len(), |(i, _)| odd + i);
            buffer.push_str(&text[done..start]);
            match self {
                Form::C => buffer.extend(text[start..end].nfc().map(|(c, _)| c)),
                Form::Kc => buffer.extend(text[start..end].nfkc().map(|(c, _)| c)),
            }
            done = end;
            match self.find(classes, text, done) {
                Some(next) => odd = next,
                None => break,
            }
        }
        buffer.push_str(&text[done..]);
        buffer
    }

    /// The normalised text with what each part of it stands for; `None` if nothing changes.
    pub(crate) fn align(self, text: &str) -> Option<Aligned> {
        self.find(Classes::get(), text, 0)?;
        let mut aligned = NormalizedString::from(text);
        match self {
            Form::C => aligned.nfc(),
            Form::Kc => aligned.nfkc(),
        };
        Some(Aligned(aligned))
    }
}

/// A normalised text and what it was.
#[derive(Debug)]
pub(crate) struct Aligned(NormalizedString);

impl Aligned {
    pub(crate) fn text(&self) -> &str {
        self.0.get()
    }

    /// The bytes of the text as it was that the bytes `range` of the normalised one stand for.
    pub(crate) fn original(&self, range: Range<usize>) -> Range<usize> {
        let range = tokenizers::normalizer::Range::Normalized(range);
        self.0.convert_offsets(range).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(text: &str) {
        let mut buffer = String::from("left over");
        let expected: String = text.nfc().map(|(c, _)| c).collect();
        assert_eq!(Form::C.apply(text, &mut buffer), expected);
        let expected: String = text.nfkc().map(|(c, _)| c).collect();
        assert_eq!(Form::Kc.apply(text, &mut buffer), expected);
    }

    #[test]
    fn characters_between_others_are_normalised_as_by_the_crate() {
        // Of those that are plain, some are enough.
        let classes = Classes::get();
        let odd = |c: &char| classes.of(*c) & PLAIN_KC == 0 || (*c as u32).is_multiple_of(61);
        for c in (0..=0x10_FFFF).filter_map(char::from_u32).filter(odd) {
            check(&format!("{c}a{c}\u{301}\u{323}가{c}{c}e\u{327}{c}\u{301}"));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_normalised_as_by_the_crate(
            text in "[a-e \u{300}-\u{34f}\u{1100}-\u{11ff}\u{ac00}-\u{ac20}\u{c0}-\u{c8}\u{1e00}-\u{1eff}\u{fb00}-\u{fb20}\u{2126}ﬁ①]{0,60}"
        ) {
            check(&text);
        }
    }

    #[test]
    fn normalisers_are_recognised() {
        let of = |json| Form::recognise(Some(&json));
        assert_eq!(Form::recognise(None), Ok(None));
        assert_eq!(of(json!({"type": "NFC"})), Ok(Some(Form::C)));
        assert_eq!(of(json!({"type": "NFKC"})), Ok(Some(Form::Kc)));
        assert_eq!(of(json!({"type": "Sequence", "normalizers": []})), Ok(None));
        assert_eq!(of(json!({"type": "Sequence", "normalizers": [{"type": "NFC"}]})), Ok(Some(Form::C)));
        assert!(of(json!({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "NFC"}]})).is_err());
        assert!(of(json!({"type": "NFD"})).is_err());
        assert!(of(json!({"type": "Lowercase"})).is_err());
    }
}
