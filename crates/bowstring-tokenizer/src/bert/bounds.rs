//! Where do words of ASCII begin and end?
//!
//! Separators are white space and punctuation: whatever is neither a letter, a digit, a control character
//! nor a part of a character beyond ASCII. 64 bytes are looked at together, a bit for each.

/// How many bytes are looked at together.
pub(super) const BLOCK: usize = 64;

/// White space that separates words whatever the normaliser does.
#[inline(always)]
pub(super) fn is_space(byte: u8) -> bool {
    (byte == b' ') | (byte == b'\t') | (byte == b'\n') | (byte == b'\r')
}

/// Neither a letter, a digit, a control character nor a part of a character beyond ASCII; or white space.
#[inline(always)]
pub(super) fn is_separator(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let digit = byte.wrapping_sub(b'0') < 10;
    let inner = !(b' '..0x7f).contains(&byte);
    !(letter | digit | inner) | is_space(byte)
}

/// What is where in [`BLOCK`] bytes, a bit for each, the lowest for the first byte.
pub(super) struct Bounds {
    /// The first byte of a stretch.
    pub begins: u64,
    /// The separator behind a stretch.
    pub ends: u64,
    /// Separators that are tokens.
    pub marks: u64,
    /// Whether the last byte belongs to a stretch.
    pub last: bool,
    /// Where characters may begin or go on that often stand alone among others beyond ASCII.
    pub alone: u64,
}

/// Whether `byte` begins a character that mostly stands alone: Chinese, and what is wide. Quotation marks are
/// not meant, which words of other scripts have again and again.
#[inline(always)]
fn begins_alone(byte: u8) -> bool {
    (0xE3..=0xE9).contains(&byte) | (byte >= 0xEF)
}

/// Whether `byte` may begin a Tibetan character; Tibetan syllables are separated by punctuation.
#[inline(always)]
fn begins_tibetan(byte: u8) -> bool {
    byte == 0xE0
}

/// Whether `byte` is the second one of a Tibetan character, if it is a second one at all.
#[inline(always)]
fn goes_on_tibetan(byte: u8) -> bool {
    byte.wrapping_sub(0xBC) < 4
}

/// The bounds in the first bytes of `rest`, before which a stretch may be `open`.
#[inline(always)]
pub(super) fn bounds(rest: &[u8], open: bool) -> Bounds {
    let mut end = [b' '; BLOCK];
    let block = match rest.first_chunk::<BLOCK>() {
        Some(block) => block,
        None => {
            // What is open ends with the text.
            for (to, from) in end.iter_mut().zip(rest) {
                *to = *from;
            }
            &end
        }
    };
    let stops = bits(block, is_separator);
    let spaces = bits(block, is_space);
    let follows = !stops << 1 | u64::from(open);
    let mut alone = 0;
    if any(block, begins_alone) {
        alone |= bits(block, begins_alone);
    }
    if any(block, begins_tibetan) {
        alone |= bits(block, begins_tibetan) << 1 & bits(block, goes_on_tibetan);
    }
    Bounds {
        begins: !stops & !follows,
        ends: stops & follows,
        marks: stops & !spaces,
        last: stops >> (BLOCK - 1) == 0,
        alone,
    }
}

/// Whether any byte `is` so; much cheaper than to say which.
#[inline(always)]
fn any(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(false, |any, &byte| any | is(byte))
}

/// A bit for each byte that `is` so.
#[inline(always)]
fn bits(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let mut flags = [0; BLOCK];
    // This form becomes vector instructions.
    for (flag, &byte) in flags.iter_mut().zip(block) {
        *flag = u8::from(is(byte));
    }
    let mut mask = 0;
    for (eight, part) in flags.as_chunks::<8>().0.iter().enumerate() {
        // One bit of each byte is moved to the highest byte.
        let bits = u64::from_le_bytes(*part).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (8 * eight);
    }
    mask
}
