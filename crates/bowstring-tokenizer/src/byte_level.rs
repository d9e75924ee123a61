//! What are the ids of a text by byte-level BPE (GPT-2 and nearly all models since)?
//!
//! The text is cut into pieces by [`Splitter`], the bytes of each piece are symbols, and pairs of symbols
//! are merged by [`MergeTable`]; a [`Memo`] answers for pieces seen before. O(length · log of the longest
//! piece). Vocabularies write each byte as one printable character; here tokens are bytes.

use std::fmt;

use hashbrown::{HashMap, HashTable};

use crate::{
    alphabet::{ALPHABET, Alphabet},
    bpe::{Merge, MergeScratch, MergeTable, Symbol},
    bpe_chars::WholeChars,
    definition::{Definition, Vocab},
    kernel::{Kernel, Piece, Reason, Section, Start},
    memo::Memo,
    normal::Form,
    split::{Rules, Splitter},
};

/// The pipeline.
#[derive(Debug)]
pub(crate) struct ByteLevel {
    form: Option<Form>,
    /// Put a space before text that does not begin with one.
    prefix: bool,
    splitter: Splitter,
    /// The id of each byte.
    bytes: [u32; 256],
    merges: MergeTable,
    /// What each pair of bytes becomes, the first in the higher bits: most lookups, from little memory.
    pairs: Box<[Merge]>,
    chars: WholeChars,
    /// All tokens, if a piece that is a token is not merged but taken as it is.
    whole: Option<Tokens>,
    /// How many bytes the token of each id has.
    lens: Vec<u32>,
}

/// What a thread keeps for one pipeline.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    memo: Memo,
    merging: Merging,
    normalised: String,
    prefixed: String,
}

#[derive(Debug, Default)]
struct Merging {
    word: Vec<Symbol>,
    scratch: MergeScratch,
}

/// The largest id for which lengths are kept in a list.
const MAX_ID: u32 = 1 << 24;

impl ByteLevel {
    /// The pipeline of `definition`, or why it is not one of these.
    pub(crate) fn new(definition: &Definition<'_>) -> Result<Self, Reason> {
        let model = &definition.model;
        if model.kind() != "BPE" {
            return Err("the model is not BPE".into());
        }
        if model.dropout.is_some_and(|dropout| dropout != 0.0) {
            return Err("merges are dropped at random".into());
        }
        for affix in [&model.continuing_subword_prefix, &model.end_of_word_suffix] {
            if affix.as_ref().is_some_and(|affix| !affix.is_empty()) {
                return Err("symbols have a prefix or a suffix".into());
            }
        }
        let pre_tokenizer = definition.pre_tokenizer.as_ref().ok_or("there is no pre-tokeniser")?;
        let (rules, prefix) = Rules::recognise(pre_tokenizer)?;
        let form = Form::recognise(definition.normalizer.as_ref())?;
        let Vocab::Ids(vocab) = &model.vocab else { return Err("the vocabulary has scores".into()) };
        let ids: HashMap<&str, u32> = vocab.iter().map(|(token, id)| (token.0.as_ref(), *id)).collect();

        let alphabet = &ALPHABET;
        let mut bytes = [0; 256];
        for (id, c) in bytes.iter_mut().zip(alphabet.chars) {
            *id = *ids.get(c.encode_utf8(&mut [0; 4]) as &str).ok_or("the vocabulary lacks a byte")?;
        }
        let mut lens = Vec::new();
        let mut seen = Vec::new();
        for (token, &id) in &ids {
            if id > MAX_ID {
                return Err("the vocabulary has an id above 2^24".into());
            }
            let index = id as usize;
            if lens.len() <= index {
                lens.resize(index + 1, 0);
                seen.resize(index + 1, false);
            }
            if std::mem::replace(&mut seen[index], true) {
                return Err("two tokens have one id".into());
            }
            lens[index] = alphabet.decode(token).map_or(0, |bytes| bytes.count() as u32);
        }
        let whole = model.ignore_merges.then(|| Tokens::new(alphabet, &ids));

        let mut triples = Vec::with_capacity(model.merges.0.len());
        let mut joined = String::new();
        for (left, right) in &model.merges.0 {
            joined.clear();
            joined.push_str(&left.0);
            joined.push_str(&right.0);
            let id = |token: &str| {
                ids.get(token).copied().ok_or("a merge has a token that is not in the vocabulary")
            };
            triples.push((id(&left.0)?, id(&right.0)?, id(&joined)?));
        }
        let merges = match definition.beyond.ranks_of_tokens {
            true => MergeTable::by_token(&triples),
            false => MergeTable::new(triples.iter().copied()),
        };
        let pairs = bytes.iter().flat_map(|&left| bytes.map(|right| merges.get(left, right))).collect();
        let chars = WholeChars::new(&merges, &triples, &bytes, lens.len());
        Ok(Self { chars, pairs, form, prefix, splitter: Splitter::new(rules), bytes, merges, whole, lens })
    }

