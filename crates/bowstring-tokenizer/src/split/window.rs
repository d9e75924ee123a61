//! Where do the pieces of the next 64 bytes end?
//!
//! The regular expressions as arithmetic on sets of bytes, one bit each; a character of several bytes is as
//! many members of its set. What they do character by character stands in [`step`](super::step), and tests hold both against each other. A window
//! begins where a piece begins. What is sure about it is said: what its last bytes do may depend on what
//! follows, and is left to the next window.
//!
//! White space is a run of newlines, and of blanks and tabs, which are called gaps here.

use bowstring_simd::ascii::{BLOCK, Kinds, kinds};

use super::Rules;
use crate::classes::{Classes, LETTER, LOWER, MARK, NUMBER, SPACE, UPPER};

/// The ends of the pieces from `start` on, as distances from it; none when nothing is sure.
#[inline(always)]
pub(super) fn ends(rules: Rules, classes: &Classes, bytes: &[u8], start: usize) -> u64 {
    let ascii = rules == Rules::DeepSeek;
    // Text that is not ASCII right away has no use for a window of ASCII.
    if ascii && bytes[start..].iter().take(2).any(|byte| !byte.is_ascii()) {
        return 0;
    }
    let rest = &bytes[start..];
    let mut padded = [0; BLOCK];
    let block = match rest.first_chunk() {
        Some(block) => block,
        None => {
            padded[..rest.len()].copy_from_slice(rest);
            &padded
        }
    };
    let classes = if ascii { None } else { Some((classes, matches!(rules, Rules::O200k { .. }))) };
    let window = Window::new(block, rest.len(), classes, rules == Rules::DeepSeek);
    let (starts, sure) = match rules {
        Rules::Gpt2 => window.gpt2(false),
        Rules::SingleDigits => window.gpt2(true),
        Rules::Cl100k { digits } => window.cl100k(digits, Words::Alike),
        Rules::O200k { digits, contractions: true } => {
            window.cl100k(digits, Words::CapitalisedWithContractions)
        }
        Rules::O200k { digits, contractions: false } => window.cl100k(digits, Words::Capitalised),
        Rules::DeepSeek => window.cl100k(3, Words::BetweenNumbers),
    };
    // The first piece starts at 0, where none ends.
    starts & sure & !1 | window.end & after(sure)
}

/// What the rules of the family of cl100k differ in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    /// Letters are letters; contractions are pieces.
    Alike,
    /// A capital after a small letter starts a word.
    Capitalised,
    /// The same, and contractions belong to the word before.
    CapitalisedWithContractions,
    /// Letters are letters, there are no contractions, and a number ends the text before it.
    BetweenNumbers,
}

/// The bytes of the window that are known.
struct Window<'a> {
    bytes: &'a [u8; BLOCK],
    kinds: Kinds,
    /// Neither letter, digit, nor space.
    sign: u64,
    /// The bytes of signs that are not their first.
    inner: u64,
    /// How many bytes are known.
    len: usize,
    /// Whether the text ends with them.
    last: bool,
    /// The end of the text, if it can be said.
    end: u64,
}

impl<'a> Window<'a> {
    /// Without `classes`, which come with whether capitals matter, all is left to others from the first
    /// character on that is not ASCII; `control` says to leave control characters to them.
    #[inline(always)]
    fn new(bytes: &'a [u8; BLOCK], rest: usize, classes: Option<(&Classes, bool)>, control: bool) -> Self {
        let mut kinds = kinds(bytes);
        let mut len = (kinds.high.trailing_zeros() as usize).min(rest);
        let mut inner = 0;
        if let Some((classes, capitals)) = classes
            && len < BLOCK.min(rest)
        {
            (len, inner) = characters(bytes, rest, classes, capitals, &mut kinds);
        }
        if control {
            let odd = |&byte: &u8| byte.is_ascii_control() && !matches!(byte, 9..=13);
            len = bytes[..len].iter().position(odd).unwrap_or(len);
        }
        let last = len == rest;
        let known = below(len);
        for kind in [
            &mut kinds.letter,
            &mut kinds.capital,
            &mut kinds.digit,
            &mut kinds.space,
            &mut kinds.newline,
            &mut kinds.blank,
            &mut kinds.quote,
        ] {
            *kind &= known;
        }
        let sign = known & !(kinds.letter | kinds.digit | kinds.space);
        let end = if last && len < BLOCK { 1 << len } else { 0 };
        Self { bytes, kinds, sign, inner, len, last, end }
    }

