//! Where does the next piece of a text end?
//!
//! The pre-tokenisers of byte-level models are regular expressions. The few in use are written out here
//! as code: [`rules`] says which they are, [`step`] finds one piece at a time in any text, and [`window`]
//! finds all pieces of up to 64 bytes at once. None looks back beyond the start of a piece, so a
//! piece depends on nothing but the text from its start on.

mod rules;
mod step;
mod window;

pub(crate) use rules::Rules;

use crate::classes::{Classes, LETTER};

/// How far to look for a place to cut.
const REACH: usize = 1 << 16;

/// Cuts text into pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Splitter {
    rules: Rules,
    classes: &'static Classes,
}

impl Splitter {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, classes: Classes::get() }
    }

    /// The pieces of `text` from `start` on, where one starts: where each starts and ends, in order.
    #[inline(always)]
    pub(crate) fn pieces<'a>(&self, text: &'a str, start: usize) -> Pieces<'a> {
        Pieces { splitter: *self, text, start, base: 0, ends: 0 }
    }

    /// The first place at or after `from` where both parts have the pieces of the whole.
    ///
    /// Between an ASCII letter or digit and a white space no rules have one piece, and none looks at
    /// what follows a piece that does not end in white space. Rules that end a piece at the last newline
    /// of white space can also be cut before a letter after a newline. A normaliser changes neither: it
    /// leaves the ASCII characters, and what it makes of a letter begins with a letter.
    pub(crate) fn cut(&self, text: &str, from: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let end = bytes.len().min(from.saturating_add(REACH));
        (from.max(1)..end).find(|&place| {
            let (before, after) = (bytes[place - 1], bytes[place]);
            before.is_ascii_alphanumeric() && matches!(after, b' ' | b'\n')
                || before == b'\n'
                    && self.rules.newlines_end_pieces()
                    && text[place..].chars().next().is_some_and(|c| self.classes.of(c) & LETTER != 0)
        })
    }
}

/// Goes from piece to piece of a text.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    splitter: Splitter,
    text: &'a str,
    /// Where the next piece starts.
    start: usize,
    /// Where the window begins, and the ends of pieces in it that are to come.
    base: usize,
    ends: u64,
}

