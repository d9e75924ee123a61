//! What do the normalisers of a sentence's words make of one word?
//!
//! A pipeline's normalisers fall into three parts: spaces at the ends of the text go; then come steps that
//! know nothing beyond a space, so that what they make of a text is what they make of its words, with
//! the spaces between them; then spaces at the ends go, and several become one. Anything else is refused.
//! The steps work on strings here, and once more with alignments for those who ask for places.

use hashbrown::HashSet;
use serde_json::Value;
use tokenizers::{NormalizedString, Normalizer, NormalizerWrapper, normalizers::Replace};
use unicode_normalization_alignments::{UnicodeNormalization, char::is_combining_mark};

use crate::{
    definition::Beyond,
    kernel::Reason,
    precompiled::{PREPENDED, Precompiled},
};

/// The normalisers of a pipeline.
#[derive(Debug)]
pub(crate) struct Normal {
    steps: Vec<Step>,
    /// Spaces that go from the ends of the text before anything else.
    pub before: Ends,
    /// Spaces that go from the ends in the end.
    pub after: Ends,
    /// Only spaces go, no other white space; at the end, marks do too.
    spaces_only: bool,
    /// A mark is put in front of what is not empty.
    pub prefix: bool,
    /// That is done before anything else, so that the mark is there even if all of the text goes.
    pub prefix_first: bool,
    /// Several spaces become one.
    pub collapse: bool,
    /// What they become is no space, but what stands for one.
    pub collapse_to_mark: bool,
    /// The characters of texts that stay what they are.
    in_symbols: HashSet<char>,
    /// ASCII that stands for itself.
    plain: [bool; 128],
    /// All of them, as the library has them, for places.
    aligned: Vec<Aligned>,
}

/// At which ends of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub left: bool,
    pub right: bool,
}

/// Something that is done to each word by itself.
#[derive(Debug)]
enum Step {
    Precompiled(Precompiled),
    Replace { from: String, to: String },
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
    StripAccents,
    Lowercase,
}

#[derive(Debug)]
enum Aligned {
    /// The step of this number, a table.
    Precompiled(usize),
    Library(Box<NormalizerWrapper>),
}

impl Normal {
    /// What `normalizer` does by the rules `beyond` it, if it is no more than this.
    pub(crate) fn new(normalizer: Option<&Value>, beyond: &Beyond) -> Result<Self, Reason> {
        if beyond.symbols.iter().any(|symbol| symbol.is_empty() || symbol.contains(' ')) {
            return Err("a symbol of the user has a space in it, or is empty".into());
        }
        let mut normal = Self {
            spaces_only: false,
            prefix: false,
            prefix_first: false,
            steps: Vec::new(),
            before: Ends::default(),
            after: Ends::default(),
            collapse: false,
            collapse_to_mark: false,
            in_symbols: beyond.symbols.iter().flat_map(|symbol| symbol.chars()).collect(),
            plain: [false; 128],
            aligned: Vec::new(),
        };
        let mut open: Vec<&Value> = normalizer.into_iter().filter(|value| !value.is_null()).collect();
        while let Some(value) = open.pop() {
            match (value["type"].as_str(), value["normalizers"].as_array()) {
                (Some("Sequence"), Some(parts)) => open.extend(parts.iter().rev()),
                (Some(kind), None) => normal.add(kind, value, beyond)?,
                _ => return Err("a normaliser has no type".into()),
            }
        }
        let plain = |byte: u8| {
            let text = char::from(byte).to_string();
            let mut out = String::new();
            normal.word(&text, &mut out);
            let replaced = normal
                .steps
                .iter()
                .any(|step| matches!(step, Step::Replace { from, .. } if from.contains(&text)));
            byte.is_ascii_graphic() && out == text && !replaced && !normal.reaches_over(char::from(byte))
        };
        let mut table = [false; 128];
        for (byte, place) in (0..128).zip(&mut table) {
            *place = plain(byte);
        }
        normal.plain = table;
        normal.knows_spaces()?;
        Ok(normal)
    }

