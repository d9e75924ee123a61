//! What are the ids of a text by byte-level BPE (GPT-2 and nearly all models since)?
//!
//! The text is cut into pieces by [`Splitter`], the bytes of each piece are symbols, and pairs of symbols
//! are merged by [`MergeTable`]; a memo answers for pieces seen before. O(length · log of the longest
//! piece). Vocabularies write each byte as one printable character; here tokens are bytes.

use hashbrown::HashMap;

use crate::{
    alphabet::ALPHABET,
    bpe::{Filling, Lane, Symbol},
    bpe_chars::WholeChars,
    definition::{Definition, Vocab},
    kernel::{Kernel, Piece, Reason, Section, Start},
    made::made,
    memo::Memo,
    merge_table::{MergeTable, NO_SYMBOL},
    merging::{Merging, Working},
    normal::Form,
    split::{Pieces, Rules, Splitter},
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
    /// The rank of each pair of ASCII characters, the first in the higher bits: most lookups, from little
    /// memory.
    pairs: Box<[u32; 1 << 14]>,
    chars: WholeChars,
    /// If a piece that is a token is not merged but taken as it is, the tokens that merging does not make.
    whole: HashMap<Box<str>, u32>,
    tokens: Memo,
    /// How many bytes the token of each id has.
    lens: Vec<u32>,
}

/// What a thread keeps for one pipeline.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    working: Working,
    normalised: String,
    prefixed: String,
}

/// The largest id that may be a symbol.
const MAX_ID: u32 = NO_SYMBOL - 1;

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
        // The tokens by their ids.
        let mut written: Vec<Option<&str>> = Vec::new();
        for (token, &id) in &ids {
            if id > MAX_ID {
                return Err("the vocabulary has an id above 2^20".into());
            }
            let index = id as usize;
            if lens.len() <= index {
                lens.resize(index + 1, 0);
                written.resize(index + 1, None);
            }
            if written[index].replace(token).is_some() {
                return Err("two tokens have one id".into());
            }
            lens[index] = alphabet.decode(token).map_or(0, |bytes| bytes.count() as u32);
        }
        let mut triples = Vec::with_capacity(model.merges.0.len());
        let mut joined = String::new();
        // Most merges make the token of the one before, or the next one.
        let mut last = 0;
        for (left, right) in &model.merges.0 {
            let (left, right) = (&*left.0, &*right.0);
            let id = |token: &str| {
                ids.get(token).copied().ok_or("a merge has a token that is not in the vocabulary")
            };
            let is_made = |&id: &usize| {
                let token = written.get(id).copied().flatten();
                token.and_then(|token| token.strip_prefix(left)) == Some(right)
            };
            let made = match (last..last + 2).find(is_made) {
                Some(made) => made as u32,
                None => {
                    joined.clear();
                    joined.push_str(left);
                    joined.push_str(right);
                    id(&joined)?
                }
            };
            last = made as usize;
            triples.push((id(left)?, id(right)?, made));
        }
        let merges = match definition.beyond.ranks_of_tokens {
            true => MergeTable::by_token(&triples),
            false => MergeTable::new(triples.iter().copied()),
        }
        .ok_or("the merges are too many for a table, or chosen to overflow it")?;
        let mut pairs = Box::new([0; 1 << 14]);
        for (pair, rank) in pairs.iter_mut().enumerate() {
            *rank = merges.rank(bytes[pair >> 7], bytes[pair & 0x7F]);
        }
        let chars = WholeChars::new(&merges, &triples, &bytes, lens.len());
        let splitter = Splitter::new(rules);
        let (whole, tokens) = (HashMap::new(), Memo::default());
        let mut kernel = Self { chars, pairs, form, prefix, splitter, bytes, merges, whole, tokens, lens };
        kernel.know_tokens(&written, model.ignore_merges);
        Ok(kernel)
    }

    /// Finds out which tokens merging makes, of all of them by their ids; if `unmerged`, a piece is never merged
    /// that is one of the others.
    fn know_tokens(&mut self, written: &[Option<&str>], unmerged: bool) {
        let mut bytes = Vec::new();
        let mut tokens: Vec<(Box<str>, u32)> = Vec::with_capacity(written.len());
        for (id, token) in (0..).zip(written) {
            let Some(token) = token.and_then(|token| ALPHABET.decode(token)) else { continue };
            bytes.clear();
            token.for_each(|byte| bytes.push(byte));
            // No piece is empty, or ends within a character.
            match std::str::from_utf8(&bytes) {
                Ok("") | Err(_) => {}
                Ok(token) => tokens.push((token.into(), id)),
            }
        }
        let made = made(self, &tokens);
        let known = tokens.iter().zip(&made).filter(|&(_, made)| *made || unmerged);
        self.tokens = Memo::of_tokens(known.map(|((token, id), _)| (token.as_bytes(), *id)), tokens.len());
        if unmerged {
            let others = tokens.into_iter().zip(made).filter(|(_, made)| !made);
            self.whole = others.map(|(token, _)| token).collect();
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
        each: impl FnOnce(&str, &mut Working) -> T,
    ) -> T {
        let Scratch { working, normalised, prefixed } = scratch;
        let text = match self.form {
            Some(form) => form.apply(section.text, normalised),
            None => section.text,
        };
        if self.is_prefixed(section.start, text) {
            prefixed.clear();
            prefixed.push(' ');
            prefixed.push_str(text);
            each(prefixed, working)
        } else {
            each(text, working)
        }
    }
}