impl Iterator for Pieces<'_> {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        let start = self.start;
        if self.ends == 0 {
            if start >= self.text.len() {
                return None;
            }
            self.base = start;
            let Splitter { rules, classes } = self.splitter;
            self.ends = window::ends(rules, classes, self.text.as_bytes(), start);
        }
        let end = match self.ends {
            0 => step::end(self.splitter.rules, self.splitter.classes, self.text, start),
            ends => self.base + ends.trailing_zeros() as usize,
        };
        self.ends &= self.ends.wrapping_sub(1);
        self.start = end;
        Some((start, end))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::rules::tests::examples;
    use proptest::prelude::*;
    use tokenizers::{
        OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _, PreTokenizerWrapper,
    };

    use super::{rules::tests::EXAMPLES, *};
    use crate::classes::CHANGES;

    fn ours(rules: Rules, text: &str) -> Vec<&str> {
        Splitter::new(rules).pieces(text, 0).map(|(start, end)| &text[start..end]).collect()
    }

    /// One piece after the other, without windows.
    fn stepped(rules: Rules, text: &str) -> Vec<&str> {
        let mut pieces = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let end = step::end(rules, Classes::get(), text, start);
            pieces.push(&text[start..end]);
            start = end;
        }
        pieces
    }

    fn theirs<'a>(pre_tokenizer: &PreTokenizerWrapper, text: &'a str) -> Vec<&'a str> {
        let mut pieces = PreTokenizedString::from(text);
        pre_tokenizer.pre_tokenize(&mut pieces).unwrap();
        pieces
            .get_splits(OffsetReferential::Original, OffsetType::Byte)
            .into_iter()
            .map(|(_, (start, end), _)| &text[start..end])
            .collect()
    }

    fn check(text: &str) {
        EXAMPLES.with(|examples| {
            for (json, rules, pre_tokenizer) in examples {
                let expected = theirs(pre_tokenizer, text);
                assert_eq!(stepped(*rules, text), expected, "{rules:?} {json}");
                assert_eq!(ours(*rules, text), expected, "{rules:?} in windows");
            }
        });
    }

    #[test]
    fn pieces_are_those_of_hugging_face() {
        for text in [
            "",
            " ",
            "a",
            "Hello, world! It's 12345 o'clock; DON'T PANIC, y'all've got 3.14.",
            "  two  spaces\n\n\n  and\tlines \n \n x\r\n\r\n",
            "fn main() {\n    println!(\"{}\", 1_000);\n}\n\n\n",
            "camelCase HTMLParser XMLHttpRequest's 'quoted' ''s !!s it's't's's",
            "don't've 'S 'RE 'll'lla '\u{17f}t a'\u{17f} b'\u{212a}",
            "中文和日本語テキスト。\n「かな」゠・ーｱ 12３४",
            "é e\u{301} \u{301}a \u{301}\u{301} !\u{301}a A\u{301}B ǅz ʰA 中A A中 A中B",
            "!\n/\n/a /\r\n//b!\n\n  \n x",
            "a\u{a0}b \u{3000}c\u{2028}\u{85}d \u{200b}e\0\0f \0 \0",
            "½ ² Ⅻ ٣٤٥٦٧ 1\u{301}2",
            "👩‍👩‍👧‍👦 🇩🇪 ☃\u{fe0f}.",
        ] {
            check(text);
        }
    }

    #[test]
    fn characters_of_every_class_are_cut_as_by_hugging_face() {
        // Where the class changes, and all that have a short code.
        let changes = CHANGES.iter().flat_map(|&(code, _)| [code.saturating_sub(1), code]);
        let chars: Vec<char> = (0..0x250).chain(changes).filter_map(char::from_u32).collect();
        // Each between others, so that it meets letters, digits, signs, spaces and itself. What is given to
        // Hugging Face is short, since it takes quadratic time.
        for chunk in chars.chunks(8) {
            let text: String =
                chunk.iter().map(|c| format!("{c}a {c} 1{c}\tA{c}{c}b{c}'s{c}'{c}!{c} \n{c}\n")).collect();
            check(&text);
        }
    }

    /// Texts in which the rules have much to do.
    fn texts() -> impl Strategy<Value = String> {
        let parts = prop::sample::select(vec![
            "a", "b", "S", "T", "x", "re", "LL", "'", "'s", "'t", "'Ve", " ", " ", "  ", "\n", "\r", "\t",
            "\r\n", "1", "23", "4567", ".", "/", "!?", "(", "é", "\u{301}", "中", "カ", "゠", "ſ", "ǅ", "ʰ",
            "Ж", "ж", "\u{a0}", "\u{3000}", "\u{85}", "٣", "½", "🙂", "\u{200d}", "\0", "\u{378}", "_",
            "word", "Word",
        ]);
        prop_oneof![
            prop::collection::vec(parts.clone(), 0..12).prop_map(|parts| parts.concat()),
            prop::collection::vec(parts, 0..120).prop_map(|parts| parts.concat()),
            "[ -~\n\t]{0,200}",
            "\\PC{0,40}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn pieces_of_any_text_are_those_of_hugging_face(text in texts()) {
            check(&text);
        }

        #[test]
        fn both_parts_of_a_cut_text_have_its_pieces(text in texts(), from in 0usize..100) {
            EXAMPLES.with(|examples| for (_, rules, _) in examples {
                if let Some(place) = Splitter::new(*rules).cut(&text, from) {
                    assert!(place >= from);
                    let mut parts = ours(*rules, &text[..place]);
                    parts.extend(ours(*rules, &text[place..]));
                    assert_eq!(parts, ours(*rules, &text), "{rules:?} at {place}");
                }
            });
        }
    }
}
