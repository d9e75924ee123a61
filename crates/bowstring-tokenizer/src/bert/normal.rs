//! What becomes of a text before it is cut into words?
//!
//! Hugging Face's `BertNormalizer`, and sequences of it with `Lowercase`, `NFD`, `NFKD` and
//! `StripAccents`: all change a character at a time, but for the order of combining marks, which never
//! reaches over a character that is none. So a text may be cut at a character that neither is nor becomes
//! a mark, and its parts be changed one by one (Unicode Standard Annex 15, stability of concatenation).

use std::mem;

use serde_json::Value;
use tokenizers::{NormalizedString, NormalizerWrapper, normalizer::Range};
use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::{
    UnicodeNormalization,
    char::{canonical_combining_class, is_combining_mark},
};

use super::characters::{ALONE, Characters, DROPPED, Found, NONSPACING, PUNCTUATION, is_chinese, is_dropped};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Control characters go, white space becomes spaces.
    Clean,
    /// Chinese characters get a space on either side.
    SpaceChinese,
    Decompose,
    DecomposeCompatible,
    DropNonspacing,
    DropCombining,
    Lowercase,
}

/// A normaliser, step by step.
#[derive(Debug)]
pub(super) struct Normaliser {
    steps: Vec<Step>,
    characters: Characters,
}

impl Normaliser {
    pub(super) fn new(normalizer: Option<&Value>) -> Result<Self, &'static str> {
        let mut steps = Vec::new();
        if let Some(value) = normalizer {
            if !kinds_are_known(value) {
                return Err("the normaliser is not one of BERT's");
            }
            // Hugging Face's own reading of the fields, so that both read the same.
            let wrapper = serde_json::from_value(value.clone()).map_err(|_| "the normaliser is malformed")?;
            add_steps(&wrapper, &mut steps)?;
        }
        Ok(Self { steps, characters: Characters::new() })
    }

    /// Whether letters of ASCII become small; nothing else happens to letters and digits of ASCII.
    pub(super) fn lowers(&self) -> bool {
        self.steps.contains(&Step::Lowercase)
    }

    /// What stands before `c` and what follows never share a word, nor do they change each other.
    #[inline]
    pub(super) fn stands_alone(&self, c: char) -> bool {
        self.facts(c) & ALONE != 0
    }

    #[inline]
    fn facts(&self, c: char) -> u8 {
        self.characters.facts(c, |c| self.find_out(c))
    }

    fn find_out(&self, c: char) -> Found {
        let (mut text, mut spare) = (String::from(c), String::new());
        let (mut alone, mut simple, mut loose) = (true, true, false);
        for &step in &self.steps {
            apply(step, &text, &mut spare, |c, bit| match bit {
                DROPPED => is_dropped(c),
                _ => c.is_mark_nonspacing(),
            });
            mem::swap(&mut text, &mut spare);
            let marks = || text.chars().any(|c| canonical_combining_class(c) != 0);
            match step {
                Step::Decompose | Step::DecomposeCompatible => {
                    loose = marks();
                    alone &= !loose;
                }
                // Marks that go at once can stand in any order.
                Step::DropNonspacing | Step::DropCombining => loose = loose && marks(),
                Step::Clean | Step::SpaceChinese | Step::Lowercase => {}
            }
            let last_chance = matches!(step, Step::Decompose | Step::DecomposeCompatible);
            simple &= last_chance || !loose;
        }
        let separates = |c: char| c.is_whitespace() || c.is_ascii_punctuation() || c.is_punctuation();
        alone &=
            text.chars().next().is_some_and(separates) && text.chars().next_back().is_some_and(separates);
        let any = text.chars().any(separates);
        Found { alone, image: (simple && !loose).then_some(text), separates: any }
    }

    /// The words of `text`, normalised, one by one; `buffers` are its workspace.
    pub(super) fn words(&self, text: &str, buffers: &mut (String, String), mut word: impl FnMut(&str)) {
        let (normal, spare) = buffers;
        normal.clear();
        let mut separates = false;
        let simple = text.chars().all(|c| {
            let appended = self.characters.append(c, |c| self.find_out(c), normal);
            separates |= appended == Some(true);
            appended.is_some()
        });
        if simple && !separates {
            if !normal.is_empty() {
                word(normal);
            }
            return;
        }
        if !simple {
            normal.clear();
            normal.push_str(text);
            for &step in &self.steps {
                apply(step, normal, spare, |c, bit| self.facts(c) & bit != 0);
                mem::swap(normal, spare);
            }
        }
        self.split(normal, |start, end| word(normal.get(start..end).unwrap_or_default()));
    }

    /// The words of `text`, normalised, with the bytes of `text` that each of their bytes stands for;
    /// `buffers` are its workspace.
    pub(super) fn aligned(
        &self,
        text: &str,
        (normal, places): (&mut String, &mut Vec<(usize, usize)>),
        mut word: impl FnMut(&str, &[(usize, usize)]),
    ) {
        normal.clear();
        places.clear();
        let simple = text.char_indices().all(|(at, c)| {
            let appended = self.characters.append(c, |c| self.find_out(c), normal);
            places.resize(normal.len(), (at, at + c.len_utf8()));
            appended.is_some()
        });
        if !simple {
            let mut aligned = NormalizedString::from(text);
            for &step in &self.steps {
                self.apply_aligned(step, &mut aligned);
            }
            normal.clear();
            normal.push_str(aligned.get());
            places.clear();
            places.extend((0..normal.len()).map(|at| {
                let range = aligned.convert_offsets(Range::Normalized(at..at + 1));
                range.map_or((at, at + 1), |range| (range.start, range.end))
            }));
        }
        self.split(normal, |start, end| {
            word(normal.get(start..end).unwrap_or_default(), places.get(start..end).unwrap_or_default());
        });
    }

    /// White space separates words, punctuation is a word by itself.
    fn split(&self, normal: &str, mut word: impl FnMut(usize, usize)) {
        let mut start = 0;
        for (at, c) in normal.char_indices() {
            let punctuation =
                if c.is_ascii() { c.is_ascii_punctuation() } else { self.facts(c) & PUNCTUATION != 0 };
            if !punctuation && !c.is_whitespace() {
                continue;
            }
            if at > start {
                word(start, at);
            }
            let end = at + c.len_utf8();
            if punctuation {
                word(at, end);
            }
            start = end;
        }
        if normal.len() > start {
            word(start, normal.len());
        }
    }

    fn apply_aligned(&self, step: Step, normal: &mut NormalizedString) {
        match step {
            Step::Clean => {
                normal
                    .filter(|c| self.facts(c) & DROPPED == 0)
                    .map(|c| if c.is_whitespace() { ' ' } else { c });
            }
            Step::SpaceChinese => {
                let mut spaced = Vec::new();
                normal.for_each(|c| {
                    if is_chinese(c) {
                        spaced.extend([(' ', 0), (c, 1), (' ', 1)]);
                    } else {
                        spaced.push((c, 0));
                    }
                });
                normal.transform(spaced, 0);
            }
            Step::Decompose => {
                normal.nfd();
            }
            Step::DecomposeCompatible => {
                normal.nfkd();
            }
            Step::DropNonspacing => {
                normal.filter(|c| self.facts(c) & NONSPACING == 0);
            }
            Step::DropCombining => {
                normal.filter(|c| !is_combining_mark(c));
            }
            Step::Lowercase => {
                normal.lowercase();
            }
        }
    }
}