    /// Appends the ids of a piece.
    fn piece(&self, piece: &[u8], merging: &mut Merging, out: &mut Vec<u32>) {
        if let Some(id) = self.whole.as_ref().and_then(|tokens| tokens.get(piece)) {
            out.push(id);
            return;
        }
        let Merging { word, scratch } = merging;
        word.clear();
        if piece.is_ascii() {
            word.extend(piece.iter().map(|&byte| Symbol { id: self.bytes[usize::from(byte)], len: 1 }));
            self.merges.merge_with(word, scratch, |_, _, place| {
                let pair = usize::from(piece[place]) << 8 | usize::from(piece[place + 1]);
                self.pairs[pair]
            });
        } else {
            self.symbols(piece, word);
            self.merges.merge(word, scratch);
        }
        out.extend(word.iter().map(|symbol| symbol.id));
        // One long piece must not keep its memory for ever.
        word.clear();
        word.shrink_to(1 << 12);
    }

    /// Appends the symbols of a piece that is not ASCII.
    fn symbols(&self, piece: &[u8], word: &mut Vec<Symbol>) {
        let mut rest = piece;
        while let Some(&first) = rest.first() {
            let bits = |i: usize| rest.get(i).map_or(0, |byte| u32::from(byte & 0x3F));
            let (code, len) = match first {
                0..0x80 => (u32::from(first), 1),
                0x80..0xE0 => (u32::from(first & 0x1F) << 6 | bits(1), 2),
                0xE0..0xF0 => (u32::from(first & 0x0F) << 12 | bits(1) << 6 | bits(2), 3),
                _ => (u32::MAX, 4),
            };
            let (c, behind) = rest.split_at(len.min(rest.len()));
            match self.chars.get(code) {
                Some(id) => word.push(Symbol { id, len: c.len() as u32 }),
                None => {
                    word.extend(c.iter().map(|&byte| Symbol { id: self.bytes[usize::from(byte)], len: 1 }));
                }
            }
            rest = behind;
        }
    }

    /// Whether a space is put before this text.
    fn is_prefixed(&self, start: Start, text: &str) -> bool {
        self.prefix && start != Start::Cut && !text.is_empty() && !text.starts_with(' ')
    }

    /// Calls `each` with the text as it is cut, and all else that a piece needs.
    #[inline(always)]
    fn with_text<T>(
        &self,
        section: Section<'_>,
        scratch: &mut Scratch,
        each: impl FnOnce(&str, &mut Memo, &mut Merging) -> T,
    ) -> T {
        let Scratch { memo, merging, normalised, prefixed } = scratch;
        let text = match self.form {
            Some(form) => form.apply(section.text, normalised),
            None => section.text,
        };
        if self.is_prefixed(section.start, text) {
            prefixed.clear();
            prefixed.push(' ');
            prefixed.push_str(text);
            each(prefixed, memo, merging)
        } else {
            each(text, memo, merging)
        }
    }
}

impl Kernel for ByteLevel {
    type Scratch = Scratch;

    fn ids(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<u32>) {
        self.with_text(section, scratch, |text, memo, merging| {
            self.splitter.split(text, |start, end| {
                memo.append(text.as_bytes(), start..end, out, |piece, out| self.piece(piece, merging, out));
            });
        });
    }

