//! Pipelines of the BERT family: from text to ids of a WordPiece vocabulary.
//!
//! White space and punctuation of ASCII separate words before normalising as they do after it, so a
//! stretch between two of them has ids of its own, whatever stands around. Those of short stretches are
//! remembered by their bytes as they stand in the text; a stretch that is met for the first time, or is
//! long, is normalised, split and matched. Linear in the text, a few cycles a byte for what repeats.

mod bounds;
mod characters;
mod normal;

use serde_json::Value;

use self::{
    bounds::{BLOCK, Bounds, bounds, is_separator, is_space},
    normal::Normaliser,
};
use crate::{
    definition::Definition,
    kernel::{Kernel, Piece, Reason, Section},
    memo::Memo,
    word_piece::WordPiece,
};

/// `BertPreTokenizer` and WordPiece behind a normaliser that changes one character at a time.
#[derive(Debug)]
pub(crate) struct Bert {
    normaliser: Normaliser,
    lowers: bool,
    model: WordPiece,
    /// What each separator of ASCII gives: nothing, or its id.
    separators: [(u32, u32); 128],
}

/// What one thread keeps.
#[derive(Debug, Default)]
pub(crate) struct BertScratch {
    memo: Memo,
    work: Work,
}

#[derive(Debug, Default)]
struct Work {
    buffers: (String, String),
    places: Vec<(usize, usize)>,
}

/// How far [`Kernel::cut`] looks.
const CUT_WITHIN: usize = 1 << 16;

/// Longer stretches are cut where other characters than those of ASCII separate.
const WHOLE: usize = 31;

impl Bert {
    pub(crate) fn new(definition: &Definition<'_>) -> Result<Self, Reason> {
        let pre_tokenizer = definition.pre_tokenizer.as_ref().and_then(|value| value.get("type"));
        if pre_tokenizer.and_then(Value::as_str) != Some("BertPreTokenizer") {
            return Err("the pre-tokeniser is not BertPreTokenizer".into());
        }
        let normaliser = Normaliser::new(definition.normalizer.as_ref())?;
        let model = WordPiece::new(&definition.model)?;
        let lowers = normaliser.lowers();
        let mut bert = Self { normaliser, lowers, model, separators: [(0, 0); 128] };
        let mut work = Work::default();
        for byte in (0..128_u8).filter(|&byte| is_separator(byte)) {
            let c = char::from(byte);
            if !bert.normaliser.stands_alone(c) {
                return Err("white space or punctuation does not separate words".into());
            }
            let mut ids = Vec::new();
            bert.compute(c.encode_utf8(&mut [0; 4]), &mut work, &mut ids);
            bert.separators[usize::from(byte)] = match ids.as_slice() {
                [] if is_space(byte) => (0, 0),
                &[id] if !is_space(byte) => (id, 1),
                _ => return Err("white space is a token, or punctuation is not one".into()),
            };
        }
        Ok(bert)
    }

    /// Calls `stretch` with what stands between separators of ASCII, and `mark` with the token of each
    /// separator, in the order of the text; or with none of them, where `MARKS` is false. Says how many
    /// separators are tokens.
    #[inline(always)]
    fn walk<T, const MARKS: bool>(
        &self,
        text: &str,
        to: &mut T,
        stretch: impl Fn(&mut T, usize, usize),
        mark: impl Fn(&mut T, u32, u32),
    ) -> usize {
        let bytes = text.as_bytes();
        let (mut start, mut open, mut tokens, mut base) = (0, false, 0, 0);
        while let Some(rest) = bytes.get(base..).filter(|rest| !rest.is_empty()) {
            let Bounds { mut begins, ends, marks, last } = bounds(rest, open);
            tokens += marks.count_ones() as usize;
            // The space between two words is no event of its own, and there are few others at which no
            // word ends, so that the processor guesses right what comes.
            let mut events = if MARKS { ends | marks } else { ends };
            while events != 0 {
                let event = events & events.wrapping_neg();
                let at = base + event.trailing_zeros() as usize;
                if ends & event != 0 {
                    if !open {
                        start = base + begins.trailing_zeros() as usize;
                        begins &= begins.wrapping_sub(1);
                    }
                    open = false;
                    stretch(to, start, at);
                }
                if MARKS {
                    let (id, count) =
                        bytes.get(at).map_or((0, 0), |&byte| self.separators[usize::from(byte & 127)]);
                    mark(to, id, count);
                }
                events ^= event;
            }
            if begins != 0 {
                start = base + begins.trailing_zeros() as usize;
            }
            open = last;
            base += BLOCK;
        }
        if open {
            stretch(to, start, bytes.len());
        }
        tokens
    }

