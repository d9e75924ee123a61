//! Where does the piece that starts here end?
//!
//! The regular expressions as code, alternative by alternative, one character after the other; O(length of
//! the piece and of the white space after it). `O` below is what is neither letter, number nor space.

use crate::{
    classes::{Class, Classes, LETTER, LOWER, MARK, NUMBER, SIGN, SPACE, UPPER},
    code::code_at,
};

use super::Rules;

/// The end of the piece of `text` that starts at `start`, which must be before its end.
pub(super) fn end(rules: Rules, classes: &'static Classes, text: &str, start: usize) -> usize {
    let at = Reader { bytes: text.as_bytes(), classes, parts: Parts::None };
    match rules {
        Rules::Gpt2 => gpt2(at, start),
        Rules::SingleDigits => single_digits(Reader { parts: Parts::Digits, ..at }, start),
        Rules::Cl100k { digits } => cl100k(at, start, digits),
        Rules::O200k { digits, contractions } => o200k(at, start, digits, contractions),
        Rules::DeepSeek => deep_seek(at, start),
    }
}

/// Reads characters up to the end of the text, or of the part of it that is cut by itself.
#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    classes: &'static Classes,
    parts: Parts,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Parts {
    /// The text is one part.
    None,
    /// Digits are parts.
    Digits,
    /// Numbers, and runs of Chinese and Japanese, are parts; this reads what is neither.
    Other,
    /// This reads a run of Chinese and Japanese.
    Han,
}

/// A character: its number, its class and its bytes.
#[derive(Clone, Copy)]
struct Char {
    code: u32,
    class: Class,
    len: usize,
}

impl Char {
    fn is(self, class: Class) -> bool {
        self.class & class != 0
    }

    fn is_newline(self) -> bool {
        self.code == 0x0A || self.code == 0x0D
    }

    fn is_blank(self) -> bool {
        self.code == 0x20
    }

    fn is_other(self) -> bool {
        !self.is(LETTER | NUMBER | SPACE)
    }

    fn is_han(self) -> bool {
        matches!(self.code, 0x4E00..=0x9FA5 | 0x3040..=0x30FF)
    }

    fn is_numeric(self) -> bool {
        char::from_u32(self.code).is_some_and(char::is_numeric)
    }
}