    /// The bytes of which it is known whether a piece starts there, when that depends on `ahead` more.
    #[inline(always)]
    fn sure(&self, ahead: usize) -> u64 {
        if self.last { below(self.len) } else { below(self.len.saturating_sub(ahead)) }
    }

    /// Starts by GPT-2's rules, and where they are sure; with `single_digits` after digits were taken out.
    #[inline(always)]
    fn gpt2(&self, single_digits: bool) -> (u64, u64) {
        let Kinds { letter, digit, space, blank, quote, .. } = self.kinds;
        let sign = self.sign;
        let same = letter & after(letter) | digit & after(digit) | sign & after(sign);
        let words = letter | digit | sign;
        // The last space before a word goes with it, or is a piece.
        let follows = if single_digits { letter | sign } else { words };
        let mut starts = words & !same & !after(blank) | space & (!after(space) | follows >> 1);
        if single_digits {
            starts |= digit;
        }
        let mut candidates = quote & starts & letter >> 1;
        while candidates != 0 {
            let place = candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            if let Some(len) = self.contraction(place, false) {
                starts = starts & !(2 << place) | at(place + len);
            }
        }
        (starts, self.sure(1))
    }

    /// Starts by the rules of cl100k and its kin, and where they are sure.
    #[inline(always)]
    fn cl100k(&self, digits: u8, words: Words) -> (u64, u64) {
        let Kinds { letter, capital, digit, space, newline, blank, quote, .. } = self.kinds;
        let sign = self.sign;
        let gap = space & !newline;

        let sign_starts = sign & !after(sign) & !after(blank);
        // A gap, or one sign which is not taken by a blank, goes with the letters that follow.
        let mut first_sign = sign_starts;
        for _ in 1..4 {
            first_sign |= after(first_sign) & self.inner;
        }
        let mut starts = sign_starts | letter & !after(letter | gap | first_sign);
        starts |= self.digit_starts(digits);

        // Newlines after signs belong to them; others start a piece unless white space is before them.
        let taken = newline & !newline.wrapping_add(newline & after(sign));
        starts |= newline & !after(space | sign);
        // A gap starts a piece, and its last byte does when something follows that is not a newline.
        let gap_starts = gap & !after(gap);
        let follows = if words == Words::BetweenNumbers { letter | sign } else { letter | digit | sign };
        starts |= gap_starts | gap & follows >> 1;
        // But white space is one piece up to its last newline.
        let mut before_newline = gap & newline >> 1;
        while before_newline != 0 {
            let place = before_newline.trailing_zeros() as usize;
            before_newline &= before_newline - 1;
            let first = highest(gap_starts & below(place + 1));
            starts &= !(first & after(newline & !taken));
        }

        let mut sure = self.sure(1);
        match words {
            Words::Alike => {
                let mut candidates = quote & sign_starts & letter >> 1;
                while candidates != 0 {
                    let place = candidates.trailing_zeros() as usize;
                    candidates &= candidates - 1;
                    if let Some(len) = self.contraction(place, true) {
                        starts |= at(place + len);
                    }
                }
            }
            Words::Capitalised | Words::CapitalisedWithContractions => {
                starts |= capital & after(letter & !capital);
                if words == Words::CapitalisedWithContractions {
                    starts = self.join_contractions(starts);
                    sure &= self.sure(2);
                }
                // Slashes, too, belong to the signs before the newlines before them: rare, so not for here.
                let mut slashes = sign & after(taken);
                while slashes != 0 {
                    let place = slashes.trailing_zeros() as usize;
                    slashes &= slashes - 1;
                    if self.bytes[place] == b'/' {
                        return (starts, sure & below(place));
                    }
                }
            }
            Words::BetweenNumbers => {}
        }
        if !self.last {
            // The white space at the end may go on.
            sure &= below(BLOCK - (below(self.len) & !space).leading_zeros() as usize);
        }
        (starts, sure)
    }