    /// Calls `part` with the characters that stand alone, what stands between them, and where each
    /// begins.
    fn parts<'a>(&self, stretch: &'a str, mut part: impl FnMut(&'a str, usize)) {
        let mut start = 0;
        if !stretch.is_ascii() {
            for (at, c) in stretch.char_indices() {
                if c.is_ascii() || !self.normaliser.stands_alone(c) {
                    continue;
                }
                let end = at + c.len_utf8();
                if at > start {
                    part(&stretch[start..at], start);
                }
                part(&stretch[at..end], at);
                start = end;
            }
        }
        if stretch.len() > start {
            part(&stretch[start..], start);
        }
    }

    /// Appends the ids of `stretch`.
    fn compute(&self, stretch: &str, work: &mut Work, out: &mut Vec<u32>) {
        let buffers = &mut work.buffers;
        if stretch.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.model.tokens(self.plain(stretch, &mut buffers.0), out, |id, _, _| id);
        } else {
            self.normaliser.words(stretch, buffers, |word| self.model.tokens(word, out, |id, _, _| id));
        }
    }

    /// Letters and digits of ASCII, normalised: as many bytes.
    fn plain<'a>(&self, word: &str, buffer: &'a mut String) -> &'a str {
        buffer.clear();
        buffer.push_str(word);
        if self.lowers {
            buffer.make_ascii_lowercase();
        }
        buffer
    }

    /// Appends the tokens of `part`, which begins at `offset`, and counts its words.
    fn pieces_of(&self, part: &str, offset: usize, word: &mut u32, work: &mut Work, out: &mut Vec<Piece>) {
        let Work { buffers, places } = work;
        if part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.model.tokens(self.plain(part, &mut buffers.0), out, |id, start, end| Piece {
                id,
                start: offset + start,
                end: offset + end,
                word: *word,
            });
            *word += 1;
            return;
        }
        self.normaliser.aligned(part, (&mut buffers.0, places), |text, places| {
            self.model.tokens(text, out, |id, start, end| {
                let from = places.get(start).map_or(0, |place| place.0);
                let to = places.get(..end).and_then(<[_]>::last).map_or(0, |place| place.1);
                Piece { id, start: offset + from, end: offset + to, word: *word }
            });
            *word += 1;
        });
    }
}

impl Kernel for Bert {
    type Scratch = BertScratch;

    fn ids(&self, section: Section<'_>, scratch: &mut BertScratch, out: &mut Vec<u32>) {
        let text = section.text;
        self.walk::<_, true>(
            text,
            &mut (scratch, out),
            |(BertScratch { memo, work }, out), start, end| {
                if end - start <= WHOLE {
                    memo.append(text.as_bytes(), start..end, out, |_, out| {
                        self.compute(&text[start..end], work, out);
                    });
                } else {
                    self.parts(&text[start..end], |part, _| {
                        memo.append(part.as_bytes(), 0..part.len(), out, |_, out| {
                            self.compute(part, work, out);
                        });
                    });
                }
            },
            |(_, out), id, count| {
                // Without a branch, which would often be guessed wrongly.
                out.push(id);
                out.truncate(out.len() - 1 + count as usize);
            },
        );
    }