    fn count(&self, section: Section<'_>, scratch: &mut Scratch) -> usize {
        self.with_text(section, scratch, |text, memo, merging| {
            let mut count = 0;
            self.splitter.split(text, |start, end| {
                count +=
                    memo.count(text.as_bytes(), start..end, |piece, out| self.piece(piece, merging, out));
            });
            count
        })
    }

    fn pieces(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<Piece>) {
        let aligned = self.form.and_then(|form| form.align(section.text));
        let text = aligned.as_ref().map_or(section.text, |aligned| aligned.text());
        // The space that is put before stands for the first character.
        let prefixed = self.is_prefixed(section.start, text);
        let first = text.chars().next().map_or(0, char::len_utf8);
        let origin = |start: usize, end: usize| {
            let (start, end) = match prefixed {
                true if end == 1 => (0, first),
                true => (start.saturating_sub(1), end - 1),
                false => (start, end),
            };
            // A part of a character stands for all of it.
            let (start, end) = (text.floor_char_boundary(start), text.ceil_char_boundary(end));
            aligned.as_ref().map_or(start..end, |aligned| aligned.original(start..end))
        };
        let mut ids = Vec::new();
        let mut word = 0;
        let Scratch { memo, merging, prefixed: buffer, .. } = scratch;
        let text = if prefixed {
            buffer.clear();
            buffer.push(' ');
            buffer.push_str(text);
            buffer
        } else {
            text
        };
        self.splitter.split(text, |start, end| {
            ids.clear();
            memo.append(text.as_bytes(), start..end, &mut ids, |piece, out| self.piece(piece, merging, out));
            let mut place = start;
            for &id in &ids {
                let start = place;
                place += self.lens.get(id as usize).map_or(0, |&len| len as usize);
                let origin = origin(start, place);
                out.push(Piece { id, start: origin.start, end: origin.end, word });
            }
            word += 1;
        });
    }

    fn cut(&self, text: &str, from: usize) -> Option<usize> {
        self.splitter.cut(text, from)
    }
}

/// Tokens by their bytes.
struct Tokens {
    bytes: Vec<u8>,
    /// Where each stands in `bytes`, and its id.
    places: HashTable<(u32, u32, u32)>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("tokens", &self.places.len()).finish_non_exhaustive()
    }
}

impl Tokens {
    fn new(alphabet: &Alphabet, ids: &HashMap<&str, u32>) -> Self {
        let mut bytes = Vec::new();
        let mut places = HashTable::with_capacity(ids.len());
        for (token, &id) in ids {
            let Some(token) = alphabet.decode(token) else { continue };
            let start = bytes.len();
            bytes.extend(token);
            let hash = Self::hash(&bytes[start..]);
            let place = (start as u32, bytes.len() as u32, id);
            places.insert_unique(hash, place, |&(start, end, _)| {
                Self::hash(&bytes[start as usize..end as usize])
            });
        }
        Self { bytes, places }
    }