    fn add(&mut self, kind: &str, value: &Value, beyond: &Beyond) -> Result<(), Reason> {
        if kind == "Precompiled" {
            let table =
                value["precompiled_charsmap"].as_str().and_then(|table| Precompiled::new(table, beyond));
            self.aligned.push(Aligned::Precompiled(self.steps.len()));
            if self.steps.iter().any(|step| matches!(step, Step::Precompiled(_))) {
                return Err("there are two compiled tables".into());
            }
            return self.step(Step::Precompiled(table.ok_or("the compiled table cannot be read")?));
        }
        let library: NormalizerWrapper =
            serde_json::from_value(value.clone()).map_err(|_| "a normaliser is not known")?;
        match &library {
            NormalizerWrapper::StripNormalizer(strip) => {
                let ends = if self.steps.is_empty() { &mut self.before } else { &mut self.after };
                if self.collapse || self.spaces_only {
                    return Err("spaces go from the ends after several became one".into());
                }
                if self.prefix_first {
                    return Err("the space that was put in front goes".into());
                }
                ends.left |= strip.strip_left;
                ends.right |= strip.strip_right;
            }
            NormalizerWrapper::Replace(replace)
                if is_trim(replace) && !self.collapse && !self.prefix_first =>
            {
                self.spaces_only = true;
                self.after = Ends { left: true, right: true };
            }
            NormalizerWrapper::Prepend(prepend) if prepend.prepend == "▁" && !self.prefix => {
                self.prefix = true;
            }
            // Behind a step at an end, or a step for characters, it would do more.
            NormalizerWrapper::Prepend(prepend) if prepend.prepend == " " && self.aligned.is_empty() => {
                self.prefix = true;
                self.prefix_first = true;
            }
            NormalizerWrapper::Replace(replace) if is_collapse(replace) => {
                self.collapse = true;
                self.collapse_to_mark |= replace.content != " ";
            }
            NormalizerWrapper::Replace(replace) => {
                let from = value["pattern"]["String"].as_str().ok_or("a pattern is replaced")?;
                let graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
                if from.is_empty() || !graphic(from) || !graphic(&replace.content) {
                    return Err("more than ASCII is replaced".into());
                }
                self.step(Step::Replace { from: from.to_owned(), to: replace.content.clone() })?;
            }
            NormalizerWrapper::NFC(_) => self.step(Step::Nfc)?,
            NormalizerWrapper::NFD(_) => self.step(Step::Nfd)?,
            NormalizerWrapper::NFKC(_) => self.step(Step::Nfkc)?,
            NormalizerWrapper::NFKD(_) => self.step(Step::Nfkd)?,
            NormalizerWrapper::StripAccents(_) => self.step(Step::StripAccents)?,
            NormalizerWrapper::Lowercase(_) => self.step(Step::Lowercase)?,
            _ => return Err("the normaliser does more than is known of words".into()),
        }
        self.aligned.push(Aligned::Library(Box::new(library)));
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), Reason> {
        if self.collapse || (self.prefix && !self.prefix_first) || self.after != Ends::default() {
            return Err("spaces are changed before characters are".into());
        }
        self.steps.push(step);
        Ok(())
    }