/// Writes what `step` makes of `from` to `to`; `has` says whether a character is [`DROPPED`] or
/// [`NONSPACING`].
fn apply(step: Step, from: &str, to: &mut String, has: impl Fn(char, u8) -> bool) {
    to.clear();
    match step {
        Step::Clean => to.extend(
            from.chars().filter(|&c| !has(c, DROPPED)).map(|c| if c.is_whitespace() { ' ' } else { c }),
        ),
        Step::SpaceChinese => {
            for c in from.chars() {
                if is_chinese(c) {
                    to.extend([' ', c, ' ']);
                } else {
                    to.push(c);
                }
            }
        }
        Step::Decompose => to.extend(from.nfd().map(|(c, _)| c)),
        Step::DecomposeCompatible => to.extend(from.nfkd().map(|(c, _)| c)),
        Step::DropNonspacing => to.extend(from.chars().filter(|&c| !has(c, NONSPACING))),
        Step::DropCombining => to.extend(from.chars().filter(|&c| !is_combining_mark(c))),
        Step::Lowercase => to.extend(from.chars().flat_map(char::to_lowercase)),
    }
}

/// Hugging Face's reader tells some components by their fields alone and stops the process on some
/// malformed ones, so it is asked about these only.
fn kinds_are_known(value: &Value) -> bool {
    match value.get("type").and_then(Value::as_str) {
        Some("BertNormalizer" | "Lowercase" | "NFD" | "NFKD" | "StripAccents") => true,
        Some("Sequence") => match value.get("normalizers").and_then(Value::as_array) {
            Some(parts) => parts.iter().all(kinds_are_known),
            None => false,
        },
        _ => false,
    }
}

fn add_steps(normalizer: &NormalizerWrapper, steps: &mut Vec<Step>) -> Result<(), &'static str> {
    match normalizer {
        NormalizerWrapper::BertNormalizer(bert) => {
            let strips = bert.strip_accents.unwrap_or(bert.lowercase);
            let wanted = [
                (bert.clean_text, Step::Clean),
                (bert.handle_chinese_chars, Step::SpaceChinese),
                (strips, Step::Decompose),
                (strips, Step::DropNonspacing),
                (bert.lowercase, Step::Lowercase),
            ];
            steps.extend(wanted.into_iter().filter_map(|(wanted, step)| wanted.then_some(step)));
        }
        NormalizerWrapper::Lowercase(_) => steps.push(Step::Lowercase),
        NormalizerWrapper::NFD(_) => steps.push(Step::Decompose),
        NormalizerWrapper::NFKD(_) => steps.push(Step::DecomposeCompatible),
        NormalizerWrapper::StripAccents(_) => steps.push(Step::DropCombining),
        NormalizerWrapper::Sequence(sequence) => {
            for part in sequence.as_ref() {
                add_steps(part, steps)?;
            }
        }
        _ => return Err("the normaliser is not one of BERT's"),
    }
    Ok(())
}