    fn count(&self, section: Section<'_>, scratch: &mut BertScratch) -> usize {
        let text = section.text;
        let mut to = (scratch, 0);
        let marks = self.walk::<_, false>(
            text,
            &mut to,
            |(BertScratch { memo, work }, count), start, end| {
                if end - start <= WHOLE {
                    *count += memo.count(text.as_bytes(), start..end, |_, out| {
                        self.compute(&text[start..end], work, out);
                    });
                } else {
                    self.parts(&text[start..end], |part, _| {
                        *count += memo.count(part.as_bytes(), 0..part.len(), |_, out| {
                            self.compute(part, work, out);
                        });
                    });
                }
            },
            |_, _, _| {},
        );
        marks + to.1
    }

    fn pieces(&self, section: Section<'_>, scratch: &mut BertScratch, out: &mut Vec<Piece>) {
        let work = &mut scratch.work;
        let (mut start, mut word) = (0, 0);
        for (at, byte) in section.text.bytes().enumerate().filter(|&(_, byte)| is_separator(byte)) {
            if at > start {
                let stretch = &section.text[start..at];
                self.parts(stretch, |part, offset| {
                    self.pieces_of(part, start + offset, &mut word, work, out)
                });
            }
            if let (id, 1) = self.separators[usize::from(byte & 127)] {
                out.push(Piece { id, start: at, end: at + 1, word });
                word += 1;
            }
            start = at + 1;
        }
        if let Some(stretch) = section.text.get(start..).filter(|rest| !rest.is_empty()) {
            self.parts(stretch, |part, offset| self.pieces_of(part, start + offset, &mut word, work, out));
        }
    }

