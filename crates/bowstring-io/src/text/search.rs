//! Where is the first of a few bytes? Texts are short, so that eight bytes at a time in an ordinary
//! register find it sooner than a call to a vector search would begin.

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = ONES * 0x80;

/// A byte in each lane of a word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes(u64);

impl Lanes {
    pub(crate) const fn of(byte: u8) -> Self {
        Self(ONES * byte as u64)
    }
}

/// Sets the highest bit of lanes below a bound of at most 128; also of lanes above such a one, so that
/// only the lowest that is set counts.
#[inline]
const fn below(word: u64, bound: u64) -> u64 {
    word.wrapping_sub(ONES * bound) & !word & HIGH
}

/// The same for lanes that are equal.
#[inline]
const fn equal(word: u64, lanes: Lanes) -> u64 {
    below(word ^ lanes.0, 1)
}

/// The first place of either byte.
#[inline]
pub(crate) fn either(text: &[u8], first: Lanes, second: Lanes) -> Option<usize> {
    search(text, |word| equal(word, first) | equal(word, second))
}

/// The first place of either byte or of one below 0x20.
#[inline]
pub(crate) fn either_or_control(text: &[u8], first: Lanes, second: Lanes) -> Option<usize> {
    search(text, |word| equal(word, first) | equal(word, second) | below(word, 0x20))
}

/// The highest bit of every lane that is one of the bytes, and of no other lane.
#[inline]
pub(crate) fn all(word: u64, bytes: [Lanes; 3]) -> u64 {
    let zero = |lanes: u64| !(((lanes & !HIGH) + !HIGH) | lanes);
    let [first, second, third] = bytes.map(|byte| zero(word ^ byte.0));
    (first | second | third) & HIGH
}

#[inline]
fn search(text: &[u8], found: impl Fn(u64) -> u64) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let lanes = found(u64::from_le_bytes(*word));
        if lanes != 0 {
            return Some(index * 8 + lanes.trailing_zeros() as usize / 8);
        }
    }
    // What is behind the end has the value of a byte that is never looked for.
    let mut word = [0xff; 8];
    word.get_mut(..rest.len())?.copy_from_slice(rest);
    let lanes = found(u64::from_le_bytes(word));
    (lanes != 0).then(|| words.len() * 8 + lanes.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*, sample::select};

    proptest! {
        #[test]
        fn the_first_place_is_that_of_a_search_by_bytes(
            text in vec(select(b"a,\n\"\\ !\x2b\x2d\x0b\x09\x00\x1f\x20\x7f\x80\xac\x8a\xff".as_slice()), 0..40),
        ) {
            let (comma, newline) = (Lanes::of(b','), Lanes::of(b'\n'));
            let slow = text.iter().position(|byte| matches!(byte, b',' | b'\n'));
            prop_assert_eq!(either(&text, comma, newline), slow);
            if let Some(word) = text.first_chunk() {
                let three = [comma, newline, Lanes::of(b'\\')];
                let slow = word.map(|byte| if matches!(byte, b',' | b'\n' | b'\\') { 0x80 } else { 0 });
                prop_assert_eq!(all(u64::from_le_bytes(*word), three), u64::from_le_bytes(slow));
            }
            let slow = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(either_or_control(&text, Lanes::of(b'"'), Lanes::of(b'\\')), slow);
        }
    }
}