    /// Whether a table may make one text of what stands on both sides of `character`.
    fn reaches_over(&self, character: char) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step, Step::Precompiled(table) if table.reaches_over(character)))
    }

    /// Whether `character` by itself becomes what it does beside any others, and they what they do without it.
    pub(crate) fn parts(&self, character: char) -> bool {
        !self.reaches_over(character) && !self.in_symbols.contains(&character)
    }

    /// Fails unless spaces stay what they are, and the tables know nothing of what may join them.
    fn knows_spaces(&self) -> Result<(), Reason> {
        let joins = |table: &Precompiled| {
            std::iter::once(' ').chain(PREPENDED.into_iter().flatten()).any(|character| {
                let mut bytes = [0; 4];
                table.knows(character.encode_utf8(&mut bytes))
            })
        };
        if self.reaches_over(' ')
            || self.steps.iter().any(|step| matches!(step, Step::Precompiled(table) if joins(table)))
        {
            return Err("the compiled table changes spaces".into());
        }
        Ok(())
    }

    /// `text` without what goes from its beginning after the other steps.
    pub(crate) fn trim_start<'a>(&self, text: &'a str) -> &'a str {
        if self.spaces_only { text.trim_start_matches(' ') } else { text.trim_start() }
    }

    /// `text` without what goes from its end after the other steps.
    pub(crate) fn trim_end<'a>(&self, text: &'a str) -> &'a str {
        if self.spaces_only { text.trim_end_matches([' ', '▁']) } else { text.trim_end() }
    }

    /// Whether nothing is done to `byte` wherever it stands; it is no space then.
    #[inline]
    pub(crate) fn is_plain(&self, byte: u8) -> bool {
        self.plain.get(usize::from(byte)).is_some_and(|&plain| plain)
    }

    /// Whether `character` stays what it is beside others of which this is true, and the steps do on either
    /// side of the place between them what they do to both together.
    pub(crate) fn keeps(&self, character: char) -> bool {
        let tables = |step: &Step| matches!(step, Step::Precompiled(table) if !table.keeps(character));
        if self.steps.iter().any(tables) {
            return false;
        }
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii() => self.is_plain(byte),
            _ => self.steps.iter().all(|step| matches!(step, Step::Precompiled(_))),
        }
    }

    /// Appends what becomes of a word by the steps that know nothing beyond it.
    pub(crate) fn word(&self, word: &str, out: &mut String) {
        if word.bytes().all(|byte| self.is_plain(byte)) {
            return out.push_str(word);
        }
        if let [Step::Precompiled(table)] = self.steps.as_slice() {
            return table.append(word, out);
        }
        let mut text = word.to_owned();
        for step in &self.steps {
            text = step.apply(&text);
        }
        out.push_str(&text);
    }

    /// All of it, with alignments.
    pub(crate) fn align(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        for aligned in &self.aligned {
            match aligned {
                Aligned::Precompiled(step) => {
                    if let Some(Step::Precompiled(table)) = self.steps.get(*step) {
                        table.align(text);
                    }
                }
                Aligned::Library(library) => library.normalize(text)?,
            }
        }
        Ok(())
    }
}

impl Step {
    fn apply(&self, text: &str) -> String {
        match self {
            Step::Precompiled(table) => {
                let mut out = String::with_capacity(text.len());
                table.append(text, &mut out);
                out
            }
            Step::Replace { from, to } => text.replace(from.as_str(), to),
            Step::Nfc => text.nfc().map(|(character, _)| character).collect(),
            Step::Nfd => text.nfd().map(|(character, _)| character).collect(),
            Step::Nfkc => text.nfkc().map(|(character, _)| character).collect(),
            Step::Nfkd => text.nfkd().map(|(character, _)| character).collect(),
            Step::StripAccents => text.chars().filter(|&character| !is_combining_mark(character)).collect(),
            Step::Lowercase => text.chars().flat_map(char::to_lowercase).collect(),
        }
    }
}

/// Several spaces become one, or what stands for one.
fn is_collapse(replace: &Replace) -> bool {
    let spaces = || tokenizers::normalizers::replace::ReplacePattern::Regex(" {2,}".to_owned());
    [" ", "▁"].into_iter().any(|one| Replace::new(spaces(), one).is_ok_and(|collapse| *replace == collapse))
}

/// What goes from the ends of a text in SentencePiece.
pub(crate) const TRIM: &str = r"\A +|[ ▁]+\z";

fn is_trim(replace: &Replace) -> bool {
    let ends = tokenizers::normalizers::replace::ReplacePattern::Regex(TRIM.to_owned());
    Replace::new(ends, "").is_ok_and(|trim| *replace == trim)
}

#[cfg(test)]
mod tests {
    use unicode_segmentation::UnicodeSegmentation;

    use super::*;
    use crate::precompiled::extends;

    #[test]
    fn all_characters_that_join_a_space_behind_them_are_known() {
        let joining: Vec<char> = (0..=0x10FFFF)
            .filter_map(char::from_u32)
            .filter(|character| format!("{character} ").graphemes(true).count() == 1)
            .collect();
        let known: Vec<char> = PREPENDED.into_iter().flatten().collect();
        assert_eq!(joining, known);
    }

    #[test]
    fn what_does_not_join_a_space_before_it_never_becomes_what_does() {
        let first = |step: Step, character: char| step.apply(&character.to_string()).chars().next();
        let wrong: Vec<char> = (0..=0x10FFFF)
            .filter_map(char::from_u32)
            .filter(|&character| !extends(character))
            .filter(|&character| {
                let steps = [Step::Nfc, Step::Nfd, Step::Nfkc, Step::Nfkd, Step::Lowercase];
                steps.into_iter().filter_map(|step| first(step, character)).any(extends)
            })
            .collect();
        assert_eq!(wrong, []);
    }
}