    /// The first of every so many digits of a run.
    #[inline(always)]
    fn digit_starts(&self, digits: u8) -> u64 {
        let digit = self.kinds.digit;
        if digits == 1 {
            return digit;
        }
        let mut starts = digit & !after(digit);
        let mut whole = digit;
        for distance in 1..=digits {
            whole &= digit << distance;
        }
        let mut next = starts << digits & whole;
        while next != 0 {
            starts |= next;
            next = next << digits & whole;
        }
        starts
    }

    /// The starts without those of contractions that belong to the word before.
    #[inline(always)]
    fn join_contractions(&self, mut starts: u64) -> u64 {
        let Kinds { letter, quote, .. } = self.kinds;
        let mut candidates = quote & after(letter) & letter >> 1;
        let mut end = 0;
        while candidates != 0 {
            let place = candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            // A word has one contraction; what follows it is a word again.
            if place == end {
                continue;
            }
            if let Some(len) = self.contraction(place, true) {
                end = place + len;
                starts = starts & !(below(end) & !below(place)) | at(end);
            }
        }
        starts
    }

    /// How long the contraction is whose apostrophe stands at `place`.
    #[inline(always)]
    fn contraction(&self, place: usize, any_case: bool) -> Option<usize> {
        let letter = |i: usize| {
            let byte =
                self.bytes.get(place + i).filter(|_| place + i < self.len).copied().unwrap_or_default();
            if any_case { byte.to_ascii_lowercase() } else { byte }
        };
        match (letter(1), letter(2)) {
            (b's' | b't' | b'm' | b'd', _) => Some(2),
            (b'r' | b'v', b'e') | (b'l', b'l') => Some(3),
            _ => None,
        }
    }
}

/// Puts characters of several bytes into the sets of letters; they are signs where they are in none. The first
/// that is a number, or space, or does not end within the block ends what is known: where, and the bytes
/// of signs that are not their first. Where `capitals` matter, marks are letters.
#[inline(always)]
fn characters(
    bytes: &[u8; BLOCK],
    rest: usize,
    classes: &Classes,
    capitals: bool,
    kinds: &mut Kinds,
) -> (usize, u64) {
    let mut high = kinds.high & below(rest);
    let mut end = BLOCK.min(rest);
    let (mut inner, mut either) = (0, 0);
    while high != 0 {
        let place = high.trailing_zeros() as usize;
        let byte = |i: usize| u32::from(bytes[(place + i) % BLOCK]);
        let low = |i: usize| byte(i) & 0x3F;
        let (code, len) = match byte(0) {
            a @ 0..0xE0 => ((a & 0x1F) << 6 | low(1), 2),
            a @ 0..0xF0 => ((a & 0x0F) << 12 | low(1) << 6 | low(2), 3),
            a => ((a & 0x07) << 18 | low(1) << 12 | low(2) << 6 | low(3), 4),
        };
        let class = classes.of_code(code);
        let stray_mark = capitals && class & MARK != 0 && kinds.letter << 1 & at(place) == 0;
        // The long s may belong to a contraction.
        if class & (NUMBER | SPACE) != 0 || code == 0x17F || place + len > BLOCK || stray_mark {
            end = place;
            break;
        }
        let all = below(place + len) & !below(place);
        if class & LETTER != 0 || capitals && class & MARK != 0 {
            kinds.letter |= all;
            match class & LETTER {
                UPPER => kinds.capital |= all,
                LOWER => {}
                _ => either |= all,
            }
        } else {
            inner |= all & !at(place);
        }
        high &= !all;
    }
    // Whether a capital behind a letter without case begins a word depends on all that follows.
    let odd = kinds.capital & after(either) & below(end);
    if capitals && odd != 0 {
        let word = below(odd.trailing_zeros() as usize);
        end = BLOCK - (word & !kinds.letter).leading_zeros() as usize;
    }
    (end, inner)
}

/// Those after the members of `set`.
#[inline(always)]
fn after(set: u64) -> u64 {
    set << 1
}

/// The set of `place` alone; empty if it is outside.
#[inline(always)]
fn at(place: usize) -> u64 {
    1u64.checked_shl(place as u32).unwrap_or(0)
}

/// The first `len` bytes.
#[inline(always)]
fn below(len: usize) -> u64 {
    at(len).wrapping_sub(1)
}

/// The last member of `set` alone.
#[inline(always)]
fn highest(set: u64) -> u64 {
    match set {
        0 => 0,
        _ => 1 << set.ilog2(),
    }
}