    fn hash(bytes: &[u8]) -> u64 {
        bytes.iter().fold(bytes.len() as u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
        })
    }

    fn get(&self, token: &[u8]) -> Option<u32> {
        let is = |&(start, end, _): &(u32, u32, u32)| self.bytes[start as usize..end as usize] == *token;
        self.places.find(Self::hash(token), is).map(|&(_, _, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::{differential::Pair, split::tests::examples};

    /// Merges of a small model, in the alphabet of vocabularies.
    const MERGES: &[(&str, &str)] = &[
        ("h", "e"),
        ("l", "l"),
        ("Ġ", "t"),
        ("he", "ll"),
        ("a", "a"),
        ("aa", "aa"),
        ("hell", "o"),
        ("Ġ", "a"),
        ("Ġ", "Ġ"),
        ("ĠĠ", "ĠĠ"),
        ("'", "s"),
        ("1", "2"),
        ("Ċ", "Ċ"),
        ("Ã", "©"),
        ("ä", "¸"),
        ("ä¸", "Ń"),
        ("r", "e"),
        ("'", "re"),
        ("Ġt", "he"),
        ("Ġ", "Ã©"),
        ("(", "a"),
        ("b", "a"),
        ("ba", "aa"),
        ("Ì", "ģ"),
        ("e", "Ì"),
        ("Ċ", "Ġ"),
        ("!", "!"),
        ("!!", "Ċ"),
    ];

    /// A definition by its parts; the vocabulary has all bytes and merges, and a token that no merges make.
    fn definition(pre_tokenizer: &Value, normalizer: &Value, ignore_merges: bool) -> String {
        let mut vocab = serde_json::Map::new();
        let joined = MERGES.iter().map(|(left, right)| format!("{left}{right}"));
        for token in ALPHABET.chars.into_iter().map(String::from).chain(joined).chain(["Ġtha".to_owned()]) {
            let id = vocab.len() + 3;
            vocab.entry(token).or_insert(json!(id));
        }
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": null, "decoder": null,
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": ignore_merges, "vocab": vocab, "merges": MERGES,
            },
        })
        .to_string()
    }

    fn prefixed() -> Value {
        json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})
    }

    /// All pre-tokenisers with different normalisers, and a prefix.
    fn definitions() -> Vec<String> {
        let normalizers = [json!(null), json!({"type": "NFC"}), json!({"type": "NFKC"})];
        let mut definitions = vec![
            definition(&prefixed(), &normalizers[0], false),
            definition(&prefixed(), &normalizers[2], true),
        ];
        for (i, pre_tokenizer) in examples().iter().enumerate() {
            definitions.push(definition(pre_tokenizer, &normalizers[i % 3], i % 2 == 0));
        }
        definitions
    }

    thread_local! {
        static PAIRS: std::cell::RefCell<Vec<Pair<ByteLevel>>> = definitions()
            .iter()
            .map(|json| Pair::new(json, ByteLevel::new).unwrap())
            .collect::<Vec<_>>()
            .into();
    }

    fn check(text: &str) {
        PAIRS.with_borrow_mut(|pairs| pairs.iter_mut().for_each(|pair| pair.check(text)));
    }

    #[test]
    fn ids_counts_pieces_and_cuts_are_those_of_hugging_face() {
        for text in [
            "",
            " ",
            "é",
            "hello the  tha aaaaaaa",
            " hello's\n\n  12345 (a)",
            "中é中 \u{301}e\u{301} ﬁ①\u{a0}²\u{2126}",
            "e\u{301}\u{323} 각 a\u{301}",
            "\u{301}",
            "!!\n\n\n a 👍🏽👍🏽",
        ] {
            check(text);
        }
        check(&"a".repeat(3000));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn any_text_has_the_ids_of_hugging_face(
            text in "([ahelotsbr12 '!(\n]{0,4}|[é\u{301}\u{323}中ﬁ①\u{a0}\u{3000}\u{2126}👍]|the|hello|\\PC){0,40}"
        ) {
            check(&text);
        }
    }

    fn refuse(change: impl FnOnce(&mut Value), reason: &str) {
        let mut json: Value = serde_json::from_str(&definition(&prefixed(), &json!(null), false)).unwrap();
        change(&mut json);
        let json = json.to_string();
        let refused = ByteLevel::new(&serde_json::from_str(&json).unwrap()).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }

    #[test]
    fn what_is_not_byte_level_bpe_is_refused() {
        refuse(|json| json["model"]["type"] = json!("WordPiece"), "not BPE");
        refuse(|json| json["model"]["dropout"] = json!(0.1), "random");
        refuse(|json| json["model"]["end_of_word_suffix"] = json!("</w>"), "suffix");
        refuse(|json| json["pre_tokenizer"] = json!(null), "no pre-tokeniser");
        refuse(|json| json["normalizer"] = json!({"type": "Lowercase"}), "normaliser");
        refuse(|json| json["model"]["vocab"]["é"] = json!(3), "one id");
        refuse(|json| json["model"]["vocab"]["é"] = json!(1u32 << 25), "above");
        refuse(|json| json["model"]["merges"] = json!([["x", "y"]]), "merge");
        let without = |json: &mut Value| {
            json["model"]["vocab"].as_object_mut().unwrap().remove("q");
        };
        refuse(without, "lacks a byte");
    }
}