impl Reader<'_> {
    /// The character at `place`, if the part has one there.
    #[inline(always)]
    fn get(self, place: usize) -> Option<Char> {
        let c = self.char(place)?;
        let within = match self.parts {
            Parts::None => true,
            Parts::Digits => !c.is_numeric(),
            Parts::Other => !c.is(NUMBER) && !c.is_han(),
            Parts::Han => c.is_han(),
        };
        within.then_some(c)
    }

    #[inline(always)]
    fn char(self, place: usize) -> Option<Char> {
        let (code, len) = code_at(self.bytes, place)?;
        Some(Char { code, class: self.classes.of_code(code), len })
    }

    /// The end of the run of characters for which `belongs` holds.
    #[inline(always)]
    fn run(self, mut place: usize, belongs: impl Fn(Char) -> bool) -> usize {
        while let Some(c) = self.get(place)
            && belongs(c)
        {
            place += c.len;
        }
        place
    }

    /// The end of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` at `place`.
    #[inline(always)]
    fn contraction(self, place: usize, any_case: bool) -> Option<usize> {
        if self.bytes.get(place) == Some(&b'\'') { self.after_quote(place, any_case) } else { None }
    }

    /// The same after the apostrophe at `place`.
    #[inline(never)]
    fn after_quote(self, place: usize, any_case: bool) -> Option<usize> {
        let letter = |place: usize| {
            let code = self.get(place)?.code;
            match u8::try_from(code).ok()? {
                byte if any_case => Some(byte.to_ascii_lowercase()),
                byte => Some(byte),
            }
        };
        // The long s is an s to an expression that does not mind the case.
        if any_case && self.get(place + 1)?.code == 0x17F {
            return Some(place + 3);
        }
        match letter(place + 1)? {
            b's' | b't' | b'm' | b'd' => Some(place + 2),
            b'r' | b'v' if letter(place + 2)? == b'e' => Some(place + 3),
            b'l' if letter(place + 2)? == b'l' => Some(place + 3),
            _ => None,
        }
    }

    /// White space: up to the last newline if `newlines` is set, else without the last character if
    /// something follows, unless it is the only one.
    fn space(self, start: usize, newlines: bool) -> usize {
        let mut place = start;
        let mut last = start;
        let mut after_newline = None;
        while let Some(c) = self.get(place)
            && c.is(SPACE)
        {
            last = place;
            place += c.len;
            if c.is_newline() {
                after_newline = Some(place);
            }
        }
        match after_newline {
            Some(end) if newlines => end,
            _ if last > start && self.get(place).is_some() => last,
            _ => place,
        }
    }
}

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?O+|\s+(?!\S)|\s+`
fn gpt2(at: Reader<'_>, start: usize) -> usize {
    let Some(c) = at.get(start) else { return start };
    if let Some(end) = at.contraction(start, false) {
        return end;
    }
    let (place, first) = match at.get(start + 1) {
        Some(next) if c.is_blank() => (start + 1, next),
        _ => (start, c),
    };
    if first.is(LETTER) {
        at.run(place, |c| c.is(LETTER))
    } else if first.is(NUMBER) {
        at.run(place, |c| c.is(NUMBER))
    } else if first.is_other() {
        at.run(place, Char::is_other)
    } else {
        at.space(start, false)
    }
}

/// A digit, or what [`gpt2`] finds in a text that ends at the next digit.
fn single_digits(at: Reader<'_>, start: usize) -> usize {
    match at.char(start) {
        Some(c) if c.is_numeric() => start + c.len,
        _ => gpt2(at, start),
    }
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?O+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
fn cl100k(at: Reader<'_>, start: usize, digits: u8) -> usize {
    let Some(c) = at.get(start) else { return start };
    if let Some(end) = at.contraction(start, true) {
        return end;
    }
    if c.is(LETTER) {
        return at.run(start, |c| c.is(LETTER));
    }
    if c.is(NUMBER) {
        return numbers(at, start, digits);
    }
    let next = at.get(start + c.len);
    if !c.is_newline() && next.is_some_and(|next| next.is(LETTER)) {
        return at.run(start + c.len, |c| c.is(LETTER));
    }
    if c.is_other() || c.is_blank() && next.is_some_and(Char::is_other) {
        return at.run(at.run(start + c.len, Char::is_other), Char::is_newline);
    }
    at.space(start, true)
}

/// `P?A*B+C?|P?A+B*C?|\p{N}{1,digits}| ?O+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+` where `P` is
/// `[^\r\n\p{L}\p{N}]`, `A` are capitals and `B` small letters, both with what is neither and with marks,
/// and `C` are contractions.
fn o200k(at: Reader<'_>, start: usize, digits: u8, contractions: bool) -> usize {
    let Some(c) = at.get(start) else { return start };
    if c.is(NUMBER) {
        return numbers(at, start, digits);
    }
    let capital = |c: Char| c.is(UPPER | MARK);
    let small = |c: Char| c.is(LOWER | MARK);
    // A*B+: capitals give back one that is also small when no small letter follows.
    let capitalised = |from: usize| {
        let mut place = from;
        let mut either = None;
        while let Some(c) = at.get(place)
            && capital(c)
        {
            place += c.len;
            if small(c) {
                either = Some(place);
            }
        }
        let end = at.run(place, small);
        if end > place { Some(end) } else { either }
    };
    let capitals = |from: usize| {
        let end = at.run(from, capital);
        (end > from).then(|| at.run(end, small))
    };
    let after = (!c.is(LETTER) && !c.is_newline()).then(|| start + c.len);
    let word = after
        .and_then(capitalised)
        .or_else(|| capitalised(start))
        .or_else(|| after.and_then(capitals))
        .or_else(|| capitals(start));
    if let Some(end) = word {
        let contraction = if contractions { at.contraction(end, true) } else { None };
        return contraction.unwrap_or(end);
    }
    if c.is_other() || c.is_blank() && at.get(start + 1).is_some_and(Char::is_other) {
        let signs = at.run(start + c.len, Char::is_other);
        return at.run(signs, |c| c.is_newline() || c.code == u32::from(b'/'));
    }
    at.space(start, true)
}

/// `\p{N}{1,3}`; then runs of Chinese and Japanese, and what is neither, by [`between`].
fn deep_seek(at: Reader<'_>, start: usize) -> usize {
    match at.char(start) {
        Some(c) if c.is(NUMBER) => numbers(at, start, 3),
        Some(c) => {
            let at = Reader { parts: if c.is_han() { Parts::Han } else { Parts::Other }, ..at };
            between(at, start).unwrap_or_else(|| {
                // What nothing matches is one piece up to what something matches.
                let mut place = start + c.len;
                while let Some(c) = at.get(place)
                    && between(at, place).is_none()
                {
                    place += c.len;
                }
                place
            })
        }
        None => start,
    }
}

/// `[!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
fn between(at: Reader<'_>, start: usize) -> Option<usize> {
    let c = at.get(start)?;
    let next = at.get(start + c.len);
    let ascii = |c: Char, belongs: fn(&u8) -> bool| u8::try_from(c.code).is_ok_and(|byte| belongs(&byte));
    let latin = |c: Char| ascii(c, u8::is_ascii_alphabetic);
    let word = |c: Char| c.is(LETTER | MARK);
    if ascii(c, u8::is_ascii_punctuation) && next.is_some_and(latin) {
        return Some(at.run(start + c.len, latin));
    }
    if word(c) || !c.is(SIGN) && !c.is_newline() && next.is_some_and(word) {
        return Some(at.run(start + c.len, word));
    }
    if c.is(SIGN) || c.is_blank() && next.is_some_and(|next| next.is(SIGN)) {
        return Some(at.run(at.run(start + c.len, |c| c.is(SIGN)), Char::is_newline));
    }
    c.is(SPACE).then(|| at.space(start, true))
}

/// At most `most` numbers.
fn numbers(at: Reader<'_>, start: usize, most: u8) -> usize {
    let mut place = start;
    for _ in 0..most {
        match at.get(place) {
            Some(c) if c.is(NUMBER) => place += c.len,
            _ => break,
        }
    }
    place
}