    fn cut(&self, text: &str, from: usize) -> Option<usize> {
        let from = (from..=text.len()).find(|&at| text.is_char_boundary(at))?;
        let near = text.get(from..)?.char_indices().take(CUT_WITHIN);
        near.map(|(at, c)| (from + at, c)).find_map(|(at, c)| self.normaliser.stands_alone(c).then_some(at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::differential::Pair;

    const UNCASED: (bool, bool, Option<bool>, bool) = (true, true, None, true);

    fn bert((clean, chinese, strip, lower): (bool, bool, Option<bool>, bool)) -> Value {
        json!({
            "type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": chinese,
            "strip_accents": strip, "lowercase": lower,
        })
    }

    fn normalisers() -> Vec<Value> {
        let parts = |parts: &[&str]| {
            let parts: Vec<Value> = parts.iter().map(|kind| json!({"type": kind})).collect();
            json!({"type": "Sequence", "normalizers": parts})
        };
        vec![
            bert(UNCASED),
            bert((true, true, None, false)),
            bert((false, false, Some(true), false)),
            bert((false, true, Some(false), true)),
            bert((true, false, Some(true), true)),
            Value::Null,
            parts(&["NFD", "Lowercase", "StripAccents"]),
            parts(&["NFKD", "StripAccents", "Lowercase"]),
        ]
    }

    /// A vocabulary that knows some words, most small letters, and little else.
    fn document(normalizer: &Value) -> Value {
        let words =
            ["[UNK]", "the", "##ing", "##he", "3", "##14", "é", "##é", "中", "да", "##да", "i̇", "…", "“"];
        let letters = ('a'..='x').chain('A'..='C').flat_map(|c| [c.to_string(), format!("##{c}")]);
        let marks = (33..127).map(char::from).filter(char::is_ascii_punctuation).map(String::from);
        let mut vocab = serde_json::Map::new();
        for token in
            words.into_iter().map(str::to_owned).chain(letters).chain(marks.filter(|mark| mark != "~"))
        {
            let id = vocab.len();
            vocab.entry(token).or_insert(id.into());
        }
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": normalizer, "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": null, "decoder": null,
            "model": {
                "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 20, "vocab": vocab,
            },
        })
    }

    fn load(document: &Value) -> Result<Bert, Reason> {
        let json = document.to_string();
        Bert::new(&serde_json::from_str(&json).unwrap())
    }

    fn pair(document: &Value) -> Pair<Bert> {
        Pair::new(&document.to_string(), Bert::new).unwrap()
    }

    #[test]
    fn every_kind_of_character() {
        for normalizer in normalisers() {
            let mut both = pair(&document(&normalizer));
            // Blocks where something happens; each code point by itself is tried outside of this test.
            let ranges = [
                0..0x600,
                0x900..0x940,
                0x1e00..0x2070,
                0x20d0..0x20f0,
                0x2e00..0x3060,
                0xf900..0xf910,
                0xfe00..0xff10,
                0x2_f800..0x2_f808,
            ];
            for c in ranges.into_iter().flatten().filter_map(char::from_u32) {
                both.check(&format!("e{c}\u{323}\u{301} the{c}{c}!"));
            }
        }
    }

    #[test]
    fn long_stretches() {
        for normalizer in normalisers() {
            let mut both = pair(&document(&normalizer));
            for part in ["a", "the", "É", "e\u{301}", "中", "да", "“да”", "\0b", "~", "\u{301}"] {
                for times in [5, 10, 20, 21, 40, 100] {
                    both.check(&part.repeat(times));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_text(text in any::<String>(), which in 0..8_usize) {
            pair(&document(&normalisers()[which])).check(&text);
        }

        #[test]
        fn text_of_known_parts(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "the", "The", "ing", " ", "\n", "\u{b}", "\0", "\u{7f}", ".", "~", "3", "14", "é", "e\u{301}", "İ",
                    "中", "\u{301}", "\u{323}", "\u{344}", "\u{3000}", "\u{85}", "…", "“", "да", "ДА", "ß", "\u{200b}",
                    "\u{fffd}", "\u{37e}", "≮", "\u{fa0e}", "\u{ac01}", "\u{302e}", "abcdefghij", "😀", "ﬁ",
                ]),
                0..40,
            ),
            which in 0..8_usize,
        ) {
            pair(&document(&normalisers()[which])).check(&parts.concat());
        }
    }

    #[test]
    fn what_is_not_ours() {
        let with = |path: &str, value: Value| {
            let mut document = document(&bert(UNCASED));
            *document.pointer_mut(path).unwrap() = value;
            load(&document).unwrap_err()
        };
        for (path, value, reason) in [
            ("/normalizer", json!({"type": "NFC"}), "the normaliser is not one of BERT's"),
            (
                "/normalizer",
                json!({"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "NFKC"}]}),
                "the normaliser is not one of BERT's",
            ),
            ("/normalizer", json!({"type": "Sequence"}), "the normaliser is not one of BERT's"),
            (
                "/normalizer",
                json!({"type": "BertNormalizer", "clean_text": 3}),
                "the normaliser is malformed",
            ),
            ("/pre_tokenizer", json!({"type": "Whitespace"}), "the pre-tokeniser is not BertPreTokenizer"),
            ("/pre_tokenizer", Value::Null, "the pre-tokeniser is not BertPreTokenizer"),
            ("/model/type", json!("BPE"), "the model is not WordPiece"),
            ("/model/vocab", json!([["a", 0.5]]), "the vocabulary has scores, not ids"),
            ("/model/unk_token", json!("[unknown]"), "the unknown token is not in the vocabulary"),
            (
                "/model/max_input_chars_per_word",
                Value::Null,
                "the WordPiece model does not say its prefix, unknown token and longest word",
            ),
            ("/model/vocab/the", json!(u32::MAX), "the vocabulary is too large"),
        ] {
            assert_eq!(with(path, value), reason, "{path}");
        }
    }

    #[test]
    fn other_prefixes_and_limits() {
        for (prefix, limit, text) in [
            ("", 20, "thethe 314 xyz"),
            ("%", 20, "thethe"),
            ("##", 0, "a the ."),
            ("##", 3, "the them xxx xxxx éé ééé éééé"),
        ] {
            let mut document = document(&bert(UNCASED));
            document["model"]["continuing_subword_prefix"] = prefix.into();
            document["model"]["max_input_chars_per_word"] = limit.into();
            pair(&document).check(text);
        }
    }
}
