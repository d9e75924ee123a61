//! Where does a paragraph, a sentence, a word of a text end?
//!
//! Sentences, words and graphemes by Unicode Standard Annex 29; a paragraph ends before a line that is not
//! blank and follows one that is.

use unicode_segmentation::UnicodeSegmentation;

/// What is not to be cut apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Paragraph,
    Sentence,
    /// What stands between white space.
    Space,
    Word,
    Grapheme,
    Char,
}

/// The ends in `text` of what `level` says, in order. The end of the text itself is one if it is `whole`
/// and not the beginning of a longer text.
pub(crate) fn boundaries(level: Level, text: &str, whole: bool) -> Vec<usize> {
    let starts: Vec<usize> = match level {
        Level::Paragraph => {
            let mut blank = false;
            let mut at = 0;
            let mut starts = Vec::new();
            for line in text.split_inclusive('\n') {
                let is_blank = line.trim().is_empty();
                if blank && !is_blank {
                    starts.push(at);
                }
                blank = is_blank;
                at += line.len();
            }
            starts
        }
        Level::Sentence => text.split_sentence_bound_indices().map(|(at, _)| at).collect(),
        Level::Space => {
            let mut space = false;
            let mut starts = Vec::new();
            for (at, c) in text.char_indices() {
                if space && !c.is_whitespace() {
                    starts.push(at);
                }
                space = c.is_whitespace();
            }
            starts
        }
        Level::Word => text.split_word_bound_indices().map(|(at, _)| at).collect(),
        Level::Grapheme => text.grapheme_indices(true).map(|(at, _)| at).collect(),
        Level::Char => text.char_indices().map(|(at, _)| at).collect(),
    };
    let ends = starts.into_iter().filter(|&at| at > 0);
    ends.chain(whole.then_some(text.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `parts` are what stands between boundaries.
    fn check(level: Level, parts: &[&str]) {
        let text = parts.concat();
        let expected: Vec<usize> = parts
            .iter()
            .scan(0, |at, part| {
                *at += part.len();
                Some(*at)
            })
            .collect();
        assert_eq!(boundaries(level, &text, true), expected, "{level:?} of {text:?}");
        assert_eq!(boundaries(level, &text, false), expected[..parts.len() - 1], "{level:?} of {text:?}");
    }

    #[test]
    fn each_level() {
        check(Level::Paragraph, &["One.\nTwo.\n\n", "Three.\r\n \t\r\n\r\n", "Four."]);
        check(Level::Paragraph, &["\n\n", "One.\n\n"]);
        check(
            Level::Sentence,
            &["He said 3.14. ", "Then \u{201c}no!\u{201d} ", "\u{4f60}\u{597d}\u{3002}", "Why?"],
        );
        check(Level::Space, &["one,  ", "two\u{3000}", "three"]);
        check(Level::Word, &["can't", " ", "stop", "!"]);
        check(Level::Grapheme, &["e\u{301}", "\u{1f469}\u{200d}\u{1f680}", "x"]);
        check(Level::Char, &["e", "\u{301}", "x"]);
    }
}