impl Merging for ByteLevel {
    type Pieces<'a> = Pieces<'a>;

    #[inline(always)]
    fn pieces_from<'a>(&'a self, text: &'a str, start: usize) -> Pieces<'a> {
        self.splitter.pieces(text, start)
    }

    fn table(&self) -> &MergeTable {
        &self.merges
    }

    #[inline(always)]
    fn whole(&self, piece: &str) -> Option<u32> {
        self.whole.get(piece).copied()
    }

    fn tokens(&self) -> &Memo {
        &self.tokens
    }

    #[inline(always)]
    fn symbols(&self, piece: &str, mut each: impl FnMut(Symbol)) {
        for c in piece.chars() {
            let len = c.len_utf8() as u32;
            match self.chars.get(u32::from(c)) {
                Some(id) => each(Symbol { id, len }),
                None => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        each(Symbol { id: self.bytes[usize::from(byte)], len: 1 });
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn begin(&self, piece: &str, lane: &mut Lane) {
        if piece.is_ascii() {
            let bytes = piece.as_bytes();
            let symbols = |filling: &mut Filling<'_>| {
                bytes.iter().for_each(|&byte| filling.push(self.bytes[usize::from(byte)]));
            };
            lane.begin(symbols, |place, _, _| {
                let pair = usize::from(bytes[place]) << 7 | usize::from(bytes[place + 1]);
                self.pairs[pair % self.pairs.len()]
            });
        } else {
            let symbols = |filling: &mut Filling<'_>| self.symbols(piece, |symbol| filling.push(symbol.id));
            lane.begin(symbols, |_, left, right| self.merges.rank(left, right));
        }
    }
}

impl Kernel for ByteLevel {
    type Scratch = Scratch;

    fn ids(&self, section: Section<'_>, scratch: &mut Scratch, out: &mut Vec<u32>) {
        self.with_text(section, scratch, |text, working| working.append(self, text, 0, out));
    }

    fn count(&self, section: Section<'_>, scratch: &mut Scratch) -> usize {
        self.with_text(section, scratch, |text, working| working.count(self, text, 0))
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
        let Scratch { working, prefixed: buffer, .. } = scratch;
        let text = if prefixed {
            buffer.clear();
            buffer.push(' ');
            buffer.push_str(text);
            buffer
        } else {
            text
        };
        for (word, (start, end)) in (0..).zip(self.splitter.pieces(text, 0)) {
            ids.clear();
            working.append_one(self, text, start, end, &mut ids);
            let mut place = start;
            for &id in &ids {
                let start = place;
                place += self.lens.get(id as usize).map_or(0, |&len| len as usize);
                let origin = origin(start, place);
                out.push(Piece { id, start: origin.start, end: origin.end, word });
            }
        }
    }

    fn cut(&self, text: &str, from: usize) -> Option<usize> {
        self.splitter.cut(text, from)
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
        refuse(|json| json["model"]["vocab"]["é"] = json!(1u32 << 20), "above");
        refuse(|json| json["model"]["merges"] = json!([["x", "y"]]), "merge");
        let without = |json: &mut Value| {
            json["model"]["vocab"].as_object_mut().unwrap().remove("q");
        };
        refuse(without, "lacks a byte");
    }
}
